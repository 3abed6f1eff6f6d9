use hobnob_rendezvous::registry::{
    Caller, Policy,
    view::{Records, TableId, View as _},
};
use hobnob_shared::{
    id::MailboxId,
    identity::{Bundle, DeviceKeys, SignedRecord, Ticket},
    limits::MAX_PAST_RECORDS,
    wire::{
        AccountPayload, ErrorCode,
        rendezvous::{BoxPut, DepositToken, Envelope, MailPut, NameGet, SealedVault, ServerFrame, VaultPut},
    },
};
use serde_bytes::ByteArray;

use crate::{
    cast::{Person, easy, rng},
    world::World,
};

fn vault(expected: u64, seq: u64) -> ServerFrame {
    ServerFrame::VaultPut(VaultPut { seq, expected, vault: SealedVault::new(vec![3; 4096]).unwrap(), owner: None })
}

#[test]
fn a_vault_is_replaced_by_who_has_seen_it() {
    let mut world = World::new();
    let alice = world.join(&mut Person::new("alice", 1));
    let stale = ErrorCode::Stale { seq: 1 };
    assert_eq!(world.refused(alice, vault(0, 1)), stale);
    assert_eq!(world.refused(alice, vault(1, 1)), stale);
    assert_eq!(world.refused(alice, vault(1, 3)), stale);
    assert_eq!(world.refused(alice, vault(2, 3)), stale);
    world.done(alice, vault(1, 2));
    assert_eq!(world.refused(alice, vault(1, 2)), ErrorCode::Stale { seq: 2 });
    let guest = world.open(Caller::Guest);
    assert_eq!(world.refused(guest, ServerFrame::VaultGet), ErrorCode::Denied);
}

#[test]
fn older_records_are_stale_and_two_of_one_number_conflict() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    let phone = DeviceKeys::generate(&mut rng(7));
    let put = |alice: &Person, seq, devices: &[&DeviceKeys]| ServerFrame::AccountPut(alice.payload(seq, devices));
    world.done(session, put(&alice, 3, &[&alice.device, &phone]));
    world.done(session, put(&alice, 3, &[&alice.device, &phone]));
    assert_eq!(world.refused(session, put(&alice, 2, &[&alice.device])), ErrorCode::Stale { seq: 3 });
    assert_eq!(world.refused(session, put(&alice, 3, &[&alice.device])), ErrorCode::Conflict);
    let bob = Person::new("bob", 2);
    assert_eq!(world.refused(session, put(&bob, 4, &[&bob.device])), ErrorCode::Denied);
}

#[test]
fn a_device_that_is_not_listed_any_more_has_no_say_and_no_mailboxes() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let laptop = world.join(&mut alice);
    let phone = DeviceKeys::generate(&mut rng(7));
    world.done(laptop, ServerFrame::AccountPut(alice.payload(2, &[&alice.device, &phone])));
    let caller =
        Caller::Device { account: alice.account.id(), device: phone.id(), certificate: alice.certify(&phone).hash() };
    let session = world.open(caller);
    let open = BoxPut { mailbox: MailboxId::new([1; 16]), token: Some(DepositToken::new([2; 16])) };
    world.done(session, ServerFrame::BoxPut(open.clone()));
    assert_eq!(world.view.count(TableId::Boxes), 1);
    world.done(laptop, ServerFrame::AccountPut(alice.payload(3, &[&alice.device])));
    assert_eq!(world.view.count(TableId::Boxes), 0);
    assert_eq!(world.refused(session, ServerFrame::VaultGet), ErrorCode::Denied);
    assert_eq!(world.refused(session, ServerFrame::BoxPut(open)), ErrorCode::Denied);
}

#[test]
fn a_released_account_leaves_nothing_also_of_a_device_that_showed_no_certificate() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let laptop = world.join(&mut alice);
    let phone = DeviceKeys::generate(&mut rng(7));
    let mut payload = alice.payload(2, &[&alice.device, &phone]);
    payload.certificates.truncate(1);
    world.done(laptop, ServerFrame::AccountPut(payload));
    let caller =
        Caller::Device { account: alice.account.id(), device: phone.id(), certificate: alice.certify(&phone).hash() };
    let session = world.open(caller);
    let (mailbox, token) = (MailboxId::new([1; 16]), DepositToken::new([2; 16]));
    world.done(session, ServerFrame::BoxPut(BoxPut { mailbox, token: Some(token.clone()) }));
    let envelope = Envelope::new(vec![7; 500]).unwrap();
    world.done(session, ServerFrame::MailPut(MailPut { mailbox, token, envelope }));
    world.release(laptop, &alice);
    for table in TableId::ALL {
        let is_kept = matches!(table, TableId::Counters | TableId::Bindings);
        assert!(is_kept || world.view.count(table) == 0, "{table:?} holds something of it");
    }
    assert_eq!(world.registry.totals(&world.view).unwrap().bytes, 0);
}

