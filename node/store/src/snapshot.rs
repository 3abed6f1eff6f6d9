//! Reading: the database as it was at one moment.

use std::{
    cell::OnceCell,
    ops::{Bound, ControlFlow},
};

use hobnob_engine::{
    tables::TableId,
    view::{Fault, Order, View},
};
use redb::{ReadOnlyTable, ReadTransaction, TableError};

use crate::{error::of, guard::guarded, schema};

type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;
type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The database as it was when [`crate::Store::view`] was called. Later commits do not show in it.
///
/// Taking one costs about a microsecond. Pages that later commits free stay in the file while one lives, so take one per
/// batch and drop it before the commit.
pub struct Snapshot {
    transaction: ReadTransaction,
    /// Opened when first asked for, in the order of [`TableId::ALL`]; `None` inside is a table without rows.
    tables: [OnceCell<Option<Table>>; TableId::ALL.len()],
}

impl Snapshot {
    pub(crate) fn new(transaction: ReadTransaction) -> Self {
        Self { transaction, tables: Default::default() }
    }

    fn table(&self, id: TableId) -> Result<Option<&Table>, Fault> {
        let Some(cell) = self.tables.get(schema::index(id)) else { return Ok(None) };
        if let Some(table) = cell.get() {
            return Ok(table.as_ref());
        }
        let opened = match self.transaction.open_table(schema::definition(id)) {
            Ok(table) => Some(table),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(of(error).into()),
        };
        Ok(cell.get_or_init(|| opened).as_ref())
    }

    fn read(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        let value = table.get(key).map_err(fault)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn walk(
        &self,
        table: TableId,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        let Some(table) = self.table(table)? else { return Ok(()) };
        let mut rows = table.range::<&[u8]>(bounds).map_err(fault)?;
        loop {
            let row = match order {
                Order::Ascending => rows.next(),
                Order::Descending => rows.next_back(),
            };
            let Some(row) = row else { return Ok(()) };
            let (key, value) = row.map_err(fault)?;
            if visit(key.value(), value.value()).is_break() {
                return Ok(());
            }
        }
    }
}

impl View for Snapshot {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        guarded(|| self.read(table, key)).unwrap_or_else(|what| Err(Fault(what)))
    }

    fn scan(
        &self,
        table: TableId,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let bounds = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        guarded(|| self.walk(table, bounds, order, visit)).unwrap_or_else(|what| Err(Fault(what)))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

fn fault(error: redb::StorageError) -> Fault {
    of(error).into()
}
