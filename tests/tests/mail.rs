//! Worlds with a rendezvous: the server's real registry, and people who are seldom there at once. A failing one prints its
//! seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::command::{Command, DeliveryState, WaitReason};
use hobnob_rendezvous::registry::view::MemoryView;
use hobnob_tests::{
    apart::{People, befriend_by_name, live, meet_now_and_then, outbox, visit_daily},
    devices::{chat, name},
    seeds::seeds,
    talk::{Sent, say, settle},
    world::{Faults, NodeIndex, ServerIndex, World},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;

const DAY_MS: u64 = 86_400_000;

/// Longest that a world may take to settle, in virtual ms: an hour for what was refused as full, and some.
const SETTLE_MS: u64 = 2 * 3_600_000;

/// How many devices each of two or three people has.
fn household(seed: u64) -> &'static [usize] {
    [&[1, 1][..], &[2, 1], &[1, 2], &[2, 2], &[3, 1], &[1, 1, 1], &[1, 2, 1]][seed as usize % 7]
}

/// People who reach nobody but the rendezvous live for a while under `faults`, then all is calm.
fn every_promise_holds_under(count: u64, faults: Faults) {
    for seed in seeds(count) {
        let (mut world, people) = People::gather(seed, household(seed));
        people.separate(&mut world);
        world.faults = faults;
        let mut sent = Sent::default();
        live(&mut world, &people, 40, &mut sent);
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
        people.read_everywhere(&mut world);
    }
}

#[test]
fn people_who_never_meet_hear_everything_once_and_in_order() {
    every_promise_holds_under(21, Faults { delay_ms: 200, ..Faults::default() });
}

#[test]
fn broken_links_and_answers_that_are_lost_lose_no_mail() {
    every_promise_holds_under(21, Faults { break_link: 25, fail_dial: 4, delay_ms: 300, ..Faults::default() });
}

#[test]
fn repeated_reordered_and_flipped_chunks_lose_no_mail() {
    let faults = Faults { repeat_chunk: 60, swap_chunk: 60, flip_chunk: 60, delay_ms: 100, ..Faults::default() };
    every_promise_holds_under(21, faults);
}

#[test]
fn crashes_of_nodes_and_of_the_rendezvous_between_any_two_steps_lose_no_mail() {
    let faults = Faults { crash: 40, crash_server: 40, break_link: 80, delay_ms: 80, ..Faults::default() };
    every_promise_holds_under(21, faults);
}

#[test]
fn devices_of_one_person_that_never_meet_have_the_same() {
    for seed in seeds(14) {
        let (mut world, people) = People::gather(seed, household(seed));
        people.separate(&mut world);
        people.isolate(&mut world);
        world.faults = Faults { break_link: 80, delay_ms: 80, ..Faults::default() };
        let mut sent = Sent::default();
        live(&mut world, &people, 40, &mut sent);
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
        people.read_everywhere(&mut world);
    }
}

#[test]
fn friends_who_meet_now_and_then_hear_everything_once() {
    for seed in seeds(14) {
        let (mut world, people) = People::gather(seed, household(seed));
        let mut sent = Sent::default();
        meet_now_and_then(&mut world, &people, 6, &mut sent);
        people.separate(&mut world);
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
        people.read_everywhere(&mut world);
    }
}

#[test]
fn within_a_week_every_device_knows_how_far_each_message_got() {
    let mut in_doubt = 0;
    // One in fifteen has something that nobody has said at once.
    for seed in seeds(46) {
        let (mut world, people) = People::gather(seed, household(seed));
        let mut sent = Sent::default();
        meet_now_and_then(&mut world, &people, 4, &mut sent);
        // From now on they hear of each other by mail only, and say nothing.
        people.separate(&mut world);
        people.isolate(&mut world);
        people.settle(&mut world, SETTLE_MS);
        world.run_for(60_000);
        in_doubt += u64::from(!people.is_known(&mut world));
        visit_daily(&mut world, &people, 8);
        people.know(&mut world, 60_000);
        people.check(&mut world, &sent);
    }
    assert!(in_doubt > 0 || std::env::var("WORLD_SEED").is_ok(), "everybody knew at once, so this tried nothing");
}

