//! Another password for a name at the rendezvous, against the real server.

use std::fs;

use serde_json::Value;

use crate::{
    driver::{Home, Pair, Running},
    house::wait_up,
    pty::Terminal,
    rosa::Rosa,
};

const OLD: &str = "correct battery horse stapler";
const NEW: &str = "nine purple walrus umbrellas";

fn home(name: &str) -> Home {
    with_files(Home::new(name))
}

fn with_files(home: Home) -> Home {
    home.file("old", OLD);
    home.file("new", NEW);
    home.file("weak", "alice1234");
    home
}

fn start(home: &Home, rosa: &Rosa) -> Running {
    home.start_with(&["--rendezvous", &rosa.address])
}

fn named(verb: &str, home: &Home, file: &str) -> String {
    format!("/{verb} alice --password-file {}", home.path().join(file).display())
}

fn change(home: &Home, old: &str, new: &str) -> String {
    let file = |name: &str| home.path().join(name).display().to_string();
    format!("/passwd rendezvous --old-password-file {} --password-file {}", file(old), file(new))
}

#[test]
fn the_new_password_opens_what_the_old_one_did_and_other_devices_go_on() {
    let rosa = Rosa::new();
    let (alice_home, _bob_home) = Pair::homes();
    let (alice_home, phone_home, bare_home) = (with_files(alice_home), home("Nobody"), home("Nobody"));
    let mut alice = start(&alice_home, &rosa);
    let refused = alice.refused(&change(&alice_home, "old", "new"), "conflict");
    assert!(refused["message"].as_str().unwrap().contains("/register NAME"), "{refused}");
    alice.ask(&named("register", &alice_home, "old"));
    let mut phone = start(&phone_home, &rosa);
    phone.ask(&named("login", &phone_home, "old"));

    let refused = alice.refused(&change(&alice_home, "new", "new"), "login");
    assert!(refused["message"].as_str().unwrap().contains("old password of alice"), "{refused}");
    alice.refused(&change(&alice_home, "old", "weak"), "usage");
    alice.refused("/passwd rendezvous", "login");
    let mut bare = start(&bare_home, &rosa);
    bare.refused(&named("login", &bare_home, "new"), "login");

    let changed = alice.ask(&change(&alice_home, "old", "new"));
    assert_eq!((&changed["name"], &changed["command"]), (&"alice".into(), &"/passwd".into()));
    bare.refused(&named("login", &bare_home, "old"), "login");
    let logged = bare.ask(&named("login", &bare_home, "new"));
    assert_eq!(logged["account"], alice.ready["account"]);
    bare.wait("friend.added", |line| line["name"] == "@bob");

    // The other device hears of it, and keeps the vault as before: nobody types anything there.
    phone.wait("warning", |line| {
        line["message"].as_str().unwrap().contains("is another one now: on another machine of yours it was changed")
    });
    // Whoever changed it can change it again: it has the new key.
    alice.ask(&change(&alice_home, "new", "old"));
}

#[test]
fn a_device_that_was_cut_off_behind_the_change_goes_on_and_is_mended_by_the_new_password() {
    let (rosa, alice_home, bare_home) = (Rosa::new(), home("Alice"), home("Nobody"));
    let mut alice = start(&alice_home, &rosa);
    alice.ask(&named("register", &alice_home, "old"));
    assert_eq!(alice.end().0, 0);
    let database = alice_home.path().join("history.db");
    let before = fs::read(&database).unwrap();
    let mut alice = start(&alice_home, &rosa);
    alice.ask(&change(&alice_home, "old", "new"));
    alice.kill();
    // As if it had been cut off before it could write the new key down.
    fs::write(&database, before).unwrap();
    let mut alice = start(&alice_home, &rosa);
    let warned = alice.wait("warning", |line| line["message"].as_str().unwrap().contains("vault"));
    assert!(warned["message"].as_str().unwrap().contains("/login alice with the new password"), "{warned}");
    assert_eq!(alice.ask(&named("login", &alice_home, "new"))["new_device"], false);
    let mut bare = start(&bare_home, &rosa);
    bare.refused(&named("login", &bare_home, "old"), "login");
    assert_eq!(bare.ask(&named("login", &bare_home, "new"))["account"], alice.ready["account"]);
}

#[test]
fn a_name_that_one_machine_gives_up_is_gone_for_the_others_who_are_told_once() {
    let (rosa, alice_home, phone_home) = (Rosa::new(), home("Alice"), home("Nobody"));
    let mut alice = start(&alice_home, &rosa);
    alice.ask(&named("register", &alice_home, "old"));
    let mut phone = start(&phone_home, &rosa);
    phone.ask(&named("login", &phone_home, "old"));
    wait_up(&mut phone);
    assert_eq!(alice.ask("/unregister --yes")["name_is"], "free");
    let is_told = |line: &Value| line["last_error"].as_str().is_some_and(|why| why.contains("has given the name up"));
    let told = phone.wait("rendezvous.changed", is_told);
    assert!(told["last_error"].as_str().unwrap().ends_with("/register takes the name again"), "{told}");
    let shown = phone.ask("/net")["servers"][0].clone();
    assert!(shown["state"] != "up" && is_told(&shown), "{shown}");
    let refused = phone.refused(&change(&phone_home, "old", "new"), "login");
    let why = refused["message"].as_str().unwrap();
    assert!(why.contains("does not know alice any more") && why.contains("/register alice"), "{why}");
    phone.ask(&named("register", &phone_home, "new"));
    wait_up(&mut phone);
    let (_, lines) = phone.end();
    let is_again = |line: &&Value| line["type"] == "rendezvous.changed" && is_told(line);
    assert_eq!(lines.iter().find(is_again), None);
}

#[test]
fn at_a_terminal_the_old_one_is_asked_for_first_and_the_new_one_twice() {
    let (rosa, alice_home) = (Rosa::new(), home("Alice"));
    let mut alice = start(&alice_home, &rosa);
    alice.ask(&named("register", &alice_home, "old"));
    assert_eq!(alice.end().0, 0);
    let mut terminal = Terminal::on(&alice_home, &["--rendezvous", &rosa.address]);
    terminal.wait("/help start");
    terminal.type_line("/passwd rendezvous");
    terminal.wait("old password of alice at 127.0.0.1");
    terminal.type_line(NEW);
    terminal.wait("the old password of alice at 127.0.0.1 is wrong; once more");
    terminal.wait("old password of alice at 127.0.0.1: ");
    // Behind the password, while it is checked: nobody sees it, and it answers nothing.
    terminal.type_keys(&format!("{OLD}\rtyped ahead\r"));
    terminal.wait("new password for alice");
    terminal.type_line("alice1234");
    terminal.wait("too easy to guess");
    terminal.wait("new password for alice");
    terminal.type_line(NEW);
    terminal.wait("the new one again");
    terminal.type_line(NEW);
    terminal.wait("/login alice takes the new password from now on");
    assert_eq!(terminal.quits(), 0);
    for typed in [NEW, OLD, "typed ahead"] {
        assert!(!terminal.seen().contains(typed), "{typed:?} was echoed");
    }
    assert_eq!(
        terminal.seen().matches("too easy to guess").count(),
        1,
        "what was typed ahead was taken for a password"
    );
    let bare_home = home("Nobody");
    let mut bare = start(&bare_home, &rosa);
    bare.ask(&named("login", &bare_home, "new"));
}
