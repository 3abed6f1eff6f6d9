//! Accounts and devices with much mail leave: at once for everybody, and in pieces on the disk.

use hobnob_rendezvous::registry::{
    Caller, Input, SessionId, Work,
    view::{Records, TableId, View as _},
};
use hobnob_shared::{
    id::MailboxId,
    identity::DeviceKeys,
    wire::{
        ErrorCode,
        rendezvous::{BoxPut, DepositToken, Envelope, MailGet, MailPut, NameGet, NameSet, ServerFrame},
    },
};

use crate::{
    cast::{Person, rng},
    world::{World, binding},
};

/// Most rows that one piece may write: 256 envelopes have three each, and there is what is counted.
const PIECE: usize = 3 * 256 + 600;

fn mailbox(number: u8) -> MailboxId {
    MailboxId::new([number; 16])
}

fn put(number: u8) -> BoxPut {
    BoxPut { mailbox: mailbox(number), token: Some(DepositToken::new([9; 16])) }
}

fn envelope(number: u8) -> MailPut {
    let envelope = Envelope::new(vec![7; 20]).unwrap();
    MailPut { mailbox: mailbox(number), token: DepositToken::new([9; 16]), envelope }
}

/// Fills so many mailboxes with 500 envelopes each.
fn fill(world: &mut World, session: SessionId, boxes: std::ops::Range<u8>) {
    for number in boxes {
        world.done(session, ServerFrame::BoxPut(put(number)));
        for _ in 0..500 {
            world.done(session, ServerFrame::MailPut(envelope(number)));
        }
    }
}

/// What one input writes.
fn written(world: &mut World, input: Input) -> Records {
    let mut work = Work::default();
    world.registry.handle(input, world.now_ms, &world.view, &mut work);
    assert_eq!(work.faults, []);
    world.view.apply(&work.records);
    work.records
}

/// A server with the same rows that starts now.
fn restarted(world: World) -> World {
    let mut again = World::new();
    (again.view, again.now_ms) = (world.view, world.now_ms);
    again
}

/// Lets time pass until nothing is left to remove. Says in how many pieces that was.
fn finish(world: &mut World) -> usize {
    let mut pieces = 0;
    while world.view.count(TableId::Leaving) > 0 {
        world.now_ms = world.now_ms.max(world.registry.next_timeout());
        let records = written(world, Input::Timeout);
        assert!(records.len() <= PIECE, "{} rows at once", records.len());
        pieces += 1;
        assert!(pieces < 1000, "it does not end");
    }
    pieces
}

#[test]
fn an_account_with_much_mail_is_gone_at_once_and_its_rows_in_pieces_also_after_a_restart() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    fill(&mut world, session, 1..6);
    let owner = alice.account.prove_over(&binding(session));
    let release = Input::Frame { session, id: 7, frame: ServerFrame::NameSet(NameSet::Release(Some(owner))) };
    assert!(written(&mut world, release).len() <= PIECE);
    assert!(world.view.count(TableId::Mail) > 2000, "most of it is left");
    let guest = world.open(Caller::Guest);
    let find = ServerFrame::NameGet(NameGet { name: alice.name.clone(), since: None });
    assert_eq!(world.refused(guest, find), ErrorCode::NotFound);
    for number in 1..6 {
        assert_eq!(world.refused(guest, ServerFrame::MailPut(envelope(number))), ErrorCode::NotFound);
    }
    let get = ServerFrame::MailGet(MailGet { after: 0, max: 10 });
    assert_eq!(world.refused(session, get), ErrorCode::Denied);

    // Some pieces later the server is started anew.
    for _ in 0..3 {
        world.now_ms = world.registry.next_timeout();
        assert!(written(&mut world, Input::Timeout).len() <= PIECE);
    }
    let left = world.view.count(TableId::Mail);
    assert!(left > 1000);
    let mut world = restarted(world);
    let begun = world.now_ms;
    assert!(finish(&mut world) >= left / 256);
    assert!(world.now_ms - begun < 60_000, "it does not wait for an hour to have passed");
    for table in TableId::ALL {
        let is_kept = matches!(table, TableId::Counters | TableId::Bindings);
        assert!(is_kept || world.view.count(table) == 0, "{table:?} holds something of it");
    }
    assert_eq!(world.registry.totals(&world.view).unwrap().bytes, 0);
}

