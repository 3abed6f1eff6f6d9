//! Two people, machine to machine.

use serde_json::{Value, json};

use crate::driver::{Home, Pair, befriend, history};

#[test]
fn two_people_meet_by_a_link_and_an_accept() {
    let (alice_home, bob_home) = (Home::new("Alice"), Home::new("Bob"));
    let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
    let link = alice.ask("/invite-link")["link"].as_str().unwrap().to_owned();
    let added = bob.ask(&format!("/add {link} we met in Ghent"));
    assert_eq!((&added["standing"], &added["account"]), (&json!("pending"), &alice.ready["account"]));

    let requested = alice.wait("friend.requested", |_| true);
    assert_eq!((&requested["chat"], &requested["account"]), (&json!("@bob"), &bob.ready["account"]));
    let requests = alice.ask("/requests");
    let request = &requests["requests"][0];
    assert_eq!((&request["number"], &request["from"]), (&json!(1), &json!("@bob")));
    assert_eq!((&request["note"], &request["fingerprint"]), (&json!("we met in Ghent"), &bob.ready["fingerprint"]));
    alice.ask("/accept 1");
    assert_eq!(alice.wait("friend.added", |_| true)["chat"], "@bob");
    assert_eq!(bob.wait("friend.added", |_| true)["chat"], "@alice");

    let friends = alice.ask("/friends");
    assert_eq!((&friends["friends"][0]["name"], &friends["friends"][0]["verified"]), (&json!("@bob"), &json!(false)));
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
}

#[test]
fn a_message_is_delivered_read_and_answered() {
    let Pair { mut alice, mut bob, .. } = Pair::new();
    let sent = alice.ask("/msg @bob hello, wörld 漢字 👩‍💻");
    assert_eq!((&sent["from"], &sent["chat"], &sent["state"]), (&json!("me"), &json!("@bob"), &json!("queued")));
    let came = bob.receive("hello, wörld 漢字 👩‍💻");
    assert_eq!((&came["entry"], &came["from"], &came["kind"]), (&sent["entry"], &json!("@alice"), &json!("text")));
    assert_eq!(came["reply_to"], Value::Null);
    let state = alice.wait_state(&sent["entry"], &["delivered", "read"]);
    assert_eq!(state["devices"], "1/1");

    bob.ask("/open @alice");
    alice.wait_state(&sent["entry"], &["read"]);
    let reply = bob.ask(&format!("/reply {} and hello to you", came["number"]));
    let answer = alice.receive("and hello to you");
    assert_eq!((&answer["entry"], &answer["reply_to"]), (&reply["entry"], &sent["number"]));
    assert_eq!(answer["quote"]["from"], "me");

    let (left, right) = (history(&mut alice, "@bob"), history(&mut bob, "@alice"));
    assert_eq!(left, right);
    assert_eq!(left.len(), 2);
}

#[test]
fn what_is_changed_at_one_side_changes_at_the_other() {
    let Pair { mut alice, mut bob, .. } = Pair::new();
    let sent = alice.ask("/msg @bob frist");
    let came = bob.receive("frist");
    alice.ask("/edit ^ first");
    let edited = bob.wait("message.changed", |line| line["change"] == "edited");
    assert_eq!((&edited["entry"], &edited["text"]), (&sent["entry"], &json!("first")));
    bob.ask(&format!("/react {} 👍", came["number"]));
    let reacted = alice.wait("message.changed", |line| line["change"] == "reacted");
    assert_eq!(reacted["reactions"], json!([{ "reaction": "👍", "from": ["@bob"] }]));
    alice.ask("/del ^ --yes");
    let deleted = bob.wait("message.changed", |line| line["change"] == "deleted");
    assert_eq!((&deleted["entry"], &deleted["text"], &deleted["deleted"]), (&sent["entry"], &json!(""), &json!(true)));
}

#[test]
fn presence_is_seen_and_a_restart_is_noticed() {
    let Pair { mut alice, bob, bob_home, .. } = Pair::new();
    let mut bob = bob;
    bob.ask("/away having lunch");
    let away = alice.wait("presence.changed", |line| line["presence"] == "away");
    assert_eq!((&away["chat"], &away["text"]), (&json!("@bob"), &json!("having lunch")));
    assert_eq!(bob.end().0, 0);
    alice.wait("presence.changed", |line| line["presence"] == "offline");
    let _bob = bob_home.start();
    alice.wait("presence.changed", |line| line["presence"] != "offline");
}

