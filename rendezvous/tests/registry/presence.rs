use hobnob_rendezvous::registry::{Caller, Input, Note, Policy, SessionId, limits::MAX_SESSION_TOPICS};
use hobnob_shared::{
    id::TopicId,
    limits::{MAX_PRESENCE_TTL_SECS, SESSION_DEAD_MS},
    wire::{
        Close, ErrorCode,
        rendezvous::{PresenceNote, PresencePut, PresenceToken, PresenceWatch, SealedPresence, ServerFrame},
    },
};

use crate::{
    cast::{Person, easy},
    world::World,
};

fn put(token: u16, value: u8) -> PresencePut {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&token.to_be_bytes());
    let sealed = Some(SealedPresence::new(vec![value; 100]).unwrap());
    PresencePut { token: PresenceToken::new(bytes), sealed, ttl_secs: MAX_PRESENCE_TTL_SECS }
}

fn publish(token: u16, value: u8) -> ServerFrame {
    ServerFrame::PresencePut(put(token, value))
}

fn watch(topics: &[TopicId], replace: bool) -> ServerFrame {
    ServerFrame::PresenceWatch(PresenceWatch { topics: topics.to_vec(), replace })
}

fn note(to: SessionId, topic: TopicId, value: Option<u8>) -> Note {
    let sealed = value.map(|value| SealedPresence::new(vec![value; 100]).unwrap());
    Note { to: vec![to], frame: ServerFrame::PresenceNote(PresenceNote { topic, sealed }) }
}

fn friends() -> (World, SessionId, SessionId) {
    let mut world = World::new();
    let alice = world.join(&mut Person::new("alice", 1));
    let bob = world.join(&mut Person::new("bob", 2));
    (world, alice, bob)
}

#[test]
fn a_friend_is_told_what_is_there_and_what_changes() {
    let (mut world, alice, bob) = friends();
    let topic = put(1, 0).topic();
    world.done(alice, publish(1, 10));
    world.done(bob, watch(&[topic], false));
    assert_eq!(world.take_notes(), [note(bob, topic, Some(10))]);
    world.done(alice, publish(1, 10));
    assert_eq!(world.take_notes(), [], "a refresh is no change");
    world.done(alice, publish(1, 11));
    assert_eq!(world.take_notes(), [note(bob, topic, Some(11))]);
    world.done(alice, ServerFrame::PresencePut(PresencePut { sealed: None, ..put(1, 0) }));
    assert_eq!(world.take_notes(), [note(bob, topic, None)]);
    world.done(bob, watch(&[], true));
    world.done(alice, publish(1, 12));
    assert_eq!(world.take_notes(), []);
}

#[test]
fn a_dead_node_is_gone_within_45_seconds() {
    let (mut world, alice, bob) = friends();
    let topic = put(1, 0).topic();
    world.done(alice, publish(1, 10));
    world.done(bob, watch(&[topic], false));
    // Alice talks for a while, then her machine dies without a word.
    for nonce in 0..10 {
        world.pass(35_000);
        world.ask(alice, ServerFrame::Ping { nonce });
    }
    world.take_notes();
    world.pass(SESSION_DEAD_MS - 1);
    assert_eq!(world.take_notes(), []);
    world.pass(1);
    assert_eq!(world.take_notes(), [note(bob, topic, None)]);
}

#[test]
fn what_was_answered_elsewhere_counts_from_when_it_was_said() {
    let (mut world, alice, bob) = friends();
    let topic = put(1, 0).topic();
    world.done(alice, publish(1, 10));
    world.done(bob, watch(&[topic], false));
    world.take_notes();
    let said_ms = world.now_ms + 20_000;
    world.pass(39_000);
    let now_ms = std::mem::replace(&mut world.now_ms, said_ms);
    world.handle(Input::Seen(alice));
    // Told in another order than said.
    world.now_ms = said_ms - 5_000;
    world.handle(Input::Seen(alice));
    world.now_ms = now_ms;
    world.pass(said_ms + SESSION_DEAD_MS - 1 - now_ms);
    assert_eq!(world.take_notes(), []);
    world.pass(1);
    assert_eq!(world.take_notes(), [note(bob, topic, None)]);
}

#[test]
fn a_reconnect_within_45_seconds_is_not_seen() {
    let (mut world, alice, bob) = friends();
    let topic = put(1, 0).topic();
    world.done(alice, publish(1, 10));
    world.done(bob, watch(&[topic], false));
    world.take_notes();
    world.close(alice);
    world.pass(SESSION_DEAD_MS - 1);
    let alice = world.open(Person::new("alice", 1).caller());
    world.done(alice, publish(1, 10));
    world.pass(SESSION_DEAD_MS - 1);
    assert_eq!(world.take_notes(), []);
    world.close(alice);
    world.pass(SESSION_DEAD_MS);
    assert_eq!(world.take_notes(), [note(bob, topic, None)]);
}

