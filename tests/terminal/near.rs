//! Strangers on one network, each in a network namespace of the kernel with a wire between them.

use tempfile::TempDir;

use crate::{
    lan::Lan,
    people::befriend_near,
    screen::{Terminal, profile, program},
};

/// The program on a machine of this network, on all its addresses, as somebody starts it at home.
fn at_home(name: &str, lan: &Lan, end: usize, dir: &TempDir) -> Terminal {
    let mut command = program(&lan.at(end));
    command.args(["--listen", "0.0.0.0:0", "--data-dir", &profile(name, dir)]);
    command.env("NO_COLOR", "1");
    command.env("HOBNOB_MDNS", "on");
    let mut person = Terminal::run(100, command);
    person.sees("hobnob>");
    person
}

#[test]
fn strangers_on_one_network_see_each_other_and_become_friends() {
    let Some(lan) = Lan::or_skip() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let mut alice = at_home("alice", &lan, 0, &dir);
    let mut bob = at_home("bob", &lan, 1, &dir);
    for person in [&mut alice, &mut bob] {
        person.enters("/nearby on");
        person.sees("pairing mode is on");
    }
    alice.sees("near you: “bob”; /add bob asks them");
    bob.sees("near you: “alice”; /add alice asks them");
    befriend_near(&mut alice, &mut bob);
}
