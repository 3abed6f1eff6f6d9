//! Reading what is stored, through whatever stores it, with this batch's uncommitted records on top.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
};

use crate::{tables::TableId, work::Records};

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

/// Is shown rows, key and value, until it breaks.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Read-only look-up of what is stored. Keys are ordered as byte strings.
pub trait View {
    /// The value under `key`, if there is one.
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// Shows `visit` each row with `from <= key < to` in `order` until it breaks. `to: None` means to the end.
    fn scan(&self, table: TableId, from: &[u8], to: Option<&[u8]>, order: Order, visit: Visit<'_>)
    -> Result<(), Fault>;
}

/// Rows in memory: what worlds and tests store in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryView {
    tables: BTreeMap<TableId, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryView {
    /// Commits one transaction.
    pub fn apply(&mut self, records: &Records) {
        for ((table, key), value) in records {
            let rows = self.tables.entry(*table).or_default();
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
    }
}

impl MemoryView {
    /// How many rows a table has.
    pub fn count(&self, table: TableId) -> usize {
        self.tables.get(&table).map_or(0, BTreeMap::len)
    }
}

impl View for MemoryView {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(
        &self,
        table: TableId,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        let Some(rows) = self.tables.get(&table).filter(|_| to.is_none_or(|to| from < to)) else { return Ok(()) };
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut inside = rows.range::<[u8], _>((Bound::Included(from), end));
        while let Some((key, value)) = match order {
            Order::Ascending => inside.next(),
            Order::Descending => inside.next_back(),
        } {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
