//! When a friend, and each device of theirs, was here last, as far as we know.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, handle};
use hobnob_engine::command::{Command, MessageRef, Reply, Which};
use hobnob_shared::text::MessageText;

const ALICE: usize = 0;
const BOB: usize = 1;

/// When Bob's only device, and the friend, were here last, as Alice's `/info` and `/friends` say.
fn last_here(world: &mut World) -> (Option<u64>, Option<u64>) {
    let chat = handle("bob");
    let text = MessageText::parse("hi").unwrap();
    let sent = world.ask(ALICE, Command::Send { chat, text, reply_to: None, action: false }).unwrap();
    let Reply::Sent(message) = sent else { panic!("{sent:?}") };
    let message = MessageRef::Number(message.number);
    let which = Which { chat: None, message };
    let details = match world.ask(ALICE, Command::Info { which }).unwrap() {
        Reply::Info(details) => details,
        other => panic!("{other:?}"),
    };
    (details.devices[0].last_seen_ms, world.friend(ALICE, "bob").last_seen_ms)
}

#[test]
fn who_was_here_when_we_left_was_here_then() {
    let mut world = World::friends();
    world.pass(600_000);
    let left = world.now().wall_ms;
    world.leave(ALICE);
    world.stop(BOB);
    world.pass(3_600_000);
    world.start(ALICE);
    assert_eq!(last_here(&mut world), (Some(left), Some(left)));
}

#[test]
fn who_was_here_when_we_crashed_was_here_an_hour_before_at_most() {
    const HOUR_MS: u64 = 3_600_000;
    for hours in [0, 5] {
        let mut world = World::friends();
        world.pass(hours * HOUR_MS + 600_000);
        let crashed = world.now().wall_ms;
        world.stop(ALICE);
        world.stop(BOB);
        world.pass(HOUR_MS);
        world.start(ALICE);
        let seen = last_here(&mut world).0.expect("he was here");
        assert!(seen <= crashed && crashed - seen <= HOUR_MS, "{} ms before", crashed - seen);
    }
}
