//! How a person with several machines shows themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, person};
use hobnob_engine::{
    command::{Command, Presence, Reply},
    event::Event,
    tables::TableId,
};
use hobnob_shared::{codec, identity::Invite, text::Note};
use serde::Serialize;

const ALICE: usize = 0;
const BOB: usize = 1;
const PHONE: usize = 2;

/// How a version that told nobody kept what was chosen.
#[derive(Serialize)]
struct Old {
    presence: Presence,
    text: Note,
}

fn is(presence: Presence, text: &str) -> (Presence, String) {
    (presence, text.to_owned())
}

fn choose(world: &mut World, node: usize, presence: Option<Presence>, text: Option<&str>) {
    let text = text.map(|text| Note::parse(text).unwrap());
    world.ask(node, Command::SetPresence { presence, text }).unwrap();
    world.pass(10);
}

/// What a machine shows, as it says itself.
fn own(world: &mut World, node: usize) -> (Presence, String) {
    match world.ask(node, Command::WhoAmI).unwrap() {
        Reply::WhoAmI(me) => (me.presence, me.presence_text.as_str().to_owned()),
        other => panic!("{other:?}"),
    }
}

/// How Alice shows herself to Bob.
fn seen(world: &mut World) -> (Presence, String) {
    let friend = world.friend(BOB, "alice");
    (friend.presence, friend.presence_text.as_str().to_owned())
}

/// What a machine was told of choices elsewhere.
fn told(world: &mut World, node: usize) -> Vec<(Presence, String)> {
    let chosen = |event| match event {
        Event::PresenceChosen { presence, text } => Some((presence, text.as_str().to_owned())),
        _ => None,
    };
    world.events(node).into_iter().filter_map(chosen).collect()
}

fn entries(world: &World, node: usize) -> usize {
    world.nodes[node].view.count(TableId::Entries)
}

/// Alice and Bob, and a machine that knows nobody.
fn friends() -> World {
    let mut world = World::new(&["Alice", "Bob", "Phone"]);
    world.befriend(ALICE, BOB);
    world
}

/// The phone becomes a device of Alice's.
fn add_phone(world: &mut World) {
    let key = person("Alice", 0).0;
    let link = match world.ask(ALICE, Command::LinkDevice { key }).unwrap() {
        Reply::Invite { link, .. } => Invite::parse(&link).unwrap(),
        other => panic!("{other:?}"),
    };
    let ticket = world.call(PHONE, Command::JoinAccount { invite: Box::new(link) });
    world.pass(5_000);
    let joined = match world.answer(PHONE, ticket).expect("an answer").unwrap() {
        Reply::Joined(joined) => joined,
        other => panic!("{other:?}"),
    };
    let identity = &mut world.nodes[PHONE].identity;
    identity.account = joined.account;
    identity.certificate = joined.certificate.clone();
    identity.record = joined.record.clone();
    world.stop(PHONE);
    world.start(PHONE);
    world.pass(20_000);
    assert_eq!((world.peers(PHONE, BOB), world.peers(ALICE, BOB)), (1, 1));
}

fn with_phone() -> World {
    let mut world = friends();
    add_phone(&mut world);
    for node in [ALICE, BOB, PHONE] {
        world.events(node);
    }
    world
}

/// What a machine had chosen when it was last on, with a version that told nobody.
fn keep_as_of_old(world: &mut World, node: usize, presence: Presence, text: &str) {
    let row = codec::encode(&Old { presence, text: Note::parse(text).unwrap() });
    world.nodes[node].view.apply(&[((TableId::Profile, vec![2]), Some(row))].into());
}

#[test]
fn what_is_chosen_at_one_machine_is_shown_by_all_and_said_at_the_others_once() {
    let mut world = with_phone();
    let before = (entries(&world, ALICE), entries(&world, PHONE));
    choose(&mut world, ALICE, Some(Presence::Invisible), None);
    assert_eq!(own(&mut world, PHONE), is(Presence::Invisible, ""));
    assert_eq!(seen(&mut world), is(Presence::Offline, ""));
    assert_eq!(told(&mut world, PHONE), [is(Presence::Invisible, "")]);
    assert_eq!(told(&mut world, ALICE), []);
    choose(&mut world, PHONE, Some(Presence::Away), Some("lunch at Café 5"));
    assert_eq!(own(&mut world, ALICE), is(Presence::Away, "lunch at Café 5"));
    assert_eq!(seen(&mut world), is(Presence::Away, "lunch at Café 5"));
    assert_eq!(told(&mut world, ALICE), [is(Presence::Away, "lunch at Café 5")]);
    choose(&mut world, ALICE, None, Some(""));
    assert_eq!(own(&mut world, PHONE), is(Presence::Away, ""));
    choose(&mut world, PHONE, Some(Presence::Online), Some(""));
    assert_eq!(seen(&mut world), is(Presence::Online, ""));
    world.pass(3_600_000);
    assert_eq!((entries(&world, ALICE), entries(&world, PHONE)), (before.0 + 4, before.1 + 4), "one for each choice");
}

