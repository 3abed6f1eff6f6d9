//! A rendezvous that was set back, or has lost what it had: what somebody there is told, and how they go on.

use serde_json::Value;

use crate::{
    driver::Running,
    house::{House, home, line, start, wait_up},
};

/// One that was set back to what it held before anybody registered.
fn set_back(house: &mut House, register: impl FnOnce(&mut House)) {
    let before = house.back_up("before.db");
    register(house);
    house.restore(&before);
}

/// Waits until it is clear that nobody knows us there.
fn wait_forgotten(node: &mut Running) {
    let is_it = |line: &Value| line["last_error"].as_str().is_some_and(|why| why.contains("takes the name again"));
    node.wait("rendezvous.changed", is_it);
}

#[test]
fn whoever_is_forgotten_leaves_and_takes_the_name_again_and_their_friends_are_not_alarmed() {
    let (mut house, alice_home, bob_home) = (House::new(), home("Alice"), home("Bob"));
    let (mut alice, mut bob) = (start(&alice_home, &house), start(&bob_home, &house));
    set_back(&mut house, |house| {
        alice.ask(&line("register", "alice", &alice_home));
        bob.ask(&line("register", "bob", &bob_home));
        wait_up(&mut alice);
        wait_up(&mut bob);
        bob.ask("/add alice");
        alice.wait("friend.requested", |_| true);
        alice.ask("/accept 1");
        bob.wait("friend.added", |_| true);
        house.wait_mailboxes(2);
    });
    wait_forgotten(&mut alice);
    wait_forgotten(&mut bob);
    let left = alice.ask("/logout");
    assert_eq!((&left["name"], &left["name_is"]), (&"alice".into(), &"forgotten".into()));
    let left = bob.ask("/unregister --yes");
    assert_eq!((&left["name"], &left["name_is"]), (&"bob".into(), &"forgotten".into()));
    alice.ask(&line("register", "alice", &alice_home));
    bob.ask(&line("register", "bob", &bob_home));
    wait_up(&mut alice);
    wait_up(&mut bob);
    // The same number of the name as before, signed anew, by the same account.
    assert_eq!(bob.ask("/find alice")["account"], alice.ready["account"]);
    let entry = bob.ask("@alice still you")["entry"].clone();
    bob.wait_state(&entry, &["delivered", "read"]);
    assert_eq!(bob.ask("/friends")["friends"][0]["key_alarm"], false);
    for (node, name) in [(alice, "alice"), (bob, "bob")] {
        let (code, lines) = node.end();
        assert_eq!(code, 0, "{name}");
        let contradicts = |line: &Value| line["message"].as_str().is_some_and(|why| why.contains("contradicting"));
        assert!(!lines.iter().any(contradicts), "{name}: {lines:?}");
    }
}

#[test]
fn whoever_is_forgotten_may_take_another_name_and_whoever_is_known_may_not() {
    let (mut house, alice_home) = (House::new(), home("Alice"));
    let mut alice = start(&alice_home, &house);
    set_back(&mut house, |_| {
        alice.ask(&line("register", "alice", &alice_home));
        wait_up(&mut alice);
        let refused = alice.refused(&line("register", "alicia", &alice_home), "conflict");
        assert!(refused["message"].as_str().unwrap().contains("then /register alicia"), "{refused}");
    });
    // Asked at once, whatever this node has heard by now.
    alice.ask(&line("register", "alicia", &alice_home));
    assert_eq!(alice.ask("/net")["servers"][0]["name"], "alicia");
    assert_eq!(alice.ask("/logout")["name_is"], "yours");
}
