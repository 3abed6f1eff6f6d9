//! Two programs on two machines, and a wire between them that breaks: both ways, and one way only.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    driver::{Home, Running, befriend, history},
    house::hear,
    lan::Lan,
};

/// Messages of each in a round.
const MESSAGES: usize = 20;

/// A dial is tried again after one second, two, four, with jitter; TCP repeats itself as often. What is over is over
/// within a few of those, and this is twice as long.
const PROMPT: Duration = Duration::from_secs(20);

fn start(home: &Home, lan: &Lan, end: usize) -> Running {
    let mut running = Running::new(home.command_behind(&lan.at(end), "0.0.0.0:0").arg("--json"));
    running.ready = running.wait("ready", |_| true);
    running
}

/// How the wire breaks and is mended, and whether Bob still hears Alice meanwhile.
struct Break {
    begin: fn(&Lan),
    end: fn(&Lan),
    bob_hears: bool,
}

/// Both write while the wire is broken; once it is whole, both have everything, once and in one order. In the second
/// round Bob's node starts anew behind the broken wire, so that they must find each other again.
fn converge(how: &Break) {
    let Some(lan) = Lan::or_skip() else { return };
    let (alice_home, bob_home) = (Home::new("Alice"), Home::new("Bob"));
    let (mut alice, mut bob) = (start(&alice_home, &lan, 0), start(&bob_home, &lan, 1));
    befriend(&mut alice, &mut bob);
    // Alice pushes what she writes once she knows what Bob has, and deaf she would not hear of it.
    hear(&mut alice, &mut bob);
    let mut sent = Vec::new();
    for round in 0..2 {
        (how.begin)(&lan);
        if round == 1 {
            bob.kill();
            bob = start(&bob_home, &lan, 1);
        }
        let mut last = Vec::new();
        for (who, to, name) in [(&mut alice, "@bob", "alice"), (&mut bob, "@alice", "bob")] {
            let mut texts: Vec<String> = (0..MESSAGES).map(|n| format!("{name} {round} {n}")).collect();
            let entries: Vec<Value> =
                texts.iter().map(|text| who.ask(&format!("/msg {to} {text}"))["entry"].clone()).collect();
            let queued = who.ask("/outbox")["queued"].as_array().unwrap().len();
            assert_eq!(queued, MESSAGES, "{name} cannot know in round {round} that anything arrived");
            last.extend(entries.last().cloned());
            sent.append(&mut texts);
        }
        if how.bob_hears && round == 0 {
            bob.receive("alice 0 0");
        }
        (how.end)(&lan);
        let healed = Instant::now();
        alice.wait_state(&last[0], &["delivered", "read"]);
        bob.wait_state(&last[1], &["delivered", "read"]);
        assert!(healed.elapsed() < PROMPT, "round {round}: {:?}", healed.elapsed());
    }
    let (left, right) = (history(&mut alice, "@bob"), history(&mut bob, "@alice"));
    assert_eq!(left, right);
    let mut texts: Vec<String> = left.into_iter().map(|(_, text)| text).collect();
    texts.sort_unstable();
    sent.sort_unstable();
    assert_eq!(texts, sent);
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
}

#[test]
fn a_cut_wire_loses_and_doubles_nothing() {
    converge(&Break { begin: Lan::cut, end: Lan::mend, bob_hears: false });
}

#[test]
fn a_wire_that_carries_one_way_only_loses_and_doubles_nothing() {
    converge(&Break { begin: |lan| lan.deafen(0), end: |lan| lan.hear(0), bob_hears: true });
}
