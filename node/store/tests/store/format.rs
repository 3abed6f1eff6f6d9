//! Databases that other versions of the program wrote.

use std::{fs, sync::Arc};

use hobnob_engine::{
    tables::TableId,
    view::{Order, View as _},
    work::Records,
};
use hobnob_store::{Incarnation, OpenError, Store, shaky::ShakyDisk};
use tempfile::tempdir;

use crate::{key, put, rows};

/// Made by the program of that time (see `src/old_formats.rs`): 40 numbers, one friend.
const FORMAT_1: &[u8] = include_bytes!("../format-1.db");
/// The same, by the program of that time.
const FORMAT_2: &[u8] = include_bytes!("../format-2.db");
/// The same.
const FORMAT_3: &[u8] = include_bytes!("../format-3.db");

fn check_rows(store: &mut Store, format: u32) {
    let view = store.view().unwrap();
    let numbers = rows(&view, TableId::Numbers, b"", None, Order::Ascending);
    assert_eq!(numbers.len(), 40);
    for (number, (key, value)) in (0u32..).zip(&numbers) {
        assert_eq!((&key[..], &value[..]), (&number.to_be_bytes()[..], format!("number {number}").as_bytes()));
    }
    assert_eq!(view.get(TableId::Friends, b"bob").unwrap().unwrap(), format!("a friend of format {format}").as_bytes());
}

#[test]
fn a_database_of_an_older_format_becomes_current_and_keeps_its_rows() {
    for (format, bytes) in [(1, FORMAT_1), (2, FORMAT_2), (3, FORMAT_3)] {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("history.db"), bytes).unwrap();
        for opening in 0..2 {
            let mut store = Store::open(dir.path(), &key()).unwrap();
            assert_eq!(store.format().unwrap(), 4, "opening {opening}");
            check_rows(&mut store, format);
            store.check().unwrap();
        }
        let mut store = Store::open(dir.path(), &key()).unwrap();
        let mut records = Records::new();
        for table in TableId::ALL {
            put(&mut records, table, b"new", b"row");
        }
        store.commit(&records).unwrap();
        let view = store.view().unwrap();
        for table in TableId::ALL {
            assert_eq!(view.get(table, b"new").unwrap().unwrap(), b"row", "{table:?}");
        }
    }
}

#[test]
fn a_power_cut_during_the_migration_leaves_one_format_or_the_other() {
    for (format, bytes) in [(1, FORMAT_1), (2, FORMAT_2), (3, FORMAT_3)] {
        let whole = ShakyDisk::holding(bytes.to_vec());
        drop(Store::open_on(Arc::new(whole.clone()), &key()).unwrap());
        let total = whole.changes();
        for cut in 0..total {
            for seed in 0..4 {
                let disk = ShakyDisk::holding(bytes.to_vec());
                disk.cut_after(cut);
                let _ = Store::open_on(Arc::new(disk.clone()), &key());
                let mut store = Store::open_on(Arc::new(disk.after_power_cut(cut * 10 + seed)), &key()).unwrap();
                assert_eq!(store.format().unwrap(), 4, "cut {cut} seed {seed}");
                check_rows(&mut store, format);
            }
        }
    }
}

#[test]
fn a_migration_without_space_leaves_the_old_format() {
    let disk = ShakyDisk::holding(FORMAT_1.to_vec());
    disk.leave_space(Some(0));
    assert!(matches!(Store::open_on(Arc::new(disk.clone()), &key()), Err(OpenError::Full)));
    disk.leave_space(None);
    let mut store = Store::open_on(Arc::new(disk), &key()).unwrap();
    check_rows(&mut store, 1);
    assert_eq!(store.incarnation_hint(), Incarnation::Same);
}

#[test]
fn a_sealed_file_of_a_later_version_says_so() {
    let mut bytes = FORMAT_1.to_vec();
    for place in [0, 2048] {
        // Version, then the hash over what stands before it.
        bytes[place + 16] = 9;
        let hash = blake3::hash(&bytes[place..place + 96]);
        bytes[place + 96..place + 128].copy_from_slice(hash.as_bytes());
    }
    let result = Store::open_on(Arc::new(ShakyDisk::holding(bytes)), &key());
    assert!(matches!(result, Err(OpenError::Newer { found: 9, known: 1 })), "{result:?}");
}