#[test]
fn what_was_verified_when_it_came_costs_nothing_again() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    // Only whoever verifies it again would see that this signature is broken now.
    let key = alice.account.id().as_bytes().to_vec();
    let mut row = world.view.get(TableId::Accounts, &key).unwrap().unwrap();
    let signature = alice.certificate().signature;
    let at = row.windows(64).position(|part| part == signature).unwrap();
    row[at] ^= 1;
    world.view.apply(&Records::from([((TableId::Accounts, key), Some(row))]));
    let payload = AccountPayload { records: vec![], certificates: vec![], bundles: vec![alice.bundle(5)] };
    world.done(session, ServerFrame::AccountPut(payload));
}

#[test]
fn a_bundle_is_newer_than_the_last_its_own_devices_and_without_tickets() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    let put = |bundle| {
        let mut payload = alice.payload(1, &[&alice.device]);
        payload.bundles = vec![bundle];
        ServerFrame::AccountPut(payload)
    };
    world.done(session, put(alice.bundle(5)));
    world.done(session, put(alice.bundle(6)));
    assert_eq!(world.refused(session, put(alice.bundle(5))), ErrorCode::Stale { seq: 6 });
    assert_eq!(world.refused(session, put(Person::new("bob", 2).bundle(9))), ErrorCode::Denied);
    let mut forged = alice.bundle(9);
    forged.signature = [1; 64];
    assert_eq!(world.refused(session, put(forged)), ErrorCode::Malformed);
    let ticket = Ticket { carrier: "/ip4/192.0.2.1/tcp/1".into(), mailbox: [1; 16], token: [2; 16] };
    let plain = alice.bundle(9).verify(&alice.device.id()).unwrap();
    let with_ticket = alice.device.sign_bundle(&Bundle { tickets: vec![ticket], ..plain });
    assert_eq!(world.refused(session, put(with_ticket)), ErrorCode::Malformed);
}

#[test]
fn a_bare_machine_logs_in_and_becomes_a_device() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    world.join(&mut alice);
    let guest = world.log_in(&mut alice, "secret", "192.0.2.1").unwrap();
    let new = DeviceKeys::generate(&mut rng(8));
    world.done(guest, ServerFrame::AccountPut(alice.payload(2, &[&alice.device, &new])));
    world.done(guest, vault(1, 2));
    let caller =
        Caller::Device { account: alice.account.id(), device: new.id(), certificate: alice.certify(&new).hash() };
    let session = world.open(caller);
    assert!(matches!(world.ask(session, ServerFrame::VaultGet), ServerFrame::Vault(vault) if vault.seq == 2));
}

#[test]
fn a_device_that_only_the_newer_record_lists_may_show_that_record_and_nothing_else() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let laptop = world.join(&mut alice);
    let [phone, stranger] = [7, 8].map(|seed| DeviceKeys::generate(&mut rng(seed)));
    let caller = |device: &DeviceKeys| Caller::Device {
        account: alice.account.id(),
        device: device.id(),
        certificate: alice.certify(device).hash(),
    };
    let (session, other) = (world.open(caller(&phone)), world.open(caller(&stranger)));
    let put = |seq, devices: &[&DeviceKeys]| ServerFrame::AccountPut(alice.payload(seq, devices));
    assert_eq!(world.refused(session, ServerFrame::VaultGet), ErrorCode::Denied);
    // Neither what does not name it, nor what is not newer, nor what somebody else signed.
    assert_eq!(world.refused(session, put(2, &[&alice.device])), ErrorCode::Denied);
    assert_eq!(world.refused(session, put(1, &[&alice.device, &phone])), ErrorCode::Denied);
    let mallory = Person::new("mallory", 3).payload(2, &[&phone]);
    assert_eq!(world.refused(session, ServerFrame::AccountPut(mallory)), ErrorCode::Denied);
    let mut forged = alice.payload(2, &[&alice.device, &phone]);
    forged.records[0].signature = [1; 64];
    assert_eq!(world.refused(session, ServerFrame::AccountPut(forged)), ErrorCode::Malformed);
    assert_eq!(world.refused(other, put(2, &[&alice.device, &phone])), ErrorCode::Denied);
    world.done(session, put(2, &[&alice.device, &phone]));
    assert!(matches!(world.ask(session, ServerFrame::VaultGet), ServerFrame::Vault(_)));
    // Revoked, the record that once listed it is an old one.
    world.done(laptop, put(3, &[&alice.device]));
    assert_eq!(world.refused(session, put(2, &[&alice.device, &phone])), ErrorCode::Denied);
}