#[test]
fn a_choice_that_changes_nothing_writes_nothing() {
    let mut world = with_phone();
    let before = entries(&world, PHONE);
    choose(&mut world, ALICE, Some(Presence::Online), Some(""));
    assert_eq!(entries(&world, PHONE), before);
    choose(&mut world, ALICE, Some(Presence::Busy), Some("tea"));
    assert_eq!(entries(&world, PHONE), before + 1);
    choose(&mut world, ALICE, Some(Presence::Busy), None);
    choose(&mut world, PHONE, Some(Presence::Busy), Some("tea"));
    for node in [ALICE, PHONE, ALICE] {
        world.stop(node);
        world.start(node);
        world.pass(20_000);
    }
    assert_eq!((entries(&world, ALICE), entries(&world, PHONE)), (before + 1, before + 1));
    assert_eq!(
        (own(&mut world, ALICE), own(&mut world, PHONE)),
        (is(Presence::Busy, "tea"), is(Presence::Busy, "tea"))
    );
}

#[test]
fn a_machine_that_was_off_hears_of_the_last_choice_and_says_so_once() {
    let mut world = with_phone();
    world.stop(PHONE);
    for (presence, text) in [(Presence::Away, "one"), (Presence::Busy, "two"), (Presence::Invisible, "")] {
        choose(&mut world, ALICE, Some(presence), Some(text));
        world.pass(60_000);
    }
    world.start(PHONE);
    world.pass(20_000);
    assert_eq!(own(&mut world, PHONE), is(Presence::Invisible, ""));
    assert_eq!(told(&mut world, PHONE), [is(Presence::Invisible, "")]);
    assert_eq!(seen(&mut world), is(Presence::Offline, ""));
}

#[test]
fn what_was_chosen_when_there_was_no_other_machine_is_that_of_one_that_comes() {
    let mut world = friends();
    choose(&mut world, ALICE, Some(Presence::Away), Some("lunch"));
    // What the new machine was before it came is nobody's choice.
    choose(&mut world, PHONE, Some(Presence::Busy), Some("new"));
    world.stop(ALICE);
    world.start(ALICE);
    world.pass(20_000);
    add_phone(&mut world);
    assert_eq!(
        (own(&mut world, ALICE), own(&mut world, PHONE)),
        (is(Presence::Away, "lunch"), is(Presence::Away, "lunch"))
    );
    assert_eq!(seen(&mut world), is(Presence::Away, "lunch"));
    assert_eq!(told(&mut world, ALICE), []);
}

#[test]
fn a_machine_that_leaves_is_gone_alone() {
    let mut world = with_phone();
    let before = entries(&world, ALICE);
    world.leave(PHONE);
    world.pass(1_000);
    assert_eq!(own(&mut world, ALICE), is(Presence::Online, ""));
    assert_eq!(seen(&mut world), is(Presence::Online, ""));
    world.start(PHONE);
    world.pass(20_000);
    assert_eq!((own(&mut world, PHONE), entries(&world, ALICE)), (is(Presence::Online, ""), before));
}

#[test]
fn what_an_older_version_chose_counts_until_somebody_chooses() {
    for is_chosen in [false, true] {
        let mut world = with_phone();
        world.stop(PHONE);
        keep_as_of_old(&mut world, PHONE, Presence::Away, "old");
        if is_chosen {
            choose(&mut world, ALICE, Some(Presence::Busy), Some("new"));
        }
        let before = entries(&world, ALICE);
        world.start(PHONE);
        world.pass(20_000);
        let now = if is_chosen { is(Presence::Busy, "new") } else { is(Presence::Away, "old") };
        assert_eq!((own(&mut world, ALICE), own(&mut world, PHONE)), (now.clone(), now.clone()), "{is_chosen}");
        assert_eq!(seen(&mut world), now);
        assert_eq!(entries(&world, ALICE), before + 1, "said once");
    }
}

#[test]
fn a_version_that_learns_to_look_at_the_choice_takes_the_one_that_was_told_before() {
    let mut world = with_phone();
    choose(&mut world, ALICE, Some(Presence::Invisible), None);
    let before = entries(&world, ALICE);
    world.stop(PHONE);
    keep_as_of_old(&mut world, PHONE, Presence::Online, "");
    world.start(PHONE);
    world.pass(20_000);
    assert_eq!(own(&mut world, PHONE), is(Presence::Invisible, ""));
    assert_eq!(seen(&mut world), is(Presence::Offline, ""));
    assert_eq!(entries(&world, ALICE), before);
}
