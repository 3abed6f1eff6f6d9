//! What a device of a friend lacks although another one of theirs has it: it does not wait here, and is not lost either.

use hobnob_shared::id::AccountId;

use crate::{
    Around, Parts,
    account::Device,
    around,
    command::Missing,
    conversation::{Conversations, chat::Chat},
    log::row::count_in_ranges,
};

impl Chat {
    /// Messages written here that another device of the friend has, and this one neither has nor finds at a carrier.
    fn missing_at(&self, device: &Device, around: &Around<'_>) -> u64 {
        let mut missing = 0;
        for (number, log) in (0..).zip(&self.logs).filter(|(_, log)| log.row.device == around.device) {
            for (branch, known) in (0..).zip(&log.row.branches) {
                let (reached, messages) = self.receipt(&device.id, number, branch).reached();
                let best = self.best_receipt(number, branch, around);
                let lacks = best.messages.saturating_sub(messages.max(known.base));
                let from = reached.max(known.start.saturating_sub(1));
                let withdrawn = |above| count_in_ranges(&log.row.withdrawn, above);
                missing += lacks.saturating_sub(withdrawn(from).saturating_sub(withdrawn(best.stored)));
            }
        }
        missing
    }

    /// Whether a device of the friend lacks something of ours that no carrier has for it.
    pub(crate) fn is_owing(&self, around: &Around<'_>) -> bool {
        let devices = around.people.devices(&self.row.account);
        self.queued(around) > 0 || devices.iter().any(|device| self.missing_at(device, around) > 0)
    }
}

impl Parts {
    /// Of every device of a friend that is not connected, how many messages it lacks that another one of theirs has.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        let around = around!(self);
        let mut missing = Vec::new();
        for chat in self.conversations.chats.values().filter(|chat| !chat.is_own(&around)) {
            let account = &chat.row.account;
            let away = self.people.devices(account).iter();
            for device in away.filter(|device| !self.sessions.has_device(account, &device.x25519)) {
                let count = chat.missing_at(device, &around);
                if count > 0 {
                    missing.push(Missing {
                        chat: self.people.handle(account),
                        device: device.id,
                        device_name: device.name.clone(),
                        count,
                        last_seen_ms: device.seen_ms,
                    });
                }
            }
        }
        missing
    }
}

impl Conversations {
    /// Whether a device of `account` lacks something of ours that no carrier has for it.
    pub(crate) fn is_owing(&self, account: &AccountId, around: &Around<'_>) -> bool {
        self.chat_of(account).is_some_and(|chat| chat.is_owing(around))
    }
}