#[test]
fn a_second_device_keeps_its_owner_there() {
    let (mut world, alice, bob) = friends();
    let phone = world.open(Person::new("alice", 1).caller());
    let topic = put(1, 0).topic();
    world.done(alice, publish(1, 10));
    world.done(phone, publish(1, 10));
    world.done(bob, watch(&[topic], false));
    world.take_notes();
    world.done(alice, ServerFrame::PresencePut(PresencePut { sealed: None, ..put(1, 0) }));
    assert_eq!(world.take_notes(), []);
    world.close(phone);
    world.pass(SESSION_DEAD_MS);
    assert_eq!(world.take_notes(), [note(bob, topic, None)]);
}

#[test]
fn nobody_of_an_account_is_there_once_its_name_is_given_up() {
    let (mut world, alice, bob) = friends();
    let phone = world.open(Person::new("alice", 1).caller());
    let topics = [put(1, 0).topic(), put(2, 0).topic()];
    world.done(alice, publish(1, 10));
    world.done(phone, publish(2, 20));
    world.done(bob, watch(&topics, false));
    world.done(bob, publish(3, 30));
    world.take_notes();
    world.release(phone, &Person::new("alice", 1));
    let notes = world.take_notes();
    for topic in topics {
        assert!(notes.contains(&note(bob, topic, None)), "{notes:?}");
    }
    let closes = Note { to: vec![alice], frame: ServerFrame::Close(Close { code: ErrorCode::Denied }) };
    assert_eq!(notes[2..], [closes], "the other device, and nobody else");
    world.done(bob, watch(&[put(3, 0).topic()], true));
    assert_eq!(world.take_notes(), [note(bob, put(3, 0).topic(), Some(30))], "others stay");
}

#[test]
fn a_revoked_device_is_shown_the_door_and_told_of_nobody() {
    let (mut world, alice, bob) = friends();
    // A second device of hers, whose thief watches Bob; and a third one, of which nobody has told yet.
    let device = |seed| Person { device: Person::new("alice", seed).device, ..Person::new("alice", 1) };
    let (mine, lost, new) = (device(1), device(40), device(41));
    world.done(alice, ServerFrame::AccountPut(mine.payload(2, &[&mine.device, &lost.device])));
    let (thief, third) = (world.open(lost.caller()), world.open(new.caller()));
    world.done(thief, watch(&[put(3, 0).topic()], false));
    world.done(thief, publish(2, 20));
    world.done(bob, watch(&[put(2, 0).topic()], false));
    world.take_notes();

    world.done(alice, ServerFrame::AccountPut(mine.payload(3, &[&mine.device])));
    let closes = Note { to: vec![thief], frame: ServerFrame::Close(Close { code: ErrorCode::Denied }) };
    assert_eq!(world.take_notes(), [note(bob, put(2, 0).topic(), None), closes], "nobody else");
    // Before its connection is closed nothing is told it either.
    world.done(bob, publish(3, 30));
    assert_eq!(world.take_notes(), []);
    assert_eq!(world.refused(thief, watch(&[put(3, 0).topic()], false)), ErrorCode::Denied);
    world.done(alice, watch(&[put(3, 0).topic()], false));
    assert_eq!(world.take_notes(), [note(alice, put(3, 0).topic(), Some(30))], "the others stay");
    world.done(third, ServerFrame::AccountPut(mine.payload(4, &[&mine.device, &new.device])));
    assert_eq!(world.take_notes(), [], "and one that was not known yet says who it is");
}

#[test]
fn a_session_has_so_many_topics_and_not_one_more() {
    let (mut world, alice, bob) = friends();
    let topics: Vec<TopicId> = (0..=MAX_SESSION_TOPICS as u16).map(|token| put(token, 0).topic()).collect();
    for token in 0..MAX_SESSION_TOPICS as u16 {
        world.done(alice, publish(token, 1));
    }
    assert_eq!(world.refused(alice, publish(MAX_SESSION_TOPICS as u16, 1)), ErrorCode::Quota);
    for part in topics[..MAX_SESSION_TOPICS].chunks(256) {
        world.done(bob, watch(part, false));
    }
    assert_eq!(world.refused(bob, watch(&topics[MAX_SESSION_TOPICS..], false)), ErrorCode::Quota);
    world.done(bob, watch(&topics[MAX_SESSION_TOPICS..], true));
}

