//! How fast frames of one source may come, in however many sessions: the hub is one thread, and serves everybody.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    bucket::{Bucket, shares},
    door::places,
    limits::Shared,
};
use crate::registry::Source;

/// One source may send as fast as so many busy sessions: 800 frames a second by default, where the hub serves tens of
/// thousands. A school of 128 people who all come back at once sends some 20 each, most of which are free.
const SESSIONS: u32 = 16;

/// So many notes to others count as one frame more: each is sealed and written as an answer is, and whoever has a thousand
/// friends publishes once a minute.
const NOTES: usize = 8;

/// Sources that are remembered before those that owe nothing are looked for.
const FEW: usize = 1024;

/// What sources owe. Who owes nothing is as good as unknown.
#[derive(Debug)]
pub(crate) struct Sources {
    limits: Shared,
    debts: Mutex<Debts>,
}

#[derive(Debug)]
struct Debts {
    /// When each has paid, by source and by site.
    paid: HashMap<Source, Instant>,
    /// So many are looked through next.
    sweep_at: usize,
}

impl Sources {
    pub(crate) fn new(limits: Shared) -> Self {
        Self { limits, debts: Mutex::new(Debts { paid: HashMap::new(), sweep_at: FEW }) }
    }

    /// Takes a frame of so many shares. Says how long it has to wait, if it has to.
    pub(crate) fn take(&self, source: Source, shares: usize, now: Instant) -> Option<Duration> {
        self.spend(source, shares, now, Bucket::take)
    }

    /// Counts an answer of so many bytes, where it is long.
    pub(crate) fn answer(&self, source: Source, bytes: usize, now: Instant) {
        self.charge(source, shares(bytes), now);
    }

    /// Counts so many notes to others, which one frame caused.
    pub(crate) fn notes(&self, source: Source, notes: usize, now: Instant) {
        self.charge(source, notes / NOTES, now);
    }

    fn charge(&self, source: Source, shares: usize, now: Instant) {
        if shares > 0 {
            self.spend(source, shares, now, |bucket, shares, now| {
                bucket.spend(shares, now);
                None
            });
        }
    }

    fn spend(
        &self,
        source: Source,
        shares: usize,
        now: Instant,
        take: impl Fn(&mut Bucket, usize, Instant) -> Option<Duration>,
    ) -> Option<Duration> {
        let limits = self.limits.get();
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        debts.sweep(now);
        let mut longest = None;
        for (place, times) in places(source) {
            let times = SESSIONS.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX));
            let paid = debts.paid.entry(place).or_insert(now);
            let (burst, rate) =
                (limits.burst_frames.saturating_mul(times), limits.frames_per_second.saturating_mul(times));
            let mut bucket = Bucket::new(burst, rate, *paid);
            longest = longest.max(take(&mut bucket, shares, now));
            *paid = bucket.paid();
        }
        longest
    }
}

impl Debts {
    /// Forgets who owes nothing, when there are twice as many as after the last time.
    fn sweep(&mut self, now: Instant) {
        if self.paid.len() >= self.sweep_at {
            self.paid.retain(|_, paid| *paid > now);
            self.sweep_at = FEW.max(2 * self.paid.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::limits::Limits;

    fn sources() -> Sources {
        Sources::new(Shared::new(Limits { burst_frames: 5, frames_per_second: 10, ..Limits::default() }))
    }

    fn from(ip: &str) -> Source {
        Source::of(ip.parse().unwrap())
    }

    #[test]
    fn one_source_sends_as_fast_as_so_many_sessions_and_slows_nobody_else_down() {
        let (sources, now) = (sources(), Instant::now());
        for _ in 0..5 * SESSIONS {
            assert_eq!(sources.take(from("192.0.2.1"), 1, now), None);
        }
        assert_eq!(sources.take(from("192.0.2.1"), 1, now), Some(Duration::from_secs(1) / 10 / SESSIONS));
        assert_eq!(sources.take(from("192.0.2.2"), 1, now), None);
        assert_eq!(sources.take(from("192.0.2.1"), 1, now + Duration::from_secs(60)), None);
    }

    #[test]
    fn who_has_many_networks_is_not_as_fast_as_all_of_them() {
        let (sources, now) = (sources(), Instant::now());
        let from = |network: u32| from(&format!("2001:db8:7:{network:x}::1"));
        let free = (0..100 * SESSIONS).filter(|number| sources.take(from(*number), 1, now).is_none()).count();
        assert_eq!(free as u32, 8 * 5 * SESSIONS);
    }

    #[test]
    fn long_answers_count_for_the_source_too() {
        let (sources, now) = (sources(), Instant::now());
        sources.answer(from("192.0.2.1"), 100, now);
        assert!(sources.debts.lock().unwrap().paid.is_empty(), "short ones are free");
        for _ in 0..5 * SESSIONS {
            sources.answer(from("192.0.2.1"), 8 * 1024, now);
        }
        assert!(sources.take(from("192.0.2.1"), 1, now).is_some());
    }

    #[test]
    fn whoever_makes_us_tell_many_pays_for_it() {
        let (sources, now) = (sources(), Instant::now());
        sources.notes(from("192.0.2.1"), 8 * 5 * SESSIONS as usize, now);
        assert!(sources.take(from("192.0.2.1"), 1, now).is_some());
    }

    #[test]
    fn who_owes_nothing_is_forgotten() {
        let (sources, now) = (sources(), Instant::now());
        for ip in 0..10 * FEW as u32 {
            let at = now + Duration::from_secs(ip.into());
            assert_eq!(sources.take(Source::of(std::net::Ipv4Addr::from(ip).into()), 1, at), None);
        }
        assert!(sources.debts.lock().unwrap().paid.len() <= FEW);
    }
}
