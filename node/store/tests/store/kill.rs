//! `kill -9` at any moment: this test runs itself in a second process, and kills that.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use hobnob_engine::{
    tables::TableId,
    view::{Order, View as _},
    work::Records,
};
use hobnob_store::{Incarnation, LockError, ProfileLock, Store};
use tempfile::tempdir;

use crate::{key, put, rows};

/// Tells the second process where to work. Without it, its test does nothing.
const DIR: &str = "HOBNOB_STORE_TEST_KILLED_IN";

fn commit(number: u32) -> Records {
    let mut records = Records::new();
    put(&mut records, TableId::Entries, &number.to_be_bytes(), &vec![number as u8; 100 + number as usize % 3000]);
    put(&mut records, TableId::Timeline, &number.to_be_bytes(), b"");
    put(&mut records, TableId::Heads, b"head", &number.to_be_bytes());
    records
}

/// How many commits there are; each must be whole.
fn count(store: &mut Store) -> u32 {
    let view = store.view().unwrap();
    let entries = rows(&view, TableId::Entries, b"", None, Order::Ascending);
    for (number, (key, value)) in (0u32..).zip(&entries) {
        assert_eq!(*key, number.to_be_bytes());
        assert_eq!(*value, vec![number as u8; 100 + number as usize % 3000]);
    }
    assert_eq!(rows(&view, TableId::Timeline, b"", None, Order::Ascending).len(), entries.len());
    let head = view.get(TableId::Heads, b"head").unwrap();
    let count = head.map_or(0, |head| u32::from_be_bytes(head.try_into().unwrap()) + 1);
    assert_eq!(count as usize, entries.len());
    count
}

/// The second process: commits until it is killed, and says each number when it is on the disk.
#[test]
fn the_one_that_is_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    let _lock = ProfileLock::take(Path::new(&dir)).unwrap();
    let mut store = Store::open(Path::new(&dir), &key()).unwrap();
    for number in count(&mut store).. {
        store.commit(&commit(number)).unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "stored {number}").unwrap();
        out.flush().unwrap();
    }
}

fn second_process(dir: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "kill::the_one_that_is_killed", "--nocapture"]).env(DIR, dir);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let dir = tempdir().unwrap();
    drop(Store::create(dir.path(), &key()).unwrap());
    let mut before = 0;
    for round in 0..12u32 {
        let mut child = second_process(dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers = lines.map_while(Result::ok).filter_map(|line| line.split("stored ").nth(1)?.parse::<u32>().ok());
        // Killed at some moment after so many; what was said until then must be there.
        let mut numbers = numbers.skip(round as usize * 3 % 20);
        let mut last = numbers.next().unwrap();
        assert!(matches!(ProfileLock::take(dir.path()), Err(LockError::InUse { pid }) if pid == Some(child.id())));
        child.kill().unwrap();
        last = numbers.last().unwrap_or(last);
        child.wait().unwrap();

        let _lock = ProfileLock::take(dir.path()).unwrap();
        let mut store = Store::open(dir.path(), &key()).unwrap();
        let found = count(&mut store);
        assert!(found > last && found <= last + 2 && found > before, "round {round}: {found} after {last}");
        assert_eq!(store.incarnation_hint(), Incarnation::Same, "round {round}");
        store.commit(&commit(found)).unwrap();
        before = found + 1;
    }
    let mut store = Store::open(dir.path(), &key()).unwrap();
    store.check().unwrap();
    assert_eq!(count(&mut store), before);
}

#[test]
fn a_profile_has_one_owner_at_a_time() {
    let dir = tempdir().unwrap();
    let lock = ProfileLock::take(dir.path()).unwrap();
    let refused = ProfileLock::take(dir.path()).unwrap_err();
    assert!(matches!(refused, LockError::InUse { pid: Some(pid) } if pid == std::process::id()));
    assert_eq!(
        refused.to_string(),
        format!("the profile is in use by another hobnob (process {})", std::process::id())
    );
    drop(lock);
    ProfileLock::take(dir.path()).unwrap();
}
