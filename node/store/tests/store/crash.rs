//! Power cuts: whatever of the unsynced writes survives, the last acknowledged commit is there, whole.

use std::sync::Arc;

use hobnob_engine::{
    tables::TableId,
    view::{Order, View as _},
    work::Records,
};
use hobnob_store::{Store, shaky::ShakyDisk};

use crate::{key, put, rows};

/// Commit number `n`: rows that grow, a row that is overwritten, rows that go again.
fn batch(n: u32) -> Records {
    let mut records = Records::new();
    for row in 0..=n % 7 {
        let key = (n * 10 + row).to_be_bytes();
        put(&mut records, TableId::Entries, &key, &vec![n as u8; 50 + (n as usize * 97) % 900]);
        put(&mut records, TableId::Timeline, &key, &key);
    }
    if n % 5 == 4 {
        put(&mut records, TableId::Parked, &n.to_be_bytes(), &vec![n as u8; 30_000]);
        records.insert((TableId::Parked, (n - 4).to_be_bytes().to_vec()), None);
        records.insert((TableId::Entries, ((n - 2) * 10).to_be_bytes().to_vec()), None);
    }
    put(&mut records, TableId::Heads, b"last", &n.to_be_bytes());
    records
}

/// The rows after commits `0..count`, applied one after the other.
fn model(count: u32) -> Records {
    let mut rows = Records::new();
    for n in 0..count {
        rows.extend(batch(n));
    }
    rows.retain(|_, value| value.is_some());
    rows
}

fn contents(store: &mut Store) -> Records {
    let view = store.view().unwrap();
    let mut found = Records::new();
    for id in TableId::ALL {
        let rows = rows(&view, id, b"", None, Order::Ascending);
        found.extend(rows.into_iter().map(|(key, value)| ((id, key), Some(value))));
    }
    found
}

/// How many commits a database holds. The rows must be exactly theirs.
fn commits_in(store: &mut Store, context: &str) -> u32 {
    let last = store.view().unwrap().get(TableId::Heads, b"last").unwrap();
    let count = last.map_or(0, |last| u32::from_be_bytes(last.try_into().unwrap()) + 1);
    assert!(contents(store) == model(count), "{context}: rows of another commit than {count}");
    count
}

/// Runs sessions of commits on `disk` until its power is gone; how many were acknowledged, counting from `start`.
fn run(disk: &ShakyDisk, start: u32, sessions: u32, per_session: u32) -> u32 {
    let mut acknowledged = start;
    for _ in 0..sessions {
        let Ok(mut store) = Store::open_on(Arc::new(disk.clone()), &key()) else { return acknowledged };
        for _ in 0..per_session {
            if store.commit(&batch(acknowledged)).is_err() {
                return acknowledged;
            }
            acknowledged += 1;
        }
    }
    acknowledged
}

fn fresh() -> ShakyDisk {
    let disk = ShakyDisk::default();
    drop(Store::create_on(Arc::new(disk.clone()), &key()).unwrap());
    disk
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_acknowledged() {
    let start = fresh();
    let whole = ShakyDisk::holding(start.bytes());
    assert_eq!(run(&whole, 0, 3, 6), 18);
    let total = whole.changes();
    assert!(total > 150, "{total} changes are too few to prove anything");
    for cut in 0..total {
        for seed in 0..6 {
            let context = format!("cut {cut} seed {seed}");
            let disk = ShakyDisk::holding(start.bytes());
            disk.cut_after(cut);
            let acknowledged = run(&disk, 0, 3, 6);
            let found = disk.after_power_cut(seed * 1000 + cut);
            let mut store =
                Store::open_on(Arc::new(found), &key()).unwrap_or_else(|error| panic!("{context}: {error}"));
            let count = commits_in(&mut store, &context);
            assert!(count == acknowledged || count == acknowledged + 1, "{context}: {count} of {acknowledged}");
        }
    }
}

#[test]
fn power_cuts_one_after_the_other_lose_nothing_acknowledged() {
    for seed in 0..200u64 {
        let mut disk = ShakyDisk::holding(fresh().bytes());
        let mut count = 0;
        for round in 0..8u64 {
            let context = format!("seed {seed} round {round}");
            let mut mix = seed.wrapping_mul(31).wrapping_add(round.wrapping_mul(17));
            mix ^= mix << 7;
            disk.cut_after(mix % 90);
            let acknowledged = run(&disk, count, 2, 5);
            disk = disk.after_power_cut(mix);
            let mut store =
                Store::open_on(Arc::new(disk.clone()), &key()).unwrap_or_else(|error| panic!("{context}: {error}"));
            count = commits_in(&mut store, &context);
            assert!(count == acknowledged || count == acknowledged + 1, "{context}: {count} of {acknowledged}");
            if round == 7 {
                store.check().unwrap_or_else(|error| panic!("{context}: {error}"));
                commits_in(&mut store, &context);
            }
        }
    }
}

#[test]
fn a_kill_and_then_a_power_cut_lose_nothing_acknowledged() {
    let start = fresh();
    for kill in 30..70 {
        for cut in 0..6 {
            let disk = ShakyDisk::holding(start.bytes());
            disk.cut_after(kill);
            let acknowledged = run(&disk, 0, 2, 5);
            // What was not synced then is not on the disk for certain when the next process begins.
            disk.restart();
            disk.cut_after(cut);
            drop(Store::open_on(Arc::new(disk.clone()), &key()));
            for seed in 0..5 {
                let context = format!("killed at {kill}, cut at {cut}, seed {seed}");
                let disk = disk.after_power_cut(seed + kill * 10 + cut * 1000);
                let mut store =
                    Store::open_on(Arc::new(disk), &key()).unwrap_or_else(|error| panic!("{context}: {error}"));
                let count = commits_in(&mut store, &context);
                assert!(count == acknowledged || count == acknowledged + 1, "{context}: {count} of {acknowledged}");
            }
        }
    }
}

#[test]
fn a_failed_sync_is_a_failed_commit_and_the_next_one_goes_on() {
    let disk = fresh();
    let mut store = Store::open_on(Arc::new(disk.clone()), &key()).unwrap();
    store.commit(&batch(0)).unwrap();
    for failures in 1..4 {
        disk.fail_syncs(failures);
        store.commit(&batch(1)).unwrap_err();
        // However often it fails: what was there can be read as soon as it can be opened again.
        while store.view().is_err() {}
        assert_eq!(commits_in(&mut store, "after a failed sync"), 1);
    }
    store.commit(&batch(1)).unwrap();
    assert_eq!(commits_in(&mut store, "after all"), 2);
    drop(store);
    let mut store = Store::open_on(Arc::new(disk), &key()).unwrap();
    assert_eq!(commits_in(&mut store, "opened again"), 2);
}
