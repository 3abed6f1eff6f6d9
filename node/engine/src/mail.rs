//! Mail for those who are away: what a friend's device, or another one of ours, lacks while no session is there goes,
//! sealed to its prekey, to a mailbox that it told us of; and what lies in ours is fetched, opened and taken like
//! anything that comes over a session.
//!
//! Only what is signed inside an envelope counts, so mail that is lost, repeated, reordered or forged does no harm. Mail
//! is taken out of a mailbox only after the commit of what was in it.

mod boxes;
mod carried;
mod carriers;
mod fetch;
mod held;
mod leaving;
mod post;
mod receipts;
mod telling;
mod tickets;
mod vaulted;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::{AccountId, DeviceId},
    wire::{ErrorCode, ServerFrame},
};

pub(crate) use self::post::Why;
use self::{
    boxes::Boxes, carriers::Carriers, fetch::Fetches, post::Post, receipts::Owed, tickets::Tickets, wants::Wants,
};
use crate::{
    Parts, around,
    conversation::{Conversations, chat::Env},
    rendezvous::{Answered, Failed, Lane, Purpose, Rendezvous, ServerKey},
    step::Step,
    view::Fault,
};

/// A device gets so long to receipt what was written before it goes by mail.
const PATIENCE_MS: u64 = 3_000;
/// At the start, sessions with friends who are there come up first.
const START_PATIENCE_MS: u64 = 10_000;

/// All of it.
#[derive(Debug)]
pub(crate) struct Mail {
    boxes: Boxes,
    tickets: Tickets,
    post: Post,
    carriers: Carriers,
    fetches: Fetches,
    owed: Owed,
    wants: Wants,
    /// Who is a friend, or where we have a name, changed.
    is_stale: bool,
    /// The process ends soon: nothing waits for a session any more.
    is_ending: bool,
}

/// What a rendezvous was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// To make or delete a mailbox.
    Put,
    /// For our mail.
    Get,
    /// To delete what we have.
    Ack,
    /// To keep mail for this device.
    Deposit(DeviceId),
    /// What it is, for this conversation's mail for a device.
    Carrier(u32, DeviceId),
}

impl Mail {
    pub(crate) fn load(conversations: &Conversations, step: &Step<'_>) -> Result<Self, Fault> {
        let mut mail = Self {
            boxes: Boxes::load(step)?,
            tickets: Tickets::load(step)?,
            post: Post::default(),
            carriers: Carriers::default(),
            fetches: Fetches::default(),
            owed: Owed::load(step)?,
            wants: Wants::default(),
            is_stale: true,
            is_ending: false,
        };
        for chat in conversations.chats.keys() {
            mail.post.plan(*chat, step.now.mono_ms + START_PATIENCE_MS);
        }
        mail.lacks_since_before(conversations, step);
        Ok(mail)
    }

    /// Somebody became a friend, or is none any more.
    pub(crate) fn on_people_changed(&mut self) {
        self.is_stale = true;
    }

    /// Whether this friend told where mail for a device of theirs may be left.
    pub(crate) fn knows(&self, account: &AccountId) -> bool {
        !self.tickets.devices(account).is_empty()
    }

    /// Whether what a vault should tell of mailboxes has changed since this was asked last.
    pub(crate) fn has_moved(&mut self) -> bool {
        self.tickets.take_moved()
    }

    /// Whether a mailbox for this friend is being made.
    pub(crate) fn is_making(&self, account: &AccountId) -> bool {
        self.boxes.is_making(account)
    }

    /// Whether a mailbox is being made at a rendezvous that is there.
    pub(crate) fn is_making_any(&self, rendezvous: &Rendezvous) -> bool {
        self.boxes.is_making_any(|_| true, rendezvous)
    }

    /// Whether one for somebody whom we ask is, so that the request can tell of it.
    pub(crate) fn is_making_for(&self, account: &AccountId, rendezvous: &Rendezvous) -> bool {
        self.boxes.is_making_any(|of| of == account, rendezvous)
    }

    /// How it stands with mail to this device: what is under way or goes in a moment, or why nothing does; `None` where no
    /// mailbox of it is known and none was tried.
    pub(crate) fn standing(&self, device: &DeviceId) -> Option<Why> {
        let next = || self.tickets.choose(device).map(|(address, _)| post::being_left(address.host()));
        self.post.standing(device).or_else(next)
    }

