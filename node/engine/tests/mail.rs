//! Mail for those who are away: stored, then delivered, once, in order, whatever the rendezvous does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::collections::BTreeMap;

use harness::{World, handle, person};
use hobnob_engine::{
    command::{Command, DeliveryState, Message, Presence, Queued, Reply, WaitReason},
    event::Event,
    tables::TableId,
    work::Mode,
};
use hobnob_shared::{
    Token,
    text::{MessageText, Note, Username},
    wire::{ErrorCode, rendezvous::Envelope},
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

const ALICE: usize = 0;
const BOB: usize = 1;
const DAY_MS: u64 = 86_400_000;

/// Alice and Bob are friends, and both have a name at Rosa's.
fn friends() -> World {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    register(&mut world, ALICE, "alice");
    register(&mut world, BOB, "bob");
    world.befriend(ALICE, BOB);
    // Longer than what becoming friends makes them look at.
    world.pass(5_000);
    world
}

fn register(world: &mut World, node: usize, text: &str) {
    let address = Box::new(world.rosa().address.clone());
    world.ask(node, Command::SetRendezvous { address: address.clone(), used: true }).unwrap();
    let (key, _) = person("x", node as u64);
    let binding = Box::new(world.rosa().bind(text, 1, &key));
    let Ok(Reply::MyAccount(payload)) = world.ask(node, Command::MyAccount) else { panic!("an account") };
    world.rosa().accounts.insert(key.id(), (*payload, BTreeMap::new()));
    let name = Username::parse(text).unwrap();
    let vault_key = Token::new([5; 32]);
    world.ask(node, Command::Registered { server: address, name, binding, vault_key, vault_seq: 1 }).unwrap();
    world.pass(1);
}

fn say(world: &mut World, node: usize, to: &str, words: &str) {
    let text = MessageText::parse(words).unwrap();
    world.ask(node, Command::Send { chat: handle(to), text, reply_to: None, action: false }).unwrap();
}

fn history(world: &mut World, node: usize, chat: &str) -> Vec<Message> {
    match world.ask(node, Command::History { chat: handle(chat), limit: 1000, before: None }).unwrap() {
        Reply::Messages(messages) => messages,
        other => panic!("{other:?}"),
    }
}

fn texts(world: &mut World, node: usize, chat: &str) -> Vec<String> {
    history(world, node, chat).into_iter().map(|message| message.text).collect()
}

fn states(world: &mut World, node: usize, chat: &str) -> Vec<DeliveryState> {
    history(world, node, chat).into_iter().filter_map(|message| Some(message.delivery?.state)).collect()
}

fn outbox(world: &mut World, node: usize) -> Vec<Queued> {
    match world.ask(node, Command::Outbox).unwrap() {
        Reply::Outbox { queued, .. } => queued,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_said_to_somebody_away_is_stored_and_then_delivered_though_both_are_never_there_at_once() {
    let mut world = friends();
    world.stop(BOB);
    world.events(ALICE);
    for words in ["one", "two", "three"] {
        say(&mut world, ALICE, "bob", words);
    }
    world.pass(2_900);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Queued; 3], "a session may still come up");
    world.pass(2_000);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Stored; 3]);
    let told = world.events(ALICE).into_iter().filter(
        |event| matches!(event, Event::MessageState { delivery, .. } if delivery.state == DeliveryState::Stored),
    );
    assert_eq!(told.count(), 3, "each is told once");
    let waits = outbox(&mut world, ALICE).remove(0);
    assert!(waits.why.contains("kept for @bob at a rendezvous"), "{}", waits.why);
    assert_eq!(waits.reason, WaitReason::Kept);
    assert_eq!(world.rosa().letters.items.len(), 1, "several go in one envelope");
    world.pass(DAY_MS);
    assert_eq!(world.rosa().letters.taken, 1, "nothing is left twice");

    world.stop(ALICE);
    world.start(BOB);
    world.pass(1_000);
    assert_eq!(texts(&mut world, BOB, "alice"), ["one", "two", "three"]);
    assert_eq!(world.peers(BOB, ALICE), 0);
    world.pass(20_000);
    world.stop(BOB);

    world.start(ALICE);
    world.pass(1_000);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Delivered; 3], "the receipt came by mail");
    assert_eq!(outbox(&mut world, ALICE), []);
    world.pass(60_000);
    assert_eq!(world.rosa().letters.items, [], "a receipt is not receipted");
}

