//! What goes in comes out.

use std::{fs, ops::ControlFlow};

use hobnob_engine::{
    tables::TableId,
    view::{Order, View as _},
    work::Records,
};
use hobnob_store::{Incarnation, OpenError, Store, StoreKey};
use tempfile::tempdir;
use zeroize::Zeroizing;

use crate::{key, put, rows};

fn numbers(range: std::ops::Range<u32>) -> Records {
    let mut records = Records::new();
    for number in range {
        put(&mut records, TableId::Numbers, &number.to_be_bytes(), format!("message {number}").as_bytes());
    }
    records
}

#[test]
fn rows_survive_a_restart_in_their_tables() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    let mut records = Records::new();
    for id in TableId::ALL {
        put(&mut records, id, b"key", format!("{id:?}").as_bytes());
    }
    put(&mut records, TableId::Profile, b"", b"an empty key");
    put(&mut records, TableId::Profile, b"empty", b"");
    put(&mut records, TableId::Parked, b"large", &vec![9; 40_000]);
    store.commit(&records).unwrap();
    drop(store);

    let mut store = Store::open(dir.path(), &key()).unwrap();
    let view = store.view().unwrap();
    for id in TableId::ALL {
        assert_eq!(view.get(id, b"key").unwrap().unwrap(), format!("{id:?}").as_bytes());
        assert_eq!(view.get(id, b"no key").unwrap(), None);
    }
    assert_eq!(view.get(TableId::Profile, b"").unwrap().unwrap(), b"an empty key");
    assert_eq!(view.get(TableId::Profile, b"empty").unwrap().unwrap(), b"");
    assert_eq!(view.get(TableId::Parked, b"large").unwrap().unwrap(), vec![9; 40_000]);
}

#[test]
fn a_scan_keeps_its_bounds_and_its_order() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    store.commit(&numbers(0..1000)).unwrap();
    let view = store.view().unwrap();
    let keys = |from: u32, to: Option<u32>, order| -> Vec<u32> {
        let to = to.map(u32::to_be_bytes);
        let found = rows(&view, TableId::Numbers, &from.to_be_bytes(), to.as_ref().map(|to| &to[..]), order);
        found.into_iter().map(|(key, _)| u32::from_be_bytes(key.try_into().unwrap())).collect()
    };
    assert_eq!(keys(10, Some(13), Order::Ascending), [10, 11, 12]);
    assert_eq!(keys(10, Some(13), Order::Descending), [12, 11, 10]);
    assert_eq!(keys(997, None, Order::Ascending), [997, 998, 999]);
    assert_eq!(keys(998, None, Order::Descending), [999, 998]);
    assert_eq!(keys(0, None, Order::Ascending), (0..1000).collect::<Vec<_>>());
    assert!(keys(13, Some(10), Order::Ascending).is_empty());
    assert!(keys(10, Some(10), Order::Descending).is_empty());
    assert!(rows(&view, TableId::Friends, b"", None, Order::Ascending).is_empty());
}

#[test]
fn a_scan_ends_where_the_visitor_breaks() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    store.commit(&numbers(0..100)).unwrap();
    let mut seen = 0;
    let view = store.view().unwrap();
    view.scan(TableId::Numbers, &[], None, Order::Descending, &mut |_, _| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn a_snapshot_does_not_see_later_commits() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    store.commit(&numbers(0..2)).unwrap();
    let before = store.view().unwrap();
    let mut records = numbers(2..3);
    records.insert((TableId::Numbers, 0u32.to_be_bytes().to_vec()), None);
    records.insert((TableId::Numbers, 77u32.to_be_bytes().to_vec()), None);
    store.commit(&records).unwrap();
    let after = store.view().unwrap();
    assert_eq!(rows(&before, TableId::Numbers, b"", None, Order::Ascending).len(), 2);
    assert_eq!(before.get(TableId::Numbers, &2u32.to_be_bytes()).unwrap(), None);
    assert_eq!(after.get(TableId::Numbers, &0u32.to_be_bytes()).unwrap(), None);
    assert_eq!(rows(&after, TableId::Numbers, b"", None, Order::Ascending).len(), 2);
}

