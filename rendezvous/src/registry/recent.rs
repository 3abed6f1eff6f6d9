//! A bounded memory of who did something lately.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{HOUR_MS, MAX_REMEMBERED};

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

    /// How many ms one more has to wait.
    pub(crate) fn wait(&self, key: &K, per_hour: u32, now_ms: u64) -> u64 {
        self.wait_for(key, (1, per_hour), now_ms)
    }

    /// How many ms so many more have to wait, which are no more than an hour has.
    pub(crate) fn wait_for(&self, key: &K, (more, per_hour): (u64, u32), now_ms: u64) -> u64 {
        self.paid(key, (more, per_hour), now_ms).saturating_sub(now_ms + HOUR_MS)
    }

    /// Counts one more, which did not have to wait.
    pub(crate) fn count(&mut self, key: K, per_hour: u32, now_ms: u64) {
        self.count_more(key, (1, per_hour), now_ms);
    }

    /// Counts so many more.
    pub(crate) fn count_more(&mut self, key: K, more: (u64, u32), now_ms: u64) {
        self.debts.forget_before(now_ms);
        self.debts.set(key.clone(), self.paid(&key, more, now_ms), ());
    }

    /// It was none: gives one back.
    pub(crate) fn give_back(&mut self, key: &K, per_hour: u32) {
        if let Some((at, ())) = self.debts.get(key) {
            self.debts.set(key.clone(), at.saturating_sub(each_ms(per_hour)), ());
        }
    }

    /// Takes one of each key, which has so many an hour, or of none. `Err`: how many ms to wait.
    pub(crate) fn take_all(&mut self, keys: &[(K, u32)], now_ms: u64) -> Result<(), u64> {
        match keys.iter().map(|(key, per_hour)| self.wait(key, *per_hour, now_ms)).max() {
            None | Some(0) => {
                keys.iter().for_each(|(key, per_hour)| self.count(key.clone(), *per_hour, now_ms));
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// When the debt is paid off if so many more are taken. Nobody owes more than an hour: where it looks so, the clock was set
    /// back, and nobody shall wait until it is there again.
    fn paid(&self, key: &K, (more, per_hour): (u64, u32), now_ms: u64) -> u64 {
        let debt = self.debts.get(key).map(|(at, ())| at).filter(|at| *at <= now_ms + HOUR_MS);
        debt.map_or(now_ms, |at| at.max(now_ms)) + more.saturating_mul(each_ms(per_hour))
    }
}

/// How long each counts where there are so many an hour, in ms.
fn each_ms(per_hour: u32) -> u64 {
    HOUR_MS / u64::from(per_hour.max(1))
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
    fn what_was_none_is_given_back() {
        let mut guesses = Allowance::new();
        let now = 1_000_000_000;
        (0..10).for_each(|_| guesses.count("alice", 10, now));
        assert_eq!(guesses.wait(&"alice", 10, now), HOUR_MS / 10);
        guesses.give_back(&"alice", 10);
        assert_eq!(guesses.wait(&"alice", 10, now), 0);
        guesses.count("alice", 10, now);
        assert_eq!(guesses.wait(&"alice", 10, now), HOUR_MS / 10, "and one only");
    }

    #[test]
    fn nobody_waits_for_a_clock_that_was_set_back() {
        let mut guesses = Allowance::new();
        let now = 1_000_000_000;
        (0..10).for_each(|_| guesses.count("alice", 10, now));
        for back in [HOUR_MS / 2, 24 * HOUR_MS] {
            assert!(guesses.wait(&"alice", 10, now - back) <= HOUR_MS / 10, "set back by {back} ms");
        }
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
