//! Rows that are damaged, or gone: never taken for what is not there, always told, and nobody else's are held up.

use std::ops::ControlFlow;

use hobnob_rendezvous::registry::{
    Caller, Input, SessionId, Work,
    limits::DAY_MS,
    view::{Fault, Records, TableId, View as _},
};
use hobnob_shared::{
    id::MailboxId,
    wire::{
        AccountPayload, ErrorCode,
        rendezvous::{BoxPut, DepositToken, Envelope, MailGet, MailPut, NameGet, ServerFrame},
    },
};

use crate::{cast::Person, world::World};

/// The keys of a table.
fn keys(world: &World, table: TableId) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let scanned = world.view.scan(table, &[], None, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    keys
}

fn set(world: &mut World, table: TableId, key: &[u8], value: Option<Vec<u8>>) {
    world.view.apply(&Records::from([((table, key.to_vec()), value)]));
}

fn handle(world: &mut World, input: Input) -> (Option<ServerFrame>, Vec<Fault>) {
    let mut work = Work::default();
    world.registry.handle(input, world.now_ms, &world.view, &mut work);
    world.view.apply(&work.records);
    (work.answers.pop().map(|answer| answer.frame), work.faults)
}

fn ask(world: &mut World, session: SessionId, frame: ServerFrame) -> (ServerFrame, Vec<Fault>) {
    let (answer, faults) = handle(world, Input::Frame { session, id: 7, frame });
    (answer.unwrap(), faults)
}

fn assert_told(faults: &[Fault], what: &str) {
    assert!(!faults.is_empty(), "{what}");
    assert!(faults.iter().all(|fault| matches!(fault, Fault::Damaged(_))), "{what}: {faults:?}");
}

#[test]
fn what_is_damaged_or_gone_is_told_and_never_answered_as_not_there() {
    for table in [TableId::Names, TableId::Accounts, TableId::Vaults, TableId::Bundles] {
        for value in [Some(vec![0xff; 3]), Some(vec![]), None] {
            let mut world = World::new();
            let mut alice = Person::new("alice", 1);
            let session = world.join(&mut alice);
            let guest = world.open(Caller::Guest);
            if table == TableId::Bundles {
                let payload = alice.payload(1, &[&alice.device]);
                let bundles = vec![alice.bundle(1)];
                world.done(session, ServerFrame::AccountPut(AccountPayload { bundles, ..payload }));
            }
            for key in keys(&world, table) {
                set(&mut world, table, &key, value.clone());
            }
            let frame = match table {
                TableId::Vaults => ServerFrame::VaultGet,
                _ => ServerFrame::NameGet(NameGet { name: alice.name.clone(), since: None }),
            };
            // A name that has no row is one that nobody has, and so is a bundle.
            if value.is_none() && matches!(table, TableId::Names | TableId::Bundles) {
                continue;
            }
            let session = if table == TableId::Vaults { session } else { guest };
            let (answer, faults) = ask(&mut world, session, frame);
            let ServerFrame::Error(failure) = answer else { panic!("{table:?} {value:?}: {answer:?}") };
            assert_eq!(failure.code, ErrorCode::Internal, "{table:?} {value:?}");
            assert_told(&faults, &format!("{table:?} {value:?}"));
        }
    }
}

/// Bob has a mailbox with three envelopes.
fn bob_with_mail(world: &mut World) -> SessionId {
    let mut bob = Person::new("bob", 2);
    let session = world.join(&mut bob);
    let (mailbox, token) = (MailboxId::new([1; 16]), DepositToken::new([2; 16]));
    world.done(session, ServerFrame::BoxPut(BoxPut { mailbox, token: Some(token.clone()) }));
    for byte in 1..4 {
        let envelope = Envelope::new(vec![byte; 100]).unwrap();
        world.done(session, ServerFrame::MailPut(MailPut { mailbox, token: token.clone(), envelope }));
    }
    session
}

#[test]
fn one_damaged_envelope_is_told_and_keeps_no_other_from_its_reader() {
    for value in [Some(vec![0xff]), None] {
        let mut world = World::new();
        let bobs = bob_with_mail(&mut world);
        let second = keys(&world, TableId::Mail)[1].clone();
        set(&mut world, TableId::Mail, &second, value.clone());
        let (answer, faults) = ask(&mut world, bobs, ServerFrame::MailGet(MailGet { after: 0, max: 10 }));
        let ServerFrame::Mail(mail) = answer else { panic!("{answer:?}") };
        let first_bytes: Vec<_> = mail.items.iter().map(|item| item.envelope.as_bytes()[0]).collect();
        assert_eq!(first_bytes, [1, 3], "{value:?}");
        assert_told(&faults, "an envelope");
    }
}

#[test]
fn damaged_rows_are_told_and_keep_nothing_else_from_being_forgotten() {
    for (table, days, left) in [
        (TableId::Mail, 20, 0),
        (TableId::Boxes, 20, 0),
        // Nobody knows whose this one is.
        (TableId::MailTimes, 20, 1),
        (TableId::LastSeen, 800, 0),
    ] {
        let mut world = World::new();
        bob_with_mail(&mut world);
        let first = keys(&world, table)[0].clone();
        set(&mut world, table, &first, Some(vec![0xff]));
        handle(&mut world, Input::Timeout);
        world.now_ms += days * DAY_MS;
        let (_, faults) = handle(&mut world, Input::Timeout);
        assert_told(&faults, &format!("{table:?}"));
        assert_eq!(world.view.count(TableId::MailOf), left, "{table:?}");
    }
}