#[test]
fn no_records_cost_nothing() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    let before = fs::read(dir.path().join("history.db")).unwrap();
    store.commit(&Records::new()).unwrap();
    assert!(before == fs::read(dir.path().join("history.db")).unwrap());
}

#[test]
fn sizes_count_rows_and_bytes() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    store.commit(&numbers(0..17)).unwrap();
    let sizes = store.sizes().unwrap();
    assert_eq!(sizes.rows.len(), TableId::ALL.len());
    assert!(sizes.rows.contains(&(TableId::Numbers, 17)) && sizes.rows.contains(&(TableId::Friends, 0)));
    assert_eq!(sizes.file_bytes, fs::metadata(dir.path().join("history.db")).unwrap().len());
}

#[test]
fn a_whole_database_passes_its_check() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    store.commit(&numbers(0..5000)).unwrap();
    drop(store);
    let mut store = Store::open(dir.path(), &key()).unwrap();
    store.check().unwrap();
    assert_eq!(store.incarnation_hint(), Incarnation::Same);
    store.commit(&numbers(5000..5001)).unwrap();
    assert_eq!(rows(&store.view().unwrap(), TableId::Numbers, b"", None, Order::Ascending).len(), 5001);
}

#[test]
fn another_key_is_told_from_damage_and_absence() {
    let dir = tempdir().unwrap();
    assert!(matches!(Store::open(dir.path(), &key()), Err(OpenError::NotFound)));
    drop(Store::create(dir.path(), &key()).unwrap());
    let before = fs::read(dir.path().join("history.db")).unwrap();
    let other = StoreKey::new(Zeroizing::new([8; 32]));
    assert!(matches!(Store::open(dir.path(), &other), Err(OpenError::WrongKey)));
    assert!(matches!(Store::create(dir.path(), &other), Err(OpenError::Exists)));
    assert!(before == fs::read(dir.path().join("history.db")).unwrap());
    Store::open(dir.path(), &key()).unwrap();
}

#[test]
fn a_creation_that_was_interrupted_starts_over() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("history.db.new"), b"half of it").unwrap();
    assert!(matches!(Store::open(dir.path(), &key()), Err(OpenError::NotFound)));
    Store::create(dir.path(), &key()).unwrap().commit(&numbers(0..1)).unwrap();
    assert!(!dir.path().join("history.db.new").exists());
}

#[test]
fn only_a_new_or_restored_database_asks_for_new_logs() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("history.db");
    let mut store = Store::create(dir.path(), &key()).unwrap();
    assert_eq!(store.incarnation_hint(), Incarnation::Fresh);
    store.commit(&numbers(0..1)).unwrap();
    let backup = fs::read(&file).unwrap();
    store.commit(&numbers(1..2)).unwrap();
    drop(store);

    let store = Store::open(dir.path(), &key()).unwrap();
    assert_eq!(store.incarnation_hint(), Incarnation::Same);
    drop(store);
    // Copied while it was open, in the same session, one commit ago.
    fs::write(&file, backup).unwrap();
    let mut store = Store::open(dir.path(), &key()).unwrap();
    assert_eq!(store.incarnation_hint(), Incarnation::Fresh);
    assert_eq!(rows(&store.view().unwrap(), TableId::Numbers, b"", None, Order::Ascending).len(), 1);
    drop(store);
    // Nothing was written in the new logs yet, so they are still to be begun.
    let mut store = Store::open(dir.path(), &key()).unwrap();
    assert_eq!(store.incarnation_hint(), Incarnation::Fresh);
    store.commit(&numbers(9..10)).unwrap();
    drop(store);
    assert_eq!(Store::open(dir.path(), &key()).unwrap().incarnation_hint(), Incarnation::Same);
    // Moved without its mark.
    fs::remove_file(dir.path().join("history.mark")).unwrap();
    assert_eq!(Store::open(dir.path(), &key()).unwrap().incarnation_hint(), Incarnation::Fresh);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = tempdir().unwrap();
    let dir = outer.path().join("a").join("profile");
    let _lock = hobnob_store::ProfileLock::take(&dir).unwrap();
    drop(Store::create(&dir, &key()).unwrap());
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}
