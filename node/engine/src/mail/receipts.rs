//! Receipts that go by mail: what came by mail is receipted by session where one comes up in time, and else the same
//! way that it came. A receipt is never receipted.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use hobnob_shared::{
    id::{AccountId, DeviceId},
    wire::{
        FrontierItem,
        mail::{Receipt, SignedReceipt},
    },
};

use crate::{
    Parts, around,
    conversation::{
        Conversations,
        chat::{Chat, Env},
    },
    log::Log,
    row::Table,
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// Most heads that one receipt names. A conversation has a log for each device, and one more for each restored
/// database; 64 items take 4 KiB.
const MAX_ITEMS: usize = 64;
/// Most receipts of a conversation that wait for what they are about: a few friends' devices, and as many logs.
const MAX_EARLY: usize = 256;

/// (Conversation, device) of which mail came that was not receipted.
#[derive(Debug)]
struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::OwedReceipts;
    type Key = (u32, DeviceId);
    type Value = ();
}

/// All that are owed, and since when a session should have said the same, in `mono_ms`.
#[derive(Debug, Default)]
pub(super) struct Owed(BTreeMap<(u32, DeviceId), Option<u64>>);

impl Owed {
    pub(super) fn load(step: &Step<'_>) -> Result<Self, Fault> {
        let mut owed = Self::default();
        step.scan::<Rows>(&[], Order::Ascending, |key, ()| {
            owed.0.insert(key, None);
            ControlFlow::Continue(())
        })?;
        Ok(owed)
    }

    /// Mail of this device came.
    pub(super) fn add(&mut self, chat: u32, device: DeviceId, step: &mut Step<'_>) {
        if self.0.insert((chat, device), None).is_none() {
            step.put::<Rows>(&(chat, device), &());
        }
    }

    pub(super) fn has(&self, chat: u32, device: &DeviceId) -> bool {
        self.0.contains_key(&(chat, *device))
    }

    /// One is on its way. What comes meanwhile is owed anew; the row stays until it has arrived.
    pub(super) fn begin(&mut self, chat: u32, device: DeviceId) {
        self.0.remove(&(chat, device));
    }

    /// It did not arrive.
    pub(super) fn undo(&mut self, chat: u32, device: DeviceId) {
        self.0.insert((chat, device), None);
    }

    /// A session with this device says the same, unless it is dead and nobody has noticed yet. `true` when the device was
    /// heard of since.
    pub(super) fn is_said(&mut self, chat: u32, device: DeviceId, heard_ms: u64, now_ms: u64) -> bool {
        let Some(since) = self.0.get_mut(&(chat, device)) else { return true };
        heard_ms > *since.get_or_insert(now_ms)
    }

    /// It arrived, or a session has said the same.
    pub(super) fn end(&mut self, chat: u32, device: DeviceId, step: &mut Step<'_>) {
        if !self.has(chat, &device) {
            step.delete::<Rows>(&(chat, device));
        }
    }
}

impl Chat {
    /// What this device has stored, for `device`: its own logs first.
    pub(super) fn signed_receipt(&self, device: &DeviceId, step: &Step<'_>) -> SignedReceipt {
        let (theirs, others): (Vec<&Log>, Vec<&Log>) = self.logs.iter().partition(|log| log.row.device == *device);
        let items: Vec<FrontierItem> =
            theirs.into_iter().rev().chain(others).flat_map(Log::items).take(MAX_ITEMS).collect();
        Receipt { device: step.me.device, conversation: self.id, items }.sign(&step.me.keys)
    }

    fn on_receipt(&mut self, receipt: &Receipt, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        for item in &receipt.items {
            if !self.on_item(receipt.device, item, env)?
                && self.writer_of(&item.log).is_some_and(|writer| writer.mine)
                && self.early.len() < MAX_EARLY
            {
                self.early.insert((receipt.device, item.log), *item);
            }
        }
        Ok(())
    }

    /// `false`: the entry is not here.
    fn on_item(&mut self, device: DeviceId, item: &FrontierItem, env: &mut Env<'_, '_>) -> Result<bool, Fault> {
        let Some(number) = self.log_number(&item.log).filter(|number| self.is_mine(*number)) else { return Ok(false) };
        let Some(log) = self.log_at(number) else { return Ok(false) };
        let Some(found) = log.find(self.number, number, item.seq, &item.head, env.step)? else { return Ok(false) };
        self.on_stored(device, number, found.branch, item.seq, env)?;
        Ok(true)
    }

    /// Something came: it may be what was receipted before.
    fn take_early(&mut self, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        for ((device, _), item) in std::mem::take(&mut self.early) {
            if !self.on_item(device, &item, env)? {
                self.early.insert((device, item.log), item);
            }
        }
        Ok(())
    }
}

impl Parts {
    /// What came in this batch may have been receipted before it came.
    pub(super) fn take_early(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        let around = around!(self);
        let Conversations { chats, counters, .. } = &mut self.conversations;
        for chat in chats.values_mut().filter(|chat| chat.moved && !chat.early.is_empty()) {
            chat.take_early(&mut Env { counters: &mut *counters, around: &around, step: &mut *step })?;
        }
        Ok(())
    }

    /// Mail that came before its past could not be receipted then. Now that its past is here it is, to every device that
    /// may have left it.
    pub(super) fn owe_unparked(&mut self, step: &mut Step<'_>) {
        for chat in self.conversations.chats.values_mut().filter(|chat| !chat.unparked.is_empty()) {
            let unparked = std::mem::take(&mut chat.unparked);
            let logs = unparked.iter().filter_map(|log| chat.log_at(*log));
            let others = logs.filter(|log| log.row.device != step.me.device);
            let accounts = others.map(|log| if log.row.mine { step.me.account } else { chat.row.account });
            for account in accounts.collect::<BTreeSet<_>>() {
                for device in self.mail.tickets.devices(&account) {
                    self.mail.owed.add(chat.number, device, step);
                }
            }
        }
    }

    /// Takes receipts that came by mail. Each must be of a device of the friend whose conversation it is about, or of ours.
    pub(super) fn on_mailed_receipts(
        &mut self,
        account: &AccountId,
        receipts: &[SignedReceipt],
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let around = around!(self);
        for signed in receipts {
            let Ok(receipt) = signed.verify() else { continue };
            let number = self.conversations.number_of(&receipt.conversation);
            let Conversations { chats, counters, .. } = &mut self.conversations;
            let chat = number.and_then(|number| chats.get_mut(&number));
            let Some(chat) = chat.filter(|chat| *account == around.me || chat.row.account == *account) else {
                continue;
            };
            if around.syncs(account, &receipt.device) {
                chat.on_receipt(&receipt, &mut Env { counters, around: &around, step })?;
            }
        }
        Ok(())
    }
}
