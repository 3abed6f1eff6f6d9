//! Presence through a rendezvous, between friends who have no session.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::{World, handle, rosa::Rosa};
use hobnob_engine::{
    command::{Command, Presence},
    event::Event,
};
use hobnob_shared::text::Note;

fn set(world: &mut World, node: usize, presence: Presence, text: &str) {
    let text = Some(Note::parse(text).unwrap());
    world.ask(node, Command::SetPresence { presence: Some(presence), text }).unwrap();
    world.pass(10);
}

fn shown(world: &mut World, node: usize, name: &str) -> (Presence, String) {
    let friend = world.friend(node, name);
    (friend.presence, friend.presence_text.as_str().to_owned())
}

fn is(presence: Presence, text: &str) -> (Presence, String) {
    (presence, text.to_owned())
}

/// Friends with names at Rosa's (and at another one's), who cannot reach each other any more.
fn apart(names: &[&str], has_second: bool) -> World {
    let mut world = World::with_rosa(names);
    if has_second {
        world.second = Some(Rosa::at(9, "/dns4/second.example/tcp/4001", 14));
    }
    for (node, name) in names.iter().enumerate() {
        world.enrol(node, &name.to_lowercase());
    }
    for other in 1..names.len() {
        world.befriend(0, other);
    }
    world.walled.extend(0..names.len());
    for node in 0..names.len() {
        world.stop(node);
    }
    for node in 0..names.len() {
        world.start(node);
    }
    world.pass(5_000);
    for other in 1..names.len() {
        assert_eq!(world.peers(0, other), 0);
    }
    world
}

#[test]
fn a_change_is_seen_by_friends_who_have_no_session() {
    let mut world = apart(&["Alice", "Bob"], false);
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Online, ""));
    assert_eq!(shown(&mut world, 1, "alice"), is(Presence::Online, ""));
    world.events(0);
    set(&mut world, 1, Presence::Busy, "writing");
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Busy, "writing"));
    let changes = world.events(0).into_iter().filter(|event| matches!(event, Event::PresenceChanged { .. })).count();
    assert_eq!(changes, 1, "told once");
    world.pass(3_600_000);
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Busy, "writing"), "it is kept up for as long as he is there");
    assert_eq!(world.events(0).iter().filter(|event| matches!(event, Event::PresenceChanged { .. })).count(), 0);
}

#[test]
fn whoever_is_invisible_publishes_nothing_and_ends_what_was_shown() {
    let mut world = apart(&["Alice", "Bob"], false);
    set(&mut world, 1, Presence::Invisible, "");
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Offline, ""));
    let published = world.rosa().topics.past.len();
    let bobs = world.rosa().topics.len();
    assert_eq!(bobs, 1, "only Alice's is there");
    world.stop(0);
    world.pass(600_000);
    assert_eq!((world.rosa().topics.past.len(), world.rosa().topics.len()), (published, 0));
    world.start(0);
    world.pass(5_000);
    set(&mut world, 1, Presence::Away, "tea");
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Away, "tea"));
}

#[test]
fn a_node_that_dies_is_offline_within_45_seconds() {
    let mut world = apart(&["Alice", "Bob"], false);
    world.pass(130_000);
    world.stop(1);
    world.pass(45_000);
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Offline);
    world.start(1);
    world.pass(2_000);
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Online);
}

#[test]
fn the_word_of_a_live_session_counts_more_than_what_a_rendezvous_says() {
    let mut world = World::with_rosa(&["Alice", "Bob"]);
    world.enrol(0, "alice");
    world.enrol(1, "bob");
    world.befriend(0, 1);
    world.pass(1_000);
    let past = world.rosa().topics.past.clone();
    set(&mut world, 1, Presence::Away, "");
    for value in past {
        world.replay(value);
    }
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Away);
    world.stop_rosa();
    world.pass(600_000);
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Away, "a rendezvous that is gone changes nothing");
}

#[test]
fn an_old_value_that_is_repeated_changes_nothing() {
    let mut world = apart(&["Alice", "Bob"], false);
    set(&mut world, 1, Presence::Away, "old");
    let past = world.rosa().topics.past.clone();
    world.pass(1_000);
    set(&mut world, 1, Presence::Busy, "new");
    for value in past.clone() {
        world.replay(value);
    }
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Busy, "new"));
    let all = world.rosa().topics.past.clone();
    world.stop(1);
    world.pass(46_000);
    for value in all.clone() {
        world.replay(value);
    }
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Offline, "what has ended does not begin again");
    world.stop(0);
    world.pass(300_000);
    world.start(0);
    world.pass(5_000);
    for value in all {
        world.replay(value);
    }
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Offline, "nor does it for a node that has forgotten it");
}

