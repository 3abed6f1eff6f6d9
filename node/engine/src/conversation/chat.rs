//! One conversation in memory: heads, counters and receipts. Messages stay on disk.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::{AccountId, ConversationId, DeviceId, LogId},
    identity::{VerifyingKey, verifying_key},
    limits::MAX_FRONTIER_ITEMS,
    vault::Height,
    wire::{EntryRef, FrontierItem},
};
use serde::{Deserialize, Serialize};

use crate::{
    Around,
    conversation::{Counters, cut::Cut},
    log::{
        Log,
        parked::Parked,
        row::{EntryRow, EntryTable, LogTable, Place, Rank, ReceiptRow, ReceiptTable},
    },
    row::Table,
    step::{SessionId, Step},
    tables::TableId,
    view::Fault,
};

/// Most logs of one device in one conversation. A device has one, and one more for each restored database.
const MAX_LOGS_OF_DEVICE: usize = 256;
/// Most settings of disappearing messages that are remembered, for entries that come late.
const MAX_TIMERS: usize = 8;

/// Conversation number → its state.
#[derive(Debug)]
pub(crate) struct ChatTable;

impl Table for ChatTable {
    const ID: TableId = TableId::Conversations;
    type Key = u32;
    type Value = ChatRow;
}

/// What is kept of a conversation besides its logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChatRow {
    /// The friend.
    pub(crate) account: AccountId,
    /// Which incarnation of our own log the `covered` marks of the other logs belong to.
    pub(crate) incarnation: [u8; 8],
    /// Our `FriendAccept` is written.
    pub(crate) accepted: bool,
    /// Theirs is here.
    pub(crate) confirmed: bool,
    /// The place of the lowest message on screen.
    pub(crate) newest: Option<Rank>,
    /// The highest message number.
    pub(crate) newest_number: u64,
    /// When the last message came.
    pub(crate) active_ms: u64,
    pub(crate) unread: u64,
    /// The first unread message's number, 0 for none.
    pub(crate) first_unread: u64,
    /// Messages up to this number are read.
    pub(crate) read_number: u64,
    /// Amendments whose message is not here yet.
    pub(crate) pending_amendments: u64,
    /// Settings of disappearing messages, in their order.
    pub(crate) timers: Vec<(Rank, Option<u64>)>,
    /// Where the logs of revoked devices end.
    #[serde(default)]
    pub(crate) cuts: Vec<Cut>,
    /// How far other devices of ours have read logs that are not here yet.
    #[serde(default)]
    pub(crate) marks: Vec<(LogId, u64)>,
    /// Another device of ours had this before, and its past comes: what is fetched is history, and no news.
    #[serde(default)]
    pub(crate) importing: bool,
    /// How high it was when a vault was sealed: a log of ours begins above that.
    #[serde(default, skip_serializing_if = "Height::is_nothing")]
    pub(crate) height: Height,
}

/// Who may write here, besides the logs that are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) device: DeviceId,
    pub(crate) mine: bool,
}

/// What was asked for and has not come yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) session: SessionId,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) at_ms: u64,
}

/// Everything that acting on a conversation needs from outside.
#[derive(Debug)]
pub(crate) struct Env<'e, 's> {
    pub(crate) counters: &'e mut Counters,
    pub(crate) around: &'e Around<'e>,
    pub(crate) step: &'e mut Step<'s>,
}

