//! Entries that wait for their past: which they are, and what they wait for. The entries themselves are rows.
//!
//! Bounded per conversation; the oldest goes first, and is asked for again when the rest has found its place.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::{LogId, ShortHash},
    limits::{MAX_PARKED_BYTES, MAX_PARKED_ENTRIES},
};

/// An entry by log, number and hash: also one that is not here.
pub(crate) type Address = (LogId, u64, ShortHash);

#[derive(Debug)]
struct Waiting {
    missing: Address,
    bytes: usize,
    order: u64,
}

/// The index of one conversation's parked entries.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    entries: BTreeMap<Address, Waiting>,
    /// (What is missing, who waits for it).
    waiting: BTreeSet<(Address, Address)>,
    by_order: BTreeMap<u64, Address>,
    next_order: u64,
    bytes: usize,
    /// Something was evicted since the last time that nothing was parked.
    pub(crate) evicted: bool,
    /// What the person was told is missing.
    pub(crate) told: u64,
    /// The last came then, and nobody was told yet what it waits for.
    pub(crate) untold_since: Option<u64>,
}

impl Parked {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn holds(&self, address: &Address) -> bool {
        self.entries.contains_key(address)
    }

    /// The number that the next parked entry gets.
    pub(crate) fn next_order(&self) -> u64 {
        self.next_order
    }

    /// Takes one in. What comes back must go: the oldest, when there are too many.
    #[must_use]
    pub(crate) fn add(
        &mut self,
        entry: Address,
        missing: Address,
        bytes: usize,
        order: u64,
        now_ms: u64,
    ) -> Vec<Address> {
        self.remove(&entry);
        self.next_order = self.next_order.max(order + 1);
        self.entries.insert(entry, Waiting { missing, bytes, order });
        self.waiting.insert((missing, entry));
        self.untold_since = Some(now_ms);
        self.by_order.insert(order, entry);
        self.bytes += bytes;
        let mut gone = Vec::new();
        while self.entries.len() > MAX_PARKED_ENTRIES || self.bytes > MAX_PARKED_BYTES {
            let Some((_, oldest)) = self.by_order.first_key_value() else { break };
            let oldest = *oldest;
            self.remove(&oldest);
            self.evicted = true;
            gone.push(oldest);
        }
        gone
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, entry: &Address) {
        if let Some(waiting) = self.entries.remove(entry) {
            self.waiting.remove(&(waiting.missing, *entry));
            self.by_order.remove(&waiting.order);
            self.bytes = self.bytes.saturating_sub(waiting.bytes);
        }
        if self.entries.is_empty() {
            self.told = 0;
            self.untold_since = None;
        }
    }

    /// Who waits for `arrived`. They stay parked until they are taken out.
    pub(crate) fn waiting_for(&self, arrived: &Address) -> Vec<Address> {
        let from = (*arrived, (LogId::new([0; 24]), 0, ShortHash::new([0; 16])));
        self.waiting.range(from..).take_while(|(missing, _)| missing == arrived).map(|(_, entry)| *entry).collect()
    }

    /// The logs whose entries are parked.
    pub(crate) fn logs(&self) -> BTreeSet<LogId> {
        self.entries.keys().map(|(log, ..)| *log).collect()
    }

    /// What is waited for and not parked itself: for each log the lowest and the highest number.
    pub(crate) fn missing(&self) -> BTreeMap<LogId, (u64, u64)> {
        let mut missing = BTreeMap::new();
        for waiting in self.entries.values() {
            let (log, seq, _) = waiting.missing;
            if self.entries.contains_key(&waiting.missing) {
                continue;
            }
            let range = missing.entry(log).or_insert((seq, seq));
            range.0 = range.0.min(seq);
            range.1 = range.1.max(seq);
        }
        missing
    }
}
