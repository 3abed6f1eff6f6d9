//! A change of presence reaches a thousand friends; and what ten thousand users with a hundred friends each cost.
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

use std::time::{Duration, Instant};

use hobnob_shared::wire::rendezvous::{PresencePut, PresenceToken, PresenceWatch, SealedPresence, ServerFrame};

use crate::{
    cast::{Person, client::Client},
    common::{count, cpu, people, quantile, register, rosa, verdict},
};

/// Changes whose way is timed.
const CHANGES: u8 = 20;
/// Changes a second of 10,000 users with 6 changes an hour each.
const RATE: f64 = 10_000.0 * 6.0 / 3_600.0;
/// Friends of each user.
const FRIENDS: usize = 100;
/// How long the load is watched.
const WATCHED: Duration = Duration::from_secs(20);

fn put(topic: u32, value: u8) -> PresencePut {
    let mut token = [0; 32];
    token[..4].copy_from_slice(&topic.to_be_bytes());
    let sealed = SealedPresence::new(vec![value; 256]);
    PresencePut { token: PresenceToken::new(token), sealed, ttl_secs: 120 }
}

fn main() {
    let friends = count("HOBNOB_FRIENDS", 1_000);
    let dir = tempfile::tempdir().unwrap();
    let mut people = people(friends + 1);
    register(dir.path(), &mut people);
    let (served, address) = rosa(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut times, share) = runtime.block_on(async {
        let mut alice = Client::device(&address, &people[friends]).await;
        let mut watchers = connect(&address, &people[..friends]).await;
        let topics = vec![put(0, 0).topic()];
        for watcher in &mut watchers {
            watcher.done(ServerFrame::PresenceWatch(PresenceWatch { topics: topics.clone(), replace: true })).await;
        }
        let mut times = Vec::new();
        for value in 1..=CHANGES {
            let started = Instant::now();
            alice.send(ServerFrame::PresencePut(put(0, value))).await.unwrap();
            for watcher in &mut watchers {
                watcher.note(|frame| matches!(frame, ServerFrame::PresenceNote(_)).then_some(())).await;
            }
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        (times, load(&mut alice, watchers, served.child.id()).await)
    });
    let (median, worst) = (quantile(&mut times, 0.5), quantile(&mut times, 1.0));
    println!(
        "presence: a change reaches {friends} friends in {median:.1} ms, at worst {worst:.1} ms, with their own reading (goal: under 50 ms): {}",
        verdict(median < 50.0)
    );
    println!(
        "presence: {RATE:.1} changes a second to {FRIENDS} friends each use {share:.1} % of a core (goal: under 20 %): {}",
        verdict(share < 20.0)
    );
}

async fn connect(address: &hobnob_shared::rendezvous::Address, people: &[Person]) -> Vec<Client> {
    let mut clients = Vec::new();
    for person in people {
        clients.push(Client::device(address, person).await);
    }
    clients
}

/// As many changes as 10,000 users make, to a hundred friends each; the server's share of a core.
async fn load(alice: &mut Client, mut watchers: Vec<Client>, server: u32) -> f64 {
    let groups = watchers.len() / FRIENDS;
    for (number, watcher) in watchers.iter_mut().enumerate() {
        let topics = vec![put(1 + (number / FRIENDS) as u32, 0).topic()];
        watcher.done(ServerFrame::PresenceWatch(PresenceWatch { topics, replace: true })).await;
    }
    let readers: Vec<_> = watchers
        .into_iter()
        .map(|mut watcher| tokio::spawn(async move { while watcher.next_frame().await.is_ok() {} }))
        .collect();
    let (started, before) = (Instant::now(), cpu(server));
    let mut changes = 0_u32;
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / RATE));
    while started.elapsed() < WATCHED {
        tick.tick().await;
        changes += 1;
        alice.done(ServerFrame::PresencePut(put(1 + changes % groups as u32, changes as u8))).await;
    }
    let share = (cpu(server) - before).as_secs_f64() / started.elapsed().as_secs_f64() * 100.0;
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    share
}