/// One conversation.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) number: u32,
    pub(crate) id: ConversationId,
    pub(crate) row: ChatRow,
    pub(crate) dirty: bool,
    pub(crate) logs: Vec<Log>,
    by_log: BTreeMap<LogId, u32>,
    receipts: BTreeMap<(DeviceId, u32, u8), ReceiptRow>,
    dirty_receipts: BTreeSet<(DeviceId, u32, u8)>,
    writers: BTreeMap<[u8; 16], Writer>,
    pub(crate) parked: Parked,
    pub(crate) wanted: BTreeMap<LogId, Wanted>,
    /// How far back a fork was looked for the last time.
    pub(crate) probes: BTreeMap<LogId, u64>,
    /// A head moved in this batch.
    pub(crate) moved: bool,
    /// Logs of which the other side gets a receipt.
    pub(crate) to_receipt: BTreeSet<u32>,
    /// Logs of which entries found their past that had come before it.
    pub(crate) unparked: BTreeSet<u32>,
    /// Receipts of friends' devices, by device and log, for what another device of ours wrote and this one does not have
    /// yet. Forgotten at the end of the process: they come again.
    pub(crate) early: BTreeMap<(DeviceId, LogId), FrontierItem>,
    /// The friend is typing until then.
    pub(crate) typing_until: Option<u64>,
    /// What is taken now comes from another device of ours: no quota holds.
    pub(crate) from_ours: bool,
    /// From where on messages follow a setting that came late in this batch.
    pub(crate) retime_from: Option<Rank>,
    /// What vaults were to tell of it last.
    pub(crate) told_height: Height,
}

impl ChatRow {
    pub(crate) fn new(account: AccountId, now_ms: u64) -> Self {
        Self {
            account,
            incarnation: [0; 8],
            accepted: false,
            confirmed: false,
            newest: None,
            newest_number: 0,
            active_ms: now_ms,
            unread: 0,
            first_unread: 0,
            read_number: 0,
            pending_amendments: 0,
            timers: Vec::new(),
            cuts: Vec::new(),
            marks: Vec::new(),
            importing: false,
            height: Height::default(),
        }
    }
}

impl Chat {
    pub(crate) fn new(number: u32, account: AccountId, step: &Step<'_>) -> Self {
        let row = ChatRow::new(account, step.now.wall_ms);
        Self { dirty: true, ..Self::with_row(number, row, step) }
    }

    fn with_row(number: u32, row: ChatRow, step: &Step<'_>) -> Self {
        Self {
            number,
            id: ConversationId::direct(&step.me.account, &row.account),
            row,
            dirty: false,
            logs: Vec::new(),
            by_log: BTreeMap::new(),
            receipts: BTreeMap::new(),
            dirty_receipts: BTreeSet::new(),
            writers: BTreeMap::new(),
            parked: Parked::default(),
            wanted: BTreeMap::new(),
            probes: BTreeMap::new(),
            moved: false,
            to_receipt: BTreeSet::new(),
            unparked: BTreeSet::new(),
            early: BTreeMap::new(),
            typing_until: None,
            from_ours: false,
            retime_from: None,
            told_height: Height::default(),
        }
    }

    /// Reads heads, receipts and what is parked.
    pub(crate) fn load(number: u32, row: ChatRow, step: &Step<'_>) -> Result<Self, Fault> {
        let mut chat = Self::with_row(number, row, step);
        let prefix = number.to_be_bytes();
        let mut broken = false;
        step.scan::<LogTable>(&prefix, crate::view::Order::Ascending, |(_, log), row| {
            chat.by_log.insert(row.id, log);
            match Log::load(row) {
                Some(loaded) if chat.logs.len() == log as usize => chat.logs.push(loaded),
                _ => broken = true,
            }
            std::ops::ControlFlow::Continue(())
        })?;
        if broken {
            return Err(Fault("the logs of a conversation have gaps".to_owned()));
        }
        step.scan::<ReceiptTable>(&prefix, crate::view::Order::Ascending, |(_, device, log, branch), row| {
            chat.receipts.insert((device, log, branch), row);
            std::ops::ControlFlow::Continue(())
        })?;
        chat.load_parked(step)?;
        Ok(chat)
    }

