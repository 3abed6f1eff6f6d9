//! The first start on a fresh machine, at a real (pseudo) terminal.

use crate::{
    driver::Home,
    house::{House, PASSWORD, home, line, start, wait_up},
    pty::Terminal,
};

/// What stands above the words.
const WORDS: &str = "These 24 words are your account";

#[test]
fn a_newcomer_is_asked_shown_the_words_and_told_what_to_do_next() {
    let home = Home::empty();
    let mut terminal = Terminal::on(&home, &[]);
    terminal.wait("Your name");
    terminal.type_line(" ");
    terminal.wait("Your name");
    terminal.type_line("Alice");
    terminal.wait("An empty one is allowed");
    terminal.wait("Password");
    terminal.type_line("xyzzy one");
    terminal.wait("Again");
    terminal.type_line("xyzzy two");
    terminal.wait("differ");
    terminal.wait("Password");
    terminal.type_line("");
    terminal.wait("no password");
    terminal.wait(WORDS);
    terminal.wait("24 ");
    terminal.wait("No server is needed: /invite-link");
    terminal.wait("/help");
    terminal.type_line("/quit");
    assert_eq!(terminal.ends_with(), 0);
    assert!(!terminal.seen().contains("xyzzy"), "a password was echoed");
}

#[test]
fn a_chosen_password_is_not_asked_for_again() {
    let home = Home::empty();
    let mut terminal = Terminal::on(&home, &[]);
    terminal.wait("Your name");
    terminal.type_line("Alice");
    terminal.wait("Password");
    terminal.type_line("open sesame");
    terminal.wait("Again");
    terminal.type_line("open sesame");
    terminal.wait("/help");
    terminal.type_line("/quit");
    assert_eq!(terminal.ends_with(), 0);
    assert!(!terminal.seen().contains("Password: "), "the password was asked for again");
}

/// Somebody with the name alice, away.
fn registered() -> (House, Home) {
    let (house, alice_home) = (House::new(), home("Alice"));
    let mut alice = start(&alice_home, &house);
    alice.ask(&line("register", "alice", &alice_home));
    wait_up(&mut alice);
    assert_eq!(alice.end().0, 0);
    (house, alice_home)
}

#[test]
fn whoever_has_a_name_already_logs_in_and_is_shown_no_words_that_are_worth_nothing() {
    let (house, _alice) = registered();
    let home = Home::empty();
    let mut terminal = Terminal::on(&home, &[]);
    terminal.wait("type /login and that name");
    terminal.wait("Your name");
    terminal.type_line("/login Alice!");
    terminal.wait("Your name");
    terminal.type_line("/login alice");
    terminal.wait("address of that rendezvous");
    terminal.type_line("rosa.example");
    terminal.wait("no address of a rendezvous");
    terminal.wait("address of that rendezvous");
    terminal.type_line(&house.address);
    terminal.wait("not the one of alice: that one is asked");
    terminal.wait("Password for this disk (empty for none)");
    terminal.type_line("");
    terminal.wait("password of alice: ");
    terminal.type_line("not her password");
    terminal.wait("the name or the password is wrong at 127.0.0.1; once more");
    terminal.wait("password of alice: ");
    terminal.type_line(PASSWORD);
    terminal.wait("this machine is a device of alice now");
    terminal.wait("worth nothing now");
    terminal.wait("no friend is here yet: those that you have come when another machine of yours is on");
    terminal.wait("/find NAME looks somebody up at 127.0.0.1");
    assert_eq!(terminal.quits(), 0);
    assert!(!terminal.seen().contains(WORDS), "{}", terminal.seen());
    assert!(!terminal.seen().contains("her password"), "a password was echoed");

    // It stays so, and is a start like any other.
    let mut terminal = Terminal::on(&home, &[]);
    terminal.wait("you are Alice");
    assert_eq!(terminal.quits(), 0);
    assert!(!terminal.seen().contains("/login"), "{}", terminal.seen());
}

#[test]
fn a_first_login_that_fails_leaves_a_new_account_and_says_how_to_try_again() {
    let (house, _alice) = registered();
    let home = Home::empty();
    let mut terminal = Terminal::on(&home, &["--rendezvous", &house.address]);
    terminal.wait("Your name");
    terminal.type_line("/login alice");
    terminal.wait("(empty for none)");
    terminal.type_line("");
    for end in ["; once more", "; once more", "; nothing was changed"] {
        terminal.wait("password of alice: ");
        terminal.type_line("none of hers");
        terminal.wait(&format!("the name or the password is wrong at 127.0.0.1{end}"));
    }
    terminal.wait("What you type now is a message again");
    terminal.wait("/login alice tries again");
    terminal.wait("/recovery");
    terminal.wait("/register NAME takes a name");
    terminal.insist("/login alice", "password of alice: ");
    terminal.type_line("");
    terminal.wait("no password was given; nothing was changed");
    assert_eq!(terminal.quits(), 0);
    assert!(!terminal.seen().contains(WORDS), "{}", terminal.seen());
    assert!(!terminal.seen().contains("none of hers"), "a password was echoed");
}

#[test]
fn without_anybody_to_ask_nothing_is_made() {
    let home = Home::empty();
    let mut terminal = Terminal::on(&home, &["--no-input"]);
    terminal.wait("hobnob init");
    assert_eq!(terminal.ends_with(), 1);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn ctrl_c_at_the_password_makes_nothing() {
    let home = Home::empty();
    let mut terminal = Terminal::on(&home, &["init", "--name", "Alice"]);
    terminal.wait("Password");
    terminal.type_keys("half a pass\x03");
    assert_eq!(terminal.ends_with(), 130);
    assert!(!terminal.seen().contains("half"), "a password was echoed");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
