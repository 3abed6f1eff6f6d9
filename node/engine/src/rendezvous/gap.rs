//! A friend's account went on while we heard nothing of it, and what came does not follow what we hold: the rendezvous is
//! asked for what lies between. It tells that to nobody who cannot name a record from before.

use std::collections::BTreeMap;

use hobnob_shared::{id::AccountId, identity::SignedRecord, wire::AccountPayload};

use super::{ServerKey, errand::Aim};
use crate::{Parts, account::AccountRow, event::Event, step::Step};

/// What was asked before is not asked again for so long: what a rendezvous does not have now, it does not get soon.
const AGAIN_MS: u64 = 600_000;

/// When each account was asked for last, in `mono_ms`. No more of them than friends.
#[derive(Debug, Default)]
pub(super) struct Gaps(BTreeMap<AccountId, u64>);

impl Parts {
    /// What a friend shows of their account cannot be checked.
    pub(crate) fn on_gap(&mut self, account: &AccountId, step: &mut Step<'_>) {
        if self.rendezvous.errands.is_learning(account) {
            return;
        }
        let now = step.now.mono_ms;
        let was_asked = self.rendezvous.gaps.0.get(account).is_some_and(|at| now.saturating_sub(*at) < AGAIN_MS);
        let at = self.name_of(account, step).filter(|at| self.rendezvous.servers.get(&at.server).is_some());
        let known = self.known_record(account);
        let began = at
            .filter(|_| !was_asked)
            .is_some_and(|at| self.rendezvous.run(at.server, at.name, Aim::Learn(*account), known, step));
        if began {
            self.rendezvous.gaps.0.insert(*account, now);
        } else {
            self.warn_gap(account, step);
        }
    }

    /// The rendezvous told what it has of the account.
    pub(super) fn on_gap_answered(&mut self, account: &AccountId, payload: &AccountPayload, step: &mut Step<'_>) {
        self.refresh(account, payload, step);
        // Whoever is listed now may have asked something before.
        for server in self.rendezvous.named().copied().collect::<Vec<ServerKey>>() {
            self.rendezvous.ask_knocks(server, step);
        }
    }

    /// It did not, or that was not enough.
    pub(super) fn warn_gap(&self, account: &AccountId, step: &mut Step<'_>) {
        if self.people.friend(account).is_none() {
            return;
        }
        let chat = self.people.handle(account);
        let message = format!(
            "{chat} took in machines of which this node has not heard, and it cannot check this one without what lies \
             between: what you write waits until one of their earlier machines is met"
        );
        step.event(Event::Warning { chat: Some(chat), message });
    }

    /// The hash of the newest record that we know of an account.
    pub(super) fn known_record(&self, account: &AccountId) -> Option<[u8; 32]> {
        self.people.account(account).and_then(AccountRow::newest_record).map(SignedRecord::hash)
    }
}
