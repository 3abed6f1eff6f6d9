//! What others lack of ours: how far each message got, and why it waits.
//!
//! Nothing is stored per message. A device's frontier of our logs is its receipt; the state is computed from it.

mod missing;
mod why;

use std::ops::ControlFlow;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    wire::Body,
};

use crate::{
    Around,
    command::{Code, Delivery, DeliveryState, Missing, Queued, Reply, Which},
    conversation::{
        Conversations,
        chat::{Chat, Env},
    },
    event::Event,
    log::row::{EntryRow, EntryTable, Place, ReceiptRow, count_in_ranges},
    mail::Why,
    row::RowKey as _,
    step::{Answer, Step, Stop},
    view::{Fault, Order},
};

/// Most messages that `/outbox` lists.
const MAX_LISTED: usize = 1000;

impl Chat {
    /// How far one of our messages got.
    pub(crate) fn delivery(&self, place: Place, around: &Around<'_>) -> Delivery {
        let devices = around.people.devices(&self.row.account);
        let shows_read = around.settings.is_on("read-marks");
        let devices_count = u32::try_from(devices.len()).unwrap_or(0);
        let mut delivery = Delivery { state: self.first_state(place, around), delivered: 0, devices: devices_count };
        for device in devices {
            let state = self.state_at(&device.id, place, shows_read, around);
            if state >= DeliveryState::Delivered {
                delivery.delivered += 1;
            }
            delivery.state = delivery.state.max(state);
        }
        delivery
    }

    /// Where a message of ours is before anybody said that they have it. What another device of ours wrote is not queued
    /// here, and may be delivered long since.
    fn first_state(&self, place: Place, around: &Around<'_>) -> DeliveryState {
        let is_written_here = self.log_at(place.log).is_some_and(|log| log.row.device == around.device);
        if is_written_here { DeliveryState::Queued } else { DeliveryState::Unknown }
    }

    /// What one device has of one of our messages.
    pub(crate) fn state_at(
        &self,
        device: &DeviceId,
        place: Place,
        shows_read: bool,
        around: &Around<'_>,
    ) -> DeliveryState {
        let receipt = self.receipt(device, place.log, place.branch);
        if receipt.reached().0 < place.seq {
            self.first_state(place, around)
        } else if receipt.stored < place.seq {
            DeliveryState::Stored
        } else if shows_read && self.receipt(device, place.log, 0).read >= place.seq {
            DeliveryState::Read
        } else {
            DeliveryState::Delivered
        }
    }

    /// What every device of the friend has of a branch at least. Nothing, when no device is known.
    pub(crate) fn least_receipt(&self, log: u32, branch: u8, around: &Around<'_>) -> ReceiptRow {
        let devices = around.people.devices(&self.row.account);
        let receipts = devices.iter().map(|device| self.receipt(&device.id, log, branch));
        receipts.min_by_key(|receipt| receipt.stored).unwrap_or_default()
    }

    /// What a device of the friend has of a branch at most. What one of them has the others get from it, too: a device
    /// that they add does not make our whole history wait here.
    fn best_receipt(&self, log: u32, branch: u8, around: &Around<'_>) -> ReceiptRow {
        let devices = around.people.devices(&self.row.account);
        let receipts = devices.iter().map(|device| self.receipt(&device.id, log, branch));
        receipts.max_by_key(|receipt| receipt.stored).unwrap_or_default()
    }

    /// Messages written here that no device of the friend has, and that are not at a carrier for all of them either.
    pub(crate) fn queued(&self, around: &Around<'_>) -> u64 {
        let devices = around.people.devices(&self.row.account);
        let mut queued = 0;
        for (number, log) in (0..).zip(&self.logs).filter(|(_, log)| log.row.device == around.device) {
            for (branch, known) in (0..).zip(&log.row.branches) {
                let reached = devices.iter().map(|device| self.receipt(&device.id, number, branch).reached());
                let best = self.best_receipt(number, branch, around);
                let (least, reached) = reached.min().unwrap_or_default().max((best.stored, best.messages));
                let messages = known.messages.saturating_sub(reached.max(known.base));
                let from = least.max(known.start.saturating_sub(1));
                queued += messages.saturating_sub(count_in_ranges(&log.row.withdrawn, from));
            }
        }
        queued
    }

