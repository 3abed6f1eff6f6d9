//! Each exit code, by the way a person would come to it.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::json;

use crate::driver::{Home, Pair, befriend, code, feed, hobnob, objects, stderr, stdout, words};

#[test]
fn zero_when_all_is_well() {
    assert_eq!(code(&Home::new("Alice").execute(&["/whoami"])), 0);
}

#[test]
fn one_when_something_is_not_there() {
    let home = Home::new("Alice");
    assert_eq!(code(&home.execute(&["/msg @nobody hi"])), 1);
    assert_eq!(code(&feed(home.command().args(["send", "@nobody", "-"]), "hi")), 1);
    let empty = Home::empty();
    let none = empty.execute(&["/whoami"]);
    assert_eq!(code(&none), 1, "{none:?}");
    assert!(stderr(&none).contains("hobnob init"), "{}", stderr(&none));
    let none = empty.command().args(["--json", "-e", "/whoami"]).output().unwrap();
    assert_eq!((code(&none), &objects(&none)[0]["code"]), (1, &json!("not_found")));
    let piped = feed(&mut empty.command(), "/whoami\n");
    assert_eq!(code(&piped), 1, "{piped:?}");
}

#[test]
fn one_when_an_invite_is_used_up_or_broken() {
    let homes = [Home::new("Alice"), Home::new("Bob"), Home::new("Carol")];
    let [alice_home, bob_home, carol_home] = &homes;
    let mut alice = alice_home.start();
    let link = alice.ask("/invite-link --uses 1")["link"].as_str().unwrap().to_owned();
    let add =
        |home: &Home, link: &str| home.command().args(["-t", "60", "-e", &format!("/add {link}")]).output().unwrap();
    // Bob's wish arrives, which is all that he can do.
    let first = add(bob_home, &link);
    assert_eq!(code(&first), 0, "{first:?}");
    alice.wait("friend.requested", |line| line["chat"] == "@bob");
    let second = add(carol_home, &link);
    assert_eq!(code(&second), 1, "{second:?}");
    assert!(stderr(&second).contains("ask for a new one"), "{}", stderr(&second));
    let broken = add(carol_home, &link[..link.len() - 5]);
    assert_eq!(code(&broken), 2, "{broken:?}");
    assert!(stderr(&broken).contains("copy it"), "{}", stderr(&broken));
    let own = alice.refused(&format!("/add {link}"), "conflict");
    assert!(own["message"].as_str().unwrap().contains("your own"));
}

#[test]
fn two_when_the_words_are_wrong() {
    let home = Home::new("Alice");
    for args in [&["--no-such-flag"][..], &["no-such-command"], &["send"], &["-l", "nowhere", "-e", "/whoami"]] {
        let output = hobnob().arg("-d").arg(home.path()).args(args).output().unwrap();
        assert_eq!(code(&output), 2, "{args:?}: {output:?}");
        assert!(!stderr(&output).is_empty() && stdout(&output).is_empty(), "{args:?}");
    }
    let output = home.command().args(["--json", "--no-such-flag"]).output().unwrap();
    assert_eq!((code(&output), &objects(&output)[0]["code"]), (2, &json!("usage")));
    assert_eq!(code(&home.execute(&["/no-such-command"])), 2);
    let config = home.file("config.toml", "colour = true\n");
    let output = home.command().args(["-e", "/whoami"]).env("HOBNOB_CONFIG", &config).output().unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(stderr(&output).contains("line 1") && stderr(&output).contains("colour"), "{}", stderr(&output));
    let output = home.command().args(["-e", "/whoami"]).env("HOBNOB_TIMEOUT", "soon").output().unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(stderr(&output).contains("HOBNOB_TIMEOUT"), "{}", stderr(&output));
    let unnamed = Home::empty();
    assert_eq!(code(&unnamed.command().args(["init", "--no-input"]).output().unwrap()), 2);
}

#[test]
fn two_when_the_answer_cannot_be_written() {
    let home = Home::new("Alice");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = home.command().args(["-e", "/whoami"]).stdout(full).output().unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(stderr(&output).contains("standard output"), "{}", stderr(&output));
}

#[test]
fn three_when_the_network_is_in_the_way() {
    let home = Home::new("Alice");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = hobnob().arg("-d").arg(home.path()).args(["-l", &address, "-e", "/whoami"]).output().unwrap();
    assert_eq!(code(&output), 3, "{output:?}");
    assert!(stderr(&output).contains("in use"), "{}", stderr(&output));
    // An address of some other machine.
    let output = hobnob().arg("-d").arg(home.path()).args(["-l", "192.0.2.1:0", "-e", "/whoami"]).output().unwrap();
    assert_eq!(code(&output), 3, "{output:?}");
}

