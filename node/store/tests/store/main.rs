//! The store from outside: what it keeps, and what it survives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod crash;
mod damage;
mod format;
mod full;
mod kill;
mod privacy;
mod rows;

use std::ops::ControlFlow;

use hobnob_engine::{
    tables::TableId,
    view::{Order, View},
    work::Records,
};
use hobnob_store::StoreKey;
use zeroize::Zeroizing;

/// The key of every test that does not say otherwise.
fn key() -> StoreKey {
    StoreKey::new(Zeroizing::new([7; 32]))
}

fn put(records: &mut Records, table: TableId, key: &[u8], value: &[u8]) {
    records.insert((table, key.to_vec()), Some(value.to_vec()));
}

/// Every row of `table` with `from <= key < to`.
fn rows(view: &dyn View, table: TableId, from: &[u8], to: Option<&[u8]>, order: Order) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    view.scan(table, from, to, order, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}
