//! What is missing here, and whom it was asked of.

use hobnob_shared::{
    id::LogId,
    limits::MAX_WANT_RANGES,
    wire::{FrontierItem, WantRange},
};

use crate::{
    Around,
    conversation::chat::{Chat, Wanted},
    event::Event,
    log::{Log, ingest::has_quota, row::Quota},
    step::{SessionId, Step},
    view::Fault,
    work::Now,
};

/// What was asked for and did not come for so long is asked for again.
const WANT_AGAIN_MS: u64 = 10_000;
/// How far back a fork is looked for at first; twice as far each time.
const FIRST_PROBE: u64 = 64;

/// What an item of a frontier says, next to what is here.
pub(super) enum Compared {
    Have { log: u32, branch: u8 },
    Lack { from: u64, to: u64 },
    Refused,
}

impl Chat {
    pub(super) fn compare(&mut self, item: &FrontierItem, step: &Step<'_>) -> Result<Compared, Fault> {
        let Some(number) = self.log_number(&item.log) else {
            let known = self.writer_of(&item.log).is_some() && item.seq > 0;
            return Ok(if known { Compared::Lack { from: 1, to: item.seq } } else { Compared::Refused });
        };
        let Some(log) = self.log_at(number) else { return Ok(Compared::Refused) };
        if let Some(found) = log.find(self.number, number, item.seq, &item.head, step)? {
            return Ok(Compared::Have { log: number, branch: found.branch });
        }
        if log.row.frozen || item.seq == 0 {
            return Ok(Compared::Refused);
        }
        let head = log.head_seq();
        if item.seq > head {
            return Ok(Compared::Lack { from: head + 1, to: item.seq });
        }
        Ok(Compared::Lack { from: self.probe(item.log, item.seq), to: item.seq })
    }

    /// How far back to look for the place where two branches part.
    fn probe(&mut self, log: LogId, seq: u64) -> u64 {
        let distance = self.probes.entry(log).or_insert(FIRST_PROBE);
        let from = seq.saturating_sub(*distance).max(1);
        *distance = distance.saturating_mul(2);
        from
    }

    /// The part of a range that nobody was asked for lately.
    pub(super) fn ask(&mut self, session: SessionId, log: LogId, from: u64, to: u64, now_ms: u64) -> Option<WantRange> {
        let mut first = from;
        if let Some(wanted) = self.wanted.get(&log)
            && now_ms < wanted.at_ms + WANT_AGAIN_MS
            && wanted.from <= from
        {
            first = from.max(wanted.to.saturating_add(1));
        }
        if first > to || first == u64::MAX {
            return None;
        }
        let before = self.wanted.get(&log).filter(|wanted| wanted.from <= from && first > from);
        let from_all = before.map_or(first, |wanted| wanted.from);
        self.wanted.insert(log, Wanted { session, from: from_all, to, at_ms: now_ms });
        Some(WantRange { log, from: first, to })
    }

    /// Entries of a log came: its request is alive, or done.
    pub(super) fn wanted_progress(&mut self, log: LogId, now_ms: u64) {
        let head = self.log(&log).map_or(0, Log::head_seq);
        if let Some(wanted) = self.wanted.get_mut(&log) {
            wanted.at_ms = now_ms;
            if head >= wanted.to {
                self.wanted.remove(&log);
                self.probes.remove(&log);
            }
        }
    }

    /// Asks for what parked entries wait for.
    pub(super) fn ask_for_past(&mut self, session: SessionId, now_ms: u64) -> Vec<WantRange> {
        let mut ranges = Vec::new();
        if self.parked.is_empty() {
            return ranges;
        }
        for (log, (low, high)) in self.parked.missing() {
            let head = self.log(&log).map_or(0, Log::head_seq);
            if low > head {
                ranges.extend(self.ask(session, log, head + 1, high, now_ms));
            } else if self.probes.get(&log).is_none_or(|distance| distance / 2 < low) {
                let from = self.probe(log, low);
                self.wanted.remove(&log);
                ranges.extend(self.ask(session, log, from, high, now_ms));
            }
        }
        ranges
    }

    /// Entries whose bodies were over the quota, asked for again: on another day, or at once if the person says so.
    pub(super) fn withheld(&mut self, session: SessionId, at_once: bool, now: Now) -> Vec<WantRange> {
        let mut ranges = Vec::new();
        for log in &mut self.logs {
            let id = log.row.id;
            if log.row.withheld.is_empty() || (!at_once && self.wanted.contains_key(&id)) {
                continue;
            }
            if at_once {
                log.change().quota = Quota::default();
            }
            if has_quota(&log.row, now.wall_ms) {
                ranges.extend(log.row.withheld.iter().map(|(from, to)| WantRange { log: id, from: *from, to: *to }));
                if let (Some((from, _)), Some((_, to))) = (log.row.withheld.first(), log.row.withheld.last()) {
                    self.wanted.insert(id, Wanted { session, from: *from, to: *to, at_ms: now.mono_ms });
                }
            }
        }
        ranges
    }

    /// Entries whose bodies were over the quota, to be asked of another device of ours, where none holds.
    pub(super) fn withheld_here(&mut self, session: SessionId, now: Now) -> Option<Vec<WantRange>> {
        let mut ranges = Vec::new();
        for log in self.logs.iter().filter(|log| !log.row.withheld.is_empty()) {
            let id = log.row.id;
            if self.wanted.contains_key(&id) {
                continue;
            }
            ranges.extend(log.row.withheld.iter().map(|(from, to)| WantRange { log: id, from: *from, to: *to }));
            if let (Some((from, _)), Some((_, to))) = (log.row.withheld.first(), log.row.withheld.last()) {
                self.wanted.insert(id, Wanted { session, from: *from, to: *to, at_ms: now.mono_ms });
            }
        }
        ranges.truncate(MAX_WANT_RANGES);
        (!ranges.is_empty()).then_some(ranges)
    }

    /// How many entries are known to be missing.
    fn gap(&self) -> u64 {
        let missing = self.parked.missing();
        let lacking = missing.iter().map(|(log, (low, high))| {
            let head = self.log(log).map_or(0, Log::head_seq);
            high.saturating_sub(low.saturating_sub(1).min(head)).max(1)
        });
        lacking.fold(0, u64::saturating_add)
    }

    pub(crate) fn tell_gap(&mut self, around: &Around<'_>, step: &mut Step<'_>) {
        self.parked.untold_since = None;
        let missing = self.gap();
        // What our own devices have not told each other yet is nobody's message.
        let is_own = self.row.account == around.me;
        if std::mem::replace(&mut self.parked.told, missing) != missing && !is_own {
            step.event(Event::Gap { chat: around.people.handle(&self.row.account), missing });
        }
    }
}
