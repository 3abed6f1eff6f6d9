//! How the databases of older formats in `tests/` were made.

use std::sync::Arc;

use hobnob_engine::{tables::TableId, work::Records};
use zeroize::Zeroizing;

use crate::{
    OpenError, Store, StoreKey,
    pages::Pages,
    schema,
    shaky::ShakyDisk,
    store::{Open, put},
};

fn key() -> StoreKey {
    StoreKey::new(Zeroizing::new([7; 32]))
}

type Create = fn(&redb::WriteTransaction) -> Result<(), crate::error::Trouble>;

fn write(create: Create, name: &str, words: &str) {
    let disk = ShakyDisk::default();
    let open = Open::new(Pages::create(Arc::new(disk.clone()), &key()).unwrap()).unwrap();
    open.write(create).unwrap();
    let mut records = Records::new();
    for number in 0..40u32 {
        records
            .insert((TableId::Numbers, number.to_be_bytes().to_vec()), Some(format!("number {number}").into_bytes()));
    }
    records.insert((TableId::Friends, b"bob".to_vec()), Some(words.as_bytes().to_vec()));
    open.write(|transaction| put(transaction, &records)).unwrap();
    drop(open);
    std::fs::write(format!("{}/tests/{name}", env!("CARGO_MANIFEST_DIR")), disk.bytes()).unwrap();
}

#[test]
#[ignore = "wrote tests/format-1.db, once; kept to show how"]
fn write_format_1() {
    write(schema::create_format_1, "format-1.db", "a friend of format 1");
}

#[test]
#[ignore = "wrote tests/format-2.db, once; kept to show how"]
fn write_format_2() {
    write(schema::create_format_2, "format-2.db", "a friend of format 2");
}

#[test]
#[ignore = "wrote tests/format-3.db, once; kept to show how"]
fn write_format_3() {
    write(schema::create_format_3, "format-3.db", "a friend of format 3");
}

#[test]
fn a_database_of_a_later_format_says_so() {
    let disk = ShakyDisk::default();
    let open = Open::new(Pages::create(Arc::new(disk.clone()), &key()).unwrap()).unwrap();
    open.write(|transaction| schema::create_format(transaction, schema::CURRENT + 1)).unwrap();
    drop(open);
    let result = Store::open_on(Arc::new(disk), &key());
    let (found, known) = (schema::CURRENT + 1, schema::CURRENT);
    assert!(matches!(result, Err(OpenError::Newer { found: f, known: k }) if (f, k) == (found, known)), "{result:?}");
}
