//! Thousands of small worlds in virtual time. A failing one prints its seed; `WORLD_SEED=n` runs that one alone.

use std::collections::BTreeSet;

use hobnob_tests::{
    seeds::seeds,
    talk::{Sent, act, befriend, check, history, ids, say, settle},
    world::{Faults, World},
};

const ALICE: usize = 0;
const BOB: usize = 1;

/// Two friends talk for a while under `faults`, then everything heals.
fn talk_under(seed: u64, faults: Faults, rounds: u64) -> (World, Sent) {
    talk_in(World::new(seed, 2), faults, rounds)
}

fn talk_in(mut world: World, faults: Faults, rounds: u64) -> (World, Sent) {
    befriend(&mut world, ALICE, BOB);
    world.faults = faults;
    let mut sent = Sent::default();
    for _ in 0..rounds {
        let (from, to) = if world.below(2) == 0 { (ALICE, BOB) } else { (BOB, ALICE) };
        act(&mut world, from, to, &mut sent);
        let pause = world.below(400);
        world.run_for(pause);
    }
    settle(&mut world, ALICE, BOB);
    (world, sent)
}

fn every_promise_holds_under(count: u64, faults: Faults, rounds: u64) {
    for seed in seeds(count) {
        let (mut world, sent) = talk_under(seed, faults, rounds);
        check(&mut world, ALICE, BOB, &sent, &BTreeSet::new());
    }
}

#[test]
fn calm_worlds_deliver_everything() {
    every_promise_holds_under(100, Faults { delay_ms: 50, ..Faults::default() }, 30);
}

#[test]
fn breaking_links_lose_nothing() {
    every_promise_holds_under(250, Faults { break_link: 12, fail_dial: 4, delay_ms: 300, ..Faults::default() }, 25);
}

#[test]
fn repeated_reordered_and_flipped_chunks_lose_nothing() {
    let faults = Faults { repeat_chunk: 30, swap_chunk: 30, flip_chunk: 30, delay_ms: 100, ..Faults::default() };
    every_promise_holds_under(150, faults, 25);
}

#[test]
fn crashes_between_any_two_steps_lose_nothing() {
    every_promise_holds_under(300, Faults { crash: 15, break_link: 60, delay_ms: 80, ..Faults::default() }, 30);
}

#[test]
fn power_cuts_under_the_encrypted_store_lose_nothing_acknowledged() {
    let mut cuts = 0;
    for seed in seeds(150) {
        let faults = Faults { power: 12, crash: 40, break_link: 60, delay_ms: 80, ..Faults::default() };
        let (mut world, sent) = talk_in(World::sealed(seed, 2), faults, 30);
        check(&mut world, ALICE, BOB, &sent, &BTreeSet::new());
        cuts += world.power_cuts;
    }
    assert!(cuts > 0, "the power never went");
}

#[test]
fn partitions_and_clocks_ten_years_off_lose_nothing() {
    const TEN_YEARS_MS: i64 = 315_360_000_000;
    for seed in seeds(150) {
        let mut world = World::new(seed, 2);
        befriend(&mut world, ALICE, BOB);
        let sign = if seed % 2 == 0 { 1 } else { -1 };
        world.nodes[BOB].skew_ms = sign * TEN_YEARS_MS;
        let mut sent = Sent::default();
        for round in 0..24 {
            if round % 8 == 3 {
                world.part(ALICE, BOB);
            }
            if round % 8 == 7 {
                world.heal();
            }
            let (from, to) = if world.below(2) == 0 { (ALICE, BOB) } else { (BOB, ALICE) };
            act(&mut world, from, to, &mut sent);
            let pause = world.below(30_000);
            world.run_for(pause);
        }
        settle(&mut world, ALICE, BOB);
        check(&mut world, ALICE, BOB, &sent, &BTreeSet::new());
    }
}

