//! Disks for engines in a world: rows in memory, whole transactions, and copies to restore; or the store of a node.

use std::{collections::BTreeMap, ops::ControlFlow};

use hobnob_engine::{
    tables::TableId,
    view::{Fault, Order, View},
    work::Records,
};

use crate::sealed::Sealed;

/// What a node of a world keeps its rows on.
#[derive(Debug)]
pub enum Medium {
    /// Rows in memory, which nothing can take away.
    Rows(Disk),
    /// The encrypted store, on a disk that loses power.
    Sealed(Sealed),
}

impl Medium {
    /// What is stored now.
    pub fn view(&mut self) -> Box<dyn View + '_> {
        match self {
            Self::Rows(disk) => Box::new(&*disk),
            Self::Sealed(sealed) => Box::new(sealed.view()),
        }
    }

    /// Takes one transaction, whole; `false` when the power went meanwhile.
    pub fn commit(&mut self, records: Records) -> bool {
        match self {
            Self::Rows(disk) => disk.commit(records),
            Self::Sealed(sealed) => return sealed.commit(&records),
        }
        true
    }

    /// Ready for a node that starts. Answers whether it must begin new logs.
    pub fn open(&mut self) -> Result<bool, String> {
        match self {
            Self::Rows(disk) => Ok(disk.is_empty()),
            Self::Sealed(sealed) => {
                sealed.open().map_err(|error| error.to_string())?;
                Ok(sealed.is_fresh())
            }
        }
    }

    /// The power goes after so many more writes and syncs. Rows in memory have no power to lose.
    pub fn cut_after(&mut self, changes: u64) {
        if let Self::Sealed(sealed) = self {
            sealed.cut_after(changes);
        }
    }

    /// The node is gone, and so is what `seed` takes.
    pub fn lose_power(&mut self, seed: u64) {
        if let Self::Sealed(sealed) = self {
            sealed.lose_power(seed);
        }
    }

    /// The rows in memory.
    ///
    /// # Panics
    ///
    /// On a sealed one: nobody copies that.
    pub fn rows(&self) -> &Disk {
        match self {
            Self::Rows(disk) => disk,
            Self::Sealed(_) => panic!("rows of a sealed database"),
        }
    }
}

/// Committed rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    rows: BTreeMap<(TableId, Vec<u8>), Vec<u8>>,
}

impl Disk {
    /// Takes one transaction, whole.
    pub fn commit(&mut self, records: Records) {
        for (key, value) in records {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }

    /// All of it, as one transaction that would write it.
    pub fn records(&self) -> Records {
        self.rows.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was ever committed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl View for &Disk {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: TableId,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let rows = self
            .rows
            .range((table, from.to_vec())..)
            .take_while(|((t, key), _)| *t == table && to.is_none_or(|to| key.as_slice() < to));
        let mut show = |((_, key), value): (&(TableId, Vec<u8>), &Vec<u8>)| visit(key, value).is_break();
        match order {
            Order::Ascending => {
                let mut rows = rows;
                let _ = rows.any(&mut show);
            }
            Order::Descending => {
                // The range's end is not known as a key, so it is collected; worlds are small.
                let rows: Vec<_> = rows.collect();
                let _ = rows.into_iter().rev().any(show);
            }
        }
        Ok(())
    }
}
