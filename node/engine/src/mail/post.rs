//! Our mail to others: what a device lacks, sealed to its prekey and left in its mailbox, as a guest, one envelope at a
//! time and each recipient over a link of its own.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    Token, codec,
    id::{AccountId, DeviceId, MailboxId},
    identity::Ticket,
    limits::{MAX_MAIL_ENTRIES, MAX_MAIL_PLAIN_BYTES},
    noise::mail,
    rendezvous::Address,
    wire::{
        ServerFrame,
        mail::MailContent,
        rendezvous::{Envelope, MailPut},
    },
};

use super::{
    Asked, Due, PATIENCE_MS,
    carried::{ENTRY_OVERHEAD, Mark},
};
use crate::{
    Parts, around,
    command::WaitReason,
    conversation::{Conversations, chat::Env},
    rendezvous::{Failed, Lane, Purpose, ServerKey},
    step::Step,
    view::Fault,
};

/// Lanes of this part have this bit, those of errands have not.
const OURS: u64 = 1 << 63;
/// Most deposits at a time: each needs a connection of its own.
const MAX_FLIGHTS: usize = 8;
/// When all are under way, the next one is looked at after this long.
pub(super) const CROWDED_MS: u64 = 1_000;
/// The first wait after a failure; twice as long each time.
const FIRST_WAIT_MS: u64 = 5_000;
/// The longest.
pub(super) const MAX_WAIT_MS: u64 = 600_000;
/// Whether a session was alive to say what is owed is looked at again after this long: who was silent for 15 s is asked,
/// and answers in a few more, or the session is dead after 40 s.
const SAID_MS: u64 = 20_000;
/// What a carrier keeps is looked at this often, to leave it again when its time there is over.
const SWEEP_MS: u64 = 6 * 3_600_000;
/// Room in an envelope for what is around the entries: padding's length, the head of their list.
const MARGIN_BYTES: usize = 32;

/// What is under way, and what waits.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// When each conversation is to be looked at.
    pub(super) due: Due<u32>,
    pub(super) flights: BTreeMap<DeviceId, Flight>,
    pub(super) waits: BTreeMap<DeviceId, Wait>,
    lanes: BTreeMap<DeviceId, u64>,
}

/// One envelope on its way to a carrier.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) to: Away,
    pub(super) mailbox: MailboxId,
    pub(super) server: ServerKey,
    pub(super) host: String,
    pub(super) marks: Vec<Mark>,
    pub(super) has_receipt: bool,
    pub(super) has_card: bool,
    pub(super) has_want: bool,
    /// Up to where it holds what the device asked for.
    given: Vec<Mark>,
}

/// What goes into one envelope.
struct Letter {
    content: MailContent,
    /// Up to where it holds what we wrote.
    marks: Vec<Mark>,
    /// Up to where it holds what the device asked for.
    given: Vec<Mark>,
}

/// Why nothing goes to a device now.
#[derive(Debug)]
pub(super) struct Wait {
    failures: u32,
    until_ms: u64,
    pub(super) why: Why,
}

/// The same for a person, and for a program.
#[derive(Clone, Debug)]
pub(crate) struct Why {
    pub(crate) reason: WaitReason,
    /// After "@bob is not reachable, and ", where mail is meant.
    pub(crate) words: String,
}

/// A device of a friend, or of ours, that no session reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    pub(super) chat: u32,
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
}

impl Why {
    pub(crate) fn new(reason: WaitReason, words: impl Into<String>) -> Self {
        Self { reason, words: words.into() }
    }
}

impl Post {
    /// This conversation is to be looked at then, or before.
    pub(super) fn plan(&mut self, chat: u32, at_ms: u64) {
        let due = self.due.entry(chat).or_insert(at_ms);
        *due = at_ms.min(*due);
    }

    /// The device told of other mailboxes, or is there: what failed before says nothing any more.
    pub(super) fn forgive(&mut self, device: &DeviceId) {
        self.waits.remove(device);
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.due.values().min().copied()
    }

    /// What is under way to this device, or why nothing is.
    pub(super) fn standing(&self, device: &DeviceId) -> Option<Why> {
        let flight = self.flights.get(device).map(|flight| being_left(&flight.host));
        flight.or_else(|| self.waits.get(device).map(|wait| wait.why.clone()))
    }

