//! Two devices compare what they have of a conversation, and each asks for what it lacks: digest → frontier → want →
//! entries; then live push, with a digest every minute as repair.
//!
//! `partner.rs` is a session's other side, `push.rs` sends entries, `receipt.rs` receipts, read marks and typing. A frontier is always the truth of the
//! moment: it is computed when it is sent, after the commit it follows from.

pub(crate) mod partner;
pub(crate) mod push;
pub(crate) mod receipt;
#[cfg(test)]
mod tests;
pub(crate) mod want;
pub(crate) mod window;

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::LogId,
    limits::MAX_WANT_RANGES,
    wire::{Digest, Entries, Frame, Frontier, FrontierItem, Want, WantRange},
};

use crate::{
    Around,
    conversation::{
        Conversations,
        chat::{Chat, Env},
    },
    log::ingest::Taken,
    step::{SessionId, Step},
    sync::{partner::links_of, push::Cursor, want::Compared},
    view::Fault,
};

/// Both sides compare digests this often.
const REPAIR_MS: u64 = 60_000;
/// A gap is told when what was asked for did not come for so long over a live session.
const GAP_MS: u64 = 5_000;

/// Most words of one friend about logs of ours that are not here yet.
const MAX_CLAIMS: usize = 64;

/// What this node knows of one conversation at one session's other side.
#[derive(Debug)]
pub(crate) struct Link {
    /// How far each log was sent, by its number.
    cursors: BTreeMap<u32, Cursor>,
    /// What it asked for, by log, sorted.
    ranges: BTreeMap<u32, Vec<(u64, u64)>>,
    /// There may be something to send.
    stirred: bool,
    /// Nothing was compared yet.
    fresh: bool,
    last_receipt: Option<u64>,
    /// Logs with news for it.
    to_receipt: BTreeSet<u32>,
    /// Bytes that came since the last receipt.
    unreceipted_bytes: usize,
    last_typing: Option<u64>,
    /// What a friend has of logs of ours that another device wrote and that are not here yet: receipts to come.
    claims: BTreeMap<LogId, FrontierItem>,
    /// How far a friend has read in such logs.
    reads: BTreeMap<LogId, u64>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            cursors: BTreeMap::new(),
            ranges: BTreeMap::new(),
            stirred: true,
            fresh: true,
            last_receipt: None,
            to_receipt: BTreeSet::new(),
            unreceipted_bytes: 0,
            last_typing: None,
            claims: BTreeMap::new(),
            reads: BTreeMap::new(),
        }
    }
}

impl Conversations {
    /// The live sessions of a conversation.
    pub(crate) fn sessions_of(&self, chat: u32) -> impl Iterator<Item = SessionId> {
        self.partners.keys().copied().filter(move |session| self.links.contains_key(&(*session, chat)))
    }

    /// Those with devices of the friend.
    pub(crate) fn friends_of(&self, chat: u32) -> impl Iterator<Item = SessionId> {
        self.sessions_of(chat).filter(|session| self.partners.get(session).is_some_and(|partner| !partner.mine))
    }

    /// Sends our digest: whatever differs is found from there.
    pub(crate) fn start_round(&mut self, session: SessionId, number: u32, step: &mut Step<'_>) {
        let Some(partner) = self.partners.get_mut(&session) else { return };
        let Some(link) = self.links.get_mut(&(session, number)) else { return };
        let Some(chat) = self.chats.get_mut(&number) else { return };
        link.stirred = true;
        if partner.mine {
            partner.announce(number);
            return;
        }
        // What was looked for over a session that broke may never have come.
        chat.probes.clear();
        partner.next_digest = next_digest(step);
        link.told_all(chat);
        step.send(session, Frame::Digest(Digest { conversation: chat.id, hash: chat.digest() }));
        let ranges = chat.withheld(session, false, step.now);
        send_wants(session, chat, ranges, step);
    }

    /// The other side's digest of a conversation.
    pub(crate) fn on_hash(
        &mut self,
        session: SessionId,
        number: u32,
        hash: &[u8; 32],
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(partner) = self.partners.get_mut(&session) else { return Ok(()) };
        let Some(link) = self.links.get_mut(&(session, number)) else { return Ok(()) };
        let Some(chat) = self.chats.get_mut(&number) else { return Ok(()) };
        link.stirred = true;
        if chat.digest() != *hash {
            link.told_all(chat);
            let items = chat.frontier();
            step.send(session, Frame::Frontier(Frontier { conversation: chat.id, full: true, items }));
            return Ok(());
        }
        let mut env = Env { counters: &mut self.counters, around, step };
        for log in 0..u32::try_from(chat.logs.len()).unwrap_or(u32::MAX) {
            let Some(known) = chat.log_at(log) else { continue };
            link.cursor(log).reach(known.head_seq());
            if known.row.mine && !partner.mine {
                let heads: Vec<u64> = known.row.branches.iter().map(|branch| branch.seq).collect();
                for (branch, seq) in (0..).zip(heads) {
                    chat.on_stored(partner.device, log, branch, seq, &mut env)?;
                }
            }
        }
        partner.window.land_all(number);
        if chat.row.importing {
            chat.change().importing = false;
        }
        Ok(())
    }

