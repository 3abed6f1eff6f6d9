//! Two engines compare and repair: restored databases, forks, long absences.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use crate::{
    command::{Command, DeliveryState, Reply},
    event::Event,
    testing::{ALICE, BOB, World, handle},
};

fn agree(world: &mut World, seed: u64) -> Vec<String> {
    let texts = world.texts(ALICE, "bob");
    assert_eq!(texts, world.texts(BOB, "alice"), "seed {seed}");
    assert_eq!(world.chat(ALICE, BOB).digest(), world.chat(BOB, ALICE).digest(), "seed {seed}");
    assert!(world.chat(ALICE, BOB).parked.is_empty() && world.chat(BOB, ALICE).parked.is_empty(), "seed {seed}");
    texts
}

#[test]
fn a_restored_database_gets_its_own_entries_back_and_goes_on() {
    let mut world = World::friends(20);
    world.say(ALICE, "bob", "one");
    world.run(100);
    let backup = world.nodes[ALICE].disk.clone();
    world.say(ALICE, "bob", "two");
    world.say(BOB, "alice", "three");
    world.run(100);
    world.restart(ALICE, backup, false);
    world.run(10_000);
    assert_eq!(agree(&mut world, 20), ["one", "two", "three"]);
    let sent = world.say(ALICE, "bob", "four");
    assert_eq!(sent.delivery.unwrap().state, DeliveryState::Queued);
    world.run(1_000);
    assert_eq!(agree(&mut world, 20), ["one", "two", "three", "four"]);
    let logs = world.chat(BOB, ALICE).logs.iter().filter(|log| !log.row.mine).count();
    assert_eq!(logs, 2, "it goes on in a new incarnation");
    assert!(world.history(ALICE, "bob").iter().all(|message| !message.restored_copy));
}

#[test]
fn a_restored_database_that_wrote_alone_forks_honestly() {
    for (behind, alone) in [(2, 1), (2, 2), (1, 3), (200, 1), (3, 200)] {
        let seed = 21;
        let mut world = World::friends(seed);
        world.say(ALICE, "bob", "one");
        world.run(100);
        let backup = world.nodes[ALICE].disk.clone();
        for n in 0..behind {
            world.say(ALICE, "bob", &format!("known {n}"));
        }
        world.run(100);
        world.cut = true;
        world.restart(ALICE, backup, false);
        for n in 0..alone {
            world.say(ALICE, "bob", &format!("alone {n}"));
        }
        world.cut = false;
        world.run(130_000);
        let texts = agree(&mut world, seed);
        assert_eq!(texts.len(), 1 + behind + alone, "{behind} behind, {alone} alone");
        world.say(ALICE, "bob", "after");
        world.run(1_000);
        assert_eq!(agree(&mut world, seed).last().unwrap(), "after");
        let theirs = world.history(BOB, "alice");
        let copies = theirs.iter().filter(|message| message.restored_copy).count();
        assert_eq!(copies, behind + alone, "{behind} behind, {alone} alone");
        let Reply::Outbox(queued) = world.ask(ALICE, Command::Outbox).unwrap() else { panic!("an outbox") };
        assert!(queued.is_empty(), "{behind} behind, {alone} alone: {} queued", queued.len());
    }
}

#[test]
fn a_lost_database_comes_back_from_the_friend() {
    let mut world = World::friends(22);
    for n in 0..300 {
        world.say(ALICE, "bob", &format!("a{n}"));
        world.say(BOB, "alice", &format!("b{n}"));
    }
    world.run(100);
    // Everything but who Bob's friends are is gone.
    let mut disk = world.nodes[BOB].disk.clone();
    disk.0
        .retain(|(table, _), _| *table <= crate::tables::TableId::Requests && *table > crate::tables::TableId::Profile);
    world.restart(BOB, disk, true);
    world.run(10_000);
    assert_eq!(agree(&mut world, 22).len(), 600);
}

#[test]
fn a_long_talk_apart_is_merged_without_losing_anything() {
    let mut world = World::friends(23);
    // Both logs depend on each other all the way: sent log by log, nearly all of it would have to be parked.
    for n in 0..1500 {
        world.say(ALICE, "bob", &format!("a{n}"));
        world.say(BOB, "alice", &format!("b{n}"));
        world.run(1);
    }
    world.run(100);
    let mut disk = world.nodes[BOB].disk.clone();
    disk.0
        .retain(|(table, _), _| *table <= crate::tables::TableId::Requests && *table > crate::tables::TableId::Profile);
    world.restart(BOB, disk, true);
    world.run(3_000);
    assert_eq!(agree(&mut world, 23).len(), 3000);
    assert!(!world.nodes[BOB].events.iter().any(|event| matches!(event, Event::Gap { .. })));
}

#[test]
fn resync_needs_the_friend() {
    let mut world = World::friends(24);
    assert_eq!(world.ask(ALICE, Command::Resync { chat: handle("bob") }).unwrap(), Reply::Done);
    world.cut = true;
    world.disconnect(BOB);
    world.settle();
    assert!(world.ask(ALICE, Command::Resync { chat: handle("bob") }).is_err());
}

#[test]
fn an_idle_session_compares_once_a_minute() {
    let mut world = World::friends(25);
    world.run(10_000);
    let before = world.nodes[BOB].disk.0.len();
    world.run(600_000);
    assert_eq!(world.nodes[BOB].disk.0.len(), before);
    agree(&mut world, 25);
}
