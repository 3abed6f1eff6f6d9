//! What can be wrong for somebody with a name at a rendezvous, through the real program and server: each is told with its
//! code, and nothing is lost.

use serde_json::{Value, json};

use crate::{
    driver::{Home, code, history, stdout, words},
    house::{House, Neighbours, hear, home, leave, line, start, wait_up},
};

/// The longest text is 16 KiB; two of this length do not go into one envelope, which is padded to 32 KiB then.
const LONG: usize = 16_300;

#[test]
fn a_full_mailbox_is_told_to_the_sender_and_loses_nothing() {
    let Neighbours { house, alice_home, bob_home, mut alice, bob } = Neighbours::new();
    assert_eq!(bob.end().0, 0);
    // 8 MiB hold fewer than 256 envelopes of the largest size.
    let count = 280;
    for number in 0..count {
        alice.send(&format!("/msg @bob {number} {}", "x".repeat(LONG)));
    }
    let is_full = |queued: &Value| queued["why"].as_str().is_some_and(|why| why.contains("is full"));
    let is_over = |answer: &Value| answer["queued"].as_array().unwrap().iter().any(is_full);
    let outbox = alice.ask_until("/outbox", is_over)["queued"].as_array().unwrap().clone();
    let (full, stored): (Vec<_>, Vec<_>) = outbox.iter().partition(|queued| is_full(queued));
    assert_eq!(full.len() + stored.len(), count);
    assert!(full.iter().all(|queued| queued["state"] == "queued"), "{:?}", full[0]["state"]);
    assert!(stored.iter().all(|queued| queued["state"] == "stored"));
    assert!(stored.len() > 200, "{} fit", stored.len());
    assert!(full[0]["why"].as_str().unwrap().contains("their mailbox at 127.0.0.1 is full"), "{}", full[0]["why"]);
    alice.kill();

    // He has what fits.
    let mut bob = start(&bob_home, &house);
    for queued in &stored {
        bob.wait("message.received", |line| line["entry"] == queued["entry"]);
    }
    // And the rest when they meet.
    let mut alice = start(&alice_home, &house);
    for queued in &full {
        bob.wait("message.received", |line| line["entry"] == queued["entry"]);
    }
    assert_eq!(history(&mut bob, "@alice"), history(&mut alice, "@bob"));
    assert!(!bob.end().1.iter().any(|line| line["type"] == "message.received"), "something came twice");
}

#[test]
fn a_device_that_is_revoked_while_it_is_away_hears_of_it_from_the_rendezvous() {
    let Neighbours { house, alice_home: _alice, bob_home: _laptop, mut alice, bob: mut laptop } = Neighbours::new();
    let phone_home = home("Nobody");
    let mut phone = start(&phone_home, &house);
    phone.ask(&line("login", "bob", &phone_home));
    phone.wait("friend.added", |line| line["chat"] == "@alice");
    alice.wait("friend.new_device", |_| true);
    house.wait_mailboxes(5);
    let devices = laptop.ask("/devices")["devices"].clone();
    let is_phone = |device: &&Value| device["current"] == false;
    let name = devices.as_array().unwrap().iter().find(is_phone).unwrap()["name"].as_str().unwrap().to_owned();
    phone.ask("@alice before");
    alice.receive("before");
    hear(&mut alice, &mut phone);
    assert_eq!(phone.end().0, 0);

    laptop.ask(&format!("/device revoke {name} --yes"));
    let entry = laptop.ask("@alice the phone is gone")["entry"].clone();
    alice.receive("the phone is gone");
    laptop.wait_state(&entry, &["delivered", "read"]);
    // Its mailbox goes with it, and nobody waits for it any more.
    house.wait_mailboxes(2);
    let entry = alice.ask("@bob good to know")["entry"].clone();
    alice.wait("message.state", |line| line["entry"] == entry && line["devices"] == "1/1");
    assert_eq!((alice.end().0, laptop.end().0), (0, 0));

    let mut phone = start(&phone_home, &house);
    phone.wait("device.revoked", |line| line["current"] == true);
    // Nothing is tried there again.
    let is_left = |line: &Value| line["state"] == "idle" && line["retry_ms"].is_null();
    let left = phone.wait("rendezvous.changed", is_left);
    assert!(left["last_error"].as_str().unwrap().contains("was revoked"), "{left}");
    for command in ["@alice still me", "/find alice", &line("login", "bob", &phone_home)] {
        let refused = phone.refused(command, "untrusted");
        assert!(refused["message"].as_str().unwrap().contains("was revoked"), "{refused}");
    }
    assert!(history(&mut phone, "@alice").iter().any(|(_, text)| text == "before"), "what it had is lost");
    assert_eq!(phone.end().0, 4);

    // At each start, and whole: what to do stands at the end.
    let net = phone_home.execute(&["/net"]);
    let shown = stdout(&net);
    assert_eq!(code(&net), 0, "{shown}");
    assert!(shown.contains("not asked any more") && shown.contains("hobnob -P NAME\n"), "{shown}");
    let mut phone = phone_home.start();
    phone.wait("device.revoked", |line| line["current"] == true);
    let left = phone.ask("/logout");
    assert_eq!((&left["name"], &left["name_is"]), (&json!("bob"), &json!("yours")));
    assert!(!phone.end().1.iter().any(|line| line["type"] == "rendezvous.changed" && line["state"] != "idle"));
}

