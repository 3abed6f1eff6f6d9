//! Reading what is stored, through whatever stores it. Rows are bytes here; `row.rs` gives them types.

use std::{collections::BTreeMap, ops::ControlFlow};

/// A table. The number is on disk for ever; a table whose layout changes gets a new one, and a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TableId {
    /// One row each: how much is stored, the last number given out.
    Counters = 1,
    /// Account → what it says of itself.
    Accounts = 2,
    /// (Account, device) → that device's bundle.
    Bundles = 3,
    /// Name → whose it is, and what its password is checked with.
    Names = 4,
    /// Name → number of its last binding. Outlives the name, so that a later owner gets a higher one.
    Bindings = 5,
    /// Account → sealed vault.
    Vaults = 6,
    /// Mailbox → whose it is, its token, how full it is.
    Boxes = 7,
    /// (Device, mailbox): the mailboxes of a device.
    BoxesOf = 8,
    /// (Mailbox, number) → envelope.
    Mail = 9,
    /// (Device, number) → mailbox: what waits for a device, oldest first.
    MailOf = 10,
    /// (Number) → device and mailbox: all mail, oldest first. The number holds the time.
    MailTimes = 11,
    /// (Account, number) → sealed friend request, one envelope for each device.
    Knocks = 12,
    /// (Number, account): all friend requests, oldest first.
    KnockTimes = 13,
    /// Account → bytes that it takes.
    Usage = 14,
    /// (Day, account): when an account was last here.
    LastSeen = 15,
    /// Hash of a registration code → until when it is good.
    Codes = 16,
    /// Device → envelopes that wait for it.
    Waiting = 17,
    /// (Account, number) → a record before its newest one.
    Past = 18,
    /// (Account, device): a device that does not count any more, while there is something left in its mailboxes.
    Leaving = 19,
}

impl TableId {
    /// Every table, in the order of its number.
    pub const ALL: [Self; 19] = [
        Self::Counters,
        Self::Accounts,
        Self::Bundles,
        Self::Names,
        Self::Bindings,
        Self::Vaults,
        Self::Boxes,
        Self::BoxesOf,
        Self::Mail,
        Self::MailOf,
        Self::MailTimes,
        Self::Knocks,
        Self::KnockTimes,
        Self::Usage,
        Self::LastSeen,
        Self::Codes,
        Self::Waiting,
        Self::Past,
        Self::Leaving,
    ];
}

/// Rows to write (`None`: to remove), all or none of them.
pub type Records = BTreeMap<(TableId, Vec<u8>), Option<Vec<u8>>>;

/// The store could not answer. Nothing that depends on it may be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It may, the next time.
    #[error("the database cannot be read: {0}")]
    Unread(String),
    /// Bytes were changed or are missing: a row does not decode, or the one that it names is not there.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

/// Is shown rows, key and value, until it breaks.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// What was committed. Keys are ordered as byte strings.
pub trait View {
    /// The value under `key`, if there is one.
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// Shows `visit` each row with `from <= key < to`, smallest key first. `to: None` means to the end.
    fn scan(&self, table: TableId, from: &[u8], to: Option<&[u8]>, visit: Visit<'_>) -> Result<(), Fault>;
}

/// Rows in memory: what tests store in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryView {
    rows: BTreeMap<(TableId, Vec<u8>), Vec<u8>>,
}

impl MemoryView {
    /// Commits one transaction.
    pub fn apply(&mut self, records: &Records) {
        for (key, value) in records {
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|((_, key), value)| (key.len() + value.len()) as u64).sum()
    }

    /// How many rows a table has.
    pub fn count(&self, table: TableId) -> usize {
        self.rows.keys().filter(|(id, _)| *id == table).count()
    }
}

impl View for MemoryView {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: TableId, from: &[u8], to: Option<&[u8]>, visit: Visit<'_>) -> Result<(), Fault> {
        for ((id, key), value) in self.rows.range((table, from.to_vec())..) {
            if *id != table || to.is_some_and(|to| key.as_slice() >= to) || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
