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

fn check_rows(store: &mut Store) {
    let view = store.view().unwrap();
    let numbers = rows(&view, TableId::Numbers, b"", None, Order::Ascending);
    assert_eq!(numbers.len(), 40);
    for (number, (key, value)) in (0u32..).zip(&numbers) {
        assert_eq!((&key[..], &value[..]), (&number.to_be_bytes()[..], format!("number {number}").as_bytes()));
    }
    assert_eq!(view.get(TableId::Friends, b"bob").unwrap().unwrap(), b"a friend of format 1");
}

#[test]
fn a_database_of_format_1_becomes_current_and_keeps_its_rows() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("history.db"), FORMAT_1).unwrap();
    for opening in 0..2 {
        let mut store = Store::open(dir.path(), &key()).unwrap();
        assert_eq!(store.format().unwrap(), 2, "opening {opening}");
        check_rows(&mut store);
        store.check().unwrap();
    }
    let mut store = Store::open(dir.path(), &key()).unwrap();
    let mut records = Records::new();
    put(&mut records, TableId::Requests, b"new", b"row");
    store.commit(&records).unwrap();
    check_rows(&mut store);
}

#[test]
fn a_power_cut_during_the_migration_leaves_one_format_or_the_other() {
    let whole = ShakyDisk::holding(FORMAT_1.to_vec());
    drop(Store::open_on(Arc::new(whole.clone()), &key()).unwrap());
    let total = whole.changes();
    for cut in 0..total {
        for seed in 0..4 {
            let disk = ShakyDisk::holding(FORMAT_1.to_vec());
            disk.cut_after(cut);
            let _ = Store::open_on(Arc::new(disk.clone()), &key());
            let mut store = Store::open_on(Arc::new(disk.after_power_cut(cut * 10 + seed)), &key()).unwrap();
            assert_eq!(store.format().unwrap(), 2, "cut {cut} seed {seed}");
            check_rows(&mut store);
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
    check_rows(&mut store);
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
