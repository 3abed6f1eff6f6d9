//! Worlds in which a bare machine is alone with the rendezvous, and what a friend leaves for it follows what only that
//! account's other machines wrote, which are off. A failing one prints its seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::{
    command::{Command, Reply},
    event::Event,
};
use hobnob_tests::{
    devices::{chat, name, send},
    seeds::seeds,
    talk::{befriend, friends},
    world::{NodeIndex, ServerIndex, World},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;
const PHONE: NodeIndex = 2;
const ROSA: ServerIndex = 0;

/// Alice and Bob have talked, in messages of so many bytes. Then her machine is off, and her phone, which is bare, writes to
/// Bob, who answers when the phone is off. Nobody is there in the end.
fn answered(seed: u64, messages: usize, bytes: usize) -> World {
    let mut world = World::new(seed, 3);
    world.add_server();
    befriend(&mut world, ALICE, BOB);
    world.register(ALICE, ROSA);
    world.register(BOB, ROSA);
    for number in 0..messages {
        for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
            send(&mut world, from, &name(to), &format!("{number}{}", "x".repeat(bytes)));
            world.run_for(200);
        }
    }
    // Longer than a vault waits for more changes, with the time to write it.
    world.run_for(32_000);
    [ALICE, BOB].into_iter().for_each(|node| world.crash(node));
    world.log_in_bare(PHONE, ROSA, ALICE);
    world.start(PHONE);
    assert!(world.run_until(60_000, |world| !friends(world, PHONE).is_empty()), "seed {seed}: no friends");
    send(&mut world, PHONE, &name(BOB), "from the phone");
    world.run_for(20_000);
    world.crash(PHONE);
    world.start(BOB);
    let came = |world: &mut World| words(world, BOB).last().is_some_and(|last| last == "from the phone");
    assert!(world.run_until(60_000, came), "seed {seed}: Bob has {} messages", words(&mut world, BOB).len());
    send(&mut world, BOB, &name(ALICE), "to the phone");
    world.run_for(60_000);
    world.crash(BOB);
    world
}

/// What one of the two sees of their conversation.
fn words(world: &mut World, node: NodeIndex) -> Vec<String> {
    let with = if node == BOB { ALICE } else { BOB };
    chat(world, node, &name(with)).into_iter().map(|message| message.text).collect()
}

fn is_answered(world: &mut World) -> bool {
    words(world, PHONE).last().is_some_and(|last| last == "to the phone")
}

fn held(world: &mut World) -> u64 {
    match world.answer(PHONE, Command::Unread) {
        Ok(Reply::Chats(chats)) => chats.first().map_or(0, |chat| chat.held),
        other => panic!("seed {}: {other:?}", world.seed),
    }
}

#[test]
fn an_answer_to_a_bare_machine_comes_with_what_it_follows() {
    for seed in seeds(10) {
        let mut world = answered(seed, 20, 100);
        world.start(PHONE);
        let came = world.run_until(5_000, is_answered);
        assert!(came, "seed {seed}: {:?}, {} held", words(&mut world, PHONE), held(&mut world));
        assert_eq!((words(&mut world, PHONE).len(), held(&mut world)), (42, 0), "seed {seed}");
    }
}

#[test]
fn what_waits_for_a_long_past_is_told_and_asked_for_by_the_shortest_visit() {
    for seed in seeds(4) {
        // 300 KiB of each.
        let mut world = answered(seed, 50, 6_000);
        world.start(PHONE);
        world.run_for(4_000);
        assert!(held(&mut world) > 0 && !is_answered(&mut world), "seed {seed}");
        world.wind_up(PHONE);
        let told = |world: &mut World| world.nodes[PHONE].events.iter().any(|event| matches!(event, Event::Gap { .. }));
        assert!(world.run_until(3_000, told), "seed {seed}: nobody was asked");
        world.crash(PHONE);
        world.start(BOB);
        world.run_for(120_000);
        world.crash(BOB);
        world.start(PHONE);
        assert!(world.run_until(20_000, is_answered), "seed {seed}: {} held", held(&mut world));
        assert_eq!((words(&mut world, PHONE).len(), held(&mut world)), (102, 0), "seed {seed}");
    }
}
