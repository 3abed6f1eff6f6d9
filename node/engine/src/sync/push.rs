//! Sending entries over one session: what was asked for, then what is new, all in an order in which each entry comes
//! after its past, and as far as the session's window allows.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
};

use hobnob_shared::{
    limits::MAX_BATCH_ENTRIES,
    wire::{Entries, Frame, Frontier, SignedEntry, Want},
};

use crate::{
    conversation::{Conversations, chat::Chat},
    log::row::{EntryRow, EntryTable, Place, join_range},
    row::RowKey as _,
    step::{SessionId, Step},
    sync::{
        Link,
        window::{Flight, Window},
    },
    view::{Fault, Order},
};

/// A frame is full from here on; small enough that other frames need not wait long behind it.
const BATCH_BYTES: usize = 60 * 1024;
/// Most entries that are read ahead, of all logs together.
const AHEAD_ENTRIES: usize = 512;
/// Most ranges of one log that somebody may have asked for at once.
const MAX_RANGES_OF_LOG: usize = 256;
/// Bytes around an entry in a frame.
const ENTRY_OVERHEAD: usize = 16;

/// How far one log was sent over one session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    /// The other side has everything up to `sent`, or it is on its way: new entries are pushed.
    active: bool,
    sent: u64,
    /// The head that we told of.
    told: u64,
}

impl Cursor {
    /// The other side has everything up to `seq`, or asked for it and gets it.
    pub(crate) fn reach(&mut self, seq: u64) {
        self.active = true;
        self.sent = self.sent.max(seq);
    }

    /// The other side sent us the entry `seq` of a log whose head is `head` here.
    pub(crate) fn holds(&mut self, seq: u64, head: u64) {
        if self.active || seq >= head {
            self.reach(seq);
        }
    }
}

/// One log that is read from, merged with others by lamport.
struct Source {
    log: u32,
    next: u64,
    to: u64,
    /// Asked for; otherwise new.
    wanted: bool,
    /// Read ahead, at most `ahead` numbers at once.
    chunk: VecDeque<(Place, EntryRow)>,
    ahead: usize,
}

impl Link {
    pub(crate) fn cursor(&mut self, log: u32) -> &mut Cursor {
        self.cursors.entry(log).or_default()
    }

    /// The other side knows, or will know, all our heads as they are now.
    pub(crate) fn told_all(&mut self, chat: &Chat) {
        for (number, log) in (0..).zip(&chat.logs) {
            self.cursor(number).told = log.head_seq();
        }
    }

    /// The other side's frontier names `heads` of our heads of a log, the highest at `seq`.
    pub(crate) fn heard(&mut self, log: u32, heads: usize, seq: u64, chat: &Chat) {
        let Some(known) = chat.log_at(log) else { return };
        let cursor = self.cursor(log);
        let has_all = heads >= known.row.branches.len() && seq >= known.head_seq();
        // Below what we told of, it sees what it lacks and asks for it.
        let sees_no_gap = !known.is_forked() && seq >= cursor.told;
        if cursor.active || has_all || sees_no_gap {
            cursor.reach(seq);
        }
    }

    /// Of each log the first range that was asked for, and what is new.
    fn sources(&self, chat: &Chat) -> Vec<Source> {
        let first = self.ranges.iter().filter_map(|(log, ranges)| Some((*log, ranges.first()?)));
        let wanted = first.map(|(log, (next, to))| (log, *next, *to, true));
        let new = self.cursors.iter().filter(|(_, cursor)| cursor.active).filter_map(|(log, cursor)| {
            let head = chat.log_at(*log)?.head_seq();
            (cursor.sent < head).then_some((*log, cursor.sent + 1, head, false))
        });
        let all: Vec<_> = wanted.chain(new).collect();
        let ahead = (AHEAD_ENTRIES / all.len().max(1)).max(1);
        let source = |(log, next, to, wanted)| Source { log, next, to, wanted, chunk: VecDeque::new(), ahead };
        all.into_iter().map(source).collect()
    }

    /// What is left of the sources goes back to where it came from.
    fn settle(&mut self, sources: Vec<Source>) {
        for source in sources {
            let sent = source.next - 1;
            if !source.wanted {
                self.cursor(source.log).reach(sent);
                continue;
            }
            let ranges = self.ranges.entry(source.log).or_default();
            match ranges.first_mut() {
                Some(first) if sent < source.to => first.0 = source.next,
                Some(_) => {
                    ranges.remove(0);
                }
                None => {}
            }
            let is_done = ranges.is_empty();
            if is_done {
                self.ranges.remove(&source.log);
            }
            if is_done && !self.cursor(source.log).active {
                self.cursor(source.log).reach(sent);
            }
        }
    }
}

impl Source {
    /// The next row, read ahead a bounded number at once.
    fn peek(&mut self, chat: u32, step: &Step<'_>) -> Result<Option<u64>, Fault> {
        if self.chunk.is_empty() && self.next <= self.to {
            self.fill(chat, step)?;
            if self.chunk.is_empty() {
                self.next = self.to + 1;
            }
        }
        Ok(self.chunk.front().map(|(_, row)| row.lamport))
    }

