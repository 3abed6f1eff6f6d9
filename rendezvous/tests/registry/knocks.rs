use hobnob_rendezvous::{
    keys::ServerKeys,
    registry::{Caller, Note, Policy, Registry, SessionId, view::TableId},
};
use hobnob_shared::{
    id::DeviceId,
    identity::{AccountRecord, DeviceKeys},
    limits::{MAIL_TTL_MS, MAX_PENDING_KNOCKS},
    wire::{
        AccountPayload, ErrorCode,
        rendezvous::{KnockAck, KnockEnvelope, KnockPut, Knocks, MailWaiting, Proof, ServerFrame},
    },
};

use crate::{
    cast::{Person, easy, rng, rosa},
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

/// Another device of this person, and a session of it.
fn second(world: &mut World, session: SessionId, person: &Person) -> (DeviceKeys, SessionId) {
    let tablet = DeviceKeys::generate(&mut rng(70));
    world.done(session, ServerFrame::AccountPut(person.payload(2, &[&person.device, &tablet])));
    let certificate = person.certify(&tablet).hash();
    let caller = Caller::Device { account: person.account.id(), device: tablet.id(), certificate };
    let session = world.open(caller);
    (tablet, session)
}

fn both(world: &mut World, session: SessionId, to: &Person, (tablet, value): (&DeviceKeys, u8)) -> ServerFrame {
    let proof = world.free_proof(session);
    let envelope = || KnockEnvelope::new(vec![value; 900]).unwrap();
    let envelopes = vec![(to.device.id(), envelope()), (tablet.id(), envelope())];
    ServerFrame::KnockPut(KnockPut { account: to.account.id(), envelopes, proof })
}

/// Knocks at both devices.
fn knock_at_both(world: &mut World, (ip, value): (&str, u8), to: &Person, tablet: &DeviceKeys) {
    let session = world.open_from(Caller::Guest, ip);
    let request = both(world, session, to, (tablet, value));
    world.done(session, request);
    world.close(session);
}

fn take_all(world: &mut World, session: SessionId) -> Vec<u8> {
    let items = waiting(world, session).items;
    let numbers = items.iter().map(|item| item.number).collect();
    world.done(session, ServerFrame::KnockAck(KnockAck { numbers }));
    items.iter().map(|item| item.envelope.as_bytes()[0]).collect()
}

fn bytes(world: &World) -> u64 {
    world.registry.totals(&world.view).unwrap().bytes
}

#[test]
fn each_device_takes_out_its_own_and_with_the_last_a_request_is_gone() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let phone = world.join(&mut bob);
    let (keys, tablet) = second(&mut world, phone, &bob);
    let empty = bytes(&world);
    knock_at_both(&mut world, ("192.0.2.7", 7), &bob, &keys);
    let both = bytes(&world);
    for again in [false, true] {
        let number = waiting(&mut world, tablet).items[0].number;
        assert_eq!(take_all(&mut world, phone), if again { vec![] } else { vec![7] });
        // A number that this device is not given changes nothing.
        world.done(phone, ServerFrame::KnockAck(KnockAck { numbers: vec![number, 99] }));
        assert_eq!(waiting(&mut world, phone).items, []);
        assert_eq!(both - bytes(&world), 900, "what was taken out does not count");
    }
    world.pass(MAIL_TTL_MS / 2);
    assert_eq!(take_all(&mut world, tablet), [7], "a week later");
    assert_eq!(world.view.count(TableId::Knocks) + world.view.count(TableId::KnockTimes), 0);
    assert_eq!(bytes(&world), empty);
}

#[test]
fn a_request_that_one_device_never_takes_out_is_gone_after_fourteen_days() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let phone = world.join(&mut bob);
    let (keys, tablet) = second(&mut world, phone, &bob);
    let empty = bytes(&world);
    knock_at_both(&mut world, ("192.0.2.7", 7), &bob, &keys);
    assert_eq!(take_all(&mut world, phone), [7]);
    world.pass(MAIL_TTL_MS + 120_000);
    assert_eq!(waiting(&mut world, tablet).items, []);
    assert_eq!((world.view.count(TableId::Knocks), bytes(&world)), (0, empty));
}