#[test]
fn without_the_password_a_name_opens_for_nobody_and_the_words_restore_the_account() {
    let (house, alice_home) = (House::new(), Home::empty());
    let made = alice_home.command().args(["init", "--name", "Alice", "--no-input"]).output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    alice_home.file("pw", "correct battery horse stapler");
    let mut alice = start(&alice_home, &house);
    let told = alice.ask(&line("register", "alice", &alice_home));
    let account = alice.ready["account"].clone();
    wait_up(&mut alice);
    assert_eq!(alice.end().0, 0);

    // Neither the password nor the words: the name stays hers.
    let mallory_home = home("Mallory");
    mallory_home.file("pw", "some other sufficient password");
    let mut mallory = start(&mallory_home, &house);
    let refused = mallory.refused(&line("login", "alice", &mallory_home), "login");
    assert!(refused["message"].as_str().unwrap().contains("the name or the password is wrong"), "{refused}");
    let refused = mallory.refused(&line("register", "alice", &mallory_home), "conflict");
    assert!(refused["message"].as_str().unwrap().contains("alice is taken"), "{refused}");
    assert_eq!(mallory.ask("/whoami")["account"], mallory.ready["account"]);

    // The words are the account, whatever the rendezvous says.
    let recovered_home = Home::empty();
    let words_file = recovered_home.file("words", told["recovery_key"].as_str().unwrap());
    assert_eq!(words(told["recovery_key"].as_str().unwrap()).len(), 24);
    let mut command = recovered_home.command();
    command.args(["init", "--no-input", "--name", "Alice", "--recover"]).arg(&words_file);
    let made = command.output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    assert_eq!(start(&recovered_home, &house).ready["account"], account);
}

#[test]
fn names_and_passwords_that_cannot_be_are_refused_before_anything_is_asked() {
    let (house, alice_home) = (House::new(), home("Alice"));
    alice_home.file("empty", "");
    alice_home.file("windows", "correct battery horse stapler\r\n");
    let mut alice = start(&alice_home, &house);
    for name in ["al", "Alice", "alice!", "älice", "a_name_that_is_longer_than_32_letters"] {
        for verb in ["register", "login"] {
            let refused = alice.refused(&line(verb, name, &alice_home), "usage");
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains("a-z, 0-9 and _") || message.contains("3 to 32 characters"), "{refused}");
        }
        alice.refused(&format!("/find {name}"), "usage");
    }
    alice_home.file("line break", "\r\n");
    alice_home.file("long", &"x".repeat(5000));
    std::fs::write(alice_home.path().join("latin1"), b"caf\xe9 caf\xe9 caf\xe9").unwrap();
    let files = [
        ("empty", "usage", "is empty"),
        ("line break", "usage", "is empty"),
        ("long", "login", "longer than 4096 bytes"),
        ("latin1", "login", "not UTF-8"),
        ("nowhere", "login", "cannot be read"),
        (".", "login", "cannot be read"),
    ];
    for (file, code, words) in files {
        let path = alice_home.path().join(file);
        for verb in ["register", "login"] {
            let refused = alice.refused(&format!("/{verb} alice --password-file \"{}\"", path.display()), code);
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains(words) && message.contains(path.to_str().unwrap()), "{verb}: {refused}");
        }
    }
    alice.refused("/find nobody", "not_found");
    alice.refused("/add nobody", "not_found");
    assert_eq!(alice.ask("/friends")["friends"], json!([]));
    // A line may end as it does elsewhere: the password is the same.
    alice.ask(&format!("/register alice --password-file {}", alice_home.path().join("windows").display()));
    assert_eq!(alice.ask(&line("login", "alice", &alice_home))["new_device"], false);
}

#[test]
fn mail_for_somebody_whose_rendezvous_is_gone_waits_here_and_says_why() {
    let Neighbours { mut house, alice_home: _alice, bob_home, mut alice, bob } = Neighbours::new();
    assert_eq!(bob.end().0, 0);
    house.stop();
    let entry = alice.ask("@bob nobody keeps this")["entry"].clone();
    let is_tried = |answer: &Value| answer["queued"][0]["reason"] == "no_rendezvous";
    let queued = alice.ask_until("/outbox", is_tried)["queued"][0].clone();
    assert_eq!((&queued["entry"], &queued["state"]), (&entry, &json!("queued")));
    let why = queued["why"].as_str().unwrap();
    assert!(why.contains("which keeps their mail, is not reached"), "{why}");
    house.start();
    alice.wait_state(&entry, &["stored"]);
    leave(&mut alice, "@bob", "and this");
    let mut bob = start(&bob_home, &house);
    bob.receive("nobody keeps this");
    bob.receive("and this");
}
