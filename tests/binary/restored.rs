//! A rendezvous that goes on from an older backup: its people are told what that means for them, and nothing is lost.

use crate::{
    driver::{befriend, history},
    house::{House, Neighbours, hear, home, leave, line, start, wait_up},
};

fn wait_for_another_vault(house: &House, account: &serde_json::Value, before: &[u8]) {
    house.wait("the vault", |house| house.vault(account), |now| now != before);
}

#[test]
fn what_came_after_the_backup_is_told_and_comes_back() {
    let Neighbours { mut house, alice_home, bob_home, alice, bob } = Neighbours::new();
    // A node compares its vault when it starts.
    let (me, of_bob) = (alice.ready["account"].clone(), bob.ready["account"].clone());
    let vault = house.vault(&me);
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
    let mut alice = start(&alice_home, &house);
    wait_for_another_vault(&house, &me, &vault);
    let backup = house.back_up("backup.db");

    // Carol comes, and mail for Bob.
    let vault = house.vault(&me);
    let carol_home = home("Carol");
    let mut carol = start(&carol_home, &house);
    carol.ask(&line("register", "carol", &carol_home));
    wait_up(&mut carol);
    befriend(&mut alice, &mut carol);
    assert_eq!(alice.end().0, 0);
    let mut alice = start(&alice_home, &house);
    wait_up(&mut alice);
    wait_for_another_vault(&house, &me, &vault);
    let entry = leave(&mut alice, "@bob", "while you were away");
    // On a slow machine where she is now has gone to Bob before, in an envelope of its own.
    assert!(house.envelopes_for(&of_bob) > 0);
    house.restore(&backup);

    // Alice is told, and what she left for Bob is left again.
    alice.wait("warning", |line| line["message"].as_str().unwrap().contains("set back from a backup"));
    alice.wait_state(&entry, &["queued"]);
    alice.wait_state(&entry, &["stored"]);
    assert!(house.envelopes_for(&of_bob) > 0);
    // Carol has no name there any more, is told so, and can take it again.
    carol.wait("rendezvous.changed", |line| {
        line["last_error"].as_str().is_some_and(|why| why.contains("takes the name again"))
    });
    alice.refused("/find carol", "not_found");
    carol.ask(&line("register", "carol", &carol_home));
    wait_up(&mut carol);
    assert_eq!(alice.ask("/find carol")["account"], carol.ready["account"]);
    // Friends who reach each other noticed nothing.
    alice.ask("@carol still here?");
    carol.receive("still here?");
    // The code of the refusal.
    assert_eq!(alice.end().0, 1);

    let mut bob = start(&bob_home, &house);
    bob.receive("while you were away");
    let mut alice = start(&alice_home, &house);
    alice.wait("message.state", |line| line["entry"] == entry && line["state"] == "delivered");
    hear(&mut alice, &mut bob);
    assert_eq!(history(&mut alice, "@bob"), history(&mut bob, "@alice"));
    assert!(!bob.end().1.iter().any(|line| line["type"] == "message.received"), "it came twice");
}

#[test]
fn a_password_that_a_backup_took_back_is_told_and_set_once_more() {
    let (mut house, alice_home, phone_home) = (House::new(), home("Alice"), home("Phone"));
    let new = alice_home.file("new", "another battery horse stapler");
    let mut alice = start(&alice_home, &house);
    alice.ask(&line("register", "alice", &alice_home));
    wait_up(&mut alice);
    let backup = house.back_up("backup.db");
    let (old, new) = (alice_home.path().join("pw").display().to_string(), new.display().to_string());
    alice.ask(&format!("/passwd rendezvous --old-password-file {old} --password-file {new}"));
    house.restore(&backup);

    let warned = alice.wait("warning", |line| line["message"].as_str().unwrap().contains("vault number"));
    let message = warned["message"].as_str().unwrap();
    assert!(message.contains("before the password was changed") && message.contains("/register alice"), "{warned}");
    alice.ask(&format!("/register alice --password-file {new}"));
    let mut phone = start(&phone_home, &house);
    phone.refused(&line("login", "alice", &phone_home), "login");
    assert_eq!(phone.ask(&format!("/login alice --password-file {new}"))["new_device"], true);
}
