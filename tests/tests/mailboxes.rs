//! Worlds in which two friends are never there at once, and what becomes of their mailboxes when one of them leaves the
//! rendezvous for a while, or it is restored from a backup. `⇡` is a promise: what shows it arrives when they come, or is
//! told again as waiting. A failing one prints its seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::{
    command::{DeliveryState, WaitReason},
    event::Event,
};
use hobnob_tests::{
    apart::{People, outbox},
    devices::{chat, name, send},
    seeds::seeds,
    talk::befriend,
    world::{NodeIndex, ServerIndex, World},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const ROSA: ServerIndex = 0;

/// Long enough to do what there is to do, and shorter than anything that is done again by itself.
const VISIT_MS: u64 = 120_000;

/// Alice and Bob, friends with names at one rendezvous, who meet nowhere else from now on. Nobody is there.
fn alice_and_bob(seed: u64) -> World {
    let (mut world, people) = People::gather(seed, &[1, 1]);
    people.separate(&mut world);
    world.run_for(VISIT_MS);
    [ALICE, BOB].into_iter().for_each(|node| world.crash(node));
    world
}

/// A node is there for a while, alone.
fn visit(world: &mut World, node: NodeIndex, act: impl FnOnce(&mut World)) {
    world.start(node);
    world.run_for(20_000);
    act(world);
    world.run_for(VISIT_MS);
    world.crash(node);
}

/// A node comes, writes, sees `⇡`, and goes.
fn leave(world: &mut World, from: NodeIndex, to: NodeIndex, text: &str) {
    let seed = world.seed;
    visit(world, from, |world| {
        send(world, from, &name(to), text);
        let is_left = world.run_until(VISIT_MS, |world| state(world, from, to) == DeliveryState::Stored);
        assert!(is_left, "seed {seed}: {text}: {:?}", outbox(world, from));
    });
}

/// How far the newest message of ours got.
fn state(world: &mut World, node: NodeIndex, with: NodeIndex) -> DeliveryState {
    let ours = chat(world, node, &name(with)).into_iter().filter_map(|message| message.delivery).next_back();
    ours.expect("something was written").state
}

fn words(world: &mut World, node: NodeIndex, with: NodeIndex) -> Vec<String> {
    chat(world, node, &name(with)).into_iter().map(|message| message.text).collect()
}

/// A node comes, and has these last words of a friend soon.
fn finds(world: &mut World, node: NodeIndex, from: NodeIndex, text: &str) {
    let seed = world.seed;
    world.start(node);
    let came = |world: &mut World| words(world, node, from).last().is_some_and(|last| last == text);
    assert!(world.run_until(VISIT_MS, came), "seed {seed}: {text} did not come: {:?}", words(world, node, from));
    world.run_for(VISIT_MS);
    world.crash(node);
}

/// They write to each other, and hear that it came.
fn they_write_as_before(world: &mut World) {
    let seed = world.seed;
    leave(world, ALICE, BOB, "to bob");
    finds(world, BOB, ALICE, "to bob");
    leave(world, BOB, ALICE, "to alice");
    finds(world, ALICE, BOB, "to alice");
    for (node, with) in [(ALICE, BOB), (BOB, ALICE)] {
        visit(world, node, |_| {});
        world.start(node);
        let known = world.run_until(VISIT_MS, |world| state(world, node, with) >= DeliveryState::Delivered);
        assert!(known, "seed {seed}: {:?}", outbox(world, node));
        world.crash(node);
    }
}

#[test]
fn friends_who_both_log_out_and_in_again_write_to_each_other_as_before() {
    for seed in seeds(14) {
        let mut world = alice_and_bob(seed);
        for node in [ALICE, BOB] {
            visit(&mut world, node, |world| world.log_out(node, ROSA));
        }
        for node in [BOB, ALICE] {
            visit(&mut world, node, |world| world.log_in(node, ROSA, node));
        }
        they_write_as_before(&mut world);
    }
}

#[test]
fn what_is_left_while_a_friend_is_logged_out_is_there_at_their_login() {
    for seed in seeds(14) {
        let mut world = alice_and_bob(seed);
        visit(&mut world, BOB, |world| world.log_out(BOB, ROSA));
        leave(&mut world, ALICE, BOB, "while you were away");
        visit(&mut world, BOB, |world| {
            assert!(words(world, BOB, ALICE).is_empty(), "seed {seed}: he is logged out");
            world.log_in(BOB, ROSA, BOB);
            let came = |world: &mut World| words(world, BOB, ALICE) == ["while you were away"];
            assert!(world.run_until(VISIT_MS, came), "seed {seed}: it did not come");
        });
        they_write_as_before(&mut world);
    }
}

#[test]
fn nothing_is_said_to_be_left_for_a_friend_who_gave_their_name_up_and_it_goes_when_they_have_one() {
    for seed in seeds(14) {
        let mut world = alice_and_bob(seed);
        visit(&mut world, BOB, |world| world.unregister(BOB, ROSA));
        visit(&mut world, ALICE, |world| {
            send(world, ALICE, &name(BOB), "where are you?");
            world.run_for(60_000);
            assert_eq!(state(world, ALICE, BOB), DeliveryState::Queued, "seed {seed}");
            let waits = outbox(world, ALICE).remove(0);
            assert_ne!(waits.reason, WaitReason::Kept, "seed {seed}: {}", waits.why);
        });
        visit(&mut world, BOB, |world| world.register(BOB, ROSA));
        visit(&mut world, ALICE, |world| {
            let is_left = world.run_until(VISIT_MS, |world| state(world, ALICE, BOB) == DeliveryState::Stored);
            assert!(is_left, "seed {seed}: {:?}", outbox(world, ALICE));
        });
        finds(&mut world, BOB, ALICE, "where are you?");
        they_write_as_before(&mut world);
    }
}

#[test]
fn friends_who_know_no_mailbox_of_each_other_find_each_other_by_name() {
    for seed in seeds(14) {
        let mut world = alice_and_bob(seed);
        // Both give their names up, and tell each other so.
        world.join(ALICE, BOB);
        [ALICE, BOB].into_iter().for_each(|node| world.start(node));
        world.run_for(VISIT_MS);
        [ALICE, BOB].into_iter().for_each(|node| world.unregister(node, ROSA));
        world.run_for(VISIT_MS);
        world.part(ALICE, BOB);
        [ALICE, BOB].into_iter().for_each(|node| world.crash(node));
        // They never meet again. Whoever comes back second asks by name.
        for node in [ALICE, BOB] {
            visit(&mut world, node, |world| world.register(node, ROSA));
        }
        visit(&mut world, ALICE, |_| {});
        visit(&mut world, BOB, |_| {});
        they_write_as_before(&mut world);
    }
}

/// What lies at the rendezvous for Bob is left again after it was restored from a backup, also where whoever left it has no
/// name there. The two are never there at once.
#[test]
fn what_a_backup_took_back_is_left_again_also_by_a_guest() {
    for seed in seeds(16) {
        let mut world = alice_and_bob(seed);
        let (is_guest, is_there) = (seed % 2 == 0, seed % 4 < 2);
        if is_guest {
            visit(&mut world, ALICE, |world| world.log_out(ALICE, ROSA));
        }
        leave(&mut world, ALICE, BOB, "before");
        let backup = world.servers[ROSA].rows.clone();
        leave(&mut world, ALICE, BOB, "after");
        if is_there {
            world.start(ALICE);
            world.run_for(VISIT_MS);
        }
        world.restore_server(ROSA, backup);
        if is_there {
            // She writes nothing more, and finds it out by herself.
            world.run_for(90 * 60_000);
            world.crash(ALICE);
        } else if seed % 8 < 4 {
            leave(&mut world, ALICE, BOB, "meanwhile");
            finds(&mut world, BOB, ALICE, "meanwhile");
        } else {
            visit(&mut world, ALICE, |_| {});
        }
        world.start(BOB);
        let came = |world: &mut World| words(world, BOB, ALICE).starts_with(&["before".into(), "after".into()]);
        assert!(world.run_until(VISIT_MS, came), "seed {seed}: {:?}", words(&mut world, BOB, ALICE));
    }
}

#[test]
fn friends_since_a_backup_write_to_each_other_once_both_have_been_there_again() {
    for seed in seeds(14) {
        let mut world = World::new(seed, 2);
        world.add_server();
        [ALICE, BOB].into_iter().for_each(|node| world.register(node, ROSA));
        world.run_for(10_000);
        let backup = world.servers[ROSA].rows.clone();
        befriend(&mut world, ALICE, BOB);
        world.run_for(VISIT_MS);
        world.part(ALICE, BOB);
        [ALICE, BOB].into_iter().for_each(|node| world.crash(node));
        leave(&mut world, ALICE, BOB, "after the backup");
        world.restore_server(ROSA, backup);
        let order = if seed % 2 == 0 { &[ALICE, BOB][..] } else { &[BOB] };
        for node in order {
            visit(&mut world, *node, |_| {});
        }
        visit(&mut world, ALICE, |world| {
            let is_left = world.run_until(VISIT_MS, |world| state(world, ALICE, BOB) == DeliveryState::Stored);
            assert!(is_left, "seed {seed}: {:?}", outbox(world, ALICE));
        });
        finds(&mut world, BOB, ALICE, "after the backup");
        they_write_as_before(&mut world);
    }
}

#[test]
fn whoever_registered_after_a_backup_is_told_once_and_takes_the_name_again() {
    for seed in seeds(16) {
        let mut world = World::new(seed, 2);
        world.add_server();
        befriend(&mut world, ALICE, BOB);
        // Bob's name may be as new as hers.
        let is_bob_known = seed % 2 == 0;
        let backup = if is_bob_known {
            world.register(BOB, ROSA);
            world.run_for(10_000);
            world.servers[ROSA].rows.clone()
        } else {
            let rows = world.servers[ROSA].rows.clone();
            world.register(BOB, ROSA);
            rows
        };
        world.register(ALICE, ROSA);
        world.run_for(VISIT_MS);
        world.part(ALICE, BOB);
        [ALICE, BOB].into_iter().for_each(|node| world.crash(node));
        leave(&mut world, ALICE, BOB, "after the backup");
        world.restore_server(ROSA, backup);

        world.nodes[ALICE].events.clear();
        visit(&mut world, ALICE, |world| {
            world.run_for(2 * 3_600_000);
            // A mailbox that the backup has is as good as before; of any other one nothing is promised.
            let is_left = state(world, ALICE, BOB) == DeliveryState::Stored;
            assert_eq!(is_left, is_bob_known, "seed {seed}: {:?}", outbox(world, ALICE));
            assert_eq!(outbox(world, ALICE)[0].reason == WaitReason::Kept, is_bob_known, "seed {seed}");
            let told = told_of_rosa(world, ALICE);
            assert_eq!(told.iter().filter(|why| **why == LOST).count(), 1, "seed {seed}: {told:?}");
            assert!(told.iter().all(|why| why == LOST), "seed {seed}: {told:?}");
            world.register(ALICE, ROSA);
        });
        if !is_bob_known {
            visit(&mut world, BOB, |world| world.register(BOB, ROSA));
            visit(&mut world, ALICE, |world| {
                let is_left = world.run_until(VISIT_MS, |world| state(world, ALICE, BOB) == DeliveryState::Stored);
                assert!(is_left, "seed {seed}: {:?}", outbox(world, ALICE));
            });
        }
        finds(&mut world, BOB, ALICE, "after the backup");
        they_write_as_before(&mut world);
    }
}

/// What Alice is told of a rendezvous that does not know her account.
const LOST: &str = "it does not know alice any more (it was restored from an older backup, or the name was given up elsewhere): \
                    /register alice takes the name again";

/// What a node was told is wrong with its rendezvous.
fn told_of_rosa(world: &World, node: NodeIndex) -> Vec<String> {
    let events = world.nodes[node].events.iter();
    let whys = events.filter_map(|event| match event {
        Event::ServerChanged(view) => view.last_error.clone(),
        _ => None,
    });
    whys.collect()
}
