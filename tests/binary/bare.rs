//! Bare machines that log in one after the other, each known to nobody but the rendezvous when the next one comes.

use serde_json::{Value, json};

use crate::{
    driver::{Home, Running},
    house::{House, Neighbours, PASSWORD, hear, home, leave, line, start, wait_up},
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
    let bobs = bob.ready["account"].clone();
    assert_eq!((bob.end().0, alice.end().0), (0, 0));

    let homes = ["Phone", "Tablet"].map(home);
    let phone = log_in(&homes[0], &house);
    // Each tells Bob that it is there: the vault says where his mail goes.
    house.wait("envelopes", |house| house.envelopes_for(&bobs), |count| *count > 0);
    assert_eq!((phone.end().0, house.knocks_for(&bobs)), (0, 0));
    let mut tablet = log_in(&homes[1], &house);
    tablet.wait("friend.added", |_| true);
    let entry = leave(&mut tablet, "@bob", "from the new one");
    let waits = tablet.ask("/outbox")["queued"][0].clone();
    assert_eq!((&waits["entry"], &waits["reason"]), (&entry, &json!("kept")), "{waits}");
    assert_eq!(tablet.end().0, 0, "nothing waits here");

    let mut bob = start(&bob_home, &house);
    told(&mut bob, 2);
    bob.receive("from the new one");
}

/// A machine made from recovery words, where a name gets another password.
fn recover(words: &Value) -> Home {
    let restored = Home::empty();
    restored.file("pw", "another battery horse stapler");
    let file = restored.file("words", words.as_str().unwrap());
    let mut init = restored.command();
    init.args(["init", "--name", "Alice", "--no-input", "--recover"]).arg(file);
    assert!(init.output().unwrap().status.success());
    restored
}

#[test]
fn what_a_new_machine_writes_to_a_friend_who_has_moved_waits_and_says_why() {
    let Neighbours { house, alice_home: _alice_home, bob_home, alice, mut bob } = Neighbours::new();
    assert_eq!(alice.end().0, 0);
    // With his name his mailboxes go, and Alice's vault does not hear of it.
    bob.ask("/unregister --yes");
    assert_eq!(bob.end().0, 0);

    let phone_home = home("Phone");
    let mut phone = log_in(&phone_home, &house);
    phone.wait("friend.added", |_| true);
    let entry = phone.ask("@bob from the phone")["entry"].clone();
    let reply = phone.ask_until("/outbox", |reply| reply["queued"][0]["reason"] == "mailbox_gone");
    let waits = &reply["queued"][0];
    assert_eq!((&waits["entry"], &waits["state"]), (&entry, &json!("queued")), "{waits}");
    assert!(
        waits["why"].as_str().unwrap().contains("it goes out once @bob is online together with this machine"),
        "{waits}"
    );
    let mut bob = start(&bob_home, &house);
    phone.ask("/outbox retry");
    bob.receive("from the phone");
    phone.wait_state(&entry, &["delivered"]);
}

#[test]
fn the_recovery_words_alone_give_the_name_back_with_another_password() {
    let Neighbours { house, alice_home: _alice_home, bob_home: _bob_home, mut alice, mut bob } = Neighbours::new();
    let account = alice.ready["account"].clone();
    let words = alice.ask("/recovery")["recovery_words"].clone();
    assert_eq!(alice.end().0, 0);

    let restored = recover(&words);
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

#[test]
fn a_machine_made_from_the_recovery_words_gets_all_from_an_old_one_which_keeps_the_new_vault_from_then_on() {
    let Neighbours { house, alice_home: _alice_home, bob_home: _bob_home, mut alice, mut bob } = Neighbours::new();
    alice.ask("@bob of the old one");
    bob.receive("of the old one");
    hear(&mut alice, &mut bob);
    assert_eq!(bob.end().0, 0);
    let restored = recover(&alice.ask("/recovery")["recovery_words"]);
    let mut new = start(&restored, &house);
    new.ask(&line("register", "alice", &restored));
    // Nobody types anything from here on.
    new.wait("friend.added", |line| line["name"] == "@bob");
    let all = new.ask_until("/history @bob", |reply| !reply["messages"].as_array().unwrap().is_empty());
    assert_eq!(all["messages"][0]["text"], "of the old one");
    alice.wait("warning", |line| {
        line["message"].as_str().unwrap().contains("is another one now: on another machine of yours it was changed")
    });
    new.end();

    alice.ask("/rename @bob robert");
    alice.end();
    let bare = Home::new("Phone");
    bare.file("pw", "another battery horse stapler");
    let mut phone = start(&bare, &house);
    phone.ask(&line("login", "alice", &bare));
    phone.wait("friend.added", |line| line["name"] == "@robert");
}

#[test]
fn a_new_machine_whose_old_one_is_lost_gets_the_history_from_a_friend_whom_it_never_meets() {
    let Neighbours { house, alice_home, bob_home, mut alice, mut bob } = Neighbours::new();
    for n in 0..3 {
        alice.ask(&format!("@bob of the old one {n}"));
        bob.receive(&format!("of the old one {n}"));
        bob.ask(&format!("@alice answer {n}"));
        alice.receive(&format!("answer {n}"));
    }
    assert_eq!((bob.end().0, alice.end().0), (0, 0));
    drop(alice_home);

    let phone_home = home("Phone");
    let mut phone = log_in(&phone_home, &house);
    phone.wait("friend.added", |_| true);
    leave(&mut phone, "@bob", "of the phone");
    assert_eq!(phone.end().0, 0);
    let mut bob = start(&bob_home, &house);
    told(&mut bob, 1);
    bob.receive("of the phone");
    leave(&mut bob, "@alice", "next word");
    assert_eq!(bob.end().0, 0);

    // What Bob's word follows lies beside it.
    let mut phone = start(&phone_home, &house);
    let all = phone.ask_until("/history @bob", |reply| reply["messages"].as_array().is_some_and(|all| all.len() == 8));
    let texts: Vec<_> = all["messages"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect();
    assert_eq!(texts[..2], ["of the old one 0", "answer 0"]);
    assert_eq!(texts[6..], ["of the phone", "next word"]);
}

#[test]
fn friends_are_told_of_a_machine_that_logged_in_for_one_command() {
    let Neighbours { house, alice_home: _alice_home, bob_home: _bob_home, alice, mut bob } = Neighbours::new();
    assert_eq!(alice.end().0, 0);
    let script = home("Script");
    let login = line("login", "alice", &script);
    let mut command = script.command();
    let done = command.args(["--rendezvous", &house.address, "--json", "-e", &login]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    // Its old machine was there before it: no news to the new one.
    assert!(!String::from_utf8_lossy(&done.stdout).contains("device.added"), "{done:?}");
    told(&mut bob, 1);
}
