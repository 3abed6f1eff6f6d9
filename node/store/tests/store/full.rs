//! A disk without space: nothing is lost, everything can be read, and it goes on when there is space again.

use std::{path::Path, process::Command, sync::Arc};

use hobnob_engine::{
    tables::TableId,
    view::{Order, View as _},
    work::Records,
};
use hobnob_store::{CommitError, Store, shaky::ShakyDisk};
use tempfile::tempdir;

use crate::{key, put, rows};

/// One message of 1 KiB.
fn message(number: u32) -> Records {
    let mut records = Records::new();
    put(&mut records, TableId::Entries, &number.to_be_bytes(), &[number as u8; 1024]);
    records
}

/// Many of them.
fn batch(numbers: std::ops::Range<u32>) -> Records {
    numbers.flat_map(message).collect()
}

fn count(store: &mut Store) -> u32 {
    u32::try_from(rows(&store.view().unwrap(), TableId::Entries, b"", None, Order::Ascending).len()).unwrap()
}

#[test]
fn a_full_disk_refuses_the_commit_and_keeps_the_rest() {
    for space in 0..60 {
        let disk = ShakyDisk::default();
        let mut store = Store::create_on(Arc::new(disk.clone()), &key()).unwrap();
        store.commit(&batch(0..20)).unwrap();
        disk.leave_space(Some(space));
        let result = store.commit(&batch(20..220));
        assert!(matches!(result, Err(CommitError::Full)), "space {space}: {result:?}");
        assert_eq!(count(&mut store), 20, "space {space}");
        assert_eq!(store.view().unwrap().get(TableId::Entries, &7u32.to_be_bytes()).unwrap().unwrap(), [7; 1024]);
        let mut kept = 20;
        while store.commit(&message(kept)).is_ok() {
            kept += 1;
        }
        assert_eq!(count(&mut store), kept, "space {space}");
        disk.leave_space(None);
        store.commit(&batch(kept..300)).unwrap();
        assert_eq!(count(&mut store), 300);
        drop(store);
        let mut store = Store::open_on(Arc::new(disk), &key()).unwrap();
        store.check().unwrap();
        assert_eq!(count(&mut store), 300);
    }
}

#[test]
fn a_database_on_a_full_disk_can_be_opened_and_read() {
    let disk = ShakyDisk::default();
    let mut store = Store::create_on(Arc::new(disk.clone()), &key()).unwrap();
    store.commit(&batch(0..50)).unwrap();
    // As after a kill: no orderly end.
    std::mem::forget(store);
    disk.leave_space(Some(0));
    let mut store = Store::open_on(Arc::new(disk), &key()).unwrap();
    assert_eq!(count(&mut store), 50);
}

/// A small file system of its own, gone when dropped.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(dir: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).output();
    }
}

#[test]
fn a_full_file_system_refuses_the_commit_and_recovers() {
    let outer = tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(outer.path(), "2m") else {
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    };
    let dir = outer.path().join("profile");
    let mut store = Store::create(&dir, &key()).unwrap();
    let ballast = outer.path().join("ballast");
    std::fs::write(&ballast, vec![1; 700 * 1024]).unwrap();
    let mut kept = 0;
    let error = loop {
        match store.commit(&message(kept)) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CommitError::Full), "{error:?}");
    assert!(kept > 100, "{kept}");
    assert_eq!(count(&mut store), kept);
    drop(store);
    let mut store = Store::open(&dir, &key()).unwrap();
    assert_eq!(count(&mut store), kept);
    std::fs::remove_file(ballast).unwrap();
    store.commit(&batch(kept..kept + 100)).unwrap();
    drop(store);
    let mut store = Store::open(&dir, &key()).unwrap();
    store.check().unwrap();
    assert_eq!(count(&mut store), kept + 100);
}