#[test]
fn a_device_that_was_cut_off_keeps_no_request_there() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let phone = world.join(&mut bob);
    let (keys, _) = second(&mut world, phone, &bob);
    knock_at_both(&mut world, ("192.0.2.7", 7), &bob, &keys);
    let record = bob.record(3, &[&bob.device]).verify().unwrap();
    let record = AccountRecord { revoked: vec![(keys.id(), 1)], ..record };
    let records = vec![bob.account.sign_record(&record)];
    let cut = AccountPayload { records, certificates: vec![], bundles: vec![] };
    world.done(phone, ServerFrame::AccountPut(cut));
    assert_eq!(take_all(&mut world, phone), [7]);
    assert_eq!(world.view.count(TableId::Knocks), 0);
}

#[test]
fn a_device_that_never_comes_back_keeps_no_request_out() {
    let mut world = World::new();
    let mut bob = Person::new("bob", 2);
    let phone = world.join(&mut bob);
    let (keys, tablet) = second(&mut world, phone, &bob);
    let taken = |value: u8| (100..110).contains(&value);
    for value in 0..MAX_PENDING_KNOCKS as u8 {
        // The phone takes out what comes in the middle.
        let value = if (5..15).contains(&value) { 95 + value } else { value };
        knock_at_both(&mut world, ("198.51.100.1", value), &bob, &keys);
        if taken(value) {
            let items = waiting(&mut world, phone).items;
            let new = items.iter().filter(|item| taken(item.envelope.as_bytes()[0])).map(|item| item.number);
            let numbers = new.collect();
            world.done(phone, ServerFrame::KnockAck(KnockAck { numbers }));
        }
    }
    // From wherever the next ones come: the oldest of those that a device has seen goes.
    for round in 0..10 {
        let ip = if round % 2 == 0 { "198.51.100.1" } else { "192.0.2.9" };
        knock_at_both(&mut world, (ip, 200 + round), &bob, &keys);
        assert_eq!(count(&mut world, tablet, 100 + round), 0, "round {round}");
        assert_eq!(count(&mut world, tablet, 0), 1, "nobody has seen the first one");
        let seen = (100..110).map(|value| count(&mut world, tablet, value)).sum::<usize>();
        assert_eq!(seen, 9 - usize::from(round));
    }
    // All that are left nobody has seen: the rule of who has most counts.
    knock_at_both(&mut world, ("192.0.2.10", 250), &bob, &keys);
    assert_eq!((count(&mut world, phone, 0), count(&mut world, phone, 250)), (0, 1));
    // Whatever the tablet does, the phone is asked as often as before.
    for value in 0..3 * MAX_PENDING_KNOCKS as u8 {
        take_all(&mut world, phone);
        knock_at_both(&mut world, ("192.0.2.11", value), &bob, &keys);
        assert_eq!(take_all(&mut world, phone), [value]);
    }
    assert_eq!(world.view.count(TableId::Knocks), MAX_PENDING_KNOCKS);
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
    let (mut bob, mut carol, mut dora) = (Person::new("bob", 2), Person::new("carol", 3), Person::new("dora", 4));
    world.join(&mut bob);
    let carols = world.join(&mut carol);
    let doras = world.join(&mut dora);
    let (tablet, _) = second(&mut world, doras, &dora);
    let mallory = world.open_from(Caller::Guest, "198.51.100.1");
    for _ in 0..3 * MAX_PENDING_KNOCKS {
        let (to_bob, to_carol) = (knock(&mut world, mallory, &bob, 7), knock(&mut world, mallory, &carol, 7));
        let to_dora = both(&mut world, mallory, &dora, (&tablet, 7));
        let told = world.ask(mallory, to_bob);
        assert_eq!(told, world.ask(mallory, to_carol));
        assert_eq!(told, world.ask(mallory, to_dora));
        // Carol takes all out, and Dora what is for one of her two devices.
        assert_eq!((take_all(&mut world, carols), take_all(&mut world, doras)), (vec![7], vec![7]));
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
