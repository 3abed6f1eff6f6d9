//! Look-ups of names, which strangers behind the same address can use up, through the real program and server.

use serde_json::json;

use crate::{
    driver::{code, stderr, stdout},
    house::{House, home, line, start, wait_up},
};

/// Ten times as many for all guests at one address.
const LIMITS: &str = "lookups_per_hour = 5\n";

#[test]
fn whoever_lives_with_a_stranger_registers_finds_adds_and_logs_in() {
    let house = House::with(LIMITS);
    let bob_home = home("Bob");
    let mut bob = start(&bob_home, &house);
    bob.ask(&line("register", "bob", &bob_home));
    wait_up(&mut bob);

    // A stranger uses up what all guests here have.
    let mut stranger = start(&home("Mallory"), &house);
    let tries = (0..100).take_while(|number| {
        let answer = stranger.ask_any(&format!("/find nobody_{number}"));
        assert!(["not_found", "limited"].contains(&answer["code"].as_str().unwrap()), "{answer}");
        answer["code"] == "not_found"
    });
    let tries = tries.count();
    assert!((40..60).contains(&tries), "{tries} look-ups");

    // Whoever has no name is told to wait; whoever registers is not.
    let alice_home = home("Alice");
    let mut alice = start(&alice_home, &house);
    let refused = alice.refused("/find bob", "limited");
    assert!(refused["message"].as_str().unwrap().contains("too many look-ups"), "{refused}");
    alice.ask(&line("register", "alice", &alice_home));
    wait_up(&mut alice);
    alice.ask("/find bob");
    alice.ask("/add bob");
    bob.wait("friend.requested", |_| true);
    bob.ask("/accept 1");
    alice.wait("friend.added", |_| true);

    // A name that is taken is one all the same.
    let taken = home("Alice")
        .command()
        .args(["--rendezvous", &house.address, "-e", &line("register", "alice", &alice_home)])
        .output();
    let taken = taken.unwrap();
    assert!(code(&taken) != 0 && (stdout(&taken) + &stderr(&taken)).contains("is taken"), "{taken:?}");
    // Nor does a bare machine wait.
    let bare_home = home("Nobody");
    let mut bare = start(&bare_home, &house);
    assert_eq!(bare.ask(&line("login", "alice", &bare_home))["ok"], json!(true));
}
