//! What a device lacks and its friend's mail does not bring: a device leaves only what it wrote itself, so a new machine
//! whose account's other devices are gone would wait for their part of the history for ever. It says what is missing in a
//! letter to whoever wrote what it cannot show yet, and that device, which had the past of its words, leaves it there.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use hobnob_shared::{
    id::{AccountId, DeviceId, LogId},
    limits::MAX_MAIL_RANGES,
    wire::{SignedEntry, WantRange, mail::MailWant},
};

use super::{
    Mail,
    carried::{ENTRY_OVERHEAD, Mark, merge},
    post::Away,
};
use crate::{
    Parts, around,
    conversation::{Conversations, chat::Chat},
    log::{
        Log,
        row::{EntryTable, Place},
    },
    row::RowKey as _,
    step::Step,
    view::{Fault, Order},
    work::Now,
};

/// What is missing may be in the next envelope, or at a device that a session reaches in a moment. Short enough for who
/// looks in for a quarter of a minute.
const ASK_AFTER_MS: u64 = 8_000;
/// What was asked for and is still missing when more comes is asked for again after this long.
const ASK_AGAIN_MS: u64 = 600_000;
/// And without more after a day: whoever has it may have been away.
const ASK_DAILY_MS: u64 = 24 * 3_600_000;
/// Before a device asks, so much of what our words follow is left with them: four envelopes, some 900 messages. A longer
/// past it asks for, if none of its own account's devices has it.
const PAST_BYTES: usize = 256 * 1024;

/// A conversation, and a device that has part in it.
type Key = (u32, DeviceId);

/// What is lacking here and there. Not stored, but for when a device was asked last (see [`super::tickets`]): what is still
/// missing after a start is asked for again.
#[derive(Debug, Default)]
pub(super) struct Wants {
    /// When whom is asked, in `mono_ms`.
    asks: BTreeMap<Key, u64>,
    /// What others asked for, or cannot do without.
    given: BTreeMap<Key, Vec<Span>>,
}

/// Part of a branch.
#[derive(Clone, Copy, Debug)]
struct Span {
    log: u32,
    branch: u8,
    from: u64,
    to: u64,
}

impl Wants {
    /// Whether this device asked for something.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.given.contains_key(key)
    }

    /// Whether this device is to be asked now.
    pub(super) fn is_due(&self, key: &Key, now_ms: u64) -> bool {
        self.asks.get(key).is_some_and(|at| *at <= now_ms)
    }

    /// When somebody is to be asked next about a conversation.
    pub(super) fn next(&self, chat: u32, now_ms: u64) -> Option<u64> {
        let of_chat = self.asks.range((chat, DeviceId::new([0; 32]))..=(chat, DeviceId::new([u8::MAX; 32])));
        of_chat.map(|(_, at)| *at).filter(|at| *at > now_ms).min()
    }

    /// A session does all of that better.
    pub(super) fn forget(&mut self, key: &Key) {
        self.asks.remove(key);
        self.given.remove(key);
    }

    /// The process ends soon: whoever has not been asked is asked now. Says about which conversations.
    fn hurry(&mut self, now_ms: u64) -> BTreeSet<u32> {
        let unasked = self.asks.iter_mut().filter(|(_, at)| **at <= now_ms + ASK_AFTER_MS);
        unasked.map(|((chat, _), at)| (*at = now_ms, *chat).1).collect()
    }

    /// Whether somebody is to be asked about this conversation now.
    pub(super) fn is_any_due(&self, chat: u32, now_ms: u64) -> bool {
        self.asks.iter().any(|((of, _), at)| *of == chat && *at <= now_ms)
    }

    /// What was lacking has come.
    pub(super) fn end(&mut self, key: &Key) {
        self.asks.remove(key);
    }

    /// The device was asked.
    pub(super) fn on_asked(&mut self, key: &Key, now_ms: u64) {
        if let Some(at) = self.asks.get_mut(key) {
            *at = now_ms + ASK_DAILY_MS;
        }
    }

    /// A carrier has these for the device.
    pub(super) fn on_given(&mut self, key: &Key, marks: &[Mark]) {
        let Some(spans) = self.given.get_mut(key) else { return };
        for mark in marks {
            let gone = |span: &&mut Span| (span.log, span.branch) == (mark.log, mark.branch);
            spans.iter_mut().filter(gone).for_each(|span| span.from = span.from.max(mark.seq + 1));
        }
        spans.retain(|span| span.from <= span.to);
        if spans.is_empty() {
            self.given.remove(key);
        }
    }
}

