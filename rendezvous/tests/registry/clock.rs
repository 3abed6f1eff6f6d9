//! A clock that was wrong and is set right: what comes from then on is kept for as long as everything else.

use hobnob_rendezvous::registry::{
    Caller, SessionId,
    limits::{DAY_MS, HOUR_MS, SILENT_DAYS},
    view::TableId,
};
use hobnob_shared::{
    id::MailboxId,
    wire::rendezvous::{
        BoxPut, DepositToken, Envelope, KnockEnvelope, KnockPut, Mail, MailAck, MailGet, MailPut, ServerFrame,
    },
};

use crate::{cast::Person, world::World};

const MAILBOX: MailboxId = MailboxId::new([1; 16]);
const TABLES: [TableId; 4] = [TableId::Mail, TableId::MailOf, TableId::MailTimes, TableId::Waiting];

fn token() -> DepositToken {
    DepositToken::new([2; 16])
}

fn leave(world: &mut World, byte: u8) {
    let guest = world.open(Caller::Guest);
    let envelope = Envelope::new(vec![byte; 10]).unwrap();
    world.done(guest, ServerFrame::MailPut(MailPut { mailbox: MAILBOX, token: token(), envelope }));
}

fn knock(world: &mut World, person: &Person) {
    let guest = world.open(Caller::Guest);
    let envelopes = vec![(person.device.id(), KnockEnvelope::new(vec![7; 10]).unwrap())];
    let proof = world.free_proof(guest);
    world.done(guest, ServerFrame::KnockPut(KnockPut { account: person.account.id(), envelopes, proof }));
}

fn mail(world: &mut World, session: SessionId) -> Mail {
    match world.ask(session, ServerFrame::MailGet(MailGet { after: 0, max: 100 })) {
        ServerFrame::Mail(mail) => mail,
        answer => panic!("{answer:?}"),
    }
}

fn bytes(mail: &Mail) -> Vec<u8> {
    mail.items.iter().map(|item| item.envelope.as_bytes()[0]).collect()
}

/// The same server, started while the clock says this.
fn restarted_at(world: World, now_ms: u64) -> World {
    let mut again = World::new();
    (again.view, again.now_ms) = (world.view, now_ms);
    again
}

/// Lets days pass, with what is forgotten at their end.
fn days(world: &mut World, ms: u64) {
    world.now_ms += ms;
    world.pass(120_000);
}

/// Bob, whose server was started years ahead and got an envelope then; now the clock is right.
fn after_years_ahead() -> (World, Person, SessionId, u64) {
    let mut world = World::new();
    let true_ms = world.now_ms;
    let mut bob = Person::new("bob", 2);
    world.now_ms += 11 * 365 * DAY_MS;
    let session = world.join(&mut bob);
    world.done(session, ServerFrame::BoxPut(BoxPut { mailbox: MAILBOX, token: Some(token()) }));
    leave(&mut world, 1);
    let mut world = restarted_at(world, true_ms);
    let session = world.open(bob.caller());
    (world, bob, session, true_ms)
}

#[test]
fn mail_and_requests_after_a_clock_was_years_ahead_are_forgotten_after_their_own_time() {
    let (mut world, bob, session, _) = after_years_ahead();
    let idle = world.registry.totals(&world.view).unwrap().bytes;
    leave(&mut world, 2);
    knock(&mut world, &bob);
    world.pass(HOUR_MS + 120_000);
    leave(&mut world, 3);
    // It is looked at every minute.
    world.pass(120_000);
    days(&mut world, 13 * DAY_MS);
    assert_eq!(bytes(&mail(&mut world, session)), [1, 2, 3], "in the order in which it came, for fourteen days");
    assert_eq!(world.view.count(TableId::Knocks), 1);
    days(&mut world, DAY_MS + 2 * HOUR_MS);
    assert_eq!(bytes(&mail(&mut world, session)), [0; 0]);
    for table in TABLES.into_iter().chain([TableId::Knocks, TableId::KnockTimes]) {
        assert_eq!(world.view.count(table), 0, "{table:?}");
    }
    assert!(world.registry.totals(&world.view).unwrap().bytes < idle);
    // And it goes on like that.
    leave(&mut world, 4);
    world.pass(120_000);
    days(&mut world, 13 * DAY_MS);
    assert_eq!(bytes(&mail(&mut world, session)), [4]);
    days(&mut world, 2 * DAY_MS);
    assert_eq!(bytes(&mail(&mut world, session)), [0; 0]);
}

#[test]
fn what_was_put_right_is_taken_out_whole_and_what_comes_meanwhile_stays() {
    let (mut world, _, session, _) = after_years_ahead();
    leave(&mut world, 2);
    let page = mail(&mut world, session);
    world.pass(HOUR_MS + 120_000);
    leave(&mut world, 3);
    let last = page.items.last().unwrap().number;
    world.done(session, ServerFrame::MailAck(MailAck { through: vec![(MAILBOX, last)] }));
    let rest = mail(&mut world, session);
    assert_eq!(bytes(&rest), [3], "it was not in the page");
    assert!(rest.items[0].number > last);
    world.pass(120_000);
    let through = vec![(MAILBOX, rest.items[0].number)];
    world.done(session, ServerFrame::MailAck(MailAck { through }));
    for table in TABLES {
        assert_eq!(world.view.count(table), 0, "{table:?}");
    }
}

#[test]
fn a_large_backlog_from_years_ahead_is_put_right_in_rounds() {
    let (mut world, _, _, _) = after_years_ahead();
    (0..700).for_each(|_| leave(&mut world, 9));
    world.pass(HOUR_MS + 120_000);
    days(&mut world, 15 * DAY_MS);
    assert_eq!(world.view.count(TableId::MailTimes), 0);
    assert_eq!(world.view.count(TableId::Mail), 0);
}

#[test]
fn an_account_that_was_here_while_the_clock_was_ahead_counts_as_here_when_it_is_here() {
    let (mut world, bob, session, _) = after_years_ahead();
    world.close(session);
    world.pass(HOUR_MS + 120_000);
    days(&mut world, u64::from(SILENT_DAYS + 2) * DAY_MS);
    assert_eq!(world.view.count(TableId::Accounts), 0, "{}", bob.name.as_str());
}

#[test]
fn a_clock_that_lost_its_time_makes_nothing_old() {
    let mut world = World::new();
    let true_ms = world.now_ms;
    let mut bob = Person::new("bob", 2);
    let session = world.join(&mut bob);
    world.done(session, ServerFrame::BoxPut(BoxPut { mailbox: MAILBOX, token: Some(token()) }));
    leave(&mut world, 1);
    let mut world = restarted_at(world, 1_000);
    leave(&mut world, 2);
    world.pass(2 * HOUR_MS);
    let mut world = restarted_at(world, true_ms + HOUR_MS);
    let session = world.open(bob.caller());
    world.pass(2 * HOUR_MS);
    assert_eq!(bytes(&mail(&mut world, session)), [1, 2]);
}
