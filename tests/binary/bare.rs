//! Bare machines that log in one after the other, each known to nobody but the rendezvous when the next one comes.

use serde_json::Value;

use crate::{
    driver::{Home, Running},
    house::{House, Neighbours, hear, home, line, start, wait_up},
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
    let Neighbours { house, bob_home, alice, bob, .. } = Neighbours::new();
    assert_eq!((bob.end().0, alice.end().0), (0, 0));

    let homes = ["Phone", "Tablet", "Desk"].map(home);
    for home in &homes[..2] {
        assert_eq!(log_in(home, &house).end().0, 0);
    }
    let mut desk = log_in(&homes[2], &house);
    let mut bob = start(&bob_home, &house);
    told(&mut bob, 3);
    desk.wait("friend.added", |_| true);
    hear(&mut desk, &mut bob);
    assert_eq!(desk.ask("/devices")["devices"].as_array().unwrap().len(), 4);
    assert!(!bob.has("warning"), "everything could be checked");
}

#[test]
fn a_friend_who_is_never_there_at_once_is_told_by_mail() {
    let Neighbours { house, bob_home, alice, bob, .. } = Neighbours::new();
    let account = alice.ready["account"].clone();
    assert_eq!((bob.end().0, alice.end().0), (0, 0));

    let homes = ["Phone", "Tablet"].map(home);
    assert_eq!(log_in(&homes[0], &house).end().0, 0);
    let mut tablet = log_in(&homes[1], &house);
    tablet.wait("friend.added", |_| true);
    let waiting = tablet.ask("@bob from the new one")["entry"].clone();
    // It knows where to ask for Bob, and not yet where his mail goes.
    tablet.wait("friend.changed", |line| line["devices"] == 1);
    house.wait("friend requests", House::knocks, |count| *count == 1);
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