    fn take_due(&mut self, now_ms: u64) -> Vec<u32> {
        let due: Vec<u32> = self.due.iter().filter(|(_, at)| **at <= now_ms).map(|(chat, _)| *chat).collect();
        due.iter().for_each(|chat| {
            self.due.remove(chat);
        });
        due
    }

    pub(super) fn lane(&mut self, device: DeviceId) -> Lane {
        let next = OURS | self.lanes.len() as u64;
        Lane::Errand(*self.lanes.entry(device).or_insert(next))
    }

    pub(super) fn wait(&mut self, device: DeviceId, wait_ms: Option<u64>, why: Why, now_ms: u64) -> u64 {
        let failures = self.waits.get(&device).map_or(0, |wait| wait.failures);
        let grown = FIRST_WAIT_MS.saturating_mul(1 << failures.min(16)).min(MAX_WAIT_MS);
        let until_ms = now_ms + wait_ms.unwrap_or(grown).max(1);
        self.waits.insert(device, Wait { failures: failures + 1, until_ms, why });
        until_ms
    }
}

impl Parts {
    /// We have a new prekey: whoever has not heard of one for long is to.
    pub(crate) fn tell_prekey(&mut self, step: &Step<'_>) {
        for chat in self.conversations.chats.keys() {
            self.mail.post.plan(*chat, step.now.mono_ms + PATIENCE_MS);
        }
    }

    /// We are somewhere else now: whoever no session reaches is told by mail.
    pub(crate) fn tell_presence(&mut self, step: &mut Step<'_>) {
        self.mail.tickets.forget_told(step);
        self.tell_prekey(step);
    }

    /// Looks at what is due.
    pub(crate) fn post_due(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        for chat in self.mail.post.take_due(step.now.mono_ms) {
            self.post(chat, step)?;
        }
        Ok(())
    }

    /// Leaves mail for every device that lacks something and is not reached: the friend's, and our other ones.
    fn post(&mut self, chat: u32, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(friend) = self.conversations.chats.get(&chat).map(|chat| chat.row.account) else { return Ok(()) };
        if self.own.is_revoked(step) {
            return Ok(());
        }
        // Whatever made us look now, what is due later stays so.
        if let Some(at) = self.mail.wants.next(chat, step.now.mono_ms) {
            self.mail.post.plan(chat, at);
        }
        let around = around!(self);
        let accounts = BTreeSet::from([friend, around.me]);
        if friend != around.me
            && around.recipients(&friend).next().is_none()
            && self.conversations.queued(&friend, &around) > 0
        {
            // As after a login: of a friend from the vault no device is known.
            self.mail.post.plan(chat, step.now.mono_ms + MAX_WAIT_MS);
            self.accept_by_name(&friend, step)?;
        }
        let around = around!(self);
        let devices = accounts.iter().flat_map(|account| {
            around.recipients(account).map(|device| (*account, device.id, device.x25519.into_array()))
        });
        for (account, device, x25519) in devices.collect::<Vec<_>>() {
            match self.sessions.heard_of(&account, &x25519) {
                Some(heard_ms) => self.leave_to_session(chat, device, heard_ms, step),
                None => self.post_to(Away { chat, account, device }, step)?,
            }
        }
        Ok(())
    }

    fn leave_to_session(&mut self, chat: u32, device: DeviceId, heard_ms: u64, step: &mut Step<'_>) {
        self.mail.post.forgive(&device);
        self.mail.tickets.on_met(&device, step);
        if self.mail.owed.is_said(chat, device, heard_ms, step.now.mono_ms) {
            self.mail.wants.forget(&(chat, device));
            self.mail.owed.begin(chat, device);
            self.mail.owed.end(chat, device, step);
        } else {
            self.mail.post.plan(chat, step.now.mono_ms + SAID_MS);
        }
    }

