//! Where a rendezvous is said to be: an address counts when its key was proved there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, rosa::Rosa};
use hobnob_engine::{
    command::{Command, Reply, ServerState, ServerView},
    event::Event,
};
use hobnob_shared::rendezvous::Address;

fn servers(world: &mut World) -> Vec<ServerView> {
    match world.ask(0, Command::Servers).unwrap() {
        Reply::Servers(servers) => servers,
        other => panic!("{other:?}"),
    }
}

fn set(world: &mut World, address: &Address) {
    world.ask(0, Command::SetRendezvous { address: Box::new(address.clone()), used: true }).unwrap();
    world.pass(1_000);
}

fn restart(world: &mut World) {
    world.stop(0);
    world.start(0);
    world.pass(1_000);
}

fn warned(world: &mut World, what: &str) -> bool {
    let is_it = |event: &Event| matches!(event, Event::Warning { message, .. } if message.contains(what));
    world.events(0).iter().any(is_it)
}

/// Rosa's key, at another port.
fn elsewhere(address: &Address) -> Address {
    Address::new("/dns4/rosa.example/tcp/4999", address.transport(), address.x25519()).unwrap()
}

#[test]
fn an_address_is_remembered_when_its_key_was_proved_there() {
    let mut world = World::with_rosa(&["Alice"]);
    let good = world.rosa().address.clone();
    set(&mut world, &elsewhere(&good));
    assert!(warned(&mut world, "is not reached"));
    assert_eq!(servers(&mut world).len(), 1, "it may be tried for as long as the node runs");
    restart(&mut world);
    assert_eq!(servers(&mut world).len(), 0, "a wrong port");
    // Another key, with the peer id and the place of Rosa.
    let other = Rosa::new(8).address;
    let forged = Address::new(good.place(), good.transport(), other.x25519()).unwrap();
    set(&mut world, &forged);
    assert!(warned(&mut world, "does not prove the key"));
    restart(&mut world);
    assert_eq!(servers(&mut world).len(), 0, "a wrong key");
    // Nor does it stand in the way of the right one.
    set(&mut world, &forged);
    set(&mut world, &good);
    restart(&mut world);
    let used: Vec<_> = servers(&mut world).into_iter().map(|view| view.address).collect();
    assert_eq!(used, [good]);
}

#[test]
fn a_wrong_port_takes_the_place_of_no_good_one_and_a_new_place_does_when_it_works() {
    let mut world = World::with_rosa(&["Alice"]);
    world.register(0, "alice");
    world.pass(1_000);
    let good = world.rosa().address.clone();
    let moved = elsewhere(&good);
    set(&mut world, &moved);
    assert!(warned(&mut world, "at the address that you gave"));
    assert_eq!(servers(&mut world)[0].address, good);
    for _ in 0..2 {
        let view = servers(&mut world).remove(0);
        assert_eq!((view.address, view.state), (good.clone(), ServerState::Up));
        restart(&mut world);
    }

    // At the start too, and once.
    world.nodes[0].rendezvous = vec![moved.clone()];
    world.stop(0);
    world.start(0);
    world.pass(10_000);
    assert!(warned(&mut world, "at the address that you gave"));
    world.pass(7_200_000);
    assert!(!warned(&mut world, "at the address that you gave"), "said again");
    assert_eq!((servers(&mut world)[0].address.clone(), servers(&mut world)[0].state), (good.clone(), ServerState::Up));
    world.nodes[0].rendezvous.clear();
    restart(&mut world);

    // She moves: the new place is tried although the old one is the one that worked.
    world.stop_rosa();
    world.rosa().address = moved.clone();
    world.rosa().is_away = false;
    world.pass(1_000);
    set(&mut world, &moved);
    world.pass(60_000);
    for _ in 0..2 {
        let view = servers(&mut world).remove(0);
        assert_eq!((view.address, view.state), (moved.clone(), ServerState::Up));
        restart(&mut world);
    }
    // And back, without a word: where it worked before is not forgotten.
    world.stop_rosa();
    world.rosa().address = good.clone();
    world.rosa().is_away = false;
    world.pass(60_000);
    assert_eq!((servers(&mut world)[0].address.clone(), servers(&mut world)[0].state), (good, ServerState::Up));
}