impl Mail {
    /// Something of this device came that cannot be shown before its past.
    pub(super) fn lacks(&mut self, chat: u32, device: DeviceId, now: Now) {
        self.ask_within(chat, device, ASK_AGAIN_MS, now);
    }

    /// The same for what came before this start.
    pub(super) fn lacks_since_before(&mut self, conversations: &Conversations, step: &Step<'_>) {
        for chat in conversations.chats.values() {
            for device in chat.parked_authors() {
                self.ask_within(chat.number, device, ASK_DAILY_MS, step.now);
            }
        }
    }

    /// It is asked in a moment, or, if it was asked lately, so long after that.
    fn ask_within(&mut self, chat: u32, device: DeviceId, again_ms: u64, now: Now) {
        let asked_ms = self.tickets.asked_ms(&device).map(|at| now.wall_ms.abs_diff(at));
        let left_ms = asked_ms.map_or(0, |ago| again_ms.saturating_sub(ago)).max(ASK_AFTER_MS);
        let at = self.wants.asks.entry((chat, device)).or_insert(now.mono_ms + left_ms);
        *at = (*at).min(now.mono_ms + again_ms);
        self.post.plan(chat, *at);
    }
}

impl Chat {
    /// Whose entries wait for their past.
    fn parked_authors(&self) -> BTreeSet<DeviceId> {
        self.parked.logs().iter().filter_map(|log| self.writer_of(log)).map(|writer| writer.device).collect()
    }

    /// What those wait for, as far as a letter can say it. An entry names what it waits for and nothing of what comes before
    /// that, so all that follows what is here is asked for; and of every other log too where more waited than there was room
    /// for, since the entries that named those are gone.
    pub(super) fn lacking(&self, step: &Step<'_>) -> Option<MailWant> {
        let head = |log: &LogId| self.log(log).map_or(0, Log::head_seq);
        let missing = self.parked.missing().into_iter().filter(|(log, (low, _))| *low > head(log));
        let mut logs: BTreeSet<LogId> = missing.map(|(log, _)| log).collect();
        if logs.is_empty() {
            return None;
        }
        let others = self.parked.evicted;
        if others {
            logs.extend(self.logs.iter().map(|log| log.row.id));
        }
        let ranges = logs.into_iter().take(MAX_MAIL_RANGES);
        let ranges = ranges.map(|log| WantRange { log, from: head(&log) + 1, to: u64::MAX }).collect();
        Some(MailWant { device: step.me.device, conversation: self.id, ranges, others })
    }

    /// What this device can have from nobody but us, if it has said nothing here yet and there is little of it: what others
    /// than we wrote, which our words follow.
    fn past_for(&self, device: DeviceId, step: &Step<'_>) -> Result<Vec<Span>, Fault> {
        if self.is_known_to(&device) {
            return Ok(Vec::new());
        }
        let all = MailWant { device, conversation: self.id, ranges: Vec::new(), others: true };
        let is_ours = |span: &Span| self.log_at(span.log).is_some_and(|log| log.row.device == step.me.device);
        let spans: Vec<Span> = self.spans(&all).into_iter().filter(|span| !is_ours(span)).collect();
        let mut bytes = 0;
        for span in &spans {
            bytes += self.size_of(span, PAST_BYTES.saturating_sub(bytes), step)?;
        }
        Ok(if bytes <= PAST_BYTES { spans } else { Vec::new() })
    }

