//! Bare machines that log in one after the other, each known to nobody but the rendezvous when the next one comes.

use serde_json::Value;

use crate::{
    driver::{Home, Running},
    house::{House, Neighbours, PASSWORD, hear, home, line, start, wait_up},
};

/// Becomes a device of Alice's account, and tells the rendezvous.
fn log_in(home: &Home, house: &House) -> Running {
    let mut node = start(home, house);
    assert_eq!(node.ask(&line("login", "alice", home))["new_device"], true);
    wait_up(&mut node);
    node
}

/// The new devices of Alice of which Bob is told.
fn told(bob: &mut Running, count: usize) -> Vec<Value> {
    (0..count).map(|_| bob.wait("friend.new_device", |line| line["chat"] == "@alice")).collect()
}

#[test]
fn a_friend_who_missed_several_logins_takes_in_the_latest_machine_and_the_ones_between() {
    let Neighbours { house, alice_home: _alice_home, bob_home, alice, bob } = Neighbours::new();
    assert_eq!((bob.end().0, alice.end().0), (0, 0));

    let homes = ["Phone", "Tablet", "Desk"].map(home);
    for home in &homes[..2] {
        assert_eq!(log_in(home, &house).end().0, 0);
    }
    let mut desk = log_in(&homes[2], &house);
    let mut bob = start(&bob_home, &house);
    told(&mut bob, 3);
    desk.wait("presence.changed", |line| line["presence"] == "online");
    hear(&mut desk, &mut bob);
    assert_eq!(desk.ask("/devices")["devices"].as_array().unwrap().len(), 4);
    assert!(!bob.has("warning"), "everything could be checked");
}

#[test]
fn a_friend_who_is_never_there_at_once_is_told_by_mail() {
    let Neighbours { house, alice_home: _alice_home, bob_home, alice, bob } = Neighbours::new();
    let account = alice.ready["account"].clone();
    assert_eq!((bob.end().0, alice.end().0), (0, 0));

    let homes = ["Phone", "Tablet"].map(home);
    let phone = log_in(&homes[0], &house);
    // Each tells Bob that it is there.
    house.wait("friend requests", House::knocks, |count| *count == 1);
    assert_eq!(phone.end().0, 0);
    let mut tablet = log_in(&homes[1], &house);
    tablet.wait("friend.added", |_| true);
    let waiting = tablet.ask("@bob from the new one")["entry"].clone();
    // It knows where to ask for Bob, and not yet where his mail goes.
    tablet.wait("friend.changed", |line| line["devices"] == 1);
    house.wait("friend requests", House::knocks, |count| *count == 2);
    assert_eq!(tablet.end().0, 7, "something waits");

    let mut bob = start(&bob_home, &house);
    told(&mut bob, 2);
    // He tells the new one where his mail goes.
    house.wait("envelopes", |house| house.envelopes_for(&account), |count| *count > 0);
    assert_eq!(bob.end().0, 0);
    let mut tablet = start(&homes[1], &house);
    tablet.wait_state(&waiting, &["stored"]);
    assert_eq!(tablet.end().0, 0);
    let mut bob = start(&bob_home, &house);
    bob.receive("from the new one");
}

#[test]
fn the_recovery_words_alone_give_the_name_back_with_another_password() {
    let Neighbours { house, alice_home: _alice_home, bob_home: _bob_home, mut alice, mut bob } = Neighbours::new();
    let account = alice.ready["account"].clone();
    let words = alice.ask("/recovery")["recovery_words"].clone();
    assert_eq!(alice.end().0, 0);

    let restored = Home::empty();
    restored.file("pw", "another battery horse stapler");
    let file = restored.file("words", words.as_str().unwrap());
    let mut init = restored.command();
    init.args(["init", "--name", "Alice", "--no-input", "--recover"]).arg(file);
    assert!(init.output().unwrap().status.success());
    let mut alice = start(&restored, &house);
    assert_eq!(alice.ready["account"], account);
    assert_eq!(alice.ask(&line("register", "alice", &restored))["name"], "alice");
    assert_eq!(
        alice.ask("/devices")["devices"].as_array().unwrap().len(),
        2,
        "the lost one is listed until it is revoked"
    );
    // He is told of the new machine, and holds no second history of her account.
    assert_eq!(bob.ask("/find alice")["devices"], 2);
    alice.ask("/add bob it is me again");
    told(&mut bob, 1);
    alice.wait("presence.changed", |line| line["presence"] == "online");
    hear(&mut alice, &mut bob);
    assert!(!bob.has("friend.key_changed"));

    // The new password opens a bare machine, the old one nothing.
    let bare = Home::new("Phone");
    bare.file("pw", "another battery horse stapler");
    bare.file("old", PASSWORD);
    let mut phone = start(&bare, &house);
    let old = bare.path().join("old");
    phone.refused(&format!("/login alice --password-file {}", old.display()), "login");
    phone.ask(&line("login", "alice", &bare));
    phone.wait("friend.added", |line| line["chat"] == "@bob");
}
