//! What was sent in this run and is not with anybody yet: what the end of input waits for.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::{AccountId, EntryId},
    text::Handle,
};

use crate::api::{Change, DeliveryState, Event, Queued, Reply, Standing};

/// Messages on their way, and friends who have not answered `/add`.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    messages: BTreeMap<EntryId, u64>,
    /// Each by the name of the moment: it changes when theirs becomes known.
    friends: BTreeMap<AccountId, Handle>,
}

impl Outstanding {
    /// Takes note of what a command started.
    pub(super) fn on_reply(&mut self, reply: &Reply) {
        if let Reply::Sent(message) = reply
            && is_queued(message.delivery.map(|delivery| delivery.state))
        {
            self.messages.insert(message.entry, message.number);
        }
        if let Reply::Friend(friend) = reply
            && friend.standing == Standing::Pending
        {
            self.friends.insert(friend.account, friend.handle.clone());
        }
    }

    /// Takes note of how far things got.
    pub(super) fn on_event(&mut self, event: &Event) {
        if let Event::MessageState { entry, delivery, .. } = event
            && !is_queued(Some(delivery.state))
        {
            self.messages.remove(entry);
        }
        if let Event::MessageChanged { message, change: Change::Deleted | Change::Expired } = event {
            self.messages.remove(&message.entry);
        }
        if let Event::FriendAdded(friend) = event {
            self.friends.remove(&friend.account);
        }
        if let Event::FriendRenamed { from, to } = event {
            self.friends.values_mut().filter(|handle| *handle == from).for_each(|handle| *handle = to.clone());
        }
        if let Event::FriendRemoved(gone) = event {
            self.friends.retain(|_, handle| handle != gone);
        }
    }

    /// After events were lost: only what the node still calls queued is.
    pub(super) fn on_outbox(&mut self, outbox: &[Queued]) {
        let queued = |entry: &EntryId| {
            outbox.iter().any(|one| {
                one.message.entry == *entry && is_queued(one.message.delivery.map(|delivery| delivery.state))
            })
        };
        self.messages.retain(|entry, _| queued(entry));
    }

    /// Whether an answer to `/add` is still out.
    pub(super) fn awaits_friends(&self) -> bool {
        !self.friends.is_empty()
    }

    /// These friends were reached; whether they accept is theirs.
    pub(super) fn on_reached(&mut self, reached: &[Handle]) {
        self.friends.retain(|_, handle| !reached.contains(handle));
    }

    /// How much waits.
    pub(super) fn count(&self) -> u64 {
        (self.messages.len() + self.friends.len()) as u64
    }
}

fn is_queued(state: Option<DeliveryState>) -> bool {
    state == Some(DeliveryState::Queued)
}
