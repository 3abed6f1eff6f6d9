//! What friends and we tell each other of where mail may be left: over sessions, and in letters.

use std::collections::BTreeSet;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::{Bundle, SignedBundle},
    limits::MAX_TICKETS,
    wire::{AccountPayload, Frame, Mailboxes, SignedTicket, mail::MailContent},
};

use super::tickets::Learned;
use crate::{
    Parts, around,
    step::{SessionId, Step},
    view::Fault,
};

impl Parts {
    /// Puts into a letter to this friend where mail for us may be left, and where our presence is.
    pub(crate) fn enclose_places(&mut self, account: &AccountId, content: &mut MailContent, step: &mut Step<'_>) {
        self.enclose_mailbox(account, content, step);
        if *account == step.me.account {
            return;
        }
        for device in self.people.devices(account).iter().map(|device| device.id).collect::<Vec<_>>() {
            content.presence = Some(self.presence.ticket_for((*account, device), step));
        }
    }

    /// Only the first of both: who has not accepted us yet is not to see whether we are there.
    pub(crate) fn enclose_mailbox(&self, account: &AccountId, content: &mut MailContent, step: &Step<'_>) {
        if let Some(bundle) = self.bundle_for(account, step) {
            content.account.bundles = vec![bundle];
        }
    }

    /// Takes that from theirs.
    pub(crate) fn learn_places(
        &mut self,
        account: &AccountId,
        bundles: &[SignedBundle],
        presence: Option<SignedTicket>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        for bundle in bundles {
            let device = bundle.claimed_device().ok().filter(|device| around!(self).syncs(account, device));
            if let Some(device) = device {
                self.learn_mailboxes(account, &device, bundle, false, step)?;
            }
        }
        if let Some(signed) = presence {
            self.on_presence_ticket(*account, &signed, None, step);
        }
        Ok(())
    }

    /// Tells friends who are connected where mail for us may be left.
    pub(super) fn tell_mailboxes(&self, accounts: &BTreeSet<AccountId>, step: &mut Step<'_>) {
        for account in accounts {
            for link in self.sessions.of(account) {
                self.tell_mailboxes_over(*link, account, step);
            }
        }
    }

    /// The same at the start of a session, if there is or was anything to tell.
    pub(crate) fn greet_with_mailboxes(&self, link: SessionId, account: &AccountId, step: &mut Step<'_>) {
        if self.mail.boxes.has(account) {
            self.tell_mailboxes_over(link, account, step);
        }
    }

    fn tell_mailboxes_over(&self, link: SessionId, account: &AccountId, step: &mut Step<'_>) {
        if self.sessions.get(link).is_some_and(|session| session.syncing)
            && let Some(bundle) = self.bundle_for(account, step)
        {
            let name = self.name_of(&step.me.account, step);
            step.send(link, Frame::Mailboxes(Mailboxes { bundle, name }));
        }
    }

    /// This device's bundle with the mailboxes for one friend.
    fn bundle_for(&self, account: &AccountId, step: &Step<'_>) -> Option<SignedBundle> {
        let bundle = self.all_for(account, step)?;
        Some(step.me.keys.sign_bundle(&bundle))
    }

    /// What everybody may see of it, with the first of those mailboxes; and that without the keys, which a look-up gives too.
    pub(crate) fn slim_bundles_for(&self, account: &AccountId, step: &Step<'_>) -> Option<[SignedBundle; 2]> {
        let bundle = self.all_for(account, step)?;
        let tickets = bundle.tickets.first().cloned().into_iter().collect();
        let slim = Bundle { tickets, ..bundle.public() };
        let keyless = Bundle { prekeys: Vec::new(), ..slim.clone() };
        Some([slim, keyless].map(|bundle| step.me.keys.sign_bundle(&bundle)))
    }

    fn all_for(&self, account: &AccountId, step: &Step<'_>) -> Option<Bundle> {
        let own = self.own.devices().iter().find(|device| device.id == step.me.device)?;
        let mut bundle = own.bundle()?.verify(&own.id).ok()?;
        bundle.seq = bundle.seq.max(step.now.wall_ms);
        bundle.tickets = self.mail.boxes.tickets(account, &self.rendezvous);
        bundle.tickets.truncate(MAX_TICKETS);
        Some(bundle)
    }

    /// What we tell one friend of our account, and of this device. With our other devices, and with records from before:
    /// who only gets our mail may have missed some.
    pub(crate) fn card_for(&self, account: &AccountId, step: &Step<'_>) -> AccountPayload {
        AccountPayload { bundles: self.bundle_for(account, step).into_iter().collect(), ..self.own.public(step) }
    }

    /// A device of a friend tells where its mail may be left.
    pub(crate) fn on_mailboxes(
        &mut self,
        link: SessionId,
        mailboxes: &Mailboxes,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some((account, device)) = self.sessions.peer(link).map(|peer| (peer.account, peer.device)) else {
            return Ok(());
        };
        if !around!(self).syncs(&account, &device) {
            return Ok(());
        }
        if let Some(name) = &mailboxes.name {
            self.learn_name(&account, name, step);
        }
        self.learn_mailboxes(&account, &device, &mailboxes.bundle, true, step)
    }

    pub(crate) fn learn_mailboxes(
        &mut self,
        account: &AccountId,
        device: &DeviceId,
        bundle: &SignedBundle,
        is_live: bool,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let learned = self.mail.tickets.learn(account, device, bundle, is_live, step);
        self.on_learned(account, device, learned, step)
    }

    pub(super) fn on_learned(
        &mut self,
        account: &AccountId,
        device: &DeviceId,
        learned: Learned,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        match learned {
            Learned::Moved => self.forget_carried(account, *device, step)?,
            // It may have missed what other devices of its account were told.
            Learned::First => self.owe_device(account, *device, step),
            Learned::News | Learned::Nothing => {}
        }
        if learned != Learned::Nothing {
            self.mail.post.forgive(device);
            self.mail_instead(account, step);
        }
        Ok(())
    }
}