    /// Whether a mailbox of this device is known.
    pub(crate) fn has_mailbox(&self, device: &DeviceId) -> bool {
        self.tickets.choose(device).is_some()
    }

    /// This machine is a device of another account from now on.
    pub(crate) fn forget_boxes(&mut self, step: &mut Step<'_>) {
        self.boxes.forget_all(step);
    }

    fn patience_ms(&self) -> u64 {
        if self.is_ending { 0 } else { PATIENCE_MS }
    }

    /// When [`Parts::post_due`] is wanted.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.post.next_timeout()
    }
}

impl Parts {
    /// At the end of a batch: whoever should have a mailbox gets one, and what was written is looked at in a while.
    pub(crate) fn plan_mail(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        if self.mail.boxes.moved(&self.rendezvous) || self.mail.is_stale {
            self.plan_boxes(step);
        }
        self.owe_unparked(step);
        self.take_early(step)?;
        for chat in self.conversations.chats.values().filter(|chat| chat.moved) {
            self.mail.post.plan(chat.number, step.now.mono_ms + PATIENCE_MS);
        }
        Ok(())
    }

    /// Every friend, and our other devices, get a mailbox wherever we have a name; nobody else keeps one.
    pub(crate) fn plan_boxes(&mut self, step: &mut Step<'_>) {
        self.mail.is_stale = false;
        self.mail.boxes.plan(&around!(self), &self.rendezvous, step);
        self.mail.tickets.prune(&around!(self), step);
        // Who is new, and not connected, is told by mail.
        for chat in self.conversations.chats.keys() {
            self.mail.post.plan(*chat, step.now.mono_ms + PATIENCE_MS);
        }
        for server in self.rendezvous.named().copied().collect::<Vec<_>>() {
            self.put_box(server, step);
        }
    }

    /// Somebody is asked to be a friend, and is to be told where they may leave mail. `true`: that is being made.
    pub(crate) fn make_box(&mut self, account: &AccountId, step: &mut Step<'_>) -> bool {
        self.mail.boxes.make_everywhere(*account, &self.rendezvous, step);
        for server in self.rendezvous.named().copied().collect::<Vec<_>>() {
            self.put_box(server, step);
        }
        self.mail.is_making_for(account, &self.rendezvous)
    }

    /// Our name there was given up, and what it kept for us with it.
    pub(crate) fn mail_released(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        let fewer = self.mail.boxes.on_released(server, step);
        self.tell_mailboxes(&fewer, step);
    }

    /// A session with a device of theirs ended: what it lacks may have to go by mail.
    pub(crate) fn mail_instead(&mut self, account: &AccountId, step: &Step<'_>) {
        self.plan_post(account, step.now.mono_ms + self.mail.patience_ms(), step);
    }

    /// Looks then at whatever devices of this account may lack: ours, something of any conversation.
    fn plan_post(&mut self, account: &AccountId, at_ms: u64, step: &Step<'_>) {
        let is_ours = *account == step.me.account;
        for chat in self.conversations.chats.values().filter(|chat| is_ours || chat.row.account == *account) {
            self.mail.post.plan(chat.number, at_ms);
        }
    }

    /// Our account's session with a rendezvous has begun.
    pub(crate) fn mail_reached(&mut self, server: ServerKey, step: &mut Step<'_>) {
        self.put_box(server, step);
        self.fetch_mail(server, step);
    }

    /// What a rendezvous answered.
    pub(crate) fn on_mail_answer(
        &mut self,
        server: ServerKey,
        asked: Asked,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let answer = answer.map(|answered| *answered.frame);
        match asked {
            Asked::Put => self.on_box_put(server, &answer, step),
            Asked::Get => self.on_mail(server, answer, step),
            // What was not deleted comes again, and is known then.
            Asked::Ack => Ok(()),
            Asked::Deposit(device) => self.on_deposited(device, &answer, step),
            Asked::Carrier(chat, device) => self.on_carrier_answer(&server, (chat, device), &answer, step),
        }
    }