#[test]
fn mail_is_left_as_a_guest_and_the_state_outlives_a_restart() {
    let mut world = friends();
    world.stop(BOB);
    say(&mut world, ALICE, "bob", "hi");
    world.pass(5_000);
    let deposits: Vec<_> = world.rosa().seen.iter().filter(|(_, frame)| frame.number() == 123).map(|it| it.0).collect();
    assert_eq!(deposits, [Mode::Guest]);
    world.stop(ALICE);
    world.start(ALICE);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Stored]);
    world.pass(60_000);
    assert_eq!(world.rosa().letters.taken, 1);
}

#[test]
fn a_full_mailbox_is_said_and_tried_again() {
    let mut world = friends();
    world.stop(BOB);
    world.rosa().letters.refuses = Some(ErrorCode::Quota);
    say(&mut world, ALICE, "bob", "hi");
    world.pass(10_000);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Queued]);
    let Queued { why, reason, .. } = outbox(&mut world, ALICE).remove(0);
    assert!(why.contains("full") && reason == WaitReason::MailboxFull, "{why}");
    world.rosa().letters.refuses = None;
    world.pass(3_600_000);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Stored]);
}

#[test]
fn a_mailbox_that_is_gone_is_said_and_told_anew_when_they_are_back() {
    let mut world = friends();
    world.stop(BOB);
    say(&mut world, ALICE, "bob", "one");
    world.pass(5_000);
    // An older backup: neither the mailbox nor the mail is in it.
    world.rosa().letters.boxes.clear();
    world.rosa().letters.items.clear();
    say(&mut world, ALICE, "bob", "two");
    world.pass(5_000);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Queued; 2], "what was stored is not any more");
    let Queued { why, reason, .. } = outbox(&mut world, ALICE).remove(0);
    assert!(why.contains("gone") && reason == WaitReason::MailboxGone, "{why}");

    world.start(BOB);
    world.pass(60_000);
    assert_eq!(texts(&mut world, BOB, "alice"), ["one", "two"]);
    world.pass(3_600_000);
    world.stop(BOB);
    world.pass(3_600_000);
    world.start(BOB);
    world.pass(60_000);
    world.stop(BOB);
    say(&mut world, ALICE, "bob", "three");
    world.pass(60_000);
    assert_eq!(states(&mut world, ALICE, "bob")[2], DeliveryState::Stored);
}

#[test]
fn what_a_carrier_has_lost_goes_again_after_fourteen_days() {
    let mut world = friends();
    world.stop(BOB);
    world.rosa().letters.loses = true;
    say(&mut world, ALICE, "bob", "hi");
    world.pass(10_000);
    assert_eq!(states(&mut world, ALICE, "bob"), [DeliveryState::Stored]);
    world.rosa().letters.loses = false;
    world.pass(13 * DAY_MS);
    assert_eq!(world.rosa().letters.taken, 2, "the mail, and a word about the newest prekey after a week");
    world.pass(2 * DAY_MS);
    world.stop(ALICE);
    world.start(BOB);
    world.pass(1_000);
    assert_eq!(texts(&mut world, BOB, "alice"), ["hi"]);
}

