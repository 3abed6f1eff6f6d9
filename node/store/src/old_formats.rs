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

#[test]
#[ignore = "wrote tests/format-1.db, once; kept to show how"]
fn write_format_1() {
    let disk = ShakyDisk::default();
    let open = Open::new(Pages::create(Arc::new(disk.clone()), &key()).unwrap()).unwrap();
    open.write(schema::create_format_1).unwrap();
    let mut records = Records::new();
    for number in 0..40u32 {
        records
            .insert((TableId::Numbers, number.to_be_bytes().to_vec()), Some(format!("number {number}").into_bytes()));
    }
    records.insert((TableId::Friends, b"bob".to_vec()), Some(b"a friend of format 1".to_vec()));
    open.write(|transaction| put(transaction, &records)).unwrap();
    drop(open);
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format-1.db"), disk.bytes()).unwrap();
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