#[test]
fn a_receipt_is_not_left_to_a_session_that_is_dead() {
    for seed in seeds(30) {
        let (mut world, people) = People::gather(seed, &[1, 1]);
        people.separate(&mut world);
        world.crash(ALICE);
        say(&mut world, BOB, ALICE, "while she is away");
        let state = |world: &mut World| chat(world, BOB, &name(ALICE))[0].delivery.unwrap().state;
        assert!(world.run_until(60_000, |world| state(world) == DeliveryState::Stored), "seed {seed}");
        // She comes back, and the cable is pulled when they have just met, or are about to.
        world.heal();
        world.run_for(20 * seed);
        people.separate(&mut world);
        let known = world.run_until(300_000, |world| state(world) == DeliveryState::Delivered);
        assert!(known, "seed {seed}: {:?}", state(&mut world));
        assert_eq!(chat(&mut world, ALICE, &name(BOB)).len(), 1, "seed {seed}");
    }
}

/// What is promised when a rendezvous is restored from a backup: what was left there since is with its author still, and
/// goes again when the two meet, or when its fourteen days are over, or when its mailbox turns out to be gone.
fn roll_back_in_between(seed: u64) -> (World, People, Sent) {
    go_back_in_between(seed, World::roll_back)
}

fn go_back_in_between(seed: u64, go_back: fn(&mut World, ServerIndex, MemoryView)) -> (World, People, Sent) {
    let (mut world, people) = People::gather(seed, household(seed));
    let before_all = world.servers[0].rows.clone();
    people.separate(&mut world);
    let mut sent = Sent::default();
    live(&mut world, &people, 10, &mut sent);
    let backup = if seed.is_multiple_of(3) { before_all } else { world.servers[0].rows.clone() };
    live(&mut world, &people, 15, &mut sent);
    go_back(&mut world, 0, backup);
    live(&mut world, &people, 10, &mut sent);
    (world, people, sent)
}

#[test]
fn a_rendezvous_that_is_set_back_loses_nothing_for_friends_who_meet() {
    for seed in seeds(14) {
        let (mut world, people, sent) = roll_back_in_between(seed);
        world.heal();
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
    }
}

#[test]
fn a_rendezvous_that_is_set_back_delays_mail_by_its_time_to_live_at_most() {
    for seed in seeds(6) {
        let (mut world, people, sent) = roll_back_in_between(seed);
        world.calm();
        visit_daily(&mut world, &people, 16);
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
    }
}

#[test]
fn a_rendezvous_that_says_that_it_was_set_back_delays_no_mail() {
    for seed in seeds(14) {
        let (mut world, people, sent) = go_back_in_between(seed, World::restore_server);
        world.calm();
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
    }
}

#[test]
fn mail_finds_its_way_to_a_friend_who_was_not_written_to_for_weeks() {
    for seed in seeds(3) {
        let (mut world, people) = People::gather(seed, household(seed));
        people.separate(&mut world);
        // They look in, and have nothing to say.
        visit_daily(&mut world, &people, 40);
        let mut sent = Sent::default();
        world.calm();
        live(&mut world, &people, 10, &mut sent);
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
    }
}

#[test]
fn mail_that_is_sealed_to_the_oldest_key_a_friend_may_know_is_opened() {
    for seed in seeds(7) {
        let (mut world, people) = People::gather(seed, &[1, 1]);
        people.separate(&mut world);
        visit_daily(&mut world, &people, 6);
        // Bob is away for as long as mail waits, but an hour.
        world.start(ALICE);
        world.run_for(20_000);
        say(&mut world, ALICE, BOB, "hello");
        world.run_for(60_000);
        let state = |world: &mut World| chat(world, ALICE, &name(BOB))[0].delivery.unwrap().state;
        assert_eq!(state(&mut world), DeliveryState::Stored, "seed {seed}");
        world.crash(ALICE);
        world.run_for(14 * DAY_MS - 3_600_000);
        world.start(BOB);
        world.run_for(60_000);
        assert_eq!(chat(&mut world, BOB, &name(ALICE)).len(), 1, "seed {seed}");
    }
}

