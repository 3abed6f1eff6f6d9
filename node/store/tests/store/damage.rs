//! Bytes that were changed or are missing: an error that says so, never a panic, a wrong row or an empty database.

use std::{
    ops::ControlFlow,
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use hobnob_engine::{
    tables::TableId,
    view::{Order, View as _},
    work::Records,
};
use hobnob_store::{Incarnation, OpenError, Store, shaky::ShakyDisk};

use crate::{key, put};

const ROWS: u32 = 600;

fn row(number: u32) -> Vec<u8> {
    format!("row {number} ").repeat(1 + number as usize % 40).into_bytes()
}

fn fill(store: &mut Store, rows: std::ops::Range<u32>) {
    let mut records = Records::new();
    for number in rows {
        put(&mut records, TableId::Entries, &number.to_be_bytes(), &row(number));
        put(&mut records, TableId::Numbers, &number.to_be_bytes(), &row(number));
    }
    store.commit(&records).unwrap();
}

/// A database that was closed, as bytes.
fn whole() -> Vec<u8> {
    let disk = ShakyDisk::default();
    let mut store = Store::create_on(Arc::new(disk.clone()), &key()).unwrap();
    for part in 0..6 {
        fill(&mut store, part * ROWS / 6..(part + 1) * ROWS / 6);
    }
    drop(store);
    disk.bytes()
}

/// What a database has to say: all rows as they were, or that it is damaged.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole,
    RefusedToOpen,
    RefusedToRead,
}

fn examine(disk: &ShakyDisk, context: &str) -> Outcome {
    let mut store = match Store::open_on(Arc::new(disk.clone()), &key()) {
        Ok(store) => store,
        Err(OpenError::Damaged { .. }) => return Outcome::RefusedToOpen,
        Err(error) => panic!("{context}: {error:?}"),
    };
    let Ok(view) = store.view() else { return Outcome::RefusedToRead };
    for table in [TableId::Entries, TableId::Numbers] {
        let mut count = 0u32;
        let scan = view.scan(table, b"", None, Order::Ascending, &mut |key, value| {
            assert_eq!(key, count.to_be_bytes(), "{context}");
            assert_eq!(value, row(count), "{context}");
            count += 1;
            ControlFlow::Continue(())
        });
        if scan.is_err() {
            return Outcome::RefusedToRead;
        }
        assert_eq!(count, ROWS, "{context}: rows are gone");
    }
    Outcome::Whole
}

/// Runs `act` and counts the panics in it, those that the store contains included.
fn panics_in(act: impl FnOnce()) -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let (before, this) = (panic::take_hook(), thread::current().id());
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(usize::from(thread::current().id() == this), Ordering::Relaxed);
        before(info);
    }));
    act();
    PANICS.load(Ordering::Relaxed)
}

#[test]
fn a_thousand_flipped_bytes_are_noticed_or_harmless() {
    let bytes = whole();
    let mut outcomes = Vec::new();
    let panics = panics_in(|| {
        for seed in 0..1000u64 {
            let place = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as usize % bytes.len();
            let disk = ShakyDisk::holding(bytes.clone());
            disk.flip(place, 1 << (seed % 8));
            outcomes.push(examine(&disk, &format!("byte {place}, bit {}", seed % 8)));
        }
    });
    assert_eq!(panics, 0);
    let count = |outcome| outcomes.iter().filter(|found| **found == outcome).count();
    let (whole, opened) = (count(Outcome::Whole), 1000 - count(Outcome::RefusedToOpen));
    assert!(whole > 0 && whole < opened && opened < 1000, "{whole} whole, {opened} opened");
}

