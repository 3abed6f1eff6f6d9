//! Looking names up where a rendezvous has no look-ups left for somebody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::World;
use hobnob_engine::{
    command::{Code, Command, Refusal, Reply, Standing},
    work::Mode,
};
use hobnob_shared::{
    text::{Note, Username},
    wire::{ErrorCode, ServerFrame},
};

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn ask(world: &mut World, command: Command) -> Result<Reply, Refusal> {
    let ticket = world.call(0, command);
    world.pass(5_000);
    world.answer(0, ticket).expect("an answer")
}

fn find(world: &mut World, text: &str) -> Result<Reply, Refusal> {
    ask(world, Command::Find { name: name(text), server: None })
}

/// Alice and Bob, both with a name at Rosa's.
fn two() -> World {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    world.register(0, "alice");
    world.register(1, "bob");
    world.pass(2_000);
    world
}

#[test]
fn a_look_up_that_is_one_too_many_says_so_and_when_the_next_is_taken() {
    let mut world = two();
    for (retry_ms, when) in [(120_000, "in 2 min"), (u64::MAX, "later")] {
        world.rosa().refuses = Some(ErrorCode::RateLimited { retry_ms });
        let refusal = find(&mut world, "bob").unwrap_err();
        assert_eq!(refusal.code, Code::Limited);
        assert!(refusal.message.contains("too many look-ups") && refusal.message.ends_with(when), "{refusal}");
    }
}

/// Which names were asked for as an account.
fn asked_as_account(world: &mut World) -> Vec<Username> {
    let seen = world.rosa().seen.iter().filter(|(mode, _)| *mode == Mode::Account);
    seen.filter_map(|(_, frame)| if let ServerFrame::NameGet(get) = frame { Some(get.name.clone()) } else { None })
        .collect()
}

#[test]
fn where_guests_have_no_lookups_left_our_account_asks_and_nobody_waits() {
    let mut world = two();
    world.rosa().guests_wait_ms = Some(120_000);
    world.rosa().seen.clear();
    assert!(matches!(find(&mut world, "bob"), Ok(Reply::Found(_))));
    assert_eq!(asked_as_account(&mut world), [name("bob")]);
    let refusal = find(&mut world, "bobb").unwrap_err();
    assert_eq!(refusal.code, Code::NotFound);

    ask(&mut world, Command::AddName { name: name("bob"), server: None, note: Note::default() }).unwrap();
    let knocks = world.rosa().seen.iter().filter(|(_, frame)| frame.number() == 129);
    assert!(knocks.map(|(mode, _)| *mode).all(|mode| mode == Mode::Guest), "what is asked of whom is a guest's");
    world.ask(1, Command::Accept { number: 1 }).unwrap();
    world.pass(5_000);
    assert_eq!(world.friend(0, "bob").standing, Standing::Friend);
}

#[test]
fn where_our_account_has_none_left_either_the_shorter_wait_is_told() {
    for (guests, told) in [(60_000, "in 60 s"), (600_000, "in 2 min")] {
        let mut world = two();
        world.rosa().guests_wait_ms = Some(guests);
        world.rosa().refuses = Some(ErrorCode::RateLimited { retry_ms: 120_000 });
        world.rosa().seen.clear();
        let refusal = find(&mut world, "bob").unwrap_err();
        assert!(refusal.message.contains("too many look-ups") && refusal.message.ends_with(told), "{refusal}");
        assert_eq!(asked_as_account(&mut world), [name("bob")], "once");
    }
}

#[test]
fn whoever_has_no_name_there_is_told_to_wait() {
    let mut world = two();
    world.rosa().guests_wait_ms = Some(120_000);
    let server = Box::new(world.rosa().address.clone());
    world.ask(0, Command::LoggedOut { server, released: false }).unwrap();
    world.pass(1_000);
    world.rosa().seen.clear();
    let refusal = find(&mut world, "bob").unwrap_err();
    assert_eq!((refusal.code, asked_as_account(&mut world)), (Code::Limited, Vec::new()));
}