    /// Whether this device has not said yet that it has all that was written here.
    pub(crate) fn lacks(&self, device: &DeviceId, around: &Around<'_>) -> bool {
        let mut ours = (0..).zip(&self.logs).filter(|(_, log)| log.row.device == around.device);
        ours.any(|(number, log)| {
            let mut branches = (0..).zip(&log.row.branches);
            branches.any(|(branch, known)| self.receipt(device, number, branch).stored < known.seq)
        })
    }

    /// Those messages, oldest of each log first, at most so many.
    fn queued_places(
        &self,
        limit: usize,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Result<Vec<(Place, EntryRow)>, Fault> {
        let mut found = Vec::new();
        for (number, log) in (0..).zip(&self.logs).filter(|(_, log)| log.row.device == around.device) {
            for (branch, known) in (0..).zip(&log.row.branches) {
                let stored = self.best_receipt(number, branch, around).stored;
                let from = Place { log: number, seq: (stored + 1).max(known.start), branch };
                let to = Place { log: number, seq: known.seq + 1, branch: 0 };
                let (from, to) = ((self.number, from).to_bytes(), (self.number, to).to_bytes());
                step.range::<EntryTable>(&from, Some(&to), Order::Ascending, |(_, place), row| {
                    if place.branch == branch && row.number > 0 && !row.is_gone() {
                        found.push((place, row));
                    }
                    if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })?;
            }
        }
        found.sort_by_key(|(_, row)| row.number);
        Ok(found)
    }

    /// A device told how far it has one of our branches. Tells the front ends about the messages that moved.
    pub(crate) fn on_stored(
        &mut self,
        device: DeviceId,
        log: u32,
        branch: u8,
        seq: u64,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        let before = self.receipt(&device, log, branch);
        if seq <= before.stored {
            return Ok(());
        }
        let Some(known) = self.log_at(log) else { return Ok(()) };
        let Some((head, head_messages, start, parent)) = known
            .row
            .branches
            .get(usize::from(branch))
            .map(|known| (known.seq, known.messages, known.start, known.parent))
        else {
            return Ok(());
        };
        let messages = if seq == head {
            head_messages
        } else {
            self.entry(Place { log, seq, branch }, env.step)?.map_or(before.messages, |row| row.messages)
        };
        self.set_receipt(device, log, branch, ReceiptRow { stored: seq, messages, ..before });
        self.forget_withdrawn(log, env.around);
        if messages > before.messages {
            self.tell_states(&device, (log, branch), before.stored + 1, seq, env)?;
        }
        // Whoever has this branch has what it grew from.
        if parent != branch && start > 1 {
            return self.on_stored(device, log, parent, start - 1, env);
        }
        Ok(())
    }

    /// A device's person has seen one of our logs up to there.
    pub(crate) fn on_read(&mut self, device: DeviceId, log: u32, seq: u64, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let marks = self.receipt(&device, log, 0);
        if seq <= marks.read {
            return Ok(());
        }
        // It may say so before it says what it has stored; both must hold for a message to be read.
        self.set_receipt(device, log, 0, ReceiptRow { read: seq, ..marks });
        if !env.around.settings.is_on("read-marks") {
            return Ok(());
        }
        let branches = self.log_at(log).map_or(0, |log| log.row.branches.len());
        for branch in 0..u8::try_from(branches).unwrap_or(u8::MAX) {
            let to = seq.min(self.receipt(&device, log, branch).stored);
            if to > marks.read {
                self.tell_states(&device, (log, branch), marks.read + 1, to, env)?;
            }
        }
        Ok(())
    }

    /// Tells the front ends how far the messages between these two numbers got, now that this device has moved. What our
    /// own devices have makes no difference to them.
    pub(crate) fn tell_states(
        &self,
        device: &DeviceId,
        (log, branch): (u32, u8),
        from: u64,
        to: u64,
        env: &mut Env<'_, '_>,
    ) -> Result<(), Fault> {
        if env.around.own.lists(device) {
            return Ok(());
        }
        let first = (self.number, Place { log, seq: from, branch: 0 }).to_bytes();
        let end = (self.number, Place { log, seq: to + 1, branch: 0 }).to_bytes();
        let chat = env.around.people.handle(&self.row.account);
        let mut events = Vec::new();
        env.step.range::<EntryTable>(&first, Some(&end), Order::Ascending, |(_, place), row| {
            if place.branch == branch && row.number > 0 && !row.is_gone() {
                let delivery = self.delivery(place, env.around);
                let advances = self.others_lag(device, place, delivery.state, env.around);
                let (chat, number, entry) = (chat.clone(), row.number, row.id());
                events.push(Event::MessageState { chat, number, entry, delivery, advances });
            }
            ControlFlow::Continue(())
        })?;
        for event in events {
            env.step.event(event);
        }
        Ok(())
    }

    /// Whether no other device of the friend had brought one of our messages to this state.
    fn others_lag(&self, device: &DeviceId, place: Place, state: DeliveryState, around: &Around<'_>) -> bool {
        let shows_read = around.settings.is_on("read-marks");
        let mut others = around.people.devices(&self.row.account).iter().filter(|other| other.id != *device);
        others.all(|other| self.state_at(&other.id, place, shows_read, around) < state)
    }

    fn forget_withdrawn(&mut self, log: u32, around: &Around<'_>) {
        let least = self.least_receipt(log, 0, around).stored;
        if let Some(known) = self.log_at_mut(log)
            && known.row.withdrawn.iter().any(|(_, to)| *to <= least)
        {
            known.change().withdrawn.retain(|(_, to)| *to > least);
        }
    }
}

impl Conversations {
    /// Our messages to `account` that wait here.
    pub(crate) fn queued(&self, account: &AccountId, around: &Around<'_>) -> u64 {
        self.chat_of(account).map_or(0, |chat| chat.queued(around))
    }

