//! Where the logs of a revoked device end.
//!
//! What such a device wrote behind its end says nothing: bodies go, or never come. Headers are kept like all others, for
//! entries of honest devices may name them as their past. A cut counts when the account's newest record revokes the
//! device, and its author is another device that the record does not revoke; of several cuts the furthest counts.

use std::ops::ControlFlow;

use hobnob_shared::{
    id::{AccountId, DeviceId, LogId, ShortHash},
    limits::{MAX_LISTED_LOGS, MAX_REVOKED},
    wire::{Body, DeviceCut},
};
use serde::{Deserialize, Serialize};

use crate::{
    Around,
    conversation::{
        Conversations,
        apply::is_message,
        chat::{Chat, Env},
    },
    event::Change,
    log::row::{EntryTable, Place, flag},
    row::RowKey as _,
    step::Step,
    view::{Fault, Order},
};

/// Most cuts of one conversation that are remembered.
const MAX_CUTS: usize = 2 * MAX_REVOKED;

/// A cut, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    device: DeviceId,
    by: DeviceId,
    heads: Vec<(LogId, u64, ShortHash)>,
}

impl Chat {
    /// A cut was written or came.
    pub(crate) fn apply_cut(&mut self, place: Place, cut: &DeviceCut, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let Some((by, mine)) = self.log_at(place.log).map(|log| (log.row.device, log.row.mine)) else { return Ok(()) };
        let account = self.account_of(mine, env.around);
        let is_known = env.around.account(&account).is_some_and(|known| known.any_device(&cut.device).is_some());
        if !is_known || by == cut.device || self.row.cuts.len() >= MAX_CUTS {
            return Ok(());
        }
        let heads = cut.heads.iter().map(|item| (item.log, item.seq, item.head)).collect();
        self.change().cuts.push(Cut { device: cut.device, by, heads });
        self.enforce_cut(&cut.device, mine, env)
    }

    fn account_of(&self, mine: bool, around: &Around<'_>) -> AccountId {
        if mine { around.me } else { self.row.account }
    }

    /// The newest record revokes devices: their cuts count from now on.
    pub(crate) fn enforce_cuts(&mut self, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let mut devices: Vec<_> = self.row.cuts.iter().map(|cut| cut.device).collect();
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            let of_device = self.logs.iter().find(|log| log.row.device == device);
            if let Some(mine) = of_device.map(|log| log.row.mine) {
                self.enforce_cut(&device, mine, env)?;
            }
        }
        Ok(())
    }

    /// What the device wrote behind its end goes.
    fn enforce_cut(&mut self, device: &DeviceId, mine: bool, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        for number in 0..u32::try_from(self.logs.len()).unwrap_or(u32::MAX) {
            let Some(log) = self.log_at(number).filter(|log| log.row.device == *device) else { continue };
            let (id, head) = (log.row.id, log.head_seq());
            let Some(end) = self.end_of(&id, device, mine, env.around).filter(|end| *end < head) else { continue };
            self.void(number, end + 1, env)?;
        }
        Ok(())
    }

    /// The last number of a log that counts, if its device was revoked and a cut is here.
    pub(crate) fn end_of(&self, log: &LogId, device: &DeviceId, mine: bool, around: &Around<'_>) -> Option<u64> {
        if self.row.cuts.is_empty() {
            return None;
        }
        let known = around.account(&self.account_of(mine, around)).filter(|known| known.revokes(device))?;
        let cuts = self.row.cuts.iter().filter(|cut| cut.device == *device && !known.revokes(&cut.by));
        let ends = cuts.map(|cut| cut.heads.iter().filter(|head| head.0 == *log).map(|head| head.1).max().unwrap_or(0));
        ends.max()
    }

    fn void(&mut self, log: u32, from: u64, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let first = (self.number, Place { log, seq: from, branch: 0 }).to_bytes();
        let end = (self.number, log.saturating_add(1)).to_bytes();
        let mut behind = Vec::new();
        env.step.range::<EntryTable>(&first, Some(&end), Order::Ascending, |(_, place), row| {
            if !row.is_gone() {
                behind.push((place, row));
            }
            ControlFlow::Continue(())
        })?;
        for (place, mut row) in behind {
            if !is_message(row.kind) {
                self.drop_body(place, env.step)?;
                continue;
            }
            self.forget_message(place, &mut row, flag::DELETED, env)?;
            self.put_entry(place, &row, env.step);
            self.change_event(place, &row, Change::Deleted, env)?;
        }
        Ok(())
    }
}

impl Conversations {
    /// Says in every conversation where the logs of a device of ours end.
    pub(crate) fn cut_all(&mut self, device: &DeviceId, around: &Around<'_>, step: &mut Step<'_>) -> Result<(), Fault> {
        for chat in self.chats.values_mut() {
            let logs = chat.logs.iter().filter(|log| log.row.device == *device);
            let mut heads: Vec<_> = logs.flat_map(crate::log::Log::items).collect();
            // A device has as many logs as databases it lost; of more than fit the latest count.
            heads.reverse();
            heads.truncate(MAX_LISTED_LOGS);
            let body = Body::DeviceCut(DeviceCut { device: *device, heads });
            chat.write(&body, &mut Env { counters: &mut self.counters, around, step })?;
        }
        Ok(())
    }
}
