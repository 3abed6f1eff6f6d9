//! What is held in memory for clients, counted byte for byte: frames that wait to be written or are being written, and what
//! has come of a frame that is not whole yet.
//!
//! One source may hold so much, and all of them together; over either bound a session ends, the one that holds most of
//! whoever holds most. What the operating system says of the process decides nothing: an allocator keeps what was given
//! back, and whoever filled it once would shut everybody out for ever.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{
    door::{SITE, places},
    limits::Shared,
    outbox::Outbox,
    seldom::Seldom,
};
use crate::{
    metrics::Metrics,
    registry::{SessionId, Source},
};

/// What an open connection takes beside what is counted, in bytes, with its transport's keys and buffers: 10,000 idle ones
/// take 37 KiB each, with one session.
const CONNECTION_BYTES: u64 = 32 * 1024;

/// What a session takes, in bytes, when it is silent.
const SESSION_BYTES: u64 = 8 * 1024;

/// All of it. A session that holds nothing takes nothing here.
#[derive(Debug)]
pub(crate) struct Memory {
    limits: Shared,
    metrics: Arc<Metrics>,
    held: Mutex<Held>,
    ended: Seldom,
    refused: Seldom,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// By source, and by site.
    places: HashMap<Source, usize>,
    sessions: HashMap<SessionId, Load>,
}

/// What one session holds.
#[derive(Debug)]
struct Load {
    source: Source,
    bytes: usize,
    outbox: Weak<Outbox>,
}

impl Memory {
    pub(crate) fn new(limits: Shared, metrics: Arc<Metrics>) -> Self {
        Self { limits, metrics, held: Mutex::default(), ended: Seldom::default(), refused: Seldom::default() }
    }

    /// A session holds so many more bytes. Whoever says so looks with [`Self::relieve`] whether that was too much.
    pub(super) fn add(&self, session: SessionId, source: Source, outbox: &Weak<Outbox>, bytes: usize) {
        let mut held = self.lock();
        let load = held.sessions.entry(session).or_insert_with(|| Load { source, bytes: 0, outbox: outbox.clone() });
        load.bytes += bytes;
        for (place, _) in places(source) {
            *held.places.entry(place).or_default() += bytes;
        }
        held.bytes += bytes;
        self.metrics.held_bytes.set(held.bytes as u64);
    }

    /// A session holds so many bytes less.
    pub(super) fn give_back(&self, session: SessionId, bytes: usize) {
        let mut held = self.lock();
        held.give_back(session, bytes);
        self.metrics.held_bytes.set(held.bytes as u64);
    }

    /// Ends sessions until what this source holds is within its bound, and what all hold within theirs.
    pub(super) fn relieve(&self, source: Source) {
        while let Some(outbox) = self.take_heaviest(source) {
            self.metrics.ended_for_memory.add(1);
            if let Some(more) = self.ended.take() {
                tracing::warn!(more, "a session ended that held more than its share of the memory");
            }
            if let Some(outbox) = outbox.upgrade() {
                outbox.end();
            }
        }
    }

    /// Whether there is no memory for another connection.
    pub(crate) fn is_full(&self) -> bool {
        let connections = self.metrics.connections.get().saturating_mul(CONNECTION_BYTES);
        let sessions = self.metrics.sessions.get().saturating_mul(SESSION_BYTES);
        let taken = connections.saturating_add(sessions).saturating_add(self.metrics.held_bytes.get());
        taken >= self.limits.get().memory_bytes as u64
    }

    /// Counts a connection that was refused because of that.
    pub(super) fn refuse(&self) {
        self.metrics.refused_for_memory.add(1);
        if let Some(more) = self.refused.take() {
            tracing::warn!(more, "a connection was refused, for memory_mib is taken; raise it if the machine has more");
        }
    }

    /// Takes the session that must end out of the count, if one must: it ends within moments.
    fn take_heaviest(&self, source: Source) -> Option<Weak<Outbox>> {
        let mut held = self.lock();
        let place = self.over_its_share(&held, source).or_else(|| self.heaviest_place(&held))?;
        let of_place = held.sessions.iter().filter(|(_, load)| places(load.source).any(|(of, _)| of == place));
        let (session, load) = of_place.max_by_key(|(_, load)| load.bytes)?;
        let (session, bytes, outbox) = (*session, load.bytes, load.outbox.clone());
        held.give_back(session, bytes);
        self.metrics.held_bytes.set(held.bytes as u64);
        Some(outbox)
    }

    fn over_its_share(&self, held: &Held, source: Source) -> Option<Source> {
        let most = self.limits.get().held_bytes_per_source();
        let is_over = |(place, times): &(Source, usize)| held.of(*place) > most.saturating_mul(*times);
        places(source).find(is_over).map(|(place, _)| place)
    }