    fn put_box(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if !self.rendezvous.is_up(&server) {
            return;
        }
        if let Some(put) = self.mail.boxes.next_put(&server, step) {
            let request = ServerFrame::BoxPut(put);
            self.rendezvous.ask(server, Lane::Account, request, Purpose::Mail(Asked::Put), step);
        }
    }

    fn on_box_put(
        &mut self,
        server: ServerKey,
        answer: &Result<ServerFrame, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let is_gone =
            matches!(answer, Err(Failed::Refused(ErrorCode::NotFound))) && self.mail.boxes.is_deleting(&server);
        if let (Err(failed), false) = (answer, is_gone) {
            tracing::debug!(?failed, "a mailbox was not made or deleted");
            if let Some(account) = self.mail.boxes.on_put_failed(&server) {
                self.mail_instead(&account, step);
            }
            self.ask_waiting(true, step)?;
            return self.tell_accepted(step);
        }
        if let Some(account) = self.mail.boxes.on_put(&server, step) {
            self.tell_mailboxes(&BTreeSet::from([account]), step);
            if account == step.me.account || self.people.syncs(&account) {
                self.owe(&account, step)?;
            }
            self.ask_waiting(false, step)?;
            self.tell_accepted(step)?;
        }
        self.put_box(server, step);
        Ok(())
    }

    /// Devices of this friend are to know what they should know of us: by mail, where no session tells it in time.
    pub(crate) fn owe(&mut self, account: &AccountId, step: &mut Step<'_>) -> Result<(), Fault> {
        let number = self.conversations.chat_for(account, &around!(self), step)?;
        for device in self.mail.tickets.devices(account) {
            self.mail.owed.add(number, device, step);
        }
        self.mail.post.plan(number, step.now.mono_ms + self.mail.patience_ms());
        Ok(())
    }

    fn owe_device(&mut self, account: &AccountId, device: DeviceId, step: &mut Step<'_>) {
        let is_ours = *account == step.me.account;
        for chat in self.conversations.chats.values().filter(|chat| is_ours || chat.row.account == *account) {
            self.mail.owed.add(chat.number, device, step);
        }
    }

    /// The person does not want to wait: what a device lacks goes by mail unless a session is there.
    pub(crate) fn mail_now(&mut self, account: &AccountId, step: &Step<'_>) {
        self.mail_anew(account, step);
        self.plan_post(account, step.now.mono_ms, step);
    }

    /// More is known of where this friend's mail goes, or how it is sealed.
    pub(crate) fn mail_anew(&mut self, account: &AccountId, step: &Step<'_>) {
        for device in around!(self).recipients(account) {
            self.mail.post.forgive(&device.id);
        }
        self.mail_instead(account, step);
    }

    /// A rendezvous does not know our account any more. Where it does not say itself whether it was set back, what we left
    /// there may be gone too.
    pub(crate) fn mail_lost(&mut self, server: &ServerKey, step: &mut Step<'_>) -> Result<(), Fault> {
        if self.mail.carriers.told(server).is_none() {
            return self.mail_set_back(*server, step);
        }
        self.mail.boxes.doubt(server, step);
        Ok(())
    }

    /// A rendezvous was set back from a backup: our mailboxes there may be unknown, and what we left may be gone.
    pub(crate) fn mail_set_back(&mut self, server: ServerKey, step: &mut Step<'_>) -> Result<(), Fault> {
        self.mail.boxes.doubt(&server, step);
        self.put_box(server, step);
        for (account, device) in self.mail.tickets.at(&server) {
            self.leave_again(&account, device, step)?;
        }
        Ok(())
    }

    /// Whatever a carrier had for this device is gone.
    fn forget_carried(&mut self, account: &AccountId, device: DeviceId, step: &mut Step<'_>) -> Result<(), Fault> {
        let around = around!(self);
        let Conversations { chats, counters, .. } = &mut self.conversations;
        for chat in chats.values_mut().filter(|chat| *account == around.me || chat.row.account == *account) {
            chat.forget_carried(device, &mut Env { counters: &mut *counters, around: &around, step: &mut *step })?;
        }
        Ok(())
    }
}

/// When something is to be looked at, by what it is.
type Due<T> = BTreeMap<T, u64>;