    pub(crate) fn on_frontier(
        &mut self,
        session: SessionId,
        number: u32,
        frontier: &Frontier,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let mut ranges = Vec::new();
        let mut matched: BTreeMap<u32, (usize, u64)> = BTreeMap::new();
        let Some(partner) = self.partners.get_mut(&session) else { return Ok(()) };
        let Some(link) = self.links.get_mut(&(session, number)) else { return Ok(()) };
        let Some(chat) = self.chats.get_mut(&number) else { return Ok(()) };
        link.stirred = true;
        for item in &frontier.items {
            let mut env = Env { counters: &mut self.counters, around, step };
            match chat.compare(item, env.step)? {
                Compared::Have { log, branch } => {
                    let reached = matched.entry(log).or_default();
                    reached.0 += 1;
                    reached.1 = reached.1.max(item.seq);
                    if chat.is_mine(log) && !partner.mine {
                        chat.on_stored(partner.device, log, branch, item.seq, &mut env)?;
                    }
                }
                Compared::Lack { from, to } => {
                    if item.log == env.step.me.device.log(env.counters.incarnation()) {
                        // Our own log, and somebody else knows it better: this database was restored.
                        env.counters.renew_on_claim(env.step);
                    }
                    if !partner.mine && chat.writer_of(&item.log).is_some_and(|writer| writer.mine) {
                        link.claim(*item);
                    }
                    ranges.extend(chat.ask(session, item.log, from, to, env.step.now.mono_ms));
                }
                Compared::Refused => {}
            }
        }
        for (log, (heads, seq)) in matched {
            partner.window.land(number, log, seq, step.now.mono_ms);
            link.heard(log, heads, seq, chat);
        }
        if frontier.full {
            // They know all of ours then, and ask for what they lack.
            link.told_all(chat);
            let items = chat.frontier();
            step.send(session, Frame::Frontier(Frontier { conversation: chat.id, full: false, items }));
        }
        ranges.extend(chat.ask_for_past(session, step.now.mono_ms));
        send_wants(session, chat, ranges, step);
        Ok(())
    }

