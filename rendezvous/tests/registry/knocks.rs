use hobnob_rendezvous::registry::{Caller, Note, Policy};
use hobnob_shared::{
    id::DeviceId,
    limits::{MAIL_TTL_MS, MAX_PENDING_KNOCKS},
    wire::{
        ErrorCode,
        rendezvous::{KnockAck, KnockEnvelope, KnockPut, Knocks, MailWaiting, Proof, ServerFrame},
    },
};

use crate::{
    cast::{Person, easy},
    world::World,
};

fn knock(world: &mut World, session: hobnob_rendezvous::registry::SessionId, to: &Person, value: u8) -> ServerFrame {
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

#[test]
fn twenty_requests_wait_and_not_one_more() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let session = world.join(&mut bob);
    let mallory = world.open(Caller::Guest);
    for _ in 0..MAX_PENDING_KNOCKS {
        let request = knock(&mut world, mallory, &bob, 7);
        world.done(mallory, request);
    }
    let one_more = knock(&mut world, mallory, &bob, 7);
    assert_eq!(world.refused(mallory, one_more), ErrorCode::Quota);
    assert_eq!(waiting(&mut world, session).items.len(), MAX_PENDING_KNOCKS);
    world.pass(MAIL_TTL_MS + 120_000);
    assert_eq!(waiting(&mut world, session).items, []);
    let after = knock(&mut world, mallory, &bob, 7);
    world.done(mallory, after);
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