    fn fill(&mut self, chat: u32, step: &Step<'_>) -> Result<(), Fault> {
        let from = (chat, Place { log: self.log, seq: self.next, branch: 0 }).to_bytes();
        let end = (chat, Place { log: self.log, seq: self.to + 1, branch: 0 }).to_bytes();
        let (chunk, ahead, mut bytes, mut last) = (&mut self.chunk, self.ahead, 0, 0);
        step.range::<EntryTable>(&from, Some(&end), Order::Ascending, |(_, place), row| {
            // All branches of one number stay together: the place to go on from is a number.
            if place.seq != last && (chunk.len() >= ahead || bytes >= BATCH_BYTES) {
                return ControlFlow::Break(());
            }
            last = place.seq;
            bytes += row.entry.size();
            chunk.push_back((place, row));
            ControlFlow::Continue(())
        })
    }

    /// Takes all rows of the next number.
    fn take(&mut self, out: &mut Vec<SignedEntry>) -> usize {
        let mut bytes = 0;
        let Some(seq) = self.chunk.front().map(|(place, _)| place.seq) else { return bytes };
        while let Some((place, _)) = self.chunk.front()
            && place.seq == seq
        {
            if let Some((_, row)) = self.chunk.pop_front() {
                bytes += row.entry.size() + ENTRY_OVERHEAD;
                out.push(row.entry);
            }
        }
        self.next = seq + 1;
        bytes
    }
}

impl Conversations {
    /// The other side lacks something. It is sent when the batch ends.
    pub(crate) fn on_want(&mut self, session: SessionId, number: u32, want: &Want) {
        let Some(link) = self.links.get_mut(&(session, number)) else { return };
        let Some(chat) = self.chats.get(&number) else { return };
        link.stirred = true;
        for range in &want.ranges {
            let Some(log) = chat.log_number(&range.log) else { continue };
            let head = chat.log_at(log).map_or(0, crate::log::Log::head_seq);
            let cursor = *link.cursor(log);
            // What lies behind the cursor is pushed anyway.
            let to = if cursor.active { range.to.min(cursor.sent) } else { range.to.min(head) };
            let next = range.from.max(1);
            if next <= to {
                let ranges = link.ranges.entry(log).or_default();
                join_range(ranges, next, to);
                ranges.truncate(MAX_RANGES_OF_LOG);
            }
        }
    }

    /// Sends what every session asked for or lacks, as far as its window allows.
    pub(crate) fn push_all(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        for ((session, number), link) in &mut self.links {
            let (Some(chat), Some(partner)) = (self.chats.get(number), self.partners.get_mut(session)) else {
                continue;
            };
            if chat.moved || link.stirred {
                link.stirred = push(*session, link, &mut partner.window, chat, step)?;
                tell_heads(*session, link, chat, step);
            }
        }
        Ok(())
    }
}

/// `true`: there is more, and no room for it now.
fn push(
    session: SessionId,
    link: &mut Link,
    window: &mut Window,
    chat: &Chat,
    step: &mut Step<'_>,
) -> Result<bool, Fault> {
    loop {
        let mut sources = link.sources(chat);
        if sources.is_empty() || window.is_full() {
            return Ok(!sources.is_empty());
        }
        while !window.is_full() {
            let Some((entries, flight)) = gather(&mut sources, chat, step)? else { break };
            let more = sources.iter().any(|source| source.wanted && source.next <= source.to);
            window.start(flight);
            step.send(session, Frame::Entries(Entries { conversation: chat.id, entries, more }));
        }
        link.settle(sources);
    }
}

/// Fills one frame, the lowest lamport first.
fn gather(sources: &mut [Source], chat: &Chat, step: &Step<'_>) -> Result<Option<(Vec<SignedEntry>, Flight)>, Fault> {
    let mut entries = Vec::new();
    let mut flight = Flight { chat: chat.number, logs: BTreeMap::new(), bytes: 0, at_ms: step.now.mono_ms };
    while entries.len() < MAX_BATCH_ENTRIES - usize::from(u8::MAX) && flight.bytes < BATCH_BYTES {
        let mut lowest: Option<(u64, usize)> = None;
        for (index, source) in sources.iter_mut().enumerate() {
            if let Some(lamport) = source.peek(chat.number, step)?
                && lowest.is_none_or(|(known, _)| lamport < known)
            {
                lowest = Some((lamport, index));
            }
        }
        let Some(source) = lowest.and_then(|(_, index)| sources.get_mut(index)) else { break };
        flight.bytes += source.take(&mut entries);
        flight.logs.insert(source.log, source.next - 1);
    }
    Ok((!entries.is_empty()).then_some((entries, flight)))
}

/// Heads that cannot be pushed, because it is not known what the other side has below them, are told instead.
fn tell_heads(session: SessionId, link: &mut Link, chat: &Chat, step: &mut Step<'_>) {
    if !chat.moved {
        return;
    }
    let mut items = Vec::new();
    for (number, log) in (0..).zip(&chat.logs) {
        let cursor = link.cursor(number);
        if !cursor.active && cursor.told < log.head_seq() {
            cursor.told = log.head_seq();
            items.extend(log.items());
        }
    }
    if !items.is_empty() {
        step.send(session, Frame::Frontier(Frontier { conversation: chat.id, full: false, items }));
    }
}