#[test]
fn a_thousand_bytes_flipped_together_are_damage() {
    let disk = ShakyDisk::holding(whole());
    for seed in 0..1000u64 {
        disk.flip((seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as usize % disk.bytes().len(), 0xFF);
    }
    let before = disk.bytes();
    assert_eq!(examine(&disk, "all at once"), Outcome::RefusedToOpen);
    assert!(before == disk.bytes(), "a database that does not open is left as it is");
}

#[test]
fn a_database_that_is_cut_off_says_so() {
    let bytes = whole();
    for part in 0..200 {
        let disk = ShakyDisk::holding(bytes[..bytes.len() * part / 200].to_vec());
        assert_eq!(examine(&disk, &format!("{part}/200 of it")), Outcome::RefusedToOpen);
    }
    let longer = ShakyDisk::holding([&bytes[..], &[0; 5000]].concat());
    assert_eq!(examine(&longer, "with something behind it"), Outcome::Whole);
}

#[test]
fn blocks_that_were_zeroed_or_moved_are_damage() {
    const FIRST: usize = 5 * 4096;
    const BLOCK: usize = 4144;
    let bytes = whole();
    let blocks = (bytes.len() - FIRST) / BLOCK;
    for block in 0..blocks {
        let (at, other) = (FIRST + block * BLOCK, FIRST + (block + 1) % blocks * BLOCK);
        let mut zeroed = bytes.clone();
        zeroed[at..at + BLOCK].fill(0);
        let mut moved = bytes.clone();
        moved.copy_within(other..other + BLOCK, at);
        let zeroed = examine(&ShakyDisk::holding(zeroed), "zeroed");
        assert_eq!(zeroed, examine(&ShakyDisk::holding(moved), "moved"), "block {block}");
    }
}

#[test]
fn each_copy_of_the_first_pages_can_be_lost_alone() {
    let bytes = whole();
    // Both copies of the preamble, and the four of block 0.
    for place in [0, 2048, 4096, 8192, 12288, 16384] {
        let disk = ShakyDisk::holding(bytes.clone());
        disk.flip(place + 60, 1);
        assert_eq!(examine(&disk, &format!("at {place}")), Outcome::Whole);
        assert_eq!(examine(&disk, &format!("at {place}, once more")), Outcome::Whole);
    }
    let disk = ShakyDisk::holding(bytes);
    disk.flip(60, 1);
    disk.flip(2048 + 60, 1);
    assert_eq!(examine(&disk, "both preambles"), Outcome::RefusedToOpen);
}

#[test]
fn what_is_not_damaged_can_still_be_read_and_the_check_tells() {
    let bytes = whole();
    let mut found = false;
    for place in (6 * 4096..bytes.len()).step_by(4144) {
        let disk = ShakyDisk::holding(bytes.clone());
        disk.flip(place, 1);
        let Ok(mut store) = Store::open_on(Arc::new(disk), &key()) else { continue };
        let readable = |store: &mut Store| {
            let read = |number: u32| store.view()?.get(TableId::Entries, &number.to_be_bytes());
            (0..ROWS).map(read).filter(|read| read.as_ref().is_ok_and(Option::is_some)).count()
        };
        let count = readable(&mut store);
        assert_eq!(count, readable(&mut store), "an error must not spoil what comes after it");
        if count < ROWS as usize {
            found |= count > 0;
            store.check().unwrap_err();
        }
    }
    assert!(found, "no flip left some rows readable and some not");
}

#[test]
fn a_block_of_yesterday_is_found_by_the_check() {
    let disk = ShakyDisk::default();
    let mut store = Store::create_on(Arc::new(disk.clone()), &key()).unwrap();
    for part in 0..6 {
        fill(&mut store, part * 100..(part + 1) * 100);
    }
    drop(store);
    let old = disk.bytes();
    let mut store = Store::open_on(Arc::new(disk.clone()), &key()).unwrap();
    for _ in 0..5 {
        fill(&mut store, 0..ROWS);
    }
    drop(store);
    let new = disk.bytes();
    let mut noticed = 0;
    for at in (5 * 4096..old.len().min(new.len()) - 4144).step_by(4144) {
        let mut mixed = new.clone();
        mixed[at..at + 4144].copy_from_slice(&old[at..at + 4144]);
        let disk = ShakyDisk::holding(mixed);
        let Ok(mut store) = Store::open_on(Arc::new(disk), &key()) else {
            noticed += 1;
            continue;
        };
        noticed += usize::from(store.check().is_err() || store.incarnation_hint() == Incarnation::Fresh);
    }
    assert!(noticed > 0, "no block was in use at both times");
}

#[test]
fn a_file_that_was_copied_while_it_was_written_is_one_state_or_damage() {
    let disk = ShakyDisk::default();
    let mut store = Store::create_on(Arc::new(disk.clone()), &key()).unwrap();
    let state = |number: u32| -> Records {
        let rows = (0..300u32).map(|row| {
            let value = format!("{number} ").repeat(20 + (row * number) as usize % 50).into_bytes();
            ((TableId::Entries, row.to_be_bytes().to_vec()), Some(value))
        });
        rows.collect()
    };
    let mut copies = Vec::new();
    for number in 0..25 {
        store.commit(&state(number)).unwrap();
        copies.push(disk.bytes());
    }
    let mut refused = 0;
    for (early, late) in [(3, 4), (3, 5), (3, 20), (20, 24)] {
        for part in 1..60 {
            // Copied from the front, as everything copies.
            let split = copies[early].len() * part / 60;
            let mixed = [&copies[early][..split], &copies[late][split..]].concat();
            let Ok(mut store) = Store::open_on(Arc::new(ShakyDisk::holding(mixed)), &key()) else {
                refused += 1;
                continue;
            };
            let mut found = Records::new();
            let view = store.view().unwrap();
            let scan = view.scan(TableId::Entries, b"", None, Order::Ascending, &mut |key, value| {
                found.insert((TableId::Entries, key.to_vec()), Some(value.to_vec()));
                ControlFlow::Continue(())
            });
            refused += usize::from(scan.is_err());
            let is_one = (early..=late).any(|number| found == state(number as u32));
            assert!(scan.is_err() || is_one, "{early} and {late} from {part}/60 on");
        }
    }
    assert!(refused > 0);
}
