//! Reading: the database as it was at one moment.

use std::cell::OnceCell;

use redb::{ReadOnlyTable, ReadTransaction};

use super::{
    error::{Trouble, guarded, of},
    schema,
};
use crate::registry::view::{Fault, TableId, View, Visit};

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The database as it was when [`super::Store::view`] was called.
pub struct Snapshot {
    transaction: ReadTransaction,
    /// Opened when first asked for, by the number of the table.
    tables: [OnceCell<Table>; TableId::ALL.len()],
}

impl Snapshot {
    pub(super) fn new(transaction: ReadTransaction) -> Self {
        Self { transaction, tables: Default::default() }
    }

    pub(super) fn transaction(&self) -> &ReadTransaction {
        &self.transaction
    }

    fn table(&self, id: TableId) -> Result<&Table, Trouble> {
        let unknown = || Trouble::Damaged("there is no such table".into());
        let cell = self.tables.get((id as usize).wrapping_sub(1)).ok_or_else(unknown)?;
        if let Some(table) = cell.get() {
            return Ok(table);
        }
        let table = self.transaction.open_table(schema::definition(id)).map_err(of)?;
        Ok(cell.get_or_init(|| table))
    }
}

impl View for Snapshot {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(guarded(|| Ok(self.table(table)?.get(key).map_err(of)?.map(|value| value.value().to_vec())))?)
    }

    fn scan(&self, table: TableId, from: &[u8], to: Option<&[u8]>, visit: Visit<'_>) -> Result<(), Fault> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        guarded(|| {
            let table = self.table(table)?;
            let rows = match to {
                Some(to) => table.range::<&[u8]>(from..to),
                None => table.range::<&[u8]>(from..),
            };
            for row in rows.map_err(of)? {
                let (key, value) = row.map_err(of)?;
                if visit(key.value(), value.value()).is_break() {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}
