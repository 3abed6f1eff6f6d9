use hobnob_rendezvous::registry::{Caller, Policy, SessionId, limits::MAX_BOXES, view::TableId};
use hobnob_shared::{
    id::MailboxId,
    limits::{MAIL_TTL_MS, MAX_MAIL_BYTES, MAX_MAILBOX_BYTES, MAX_MAILBOX_ENVELOPES},
    wire::{
        ErrorCode,
        rendezvous::{BoxPut, DepositToken, Envelope, Mail, MailAck, MailGet, MailPut, MailWaiting, ServerFrame},
    },
};

use crate::{
    cast::{Person, easy},
    world::World,
};

const TOKEN: [u8; 16] = [5; 16];

fn open_box(number: u16) -> ServerFrame {
    ServerFrame::BoxPut(BoxPut { mailbox: mailbox(number), token: Some(DepositToken::new(TOKEN)) })
}

fn delete_box(number: u16) -> ServerFrame {
    ServerFrame::BoxPut(BoxPut { mailbox: mailbox(number), token: None })
}

fn mailbox(number: u16) -> MailboxId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    MailboxId::new(id)
}

fn mail(number: u16, token: [u8; 16], bytes: usize) -> ServerFrame {
    let envelope = Envelope::new(vec![number as u8; bytes]).unwrap();
    ServerFrame::MailPut(MailPut { mailbox: mailbox(number), token: DepositToken::new(token), envelope })
}

fn fetch(world: &mut World, session: SessionId, after: u64, max: u16) -> Mail {
    match world.ask(session, ServerFrame::MailGet(MailGet { after, max })) {
        ServerFrame::Mail(mail) => mail,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn mail_waits_in_order_and_is_gone_when_acknowledged() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    world.done(bob, open_box(1));
    world.done(bob, open_box(2));
    let alice = world.open(Caller::Guest);
    for number in [1, 2, 1] {
        world.done(alice, mail(number, TOKEN, 300));
    }
    let told: Vec<_> = world.take_notes().into_iter().map(|note| (note.to, note.frame)).collect();
    let waiting = |envelopes| (vec![bob], ServerFrame::MailWaiting(MailWaiting { envelopes }));
    assert_eq!(told, [waiting(1), waiting(2), waiting(3)]);
    let all = fetch(&mut world, bob, 0, 100);
    assert_eq!(all.items.iter().map(|item| item.mailbox).collect::<Vec<_>>(), [mailbox(1), mailbox(2), mailbox(1)]);
    assert!(all.items.is_sorted_by_key(|item| item.number) && !all.more);
    let page = fetch(&mut world, bob, all.items[0].number, 1);
    assert_eq!((page.items[0].number, page.more), (all.items[1].number, true));
    let ack = |number| ServerFrame::MailAck(MailAck { through: vec![(mailbox(1), number)] });
    world.done(bob, ack(all.items[0].number));
    world.done(bob, ack(all.items[0].number));
    assert_eq!(fetch(&mut world, bob, 0, 100).items.len(), 2);
    world.done(bob, ack(u64::MAX));
    let left = fetch(&mut world, bob, 0, 100);
    assert_eq!(left.items.iter().map(|item| item.number).collect::<Vec<_>>(), [all.items[1].number]);
}

#[test]
fn whoever_comes_back_is_told_what_waits() {
    let mut world = World::new();
    let mut person = Person::new("bob", 2);
    let bob = world.join(&mut person);
    world.done(bob, open_box(1));
    world.close(bob);
    let alice = world.open(Caller::Guest);
    world.done(alice, mail(1, TOKEN, 300));
    assert_eq!(world.take_notes(), []);
    let bob = world.open(person.caller());
    let notes = world.take_notes();
    assert_eq!(notes[0].frame, ServerFrame::MailWaiting(MailWaiting { envelopes: 1 }));
    assert_eq!(notes[0].to, [bob]);
}

#[test]
fn a_wrong_token_and_no_mailbox_look_the_same() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    world.done(bob, open_box(1));
    let mallory = world.open(Caller::Guest);
    assert_eq!(world.refused(mallory, mail(1, [6; 16], 300)), ErrorCode::NotFound);
    assert_eq!(world.refused(mallory, mail(9, TOKEN, 300)), ErrorCode::NotFound);
    assert_eq!(world.refused(mallory, mail(1, TOKEN, 0)), ErrorCode::Malformed);
    world.done(mallory, mail(1, TOKEN, MAX_MAIL_BYTES));
}

#[test]
fn a_guest_and_a_stranger_take_nothing() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    world.done(bob, open_box(1));
    let guest = world.open(Caller::Guest);
    world.done(guest, mail(1, TOKEN, 300));
    let stranger = world.open(Person::new("nobody", 3).caller());
    for session in [guest, stranger] {
        assert_eq!(world.refused(session, ServerFrame::MailGet(MailGet { after: 0, max: 9 })), ErrorCode::Denied);
        assert_eq!(world.refused(session, open_box(7)), ErrorCode::Denied);
    }
    let mallory = world.join(&mut Person::new("mallory", 4));
    assert_eq!(world.refused(mallory, open_box(1)), ErrorCode::Conflict);
    assert_eq!(world.refused(mallory, delete_box(1)), ErrorCode::NotFound);
    let ack = ServerFrame::MailAck(MailAck { through: vec![(mailbox(1), u64::MAX)] });
    world.done(mallory, ack);
    assert_eq!(fetch(&mut world, bob, 0, 9).items.len(), 1);
}