    /// Who holds most, where all hold too much.
    fn heaviest_place(&self, held: &Held) -> Option<Source> {
        if held.bytes <= self.limits.get().held_bytes() {
            return None;
        }
        let weight = |place: &Source, bytes: usize| if place.is_site() { bytes / SITE } else { bytes };
        held.places.iter().max_by_key(|(place, bytes)| weight(place, **bytes)).map(|(place, _)| *place)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing in here panics half way through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn of(&self, place: Source) -> usize {
        self.places.get(&place).copied().unwrap_or(0)
    }

    /// One that was taken out of the count already has nothing to give back.
    fn give_back(&mut self, session: SessionId, bytes: usize) {
        let Some(load) = self.sessions.get_mut(&session) else { return };
        let bytes = bytes.min(load.bytes);
        load.bytes -= bytes;
        let (source, is_empty) = (load.source, load.bytes == 0);
        self.bytes -= bytes;
        for (place, _) in places(source) {
            if let Some(of_place) = self.places.get_mut(&place) {
                *of_place -= bytes;
                if *of_place == 0 {
                    self.places.remove(&place);
                }
            }
        }
        if is_empty {
            self.sessions.remove(&session);
        }
    }
}

/// Bytes that a session holds, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    outbox: Arc<Outbox>,
    bytes: usize,
}

impl Hold {
    /// For bytes that are counted already.
    pub(super) fn of(outbox: Arc<Outbox>, bytes: usize) -> Self {
        Self { outbox, bytes }
    }

    /// It is so many bytes now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            self.outbox.hold(bytes - before);
        } else if bytes < before {
            self.outbox.give_back(before - bytes);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{
        limits::Limits,
        outbox::{End, charge},
    };

    /// All may hold 8 MiB, and one source 2 MiB: the least that there is.
    fn memory() -> Arc<Memory> {
        let limits = Shared::new(Limits { memory_bytes: 1, ..Limits::default() });
        assert_eq!((limits.get().held_bytes(), limits.get().held_bytes_per_source()), (8 << 20, 2 << 20));
        Arc::new(Memory::new(limits, Arc::default()))
    }

    /// A session from here, in whose outbox so many KiB wait.
    fn session(memory: &Arc<Memory>, id: u64, from: &str, kib: usize) -> Arc<Outbox> {
        let outbox = Outbox::new(memory.clone(), Source::of(from.parse().unwrap()), SessionId(id));
        outbox.push(vec![0; kib * 1024].into());
        outbox
    }

    async fn is_ended(outbox: &Arc<Outbox>) -> bool {
        outbox.take().await.end == Some(End::Overflow)
    }

    #[tokio::test]
    async fn what_one_source_holds_is_bounded_and_the_session_that_holds_most_ends() {
        let memory = memory();
        let most = session(&memory, 1, "192.0.2.1", 900);
        let others: Vec<_> = (2..4).map(|id| session(&memory, id, "192.0.2.1", 500)).collect();
        let elsewhere = session(&memory, 4, "192.0.2.2", 1000);
        assert_eq!(memory.metrics.ended_for_memory.get(), 0);
        let last = session(&memory, 5, "192.0.2.1", 200);
        assert!(is_ended(&most).await);
        for outbox in others.iter().chain([&elsewhere, &last]) {
            assert!(!is_ended(outbox).await);
        }
        assert_eq!(memory.metrics.ended_for_memory.get(), 1);
    }

    #[tokio::test]
    async fn where_all_hold_too_much_whoever_holds_most_loses_a_session() {
        let memory = memory();
        let honest = session(&memory, 0, "192.0.2.99", 1000);
        let mallory: Vec<_> = (1..3).map(|id| session(&memory, id, "192.0.2.1", 1000)).collect();
        // Many networks of one site weigh together, if not as much as so many addresses.
        let networks = (1..7).map(|network| session(&memory, 10 + network, &format!("2001:db8:7:{network}::1"), 1000));
        let networks: Vec<_> = networks.collect();
        assert_eq!(memory.metrics.ended_for_memory.get(), 1);
        assert!(is_ended(&mallory[0]).await || is_ended(&mallory[1]).await);
        for outbox in networks.iter().chain([&honest]) {
            assert!(!is_ended(outbox).await);
        }
    }

    #[tokio::test]
    async fn what_is_held_is_given_back_to_the_byte() {
        let memory = memory();
        let outbox = session(&memory, 1, "2001:db8::1", 100);
        assert_eq!(memory.metrics.held_bytes.get(), charge(100 * 1024) as u64);
        let mut taken = outbox.take().await;
        assert_eq!(memory.metrics.held_bytes.get(), charge(100 * 1024) as u64, "it is being written");
        taken.hold.set(7);
        assert_eq!(memory.metrics.held_bytes.get(), 7);
        drop(taken);
        outbox.push(vec![0; 5].into());
        drop(outbox);
        let held = memory.lock();
        assert!(held.bytes == 0 && held.places.is_empty() && held.sessions.is_empty(), "{held:?}");
    }

    #[test]
    fn connections_are_refused_only_while_there_is_no_memory_for_them() {
        let memory = memory();
        memory.limits.set(Limits { memory_bytes: 10 * CONNECTION_BYTES as usize, ..Limits::default() });
        memory.metrics.connections.add(9);
        assert!(!memory.is_full());
        memory.metrics.connections.add(1);
        assert!(memory.is_full());
        memory.metrics.connections.sub(1);
        assert!(!memory.is_full(), "it does not last");
        memory.limits.set(Limits { memory_bytes: CONNECTION_BYTES as usize, ..Limits::default() });
        assert!(memory.is_full(), "another limit counts at once");
    }
}
