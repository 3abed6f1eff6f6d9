use hobnob_rendezvous::{
    keys::ServerKeys,
    registry::{Caller, Note, Policy, Registry, SessionId},
};
use hobnob_shared::{
    id::DeviceId,
    limits::{MAIL_TTL_MS, MAX_PENDING_KNOCKS},
    wire::{
        ErrorCode,
        rendezvous::{KnockAck, KnockEnvelope, KnockPut, Knocks, MailWaiting, Proof, ServerFrame},
    },
};

use crate::{
    cast::{Person, easy, rosa},
    world::World,
};

fn knock(world: &mut World, session: SessionId, to: &Person, value: u8) -> ServerFrame {
    let proof = world.free_proof(session);
    let envelopes = vec![
        (to.device.id(), KnockEnvelope::new(vec![value; 900]).unwrap()),
        (DeviceId::new([3; 32]), KnockEnvelope::new(vec![0; 900]).unwrap()),
    ];
    ServerFrame::KnockPut(KnockPut { account: to.account.id(), envelopes, proof })
}

fn waiting(world: &mut World, session: hobnob_rendezvous::registry::SessionId) -> Knocks {
    match world.ask(session, ServerFrame::KnockGet) {
        ServerFrame::Knocks(knocks) => knocks,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_request_waits_for_the_device_that_can_open_it() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let session = world.join(&mut bob);
    let alice = world.open(Caller::Guest);
    let request = knock(&mut world, alice, &bob, 7);
    world.done(alice, request);
    let knocks = waiting(&mut world, session);
    assert_eq!(knocks.items.len(), 1);
    assert_eq!(knocks.items[0].envelope.as_bytes()[0], 7);
    world.done(session, ServerFrame::KnockAck(KnockAck { numbers: vec![knocks.items[0].number, 99] }));
    assert_eq!(waiting(&mut world, session).items, []);
}

#[test]
fn whoever_is_there_is_told_at_once_that_a_request_came() {
    let mut world = World::new();
    let (mut bob, mut carol) = (Person::new("bob", 2), Person::new("carol", 3));
    let first = world.join(&mut bob);
    let second = world.open(bob.caller());
    world.join(&mut carol);
    let alice = world.open(Caller::Guest);
    let request = knock(&mut world, alice, &bob, 7);
    world.take_notes();
    world.done(alice, request.clone());
    let look = || ServerFrame::MailWaiting(MailWaiting { envelopes: 0 });
    assert_eq!(world.take_notes(), [Note { to: vec![first, second], frame: look() }]);

    // The same proof again is refused: nobody is told of that.
    assert!(matches!(world.refused(alice, request), ErrorCode::Pow { .. }));
    assert_eq!(world.take_notes(), []);

    // A device that is named often is told once.
    let proof = world.free_proof(alice);
    let envelope = || (bob.device.id(), KnockEnvelope::new(vec![1; 900]).unwrap());
    let often = KnockPut { account: bob.account.id(), envelopes: (0..16).map(|_| envelope()).collect(), proof };
    world.done(alice, ServerFrame::KnockPut(often));
    assert_eq!(world.take_notes(), [Note { to: vec![first, second], frame: look() }]);

    // Nor is anybody told who is not there.
    world.close(first);
    world.close(second);
    let request = knock(&mut world, alice, &bob, 8);
    world.done(alice, request);
    assert_eq!(world.take_notes(), []);
}

#[test]
fn a_request_that_no_device_can_open_takes_no_place() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let session = world.join(&mut bob);
    let mallory = world.open(Caller::Guest);
    for _ in 0..MAX_PENDING_KNOCKS {
        let proof = world.free_proof(mallory);
        let envelopes = vec![(DeviceId::new([3; 32]), KnockEnvelope::new(vec![0; 900]).unwrap())];
        let put = KnockPut { account: bob.account.id(), envelopes, proof };
        assert_eq!(world.refused(mallory, ServerFrame::KnockPut(put)), ErrorCode::NotFound);
    }
    let request = knock(&mut world, mallory, &bob, 7);
    world.done(mallory, request);
    assert_eq!(waiting(&mut world, session).items.len(), 1);
}

/// Knocks from there, which is always taken.
fn send(world: &mut World, (caller, ip): (Caller, &str), to: &Person, value: u8) {
    let session = world.open_from(caller, ip);
    let request = knock(world, session, to, value);
    world.done(session, request);
    world.close(session);
}

/// How many of those that wait hold this.
fn count(world: &mut World, session: SessionId, value: u8) -> usize {
    waiting(world, session).items.iter().filter(|item| item.envelope.as_bytes()[0] == value).count()
}

