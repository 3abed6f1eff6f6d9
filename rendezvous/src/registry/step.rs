//! One request: what it reads and what it wants written. What a refused request wrote is dropped.

use std::{cell::RefCell, collections::BTreeMap, ops::ControlFlow};

use hobnob_shared::{codec, wire::ErrorCode};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    row::{Key, Table, after},
    view::{Fault, Records, View},
};

/// Why a request was not served. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What the other side is told.
    Code(ErrorCode),
    /// The store could not answer.
    Fault(Fault),
}

impl Refusal {
    /// What the other side is told.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Code(code) => *code,
            Self::Fault(_) => ErrorCode::Internal,
        }
    }

    /// The fault, if it was one.
    pub(crate) fn fault(self) -> Option<Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Code(_) => None,
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a part answers with.
pub(crate) type Served<T> = Result<T, Refusal>;

/// Key and value of one row.
type Row<T> = (<T as Table>::Key, <T as Table>::Value);

/// The same as it is stored.
type Bytes = (Vec<u8>, Vec<u8>);

/// One request. See the module.
pub(crate) struct Step<'a> {
    pub(crate) now_ms: u64,
    view: &'a dyn View,
    /// What earlier requests of the same commit wrote.
    batch: &'a mut Records,
    own: Records,
    /// What was passed over because it is damaged.
    passed: RefCell<Vec<Fault>>,
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

impl<'a> Step<'a> {
    pub(crate) fn new(now_ms: u64, view: &'a dyn View, batch: &'a mut Records) -> Self {
        Self { now_ms, view, batch, own: Records::new(), passed: RefCell::default() }
    }

    /// What this step wrote will be committed.
    pub(crate) fn keep(self) {
        self.batch.extend(self.own);
    }

    /// What is wrong with the rows that were passed over. It is to be told, whatever becomes of the request.
    pub(crate) fn passed(&self) -> Vec<Fault> {
        self.passed.take()
    }

    /// Passes over something damaged, so that the rest is served. What is not whole must never look as if it was not there.
    pub(crate) fn pass_over(&self, fault: Fault) {
        self.passed.borrow_mut().push(fault);
    }

    /// The row under `key`, with what this commit has written so far.
    pub(crate) fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Fault> {
        let full = (T::ID, key.to_bytes());
        match self.own.get(&full).or_else(|| self.batch.get(&full)) {
            Some(written) => written.as_deref().map(value).transpose(),
            None => self.view.get(T::ID, &full.1)?.as_deref().map(value).transpose(),
        }
    }

    pub(crate) fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.own.insert((T::ID, key.to_bytes()), Some(encode(value)));
    }

    pub(crate) fn remove<T: Table>(&mut self, key: &T::Key) {
        self.own.insert((T::ID, key.to_bytes()), None);
    }

    /// The first `limit` rows whose key starts with `prefix`.
    pub(crate) fn under<T: Table>(&self, prefix: &impl Key, limit: usize) -> Result<Vec<Row<T>>, Fault> {
        let from = prefix.to_bytes();
        let to = after(&from);
        self.between::<T>(&from, to.as_deref(), limit)
    }

    /// The first `limit` rows with `from <= key < to`.
    pub(crate) fn between<T: Table>(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row<T>>, Fault> {
        self.rows::<T>(from, to, limit)?.iter().map(parsed::<T>).collect()
    }

    /// The same without those that are damaged: they are passed over.
    pub(crate) fn whole_between<T: Table>(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row<T>>, Fault> {
        let rows = self.rows::<T>(from, to, limit)?;
        let whole = |row| parsed::<T>(row).map_err(|fault| self.pass_over(fault)).ok();
        Ok(rows.iter().filter_map(whole).collect())
    }

    /// Their keys, also of those whose values are damaged.
    pub(crate) fn keys<T: Table>(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<T::Key>, Fault> {
        self.rows::<T>(from, to, limit)?.iter().map(|(key, _)| T::Key::parse(key)).collect()
    }

    fn rows<T: Table>(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>, Fault> {
        let mut written = BTreeMap::new();
        for records in [&*self.batch, &self.own] {
            let rows = records.range((T::ID, from.to_vec())..);
            let inside = rows.take_while(|((id, key), _)| *id == T::ID && to.is_none_or(|to| key.as_slice() < to));
            written.extend(inside.map(|((_, key), value)| (key.as_slice(), value.as_deref())));
        }
        // So many rows of the view may turn out to be gone.
        let enough = limit.saturating_add(written.values().filter(|value| value.is_none()).count());
        let mut rows = BTreeMap::new();
        self.view.scan(T::ID, from, to, &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            if rows.len() < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for (key, value) in written {
            match value {
                Some(value) => rows.insert(key.to_vec(), value.to_vec()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }
}

fn parsed<T: Table>((key, bytes): &Bytes) -> Result<Row<T>, Fault> {
    Ok((T::Key::parse(key)?, value(bytes)?))
}

/// A value's bytes.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    codec::encode(value)
}

fn value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    codec::decode(bytes, bytes.len()).map_err(|error| Fault::Damaged(format!("a row does not decode: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{row::table, view::MemoryView};

    table!(Usage: (u32, u32) => u64);

    #[test]
    fn a_range_sees_what_was_written_and_not_what_was_removed() {
        let mut view = MemoryView::default();
        let mut records = Records::new();
        let mut step = Step::new(0, &view, &mut records);
        for number in 0..10 {
            step.put::<Usage>(&(1, number), &u64::from(number));
        }
        step.put::<Usage>(&(2, 0), &99);
        step.keep();
        view.apply(&records);
        let mut batch = Records::new();
        let mut step = Step::new(0, &view, &mut batch);
        step.remove::<Usage>(&(1, 0));
        step.remove::<Usage>(&(1, 1));
        step.put::<Usage>(&(1, 10), &10);
        step.keep();
        let mut step = Step::new(0, &view, &mut batch);
        step.remove::<Usage>(&(1, 2));
        let numbers = |rows: Vec<((u32, u32), u64)>| rows.into_iter().map(|row| row.1).collect::<Vec<_>>();
        assert_eq!(numbers(step.under::<Usage>(&1_u32, 3).unwrap()), [3, 4, 5]);
        assert_eq!(numbers(step.under::<Usage>(&1_u32, 100).unwrap()), [3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(step.get::<Usage>(&(1, 2)).unwrap(), None);
        drop(step);
        let step = Step::new(0, &view, &mut batch);
        assert_eq!(step.get::<Usage>(&(1, 2)).unwrap(), Some(2), "what a refused request wrote is dropped");
    }
}
