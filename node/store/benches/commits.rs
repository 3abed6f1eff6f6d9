//! How fast the store commits, next to redb alone on the same disk.
//!
//! `cargo bench -p hobnob-store` takes some seconds; `cargo bench -p hobnob-store -- million` also fills a database with
//! 1,000,000 messages and says what opening and reading it costs.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

use std::{
    env, fs,
    ops::ControlFlow,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use hobnob_engine::{
    tables::TableId,
    view::{Order, View as _},
    work::Records,
};
use hobnob_store::{Store, StoreKey};
use redb::{Database, TableDefinition};
use tempfile::tempdir;
use zeroize::Zeroizing;

const MILLION: u64 = 1_000_000;
/// What a whole node may take with that many.
const GOAL_MIB: f64 = 60.0;
/// Tells a second process which database to open and describe.
const OPEN: &str = "HOBNOB_STORE_BENCH_OPEN";

/// What the engine writes for the messages `numbers`: three rows each, and what they move once.
fn messages(numbers: std::ops::Range<u64>) -> Records {
    let mut records = Records::new();
    for number in numbers.clone() {
        let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let log = [(number % 2) as u8; 24];
        let entry = [&[0, 0, 0, 1], &log[..], &number.to_be_bytes(), &hash, &hash].concat();
        let place = [&[0, 0, 0, 1], &number.to_be_bytes()[..], &[0; 8], &hash, &hash, &hash, &hash].concat();
        let value: Vec<u8> = (0..430).map(|byte| (byte as u8).wrapping_mul(31) ^ hash[byte % 8]).collect();
        records.insert((TableId::Numbers, number.to_be_bytes().to_vec()), Some(place.clone()));
        records.insert((TableId::Timeline, place), Some(entry.clone()));
        records.insert((TableId::Entries, entry), Some(value));
    }
    for (table, size) in [(TableId::Heads, 60), (TableId::Conversations, 120), (TableId::Profile, 40)] {
        records.insert((table, b"one row".to_vec()), Some(vec![numbers.end as u8; size]));
    }
    records
}

fn key() -> StoreKey {
    StoreKey::new(Zeroizing::new([7; 32]))
}

/// How redb alone is asked to commit.
#[derive(Clone, Copy)]
enum Plain {
    /// As it comes: one sync, checksums, and a walk through everything after a crash.
    OnePhase,
    /// With the promises that we need: two syncs.
    QuickRepair,
}

fn commit_plain(database: &Database, records: &Records, how: Plain) {
    let mut transaction = database.begin_write().unwrap();
    transaction.set_quick_repair(matches!(how, Plain::QuickRepair));
    for id in TableId::ALL {
        let name = (id as u8).to_string();
        let mut rows = records.range((id, Vec::new())..).take_while(|((table, _), _)| *table == id).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let mut table = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)).unwrap();
        for ((_, key), value) in rows {
            table.insert(key.as_slice(), value.as_deref().unwrap()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// Times `commits` commits of `size` messages each; the median of one, in microseconds.
fn median(commits: u64, size: u64, mut commit: impl FnMut(&Records)) -> f64 {
    let mut times: Vec<Duration> = (0..commits)
        .map(|number| {
            let records = messages(number * size..(number + 1) * size);
            let start = Instant::now();
            commit(&records);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn compare(commits: u64, size: u64) {
    let dir = tempdir().unwrap();
    let plain = |name: &str, how| {
        let database = Database::create(dir.path().join(name)).unwrap();
        median(commits, size, |records| commit_plain(&database, records, how))
    };
    let one_phase = plain("one", Plain::OnePhase);
    let quick = plain("quick", Plain::QuickRepair);
    let mut store = Store::create(&dir.path().join("ours"), &key()).unwrap();
    let ours = median(commits, size, |records| store.commit(records).unwrap());
    let rate = |micros: f64| size as f64 * 1e6 / micros;
    println!("{size:>4} messages a commit, {commits} commits:");
    for (name, micros) in [("redb, one phase", one_phase), ("redb, quick repair", quick), ("ours, sealed", ours)] {
        println!(
            "  {name:<20} {micros:>9.0} µs a commit  {:>9.0} messages/s  ×{:.2} of ours",
            rate(micros),
            micros / ours
        );
    }
}

/// Resident memory of this process now, in MiB, where the system says.
fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

fn time<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = act();
    println!("  {what:<52} {:>9.2} ms   {:>5.1} MiB", start.elapsed().as_secs_f64() * 1e3, resident_mib());
    result
}

/// The same, with a goal.
fn time_below<T>(limit_ms: f64, what: &str, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = time(what, act);
    let (millis, mib) = (start.elapsed().as_secs_f64() * 1e3, resident_mib());
    let verdict = if millis < limit_ms && mib < GOAL_MIB { "met" } else { "missed" };
    println!("    goal: under {limit_ms} ms and {GOAL_MIB} MiB: {verdict}");
    result
}

fn million() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    println!("1,000,000 messages:");
    time("filled, 2,000 a commit", || {
        for batch in 0..MILLION / 2000 {
            store.commit(&messages(batch * 2000..(batch + 1) * 2000)).unwrap();
        }
    });
    println!("  {:.0} MiB of file", fs::metadata(dir.path().join("history.db")).unwrap().len() as f64 / 1048576.0);
    let one = median(200, 1, |records| store.commit(records).unwrap());
    println!("  {one:.0} µs for a commit of one message");
    let many = median(40, 256, |records| store.commit(records).unwrap());
    println!("  {many:.0} µs for a commit of 256 messages");
    // As after a kill: it is never closed.
    std::mem::forget(store);
    for when in ["after a kill", "after an orderly end"] {
        println!("opened {when}, in a process of its own:");
        assert!(Command::new(env::current_exe().unwrap()).env(OPEN, dir.path()).status().unwrap().success());
    }
}

fn open_and_describe(dir: &Path) {
    let mut store = time_below(1000.0, "opened", || Store::open(dir, &key()).unwrap());
    let view = time("snapshot", || store.view().unwrap());
    let last = |view: &dyn hobnob_engine::view::View| {
        let mut places = Vec::new();
        view.scan(TableId::Timeline, &[0, 0, 0, 1], Some(&[0, 0, 0, 2]), Order::Descending, &mut |_, entry| {
            places.push(entry.to_vec());
            if places.len() < 50 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
        places.iter().map(|place| view.get(TableId::Entries, place).unwrap().unwrap().len()).sum::<usize>()
    };
    time_below(2.0, "last 50 messages, cold", || last(&view));
    time("last 50 messages, warm", || last(&view));
    time("1,000 keys that are not there", || {
        for number in 0..1000u64 {
            assert!(view.get(TableId::Numbers, &(number * 1000 + MILLION).to_be_bytes()).unwrap().is_none());
        }
    });
    time("1,000 messages here and there", || {
        for number in 0..1000u64 {
            view.get(TableId::Numbers, &(number * 997).to_be_bytes()).unwrap().unwrap();
        }
    });
    time("all 1,000,000 numbers", || {
        view.scan(TableId::Numbers, b"", None, Order::Ascending, &mut |_, _| ControlFlow::Continue(())).unwrap();
    });
    drop(view);
    time("10 batches of 256 messages", || {
        for batch in 0..10 {
            store.commit(&messages(2 * MILLION + batch * 256..2 * MILLION + (batch + 1) * 256)).unwrap();
        }
    });
    time("closed", || drop(store));
}

fn main() {
    if let Some(dir) = env::var_os(OPEN) {
        return open_and_describe(Path::new(&dir));
    }
    compare(300, 1);
    compare(60, 256);
    if env::args().any(|argument| argument == "million") {
        million();
    }
}