#[test]
fn a_clock_ten_years_off_on_one_side_loses_no_mail() {
    const TEN_YEARS_MS: i64 = 315_360_000_000;
    for seed in seeds(14) {
        let (mut world, people) = People::gather(seed, &[1, 1]);
        let sign = if seed % 2 == 0 { 1 } else { -1 };
        people.separate(&mut world);
        let mut sent = Sent::default();
        live(&mut world, &people, 5, &mut sent);
        world.nodes[BOB].skew_ms = sign * TEN_YEARS_MS;
        live(&mut world, &people, 10, &mut sent);
        if seed % 4 < 2 {
            world.nodes[BOB].skew_ms = 0;
        }
        live(&mut world, &people, 5, &mut sent);
        // Mail goes where the clocks let it; whatever they show, nothing is lost, and it goes when they meet.
        world.heal();
        settle(&mut world, ALICE, BOB);
        people.check(&mut world, &sent);
        // After that they write to each other as before.
        world.nodes[BOB].skew_ms = 0;
        world.run_for(5_000);
        people.separate(&mut world);
        live(&mut world, &people, 10, &mut sent);
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
    }
}

#[test]
fn two_rendezvous_one_of_which_disappears() {
    for seed in seeds(14) {
        let (mut world, people) = People::gather(seed, household(seed));
        let second = world.add_server();
        for device in people.0[ALICE].clone() {
            if device == ALICE { world.register(ALICE, second) } else { world.log_in(device, second, ALICE) }
        }
        world.run_for(5_000);
        people.separate(&mut world);
        let mut sent = Sent::default();
        live(&mut world, &people, 10, &mut sent);
        world.crash_server(usize::from(seed % 2 == 0) * second);
        live(&mut world, &people, 20, &mut sent);
        // Everybody else's is still there, or theirs is gone and they meet.
        if seed % 2 == 1 {
            for node in people.all() {
                world.start(node);
            }
            world.run_for(60_000);
            world.heal();
        }
        people.settle(&mut world, SETTLE_MS);
        people.check(&mut world, &sent);
    }
}

#[test]
fn friends_by_name_who_have_never_met_write_to_each_other() {
    for seed in seeds(14) {
        let mut world = World::new(seed, 2);
        let server = world.add_server();
        world.part(ALICE, BOB);
        [ALICE, BOB].into_iter().for_each(|node| world.register(node, server));
        world.run_for(2_000);
        befriend_by_name(&mut world, ALICE, BOB);
        let people = People(vec![vec![ALICE], vec![BOB]]);
        let mut sent = Sent::default();
        live(&mut world, &people, 20, &mut sent);
        people.settle(&mut world, DAY_MS);
        people.check(&mut world, &sent);
    }
}

#[test]
fn what_waits_says_why_and_never_more_than_is_true() {
    for seed in seeds(7) {
        let (mut world, people) = People::gather(seed, &[1, 1]);
        people.separate(&mut world);
        world.crash(BOB);
        world.crash_server(0);
        say(&mut world, ALICE, BOB, "one");
        world.run_for(30_000);
        let state = |world: &mut World| chat(world, ALICE, &name(BOB))[0].delivery.unwrap().state;
        assert_eq!(state(&mut world), DeliveryState::Queued, "seed {seed}");
        let waits = outbox(&mut world, ALICE).remove(0);
        assert!(waits.why.contains("rosa0.example"), "seed {seed}: {}", waits.why);
        assert_eq!(waits.reason, WaitReason::NoRendezvous, "seed {seed}: {}", waits.why);
        world.start_server(0);
        assert!(world.run_until(1_200_000, |world| state(world) == DeliveryState::Stored), "seed {seed}");
        let told = world.answer(ALICE, Command::Outbox).is_ok();
        assert!(told, "seed {seed}");
        world.crash(ALICE);
        world.start(BOB);
        let there = |world: &mut World| chat(world, BOB, &name(ALICE)).len() == 1;
        assert!(world.run_until(60_000, there), "seed {seed}");
        world.run_for(10_000);
        world.crash(BOB);
        world.start(ALICE);
        assert!(world.run_until(60_000, |world| state(world) == DeliveryState::Delivered), "seed {seed}");
    }
}
