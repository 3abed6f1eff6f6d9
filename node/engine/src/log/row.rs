//! The rows of logs: entries, heads, receipts, parked entries, and the two ways to find a message.

use hobnob_shared::{
    id::{DeviceId, EntryId, LogId, ShortHash},
    wire::{SealedBody, SignedEntry, entry_id},
};
use serde::{Deserialize, Serialize};

use crate::{
    row::{RowKey, RowValue, Table},
    tables::TableId,
    view::Fault,
};

/// The layout of an [`EntryRow`]; the first byte of every one.
const ENTRY_LAYOUT: u8 = 1;
const SIGNATURE_BYTES: usize = 64;
const SALT_BYTES: usize = 16;

/// Where an entry is, inside one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The log, by its local number.
    pub(crate) log: u32,
    /// Its number in the log, from 1.
    pub(crate) seq: u64,
    /// The branch of the log; 0 unless somebody forked it.
    pub(crate) branch: u8,
}

/// The order on screen, the same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Rank {
    pub(crate) lamport: u64,
    pub(crate) time_ms: u64,
    pub(crate) hash: ShortHash,
}

/// (Conversation, log, seq, branch) → entry.
#[derive(Debug)]
pub(crate) struct EntryTable;

impl Table for EntryTable {
    const ID: TableId = TableId::Entries;
    type Key = (u32, Place);
    type Value = EntryRow;
}

/// What is true of an entry, one bit each.
pub(crate) mod flag {
    /// Its author withdrew it; the body is gone for good.
    pub(crate) const DELETED: u8 = 1;
    /// Its time was up; the body is gone for good.
    pub(crate) const EXPIRED: u8 = 2;
    /// It came after messages that stand below it.
    pub(crate) const LATE: u8 = 4;
    /// The clocks differed by more than ten minutes.
    pub(crate) const DOUBTFUL: u8 = 8;
    /// The body was over the day's quota and can still be fetched.
    pub(crate) const WITHHELD: u8 = 16;
    /// The body says something that this version cannot read.
    pub(crate) const UNREADABLE: u8 = 32;
}

/// An entry with what this node knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryRow {
    pub(crate) flags: u8,
    pub(crate) kind: u16,
    pub(crate) lamport: u64,
    pub(crate) time_ms: u64,
    pub(crate) received_ms: u64,
    /// The message number, 0 for what is not a message.
    pub(crate) number: u64,
    /// Messages in this log up to here.
    pub(crate) messages: u64,
    /// Disappears then, 0 for never.
    pub(crate) expires_ms: u64,
    pub(crate) entry: SignedEntry,
}

impl EntryRow {
    pub(crate) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn set(&mut self, flag: u8) {
        self.flags |= flag;
    }

    pub(crate) fn clear(&mut self, flag: u8) {
        self.flags &= !flag;
    }

    /// Deleted or expired: whatever comes later, its body is not taken again.
    pub(crate) fn is_gone(&self) -> bool {
        self.is(flag::DELETED | flag::EXPIRED)
    }

    pub(crate) fn id(&self) -> EntryId {
        entry_id(&self.entry.header)
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank { lamport: self.lamport, time_ms: self.time_ms, hash: self.id().short() }
    }

    /// The body's bytes, where they are here.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.entry.body.as_ref().map(|sealed| sealed.body.as_slice())
    }
}

