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
        let Reply::Outbox { queued, .. } = world.ask(ALICE, Command::Outbox).unwrap() else { panic!("an outbox") };
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

#[test]
fn a_flood_is_cut_at_the_quota_and_fetched_the_next_day() {
    let mut world = World::friends(26);
    let words = "x".repeat(2_200);
    for round in 0..10 {
        for _ in 0..210 {
            let text = crate::testing::text(&words);
            world.push(BOB, Command::Send { chat: handle("alice"), text, reply_to: None, action: false });
        }
        world.run(100 + round);
    }
    world.run(20_000);
    let withheld = |world: &mut World| world.texts(ALICE, "bob").iter().filter(|text| **text != words).count();
    let left_out = withheld(&mut world);
    assert!((1..=110).contains(&left_out), "{left_out}");
    let warnings = world.nodes[ALICE].events.iter().filter(|event| matches!(event, Event::Warning { .. })).count();
    assert_eq!(warnings, 1);
    agree_on_order(&mut world);
    world.now_ms += 24 * 60 * 60 * 1000;
    world.run(120_000);
    assert_eq!(withheld(&mut world), 0);
}

fn agree_on_order(world: &mut World) {
    let ids = |messages: Vec<crate::command::Message>| messages.into_iter().map(|m| m.entry).collect::<Vec<_>>();
    assert_eq!(ids(world.history(ALICE, "bob")), ids(world.history(BOB, "alice")));
}

#[test]
fn an_account_restored_from_its_words_gets_its_history_back() {
    let mut world = World::friends(27);
    world.say(ALICE, "bob", "one");
    world.say(BOB, "alice", "two");
    world.run(1_000);
    world.recover(BOB);
    world.befriend(ALICE, BOB);
    world.run(120_000);
    assert_eq!(agree(&mut world, 27), ["one", "two"]);
    assert_eq!(world.history(BOB, "alice")[1].from, crate::command::From::Me);
    world.say(BOB, "alice", "three");
    world.run(1_000);
    assert_eq!(agree(&mut world, 27), ["one", "two", "three"]);
}

/// Ends all sessions of a node and lets the next ones come up.
fn reconnect(world: &mut World, node: usize) {
    world.disconnect(node);
    world.run(120_000);
}

#[test]
fn a_restored_account_keeps_its_key_until_a_friend_holds_the_record_that_it_adopted() {
    let mut world = World::friends(27);
    world.recover(BOB);
    assert_eq!(world.keys_done, 0);
    world.befriend(ALICE, BOB);
    reconnect(&mut world, BOB);
    assert_eq!(world.keys_done, 1, "Alice holds what Bob signed on top of what she knew");
    reconnect(&mut world, BOB);
    assert_eq!(world.keys_done, 1);
}

#[test]
fn who_never_knew_the_account_before_confirms_nothing() {
    let mut world = World::friends(28);
    // Alice forgets everybody: to her, Bob is new.
    world.recover(ALICE);
    world.recover(BOB);
    world.befriend(ALICE, BOB);
    reconnect(&mut world, BOB);
    world.say(BOB, "alice", "hello");
    world.run(1_000);
    assert_eq!(world.texts(ALICE, "bob"), ["hello"]);
    assert_eq!(world.keys_done, 0);
}

#[test]
fn a_restore_of_long_ago_gives_its_key_up_and_shows_no_second_history() {
    let mut world = World::friends(29);
    // Its certificate is of the beginning.
    world.now_ms += 31 * 24 * 3_600_000;
    world.recover(BOB);
    assert_eq!(world.keys_done, 1);
    world.befriend(ALICE, BOB);
    reconnect(&mut world, BOB);
    let Reply::Friends(friends) = world.ask(ALICE, Command::Friends).unwrap() else { panic!("friends") };
    assert!(friends.iter().all(|friend| !friend.key_alarm), "{friends:?}");
    let told = |event: &Event| matches!(event, Event::Warning { message, .. } if message.contains("newer record"));
    assert!(world.nodes[BOB].events.iter().any(told), "{:?}", world.nodes[BOB].events);
}

#[test]
fn a_friend_who_was_removed_and_added_again_loses_nothing() {
    let mut world = World::friends(28);
    world.say(ALICE, "bob", "before");
    world.run(1_000);
    world.ask(ALICE, Command::Remove { chat: handle("bob") }).unwrap();
    world.run(1_000);
    assert!(
        world
            .ask(
                ALICE,
                Command::Send {
                    chat: handle("bob"),
                    text: crate::testing::text("void"),
                    reply_to: None,
                    action: false,
                }
            )
            .is_err()
    );
    world.befriend(BOB, ALICE);
    world.run(120_000);
    world.say(ALICE, "bob", "after");
    world.run(1_000);
    assert_eq!(agree(&mut world, 28), ["before", "after"]);
}

#[test]
fn what_was_written_apart_is_merged_and_marked_late() {
    let mut world = World::friends(29);
    world.say(ALICE, "bob", "together");
    world.run(1_000);
    world.cut = true;
    world.disconnect(BOB);
    for n in 0..3 {
        world.say(ALICE, "bob", &format!("a{n}"));
        world.run(10);
        world.say(BOB, "alice", &format!("b{n}"));
        world.run(10);
    }
    world.cut = false;
    world.run(120_000);
    assert_eq!(agree(&mut world, 29), ["together", "a0", "b0", "a1", "b1", "a2", "b2"]);
    let late = |world: &mut World, node, chat| {
        let marked = world.history(node, chat).into_iter().filter(|message| message.late);
        marked.map(|message| message.text).collect::<Vec<_>>()
    };
    assert_eq!(late(&mut world, ALICE, "bob"), ["b0", "b1"]);
    assert_eq!(late(&mut world, BOB, "alice"), ["a0", "a1", "a2"]);
}

#[test]
fn a_friend_who_never_receipts_gets_one_window_and_no_more() {
    let mut world = World::friends(31);
    world.run(1_000);
    world.deaf = Some(ALICE);
    let words = "x".repeat(15_000);
    for _ in 0..80 {
        world.say(ALICE, "bob", &words);
    }
    let window = hobnob_shared::limits::WRITER_QUEUE_BYTES / 2 + 100_000;
    assert!(world.sent_bytes < window, "{} bytes on their way", world.sent_bytes);
}