#[test]
fn who_is_removed_or_blocked_sees_nothing_more_and_the_others_go_on() {
    for blocks in [false, true] {
        let mut world = apart(&["Alice", "Bob", "Carol"], false);
        assert_eq!(shown(&mut world, 1, "alice").0, Presence::Online);
        // Alice and Bob have a session, so Bob is told of the new place at once; Carol has lost hers for good.
        world.walled.clear();
        world.pass(700_000);
        assert_eq!((world.peers(0, 1), world.peers(0, 2)), (1, 1));
        let carol = handle("carol");
        let before: Vec<_> = world.rosa().topics.past.iter().map(|(topic, _)| *topic).collect();
        let command = if blocks { Command::Block { chat: carol } } else { Command::Remove { chat: carol } };
        world.ask(0, command).unwrap();
        world.pass(1_000);
        let at = before.len();
        let topics: Vec<_> = world.rosa().topics.past[at..].iter().map(|(topic, _)| *topic).collect();
        let fresh = topics.iter().find(|topic| !before.contains(topic)).copied().expect("another topic");
        assert_eq!(world.rosa().topics.watchers(&fresh), 1, "Bob only");
        assert_eq!(shown(&mut world, 2, "alice").0, Presence::Offline, "blocked: {blocks}");
        world.walled.extend([0, 1, 2]);
        for node in [0, 1] {
            world.stop(node);
        }
        for node in [0, 1] {
            world.start(node);
        }
        world.pass(60_000);
        assert_eq!((world.peers(0, 1), shown(&mut world, 1, "alice").0), (0, Presence::Online));
        assert_eq!(shown(&mut world, 2, "alice").0, Presence::Offline);
    }
}

#[test]
fn a_rendezvous_that_restarts_is_told_everything_again() {
    let mut world = apart(&["Alice", "Bob"], false);
    world.stop_rosa();
    world.pass(130_000);
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Offline, "nobody knows");
    world.rosa().is_away = false;
    world.pass(600_000);
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Online);
    assert_eq!(world.rosa().topics.len(), 2);
}

#[test]
fn of_two_rendezvous_either_is_enough_and_the_latest_word_counts() {
    let mut world = apart(&["Alice", "Bob"], true);
    assert_eq!((world.rosa().topics.len(), world.second.as_ref().unwrap().topics.len()), (2, 2));
    set(&mut world, 1, Presence::Away, "both");
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Away, "both"));
    world.stop_rosa();
    world.pass(200_000);
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Away, "both"));
    set(&mut world, 1, Presence::Busy, "one");
    assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Busy, "one"));
    world.stop(1);
    world.pass(46_000);
    assert_eq!(shown(&mut world, 0, "bob").0, Presence::Offline);
}

#[test]
fn clocks_that_are_hours_off_do_no_harm_and_one_that_is_years_off_is_told() {
    for (alice_ms, bob_ms) in [(-20 * 3_600_000_i64, 3 * 3_600_000), (600_000, -600_000), (0, 12 * 3_600_000)] {
        let mut world = apart(&["Alice", "Bob"], false);
        (world.nodes[0].ahead_ms, world.nodes[1].ahead_ms) = (alice_ms, bob_ms);
        for node in [0, 1] {
            world.stop(node);
            world.start(node);
        }
        world.pass(200_000);
        set(&mut world, 1, Presence::Away, "");
        assert_eq!(shown(&mut world, 0, "bob").0, Presence::Away, "{alice_ms} {bob_ms}");
        world.stop(1);
        world.pass(45_000);
        assert_eq!(shown(&mut world, 0, "bob").0, Presence::Offline, "{alice_ms} {bob_ms}");
    }
    let mut world = apart(&["Alice", "Bob"], false);
    world.stop(1);
    world.nodes[1].ahead_ms = -10 * 365 * 86_400_000;
    world.events(1);
    world.start(1);
    world.pass(600_000);
    let is_told =
        |event: &&Event| matches!(event, Event::Warning { message, .. } if message.contains("3650 days apart"));
    assert_eq!(world.events(1).iter().filter(is_told).count(), 1);
}

#[test]
fn a_friend_who_comes_online_elsewhere_is_tried_there_at_once() {
    let mut world = apart(&["Alice", "Bob"], false);
    world.stop(1);
    world.pass(3_600_000);
    world.nodes[1].address = "/ip4/10.0.9.9/tcp/4001".to_owned();
    world.walled.remove(&1);
    world.start(1);
    world.pass(3_000);
    assert_eq!(world.peers(0, 1), 1, "Alice cannot be dialled, so it was she who dialled");
}

#[test]
fn lost_links_and_restarts_leave_everybody_with_the_truth() {
    for seed in 0..8_u64 {
        let mut world = apart(&["Alice", "Bob", "Carol"], true);
        for round in 0..12_u64 {
            let turn = seed.wrapping_mul(0x9e37_79b9).wrapping_add(round * 7) % 5;
            match turn {
                0 => world.stop_rosa(),
                1 => world.rosa().is_away = false,
                2 => world.leave_links(1),
                3 => set(&mut world, 1, if round % 2 == 0 { Presence::Away } else { Presence::Online }, ""),
                _ => world.leave_links(0),
            }
            world.pass(1_000 + seed * 977 + round * 5_003);
        }
        world.rosa().is_away = false;
        set(&mut world, 1, Presence::Busy, "at last");
        world.pass(700_000);
        assert_eq!(shown(&mut world, 0, "bob"), is(Presence::Busy, "at last"), "seed {seed}");
        world.stop(1);
        world.pass(46_000);
        assert_eq!(shown(&mut world, 0, "bob").0, Presence::Offline, "seed {seed}");
    }
}
