//! What all conversations of the profile count together.

use serde::{Deserialize, Serialize};

use crate::{
    row::{Slot, Table},
    step::Step,
    tables::TableId,
    view::Fault,
};

#[derive(Debug)]
struct CounterTable;

impl Table for CounterTable {
    const ID: TableId = TableId::Profile;
    type Key = Slot<32>;
    type Value = CounterRow;
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct CounterRow {
    incarnation: [u8; 8],
    next_number: u64,
    announced: u64,
}

/// What all conversations of the profile share.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    row: CounterRow,
    dirty: bool,
    /// Front ends that show messages as they come.
    listening: u32,
    /// When the first message disappears, in ms since the epoch.
    next_expiry: Option<u64>,
    /// A peer claimed to hold more of our log than we do, and was believed.
    believed: bool,
}

impl Counters {
    /// What is stored; a new incarnation if nothing is, or if the database is `fresh`.
    pub(super) fn load(fresh: bool, step: &mut Step<'_>) -> Result<Self, Fault> {
        let stored = step.get::<CounterTable>(&Slot)?;
        let mut counters = Self { row: stored.unwrap_or_default(), ..Self::default() };
        if fresh || stored.is_none() {
            counters.renew(step);
        }
        Ok(counters)
    }

    /// Writes what changed in this batch.
    pub(super) fn save(&mut self, step: &mut Step<'_>) {
        if std::mem::take(&mut self.dirty) {
            step.put::<CounterTable>(&Slot, &self.row);
        }
    }

    /// The incarnation of our own logs.
    pub(crate) fn incarnation(&self) -> [u8; 8] {
        self.row.incarnation
    }

    /// Our logs go on in new ones, in every conversation.
    pub(crate) fn renew(&mut self, step: &mut Step<'_>) {
        self.row.incarnation = step.random();
        self.dirty = true;
    }

    /// A peer says that it holds more of our own log than we do. That is believed once: the entries themselves prove
    /// it later, and a liar must not be able to use up incarnations.
    pub(crate) fn renew_on_claim(&mut self, step: &mut Step<'_>) {
        if !std::mem::replace(&mut self.believed, true) {
            self.renew(step);
        }
    }

    /// The number of the next message.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.row.next_number += 1;
        self.dirty = true;
        self.row.next_number
    }

    /// A message with this number is shown now, if anybody listens.
    pub(crate) fn announce(&mut self, number: u64) {
        if self.listening > 0 {
            self.row.announced = number;
            self.dirty = true;
        }
    }

    /// A message disappears then.
    pub(crate) fn expect_expiry(&mut self, at_ms: u64) {
        self.next_expiry = Some(self.next_expiry.map_or(at_ms, |next| next.min(at_ms)));
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.next_expiry
    }

    pub(crate) fn set_next_expiry(&mut self, at_ms: Option<u64>) {
        self.next_expiry = at_ms;
    }

    /// The last message number that a front end was told of.
    pub(crate) fn announced(&self) -> u64 {
        self.row.announced
    }

    /// A front end came or went. While one is there, everything counts as told.
    pub(crate) fn listen(&mut self, listening: bool) {
        self.listening = if listening { self.listening + 1 } else { self.listening.saturating_sub(1) };
        if listening {
            self.row.announced = self.row.next_number;
            self.dirty = true;
        }
    }
}
