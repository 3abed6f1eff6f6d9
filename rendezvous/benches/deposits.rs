//! Deposits of ready-sealed mail, 64 in flight, each on the disk before it is acknowledged; against what bare redb
//! commits of that size. Then a full mailbox is fetched and acknowledged.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a benchmark prints, reads the clock, and stops when anything is wrong"
)]

#[path = "../tests/cast/mod.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "tests use the rest")]
mod cast;
mod common;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use hobnob_shared::{
    id::MailboxId,
    wire::rendezvous::{BoxPut, DepositToken, Envelope, MailAck, MailGet, MailPut, ServerFrame},
};
use redb::{Database, Durability, TableDefinition};

use crate::{
    cast::client::Client,
    common::{count, people, register, rosa, stay_on_core, verdict},
};

/// Deposits that are under way at once.
const IN_FLIGHT: usize = 64;
/// Accounts that the mailboxes belong to: one alone has not enough space for all of them.
const OWNERS: usize = 8;
/// Bytes of one envelope: a short text, padded, with an ML-KEM ciphertext and Noise's keys.
const ENVELOPE_BYTES: usize = 1_600;
/// As many as a mailbox takes.
const EACH: usize = 1_000;

const TABLE: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("mail");

fn main() {
    let each = count("HOBNOB_DEPOSITS", EACH).min(EACH);
    let dir = tempfile::tempdir().unwrap();
    let mut people = people(OWNERS);
    register(dir.path(), &mut people);
    let (_served, address) = rosa(dir.path());
    stay_on_core(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (rate, fetched) = runtime.block_on(async {
        let mut senders = Vec::new();
        for number in 0..IN_FLIGHT {
            let put = BoxPut { mailbox: mailbox(number), token: Some(DepositToken::new([2; 16])) };
            let mut owner = Client::device(&address, &people[number % OWNERS]).await;
            owner.done(ServerFrame::BoxPut(put)).await;
            senders.push(Client::guest(&address).await);
        }
        let started = Instant::now();
        let tasks: Vec<_> = senders
            .into_iter()
            .enumerate()
            .map(|(number, mut sender)| {
                tokio::spawn(async move {
                    for _ in 0..each {
                        let envelope = Envelope::new(vec![7; ENVELOPE_BYTES]).unwrap();
                        let (mailbox, token) = (mailbox(number), DepositToken::new([2; 16]));
                        sender.done(ServerFrame::MailPut(MailPut { mailbox, token, envelope })).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let rate = (IN_FLIGHT * each) as f64 / started.elapsed().as_secs_f64();
        let mut bob = Client::device(&address, &people[0]).await;
        (rate, fetch(&mut bob, each).await)
    });
    let bare = bare(dir.path());
    let goal = f64::min(3_000.0, 0.8 * bare);
    println!(
        "deposits: {rate:.0} a second, {IN_FLIGHT} in flight; bare redb {bare:.0}, ratio {:.2} (goal: 3,000 a second or 0.80): {}",
        rate / bare,
        verdict(rate >= goal)
    );
    println!(
        "deposits: {each} envelopes fetched and acknowledged in {:.0} ms (goal: under 1,000 ms): {}",
        fetched.as_secs_f64() * 1e3,
        verdict(fetched < Duration::from_secs(1))
    );
}

fn mailbox(number: usize) -> MailboxId {
    MailboxId::new([number as u8; 16])
}

/// Takes `wanted` envelopes out, a page at a time.
async fn fetch(bob: &mut Client, wanted: usize) -> Duration {
    let started = Instant::now();
    let mut fetched = 0;
    while fetched < wanted {
        let get = ServerFrame::MailGet(MailGet { after: 0, max: 256 });
        let ServerFrame::Mail(mail) = bob.ask(get).await else { panic!("no mail") };
        fetched += mail.items.len();
        let mut through = std::collections::BTreeMap::new();
        for item in &mail.items {
            through.insert(item.mailbox, item.number);
        }
        bob.done(ServerFrame::MailAck(MailAck { through: through.into_iter().collect() })).await;
    }
    started.elapsed()
}

/// What redb alone commits: 64 rows of that size in each transaction, durable like the server's.
fn bare(dir: &Path) -> f64 {
    let database = Database::create(dir.join("bare.db")).unwrap();
    let commits = 300;
    let started = Instant::now();
    let mut number = 0_u64;
    for _ in 0..commits {
        let mut transaction = database.begin_write().unwrap();
        transaction.set_durability(Durability::Immediate).unwrap();
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            for _ in 0..IN_FLIGHT {
                number += 1;
                let key = [number.to_be_bytes(), number.to_le_bytes()].concat();
                table.insert(key.as_slice(), [7; ENVELOPE_BYTES].as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    (commits * IN_FLIGHT) as f64 / started.elapsed().as_secs_f64()
}