#[test]
fn twenty_requests_wait_and_one_more_takes_the_place_of_the_oldest() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let session = world.join(&mut bob);
    for value in 0..=MAX_PENDING_KNOCKS as u8 {
        send(&mut world, (Caller::Guest, "198.51.100.1"), &bob, value);
    }
    assert_eq!(waiting(&mut world, session).items.len(), MAX_PENDING_KNOCKS);
    assert_eq!((count(&mut world, session, 0), count(&mut world, session, 1)), (0, 1));
    assert_eq!(count(&mut world, session, MAX_PENDING_KNOCKS as u8), 1);
    let before = world.registry.totals(&world.view).unwrap().bytes;
    send(&mut world, (Caller::Guest, "198.51.100.1"), &bob, 99);
    assert_eq!(world.registry.totals(&world.view).unwrap().bytes, before, "what went is not counted any more");
    world.pass(MAIL_TTL_MS + 120_000);
    assert_eq!(waiting(&mut world, session).items, []);
}

#[test]
fn whoever_sends_many_requests_keeps_nobody_elses_out() {
    let mut mallory = Person::new("mallory", 3);
    let caller = mallory.caller();
    let sites = |number: u8| format!("2001:db8:1:{number:x}::1");
    let crowd = |number: u8| format!("198.51.100.{number}");
    let alone = |_| "198.51.100.1".to_owned();
    // From one address; from one customer's many; as one account from everywhere.
    let ways: [(Caller, &dyn Fn(u8) -> String); 3] =
        [(Caller::Guest, &alone), (Caller::Guest, &sites), (caller, &crowd)];
    for (way, (caller, place)) in ways.into_iter().enumerate() {
        let mut world = World::new();
        let mut bob = Person::new("bob", 2);
        let session = world.join(&mut bob);
        world.join(&mut mallory);
        let flood = |world: &mut World| {
            (0..60).for_each(|number| send(world, (caller, &place(number)), &bob, 66));
        };
        flood(&mut world);
        // The first ones of others get in, and stay.
        for (value, ip) in [(7, "192.0.2.7"), (8, "2001:db8:2::1")] {
            send(&mut world, (Caller::Guest, ip), &bob, value);
            flood(&mut world);
        }
        for value in [7, 8] {
            assert_eq!(count(&mut world, session, value), 1, "way {way}: number {value} is gone");
        }
        assert_eq!(waiting(&mut world, session).items.len(), MAX_PENDING_KNOCKS);
    }
}

#[test]
fn whoever_sends_requests_learns_nothing_of_who_takes_them_out() {
    let mut world = World::new();
    let (mut bob, mut carol) = (Person::new("bob", 2), Person::new("carol", 3));
    world.join(&mut bob);
    let online = world.join(&mut carol);
    let mallory = world.open_from(Caller::Guest, "198.51.100.1");
    for _ in 0..3 * MAX_PENDING_KNOCKS {
        let (to_bob, to_carol) = (knock(&mut world, mallory, &bob, 7), knock(&mut world, mallory, &carol, 7));
        assert_eq!(world.ask(mallory, to_bob), world.ask(mallory, to_carol));
        let numbers = waiting(&mut world, online).items.iter().map(|item| item.number).collect();
        world.done(online, ServerFrame::KnockAck(KnockAck { numbers }));
    }
}

#[test]
fn a_restart_gives_a_flood_one_place_and_no_more() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    world.join(&mut bob);
    for number in 0..MAX_PENDING_KNOCKS as u8 {
        send(&mut world, (Caller::Guest, &format!("192.0.2.{number}")), &bob, 7);
    }
    let ServerKeys { device, opaque, .. } = rosa();
    world.registry = Registry::new(device, opaque, easy(), 1, [8; 32]);
    let session = world.open(bob.caller());
    (0..60).for_each(|_| send(&mut world, (Caller::Guest, "198.51.100.1"), &bob, 66));
    assert_eq!((count(&mut world, session, 66), count(&mut world, session, 7)), (1, MAX_PENDING_KNOCKS - 1));
}

#[test]
fn a_request_costs_work_and_goes_to_somebody_who_is_there() {
    let mut world = World::with(Policy { knock_bits: 25, ..easy() });
    let mut bob = Person::new("bob", 2);
    world.join(&mut bob);
    let mallory = world.open(Caller::Guest);
    let cheap = knock(&mut world, mallory, &bob, 7);
    assert!(matches!(world.refused(mallory, cheap), ErrorCode::Pow { bits: 25, .. }));
    let mut world = World::new();
    let mallory = world.open(Caller::Guest);
    let to_nobody = knock(&mut world, mallory, &bob, 7);
    assert_eq!(world.refused(mallory, to_nobody), ErrorCode::NotFound);
    let unproved = KnockPut { account: bob.account.id(), envelopes: vec![], proof: Proof::None };
    assert!(matches!(world.refused(mallory, ServerFrame::KnockPut(unproved)), ErrorCode::Pow { bits: 0, .. }));
}