/// A layout of its own: this is the hot row, and a third of its bytes are already CBOR.
impl RowValue for EntryRow {
    fn to_bytes(&self) -> Vec<u8> {
        let entry = &self.entry;
        let mut out = Vec::with_capacity(64 + entry.size());
        out.push(ENTRY_LAYOUT);
        out.push(self.flags);
        out.extend_from_slice(&self.kind.to_be_bytes());
        for number in [self.lamport, self.time_ms, self.received_ms, self.number, self.messages, self.expires_ms] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&u16::try_from(entry.header.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(&entry.header);
        out.extend_from_slice(&entry.signature);
        if let Some(sealed) = &entry.body {
            out.extend_from_slice(&sealed.salt);
            out.extend_from_slice(&sealed.body);
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        read_entry(bytes).ok_or_else(|| Fault("an entry does not decode".to_owned()))
    }
}

fn read_entry(mut bytes: &[u8]) -> Option<EntryRow> {
    let rest = &mut bytes;
    if u8::read(rest)? != ENTRY_LAYOUT {
        return None;
    }
    let flags = u8::read(rest)?;
    let kind = u16::read(rest)?;
    let lamport = u64::read(rest)?;
    let time_ms = u64::read(rest)?;
    let received_ms = u64::read(rest)?;
    let number = u64::read(rest)?;
    let messages = u64::read(rest)?;
    let expires_ms = u64::read(rest)?;
    let header_len = usize::from(u16::read(rest)?);
    let (header, after) = rest.split_at_checked(header_len)?;
    let (signature, after) = after.split_at_checked(SIGNATURE_BYTES)?;
    let body = match after.split_at_checked(SALT_BYTES) {
        Some((salt, body)) => Some(SealedBody { salt: salt.try_into().ok()?, body: body.to_vec() }),
        None if after.is_empty() => None,
        None => return None,
    };
    let entry = SignedEntry { header: header.to_vec(), signature: signature.try_into().ok()?, body };
    Some(EntryRow { flags, kind, lamport, time_ms, received_ms, number, messages, expires_ms, entry })
}

/// (Conversation, rank) → the message there.
#[derive(Debug)]
pub(crate) struct TimelineTable;

impl Table for TimelineTable {
    const ID: TableId = TableId::Timeline;
    type Key = (u32, Rank);
    type Value = TimelineRow;
}

/// A message in its place on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimelineRow {
    pub(crate) place: Place,
    pub(crate) number: u64,
}

impl RowValue for TimelineRow {
    fn to_bytes(&self) -> Vec<u8> {
        RowKey::to_bytes(&(self.place, self.number))
    }
    fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        <(Place, u64) as RowKey>::from_bytes(bytes).map(|(place, number)| Self { place, number })
    }
}

/// Message number → conversation and place.
#[derive(Debug)]
pub(crate) struct NumberTable;

impl Table for NumberTable {
    const ID: TableId = TableId::Numbers;
    type Key = u64;
    type Value = NumberRow;
}

/// Where a numbered message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberRow {
    pub(crate) chat: u32,
    pub(crate) place: Place,
}

impl RowValue for NumberRow {
    fn to_bytes(&self) -> Vec<u8> {
        RowKey::to_bytes(&(self.chat, self.place))
    }
    fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        <(u32, Place) as RowKey>::from_bytes(bytes).map(|(chat, place)| Self { chat, place })
    }
}

/// (Conversation, log) → what is known of the log: our frontier.
#[derive(Debug)]
pub(crate) struct LogTable;

impl Table for LogTable {
    const ID: TableId = TableId::Heads;
    type Key = (u32, u32);
    type Value = LogRow;
}

/// One chain of entries. A log has one, unless its author wrote two entries with one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Branch {
    /// Its first own entry; what lies below belongs to `parent`.
    pub(crate) start: u64,
    /// The branch that it left.
    pub(crate) parent: u8,
    /// Its newest entry.
    pub(crate) seq: u64,
    pub(crate) head: EntryId,
    pub(crate) lamport: u64,
    /// Messages up to the head.
    pub(crate) messages: u64,
    /// Messages below `start`.
    pub(crate) base: u64,
    /// How far entries of our own current log already name it, directly or not.
    pub(crate) covered: u64,
}

/// What a day has taken of a log's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quota {
    /// Days since the epoch, by our clock.
    pub(crate) day: u64,
    pub(crate) headers: u32,
    pub(crate) bodies: u32,
    pub(crate) bytes: u64,
}

/// What is known of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogRow {
    pub(crate) id: LogId,
    pub(crate) device: DeviceId,
    /// Written by a device of our own account.
    pub(crate) mine: bool,
    pub(crate) branches: Vec<Branch>,
    /// It had more branches than anybody keeps: nothing more is taken.
    pub(crate) frozen: bool,
    /// How far our person has seen it, here or at another device of ours; perhaps further than it is here.
    pub(crate) read: u64,
    /// How far our other devices know that.
    #[serde(default)]
    pub(crate) shared_read: u64,
    pub(crate) quota: Quota,
    /// Entries whose bodies were over the quota, as ranges.
    pub(crate) withheld: Vec<(u64, u64)>,
    /// Messages of ours that were withdrawn or expired before everybody had them, as ranges.
    pub(crate) withdrawn: Vec<(u64, u64)>,
}

