//! The end in good order: what nobody has yet is mailed now instead of later.

use hobnob_shared::id::AccountId;

use crate::{Parts, around, conversation::chat::Chat};

impl Parts {
    /// What would have been mailed later goes now. Who was tried in vain is tried once more where a rendezvous is reached.
    pub(crate) fn hurry_mail(&mut self, now_ms: u64) {
        let waiting: Vec<(u32, AccountId)> = self.waiting().map(|chat| (chat.number, chat.row.account)).collect();
        let is_online = self.rendezvous.is_any_ready();
        for (chat, account) in waiting {
            for device in around!(self).recipients(&account).filter(|_| is_online) {
                self.mail.post.forgive(&device.id);
            }
            if let Some(due) = self.mail.post.due.get_mut(&chat) {
                *due = now_ms.min(*due);
            }
        }
    }

    /// Whether some of it may still be taken until then, by a carrier or over a session.
    pub(crate) fn is_leaving_mail(&self, until_ms: u64) -> bool {
        let (post, wants) = (&self.mail.post, &self.mail.wants);
        let is_asking = |(chat, due): (&u32, &u64)| *due <= until_ms && wants.is_any_due(*chat, until_ms);
        if post.due.iter().any(is_asking) || post.flights.values().any(|flight| flight.has_want) {
            return true;
        }
        self.waiting().any(|chat| {
            post.due.get(&chat.number).is_some_and(|due| *due <= until_ms)
                || post.flights.values().any(|flight| flight.to.chat == chat.number)
                || self.is_being_told(chat)
        })
    }

    /// Conversations with something of ours that a device of the friend lacks and no carrier has for it.
    fn waiting(&self) -> impl Iterator<Item = &Chat> {
        let around = around!(self);
        self.conversations.chats.values().filter(move |chat| !chat.is_own(&around) && chat.is_owing(&around))
    }

    /// Whether a device that is there has yet to say that it has all of it.
    fn is_being_told(&self, chat: &Chat) -> bool {
        let (around, account) = (around!(self), &chat.row.account);
        let mut devices = around.recipients(account);
        devices.any(|device| self.sessions.has_device(account, &device.x25519) && chat.lacks(&device.id, &around))
    }
}
