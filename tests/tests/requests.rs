//! Worlds in which people ask each other by name to be friends, and are never there at once: whoever accepts can write at
//! once, and both get what the other wrote. Each machine of an account is asked. A failing one prints its seed;
//! `WORLD_SEED=n` runs that one alone.

use hobnob_engine::command::{Command, DeliveryState, Reply, RequestKind, ServerState, Standing};
use hobnob_shared::{limits::MAX_NOTE_BYTES, text::Note};
use hobnob_tests::{
    apart::{People, outbox},
    cast,
    devices::{add_device, chat, name, send, who},
    seeds::seeds,
    talk::{Sent, act},
    world::{Faults, NodeIndex, World, username},
};

const ALICE: NodeIndex = 0;
const BOB: NodeIndex = 1;

/// Another machine of Bob's, which meets nobody but the rendezvous.
const TABLET: NodeIndex = 2;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

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

/// Bob and his tablet, and Alice, who does not know him. Nobody is there.
fn two_machines(seed: u64) -> World {
    let mut world = World::new(seed, 3);
    [BOB, TABLET].into_iter().for_each(|node| world.part(ALICE, node));
    let server = world.add_server();
    [ALICE, BOB].into_iter().for_each(|node| world.register(node, server));
    add_device(&mut world, BOB, TABLET);
    let is_up = |world: &mut World| match world.answer(TABLET, Command::Servers) {
        Ok(Reply::Servers(servers)) => servers.iter().any(|it| it.name.is_some() && it.state == ServerState::Up),
        answer => panic!("seed {seed}: {answer:?}"),
    };
    assert!(world.run_until(MINUTE_MS, is_up), "seed {seed}: the tablet has no name");
    world.run_for(MINUTE_MS);
    world.part(BOB, TABLET);
    [ALICE, BOB, TABLET].into_iter().for_each(|node| world.crash(node));
    world
}

/// The numbers of those who ask by name.
fn asked(world: &mut World, node: NodeIndex) -> Vec<u64> {
    match world.answer(node, Command::Requests) {
        Ok(Reply::Requests(requests)) => {
            let by_name = requests.into_iter().filter(|it| matches!(it.kind, RequestKind::Name { .. }));
            by_name.map(|it| it.number).collect()
        }
        answer => panic!("seed {}: {answer:?}", world.seed),
    }
}

fn is_asked(world: &mut World, node: NodeIndex) {
    let seed = world.seed;
    let is_here = world.run_until(5 * MINUTE_MS, |world| asked(world, node) == [1]);
    assert!(is_here, "seed {seed}: nobody asked node {node}");
}

/// Bob finds her request, and accepts.
fn accept(world: &mut World) {
    accept_at(world, BOB);
}

fn accept_at(world: &mut World, node: NodeIndex) {
    is_asked(world, node);
    let accepted = world.answer(node, Command::Accept { number: 1 });
    assert!(accepted.is_ok(), "seed {}: {accepted:?}", world.seed);
}

/// Another machine of the account said yes.
fn is_answered(world: &mut World, node: NodeIndex) {
    let is_friend = |world: &mut World| who(world, node).get(&name(ALICE)).is_some_and(|it| it.0 == Standing::Friend);
    let is_done = world.run_until(5 * MINUTE_MS, |world| is_friend(world) && asked(world, node).is_empty());
    let (seed, known) = (world.seed, who(world, node));
    assert!(is_done, "seed {seed}: {known:?} and {:?}", asked(world, node));
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
fn a_request_is_at_each_machine_and_is_gone_where_another_one_accepted() {
    for seed in seeds(14) {
        let mut world = two_machines(seed);
        visit(&mut world, ALICE, ask);
        visit(&mut world, BOB, |world| is_asked(world, BOB));
        world.run_for(DAY_MS);
        visit(&mut world, TABLET, |world| {
            accept_at(world, TABLET);
            leave(world, TABLET, ALICE, "hello from the tablet");
            world.run_for(MINUTE_MS);
        });
        visit(&mut world, BOB, |world| {
            is_answered(world, BOB);
            leave(world, BOB, ALICE, "hello alice");
        });
        visit(&mut world, ALICE, |world| {
            finds(world, ALICE, BOB, "hello alice");
            leave(world, ALICE, BOB, "hello both");
        });
        for node in [BOB, TABLET] {
            visit(&mut world, node, |world| finds(world, node, ALICE, "hello both"));
        }
    }
}

#[test]
fn what_one_machine_accepted_the_next_one_does_not_ask() {
    for seed in seeds(7) {
        let mut world = two_machines(seed);
        visit(&mut world, ALICE, ask);
        visit(&mut world, BOB, |world| {
            accept(world);
            world.run_for(MINUTE_MS);
        });
        world.run_for(DAY_MS);
        visit(&mut world, TABLET, |world| {
            is_answered(world, TABLET);
            leave(world, TABLET, ALICE, "hello from the tablet");
        });
        visit(&mut world, ALICE, |world| finds(world, ALICE, BOB, "hello from the tablet"));
    }
}

#[test]
fn what_one_machine_declined_the_other_one_does_not_ask_until_they_ask_again() {
    for seed in seeds(14) {
        let mut world = two_machines(seed);
        visit(&mut world, ALICE, ask);
        let is_seen_at_both = seed % 2 == 0;
        if is_seen_at_both {
            visit(&mut world, TABLET, |world| is_asked(world, TABLET));
        }
        visit(&mut world, BOB, |world| {
            is_asked(world, BOB);
            let declined = world.answer(BOB, Command::Decline { number: 1 });
            assert!(declined.is_ok(), "seed {seed}: {declined:?}");
            world.run_for(5 * MINUTE_MS);
            assert!(asked(world, BOB).is_empty(), "seed {seed}: it comes again");
        });
        visit(&mut world, TABLET, |world| {
            let is_gone = world.run_until(5 * MINUTE_MS, |world| asked(world, TABLET).is_empty());
            assert!(is_gone, "seed {seed}: it is asked again");
            world.run_for(5 * MINUTE_MS);
            assert!(asked(world, TABLET).is_empty(), "seed {seed}: it comes again");
        });
        visit(&mut world, ALICE, ask);
        for node in [TABLET, BOB] {
            visit(&mut world, node, |world| is_asked(world, node));
        }
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