    /// How many bytes its entries have; more than `limit` where they have more.
    fn size_of(&self, span: &Span, limit: usize, step: &Step<'_>) -> Result<usize, Fault> {
        let key = |seq| (self.number, Place { log: span.log, seq, branch: 0 }).to_bytes();
        let mut bytes = 0;
        step.range::<EntryTable>(
            &key(span.from),
            Some(&key(span.to.saturating_add(1))),
            Order::Ascending,
            |_, row| {
                bytes += row.entry.size() + ENTRY_OVERHEAD;
                if bytes > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        )?;
        Ok(bytes)
    }

    /// What of that is here.
    fn spans(&self, want: &MailWant) -> Vec<Span> {
        let mut spans = Vec::new();
        for (number, log) in (0..).zip(&self.logs).filter(|(_, log)| log.row.device != want.device) {
            let whole = WantRange { log: log.row.id, from: 1, to: u64::MAX };
            let named = want.ranges.iter().filter(|range| range.log == log.row.id);
            let named = named.copied().reduce(|one, other| WantRange {
                from: one.from.min(other.from),
                to: one.to.max(other.to),
                ..one
            });
            let Some(range) = named.or_else(|| want.others.then_some(whole)) else { continue };
            for (branch, known) in (0..).zip(&log.row.branches) {
                let (from, to) = (range.from.max(known.start).max(1), range.to.min(known.seq));
                if from <= to {
                    spans.push(Span { log: number, branch, from, to });
                }
            }
        }
        spans
    }
}

impl Parts {
    /// Something of ours goes to a device: what it cannot show that without goes along.
    pub(super) fn give_past(&mut self, (number, device): Key, step: &Step<'_>) -> Result<(), Fault> {
        let Some(chat) = self.conversations.chats.get(&number).filter(|chat| !chat.is_own(&around!(self))) else {
            return Ok(());
        };
        let past = chat.past_for(device, step)?;
        if !past.is_empty() {
            self.mail.wants.given.entry((number, device)).or_insert(past);
        }
        Ok(())
    }

    /// A carrier has our question, and nobody is there who could answer it sooner: the person may know.
    pub(super) fn on_asked(&mut self, to: Away, step: &mut Step<'_>) {
        self.mail.wants.on_asked(&(to.chat, to.device), step.now.mono_ms);
        self.mail.tickets.on_asked(&to.device, step);
        let around = around!(self);
        if let Some(chat) = self.conversations.chats.get_mut(&to.chat) {
            chat.tell_gap(&around, step);
        }
    }

    /// The process ends soon: what is missing is asked for now, and may be here at the next start.
    pub(crate) fn hurry_wants(&mut self, now_ms: u64) {
        for chat in self.mail.wants.hurry(now_ms) {
            self.mail.post.plan(chat, now_ms);
        }
    }

    /// The next entries that a device asked for, in so much room, and up to where they go.
    pub(super) fn given(
        &self,
        key: &Key,
        (budget, most): (usize, usize),
        step: &Step<'_>,
    ) -> Result<(Vec<SignedEntry>, Vec<Mark>), Fault> {
        let spans = self.mail.wants.given.get(key).map(Vec::as_slice).unwrap_or_default();
        let Some(chat) = self.conversations.chats.get(&key.0) else { return Ok((Vec::new(), Vec::new())) };
        let mut sources = Vec::new();
        for Span { log, branch, from, to } in spans {
            sources.push(chat.source(Mark { log: *log, branch: *branch, seq: *to }, *from, budget, step)?);
        }
        Ok(merge(sources, budget, most))
    }

    /// A device of a friend, or of ours, lacks this. Who asks is not signed: what is left is sealed to the device that is
    /// named, so nobody else gains by asking for it.
    pub(super) fn on_mailed_want(&mut self, account: &AccountId, want: &MailWant, step: &Step<'_>) {
        let number = self.conversations.number_of(&want.conversation);
        let chat = number.and_then(|number| self.conversations.chats.get(&number));
        let around = around!(self);
        let is_theirs = |chat: &&Chat| *account == around.me || chat.row.account == *account;
        let Some(chat) = chat.filter(is_theirs) else { return };
        if want.device == step.me.device || !around.syncs(account, &want.device) {
            return;
        }
        let spans = chat.spans(want);
        if !spans.is_empty() {
            self.mail.wants.given.insert((chat.number, want.device), spans);
            self.mail.post.plan(chat.number, step.now.mono_ms);
        }
    }
}
