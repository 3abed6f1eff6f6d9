//! What is counted for accounts is what they take, so that the bound of all of them is one.

use hobnob_rendezvous::registry::{
    Policy,
    limits::DAY_MS,
    view::{Records, TableId, View as _},
};
use hobnob_shared::{
    identity::{AccountRecord, DeviceKeys},
    limits::MAX_DEVICES,
    wire::{AccountPayload, ErrorCode, rendezvous::ServerFrame},
};

use crate::{
    cast::{Person, easy, rng},
    world::World,
};

fn counted(world: &World) -> u64 {
    world.registry.totals(&world.view).unwrap().bytes
}

/// This many devices, the person's own first.
fn devices(person: &Person, count: usize) -> Vec<DeviceKeys> {
    let mut rng = rng(70);
    let others = (1..count).map(|_| DeviceKeys::generate(&mut rng));
    std::iter::once(person.device.clone()).chain(others).collect()
}

fn payload(person: &Person, seq: u64, devices: &[DeviceKeys]) -> AccountPayload {
    person.payload(seq, &devices.iter().collect::<Vec<_>>())
}

#[test]
fn an_account_counts_for_what_it_takes_and_for_nothing_when_it_is_gone() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let all = devices(&alice, MAX_DEVICES);
    let session = world.join(&mut alice);
    let assert_true = |world: &World| {
        let (counted, taken) = (counted(world), world.view.bytes());
        assert!(counted >= taken, "{counted} are counted, and {taken} are taken");
        assert!(counted <= 2 * taken, "{counted} are counted, and only {taken} are taken");
        counted
    };
    let small = assert_true(&world);
    world.done(session, ServerFrame::AccountPut(payload(&alice, 2, &all)));
    let large = assert_true(&world);
    assert!(large > small + 3000, "{small} became {large}");
    world.done(session, ServerFrame::AccountPut(payload(&alice, 3, &all[..1])));
    assert!(assert_true(&world) < large - 2048, "what is gone does not count");
    world.release(session, &alice);
    assert_eq!(counted(&world), 0);
}

#[test]
fn accounts_that_were_counted_as_a_little_count_in_full_from_their_next_day_on() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    let true_bytes = counted(&world);
    world.close(session);
    // As an older program wrote it: the last key of the row is not there, and its value is 512.
    let key = alice.account.id().as_bytes().to_vec();
    let mut row = world.view.get(TableId::Accounts, &key).unwrap().unwrap();
    let tail = row.split_off(row.len() - 5);
    assert_eq!(tail[..3], [0x61, b'b', 0x19]);
    row[0] -= 1;
    let known = u64::from(u16::from_be_bytes([tail[3], tail[4]]));
    world.view.apply(&Records::from([((TableId::Accounts, key.clone()), Some(row))]));
    for (table, key) in [(TableId::Counters, vec![1]), (TableId::Usage, key)] {
        let count = hobnob_shared::codec::encode(&(true_bytes - known + 512));
        world.view.apply(&Records::from([((table, key), Some(count))]));
    }
    world.now_ms += DAY_MS;
    let session = world.open(alice.caller());
    assert!(counted(&world).abs_diff(true_bytes) < 16, "{} and {true_bytes}", counted(&world));
    world.release(session, &alice);
    assert_eq!(counted(&world), 0);
}

#[test]
fn no_account_grows_beyond_the_bound_of_all_but_a_device_is_cut_off_all_the_same() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let all = devices(&alice, MAX_DEVICES);
    let session = world.join(&mut alice);
    world.done(session, ServerFrame::AccountPut(payload(&alice, 2, &all[..2])));
    world.registry.set_policy(Policy { disk_bytes: counted(&world) + 1000, ..easy() });
    let before = world.view.clone();
    assert_eq!(world.refused(session, ServerFrame::AccountPut(payload(&alice, 3, &all))), ErrorCode::Quota);
    assert_eq!(world.view, before, "a refused request stores nothing");
    world.registry.set_policy(Policy { disk_bytes: 0, ..easy() });
    let cut = AccountRecord {
        revoked: vec![(all[1].id(), 1)],
        ..alice.record(3, &all.iter().collect::<Vec<_>>()).verify().unwrap()
    };
    let records = vec![alice.account.sign_record(&cut)];
    world.done(session, ServerFrame::AccountPut(AccountPayload { records, certificates: vec![], bundles: vec![] }));
}

#[test]
fn an_account_that_is_full_of_mail_still_says_which_devices_it_has() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let all = devices(&alice, 2);
    let session = world.join(&mut alice);
    world.registry.set_policy(Policy { account_bytes: counted(&world), ..easy() });
    world.done(session, ServerFrame::AccountPut(payload(&alice, 2, &all)));
}
