//! A look-up of a name among a million that are registered, and what memory it takes beside an idle server.
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

use std::{path::Path, process::Command, time::Instant};

use hobnob_rendezvous::{
    keys::open_or_begin,
    registry::{
        Caller, Input, Registry, SessionId, Source, Work,
        view::{Records, TableId, View as _},
    },
    store::Store,
};
use hobnob_shared::{
    text::Username,
    wire::rendezvous::{NameGet, ServerFrame},
};
use rand_core::Rng as _;

use crate::{
    cast::rng,
    common::{count, now_ms, people, quantile, register, resident_kib, roomy, verdict},
};

/// Look-ups that are timed.
const LOOKUPS: usize = 50_000;
/// Names that one commit adds while the database is filled.
const PART: usize = 5_000;

fn main() {
    let names = count("HOBNOB_NAMES", 1_000_000);
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "measure") {
        return measure(Path::new(&words[at + 1]), words[at + 2].parse().unwrap());
    }
    let (full, small) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    register(small.path(), &mut people(1));
    register(full.path(), &mut people(1));
    fill(full.path(), names);
    let (_, idle_kib, _) = run(small.path(), 1);
    let (median_us, full_kib, p99_us) = run(full.path(), names);
    let beyond = (full_kib - idle_kib) / 1024.0;
    let is_fast = median_us < 1_000.0 && p99_us < 1_000.0;
    println!(
        "names: look-up among {names}: median {median_us:.0} µs, 99 % {p99_us:.0} µs (goal: under 1,000 µs): {}",
        verdict(is_fast)
    );
    println!(
        "names: memory beyond an idle server: {beyond:.1} MiB (goal: at most 50 MiB): {}",
        verdict(beyond <= 50.0)
    );
}

/// Measures in a process of its own: median, resident KiB, 99 %.
fn run(dir: &Path, names: usize) -> (f64, f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["measure", dir.to_str().unwrap(), &names.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1], numbers[2])
}

fn measure(dir: &Path, names: usize) {
    let (mut store, keys) = open_or_begin(&dir.join("data")).unwrap();
    let mut registry = Registry::new(keys.device, keys.opaque, roomy(), 1, [1; 32]);
    let (mut random, now_ms, session) = (rng(3), now_ms(), SessionId(1));
    let source = Source::of("192.0.2.1".parse().unwrap());
    let mut work = Work::default();
    let opened = Input::Opened { session, caller: Caller::Guest, source, binding: [0; 32] };
    registry.handle(opened, now_ms, &store.view().unwrap(), &mut work);
    let mut times = Vec::with_capacity(LOOKUPS);
    for _ in 0..LOOKUPS {
        let name = Username::parse(format!("person_{}", random.next_u32() as usize % names)).unwrap();
        let started = Instant::now();
        let frame = ServerFrame::NameGet(NameGet { name, since: None });
        let view = store.view().unwrap();
        registry.handle(Input::Frame { session, id: 1, frame }, now_ms, &view, &mut work);
        let answer = work.answers.pop().unwrap().frame;
        times.push(started.elapsed().as_secs_f64() * 1e6);
        assert!(matches!(answer, ServerFrame::Name(_)), "{answer:?}");
    }
    let resident = resident_kib(std::process::id());
    println!("{} {resident} {}", quantile(&mut times, 0.5), quantile(&mut times, 0.99));
}

/// Copies the rows of the one who is registered under a million names and accounts.
fn fill(dir: &Path, names: usize) {
    let mut store = Store::open(&dir.join("data")).unwrap();
    let view = store.view().unwrap();
    let mut rows = Vec::new();
    for table in [TableId::Names, TableId::Accounts, TableId::Bindings, TableId::Vaults, TableId::Usage] {
        view.scan(table, &[], None, &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    }
    drop(view);
    let account = people(1)[0].account.id();
    let mut random = rng(5);
    for part in (1..names).collect::<Vec<_>>().chunks(PART) {
        let mut records = Records::new();
        for number in part {
            let mut other = [0; 32];
            random.fill_bytes(&mut other);
            let name = format!("person_{number}");
            for (table, key, value) in &rows {
                let key = if *key == b"person_0" { name.clone().into_bytes() } else { other.to_vec() };
                records.insert((*table, key), Some(replaced(value, account.as_bytes(), &other)));
            }
        }
        store.commit(&records).unwrap();
    }
}

fn replaced(bytes: &[u8], from: &[u8; 32], to: &[u8; 32]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at + 32 <= bytes.len() {
        if bytes[at..at + 32] == *from {
            bytes[at..at + 32].copy_from_slice(to);
        }
        at += 1;
    }
    bytes
}