#[test]
fn whoever_comes_back_meanwhile_sees_nothing_of_before() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let session = world.join(&mut alice);
    fill(&mut world, session, 1..4);
    world.release(session, &alice);
    let session = world.join(&mut alice);
    let get = ServerFrame::MailGet(MailGet { after: 0, max: 10 });
    assert_eq!(world.refused(session, get.clone()), ErrorCode::Busy);
    assert_eq!(world.refused(session, ServerFrame::BoxPut(put(9))), ErrorCode::Busy);
    finish(&mut world);
    let ServerFrame::Mail(mail) = world.ask(session, get) else { panic!("no mail") };
    assert_eq!(mail.items, []);
    world.done(session, ServerFrame::BoxPut(put(9)));
    world.done(session, ServerFrame::MailPut(envelope(9)));
}

#[test]
fn a_device_with_much_mail_that_is_cut_off_leaves_the_same_way() {
    let mut world = World::new();
    let mut alice = Person::new("alice", 1);
    let laptop = world.join(&mut alice);
    let phone = DeviceKeys::generate(&mut rng(7));
    world.done(laptop, ServerFrame::AccountPut(alice.payload(2, &[&alice.device, &phone])));
    let certificate = alice.certify(&phone).hash();
    let session = world.open(Caller::Device { account: alice.account.id(), device: phone.id(), certificate });
    fill(&mut world, laptop, 1..2);
    let before = world.registry.totals(&world.view).unwrap().bytes;
    fill(&mut world, session, 2..5);
    let cut = ServerFrame::AccountPut(alice.payload(3, &[&alice.device]));
    assert!(written(&mut world, Input::Frame { session: laptop, id: 7, frame: cut }).len() <= PIECE);
    assert_eq!(world.refused(laptop, ServerFrame::MailPut(envelope(2))), ErrorCode::NotFound);
    world.done(laptop, ServerFrame::MailPut(envelope(1)));
    assert!(finish(&mut world) > 3);
    assert_eq!(world.view.count(TableId::Mail), 501, "the other device keeps its own");
    assert!(world.registry.totals(&world.view).unwrap().bytes.abs_diff(before) < 2000);
}

#[test]
fn what_is_damaged_leaves_too() {
    for table in [TableId::Mail, TableId::Boxes] {
        let mut world = World::new();
        let mut alice = Person::new("alice", 1);
        let session = world.join(&mut alice);
        fill(&mut world, session, 1..3);
        let mut keys = Vec::new();
        let visited = world.view.scan(table, &[], None, &mut |key, _| {
            keys.push(key.to_vec());
            std::ops::ControlFlow::Continue(())
        });
        visited.unwrap();
        let last = keys.pop().unwrap();
        world.view.apply(&Records::from([((table, last), Some(vec![0xff]))]));
        world.release(session, &alice);
        let mut faults = Vec::new();
        for _ in 0..20 {
            let mut work = Work::default();
            world.now_ms = world.now_ms.max(world.registry.next_timeout().min(world.now_ms + 60_000));
            world.registry.handle(Input::Timeout, world.now_ms, &world.view, &mut work);
            world.view.apply(&work.records);
            faults.append(&mut work.faults);
        }
        assert!(!faults.is_empty(), "{table:?}: it is told");
        for table in [TableId::Leaving, TableId::Boxes, TableId::BoxesOf, TableId::Mail, TableId::MailOf] {
            assert_eq!(world.view.count(table), 0, "{table:?}");
        }
    }
}
