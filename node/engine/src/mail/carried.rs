//! What of a conversation a carrier keeps for a device: between "here only" and "the device has it".

use std::ops::ControlFlow;

use hobnob_shared::{
    id::DeviceId,
    limits::{MAIL_TTL_MS, MAX_MAIL_ENTRIES, MAX_MAIL_PLAIN_BYTES},
    wire::SignedEntry,
};

use crate::{
    conversation::chat::{Chat, Env},
    log::row::{EntryRow, EntryTable, Place, ReceiptRow},
    row::RowKey as _,
    step::Step,
    view::{Fault, Order},
};

/// Bytes around an entry in an envelope: lengths and an array's head.
pub(super) const ENTRY_OVERHEAD: usize = 16;

/// Up to where a branch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) log: u32,
    pub(super) branch: u8,
    pub(super) seq: u64,
}

/// One branch that is read from, merged with others by lamport.
pub(super) struct Source {
    mark: Mark,
    rows: std::vec::IntoIter<(u64, EntryRow)>,
}

impl Chat {
    /// The first entries of this device of ours that neither the device nor its carrier has, each after its past, and up
    /// to where they go. What our other devices wrote they leave there themselves. `is_anew`: that the device has not,
    /// whatever a carrier has.
    pub(super) fn uncarried(
        &self,
        device: &DeviceId,
        is_anew: bool,
        budget: usize,
        step: &Step<'_>,
    ) -> Result<(Vec<SignedEntry>, Vec<Mark>), Fault> {
        let mut sources = Vec::new();
        for (number, log) in (0..).zip(&self.logs).filter(|(_, log)| log.row.device == step.me.device) {
            for (branch, known) in (0..).zip(&log.row.branches) {
                let receipt = self.receipt(device, number, branch);
                let reached = if is_anew { receipt.stored } else { receipt.reached().0 };
                let from = reached.max(known.start.saturating_sub(1)) + 1;
                if from <= known.seq {
                    let mark = Mark { log: number, branch, seq: known.seq };
                    sources.push(self.source(mark, from, budget, step)?);
                }
            }
        }
        Ok(merge(sources, budget, MAX_MAIL_ENTRIES))
    }

    /// The entries of a branch from this number up to its mark, in so much room.
    pub(super) fn source(&self, mark: Mark, from: u64, budget: usize, step: &Step<'_>) -> Result<Source, Fault> {
        let first = (self.number, Place { log: mark.log, seq: from, branch: 0 }).to_bytes();
        let end = (self.number, Place { log: mark.log, seq: mark.seq + 1, branch: 0 }).to_bytes();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        step.range::<EntryTable>(&first, Some(&end), Order::Ascending, |(_, place), row| {
            if place.branch == mark.branch {
                bytes += row.entry.size();
                rows.push((place.seq, row));
            }
            let is_full = bytes > budget || rows.len() >= MAX_MAIL_ENTRIES;
            if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(Source { mark, rows: rows.into_iter() })
    }

    /// A carrier has stored our entries for this device. Tells the front ends about the messages that moved.
    pub(super) fn on_carried(&mut self, device: DeviceId, mark: Mark, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let Mark { log, branch, seq } = mark;
        let before = self.receipt(&device, log, branch);
        if seq <= before.reached().0 {
            return Ok(());
        }
        // The oldest mail that is not receipted is the first to be lost.
        let is_first = before.carried <= before.stored;
        let carried_ms = if is_first { env.step.now.wall_ms } else { before.carried_ms };
        let entry = self.entry(Place { log, seq, branch }, env.step)?;
        let carried_messages = entry.map_or(before.reached().1, |row| row.messages);
        self.set_receipt(device, log, branch, ReceiptRow { carried: seq, carried_messages, carried_ms, ..before });
        self.tell_states(&device, (log, branch), before.reached().0 + 1, seq, env)
    }

    /// Whatever a carrier had for this device is gone: what the device has not receipted waits here again.
    pub(super) fn forget_carried(&mut self, device: DeviceId, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        for (log, branch) in self.branches_of_ours() {
            self.forget_branch(device, log, branch, env)?;
        }
        Ok(())
    }

    /// The same for what is so old that a carrier has deleted it.
    pub(super) fn forget_expired(&mut self, device: DeviceId, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let now = env.step.now.wall_ms;
        for (log, branch) in self.branches_of_ours() {
            let receipt = self.receipt(&device, log, branch);
            if receipt.carried > receipt.stored && now.saturating_sub(receipt.carried_ms) >= MAIL_TTL_MS {
                self.forget_branch(device, log, branch, env)?;
            }
        }
        Ok(())
    }

    fn forget_branch(&mut self, device: DeviceId, log: u32, branch: u8, env: &mut Env<'_, '_>) -> Result<(), Fault> {
        let before = self.receipt(&device, log, branch);
        if before.carried == 0 {
            return Ok(());
        }
        self.set_receipt(device, log, branch, ReceiptRow { carried: 0, carried_messages: 0, carried_ms: 0, ..before });
        if before.carried <= before.stored {
            return Ok(());
        }
        self.tell_states(&device, (log, branch), before.stored + 1, before.carried, env)
    }

    /// Whether a carrier has something for this device that it has not receipted.
    pub(super) fn is_carried(&self, device: &DeviceId) -> bool {
        let receipts = self.branches_of_ours().into_iter().map(|(log, branch)| self.receipt(device, log, branch));
        receipts.into_iter().any(|receipt| receipt.carried > receipt.stored)
    }

    /// Whether a letter up to these marks holds all that a carrier had for this device.
    pub(super) fn covers(&self, device: &DeviceId, marks: &[Mark]) -> bool {
        self.branches_of_ours().into_iter().all(|(log, branch)| {
            let receipt = self.receipt(device, log, branch);
            let is_it = |mark: &Mark| (mark.log, mark.branch) == (log, branch) && mark.seq >= receipt.carried;
            receipt.carried <= receipt.stored || marks.iter().any(is_it)
        })
    }

    fn branches_of_ours(&self) -> Vec<(u32, u8)> {
        let ours = (0..).zip(&self.logs).filter(|(_, log)| log.row.mine);
        ours.flat_map(|(number, log)| (0..).zip(&log.row.branches).map(move |(branch, _)| (number, branch))).collect()
    }
}

/// Takes the lowest lamport first, until the envelope is full, and so many at most.
pub(super) fn merge(sources: Vec<Source>, budget: usize, most: usize) -> (Vec<SignedEntry>, Vec<Mark>) {
    let mut heads: Vec<_> = sources.into_iter().map(|source| (source.mark, source.rows.peekable())).collect();
    let (mut entries, mut marks, mut bytes): (Vec<SignedEntry>, Vec<Mark>, usize) = (Vec::new(), Vec::new(), 0);
    while entries.len() < most {
        let next = heads.iter_mut().filter_map(|(mark, rows)| Some((rows.peek()?.1.lamport, mark, rows)));
        let Some((_, mark, rows)) = next.min_by_key(|(lamport, ..)| *lamport) else { break };
        let size = rows.peek().map_or(0, |(_, row)| row.entry.size() + ENTRY_OVERHEAD);
        if bytes + size > budget.min(MAX_MAIL_PLAIN_BYTES) {
            break;
        }
        let Some((seq, row)) = rows.next() else { break };
        bytes += size;
        let reached = Mark { seq, ..*mark };
        match marks.iter_mut().find(|it| (it.log, it.branch) == (mark.log, mark.branch)) {
            Some(known) => *known = reached,
            None => marks.push(reached),
        }
        entries.push(row.entry);
    }
    (entries, marks)
}