/// A chain of so many records of Alice, from the one with which she registered.
fn chain(alice: &Person, records: usize) -> Vec<SignedRecord> {
    let mut chain: Vec<SignedRecord> = vec![alice.record(1, &[&alice.device])];
    while chain.len() < records {
        chain.push(alice.next_record(chain.last()));
    }
    chain
}

fn put(records: &[SignedRecord]) -> ServerFrame {
    ServerFrame::AccountPut(AccountPayload { records: records.to_vec(), ..AccountPayload::default() })
}

fn told_at_login(world: &mut World, alice: &mut Person) -> Vec<SignedRecord> {
    let (session, told) = world.whole_login(alice, "secret", "192.0.2.1").unwrap();
    world.close(session);
    told.account.records
}

#[test]
fn a_bare_machine_is_told_the_records_before_and_everybody_else_the_newest() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    let chain = chain(&alice, MAX_PAST_RECORDS + 4);
    // One at a time, and several at once as from a node that was away.
    world.done(session, put(&chain[1..2]));
    world.done(session, put(&chain[2..5]));
    assert_eq!(told_at_login(&mut world, &mut alice), chain[..5]);
    let guest = world.open(Caller::Guest);
    let mut found = |since: Option<[u8; 32]>| {
        let get = NameGet { name: alice.name.clone(), since: since.map(ByteArray::new) };
        let ServerFrame::Name(found) = world.ask(guest, ServerFrame::NameGet(get)) else { panic!("not found") };
        found.account.records
    };
    assert_eq!(found(None), chain[4..5]);
    // Who holds one of them is told what came after it, and no more.
    assert_eq!(found(Some(chain[1].hash())), chain[2..5]);
    for held in [chain[3].hash(), chain[4].hash(), [9; 32]] {
        assert_eq!(found(Some(held)), chain[4..5]);
    }
    // No more than so many.
    chain[5..].iter().for_each(|record| world.done(session, put(std::slice::from_ref(record))));
    assert_eq!(told_at_login(&mut world, &mut alice), chain[3..]);
    // What does not lead up to the newest one is nobody's past.
    let stranger = alice.record(60, &[&alice.device]);
    let newest = alice.next_record(Some(&stranger));
    world.done(session, put(&[chain[6].clone(), newest.clone()]));
    assert_eq!(told_at_login(&mut world, &mut alice), [newest]);
    assert_eq!(world.view.count(TableId::Past), 0);
}

#[test]
fn an_account_without_room_still_gets_its_newest_record() {
    let mut world = World::with(Policy { account_bytes: 7_000, ..easy() });
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    let chain = chain(&alice, 12);
    chain[1..].iter().for_each(|record| world.done(session, put(std::slice::from_ref(record))));
    let told = told_at_login(&mut world, &mut alice);
    assert!(told.len() < 12 && !told.is_empty());
    assert!(chain.ends_with(&told));
    // Given up, it takes no room any more.
    world.release(session, &alice);
    assert_eq!((world.view.count(TableId::Past), world.view.count(TableId::Usage)), (0, 0));
}

#[test]
fn what_is_not_for_a_server_is_unsupported() {
    let mut world = World::new();
    let session = world.open(Caller::Guest);
    assert_eq!(world.refused(session, ServerFrame::Unknown(141)), ErrorCode::Unsupported);
    assert_eq!(world.refused(session, ServerFrame::Unknown(9_999)), ErrorCode::Unsupported);
}
