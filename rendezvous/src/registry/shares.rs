//! Who has how many of the places that all share. What one may have shrinks with what is left, so that a few who want all of
//! them never get there: whoever comes later still has a place.

use std::collections::BTreeMap;

use hobnob_shared::{id::AccountId, limits::MAX_TOPICS};

use super::{limits::MAX_SESSION_TOPICS, session::Source};

/// One account has at most what eight busy sessions have, and one of so many parts of what is free.
const OF_ACCOUNT: usize = 16;

/// One source has at most one of so many parts of what is free. A school of 128 people with 100 friends each, in and out, fits
/// in while half of the places are.
const OF_SOURCE: usize = 4;

/// One IPv6 /48 has at most one of so many parts of what is free.
const OF_SITE: usize = 2;

/// So many are given to whoever has fewer, while there is any: what a person with many friends wants.
const FEW: usize = MAX_TOPICS;

/// Whom a place is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) source: Source,
    pub(crate) account: Option<AccountId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Account(AccountId),
    Source(Source),
    Site(Source),
}

impl Holder {
    fn keys(self) -> impl Iterator<Item = Key> {
        let site = self.source.site().map(Key::Site);
        [Some(Key::Source(self.source)), site, self.account.map(Key::Account)].into_iter().flatten()
    }
}

impl Key {
    /// How many it may have where so many are free.
    fn most(self, free: usize) -> usize {
        let most = match self {
            Self::Account(_) => (free / OF_ACCOUNT).min(8 * MAX_SESSION_TOPICS),
            Self::Source(_) => free / OF_SOURCE,
            Self::Site(_) => free / OF_SITE,
        };
        most.max(FEW)
    }
}

/// How many places each has. Who has none is not in here.
#[derive(Debug, Default)]
pub(crate) struct Shares(BTreeMap<Key, usize>);

impl Shares {
    /// Whether it may have so many more, where so many are free.
    pub(crate) fn have_room(&self, holder: Holder, more: usize, free: usize) -> bool {
        let has = |key| self.0.get(&key).copied().unwrap_or(0);
        more == 0 || holder.keys().all(|key| has(key) + more <= key.most(free))
    }

    pub(crate) fn take(&mut self, holder: Holder, count: usize) {
        if count > 0 {
            holder.keys().for_each(|key| *self.0.entry(key).or_default() += count);
        }
    }

    pub(crate) fn give_back(&mut self, holder: Holder, count: usize) {
        for key in holder.keys() {
            if let Some(held) = self.0.get_mut(&key) {
                *held = held.saturating_sub(count);
                if *held == 0 {
                    self.0.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 200_000;

    fn holder(account: u32, ip: &str) -> Holder {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&account.to_be_bytes());
        Holder { source: Source::of(ip.parse().unwrap()), account: Some(AccountId::new(bytes)) }
    }

    /// Takes as much as there is, for these in turn; says what is left.
    fn left_by(shares: &mut Shares, holders: &[Holder]) -> usize {
        let mut free = CAPACITY;
        while let Some(holder) = holders.iter().find(|holder| shares.have_room(**holder, FEW, free)) {
            shares.take(*holder, FEW);
            free -= FEW;
        }
        free
    }

    #[test]
    fn one_account_has_a_twentieth_at_most_from_wherever_it_comes() {
        let mut shares = Shares::default();
        let holders: Vec<_> = (0..6).map(|ip| holder(1, &format!("192.0.2.{ip}"))).collect();
        assert!(left_by(&mut shares, &holders) >= CAPACITY - CAPACITY / 20);
    }

    #[test]
    fn many_accounts_of_one_source_have_a_fifth_at_most() {
        let mut shares = Shares::default();
        let holders: Vec<_> = (0..1000).map(|account| holder(account, "192.0.2.1")).collect();
        assert!(left_by(&mut shares, &holders) >= CAPACITY - CAPACITY / 5);
    }

    #[test]
    fn fifty_sources_that_want_all_leave_room_for_whoever_comes_later() {
        let mut shares = Shares::default();
        let holders: Vec<_> = (0..2000).map(|number| holder(number, &format!("192.0.2.{}", number % 50))).collect();
        let free = left_by(&mut shares, &holders);
        assert!(free > 4_000, "{free}");
        assert!(shares.have_room(holder(9999, "198.51.100.1"), FEW, free));
    }

    #[test]
    fn the_networks_of_one_site_have_a_third_together() {
        let mut shares = Shares::default();
        let holders: Vec<_> = (0..2000).map(|number| holder(number, &format!("2001:db8:7:{number:x}::1"))).collect();
        assert!(left_by(&mut shares, &holders) >= CAPACITY - CAPACITY / 3);
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let mut shares = Shares::default();
        let alice = holder(1, "2001:db8::1");
        shares.take(alice, 7);
        shares.give_back(alice, 3);
        shares.give_back(alice, 4);
        assert!(shares.0.is_empty());
    }
}