#[test]
fn garbage_and_replays_in_a_mailbox_do_nothing() {
    let mut world = friends();
    world.stop(BOB);
    say(&mut world, ALICE, "bob", "hi");
    world.pass(5_000);
    let item = world.rosa().letters.items[0].clone();
    let mut flipped = item.envelope.as_bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [vec![], vec![0x84], vec![7; 2000], flipped] {
        world.rosa().letters.plant(item.mailbox, Envelope::new(bytes).unwrap());
    }
    for _ in 0..5 {
        world.rosa().letters.plant(item.mailbox, item.envelope.clone());
    }
    world.stop(ALICE);
    world.start(BOB);
    world.pass(1_000);
    assert_eq!(texts(&mut world, BOB, "alice"), ["hi"]);
    assert_eq!(world.rosa().letters.items, [], "none of it stays");
    // Everything again, in an envelope of yesterday's prekey, long after that was erased.
    world.pass(24 * DAY_MS);
    world.rosa().letters.plant(item.mailbox, item.envelope.clone());
    world.stop(BOB);
    world.start(BOB);
    world.pass(1_000);
    assert_eq!(texts(&mut world, BOB, "alice"), ["hi"]);
    assert!(world.rosa().letters.items.iter().all(|it| it.envelope != item.envelope));
}

#[test]
fn somebody_who_is_blocked_loses_the_mailbox() {
    let mut world = friends();
    assert_eq!(world.rosa().letters.boxes.len(), 2, "one for each direction");
    world.ask(BOB, Command::Block { chat: handle("alice") }).unwrap();
    world.pass(1_000);
    assert_eq!(world.rosa().letters.boxes.len(), 1);
    let rows = |world: &World, node: usize| world.nodes[node].view.count(TableId::Mailboxes);
    assert_eq!((rows(&world, ALICE), rows(&world, BOB)), (1, 0));
    say(&mut world, ALICE, "bob", "hello?");
    world.pass(60_000);
    assert_eq!(world.rosa().letters.items, []);
}

#[test]
fn a_long_text_and_many_of_them_go_in_envelopes_that_fit() {
    let mut world = friends();
    world.stop(BOB);
    let words: Vec<String> = (0..12).map(|n| format!("{n} {}", "x".repeat(16_000))).collect();
    words.iter().for_each(|words| say(&mut world, ALICE, "bob", words));
    world.pass(20_000);
    assert_eq!(world.rosa().letters.items.len(), 12);
    world.stop(ALICE);
    world.start(BOB);
    world.pass(20_000);
    assert_eq!(texts(&mut world, BOB, "alice"), words);
}

#[test]
fn both_hear_everything_once_and_in_one_order_whatever_the_carrier_and_the_machines_do() {
    for seed in 0..40 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut world = friends();
        let mut up = [true, true];
        let mut said = 0;
        let mut backup = world.rosa().letters.clone();
        for _ in 0..40 {
            let node = (rng.next_u32() % 2) as usize;
            match rng.next_u32() % 12 {
                0..=3 if up[node] => {
                    let to = if node == ALICE { "bob" } else { "alice" };
                    say(&mut world, node, to, &format!("{said}"));
                    said += 1;
                }
                0..=6 if up[node] => world.stop(node),
                0..=6 => world.start(node),
                7 => world.rosa().letters.loses ^= true,
                8 => world.rosa().letters.repeats ^= true,
                9 => world.rosa().letters.is_mute ^= true,
                10 if world.rosa().is_away => world.rosa().is_away = false,
                10 => world.stop_rosa(),
                _ if rng.next_u32() % 2 == 0 => backup = world.rosa().letters.clone(),
                _ => world.rosa().letters = backup.clone(),
            }
            up = [world.nodes[ALICE].engine.is_some(), world.nodes[BOB].engine.is_some()];
            world.pass(u64::from(rng.next_u32() % 20_000));
        }
        world.rosa().is_away = false;
        for node in [ALICE, BOB] {
            if world.nodes[node].engine.is_none() {
                world.start(node);
            }
        }
        world.pass(700_000);
        let (mine, theirs) = (texts(&mut world, ALICE, "bob"), texts(&mut world, BOB, "alice"));
        assert_eq!(mine, theirs, "seed {seed}");
        assert_eq!(mine.len(), said, "seed {seed}: nothing lost, nothing twice");
        for (node, chat) in [(ALICE, "bob"), (BOB, "alice")] {
            assert!(
                states(&mut world, node, chat).iter().all(|state| *state >= DeliveryState::Delivered),
                "seed {seed}: receipted"
            );
        }
    }
}