#[test]
fn a_restored_old_database_loses_only_what_nobody_else_had() {
    for seed in seeds(150) {
        let mut world = World::new(seed, 2);
        befriend(&mut world, ALICE, BOB);
        let mut sent = Sent::default();
        let chatter = |world: &mut World, sent: &mut Sent, rounds: u64| {
            for _ in 0..rounds {
                let (from, to) = if world.below(2) == 0 { (ALICE, BOB) } else { (BOB, ALICE) };
                act(world, from, to, sent);
                let pause = world.below(200);
                world.run_for(pause);
            }
        };
        chatter(&mut world, &mut sent, 8);
        let backup = world.nodes[ALICE].disk.rows().clone();
        chatter(&mut world, &mut sent, 8);
        // What only Alice has goes down with her disk; everything that Bob has must come back.
        let kept: BTreeSet<_> = ids(&history(&mut world, BOB, ALICE)).into_iter().collect();
        world.restore(ALICE, backup);
        let lost: BTreeSet<_> = sent.acknowledged(&world).into_keys().filter(|entry| !kept.contains(entry)).collect();
        if seed % 3 == 0 {
            // She writes before she meets anyone: an honest fork.
            world.part(ALICE, BOB);
            world.start(ALICE);
            chatter(&mut world, &mut sent, 4);
        }
        world.heal();
        chatter(&mut world, &mut sent, 6);
        settle(&mut world, ALICE, BOB);
        let (a, b) = (history(&mut world, ALICE, BOB), history(&mut world, BOB, ALICE));
        assert_eq!(ids(&a), ids(&b), "seed {seed}");
        let there: BTreeSet<_> = ids(&a).into_iter().collect();
        for entry in sent.acknowledged(&world).keys() {
            assert!(there.contains(entry) || lost.contains(entry), "seed {seed}: a message that Bob had is gone");
        }
    }
}

#[test]
fn a_message_to_a_sleeping_friend_waits_and_arrives_in_order() {
    for seed in seeds(30) {
        let mut world = World::new(seed, 2);
        befriend(&mut world, ALICE, BOB);
        world.crash(BOB);
        for n in 1..=20 {
            say(&mut world, ALICE, BOB, &format!("{ALICE}:{n}"));
            world.run_for(500);
        }
        world.crash(ALICE);
        world.run_for(60_000);
        settle(&mut world, ALICE, BOB);
        let texts: Vec<String> = history(&mut world, BOB, ALICE).into_iter().map(|m| m.text).collect();
        let expected: Vec<String> = (1..=20).map(|n| format!("{ALICE}:{n}")).collect();
        assert_eq!(texts, expected, "seed {seed}");
    }
}

#[test]
fn three_friends_do_not_mix_their_conversations() {
    const CAROL: usize = 2;
    for seed in seeds(40) {
        let mut world = World::new(seed, 3);
        befriend(&mut world, ALICE, BOB);
        befriend(&mut world, CAROL, BOB);
        befriend(&mut world, ALICE, CAROL);
        world.faults = Faults { break_link: 40, crash: 60, delay_ms: 60, ..Faults::default() };
        let mut sent = Sent::default();
        for _ in 0..40 {
            let from = world.below(3) as usize;
            let to = (from + 1 + world.below(2) as usize) % 3;
            act(&mut world, from, to, &mut sent);
            let pause = world.below(300);
            world.run_for(pause);
        }
        for (one, other) in [(ALICE, BOB), (BOB, CAROL), (ALICE, CAROL)] {
            settle(&mut world, one, other);
            let (a, b) = (history(&mut world, one, other), history(&mut world, other, one));
            assert_eq!(ids(&a), ids(&b), "seed {seed}");
            let pair = BTreeSet::from([one, other]);
            for (entry, (from, to)) in sent.acknowledged(&world) {
                assert_eq!(ids(&a).contains(&entry), BTreeSet::from([from, to]) == pair, "seed {seed}");
            }
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let faults = Faults { crash: 30, break_link: 20, delay_ms: 200, ..Faults::default() };
    for seed in seeds(10) {
        let (one, _) = talk_under(seed, faults, 20);
        let (other, _) = talk_under(seed, faults, 20);
        assert_eq!(one.now_ms(), other.now_ms(), "seed {seed}");
        for node in [ALICE, BOB] {
            assert!(one.nodes[node].events == other.nodes[node].events, "seed {seed}: events differ");
            assert!(one.nodes[node].disk.rows() == other.nodes[node].disk.rows(), "seed {seed}: disks differ");
        }
    }
}
