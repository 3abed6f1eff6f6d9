//! A friend's name is looked up again, to hear what became of their account and of their prekeys, before mail goes to a
//! device that told us of neither.

use std::collections::BTreeMap;

use hobnob_shared::id::AccountId;

use super::errand::Aim;
use crate::{Parts, step::Step};

/// A name is not looked up again for so long: what could not be told does not get known soon.
const AGAIN_MS: u64 = 600_000;

/// When each friend was looked up last, in `mono_ms`. No more of them than friends.
#[derive(Debug, Default)]
pub(super) struct Refreshes(BTreeMap<AccountId, u64>);

/// What becomes of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookUp {
    /// It is under way.
    Running,
    /// Too many names were looked up within the hour.
    PutOff,
    /// It was made a while ago, or nobody can be asked.
    Over,
}

impl Parts {
    /// Looks the name of a friend up, unless that was done a while ago.
    pub(crate) fn refresh_by_name(&mut self, account: &AccountId, step: &mut Step<'_>) -> LookUp {
        if self.is_looked_up(account) {
            return LookUp::Running;
        }
        let now = step.now.mono_ms;
        let was_made = self.rendezvous.refreshes.0.get(account).is_some_and(|at| now.saturating_sub(*at) < AGAIN_MS);
        let at = self.name_of(account, step).filter(|at| self.rendezvous.servers.get(&at.server).is_some());
        let Some(at) = at.filter(|_| !was_made) else { return LookUp::Over };
        let known = self.known_record(account);
        if !self.rendezvous.run(at.server, at.name, Aim::Refresh(*account), known, step) {
            return LookUp::PutOff;
        }
        self.rendezvous.refreshes.0.insert(*account, now);
        LookUp::Running
    }

    /// Whether a look-up is under way that tells what became of their account.
    pub(crate) fn is_looked_up(&self, account: &AccountId) -> bool {
        let errands = &self.rendezvous.errands;
        errands.is_refreshing(account) || errands.is_learning(account) || errands.is_accepting(account)
    }
}