#[test]
fn what_is_queued_survives_both_restarts_and_goes_out_once_and_in_order() {
    let Pair { alice_home, bob_home, mut alice, bob } = Pair::new();
    assert_eq!(bob.end().0, 0);
    alice.wait("presence.changed", |line| line["presence"] == "offline");
    let texts: Vec<String> = (0..20).map(|n| format!("while you were away {n}")).collect();
    let sent: Vec<Value> = texts.iter().map(|text| alice.ask(&format!("/msg @bob {text}"))).collect();
    let outbox = alice.ask("/outbox");
    assert_eq!(outbox["queued"].as_array().unwrap().len(), 20);
    assert!(outbox["queued"][0]["why"].as_str().is_some_and(|why| !why.is_empty()), "{outbox}");
    let (code, rest) = {
        alice.write("/quit");
        // Bob is away, so nothing can be waited for: the shortest wait there is.
        alice.signal(rustix::process::Signal::TERM);
        alice.finish()
    };
    assert_eq!(code, 0);
    assert_eq!(rest.last().unwrap()["type"], "bye");

    let mut alice = alice_home.start();
    let mut bob = bob_home.start();
    for (text, sent) in texts.iter().zip(&sent) {
        let came = bob.wait("message.received", |_| true);
        assert_eq!((&came["text"], &came["entry"]), (&json!(text), &sent["entry"]));
        alice.wait_state(&sent["entry"], &["delivered", "read"]);
    }
    assert_eq!(alice.ask("/outbox")["queued"], json!([]));
    assert_eq!(history(&mut alice, "@bob"), history(&mut bob, "@alice"));
    let (code, rest) = bob.end();
    assert_eq!((code, rest.iter().filter(|line| line["type"] == "message.received").count()), (0, 0));
}

#[test]
fn what_came_while_nobody_listened_is_told_once() {
    let (alice_home, bob_home) = Pair::homes();
    let mut alice = alice_home.start();
    alice.ask("/msg @bob are you there?");
    // Runs long enough for the message to come, and listens to none.
    let sent = bob_home.command().args(["send", "@alice", "in a minute", "-t", "60"]).output().unwrap();
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    alice.receive("in a minute");
    alice.wait("message.state", |line| line["state"] == "delivered");

    let mut bob = bob_home.start();
    assert_eq!(bob.ready["unread"], 1);
    bob.receive("are you there?");
    assert_eq!(bob.end().0, 0);
    let mut bob = bob_home.start();
    // Told, though not read: the number stays, the line does not come again.
    assert_eq!(bob.ready["unread"], 1);
    bob.ask("/whoami");
    let (code, rest) = bob.end();
    assert_eq!((code, rest.iter().filter(|line| line["type"] == "message.received").count()), (0, 0));
}

#[test]
fn a_reply_comes_before_the_events_that_it_causes() {
    let Pair { mut alice, bob, .. } = Pair::new();
    let _bob = bob;
    for n in 0..50 {
        let id = alice.send(&format!("/msg @bob {n}"));
        let mut entry = Value::Null;
        // Everything in the order in which it was written.
        loop {
            let line = alice.wait_for("anything", |_| true);
            if line["id"] == id {
                entry = line["entry"].clone();
            } else if line["type"] == "message.state" && line["entry"] == entry {
                break;
            } else if line["type"] == "message.sent" {
                assert_eq!(line["entry"], entry, "the event came before its reply");
            }
        }
    }
}

#[test]
fn a_used_link_makes_no_second_friend() {
    let homes = [Home::new("Alice"), Home::new("Bob"), Home::new("Carol"), Home::new("Dave")];
    let [mut alice, mut bob, mut carol, mut dave] = homes.each_ref().map(Home::start);
    let link = alice.ask("/invite-link --auto-accept --uses 1")["link"].as_str().unwrap().to_owned();
    bob.ask(&format!("/add {link}"));
    alice.wait("friend.added", |line| line["chat"] == "@bob");
    carol.ask(&format!("/add {link}"));
    // Dave comes after Carol and becomes a friend, so Carol's attempt had its time.
    befriend(&mut alice, &mut dave);
    let friends = alice.ask("/friends");
    let names: Vec<&Value> = friends["friends"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(names.contains(&&json!("@dave")) && !names.contains(&&json!("@carol")), "{names:?}");
}
