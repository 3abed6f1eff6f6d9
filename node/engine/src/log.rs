//! Logs: one per device and incarnation in each conversation. What is known of each, and where an entry is.
//!
//! `write.rs` continues our own, `ingest.rs` takes those of others. The one rule: an entry is in a log only when its
//! whole past is, so that a head says everything.

pub(crate) mod ingest;
pub(crate) mod parked;
pub(crate) mod row;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use hobnob_shared::{
    id::{DeviceId, EntryId, LogId, ShortHash},
    identity::{VerifyingKey, verifying_key},
    wire::{FrontierItem, entry_id},
};

use crate::{
    log::row::{Branch, EntryRow, EntryTable, LogRow, Place, Quota},
    step::Step,
    view::Fault,
};

/// One log in memory: its row, and whether the row must be written.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) row: LogRow,
    pub(crate) dirty: bool,
    /// Its author's key, parsed once.
    pub(crate) key: VerifyingKey,
}

/// An entry that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) branch: u8,
    pub(crate) lamport: u64,
    pub(crate) id: EntryId,
}

impl Log {
    /// A log without entries. `None` when the device's key is no key.
    pub(crate) fn new(id: LogId, device: DeviceId, mine: bool) -> Option<Self> {
        let row = LogRow {
            id,
            device,
            mine,
            branches: Vec::new(),
            frozen: false,
            read: 0,
            shared_read: 0,
            quota: Quota::default(),
            withheld: Vec::new(),
            withdrawn: Vec::new(),
        };
        Self::load(row)
    }

    pub(crate) fn load(row: LogRow) -> Option<Self> {
        let key = verifying_key(row.device.as_bytes()).ok()?;
        Some(Self { row, dirty: false, key })
    }

    /// The row, to be changed and written at the end of the batch.
    pub(crate) fn change(&mut self) -> &mut LogRow {
        self.dirty = true;
        &mut self.row
    }

    /// The highest number of any branch, 0 for an empty log.
    pub(crate) fn head_seq(&self) -> u64 {
        self.row.branches.iter().map(|branch| branch.seq).max().unwrap_or(0)
    }

    /// Whether two entries have one number.
    pub(crate) fn is_forked(&self) -> bool {
        self.row.branches.len() > 1
    }

    /// The first number that two entries have.
    pub(crate) fn forked_at(&self) -> Option<u64> {
        self.row.branches.iter().skip(1).map(|branch| branch.start).min()
    }

    /// Its heads, as a frontier tells them.
    pub(crate) fn items(&self) -> impl Iterator<Item = FrontierItem> {
        self.row.branches.iter().map(|branch| FrontierItem {
            log: self.row.id,
            seq: branch.seq,
            head: branch.head.short(),
        })
    }

    /// The entry with this number and hash: heads are known, everything else is one look-up for each branch.
    pub(crate) fn find(
        &self,
        chat: u32,
        number: u32,
        seq: u64,
        hash: &ShortHash,
        step: &Step<'_>,
    ) -> Result<Option<Found>, Fault> {
        for (branch, known) in (0..).zip(&self.row.branches) {
            if known.seq == seq && known.head.short() == *hash {
                return Ok(Some(Found { branch, lamport: known.lamport, id: known.head }));
            }
        }
        for (branch, known) in (0..).zip(&self.row.branches) {
            if seq < known.start || seq >= known.seq {
                continue;
            }
            let place = Place { log: number, seq, branch };
            let Some(row) = step.get::<EntryTable>(&(chat, place))? else { continue };
            let id = entry_id(&row.entry.header);
            if id.short() == *hash {
                return Ok(Some(Found { branch, lamport: row.lamport, id }));
            }
        }
        Ok(None)
    }

    /// Appends to a branch, or starts one at `start` that left `parent`.
    pub(crate) fn append(&mut self, slot: Append, id: EntryId, row: &EntryRow, seq: u64) -> u8 {
        let branches = &mut self.change().branches;
        match slot {
            Append::Head(branch) => {
                if let Some(known) = branches.get_mut(usize::from(branch)) {
                    known.seq = seq;
                    known.head = id;
                    known.lamport = row.lamport;
                    known.messages = row.messages;
                }
                branch
            }
            Append::New { parent, base } => {
                branches.push(Branch {
                    start: seq,
                    parent,
                    seq,
                    head: id,
                    lamport: row.lamport,
                    messages: row.messages,
                    base,
                    covered: 0,
                });
                u8::try_from(branches.len().saturating_sub(1)).unwrap_or(u8::MAX)
            }
        }
    }
}

/// Where an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Append {
    /// Behind the head of this branch.
    Head(u8),
    /// Beside an entry that is there: the first of a new branch.
    New {
        /// The branch that it leaves.
        parent: u8,
        /// Messages up to there.
        base: u64,
    },
}