    pub(crate) fn on_entries(
        &mut self,
        session: SessionId,
        number: u32,
        batch: Entries,
        around: &Around<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&(session, number)) else { return Ok(()) };
        let Some(chat) = self.chats.get_mut(&number) else { return Ok(()) };
        link.stirred = true;
        let now_ms = step.now.mono_ms;
        // Another device of ours has counted what a friend sent.
        chat.from_ours = self.partners.get(&session).is_some_and(|partner| partner.mine);
        let mut env = Env { counters: &mut self.counters, around, step };
        let mut touched = BTreeSet::new();
        for entry in batch.entries {
            link.unreceipted_bytes += entry.size();
            match chat.ingest(entry, &mut env)? {
                Taken::Stored(place) | Taken::Known(place) => {
                    touched.insert(place.log);
                    let head = chat.log_at(place.log).map_or(0, crate::log::Log::head_seq);
                    link.cursor(place.log).holds(place.seq, head);
                }
                Taken::Parked | Taken::Ignored => {}
                Taken::Bad(why) => {
                    tracing::debug!(why, "a peer sent an entry that no honest node passes on");
                    self.refuse(session, step);
                    return Ok(());
                }
            }
        }
        chat.from_ours = false;
        for log in touched {
            let id = chat.log_at(log).map(|log| log.row.id);
            id.into_iter().for_each(|id| chat.wanted_progress(id, now_ms));
        }
        let ranges = chat.ask_for_past(session, now_ms);
        send_wants(session, chat, ranges, env.step);
        Ok(())
    }

    /// Entries came that a friend had before us: what it said of them is its receipt.
    pub(crate) fn settle_claims(&mut self, around: &Around<'_>, step: &mut Step<'_>) -> Result<(), Fault> {
        let waits = |link: &Link| !link.claims.is_empty() || !link.reads.is_empty();
        for ((session, number), link) in self.links.iter_mut().filter(|(_, link)| waits(link)) {
            let Some(partner) = self.partners.get(session) else { continue };
            let Some(chat) = self.chats.get_mut(number).filter(|chat| chat.moved) else { continue };
            for (log, item) in std::mem::take(&mut link.claims) {
                let Compared::Have { log: number, branch } = chat.compare(&item, step)? else {
                    link.claims.insert(log, item);
                    continue;
                };
                let mut env = Env { counters: &mut self.counters, around, step };
                chat.on_stored(partner.device, number, branch, item.seq, &mut env)?;
            }
            for (log, seq) in std::mem::take(&mut link.reads) {
                match chat.log_number(&log) {
                    None => link.claim_read(log, seq),
                    Some(number) if chat.is_mine(number) => {
                        let mut env = Env { counters: &mut self.counters, around, step };
                        chat.on_read(partner.device, number, seq, &mut env)?;
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// When the next digest, receipt or retry is due.
    pub(crate) fn next_repair(&self) -> Option<u64> {
        let partners = self.partners.values().flat_map(|it| [Some(it.next_digest), it.window.next_retry()]);
        let receipts = self.links.values().map(Link::next_receipt);
        partners.chain(receipts).chain(self.chats.values().map(|chat| self.gap_due(chat))).flatten().min()
    }

    /// Digests that are due, and gaps that nobody fills. Receipts and pushes follow in the flush.
    pub(crate) fn repair_due(&mut self, around: &Around<'_>, step: &mut Step<'_>) {
        let now_ms = step.now.mono_ms;
        let due = self.partners.iter().filter(|(_, partner)| partner.next_digest <= now_ms);
        for session in due.map(|(session, _)| *session).collect::<Vec<_>>() {
            self.repair(session, around, step);
        }
        for partner in self.partners.values_mut() {
            partner.window.drop_lost(now_ms);
        }
        let gaps: Vec<u32> = self
            .chats
            .values()
            .filter(|chat| self.gap_due(chat).is_some_and(|due| due <= now_ms))
            .map(|chat| chat.number)
            .collect();
        for number in gaps {
            if let Some(chat) = self.chats.get_mut(&number) {
                chat.tell_gap(around, step);
            }
        }
    }

    fn repair(&mut self, session: SessionId, around: &Around<'_>, step: &mut Step<'_>) {
        let mine = self.partners.get(&session).is_some_and(|partner| partner.mine);
        for number in self.links.range(links_of(session)).map(|((_, number), _)| *number).collect::<Vec<_>>() {
            self.start_round(session, number, step);
            if !mine {
                self.tell_read(session, number, around, step);
            }
        }
        if let Some(partner) = self.partners.get_mut(&session) {
            partner.next_digest = next_digest(step);
        }
    }

    /// When the person is told that something is missing; only while somebody is there who was asked.
    fn gap_due(&self, chat: &Chat) -> Option<u64> {
        let since = chat.parked.untold_since?;
        self.sessions_of(chat.number).next().map(|_| since + GAP_MS)
    }

    /// What was parked is in its place, but some had to go meanwhile: everything is compared again.
    pub(crate) fn ask_again(&mut self, _around: &Around<'_>, step: &mut Step<'_>) {
        let again: Vec<u32> = self
            .chats
            .values_mut()
            .filter(|chat| chat.parked.evicted && chat.parked.is_empty())
            .map(|chat| {
                chat.parked.evicted = false;
                chat.number
            })
            .collect();
        for number in again {
            for session in self.sessions_of(number).collect::<Vec<_>>() {
                self.start_round(session, number, step);
            }
        }
    }

    /// `/resync`: compares everything again, and takes bodies that were over the quota.
    pub(crate) fn resync(&mut self, number: u32, step: &mut Step<'_>) -> bool {
        let sessions: Vec<SessionId> = self.sessions_of(number).collect();
        for session in &sessions {
            if let Some(chat) = self.chats.get_mut(&number) {
                chat.wanted.clear();
                chat.parked.told = 0;
                chat.parked.untold_since = Some(step.now.mono_ms).filter(|_| !chat.parked.is_empty());
                let ranges = chat.withheld(*session, true, step.now);
                send_wants(*session, chat, ranges, step);
            }
            self.start_round(*session, number, step);
        }
        !sessions.is_empty()
    }
}

impl Link {
    fn claim(&mut self, item: FrontierItem) {
        if self.claims.len() < MAX_CLAIMS || self.claims.contains_key(&item.log) {
            self.claims.insert(item.log, item);
        }
    }

    fn claim_read(&mut self, log: LogId, seq: u64) {
        if self.reads.len() < MAX_CLAIMS || self.reads.contains_key(&log) {
            self.reads.insert(log, seq);
        }
    }
}

/// A minute from now; sessions of one moment would otherwise compare in one moment for ever.
fn next_digest(step: &mut Step<'_>) -> u64 {
    step.now.mono_ms + REPAIR_MS + u64::from(step.random::<1>()[0]) * 20
}

fn send_wants(session: SessionId, chat: &Chat, mut ranges: Vec<WantRange>, step: &mut Step<'_>) {
    ranges.truncate(MAX_WANT_RANGES);
    if !ranges.is_empty() {
        step.send(session, Frame::Want(Want { conversation: chat.id, ranges }));
    }
}
