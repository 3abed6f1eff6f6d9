//! Mail at the real rendezvous for friends who are away: it waits there, comes once and in order, and is receipted the
//! same way.

use serde_json::Value;

use crate::{
    driver::{Running, history},
    house::{Neighbours, hear, home, leave, line, start, wait_up},
    pty::Terminal,
};

const TEXTS: [&str; 5] = ["one", "two", "three", "four", "five"];

/// Waits for these, in this order, and for nothing else in between.
fn receive_all(node: &mut Running, texts: &[&str]) {
    for text in texts {
        let got = node.wait("message.received", |_| true);
        assert_eq!(got["text"], *text, "{got}");
    }
}

/// Ends cleanly; no message came that nobody waited for.
fn ends_quietly(node: Running) {
    let (code, lines) = node.end();
    assert_eq!(code, 0, "{lines:?}");
    assert!(!lines.iter().any(|line| line["type"] == "message.received"), "{lines:?}");
}

/// How far each of our messages is, oldest first.
fn states(node: &mut Running, chat: &str) -> Vec<(String, String)> {
    let answer = node.ask(&format!("/history {chat}"));
    let ours = answer["messages"].as_array().unwrap().iter().filter(|message| message["from"] == "me");
    let field = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
    ours.map(|message| (field(message, "state"), field(message, "devices"))).collect()
}

#[test]
fn mail_waits_for_a_friend_who_is_away_and_its_receipt_for_the_sender() {
    let Neighbours { house, alice_home, bob_home, mut alice, bob } = Neighbours::new();
    assert_eq!(bob.end().0, 0);
    for text in TEXTS {
        leave(&mut alice, "@bob", text);
    }
    for queued in alice.ask("/outbox")["queued"].as_array().unwrap() {
        assert_eq!(queued["state"], "stored");
        assert!(queued["why"].as_str().unwrap().contains("at a rendezvous"), "{queued}");
    }
    // Nothing waits here: what a carrier has is on its way.
    assert_eq!(alice.end().0, 0);
    house.wait_envelopes(TEXTS.len());

    let mut bob = start(&bob_home, &house);
    receive_all(&mut bob, &TEXTS);
    // His receipt is the only one left.
    house.wait_envelopes(1);
    let there = history(&mut bob, "@alice");
    ends_quietly(bob);

    let mut alice = start(&alice_home, &house);
    alice.wait("message.state", |line| line["state"] == "delivered" && line["devices"] == "1/1");
    house.wait_envelopes(0);
    assert_eq!(states(&mut alice, "@bob"), vec![("delivered".to_owned(), "1/1".to_owned()); TEXTS.len()]);
    assert_eq!(history(&mut alice, "@bob"), there);
    assert!(alice.ask("/outbox")["queued"].as_array().unwrap().is_empty());
    ends_quietly(alice);
    // Nothing comes again.
    ends_quietly(start(&bob_home, &house));
}

#[test]
fn each_of_two_machines_has_its_own_mail_and_says_so() {
    let Neighbours { house, alice_home, bob_home: laptop_home, mut alice, bob: mut laptop } = Neighbours::new();
    let phone_home = home("Nobody");
    let mut phone = start(&phone_home, &house);
    phone.ask(&line("login", "bob", &phone_home));
    phone.wait("friend.added", |line| line["chat"] == "@alice");
    alice.wait("friend.new_device", |_| true);
    house.wait_mailboxes(5);
    let hello = laptop.ask("@alice hello")["entry"].clone();
    laptop.wait_state(&hello, &["delivered"]);
    phone.wait("message.sent", |line| line["text"] == "hello");
    hear(&mut alice, &mut phone);
    hear(&mut alice, &mut laptop);
    let account = |node: &mut Running| node.ask("/whoami")["account"].clone();
    let (of_alice, of_bob) = (account(&mut alice), account(&mut laptop));
    assert_eq!((laptop.end().0, phone.end().0), (0, 0));
    // What the two machines leave for each other waits there as well.
    let before = house.envelopes_for(&of_bob);

    let mut last = Value::Null;
    for text in TEXTS {
        last = leave(&mut alice, "@bob", text);
    }
    house.wait("mail", |house| house.envelopes_for(&of_bob), |now| *now >= before + 2 * TEXTS.len());
    let copies = alice.ask("/outbox")["queued"].as_array().unwrap().len();
    assert_eq!(copies, TEXTS.len());
    assert_eq!(alice.end().0, 0);

    let mut laptop = start(&laptop_home, &house);
    receive_all(&mut laptop, &TEXTS);
    house.wait("receipts", |house| house.envelopes_for(&of_alice), |now| *now == 1);
    ends_quietly(laptop);
    let mut phone = start(&phone_home, &house);
    receive_all(&mut phone, &TEXTS);
    house.wait("receipts", |house| house.envelopes_for(&of_alice), |now| *now == 2);
    ends_quietly(phone);

    let mut alice = start(&alice_home, &house);
    alice.wait("message.state", |line| line["entry"] == last && line["devices"] == "2/2");
    let states = states(&mut alice, "@bob");
    assert_eq!(states, vec![("delivered".to_owned(), "2/2".to_owned()); TEXTS.len()]);
    house.wait("receipts", |house| house.envelopes_for(&of_alice), |now| *now == 0);
    ends_quietly(alice);
}

#[test]
fn at_a_terminal_it_is_said_what_a_carrier_has() {
    let Neighbours { house, alice_home, bob_home: _bob, alice, bob } = Neighbours::new();
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
    let mut terminal = Terminal::on(&alice_home, &["--rendezvous", &house.address]);
    terminal.wait("the rendezvous is reached");
    terminal.type_line("@bob are you there?");
    // This terminal can show no marks, so it has words.
    terminal.insist("/history @bob", "are you there? (kept at a rendezvous)");
    assert_eq!(terminal.quits(), 0);
    let mut alice = start(&alice_home, &house);
    wait_up(&mut alice);
    ends_quietly(alice);
}

#[test]
fn whoever_writes_and_quits_at_once_leaves_the_message_at_the_rendezvous() {
    let Neighbours { house, alice_home, bob_home, alice, bob } = Neighbours::new();
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
    let mut terminal = Terminal::on(&alice_home, &["--rendezvous", &house.address]);
    terminal.wait("the rendezvous is reached");
    terminal.type_line("@bob I have to go");
    assert_eq!(terminal.quits(), 0);
    assert!(terminal.seen().contains("until they are there: 1 for @bob"), "{}", terminal.seen());
    let mut bob = start(&bob_home, &house);
    bob.receive("I have to go");
}