    /// Writes what changed in this batch.
    pub(crate) fn save(&mut self, step: &mut Step<'_>) {
        if std::mem::take(&mut self.dirty) {
            step.put::<ChatTable>(&self.number, &self.row);
        }
        for (number, log) in (0..).zip(&mut self.logs) {
            if std::mem::take(&mut log.dirty) {
                step.put::<LogTable>(&(self.number, number), &log.row);
            }
        }
        for key in std::mem::take(&mut self.dirty_receipts) {
            if let Some(receipt) = self.receipts.get(&key) {
                let (device, log, branch) = key;
                step.put::<ReceiptTable>(&(self.number, device, log, branch), receipt);
            }
        }
    }

    /// The row, to be changed and written at the end of the batch.
    pub(crate) fn change(&mut self) -> &mut ChatRow {
        self.dirty = true;
        &mut self.row
    }

    /// Who may write: the certified devices of both accounts, and those that were until they were revoked.
    pub(crate) fn set_writers(&mut self, around: &Around<'_>, step: &Step<'_>) {
        self.writers.clear();
        if let Some(known) = around.people.account(&self.row.account) {
            known.devices.iter().chain(&known.former).for_each(|device| self.add_writer(device.id, false));
        }
        let own = around.own.row();
        own.devices.iter().chain(&own.former).for_each(|device| self.add_writer(device.id, true));
        self.add_writer(step.me.device, true);
    }

    /// Whether it is the one of our own devices.
    pub(crate) fn is_own(&self, around: &Around<'_>) -> bool {
        self.row.account == around.me
    }

    /// A device whose certificate was checked.
    pub(crate) fn add_writer(&mut self, device: DeviceId, mine: bool) {
        self.writers.insert(device.tag(), Writer { device, mine });
    }

    /// The device that writes a log with this id, if one of the two accounts certified it.
    pub(crate) fn writer_of(&self, log: &LogId) -> Option<Writer> {
        if let Some(known) = self.log(log) {
            return Some(Writer { device: known.row.device, mine: known.row.mine });
        }
        let tag = <[u8; 16]>::try_from(log.as_bytes().split_at(16).0).ok()?;
        self.writers.get(&tag).copied()
    }

    /// The key that signs a log.
    pub(crate) fn key_of(&self, log: &LogId, writer: Writer) -> Option<VerifyingKey> {
        match self.log(log) {
            Some(known) => Some(known.key),
            None => verifying_key(writer.device.as_bytes()).ok(),
        }
    }

    pub(crate) fn log_number(&self, log: &LogId) -> Option<u32> {
        self.by_log.get(log).copied()
    }

    pub(crate) fn log(&self, log: &LogId) -> Option<&Log> {
        self.log_at(self.log_number(log)?)
    }

    pub(crate) fn log_at(&self, number: u32) -> Option<&Log> {
        self.logs.get(number as usize)
    }

    pub(crate) fn log_at_mut(&mut self, number: u32) -> Option<&mut Log> {
        self.logs.get_mut(number as usize)
    }

    /// Whether this log is one of our own account.
    pub(crate) fn is_mine(&self, log: u32) -> bool {
        self.log_at(log).is_some_and(|log| log.row.mine)
    }

    /// The number of a log, which is opened if it is new. `None` when it may not be: too many, or no key.
    pub(crate) fn open_log(&mut self, id: LogId, writer: Writer) -> Option<u32> {
        if let Some(number) = self.log_number(&id) {
            return Some(number);
        }
        let of_device = self.logs.iter().filter(|log| log.row.device == writer.device).count();
        let is_full = of_device >= MAX_LOGS_OF_DEVICE || self.logs.len() >= MAX_FRONTIER_ITEMS;
        if is_full && !writer.mine {
            return None;
        }
        let number = u32::try_from(self.logs.len()).ok()?;
        let mut log = Log::new(id, writer.device, writer.mine)?;
        log.dirty = true;
        if let Some(mark) = self.row.marks.iter().position(|(marked, _)| *marked == id) {
            let (_, seq) = self.change().marks.swap_remove(mark);
            (log.row.read, log.row.shared_read) = (seq, seq);
        }
        self.logs.push(log);
        self.by_log.insert(id, number);
        Some(number)
    }