fn add_by_name(world: &mut World, node: usize, text: &str) {
    let command = Command::AddName { name: Username::parse(text).unwrap(), server: None, note: Note::default() };
    let ticket = world.call(node, command);
    world.pass(5_000);
    world.answer(node, ticket).expect("an answer").unwrap();
}

/// Runs this node alone for a while, and stops it.
fn visit(world: &mut World, node: usize, act: impl FnOnce(&mut World)) {
    world.start(node);
    world.pass(1_000);
    act(world);
    world.pass(30_000);
    world.stop(node);
    world.pass(60_000);
}

#[test]
fn two_people_who_are_never_there_at_once_find_each_other_by_name_and_talk() {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    register(&mut world, ALICE, "alice");
    register(&mut world, BOB, "bob");
    world.stop(BOB);
    add_by_name(&mut world, ALICE, "bob");
    world.stop(ALICE);
    visit(&mut world, BOB, |world| drop(world.ask(BOB, Command::Accept { number: 1 }).unwrap()));
    visit(&mut world, ALICE, |world| say(world, ALICE, "bob", "hello"));
    visit(&mut world, BOB, |world| {
        assert_eq!(texts(world, BOB, "alice"), ["hello"]);
        say(world, BOB, "alice", "hi");
    });
    visit(&mut world, ALICE, |world| {
        assert_eq!(texts(world, ALICE, "bob"), ["hello", "hi"]);
        assert_eq!(states(world, ALICE, "bob"), [DeliveryState::Delivered]);
    });
    // Nothing goes to and fro for ever.
    let asked = |world: &mut World| (world.rosa().asked(129), world.rosa().letters.taken);
    let before = asked(&mut world);
    for _ in 0..4 {
        visit(&mut world, BOB, |_| {});
        visit(&mut world, ALICE, |_| {});
    }
    let after = asked(&mut world);
    assert!(after.0 == before.0 && after.1 <= before.1 + 2, "{before:?} {after:?}");
}

#[test]
fn presence_is_seen_by_friends_who_only_ever_wrote_mail() {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    register(&mut world, ALICE, "alice");
    register(&mut world, BOB, "bob");
    world.walled.extend([ALICE, BOB]);
    add_by_name(&mut world, ALICE, "bob");
    world.pass(130_000);
    world.ask(BOB, Command::Accept { number: 1 }).unwrap();
    world.pass(130_000);
    assert_eq!(world.peers(ALICE, BOB), 0);
    assert_eq!(world.friend(ALICE, "bob").presence, Presence::Online);
    assert_eq!(world.friend(BOB, "alice").presence, Presence::Online, "her ticket came with her first mail");
    world.leave(BOB);
    world.pass(10);
    assert_eq!(world.friend(ALICE, "bob").presence, Presence::Offline, "who leaves says so");
}

#[test]
fn a_new_device_tells_friends_by_their_name_where_its_mail_goes() {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    register(&mut world, ALICE, "alice");
    register(&mut world, BOB, "bob");
    add_by_name(&mut world, ALICE, "bob");
    world.pass(130_000);
    world.ask(BOB, Command::Accept { number: 1 }).unwrap();
    world.pass(130_000);
    // Whatever Alice's device learned of Bob's mailbox is lost, as on a machine that has only the vault.
    world.stop(ALICE);
    world.stop(BOB);
    for table in [TableId::MailTickets, TableId::Knocks] {
        world.forget_rows(ALICE, table);
    }
    visit(&mut world, ALICE, |world| say(world, ALICE, "bob", "it is me again"));
    assert_eq!(world.rosa().letters.items, [], "there is no mailbox that she knows");
    visit(&mut world, BOB, |_| {});
    visit(&mut world, ALICE, |_| {});
    visit(&mut world, BOB, |world| assert_eq!(texts(world, BOB, "alice"), ["it is me again"]));
}
