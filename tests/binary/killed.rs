//! kill -9 of the rendezvous while real nodes leave mail there: what they were told is stored is there afterwards.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde_json::Value;

use crate::{
    driver::{Running, history},
    house::{Neighbours, start},
};

const ROUNDS: u32 = 3;
/// Messages of a round. They are so long that two fill an envelope.
const MESSAGES: u32 = 24;
const LENGTH: usize = 15_000;
const SEED: u64 = 41;

type Entries = BTreeSet<String>;

fn entry(line: &Value) -> String {
    line["entry"].as_str().unwrap().to_owned()
}

fn is_stored(line: &Value) -> bool {
    line["type"] == "message.state" && line["state"] == "stored"
}

/// Sends a round's messages and ends both, the rendezvous first, when this many are stored: what was said to be stored.
fn cut_off(mut alice: Running, round: u32, wanted: usize, kill: impl FnOnce()) -> Entries {
    for number in 0..MESSAGES {
        alice.send(&format!("/msg @bob {round} {number} {}", "x".repeat(LENGTH)));
    }
    let mut stored = Entries::new();
    while stored.len() < wanted {
        stored.insert(entry(&alice.wait_for("stored mail", is_stored)));
    }
    kill();
    stored.extend(alice.kill().iter().filter(|line| is_stored(line)).map(entry));
    stored
}

#[test]
fn no_stored_mail_of_a_node_is_lost_when_the_rendezvous_is_killed() {
    let Neighbours { mut house, alice_home, bob_home, mut alice, bob } = Neighbours::new();
    assert_eq!(bob.end().0, 0);
    let mut random = ChaCha20Rng::seed_from_u64(SEED);
    let mut got = BTreeMap::<String, usize>::new();
    for round in 0..ROUNDS {
        let wanted = 1 + random.next_u32() % (MESSAGES / 2);
        let stored = cut_off(alice, round, wanted as usize, || house.kill());
        house.start();
        let mut bob = start(&bob_home, &house);
        for entry in &stored {
            if !got.contains_key(entry) {
                bob.wait("message.received", |line| line["entry"] == **entry);
                got.insert(entry.clone(), 1);
            }
        }
        let (code, lines) = bob.end();
        assert_eq!(code, 0, "seed {SEED}, round {round}");
        for line in lines.iter().filter(|line| line["type"] == "message.received") {
            *got.entry(entry(line)).or_default() += 1;
        }
        alice = start(&alice_home, &house);
    }
    // In the end all of it arrives, once, whichever way.
    let mut bob = start(&bob_home, &house);
    let all = history(&mut alice, "@bob");
    assert!(all.len() > MESSAGES as usize, "{} messages were written", all.len());
    for (entry, _) in &all {
        if !got.contains_key(entry) {
            bob.wait("message.received", |line| line["entry"] == **entry);
            got.insert(entry.clone(), 1);
        }
    }
    assert_eq!(history(&mut bob, "@alice"), all, "seed {SEED}");
    for line in bob.end().1.iter().filter(|line| line["type"] == "message.received") {
        *got.entry(entry(line)).or_default() += 1;
    }
    let twice: Vec<_> = got.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "seed {SEED}: {twice:?}");
}
