//! Worlds in which people ask each other by name to be friends, and are never there at once: whoever accepts can write at
//! once, and both get what the other wrote. A failing one prints its seed; `WORLD_SEED=n` runs that one alone.

use hobnob_engine::command::{Command, DeliveryState, Reply, RequestKind};
use hobnob_shared::{limits::MAX_NOTE_BYTES, text::Note};
use hobnob_tests::{
    apart::{People, outbox},
    cast,
    devices::{chat, name, send},
    seeds::seeds,
    talk::{Sent, act},
    world::{Faults, NodeIndex, World, username},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;

const MINUTE_MS: u64 = 60_000;

/// Alice and Bob, who do not know each other, with a name each at every one of so many rendezvous. Nobody is there.
fn strangers(seed: u64, servers: usize) -> World {
    let mut world = World::new(seed, 2);
    world.part(ALICE, BOB);
    for _ in 0..servers {
        let server = world.add_server();
        [ALICE, BOB].into_iter().for_each(|node| world.register(node, server));
    }
    world.run_for(2_000);
    [ALICE, BOB].into_iter().for_each(|node| world.crash(node));
    world
}

/// Alice asks Bob.
fn ask(world: &mut World) {
    ask_saying(world, "");
}

fn ask_saying(world: &mut World, words: &str) {
    let (seed, note) = (world.seed, Note::parse(words).unwrap());
    let server = Some(Box::new(world.servers[0].address.clone()));
    let add = Command::AddName { name: username(BOB), server, note };
    let added = world.answer(ALICE, add);
    assert!(added.is_ok(), "seed {seed}: {added:?}");
}

/// Bob finds her request, and accepts.
fn accept(world: &mut World) {
    let seed = world.seed;
    let asked = |world: &mut World| match world.answer(BOB, Command::Requests) {
        Ok(Reply::Requests(requests)) => requests.iter().any(|it| matches!(it.kind, RequestKind::Name { .. })),
        answer => panic!("seed {seed}: {answer:?}"),
    };
    assert!(world.run_until(5 * MINUTE_MS, asked), "seed {seed}: nobody asked");
    let accepted = world.answer(BOB, Command::Accept { number: 1 });
    assert!(accepted.is_ok(), "seed {seed}: {accepted:?}");
}

/// A node comes, is there for a while, and goes.
fn visit(world: &mut World, node: NodeIndex, act: impl FnOnce(&mut World)) {
    world.start(node);
    world.run_for(20_000);
    act(world);
    world.crash(node);
}

/// Writes, and sees that it is kept for them.
fn leave(world: &mut World, from: NodeIndex, to: NodeIndex, text: &str) {
    let seed = world.seed;
    send(world, from, &name(to), text);
    let state = |world: &mut World| chat(world, from, &name(to)).last().and_then(|it| it.delivery).map(|it| it.state);
    let is_left = world.run_until(MINUTE_MS, |world| state(world) == Some(DeliveryState::Stored));
    assert!(is_left, "seed {seed}: {text}: {:?}", outbox(world, from));
}

fn finds(world: &mut World, node: NodeIndex, from: NodeIndex, text: &str) {
    let seed = world.seed;
    let is_here = |world: &mut World| words(world, node, from).last().is_some_and(|it| it == text);
    assert!(world.run_until(MINUTE_MS, is_here), "seed {seed}: {:?}", words(world, node, from));
}

fn words(world: &mut World, node: NodeIndex, with: NodeIndex) -> Vec<String> {
    chat(world, node, &name(with)).into_iter().map(|message| message.text).collect()
}

#[test]
fn whoever_accepts_writes_at_once_to_a_friend_who_is_away() {
    for seed in seeds(14) {
        let mut world = strangers(seed, 1);
        visit(&mut world, ALICE, ask);
        visit(&mut world, BOB, |world| {
            accept(world);
            leave(world, BOB, ALICE, "hello alice");
        });
        visit(&mut world, ALICE, |world| {
            finds(world, ALICE, BOB, "hello alice");
            leave(world, ALICE, BOB, "hello bob");
        });
        visit(&mut world, BOB, |world| finds(world, BOB, ALICE, "hello bob"));
    }
}

#[test]
fn the_longest_request_tells_of_a_mailbox_too() {
    for seed in seeds(4) {
        let mut world = strangers(seed, 2);
        visit(&mut world, ALICE, |world| {
            let listening = (1..=16).map(|host| format!("/ip6/2001:db8:1111:2222:3333:4444:5555:{host:x}/tcp/40000"));
            world.listens(ALICE, listening.collect());
            let bio = Note::parse("b".repeat(MAX_NOTE_BYTES)).unwrap();
            let profile = Command::SetProfile { nick: None, bio: Some(bio), key: cast::keys(ALICE, seed).0 };
            assert!(world.answer(ALICE, profile).is_ok(), "seed {seed}");
            ask_saying(world, &"n".repeat(MAX_NOTE_BYTES));
        });
        visit(&mut world, BOB, |world| {
            accept(world);
            leave(world, BOB, ALICE, "hello alice");
        });
        visit(&mut world, ALICE, |world| finds(world, ALICE, BOB, "hello alice"));
    }
}

#[test]
fn a_request_does_not_wait_for_a_rendezvous_that_is_down() {
    for seed in seeds(7) {
        let mut world = strangers(seed, 2);
        world.crash_server(1);
        visit(&mut world, ALICE, ask);
        visit(&mut world, BOB, |world| {
            accept(world);
            leave(world, BOB, ALICE, "hello alice");
        });
        visit(&mut world, ALICE, |world| finds(world, ALICE, BOB, "hello alice"));
    }
}

#[test]
fn nothing_that_was_written_after_a_request_is_lost() {
    for seed in seeds(14) {
        let mut world = strangers(seed, 1);
        visit(&mut world, ALICE, ask);
        world.start(BOB);
        accept(&mut world);
        world.faults = Faults { crash: 80, crash_server: 80, break_link: 80, delay_ms: 80, ..Faults::default() };
        let mut sent = Sent::default();
        for _ in 0..20 {
            // Alice cannot write before she hears of it.
            match world.below(8) {
                0 => world.crash(ALICE),
                1 | 2 => [ALICE, BOB].into_iter().for_each(|node| world.start(node)),
                _ if world.nodes[BOB].engine.is_some() => act(&mut world, BOB, ALICE, &mut sent),
                _ => {}
            }
            let pause = world.below(15_000);
            world.run_for(pause);
        }
        let people = People(vec![vec![ALICE], vec![BOB]]);
        people.settle(&mut world, 24 * 60 * MINUTE_MS);
        people.check(&mut world, &sent);
    }
}