    fn post_to(&mut self, to: Away, step: &mut Step<'_>) -> Result<(), Fault> {
        self.forget_expired(to, step)?;
        if self.mail.post.flights.contains_key(&to.device) {
            // What of this conversation is under way is not known here; it is looked at again soon.
            self.mail.post.plan(to.chat, step.now.mono_ms + CROWDED_MS);
            return Ok(());
        }
        if to.account == step.me.account {
            // What our conversation says of friends comes before what is said to them.
            let own = self.conversations.open_own(&around!(self), step);
            if own != to.chat {
                self.post_to(Away { chat: own, ..to }, step)?;
                if self.mail.post.flights.contains_key(&to.device) {
                    self.mail.post.plan(to.chat, step.now.mono_ms + CROWDED_MS);
                    return Ok(());
                }
            }
        }
        let now = step.now.mono_ms;
        if let Some(until_ms) = self.mail.post.waits.get(&to.device).map(|it| it.until_ms).filter(|until| *until > now)
        {
            self.mail.post.plan(to.chat, until_ms);
            return Ok(());
        }
        let Some((address, ticket)) = self.mail.tickets.choose(&to.device).map(|(to, ticket)| (to, ticket.clone()))
        else {
            if self.letter(to, false, step)?.is_some() {
                // Looked at again when it tells of a mailbox, which it does when it hears of us.
                self.accept_by_name(&to.account, step)?;
            }
            return Ok(());
        };
        let is_anew = self.mail.tickets.is_elsewhere(&to.device, &MailboxId::new(ticket.mailbox));
        let Some(letter) = self.letter(to, is_anew, step)? else { return Ok(()) };
        if self.mail.post.flights.len() >= MAX_FLIGHTS {
            self.mail.post.plan(to.chat, now + CROWDED_MS);
            return Ok(());
        }
        let has_entries = !letter.marks.is_empty();
        if (!has_entries && self.has_no_box_yet(to)) || self.looks_up_first(to, has_entries, step) {
            return Ok(());
        }
        match self.sealed(to, &letter.content, step) {
            Ok(envelope) => self.deposit(to, letter, (&address, &ticket), envelope, step),
            Err(why) => {
                self.hold(to, None, why, step);
                return self.accept_by_name(&to.account, step);
            }
        }
        Ok(())
    }

    fn forget_expired(&mut self, to: Away, step: &mut Step<'_>) -> Result<(), Fault> {
        let around = around!(self);
        let Conversations { chats, counters, .. } = &mut self.conversations;
        let Some(chat) = chats.get_mut(&to.chat) else { return Ok(()) };
        chat.forget_expired(to.device, &mut Env { counters, around: &around, step })?;
        if chat.is_carried(&to.device) {
            self.mail.post.plan(to.chat, step.now.mono_ms + SWEEP_MS);
            self.watch_carrier(to, step);
        }
        Ok(())
    }

    /// What is to be told to a device, if anything: entries, each after its past, our receipt, and what one of us lacks of
    /// the other. To another mailbox than before goes all that the device lacks, since nobody knows when it gets at the old
    /// one.
    fn letter(&mut self, to: Away, is_anew: bool, step: &mut Step<'_>) -> Result<Option<Letter>, Fault> {
        let Some(chat) = self.conversations.chats.get(&to.chat) else { return Ok(None) };
        let is_untold = self.mail.tickets.is_untold(&to.device, step.now.wall_ms);
        let is_owed = self.mail.owed.has(to.chat, &to.device) || is_untold;
        let receipts = if is_owed { vec![chat.signed_receipt(&to.device, step)] } else { Vec::new() };
        let (all, _) = chat.uncarried(&to.device, is_anew, MAX_MAIL_PLAIN_BYTES, step)?;
        let key = (to.chat, to.device);
        if !all.is_empty() {
            self.give_past(key, step)?;
        }
        let is_due = self.mail.wants.is_due(&key, step.now.mono_ms);
        let chat = self.conversations.chats.get(&to.chat);
        let want = chat.filter(|_| is_due).and_then(|chat| chat.lacking(step));
        if is_due && want.is_none() {
            self.mail.wants.end(&key);
        }
        let is_asked = self.mail.wants.has(&key) || want.is_some();
        if all.is_empty() && !is_owed && !is_asked {
            return Ok(None);
        }
        let account = self.card_for(&to.account, step);
        let is_friend = to.account != step.me.account;
        let presence = is_friend.then(|| self.presence.ticket_for((to.account, to.device), step));
        let Some(chat) = self.conversations.chats.get(&to.chat) else { return Ok(None) };
        // Somebody who asked us, and is away, may hear by this that we accept them.
        let knock = (is_friend && is_owed).then(|| self.rendezvous.acceptance(&to.account, &self.own, step));
        let bare = MailContent { receipts, want, ..MailContent::default() };
        // Without the card, where there is no room for it besides the largest message.
        for mut content in [MailContent { account, presence, knock, ..bare.clone() }, bare] {
            let budget = MAX_MAIL_PLAIN_BYTES.saturating_sub(codec::encode(&content).len() + MARGIN_BYTES);
            let (entries, marks) = chat.uncarried(&to.device, is_anew, budget, step)?;
            if all.is_empty() || !entries.is_empty() {
                let used: usize = entries.iter().map(|entry| entry.size() + ENTRY_OVERHEAD).sum();
                let room = (budget.saturating_sub(used), MAX_MAIL_ENTRIES - entries.len());
                content.entries = entries;
                let (more, given) = self.given(&key, room, step)?;
                content.entries.extend(more);
                return Ok(Some(Letter { content, marks, given }));
            }
        }
        Ok(None)
    }

