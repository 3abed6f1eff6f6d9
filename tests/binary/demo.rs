//! A newcomer's first minute.

use std::fs;

use serde_json::json;

use crate::{
    driver::{Home, Running, code, feed, hobnob, stderr, stdout},
    pty::Terminal,
};

/// A place for temporary files that is empty when nothing was left behind.
struct Place(Home);

impl Place {
    fn new() -> Self {
        let home = Home::empty();
        fs::create_dir(home.path().join("tmp")).unwrap();
        Self(home)
    }

    fn demo(&self) -> std::process::Command {
        let mut command = hobnob();
        command.arg("demo").env("TMPDIR", self.0.path().join("tmp")).env("HOME", self.0.path());
        command
    }

    fn assert_nothing_is_left(&self) {
        let mut names = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!((names.next(), names.next()), (Some("tmp".into()), None), "files outside the temporary directory");
        assert_eq!(fs::read_dir(self.0.path().join("tmp")).unwrap().count(), 0, "temporary files are left");
    }
}

#[test]
fn the_echo_greets_and_answers_and_nothing_is_left_behind() {
    let place = Place::new();
    let mut running = Running::new(place.demo().arg("--json"));
    running.ready = running.wait("ready", |_| true);
    let hello = running.wait("message.received", |_| true);
    assert_eq!(hello["from"], "@echo");
    let sent = running.ask("this is a test");
    assert_eq!(sent["chat"], "@echo");
    running.receive("this is a test");
    running.wait_state(&sent["entry"], &["read"]);
    running.ask("help");
    running.wait("message.received", |line| line["text"].as_str().is_some_and(|text| text.contains("/verify")));
    let (code, rest) = running.end();
    assert_eq!((code, &rest.last().unwrap()["type"]), (0, &json!("bye")));
    place.assert_nothing_is_left();
}

#[test]
fn an_interrupted_demo_cleans_up_too() {
    let place = Place::new();
    let mut running = Running::new(place.demo().arg("--json"));
    running.wait("ready", |_| true);
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.finish().0, 130);
    place.assert_nothing_is_left();
}

#[test]
fn the_demo_takes_piped_lines() {
    let place = Place::new();
    let output = feed(&mut place.demo(), "@echo over the pipe\n");
    assert!(stdout(&output).starts_with(|c: char| c.is_ascii_digit()) && stdout(&output).contains("I am the echo"));
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(stderr(&output).contains("This is a demo"), "{output:?}");
    assert!(stdout(&output).contains("over the pipe"));
    place.assert_nothing_is_left();
}

#[test]
fn a_newcomer_talks_to_the_echo_at_a_terminal() {
    let home = Home::empty();
    let mut terminal = Terminal::new(&home, &["demo"]);
    terminal.wait("This is a demo");
    terminal.wait("I am the echo");
    terminal.type_line("what a day");
    terminal.wait("echo: what a day");
    terminal.type_line("/quit");
    assert_eq!(terminal.ends_with(), 0);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "something is left");
}
