//! Friends who reach the same rendezvous and not each other: they see who is there, and write, through it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    driver::{Home, Running, history},
    house::{House, home, meet, wait_up},
    star::{PUBLIC, Star, address},
};

/// Within this time whoever froze or died is offline to friends. The programs themselves take 5 s less.
const OFFLINE: Duration = Duration::from_secs(45);

fn start(home: &Home, house: &House, star: &Star, machine: usize) -> Running {
    let listen = format!("{}:0", address(machine));
    let mut command = home.command_behind(&star.at(machine), &listen);
    let mut running = Running::new(command.args(["--json", "--rendezvous", &house.address]));
    running.ready = running.wait("ready", |_| true);
    running
}

fn sees(node: &mut Running, presence: &str, text: &str) -> Value {
    node.wait("presence.changed", |line| line["presence"] == presence && line["text"] == text)
}

/// Alice and Bob, who met once, and do not reach each other any more.
struct Apart {
    alice_home: Home,
    bob_home: Home,
    house: House,
    star: Star,
}

impl Apart {
    fn or_skip() -> Option<Self> {
        let star = Star::or_skip(2)?;
        let house = House::at(&format!("{PUBLIC}:0"), &star.at_hub());
        let (alice_home, bob_home) = (home("Alice"), home("Bob"));
        let (mut alice, mut bob) = (start(&alice_home, &house, &star, 0), start(&bob_home, &house, &star, 1));
        meet(&house, (&mut alice, &alice_home), (&mut bob, &bob_home));
        assert_eq!((alice.end().0, bob.end().0), (0, 0));
        star.part();
        Some(Self { alice_home, bob_home, house, star })
    }

    fn alice(&self) -> Running {
        start(&self.alice_home, &self.house, &self.star, 0)
    }

    fn bob(&self) -> Running {
        start(&self.bob_home, &self.house, &self.star, 1)
    }
}

#[test]
fn friends_see_each_other_through_the_rendezvous_and_a_frozen_one_is_soon_gone() {
    let Some(apart) = Apart::or_skip() else { return };
    let (mut alice, mut bob) = (apart.alice(), apart.bob());
    sees(&mut alice, "online", "");
    bob.ask("/away lunch");
    sees(&mut alice, "away", "lunch");
    bob.ask("/busy on the phone");
    sees(&mut alice, "busy", "on the phone");
    bob.ask("/invisible");
    sees(&mut alice, "offline", "");
    bob.ask("/back");
    sees(&mut alice, "online", "");
    assert_eq!(alice.ask("/friends")["friends"][0]["presence"], "online");
    assert!(alice.ask("/peers")["peers"].as_array().unwrap().is_empty(), "they have a session");

    bob.signal(Signal::STOP);
    let frozen = Instant::now();
    sees(&mut alice, "offline", "");
    let noticed = frozen.elapsed();
    assert!(noticed <= OFFLINE, "after {noticed:?}");
    bob.signal(Signal::CONT);
    sees(&mut alice, "online", "");
}

#[test]
fn friends_who_never_reach_each_other_talk_by_mail() {
    let Some(apart) = Apart::or_skip() else { return };
    let (mut alice, mut bob) = (apart.alice(), apart.bob());
    wait_up(&mut alice);
    wait_up(&mut bob);
    let mut last = [Value::Null, Value::Null];
    for number in 0..3 {
        let (from_alice, from_bob) = (format!("alice {number}"), format!("bob {number}"));
        last = [
            alice.ask(&format!("@bob {from_alice}"))["entry"].clone(),
            bob.ask(&format!("@alice {from_bob}"))["entry"].clone(),
        ];
        bob.receive(&from_alice);
        alice.receive(&from_bob);
    }
    alice.wait_state(&last[0], &["delivered", "read"]);
    bob.wait_state(&last[1], &["delivered", "read"]);
    assert_eq!(history(&mut alice, "@bob"), history(&mut bob, "@alice"));
    assert!(alice.ask("/peers")["peers"].as_array().unwrap().is_empty(), "they have a session");
    let left = |node: Running| node.end().1.iter().filter(|line| line["type"] == "message.received").count();
    assert_eq!((left(alice), left(bob)), (0, 0));
}