    /// Every message that waits, with the reason; and of what one device of a friend has, how much others lack.
    pub(crate) fn outbox(
        &self,
        why: impl Fn(&Chat, Place) -> Why,
        missing: Vec<Missing>,
        around: &Around<'_>,
        step: &Step<'_>,
    ) -> Answer {
        let mut queued = Vec::new();
        for chat in self.chats.values().filter(|chat| !chat.is_own(around)) {
            for (place, row) in chat.queued_places(MAX_LISTED - queued.len().min(MAX_LISTED), around, step)? {
                let message = chat.message(place, &row, around, step)?;
                let Why { reason, words } = why(chat, place);
                queued.push(Queued { message, reason, why: words });
            }
            if queued.len() >= MAX_LISTED {
                break;
            }
        }
        queued.sort_by_key(|queued| queued.message.number);
        Ok(Some(Reply::Outbox { queued, missing }))
    }

    /// Withdraws a message that no device has stored yet.
    pub(crate) fn cancel(&mut self, which: &Which, around: &Around<'_>, step: &mut Step<'_>) -> Answer {
        let named = self.named(which, around, step)?;
        let Some(chat) = self.chats.get_mut(&named.chat) else {
            return Err(Stop::refuse(Code::Internal, "the chat of this message is gone"));
        };
        let number = named.row.number;
        if !chat.is_mine(named.place.log) {
            return Err(Stop::refuse(
                Code::Conflict,
                format!("message {number} is not yours; only your own wait in the outbox"),
            ));
        }
        if named.row.is_gone() {
            return Err(Stop::refuse(Code::Conflict, format!("message {number} is deleted already")));
        }
        if chat.delivery(named.place, around).delivered > 0 {
            let message = format!("message {number} is delivered already; /del {number} deletes it on both sides");
            return Err(Stop::refuse(Code::Conflict, message));
        }
        if chat.first_state(named.place, around) == DeliveryState::Unknown {
            let message = format!(
                "message {number} was written on another device of yours, so it does not wait here; /del {number} deletes \
                 it everywhere"
            );
            return Err(Stop::refuse(Code::Conflict, message));
        }
        let Some(target) = chat.reference(named.place, &named.row) else {
            return Err(Stop::refuse(Code::Internal, "the log of this message is gone"));
        };
        let counters = &mut self.counters;
        chat.write(&Body::Delete { target }, &mut Env { counters, around, step })?;
        Ok(Some(Reply::Done))
    }
}
