//! What answers where a rendezvous should be and is none, or not the one that is meant: each is named with its code.

use hobnob_shared::rendezvous::Address;

use crate::{
    driver::{Home, code, stderr, stdout},
    house::{House, home, line},
};

/// One command with this address: the exit code and what was said.
fn run(home: &Home, address: &str, command: &str) -> (i32, String) {
    let output = home.command().args(["--rendezvous", address, "-e", command]).output().unwrap();
    (code(&output), stdout(&output) + &stderr(&output))
}

/// The address, with its parts changed.
fn address(at: &str, place: Option<&str>, transport: Option<&[u8]>, key: Option<&[u8; 32]>) -> String {
    let at = Address::parse(at).unwrap();
    let (place, transport) = (place.unwrap_or(at.place()), transport.unwrap_or(at.transport()));
    Address::new(place, transport, key.unwrap_or(at.x25519())).unwrap().to_string()
}

#[test]
fn each_has_its_code_and_changes_nothing() {
    let (house, other, alice_home) = (House::new(), House::new(), home("Alice"));
    let register = line("register", "alice", &alice_home);
    let bob = Home::new("Bob").start();
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = format!("/ip4/127.0.0.1/tcp/{closed}");
    let there = Address::parse(&other.address).unwrap();
    let node = bob.ready["listen"][0].as_str().unwrap().split("/p2p/").next().unwrap();
    let lies = [
        ("nobody is there", address(&house.address, Some(&closed), None, None), 3, "127.0.0.1 is not reached"),
        (
            "another key is in the address",
            address(&house.address, None, None, Some(&[9; 32])),
            4,
            "does not prove the key",
        ),
        (
            "somebody else has moved in",
            address(&house.address, Some(there.place()), None, None),
            4,
            "another node answers",
        ),
        ("a friend's node, not a server", address(&house.address, Some(node), None, None), 4, "another node answers"),
    ];
    for (what, address, wanted, words) in lies {
        for command in [&register, &line("login", "alice", &alice_home), "/find bob"] {
            let (exit, told) = run(&alice_home, &address, command);
            assert!(exit == wanted && told.contains(words), "{what}: {command}: {exit}: {told}");
        }
        let (exit, told) = run(&alice_home, &address, &format!("/set rendezvous {address} off"));
        assert_eq!(exit, 0, "{what}: {told}");
        run(&alice_home, &address, &format!("/set rendezvous {address}"));
        let after = alice_home.command().args(["-e", "/find bob"]).output().unwrap();
        let told = stdout(&after) + &stderr(&after);
        assert!(code(&after) != 0 && told.contains("no rendezvous is in use"), "{what} was remembered: {told}");
    }
    // The right one takes the name, and is pinned.
    assert_eq!(run(&alice_home, &house.address, &register).0, 0);
    let impostor = address(&house.address, None, None, Some(&[9; 32]));
    let (exit, told) = run(&alice_home, &house.address, &format!("/set rendezvous {impostor}"));
    assert!(exit == 4 && told.contains("known with another key"), "{exit}: {told}");
    let (exit, told) = run(&alice_home, &house.address, "/set rendezvous /ip4/127.0.0.1/tcp/1");
    assert!(exit == 2 && told.contains("/set rendezvous ADDRESS"), "{exit}: {told}");
    // A wrong port takes the place of nothing.
    let wrong = address(&house.address, Some(&closed), None, None);
    let (exit, told) = run(&alice_home, &house.address, &format!("/set rendezvous {wrong}"));
    assert_eq!(exit, 0, "{told}");
    let after = alice_home.command().args(["-e", "/find alice"]).output().unwrap();
    assert_eq!(code(&after), 0, "{after:?}");
}
