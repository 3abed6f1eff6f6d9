//! Sessions with a rendezvous, and what is asked over them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{BEGIN_MS, World, person, rosa::Rosa};
use hobnob_engine::{
    command::{Code, Command, Refusal, Reply, ServerState, ServerView},
    event::Event,
    work::Mode,
};
use hobnob_shared::{
    Token,
    identity::{Binding, SignedBinding},
    rendezvous::Address,
    text::Username,
    wire::{ErrorCode, ServerFrame},
};

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn binding(world: &World, node: usize, text: &str) -> SignedBinding {
    let keys = &world.rosa.as_ref().unwrap().keys;
    let (account, _) = person("x", node as u64);
    let binding =
        Binding { name: name(text), server: *keys.id().as_bytes(), account: account.id(), seq: 1, time_ms: BEGIN_MS };
    account.sign_claim(&binding).grant(keys)
}

fn use_rosa(world: &mut World, node: usize) {
    let address = Box::new(world.rosa().address.clone());
    world.ask(node, Command::SetRendezvous { address, used: true }).unwrap();
}

fn register(world: &mut World, node: usize, text: &str) {
    use_rosa(world, node);
    let command = Command::Registered {
        server: Box::new(world.rosa().address.clone()),
        name: name(text),
        binding: Box::new(binding(world, node, text)),
        vault_key: Token::new([5; 32]),
        vault_seq: 1,
    };
    world.ask(node, command).unwrap();
    world.pass(1);
}

fn server(world: &mut World, node: usize) -> ServerView {
    match world.ask(node, Command::Servers).unwrap() {
        Reply::Servers(servers) => servers.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn ask(world: &mut World, guest: bool, request: ServerFrame, wait_ms: u64) -> Result<Reply, Refusal> {
    let ticket = world.call(0, Command::Ask { server: None, guest, request: Box::new(request) });
    world.pass(wait_ms);
    world.answer(0, ticket).expect("an answer")
}

fn changes(world: &mut World, node: usize) -> Vec<(ServerState, Option<String>)> {
    let events = world.events(node).into_iter();
    let changes = events.filter_map(|event| match event {
        Event::ServerChanged(view) => Some((view.state, view.last_error)),
        _ => None,
    });
    changes.collect()
}

#[test]
fn whoever_has_a_name_has_a_session_and_whoever_has_none_has_not() {
    let mut world = World::with_rosa(&["Alice"]);
    use_rosa(&mut world, 0);
    world.pass(10_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 0);
    assert_eq!(server(&mut world, 0).state, ServerState::Idle);

    register(&mut world, 0, "alice");
    assert_eq!(world.rosa().sessions(Mode::Account), 1);
    let view = server(&mut world, 0);
    assert_eq!((view.state, view.name), (ServerState::Up, Some(name("alice"))));

    world.stop(0);
    world.rosa().links.clear();
    world.start(0);
    world.pass(1_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 1, "after a restart too");

    let server_address = Box::new(world.rosa().address.clone());
    world.ask(0, Command::LoggedOut { server: server_address }).unwrap();
    world.pass(1_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 0);
    assert_eq!(server(&mut world, 0).name, None);
}

#[test]
fn a_rendezvous_that_is_away_is_told_once_and_found_again() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.events(0);
    world.stop_rosa();
    world.pass(3_600_000);
    assert_eq!(changes(&mut world, 0), [(ServerState::Waiting, Some("connection refused".to_owned()))]);
    assert!(server(&mut world, 0).retry_ms.is_some_and(|ms| ms <= 600_000));

    world.rosa().is_away = false;
    world.pass(600_000);
    assert_eq!(changes(&mut world, 0), [(ServerState::Up, None)]);
    assert_eq!(world.rosa().sessions(Mode::Account), 1);
}

#[test]
fn a_rendezvous_that_says_nothing_is_dead_within_45_seconds() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.rosa().is_silent = true;
    world.pass(44_000);
    assert_eq!(server(&mut world, 0).state, ServerState::Up);
    world.pass(2_000);
    assert_ne!(server(&mut world, 0).state, ServerState::Up);
}

#[test]
fn a_live_session_is_kept_by_pings_and_renewed_every_hour() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    let first = *world.rosa().links.keys().next().unwrap();
    world.pass(3_590_000);
    assert_eq!(*world.rosa().links.keys().next().unwrap(), first);
    world.events(0);
    world.pass(20_000);
    assert_eq!(world.rosa().sessions(Mode::Account), 1);
    assert_ne!(*world.rosa().links.keys().next().unwrap(), first);
    assert_eq!(changes(&mut world, 0), [], "nobody is told of a renewal");
}

