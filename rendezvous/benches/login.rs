//! How long the server takes for a name that is there, one that is not, and a wrong password: nobody may tell them
//! apart by time.
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

use std::time::Instant;

use hobnob_rendezvous::{
    keys::open_or_begin,
    registry::{Caller, Input, Registry, SessionId, Source, Work},
    store::Store,
};
use hobnob_shared::{
    opaque::message::CredentialFinalization,
    wire::rendezvous::{LoginFinish, ServerFrame},
};

use crate::{
    cast::Person,
    common::{now_ms, people, quantile, register, roomy, verdict},
};

/// Log-ins of each kind.
const ROUNDS: usize = 3_000;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let mut people = people(1_000);
    register(dir.path(), &mut people);
    let (mut store, keys) = open_or_begin(&dir.path().join("data")).unwrap();
    let mut registry = Registry::new(keys.device, keys.opaque, roomy(), 1, [1; 32]);
    let mut nobody: Vec<Person> = (0..1_000).map(|n| Person::new(&format!("nobody_{n}"), 90_000 + n)).collect();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Taken in turns, so that whatever else the machine does falls on both.
        known.push(log_in(&mut registry, &mut store, &mut people[round % 1_000], 2 * round));
        unknown.push(log_in(&mut registry, &mut store, &mut nobody[round % 1_000], 2 * round + 1));
    }
    let (known, unknown) = (quantile(&mut known, 0.5), quantile(&mut unknown, 0.5));
    let ratio = known.max(unknown) / known.min(unknown);
    println!(
        "login: server's work for a name that is there {known:.0} µs, for one that is not {unknown:.0} µs, ratio {ratio:.3} (goal: at most 1.05): {}",
        verdict(ratio <= 1.05)
    );
}

/// A log-in with a wrong password; how long the server worked, in µs.
fn log_in(registry: &mut Registry, store: &mut Store, person: &mut Person, number: usize) -> f64 {
    let (session, now_ms) = (SessionId(number as u64), now_ms());
    let source = Source::of(std::net::IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number as u32)));
    let view = store.view().unwrap();
    let mut work = Work::default();
    let opened = Input::Opened { session, caller: Caller::Guest, source, binding: [0; 32] };
    registry.handle(opened, now_ms, &view, &mut work);
    let (_, start) = person.begin_login("wrong");
    let finish = LoginFinish { finalization: CredentialFinalization::new([7; 64]) };
    let started = Instant::now();
    for frame in [ServerFrame::LoginStart(start), ServerFrame::LoginFinish(finish)] {
        registry.handle(Input::Frame { session, id: 1, frame }, now_ms, &view, &mut work);
    }
    let took = started.elapsed().as_secs_f64() * 1e6;
    assert!(matches!(work.answers[0].frame, ServerFrame::LoginGo(_)), "{:?}", work.answers[0]);
    registry.handle(Input::Closed(session), now_ms, &view, &mut work);
    took
}