/// (Conversation, device, log, branch) → how far that device has it.
#[derive(Debug)]
pub(crate) struct ReceiptTable;

impl Table for ReceiptTable {
    const ID: TableId = TableId::Receipts;
    type Key = (u32, DeviceId, u32, u8);
    type Value = ReceiptRow;
}

/// How far another device has one of our branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReceiptRow {
    /// It has stored everything up to here.
    pub(crate) stored: u64,
    /// Messages up to there.
    pub(crate) messages: u64,
    /// Its person has seen everything up to here, on every branch; only the row of branch 0 says it.
    pub(crate) read: u64,
    /// A carrier keeps everything up to here for it.
    #[serde(default)]
    pub(crate) carried: u64,
    /// Messages up to there.
    #[serde(default)]
    pub(crate) carried_messages: u64,
    /// Since when, in ms since the epoch: the oldest that is not receipted counts.
    #[serde(default)]
    pub(crate) carried_ms: u64,
}

impl ReceiptRow {
    /// How far the device has it, or will have it from a carrier: number, and messages up to there.
    pub(crate) fn reached(&self) -> (u64, u64) {
        if self.carried > self.stored { (self.carried, self.carried_messages) } else { (self.stored, self.messages) }
    }
}

/// (Conversation, log, seq, hash) → an entry that waits for its past.
#[derive(Debug)]
pub(crate) struct ParkedTable;

impl Table for ParkedTable {
    const ID: TableId = TableId::Parked;
    type Key = (u32, LogId, u64, ShortHash);
    type Value = ParkedRow;
}

/// A parked entry; its signature has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParkedRow {
    pub(crate) entry: SignedEntry,
    /// Counts up, so that the oldest is known.
    pub(crate) order: u64,
}

/// (Deadline in ms since the epoch, conversation, place): messages that disappear.
#[derive(Debug)]
pub(crate) struct ExpiringTable;

impl Table for ExpiringTable {
    const ID: TableId = TableId::Expiring;
    type Key = (u64, u32, Place);
    type Value = ();
}

impl RowKey for Place {
    fn write(&self, out: &mut Vec<u8>) {
        self.log.write(out);
        self.seq.write(out);
        self.branch.write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { log: u32::read(bytes)?, seq: u64::read(bytes)?, branch: u8::read(bytes)? })
    }
}

impl RowKey for Rank {
    fn write(&self, out: &mut Vec<u8>) {
        self.lamport.write(out);
        self.time_ms.write(out);
        self.hash.write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { lamport: u64::read(bytes)?, time_ms: u64::read(bytes)?, hash: ShortHash::read(bytes)? })
    }
}

/// Adds `seq` to sorted ranges, joining neighbours.
pub(crate) fn add_to_ranges(ranges: &mut Vec<(u64, u64)>, seq: u64) {
    join_range(ranges, seq, seq);
}

/// Adds a range to sorted ranges, joining what overlaps or touches it.
pub(crate) fn join_range(ranges: &mut Vec<(u64, u64)>, mut from: u64, mut to: u64) {
    let first = ranges.partition_point(|(_, end)| end.saturating_add(1) < from);
    let behind = ranges.partition_point(|(start, _)| *start <= to.saturating_add(1));
    for (start, end) in ranges.drain(first..behind.max(first)) {
        from = from.min(start);
        to = to.max(end);
    }
    ranges.insert(first, (from, to));
}

/// Takes `seq` out of sorted ranges.
pub(crate) fn take_from_ranges(ranges: &mut Vec<(u64, u64)>, seq: u64) {
    let Some(at) = ranges.iter().position(|(from, to)| *from <= seq && seq <= *to) else { return };
    let (from, to) = ranges.remove(at);
    if seq < to {
        ranges.insert(at, (seq + 1, to));
    }
    if from < seq {
        ranges.insert(at, (from, seq - 1));
    }
}

/// How many numbers above `above` lie in the ranges.
pub(crate) fn count_in_ranges(ranges: &[(u64, u64)], above: u64) -> u64 {
    ranges.iter().filter(|(_, to)| *to > above).map(|(from, to)| to + 1 - (*from).max(above + 1)).sum()
}
