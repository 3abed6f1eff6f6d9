//! Reading what is stored, through whatever stores it, with this batch's uncommitted records on top.

use std::ops::ControlFlow;

use crate::tables::TableId;

/// The store could not answer: a read failed, or a row does not decode. Nothing that depends on it may be done.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be read: {0}")]
pub struct Fault(pub String);

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// Read-only look-up of what is stored. Keys are ordered as byte strings.
pub trait View {
    /// The value under `key`, if there is one.
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// Shows `visit` each row with `from <= key < to` in `order` until it breaks. `to: None` means to the end.
    fn scan(
        &self,
        table: TableId,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault>;
}
