//! `kill -9` at any moment: nothing acknowledged is lost, nothing is there twice, and both sides agree on the order.

use std::collections::BTreeSet;

use crate::driver::{Home, Pair, Running, history};

/// Small, fixed and repeatable; what it decides is only when to kill.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const ROUNDS: u64 = 6;
const BURST: u64 = 30;

/// Alice's word that a message is on disk, in order.
fn acknowledged(lines: &[serde_json::Value]) -> impl Iterator<Item = String> + '_ {
    lines
        .iter()
        .filter(|line| line["type"] == "reply" && line["entry"].is_string())
        .map(|line| line["text"].as_str().unwrap().to_owned())
}

#[test]
fn killing_the_sender_loses_nothing_acknowledged() {
    let (alice_home, bob_home) = Pair::homes();
    let mut bob = bob_home.start();
    let mut dice = Dice(41);
    let mut kept = Vec::new();
    for round in 0..ROUNDS {
        let mut alice = alice_home.start();
        burst(&mut alice, round);
        let mut lines = Vec::new();
        for _ in 0..dice.roll(BURST) {
            lines.extend(alice.next_line());
        }
        lines.extend(alice.kill());
        kept.extend(acknowledged(&lines));
    }
    let mut alice = alice_home.start();
    settle(&mut alice, &mut bob);
    check(&mut alice, &mut bob, &kept);
}

#[test]
fn killing_the_receiver_loses_nothing_and_shows_nothing_twice() {
    let (alice_home, bob_home) = Pair::homes();
    let mut alice = alice_home.start();
    let mut dice = Dice(7);
    let mut kept = Vec::new();
    let mut shown = Vec::new();
    for round in 0..ROUNDS {
        let mut bob = bob_home.start();
        burst(&mut alice, round);
        for _ in 0..dice.roll(BURST) {
            shown.extend(bob.next_line());
        }
        shown.extend(bob.kill());
        for n in 0..BURST {
            let text = text(round, n);
            let reply = alice.wait("reply", |line| line["text"] == text);
            kept.extend(acknowledged(&[reply]));
        }
    }
    let mut bob = bob_home.start();
    settle(&mut alice, &mut bob);
    check(&mut alice, &mut bob, &kept);
    let shown = shown.iter().filter(|line| line["type"] == "message.received");
    let mut seen = BTreeSet::new();
    for line in shown {
        assert!(seen.insert(line["entry"].to_string()), "shown twice: {line}");
    }
}

#[test]
fn killing_either_while_both_write_ends_in_one_order() {
    let (alice_home, bob_home) = Pair::homes();
    let mut dice = Dice(1999);
    let mut kept = Vec::new();
    for round in 0..ROUNDS {
        let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
        for n in 0..BURST {
            alice.send(&format!("@bob alice {}", text(round, n)));
            bob.send(&format!("@alice bob {}", text(round, n)));
        }
        let mut lines = Vec::new();
        for _ in 0..dice.roll(2 * BURST) {
            lines.extend(alice.next_line());
        }
        let (first, second) = if dice.roll(2) == 0 { (alice, bob) } else { (bob, alice) };
        lines.extend(first.kill());
        lines.extend(second.kill());
        kept.extend(acknowledged(&lines));
    }
    let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
    settle(&mut alice, &mut bob);
    settle(&mut bob, &mut alice);
    let (left, right) = (history(&mut alice, "@bob"), history(&mut bob, "@alice"));
    assert_eq!(left, right);
    let texts: Vec<&String> = left.iter().map(|(_, text)| text).collect();
    for text in &kept {
        assert_eq!(texts.iter().filter(|known| **known == text).count(), 1, "{text}");
    }
}

#[test]
fn a_killed_node_gives_its_profile_free_at_once() {
    let home = Home::new("Alice");
    for _ in 0..3 {
        let mut running = home.start();
        running.ask("/set read-marks off");
        running.kill();
    }
    let mut running = home.start();
    assert_eq!(running.ask("/set read-marks")["settings"][0]["value"], "off");
}

fn text(round: u64, n: u64) -> String {
    format!("{round}-{n}")
}

fn burst(alice: &mut Running, round: u64) {
    for n in 0..BURST {
        alice.send(&format!("@bob {}", text(round, n)));
    }
}

/// A last message from one to the other: behind everything that came before it.
fn settle(from: &mut Running, to: &mut Running) {
    let name = from.ask("/friends")["friends"][0]["name"].as_str().unwrap().to_owned();
    let last = from.ask(&format!("{name} that was all"));
    let entry = last["entry"].clone();
    to.wait("message.received", |line| line["entry"] == entry);
    from.wait_state(&entry, &["delivered", "read"]);
}

/// Both have the same entries in the same order, each once, and all that was acknowledged in the order in which it was.
fn check(alice: &mut Running, bob: &mut Running, kept: &[String]) {
    let (left, right) = (history(alice, "@bob"), history(bob, "@alice"));
    assert_eq!(left, right);
    let entries: BTreeSet<&String> = left.iter().map(|(entry, _)| entry).collect();
    assert_eq!(entries.len(), left.len());
    let known: BTreeSet<&String> = kept.iter().collect();
    let texts: Vec<&String> = left.iter().map(|(_, text)| text).filter(|text| known.contains(text)).collect();
    assert_eq!(texts, kept.iter().collect::<Vec<_>>());
}