#[test]
fn a_guest_asks_over_one_link_and_leaves_when_nothing_is_wanted() {
    let mut world = World::with_rosa(&["Alice"]);
    use_rosa(&mut world, 0);
    let hash = |reply| match reply {
        Ok(Reply::Answered { frame, session }) => {
            assert!(matches!(*frame, ServerFrame::Status(_)));
            session
        }
        other => panic!("{other:?}"),
    };
    let first = hash(ask(&mut world, true, ServerFrame::StatusGet, 1));
    world.pass(50_000);
    let second = hash(ask(&mut world, true, ServerFrame::StatusGet, 1));
    assert_eq!(first, second, "a login goes on where it began");
    assert_eq!(world.rosa().sessions(Mode::Guest), 1);
    world.pass(61_000);
    assert_eq!(world.rosa().sessions(Mode::Guest), 0);
    assert_ne!(hash(ask(&mut world, true, ServerFrame::StatusGet, 1)), first);
}

#[test]
fn a_request_is_refused_in_words_with_what_was_said() {
    let mut world = World::with_rosa(&["Alice"]);
    use_rosa(&mut world, 0);
    world.rosa().refuses = Some(ErrorCode::RateLimited { retry_ms: 120_000 });
    let refusal = ask(&mut world, true, ServerFrame::VaultGet, 1).unwrap_err();
    assert_eq!((refusal.code, refusal.said), (Code::Limited, Some(ErrorCode::RateLimited { retry_ms: 120_000 })));
    assert!(refusal.message.contains("rosa.example") && refusal.message.contains("2 min"), "{refusal}");

    world.rosa().is_silent = true;
    let refusal = ask(&mut world, true, ServerFrame::VaultGet, 15_000).unwrap_err();
    assert_eq!((refusal.code, refusal.said), (Code::Network, None));

    world.stop_rosa();
    let refusal = ask(&mut world, true, ServerFrame::VaultGet, 1).unwrap_err();
    assert_eq!(refusal.code, Code::Network);
    let refusal = ask(&mut world, false, ServerFrame::VaultGet, 1).unwrap_err();
    assert_eq!(refusal.code, Code::Login, "no name there: {refusal}");
}

#[test]
fn what_waits_for_an_answer_is_told_when_the_link_breaks() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.rosa().is_silent = true;
    let request = Box::new(ServerFrame::VaultGet);
    let ticket = world.call(0, Command::Ask { server: None, guest: false, request });
    world.pass(100);
    assert!(world.answer(0, ticket).is_none());
    world.stop_rosa();
    let refusal = world.answer(0, ticket).unwrap().unwrap_err();
    assert_eq!(refusal.code, Code::Network, "{refusal}");
}

#[test]
fn whoever_lacks_the_key_of_the_address_is_not_talked_to() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    world.stop_rosa();
    let address = world.rosa().address.clone();
    world.rosa = Some(Rosa { address, ..Rosa::new(8) });
    world.events(0);
    world.pass(60_000);
    let told = changes(&mut world, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.as_ref().unwrap().contains("does not prove the key"), "{told:?}");
    let refusal = ask(&mut world, true, ServerFrame::StatusGet, 1).unwrap_err();
    assert_eq!(refusal.code, Code::Untrusted);
    assert_eq!(world.rosa().seen, []);
}

#[test]
fn another_version_and_another_signing_key_are_told_and_nothing_is_said_there() {
    let mut world = World::with_rosa(&["Alice"]);
    world.rosa().status.versions = (2, 3);
    register(&mut world, 0, "alice");
    world.pass(60_000);
    let told = changes(&mut world, 0);
    assert!(told.last().unwrap().1.as_ref().unwrap().contains("versions 2 to 3"), "{told:?}");
    assert_ne!(server(&mut world, 0).state, ServerState::Up);

    world.rosa().status.versions = (1, 2);
    world.pass(600_000);
    assert_eq!(server(&mut world, 0).state, ServerState::Up);
    world.stop_rosa();
    world.rosa().is_away = false;
    world.rosa().status.signing_key = [9; 32];
    world.events(0);
    world.pass(60_000);
    let warned = world
        .events(0)
        .iter()
        .any(|event| matches!(event, Event::Warning { message, .. } if message.contains("another key")));
    assert!(warned);
    assert_ne!(server(&mut world, 0).state, ServerState::Up);
}

#[test]
fn another_key_for_the_same_peer_is_refused_and_another_place_is_the_same_rendezvous() {
    let mut world = World::with_rosa(&["Alice"]);
    register(&mut world, 0, "alice");
    let (address, other) = (world.rosa().address.clone(), Rosa::new(8).address);
    let refusal = world.ask(0, Command::SetRendezvous { address: Box::new(other), used: true }).unwrap_err();
    assert_eq!(refusal.code, Code::Untrusted);
    let moved = Address::new("/dns4/new.example/tcp/4001", address.transport(), address.x25519()).unwrap();
    world.ask(0, Command::SetRendezvous { address: Box::new(moved.clone()), used: true }).unwrap();
    let view = server(&mut world, 0);
    assert_eq!((view.address, view.name), (moved.clone(), Some(name("alice"))));
    let refusal = world.ask(0, Command::SetRendezvous { address: Box::new(moved), used: false }).unwrap_err();
    assert_eq!(refusal.code, Code::Conflict, "{refusal}");
}