    /// Everything that is here: one item for each log and branch head.
    pub(crate) fn frontier(&self) -> Vec<FrontierItem> {
        self.by_log.values().filter_map(|number| self.log_at(*number)).flat_map(Log::items).collect()
    }

    /// The frontier in 32 bytes.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("hobnob/frontier/1");
        let mut items = self.frontier();
        items.sort_unstable();
        for item in items {
            hasher.update(item.log.as_bytes());
            hasher.update(&item.seq.to_be_bytes());
            hasher.update(item.head.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// How high it is, as far as anybody told us.
    pub(crate) fn height(&self) -> Height {
        let heads = self.logs.iter().flat_map(|log| &log.row.branches).map(|branch| branch.lamport);
        self.row.height.max(Height::above(heads.max().unwrap_or(0)))
    }

    /// The entry that a reference means, if it is here.
    pub(crate) fn locate(&self, target: &EntryRef, step: &Step<'_>) -> Result<Option<(Place, EntryRow)>, Fault> {
        let Some(number) = self.log_number(&target.log) else { return Ok(None) };
        let branches = self.log_at(number).map_or(0, |log| log.row.branches.len());
        for branch in 0..u8::try_from(branches).unwrap_or(u8::MAX) {
            let place = Place { log: number, seq: target.seq, branch };
            if let Some(row) = step.get::<EntryTable>(&(self.number, place))?
                && row.id().short() == target.hash
            {
                return Ok(Some((place, row)));
            }
        }
        Ok(None)
    }

    /// The entry at a place.
    pub(crate) fn entry(&self, place: Place, step: &Step<'_>) -> Result<Option<EntryRow>, Fault> {
        step.get::<EntryTable>(&(self.number, place))
    }

    pub(crate) fn put_entry(&self, place: Place, row: &EntryRow, step: &mut Step<'_>) {
        step.put::<EntryTable>(&(self.number, place), row);
    }

    /// The name by which other entries mention this one.
    pub(crate) fn reference(&self, place: Place, row: &EntryRow) -> Option<EntryRef> {
        let log = self.log_at(place.log)?.row.id;
        Some(EntryRef { log, seq: place.seq, hash: row.id().short() })
    }

    pub(crate) fn receipt(&self, device: &DeviceId, log: u32, branch: u8) -> ReceiptRow {
        self.receipts.get(&(*device, log, branch)).copied().unwrap_or_default()
    }

    /// Whether this device has said anything of what it has, or a carrier has something for it.
    pub(crate) fn is_known_to(&self, device: &DeviceId) -> bool {
        self.receipts.iter().any(|((of, ..), receipt)| of == device && receipt.reached().0 > 0)
    }

    pub(crate) fn set_receipt(&mut self, device: DeviceId, log: u32, branch: u8, receipt: ReceiptRow) {
        self.receipts.insert((device, log, branch), receipt);
        self.dirty_receipts.insert((device, log, branch));
    }

    /// For how many seconds a message of this rank stays.
    pub(crate) fn timer_at(&self, rank: &Rank) -> Option<u64> {
        self.row.timers.iter().rev().find(|(set, _)| set < rank).and_then(|(_, after)| *after)
    }

    /// The setting of disappearing messages that holds now.
    pub(crate) fn timer(&self) -> Option<u64> {
        self.row.timers.last().and_then(|(_, after)| *after)
    }

    /// Takes a setting in its order. `true` when it is the newest.
    pub(crate) fn add_timer(&mut self, rank: Rank, after: Option<u64>) -> bool {
        let timers = &mut self.change().timers;
        let at = timers.partition_point(|(set, _)| *set < rank);
        let is_newest = at == timers.len();
        timers.insert(at, (rank, after));
        if timers.len() > MAX_TIMERS {
            timers.remove(0);
        }
        is_newest
    }
}
