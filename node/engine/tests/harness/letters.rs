//! Rosa's mailboxes, and what may go wrong with them.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::{DeviceId, MailboxId},
    wire::{
        ErrorCode, ServerFrame,
        rendezvous::{BoxPut, DepositToken, Envelope, Mail, MailAck, MailGet, MailItem, MailPut},
    },
};

/// Mailboxes, and the mail in them.
#[derive(Clone, Default)]
pub(crate) struct Letters {
    pub(crate) boxes: BTreeMap<MailboxId, (DeviceId, DepositToken)>,
    pub(crate) items: Vec<MailItem>,
    pub(crate) next: u64,
    /// Whom to tell to look, and how much mail there is.
    pub(crate) to_ring: Vec<(DeviceId, u64)>,
    /// What she answers to every deposit.
    pub(crate) refuses: Option<ErrorCode>,
    /// She says that she keeps mail, and loses it.
    pub(crate) loses: bool,
    /// She forgets what she was told to delete, and delivers everything again.
    pub(crate) repeats: bool,
    /// She tells nobody to look.
    pub(crate) is_mute: bool,
    /// Envelopes that she said she keeps.
    pub(crate) taken: usize,
}

impl Letters {
    pub(crate) fn put_box(&mut self, device: DeviceId, put: &BoxPut) -> Result<ServerFrame, ErrorCode> {
        match &put.token {
            Some(token) => {
                self.boxes.insert(put.mailbox, (device, DepositToken::new(*token.as_bytes())));
            }
            None => {
                self.boxes.remove(&put.mailbox).ok_or(ErrorCode::NotFound)?;
                self.items.retain(|item| item.mailbox != put.mailbox);
            }
        }
        Ok(ServerFrame::Done)
    }

    pub(crate) fn deposit(&mut self, put: &MailPut) -> Result<ServerFrame, ErrorCode> {
        if let Some(code) = self.refuses {
            return Err(code);
        }
        let known = self.boxes.get(&put.mailbox).filter(|(_, token)| token.as_bytes() == put.token.as_bytes());
        let (device, _) = known.ok_or(ErrorCode::NotFound)?;
        self.taken += 1;
        if self.loses {
            return Ok(ServerFrame::Done);
        }
        self.next += 1;
        self.items.push(MailItem { number: self.next, mailbox: put.mailbox, envelope: put.envelope.clone() });
        if !self.is_mute {
            let waiting = self.items.iter().filter(|item| self.boxes[&item.mailbox].0 == *device).count();
            self.to_ring.push((*device, waiting as u64));
        }
        Ok(ServerFrame::Done)
    }

    pub(crate) fn fetch(&mut self, device: DeviceId, get: &MailGet) -> ServerFrame {
        let is_theirs = |item: &&MailItem| self.boxes.get(&item.mailbox).is_some_and(|(owner, _)| *owner == device);
        let all: Vec<_> = self.items.iter().filter(is_theirs).filter(|item| item.number > get.after).cloned().collect();
        let some: Vec<_> = all.iter().take(usize::from(get.max).min(3)).cloned().collect();
        ServerFrame::Mail(Mail { more: some.len() < all.len(), items: some })
    }

    pub(crate) fn ack(&mut self, ack: &MailAck) -> ServerFrame {
        if !self.repeats {
            let is_done =
                |item: &MailItem| ack.through.iter().any(|(it, to)| *it == item.mailbox && item.number <= *to);
            self.items.retain(|item| !is_done(item));
        }
        ServerFrame::Done
    }

    /// Somebody who has a token leaves this.
    pub(crate) fn plant(&mut self, mailbox: MailboxId, envelope: Envelope) {
        self.next += 1;
        self.items.push(MailItem { number: self.next, mailbox, envelope });
    }
}
