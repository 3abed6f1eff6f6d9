//! What the files tell somebody who has them and not the key.

use std::{fs, path::Path};

use hobnob_engine::{tables::TableId, work::Records};
use hobnob_store::Store;
use tempfile::tempdir;

use crate::{key, put};

const TEXT: &str = "meet me at the old harbour at nine";
const NAME: &str = "Grandmother Rosalind";
const ID: [u8; 32] = *b"\x01\x93an account id of thirty-two b\xfe";

fn found_in(dir: &Path, needle: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn nothing_that_was_written_can_be_found_in_the_files() {
    let dir = tempdir().unwrap();
    let mut store = Store::create(dir.path(), &key()).unwrap();
    let mut records = Records::new();
    for number in 0..500u32 {
        let key = [&ID[..], &number.to_be_bytes()].concat();
        put(&mut records, TableId::Entries, &key, format!("{number} {TEXT}").as_bytes());
    }
    put(&mut records, TableId::Friends, &ID, NAME.as_bytes());
    put(&mut records, TableId::Settings, NAME.as_bytes(), &ID);
    put(&mut records, TableId::Parked, b"large", TEXT.repeat(1000).as_bytes());
    let hex: String = ID.iter().map(|byte| format!("{byte:02x}")).collect();
    let needles: [&[u8]; 8] =
        [TEXT.as_bytes(), b"harbour", NAME.as_bytes(), &ID, &ID[..8], hex.as_bytes(), b"redb", b"layouts"];
    let check = |when: &str| {
        for needle in needles {
            assert!(!found_in(dir.path(), needle), "{when}: {}", needle.escape_ascii());
        }
        assert!(!found_in(dir.path(), &[7; 32]), "{when}: the key");
    };
    store.commit(&records).unwrap();
    check("while it is open");
    for record in records.values_mut() {
        *record = None;
    }
    store.commit(&records).unwrap();
    check("after everything was removed");
    drop(store);
    check("after it was closed");
    // The search itself works: this is what stands in front, for `file` and for people.
    assert!(found_in(dir.path(), b"hobnob database"));
}

#[test]
fn the_same_rows_never_look_the_same() {
    let bytes = |dir: &Path| {
        let mut store = Store::create(dir, &key()).unwrap();
        let mut records = Records::new();
        put(&mut records, TableId::Entries, b"key", TEXT.as_bytes());
        store.commit(&records).unwrap();
        drop(store);
        fs::read(dir.join("history.db")).unwrap()
    };
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (one, other) = (bytes(one.path()), bytes(other.path()));
    let same = one.iter().zip(&other).skip(4096).filter(|(one, other)| one == other && **one != 0).count();
    // One in 256 by chance.
    assert!(same < one.len() / 200, "{same} of {}", one.len());
}
