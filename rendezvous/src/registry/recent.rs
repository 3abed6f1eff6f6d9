//! A bounded memory of who did something lately.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{FIRST_WAIT_MS, FORGET_MS, HOUR_MS, MAX_REMEMBERED};

/// Values by key, each with a time. When there are too many, the earliest go.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    values: BTreeMap<K, (u64, V)>,
    order: BTreeSet<(u64, K)>,
    capacity: usize,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { values: BTreeMap::new(), order: BTreeSet::new(), capacity }
    }

    pub(crate) fn get(&self, key: &K) -> Option<(u64, &V)> {
        self.values.get(key).map(|(at, value)| (*at, value))
    }

    pub(crate) fn set(&mut self, key: K, at: u64, value: V) {
        self.remove(&key);
        self.order.insert((at, key.clone()));
        self.values.insert(key, (at, value));
        if self.values.len() > self.capacity {
            self.forget_first();
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((at, _)) = self.values.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }

    /// Forgets what happened before `time`.
    pub(crate) fn forget_before(&mut self, time: u64) {
        while self.order.first().is_some_and(|(at, _)| *at < time) {
            self.forget_first();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.values.remove(&key);
        }
    }
}

/// Lets everybody do something so many times an hour, the first time all at once.
#[derive(Debug)]
pub(crate) struct Allowance<K> {
    /// When the debt of each is paid off.
    debts: Recent<K, ()>,
}

impl<K: Ord + Clone> Allowance<K> {
    pub(crate) fn new() -> Self {
        Self { debts: Recent::new(MAX_REMEMBERED) }
    }

    /// Takes one of each key, which has so many an hour, or of none. `Err`: how many ms to wait.
    pub(crate) fn take_all(&mut self, keys: &[(K, u32)], now_ms: u64) -> Result<(), u64> {
        self.debts.forget_before(now_ms);
        let latest = now_ms + HOUR_MS;
        let paid = |(key, per_hour): &(K, u32)| {
            let each = HOUR_MS / u64::from((*per_hour).max(1));
            self.debts.get(key).map_or(now_ms, |(at, ())| at.max(now_ms)) + each
        };
        let paid: Vec<_> = keys.iter().map(paid).collect();
        match paid.iter().max() {
            Some(last) if *last > latest => Err(last - latest),
            Some(_) | None => {
                keys.iter().zip(paid).for_each(|((key, _), paid)| self.debts.set(key.clone(), paid, ()));
                Ok(())
            }
        }
    }
}

/// Counts guesses; beyond the free ones each costs twice the waiting of the one before.
#[derive(Debug)]
pub(crate) struct Guesses<K> {
    counts: Recent<K, u32>,
    free: u32,
}

impl<K: Ord + Clone> Guesses<K> {
    pub(crate) fn new(free: u32) -> Self {
        Self { counts: Recent::new(MAX_REMEMBERED), free }
    }

    /// How many ms this one has to wait.
    pub(crate) fn wait(&self, key: &K, now_ms: u64) -> u64 {
        let Some((last, count)) = self.counts.get(key) else { return 0 };
        let Some(beyond) = count.checked_sub(self.free) else { return 0 };
        let wait = FIRST_WAIT_MS.saturating_mul(1 << beyond.min(20)).min(FORGET_MS);
        (last + wait).saturating_sub(now_ms)
    }

    /// Counts one more.
    pub(crate) fn count(&mut self, key: K, now_ms: u64) {
        self.counts.forget_before(now_ms.saturating_sub(FORGET_MS));
        let before = self.counts.get(&key).map_or(0, |(_, count)| *count);
        self.counts.set(key, now_ms, before.saturating_add(1));
    }

    /// It was none: takes one back.
    pub(crate) fn forgive(&mut self, key: &K) {
        if let Some((at, count)) = self.counts.get(key) {
            let count = count.saturating_sub(1);
            self.counts.set(key.clone(), at, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_so_many_and_not_one_more() {
        let mut lookups = Allowance::new();
        let now = 1_000_000_000;
        for _ in 0..30 {
            lookups.take_all(&[("alice", 30)], now).unwrap();
        }
        assert_eq!(lookups.take_all(&[("alice", 30)], now), Err(HOUR_MS / 30));
        assert!(lookups.take_all(&[("bob", 30)], now).is_ok(), "one's haste is not another's");
        assert!(lookups.take_all(&[("alice", 30)], now + HOUR_MS / 30).is_ok());
        assert!(lookups.take_all(&[("alice", 30)], now + HOUR_MS / 30).is_err());
    }

    #[test]
    fn whoever_is_refused_for_one_key_has_used_none_of_the_others() {
        let mut lookups = Allowance::new();
        let now = 1_000_000_000;
        lookups.take_all(&[("alice", 1), ("home", 2)], now).unwrap();
        for _ in 0..5 {
            assert_eq!(lookups.take_all(&[("alice", 1), ("home", 2)], now), Err(HOUR_MS));
        }
        lookups.take_all(&[("bob", 1), ("home", 2)], now).unwrap();
        assert_eq!(lookups.take_all(&[("carol", 1), ("home", 2)], now), Err(HOUR_MS / 2));
    }

    #[test]
    fn ten_guesses_are_free_and_then_waiting_doubles() {
        let mut guesses = Guesses::new(10);
        let mut now = 5_000;
        for _ in 0..10 {
            assert_eq!(guesses.wait(&1, now), 0);
            guesses.count(1, now);
        }
        assert_eq!(guesses.wait(&1, now), FIRST_WAIT_MS);
        assert_eq!(guesses.wait(&2, now), 0);
        now += FIRST_WAIT_MS;
        assert_eq!(guesses.wait(&1, now), 0);
        guesses.count(1, now);
        assert_eq!(guesses.wait(&1, now), 2 * FIRST_WAIT_MS);
        guesses.forgive(&1);
        assert_eq!(guesses.wait(&1, now), FIRST_WAIT_MS);
        now += FORGET_MS + 1;
        guesses.count(2, now);
        assert_eq!(guesses.wait(&1, now), 0, "an hour of silence is forgiven");
    }

    #[test]
    fn memory_is_bounded_and_the_quietest_go_first() {
        let mut recent = Recent::new(3);
        for key in 0..10 {
            recent.set(key, 10 - key, ());
        }
        assert_eq!(recent.len(), 3);
        assert!(recent.get(&0).is_some() && recent.get(&1).is_some());
    }
}