#[test]
fn all_topics_together_are_bounded_and_places_come_back() {
    let mut world = World::with(Policy { topics: 3, ..easy() });
    let alice = world.join(&mut Person::new("alice", 1));
    for token in 0..3 {
        world.done(alice, publish(token, 1));
    }
    assert_eq!(world.refused(alice, publish(3, 1)), ErrorCode::Busy);
    assert_eq!(world.refused(alice, watch(&[put(3, 0).topic()], false)), ErrorCode::Busy);
    world.done(alice, watch(&[put(2, 0).topic()], false));
    world.close(alice);
    world.pass(SESSION_DEAD_MS);
    assert_eq!(world.registry.totals(&world.view).unwrap().topics, 0);
}

/// So many topics, all different from those with another number.
fn many(number: usize, count: usize) -> Vec<TopicId> {
    let bytes = |topic: usize| [number, topic, 0, 0].map(usize::to_be_bytes).concat();
    (0..count).map(|topic| TopicId::new(bytes(topic).try_into().unwrap())).collect()
}

#[test]
fn one_account_cannot_take_every_place_from_wherever_it_comes() {
    let mut world = World::with(Policy { topics: 16 * MAX_SESSION_TOPICS, ..easy() });
    let (mut mallory, mut alice) = (Person::new("mallory", 1), Person::new("alice", 2));
    world.join(&mut mallory);
    let mut sessions: Vec<_> =
        (0..16).map(|host| world.open_from(mallory.caller(), &format!("198.51.100.{host}"))).collect();
    let watched = |world: &mut World, session, number| world.ask(session, watch(&many(number, 256), false));
    let taken = sessions.iter().enumerate().map(|(number, id)| watched(&mut world, *id, number)).collect::<Vec<_>>();
    assert_eq!(taken.iter().filter(|answer| **answer == ServerFrame::Done).count(), 3, "a seventeenth of 16,384");
    let alices = world.join(&mut alice);
    world.done(alices, watch(&many(99, 256), false));
    world.done(alices, publish(7, 1));
    // What it has it may exchange, and what it gives back it may have again.
    let first = sessions.remove(0);
    world.done(first, watch(&many(50, 256), true));
    world.close(first);
    assert_eq!(watched(&mut world, sessions[10], 60), ServerFrame::Done);
    assert_eq!(world.refused(sessions[11], watch(&many(61, 256), false)), ErrorCode::Busy);
}

#[test]
fn one_source_cannot_take_every_place_with_many_accounts() {
    let mut world = World::with(Policy { topics: 16 * MAX_SESSION_TOPICS, ..easy() });
    let mut taken = 0;
    for number in 0..20 {
        let session = world.join(&mut Person::new(&format!("mallory_{number}"), number));
        taken += usize::from(world.ask(session, watch(&many(number as usize, 512), false)) == ServerFrame::Done);
    }
    assert_eq!(taken, 6, "a fifth of 16,384");
    let mut alice = Person::new("alice", 99);
    world.join(&mut alice);
    let elsewhere = world.open_from(alice.caller(), "203.0.113.1");
    world.done(elsewhere, watch(&many(99, 512), false));
}

#[test]
fn whoever_publishes_and_leaves_has_the_places_until_the_values_end() {
    let mut world = World::with(Policy { topics: 1000, ..easy() });
    let mut mallory = Person::new("mallory", 1);
    let mut session = world.join(&mut mallory);
    // The least that everybody has where places are few.
    for token in 0..256 {
        if token % 50 == 49 {
            world.close(session);
            session = world.open(mallory.caller());
        }
        world.done(session, publish(token, 1));
    }
    world.close(session);
    session = world.open(mallory.caller());
    assert_eq!(world.refused(session, publish(256, 1)), ErrorCode::Busy);
    world.done(session, publish(0, 2));
    world.pass(SESSION_DEAD_MS);
    world.done(session, publish(256, 1));
}

#[test]
fn strangers_publish_and_watch_nothing_and_a_value_may_not_stay_for_ever() {
    let (mut world, alice, _) = friends();
    let guest = world.open(Caller::Guest);
    assert_eq!(world.refused(guest, publish(1, 1)), ErrorCode::Denied);
    assert_eq!(world.refused(guest, watch(&[], false)), ErrorCode::Denied);
    let long = PresencePut { ttl_secs: MAX_PRESENCE_TTL_SECS + 1, ..put(1, 1) };
    assert_eq!(world.refused(alice, ServerFrame::PresencePut(long)), ErrorCode::TooLarge);
}