    fn sealed(&self, to: Away, content: &MailContent, step: &mut Step<'_>) -> Result<Envelope, Why> {
        let around = around!(self);
        let device = around.account(&to.account).and_then(|known| known.device(&to.device));
        let newest = device.and_then(|device| self.newest_prekey(device, step.now.wall_ms));
        let prekey = newest.ok_or_else(|| {
            let words = "the key that mail to them is sealed with has expired; it goes out when they connect";
            Why::new(WaitReason::NotTaken, words)
        })?;
        mail::seal(content, &to.device, &prekey, &step.me.keys, step.rng)
            .map_err(|error| Why::new(WaitReason::NotTaken, format!("mail to them cannot be sealed: {error}")))
    }

    fn deposit(
        &mut self,
        to: Away,
        Letter { content, marks, given }: Letter,
        (address, ticket): (&Address, &Ticket),
        envelope: Envelope,
        step: &mut Step<'_>,
    ) {
        let (has_receipt, has_card) = (!content.receipts.is_empty(), !content.account.bundles.is_empty());
        let has_want = content.want.is_some();
        if has_receipt {
            self.mail.owed.begin(to.chat, to.device);
        }
        let mailbox = MailboxId::new(ticket.mailbox);
        let host = address.host().to_owned();
        let server = self.rendezvous.meet(address);
        let flight = Flight { to, mailbox, server, host, marks, has_receipt, has_card, has_want, given };
        self.mail.post.flights.insert(to.device, flight);
        let lane = self.mail.post.lane(to.device);
        self.ask_carrier(to, server, lane, step);
        let put = MailPut { mailbox, token: Token::new(ticket.token), envelope };
        let purpose = Purpose::Mail(Asked::Deposit(to.device));
        self.rendezvous.ask(server, lane, ServerFrame::MailPut(put), purpose, step);
    }

    /// A carrier has stored an envelope, or has not.
    pub(super) fn on_deposited(
        &mut self,
        device: DeviceId,
        answer: &Result<ServerFrame, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(flight) = self.mail.post.flights.remove(&device) else { return Ok(()) };
        match answer {
            Ok(ServerFrame::Done) => self.on_kept(flight.to, &flight, step),
            failed => self.on_not_kept(flight.to, &flight, failed, step),
        }
    }

    fn on_kept(&mut self, to: Away, flight: &Flight, step: &mut Step<'_>) -> Result<(), Fault> {
        self.mail.post.forgive(&to.device);
        let has_moved = self.mail.tickets.is_elsewhere(&to.device, &flight.mailbox);
        let generation = self.mail.carriers.told(&flight.server);
        self.mail.tickets.on_used(&to.device, flight.mailbox, generation, step);
        let chat = self.conversations.chats.get(&to.chat);
        if has_moved && !chat.is_some_and(|chat| chat.covers(&to.device, &flight.marks)) {
            self.forget_carried(&to.account, to.device, step)?;
        }
        if flight.has_receipt {
            self.mail.owed.end(to.chat, to.device, step);
        }
        if flight.has_card {
            self.mail.tickets.on_told(&to.device, step);
        }
        if flight.has_want {
            self.on_asked(to, step);
        }
        self.mail.wants.on_given(&(to.chat, to.device), &flight.given);
        let around = around!(self);
        let Conversations { chats, counters, .. } = &mut self.conversations;
        if let Some(chat) = chats.get_mut(&to.chat) {
            for mark in &flight.marks {
                chat.on_carried(
                    to.device,
                    *mark,
                    &mut Env { counters: &mut *counters, around: &around, step: &mut *step },
                )?;
            }
        }
        self.post(to.chat, step)
    }
}

/// What is said of a letter that is under way, or goes in a moment.
pub(super) fn being_left(host: &str) -> Why {
    Why::new(WaitReason::Leaving, format!("what you wrote is being left in their mailbox at {host}"))
}