/// Two nodes of one account went separate ways: what a stolen or badly restored account looks like.
#[test]
fn four_when_a_key_is_not_what_it_was() {
    let (alice_home, bob_home) = (Home::empty(), Home::new("Bob"));
    let made = alice_home.command().args(["init", "--name", "Alice", "--no-input"]).output().unwrap();
    let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
    befriend(&mut alice, &mut bob);
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
    assert_eq!(code(&alice_home.execute(&["/nick Alicia"])), 0);

    let twin_home = Home::empty();
    let mut restore = twin_home.command();
    let back = feed(
        restore.args(["init", "--name", "Alice", "--no-input", "--recover", "-"]),
        words(&stdout(&made)).join(" "),
    );
    assert_eq!(code(&back), 0, "{back:?}");
    let (mut twin, mut bob) = (twin_home.start(), bob_home.start());
    let link = bob.ask("/invite-link --auto-accept")["link"].as_str().unwrap().to_owned();
    twin.ask(&format!("/add {link}"));
    bob.wait("friend.new_device", |_| true);
    assert_eq!(twin.end().0, 0);

    let _alice = alice_home.start();
    assert_eq!(bob.wait("friend.key_changed", |_| true)["key_alarm"], true);
    bob.refused("/msg @alice is it you?", "untrusted");
    bob.end();
    let sent = feed(bob_home.command().args(["send", "@alice", "-"]), "is it you?");
    assert_eq!(code(&sent), 4, "{sent:?}");
    assert!(stderr(&sent).contains("/verify"), "{}", stderr(&sent));
}

#[test]
fn five_when_it_is_too_much() {
    let home = Home::new("Alice");
    let output = home.execute(&[&format!("/alias long /msg @bob {}", "x".repeat(20_000))]);
    assert_eq!(code(&output), 5, "{output:?}");
}

#[test]
fn seven_when_whom_one_adds_is_not_there() {
    let (alice_home, bob_home) = (Home::new("Alice"), Home::new("Bob"));
    let mut alice = alice_home.start();
    let link = alice.ask("/invite-link")["link"].as_str().unwrap().to_owned();
    assert_eq!(alice.end().0, 0);
    let added = bob_home.command().args(["-t", "0", "-e", &format!("/add {link}")]).output().unwrap();
    assert_eq!(code(&added), 7, "{added:?}");
}

#[test]
fn seven_when_it_stays_queued() {
    let (alice_home, _bob_home) = Pair::homes();
    let sent = feed(alice_home.command().args(["send", "@bob", "-", "-t", "0"]), "anyone there?\n");
    assert_eq!(code(&sent), 7, "{sent:?}");
    assert!(stderr(&sent).contains("not delivered"), "{}", stderr(&sent));
    assert_eq!(code(&alice_home.command().args(["-t", "0", "-e", "@bob hello?"]).output().unwrap()), 7);
    let piped = feed(alice_home.command().args(["--json", "-t", "0"]), "@bob hello??\n");
    assert_eq!(code(&piped), 7, "{piped:?}");
    assert_eq!(objects(&piped).last().unwrap()["queued"], 1);
    let mut alice = alice_home.start();
    assert_eq!(alice.ask("/outbox")["queued"].as_array().unwrap().len(), 3);
}

#[test]
fn eight_when_the_profile_is_in_use() {
    let home = Home::new("Alice");
    let first = home.start();
    let second = home.execute(&["/whoami"]);
    assert_eq!(code(&second), 8, "{second:?}");
    assert!(stderr(&second).contains(&first.pid().to_string()), "{}", stderr(&second));
    let second = home.command().arg("--json").output().unwrap();
    assert_eq!((code(&second), &objects(&second)[0]["code"]), (8, &json!("in_use")));
    assert_eq!(first.end().0, 0);
    assert_eq!(code(&home.execute(&["/whoami"])), 0);
}

#[test]
fn interrupted_is_130_and_terminated_is_clean() {
    let home = Home::new("Alice");
    for (signal, wanted) in [(Signal::INT, 130), (Signal::TERM, 0), (Signal::HUP, 0)] {
        let running = home.start();
        running.signal(signal);
        let (code, rest) = running.finish();
        assert_eq!((code, &rest.last().unwrap()["type"]), (wanted, &json!("bye")), "{signal:?}");
    }
}

#[test]
fn an_interrupt_ends_the_wait_for_delivery() {
    let (alice_home, _bob_home) = Pair::homes();
    let mut alice = alice_home.start_with(&["-t", "600"]);
    alice.ask("@bob hello?");
    alice.close();
    alice.signal(Signal::INT);
    let (code, rest) = alice.finish();
    assert_eq!((code, &rest.last().unwrap()["queued"]), (130, &json!(1)));
}

#[test]
fn send_takes_standard_input_as_one_message() {
    let Pair { alice_home, alice, mut bob, .. } = Pair::new();
    assert_eq!(alice.end().0, 0);
    let text = "first line\n\n/second line\nlast";
    let sent = feed(alice_home.command().args(["send", "@bob", "-", "-t", "60"]), format!("{text}\n"));
    assert_eq!(code(&sent), 0, "{sent:?}");
    bob.receive(text);
    let long = feed(alice_home.command().args(["send", "@bob", "-"]), "x".repeat(16 * 1024 + 1));
    assert_eq!(code(&long), 2, "{long:?}");
    let full = feed(alice_home.command().args(["send", "bob", "-", "-t", "60"]), "x".repeat(16 * 1024));
    assert_eq!(code(&full), 0, "{full:?}");
    let empty = feed(alice_home.command().args(["send", "@bob"]), " \n");
    assert_eq!(code(&empty), 2, "{empty:?}");
    let words = alice_home.command().args(["--json", "send", "@bob", "more", "words", "-t", "60"]).output().unwrap();
    assert_eq!(code(&words), 0, "{words:?}");
    bob.receive("more words");
    let kinds: Vec<_> = objects(&words).iter().map(|line| line["type"].clone()).collect();
    assert_eq!((&kinds[0], &kinds[1], kinds.last().unwrap()), (&json!("ready"), &json!("reply"), &json!("bye")));
}
