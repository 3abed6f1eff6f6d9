//! A rendezvous that takes this device for none of the account's, and an account that has revoked it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, device, person};
use hobnob_engine::{
    command::{Code, Command, Reply, ServerState, ServerView},
    event::Event,
    work::Mode,
};
use hobnob_shared::{identity::AccountRecord, text::Username};

const HOUR_MS: u64 = 3_600_000;
const WHAT_TO_DO: &str = "it does not know alice any more (it was restored from an older backup, or the name was given up \
                          elsewhere): /register alice takes the name again";

#[test]
fn whoever_is_not_known_there_any_more_is_told_once_and_once_more_when_they_are() {
    let mut world = registered();
    let id = world.account(0);
    let held = world.rosa().accounts.remove(&id).unwrap();
    restart_rosa(&mut world);
    world.pass(HOUR_MS);
    let told = changes(&mut world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].state, told[0].is_forgotten), (ServerState::Waiting, true));
    assert!(told[0].last_error.as_ref().unwrap().ends_with(WHAT_TO_DO), "{told:?}");
    assert!(world.rosa().asked(151) > 3, "it is asked again now and then");

    world.rosa().accounts.insert(id, held);
    world.pass(HOUR_MS);
    let told = changes(&mut world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].state, told[0].is_forgotten), (ServerState::Up, false));
}

#[test]
fn a_device_that_was_revoked_says_so_once_and_asks_no_rendezvous_again() {
    let mut world = registered();
    revoke(&mut world);
    restart_rosa(&mut world);
    world.pass(10_000);
    let (revoked, told) = (revocations(&world), changes(&mut world));
    assert_eq!((revoked, told.len()), (1, 1), "{told:?}");
    assert_is_left(&told[0]);
    assert_rests(&mut world);

    // After a start it is said again, and nothing else happens.
    world.stop(0);
    world.start(0);
    assert_eq!(revocations(&world), 1);
    assert_rests(&mut world);
    let Reply::Servers(servers) = world.ask(0, Command::Servers).unwrap() else { panic!() };
    assert_is_left(&servers[0]);

    let find = Command::Find { name: Username::parse("bob").unwrap(), server: None };
    let refusal = world.ask(0, find).unwrap_err();
    assert_eq!(refusal.code, Code::Untrusted, "{refusal}");
    assert!(refusal.message.contains("was revoked"), "{refusal}");
    let server = Box::new(world.rosa().address.clone());
    world.ask(0, Command::LoggedOut { server, released: false }).unwrap();
    let Reply::Servers(servers) = world.ask(0, Command::Servers).unwrap() else { panic!() };
    assert_eq!((&servers[0].name, &servers[0].last_error), (&None, &None));
}

/// Alice, with a name at Rosa's.
fn registered() -> World {
    let mut world = World::with_rosa(&["Alice"]);
    world.register(0, "alice");
    world.pass(2_000);
    world.events(0);
    world
}

fn restart_rosa(world: &mut World) {
    world.stop_rosa();
    world.rosa().is_away = false;
}

/// Another device of hers has done it, and told Rosa.
fn revoke(world: &mut World) {
    let (key, _) = person("x", 0);
    let other = device(&key, "Alice", 77);
    let Reply::WhoAmI(me) = world.ask(0, Command::WhoAmI).unwrap() else { panic!() };
    let (account, _) = world.rosa().accounts.get_mut(&me.account).unwrap();
    let before = account.records.last().unwrap();
    let AccountRecord { seq, profile, .. } = before.verify().unwrap();
    let newer = key.sign_record(&AccountRecord {
        seq: seq + 1,
        prev: Some(before.hash()),
        account: me.account,
        devices: vec![other.certificate.hash()],
        revoked: vec![(me.device, seq)],
        profile,
    });
    account.records.push(newer);
    account.certificates.push(other.certificate);
    world.rosa().disowns = true;
}

fn assert_is_left(server: &ServerView) {
    assert_eq!((server.state, server.retry_ms), (ServerState::Idle, None));
    let why = server.last_error.as_ref().unwrap();
    assert!(why.contains("was revoked") && why.contains("/logout"), "{why}");
}

/// For an hour nothing is asked and nothing is told.
fn assert_rests(world: &mut World) {
    world.events(0);
    world.rosa().seen.clear();
    world.pass(HOUR_MS);
    assert_eq!((world.rosa().seen.len(), world.rosa().sessions(Mode::Account)), (0, 0));
    let told = world.events(0);
    assert!(told.is_empty(), "{told:?}");
}

fn revocations(world: &World) -> usize {
    let is_it = |event: &&Event| matches!(event, Event::DeviceRevoked { current: true, .. });
    world.nodes[0].events.iter().filter(is_it).count()
}

fn changes(world: &mut World) -> Vec<ServerView> {
    let changes = world.events(0).into_iter().filter_map(|event| match event {
        Event::ServerChanged(view) => Some(*view),
        _ => None,
    });
    changes.collect()
}
