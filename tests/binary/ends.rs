//! Whatever ends the program, what nobody has yet is left at the rendezvous first.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    driver::{Running, code, stderr},
    house::{Neighbours, start},
    pty::Terminal,
};

#[test]
fn whoever_is_told_to_end_leaves_what_was_just_written() {
    for signal in [Signal::TERM, Signal::HUP] {
        let Neighbours { house, alice_home: _alice, bob_home, mut alice, bob } = Neighbours::new();
        assert_eq!(bob.end().0, 0);
        let entry = alice.ask("@bob I am stopped")["entry"].clone();
        alice.signal(signal);
        let (code, lines) = alice.finish();
        assert_eq!((code, &lines.last().unwrap()["queued"]), (0, &json!(0)), "{signal:?}: {lines:?}");
        let is_stored = |line: &Value| line["type"] == "message.state" && line["state"] == "stored";
        assert!(lines.iter().any(|line| is_stored(line) && line["entry"] == entry), "{signal:?}: {lines:?}");
        start(&bob_home, &house).receive("I am stopped");
    }
}

#[test]
fn a_terminal_that_is_closed_leaves_it_too() {
    let Neighbours { house, alice_home, bob_home, alice, bob } = Neighbours::new();
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
    let mut terminal = Terminal::on(&alice_home, &["--rendezvous", &house.address]);
    terminal.wait("the rendezvous is reached");
    terminal.type_line("@bob the window is gone");
    // Behind what was written, and not behind what was typed, stands how far it got.
    terminal.insist("/history @bob", "the window is gone (");
    kill_process(Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap(), Signal::HUP).unwrap();
    assert_eq!(terminal.ends_with(), 0);
    start(&bob_home, &house).receive("the window is gone");
}

#[test]
fn a_command_in_passing_leaves_it_too_and_what_an_earlier_one_could_not() {
    let Neighbours { mut house, alice_home, bob_home, alice, bob } = Neighbours::new();
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
    let run = |words: &[&str], exit: i32| {
        let output = alice_home.command().args(words).output().unwrap();
        assert_eq!(code(&output), exit, "{words:?}: {}", stderr(&output));
    };
    house.stop();
    run(&["-t", "1", "-e", "@bob nobody takes this"], 7);
    house.start();
    run(&["-t", "1", "-e", "@bob in a hurry"], 0);
    let mut bob = start(&bob_home, &house);
    bob.receive("nobody takes this");
    bob.receive("in a hurry");
}

#[test]
fn a_second_signal_does_not_wait_for_anybody() {
    let Neighbours { house, alice_home: _alice, bob_home: _bob, mut alice, bob } = Neighbours::new();
    assert_eq!(bob.end().0, 0);
    house.freeze();
    alice.ask("@bob this takes too long");
    alice.signal(Signal::TERM);
    alice.signal(Signal::INT);
    // The first one alone is no failure, and waits for 3 s.
    assert_ends(alice, 130, 1);
}

fn assert_ends(node: Running, exit: i32, queued: u64) {
    let (code, lines) = node.finish();
    let bye = lines.last().unwrap();
    assert_eq!((code, &bye["type"], &bye["queued"]), (exit, &json!("bye"), &json!(queued)), "{lines:?}");
}
