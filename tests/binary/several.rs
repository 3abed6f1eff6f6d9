//! Several rendezvous at once, and moving from one to another.

use serde_json::json;

use crate::{
    driver::{Home, Running, befriend, code, stderr},
    house::{House, hear, home, leave, line, start, wait_up},
};

/// Two of them on one machine, told apart by their hosts.
fn houses() -> (House, House) {
    (House::at("127.0.0.1:0", &[]), House::at("127.0.0.2:0", &[]))
}

/// Uses this one as well, and takes a name there.
fn register(node: &mut Running, name: &str, home: &Home, house: &House) {
    node.ask(&format!("/set rendezvous {}", house.address));
    let host = house.address.split('/').nth(2).unwrap();
    node.ask(&line("register", &format!("{name}@{host}"), home));
    let address = house.address.as_str();
    node.wait("rendezvous.changed", |line| line["state"] == "up" && line["rendezvous"] == address);
}

#[test]
fn with_two_rendezvous_either_may_be_gone() {
    let (mut one, mut two) = houses();
    let (alice_home, bob_home) = (home("Alice"), home("Bob"));
    let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
    for (node, name, home) in [(&mut alice, "alice", &alice_home), (&mut bob, "bob", &bob_home)] {
        register(node, name, home, &one);
        register(node, name, home, &two);
    }
    let unclear = alice.refused("/find bob", "usage");
    assert!(unclear["message"].as_str().unwrap().contains("alice@127.0.0."), "{unclear}");
    for host in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(alice.ask(&format!("/find bob@{host}"))["account"], bob.ready["account"]);
    }
    befriend(&mut alice, &mut bob);
    one.wait_mailboxes(2);
    two.wait_mailboxes(2);
    hear(&mut alice, &mut bob);
    assert_eq!(bob.end().0, 0);

    leave(&mut alice, "@bob", "with both");
    let gone = if one.envelopes() == 1 { &mut one } else { &mut two };
    gone.kill();
    leave(&mut alice, "@bob", "with one");
    // The code of the refusal.
    assert_eq!(alice.end().0, 2);
    // All that he lacks is where he can have it.
    let mut bob = bob_home.start();
    bob.receive("with both");
    bob.receive("with one");
    gone.start();
    let mut alice = alice_home.start();
    alice.wait("message.state", |line| line["state"] == "delivered");
    let after = bob.end().1;
    assert!(!after.iter().any(|line| line["type"] == "message.received"), "{after:?}");
}

#[test]
fn moving_to_another_rendezvous_takes_the_mail_along_and_leaves_the_old_one_serving() {
    let (old, new) = houses();
    let (alice_home, bob_home) = (home("Alice"), home("Bob"));
    let (mut alice, mut bob) = (start(&alice_home, &old), start(&bob_home, &old));
    crate::house::meet(&old, (&mut alice, &alice_home), (&mut bob, &bob_home));
    register(&mut alice, "alice", &alice_home, &new);
    let refused = alice.refused(&format!("/set rendezvous {} off", old.address), "conflict");
    assert!(refused["message"].as_str().unwrap().contains("/logout 127.0.0.1 first"), "{refused}");
    // The old one serves until she leaves it.
    assert_eq!(bob.ask("/find alice")["account"], alice.ready["account"]);
    let refused = alice.refused("/unregister", "usage");
    assert!(refused["message"].as_str().unwrap().starts_with("you have names at several rendezvous"), "{refused}");
    alice.ask("/unregister 127.0.0.1 --yes");
    alice.ask(&format!("/set rendezvous {} off", old.address));
    let servers = alice.ask("/net")["servers"].clone();
    assert_eq!((servers.as_array().unwrap().len(), &servers[0]["name"]), (1, &json!("alice")), "{servers}");
    bob.refused("/find alice", "not_found");
    // Bob does not use the new one, and leaves mail there.
    new.wait_mailboxes(1);
    hear(&mut alice, &mut bob);
    // The code of the refusal.
    assert_eq!(alice.end().0, 1);
    leave(&mut bob, "@alice", "at your new place");
    assert_eq!((old.envelopes(), new.envelopes()), (0, 1));
    assert_eq!(bob.end().0, 1);
    let mut alice = alice_home.start();
    wait_up(&mut alice);
    alice.receive("at your new place");
    // His receipt goes where he is.
    old.wait_envelopes(1);
    assert_eq!(alice.end().0, 0);
    let mut bob = bob_home.start();
    bob.wait("message.state", |line| line["state"] == "delivered");
}

#[test]
fn a_rendezvous_that_is_not_used_is_named_with_what_to_do() {
    let (house, alice_home) = (House::new(), home("Alice"));
    let elsewhere = alice_home.command().args(["--rendezvous", &house.address, "-e", "/find bob@r.example"]).output();
    let elsewhere = elsewhere.unwrap();
    assert_eq!(code(&elsewhere), 1, "{elsewhere:?}");
    assert!(stderr(&elsewhere).contains("r.example"), "{elsewhere:?}");
}

#[test]
fn two_rendezvous_on_one_host_are_told_apart_by_port_key_or_address() {
    let (one, two) = (House::new(), House::new());
    let (alice_home, bob_home) = (home("Alice"), home("Bob"));
    let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
    let port = |house: &House| house.address.split('/').nth(4).unwrap().to_owned();
    let key = |house: &House| house.address.split('#').nth(1).unwrap().to_owned();
    let places = [format!("127.0.0.1:{}", port(&one)), format!("127.0.0.1:{}", port(&two))];
    for (node, home, name) in [(&mut alice, &alice_home, "alice"), (&mut bob, &bob_home, "bob")] {
        for (house, place) in [&one, &two].into_iter().zip(&places) {
            node.ask(&format!("/set rendezvous {}", house.address));
            node.ask(&line("register", &format!("{name}@{place}"), home));
        }
    }
    // Whoever names too little is told what to type, and it works as it is said.
    for unclear in ["/find bob", "/find bob@127.0.0.1", "/logout", "/logout 127.0.0.1", "/add bob@127.0.0.1"] {
        let message = alice.refused(unclear, "usage")["message"].as_str().unwrap().to_owned();
        for place in &places {
            assert!(message.contains(place.as_str()), "{unclear}: {message}");
        }
    }
    let keys = [format!("#{}", &key(&one)[..6]), format!("#{}", key(&two))];
    let addresses = [one.address.clone(), two.address.clone()];
    for (place, house) in [&places, &keys, &addresses].into_iter().flat_map(|all| all.iter().zip([&one, &two])) {
        let found = alice.ask(&format!("/find bob@{place}"));
        assert_eq!(found["rendezvous"], house.address.as_str(), "{place}");
    }
    assert_eq!(alice.ask(&format!("/add bob@{}", places[1]))["standing"], "pending");
    let left = alice.ask(&format!("/logout {}", keys[0]));
    assert_eq!(left["rendezvous"], one.address.as_str());
    // Of the two only one is left where she has a name.
    let refused = alice.refused(&format!("/set rendezvous {} off", places[1]), "conflict");
    assert!(refused["message"].as_str().unwrap().contains(&format!("/logout {} first", places[1])), "{refused}");
    alice.ask(&line("login", &format!("alice@{}", places[0]), &alice_home));
    alice.ask(&format!("/logout {}", places[0]));
    alice.ask(&format!("/set rendezvous {} off", places[0]));
    assert_eq!(alice.ask("/find bob")["rendezvous"], two.address.as_str());
}
