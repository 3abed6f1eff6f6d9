//! What rendezvous say of friends' devices: the latest value of each, for as long as it holds.
//!
//! A rendezvous can repeat, hold back and make up nothing that opens; so a value counts only when it ends later than the
//! one before, and never for longer than it says itself.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    limits::{MAX_PRESENCE_TTL_SECS, SESSION_DEAD_MS},
    presence::PresenceContent,
    text::Note,
};

use super::{shown, ticket::Spot};
use crate::{command::Presence, rendezvous::ServerKey};

/// How long a value holds at most, and the longest that it may be ahead of our clock beyond that.
pub(super) const TTL_MS: u64 = MAX_PRESENCE_TTL_SECS as u64 * 1000;

/// The values, one for each device and rendezvous.
#[derive(Debug, Default)]
pub(super) struct Notes {
    held: BTreeMap<Spot, BTreeMap<ServerKey, Held>>,
    /// Counts values, so that the latest of several rendezvous is known.
    count: u64,
}

#[derive(Debug)]
struct Held {
    /// When the latest one ends, by the clock of the rendezvous.
    expiry_ms: u64,
    /// None once it has ended: the same one does not count again.
    value: Option<Value>,
}

#[derive(Debug)]
struct Value {
    presence: Presence,
    text: Note,
    /// In `mono_ms`.
    until_ms: u64,
    number: u64,
}

/// The two clocks that a value is measured with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// Of the rendezvous, as far as we know it.
    pub(super) server_ms: u64,
    pub(super) mono_ms: u64,
}

impl Clocks {
    /// Whether an end can be that of a value which was published by this clock. After the clock was set back, what was
    /// seen before is no measure.
    pub(super) fn is_plausible(&self, expiry_ms: u64) -> bool {
        expiry_ms <= self.server_ms.saturating_add(2 * TTL_MS)
    }
}

impl Notes {
    /// Takes a value. `true` when it holds.
    pub(super) fn take(&mut self, spot: Spot, server: ServerKey, content: PresenceContent, clocks: Clocks) -> bool {
        let left = content.expiry_ms.saturating_sub(clocks.server_ms);
        if left == 0 || !clocks.is_plausible(content.expiry_ms) {
            return false;
        }
        let before = self.held.entry(spot).or_default().entry(server).or_insert(Held { expiry_ms: 0, value: None });
        let is_repeated = before.expiry_ms == content.expiry_ms && before.value.is_some();
        let is_later = before.expiry_ms < content.expiry_ms || !clocks.is_plausible(before.expiry_ms);
        if !is_repeated && !is_later {
            return false;
        }
        self.count += 1;
        *before = Held {
            expiry_ms: content.expiry_ms,
            value: Some(Value {
                presence: shown(content.state),
                text: content.text,
                until_ms: clocks.mono_ms + left.min(TTL_MS),
                number: self.count,
            }),
        };
        true
    }

    /// The rendezvous says that a device is gone.
    pub(super) fn end(&mut self, spot: &Spot, server: &ServerKey) {
        if let Some(held) = self.held.get_mut(spot).and_then(|held| held.get_mut(server)) {
            held.value = None;
        }
    }

    /// A session with a rendezvous begins: what it does not say again soon has ended while we were away.
    pub(super) fn doubt(&mut self, server: &ServerKey, mono_ms: u64) {
        let held = self.held.values_mut().filter_map(|held| held.get_mut(server)?.value.as_mut());
        for value in held {
            value.until_ms = value.until_ms.min(mono_ms + SESSION_DEAD_MS);
        }
    }

    /// Nothing of these devices is of interest any more.
    pub(super) fn forget(&mut self, account: &AccountId, is_gone: impl Fn(&DeviceId) -> bool) {
        self.held.retain(|(owner, device), _| owner != account || !is_gone(device));
    }

    /// What an account's devices show, each once: the latest word of any rendezvous.
    pub(super) fn of(&self, account: &AccountId) -> impl Iterator<Item = (&DeviceId, Presence, &Note)> {
        let account = *account;
        let theirs =
            self.held.range((account, DeviceId::new([0; 32]))..).take_while(move |((owner, _), _)| *owner == account);
        theirs.filter_map(|((_, device), held)| {
            let values = held.values().filter_map(|held| held.value.as_ref());
            let latest = values.max_by_key(|value| value.number)?;
            Some((device, latest.presence, &latest.text))
        })
    }

    /// Whether this device is there, as far as rendezvous say.
    pub(super) fn shows(&self, spot: &Spot) -> bool {
        let values = |held: &BTreeMap<ServerKey, Held>| held.values().any(|held| held.value.is_some());
        self.held.get(spot).is_some_and(values)
    }

    /// Whose values are over. They end with [`Self::expire`].
    pub(super) fn due(&self, mono_ms: u64) -> Vec<AccountId> {
        let is_due = |held: &Held| held.value.as_ref().is_some_and(|value| value.until_ms <= mono_ms);
        let mut due: Vec<_> =
            self.held.iter().filter(|(_, held)| held.values().any(is_due)).map(|((account, _), _)| *account).collect();
        due.dedup();
        due
    }

    /// Ends what is over.
    pub(super) fn expire(&mut self, mono_ms: u64) {
        for held in self.held.values_mut().flat_map(BTreeMap::values_mut) {
            held.value.take_if(|value| value.until_ms <= mono_ms);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        let held = self.held.values().flat_map(BTreeMap::values);
        held.filter_map(|held| Some(held.value.as_ref()?.until_ms)).min()
    }
}
