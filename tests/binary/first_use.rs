//! The first start on a fresh machine, at a real (pseudo) terminal.

use crate::{driver::Home, pty::Terminal};

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
    terminal.wait("24 words");
    terminal.wait("24 ");
    terminal.wait("/invite-link");
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
