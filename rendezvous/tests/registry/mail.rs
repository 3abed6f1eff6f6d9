use hobnob_rendezvous::registry::{
    Caller, Fullness, Input, Policy, SessionId,
    limits::{ACCOUNT_KIB, HOUR_MS, MAX_BOXES},
    view::TableId,
};
use hobnob_shared::{
    id::MailboxId,
    limits::{MAIL_TTL_MS, MAX_MAIL_BYTES, MAX_MAILBOX_BYTES, MAX_MAILBOX_ENVELOPES},
    rendezvous::RegistrationCode,
    wire::{
        ErrorCode,
        rendezvous::{
            BoxPut, DepositToken, Envelope, Mail, MailAck, MailGet, MailPut, MailWaiting, Proof, RegisterFinish,
            ServerFrame,
        },
    },
};

use crate::{
    cast::{Person, easy, rng},
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

/// How many MiB of mail somebody leaves with whoever takes it, in so many hours, as fast as it is taken.
fn fill(world: &mut World, places: &[String], hours: u64) -> u64 {
    let mut person = Person::new("bob", 2);
    let bob = world.join(&mut person);
    world.done(bob, open_box(1));
    let mut bytes = 0;
    for _ in 0..hours {
        for place in places {
            let mallory = world.open_from(Caller::Guest, place);
            while world.ask(mallory, mail(1, TOKEN, MAX_MAIL_BYTES)) == ServerFrame::Done {
                bytes += MAX_MAIL_BYTES as u64;
                // Somebody takes it out, so that no mailbox is what stops it.
                let last = fetch(world, bob, 0, 1).items[0].number;
                world.done(bob, ServerFrame::MailAck(MailAck { through: vec![(mailbox(1), last)] }));
            }
            let refused = world.refused(mallory, mail(1, TOKEN, MAX_MAIL_BYTES));
            assert!(matches!(refused, ErrorCode::RateLimited { .. }), "{refused:?}");
            world.close(mallory);
        }
        world.pass(HOUR_MS);
    }
    bytes >> 20
}

#[test]
fn one_machine_leaves_a_part_of_what_the_disk_holds() {
    let disk_mib = Policy::default().disk_bytes >> 20;
    let of_hour = disk_mib / 640;
    let two_hours = fill(&mut World::new(), &["198.51.100.1".to_owned()], 2);
    assert!((2 * of_hour - 2..=2 * of_hour).contains(&two_hours), "{two_hours} MiB");
    assert!(of_hour * 14 * 24 < disk_mib * 6 / 10, "what lies there for 14 days leaves room for others");
    // A customer's /48 is not as many machines as it has addresses.
    let places: Vec<_> = (0..6).map(|number| format!("2001:db8:1:{number}::1")).collect();
    let of_site = fill(&mut World::new(), &places, 1);
    assert!((2 * of_hour - 3..=2 * of_hour).contains(&of_site), "{of_site} MiB");
}

#[test]
fn whoever_left_too_much_holds_up_nobody_elsewhere() {
    let mut world = World::with(Policy { disk_bytes: 1 << 30, ..easy() });
    fill(&mut world, &["198.51.100.1".to_owned()], 1);
    let alice = world.open_from(Caller::Guest, "192.0.2.7");
    world.done(alice, mail(1, TOKEN, 4_000));
}

#[test]
fn accounts_without_a_code_count_for_where_they_come_from() {
    let mut world = World::new();
    let register = |world: &mut World, number: u64, proof: Option<Proof>| {
        let guest = world.open_from(Caller::Guest, "198.51.100.1");
        let finish = world.registration(guest, &mut Person::new(&format!("bot_{number}"), number + 10), "secret");
        let finish = RegisterFinish { proof: proof.unwrap_or(finish.proof.clone()), ..finish };
        world.ask(guest, ServerFrame::RegisterFinish(Box::new(finish)))
    };
    let most = 32 * 1024 / ACCOUNT_KIB;
    for number in 0..most {
        assert!(matches!(register(&mut world, number, None), ServerFrame::Registered(_)), "{number}");
    }
    let refused = register(&mut world, most, None);
    let is_limited = |code| matches!(code, ErrorCode::RateLimited { .. });
    assert!(matches!(refused, ServerFrame::Error(failure) if is_limited(failure.code)), "{refused:?}");
    let code = RegistrationCode::generate(&mut rng(5));
    world.handle(Input::Code(code.clone()));
    assert!(matches!(register(&mut world, most, Some(Proof::Code(code))), ServerFrame::Registered(_)));
}

#[test]
fn it_is_told_that_the_room_comes_to_its_end() {
    let mut world = World::with(Policy { disk_bytes: 100_000, ..easy() });
    let bob = world.join(&mut Person::new("bob", 2));
    world.done(bob, open_box(1));
    let fullness = |world: &World| world.registry.totals(&world.view).unwrap().fullness();
    assert_eq!(fullness(&world), Fullness::Roomy);
    let alice = world.open(Caller::Guest);
    let mut told = vec![];
    while world.ask(alice, mail(1, TOKEN, 1)) == ServerFrame::Done {
        told.push(fullness(&world));
    }
    assert!(told.is_sorted() && told.contains(&Fullness::NearlyFull), "{told:?}");
    let totals = world.registry.totals(&world.view).unwrap();
    let almost = hobnob_rendezvous::registry::Totals { bytes: totals.room - 1, ..totals };
    assert_eq!(almost.fullness(), Fullness::Full);
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