#[test]
fn who_certifies_anothers_device_does_not_get_its_mail() {
    let mut world = World::new();
    let mut person = Person::new("bob", 2);
    let bob = world.join(&mut person);
    world.done(bob, open_box(1));
    let guest = world.open(Caller::Guest);
    world.done(guest, mail(1, TOKEN, 300));
    // Mallory's account says that Bob's device is hers.
    let mut mallory = Person::new("mallory", 4);
    mallory.device = person.device.clone();
    let session = world.join(&mut mallory);
    assert_eq!(fetch(&mut world, session, 0, 9).items, []);
    world.done(session, ServerFrame::MailAck(MailAck { through: vec![(mailbox(1), u64::MAX)] }));
    assert_eq!(world.refused(session, delete_box(1)), ErrorCode::NotFound);
    assert_eq!(fetch(&mut world, bob, 0, 9).items.len(), 1);
}

#[test]
fn a_mailbox_takes_a_thousand_envelopes_and_not_one_more() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    world.done(bob, open_box(1));
    let alice = world.open(Caller::Guest);
    for _ in 0..MAX_MAILBOX_ENVELOPES {
        world.done(alice, mail(1, TOKEN, 1));
    }
    assert_eq!(world.refused(alice, mail(1, TOKEN, 1)), ErrorCode::Quota);
    let last = fetch(&mut world, bob, 0, 256).items[255].number;
    world.done(bob, ServerFrame::MailAck(MailAck { through: vec![(mailbox(1), last)] }));
    world.done(alice, mail(1, TOKEN, 1));
}

#[test]
fn a_mailbox_takes_eight_mebibytes_and_not_one_byte_more() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    world.done(bob, open_box(1));
    let alice = world.open(Caller::Guest);
    let (whole, rest) = (MAX_MAILBOX_BYTES / MAX_MAIL_BYTES, MAX_MAILBOX_BYTES % MAX_MAIL_BYTES);
    for _ in 0..whole {
        world.done(alice, mail(1, TOKEN, MAX_MAIL_BYTES));
    }
    assert_eq!(world.refused(alice, mail(1, TOKEN, rest + 1)), ErrorCode::Quota);
    world.done(alice, mail(1, TOKEN, rest));
    let mut after = 0;
    let mut fetched = 0;
    loop {
        let page = fetch(&mut world, bob, after, 256);
        assert!(ServerFrame::Mail(page.clone()).encode(1).len() <= hobnob_shared::limits::MAX_FRAME_BYTES);
        fetched += page.items.len();
        after = page.items.last().unwrap().number;
        if !page.more {
            break;
        }
    }
    assert_eq!(fetched, whole + 1);
}

#[test]
fn an_account_and_the_whole_disk_have_their_bounds() {
    for policy in [Policy { account_bytes: 12_000, ..easy() }, Policy { disk_bytes: 12_000, ..easy() }] {
        let mut world = World::with(policy);
        let bob = world.join(&mut Person::new("bob", 2));
        world.done(bob, open_box(1));
        let alice = world.open(Caller::Guest);
        assert_eq!(world.refused(alice, mail(1, TOKEN, 8_000)), ErrorCode::Quota);
        world.done(alice, mail(1, TOKEN, 4_000));
        let before = world.view.clone();
        assert_eq!(world.refused(alice, mail(1, TOKEN, 4_000)), ErrorCode::Quota);
        assert_eq!(world.view, before, "a refused request stores nothing");
        world.done(bob, delete_box(1));
        world.done(bob, open_box(1));
        world.done(alice, mail(1, TOKEN, 4_000));
    }
}

#[test]
fn a_device_has_so_many_mailboxes_and_not_one_more() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    for number in 0..MAX_BOXES as u16 {
        world.done(bob, open_box(number));
    }
    world.done(bob, open_box(3));
    assert_eq!(world.refused(bob, open_box(MAX_BOXES as u16)), ErrorCode::Quota);
    world.done(bob, delete_box(0));
    world.done(bob, open_box(MAX_BOXES as u16));
}

#[test]
fn mail_is_kept_for_two_weeks_and_leaves_nothing_behind() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    let empty = world.view.clone();
    world.done(bob, open_box(1));
    let with_box = world.view.clone();
    let alice = world.open(Caller::Guest);
    for _ in 0..600 {
        world.done(alice, mail(1, TOKEN, 300));
    }
    world.pass(MAIL_TTL_MS - 1);
    assert_eq!(world.view.count(TableId::Mail), 600);
    world.pass(120_000);
    assert_eq!(world.view.count(TableId::Mail), 0);
    assert_eq!(world.view.count(TableId::MailTimes), 0);
    assert_eq!(world.view.count(TableId::Usage), with_box.count(TableId::Usage));
    world.done(bob, delete_box(1));
    assert_eq!(world.view.count(TableId::Boxes), empty.count(TableId::Boxes));
}

#[test]
fn numbers_grow_even_when_an_older_database_was_put_back() {
    let mut world = World::new();
    let bob = world.join(&mut Person::new("bob", 2));
    world.done(bob, open_box(1));
    let alice = world.open(Caller::Guest);
    let backup = world.view.clone();
    for _ in 0..5 {
        world.done(alice, mail(1, TOKEN, 300));
    }
    let last = fetch(&mut world, bob, 0, 9).items[4].number;
    world.view = backup;
    world.pass(1_000);
    world.done(alice, mail(1, TOKEN, 300));
    assert_eq!(fetch(&mut world, bob, last, 9).items.len(), 1, "what came later has a higher number");
}
