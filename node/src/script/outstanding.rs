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
    friends: BTreeMap<AccountId, Added>,
}

/// A friend who was added and has not accepted.
#[derive(Debug)]
struct Added {
    handle: Handle,
    /// Connected when last looked.
    reached: bool,
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
            self.friends.insert(friend.account, Added { handle: friend.handle.clone(), reached: false });
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
            let same = self.friends.values_mut().filter(|friend| friend.handle == *from);
            same.for_each(|friend| friend.handle = to.clone());
        }
        if let Event::FriendRemoved(gone) = event {
            self.friends.retain(|_, friend| friend.handle != *gone);
        }
    }

    /// Whether nobody answers an `/add` of this run any more, and why: what is said about somebody who was never reached
    /// is that the invite is dead.
    pub(super) fn take_dead(&mut self, event: &Event) -> Option<String> {
        let Event::Warning { chat: Some(chat), message } = event else { return None };
        let account = self.friends.iter().find(|(_, friend)| friend.handle == *chat).map(|(account, _)| *account)?;
        self.friends.remove(&account);
        Some(message.clone())
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

    /// Who is connected now. A friend who still is at the second look was reached, and whether they accept is theirs;
    /// one who refuses the invite ends the connection at once.
    pub(super) fn on_connected(&mut self, connected: &[Handle]) {
        self.friends.retain(|_, friend| {
            let before = std::mem::replace(&mut friend.reached, connected.contains(&friend.handle));
            !(before && friend.reached)
        });
    }

    /// How much waits.
    pub(super) fn count(&self) -> u64 {
        (self.messages.len() + self.friends.len()) as u64
    }
}

fn is_queued(state: Option<DeliveryState>) -> bool {
    state == Some(DeliveryState::Queued)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use hobnob_shared::{
        id::AccountId,
        text::{Handle, Note},
    };

    use super::Outstanding;
    use crate::api::{Event, Friend, Presence, Reply, Standing};

    #[test]
    fn a_friend_who_answers_under_another_name_is_no_longer_awaited() {
        let mut outstanding = added();
        outstanding.on_event(&renamed());
        outstanding.on_event(&Event::FriendAdded(Box::new(friend("bob", Standing::Friend))));
        assert_eq!(outstanding.count(), 0);

        let mut untold = added();
        untold.on_event(&Event::FriendAdded(Box::new(friend("bob", Standing::Friend))));
        assert_eq!(untold.count(), 0, "the new name was never told");
    }

    #[test]
    fn a_renamed_friend_is_found_by_the_new_name() {
        let mut outstanding = added();
        outstanding.on_event(&renamed());
        for connected in ["friend-63a5b0", "friend-63a5b0", "bob"] {
            outstanding.on_connected(&[handle(connected)]);
            assert!(outstanding.awaits_friends());
        }
        outstanding.on_connected(&[handle("bob")]);
        assert!(!outstanding.awaits_friends());
    }

    #[test]
    fn a_connection_that_does_not_stay_is_no_answer() {
        let mut outstanding = added();
        for _ in 0..3 {
            outstanding.on_connected(&[handle("friend-63a5b0")]);
            outstanding.on_connected(&[]);
        }
        assert!(outstanding.awaits_friends());
    }

    #[test]
    fn a_dead_invite_is_not_waited_for() {
        let mut outstanding = added();
        assert_eq!(outstanding.take_dead(&warning(None)), None);
        assert_eq!(outstanding.take_dead(&warning(Some("eve"))), None);
        assert_eq!(outstanding.count(), 1);
        assert_eq!(outstanding.take_dead(&warning(Some("friend-63a5b0"))).as_deref(), Some("the invite has expired"));
        assert_eq!(outstanding.count(), 0);
        assert_eq!(outstanding.take_dead(&warning(Some("friend-63a5b0"))), None, "told twice");
    }

    fn added() -> Outstanding {
        let mut outstanding = Outstanding::default();
        outstanding.on_reply(&Reply::Friend(Box::new(friend("friend-63a5b0", Standing::Pending))));
        assert_eq!(outstanding.count(), 1);
        outstanding
    }

    fn renamed() -> Event {
        Event::FriendRenamed { from: handle("friend-63a5b0"), to: handle("bob") }
    }

    fn warning(chat: Option<&str>) -> Event {
        Event::Warning { chat: chat.map(handle), message: "the invite has expired".to_owned() }
    }

    fn handle(name: &str) -> Handle {
        Handle::parse(name).unwrap()
    }

    fn friend(name: &str, standing: Standing) -> Friend {
        Friend {
            handle: handle(name),
            nick: None,
            bio: None,
            account: AccountId::new([7; 32]),
            standing,
            verified: false,
            key_alarm: false,
            muted: false,
            presence: Presence::Online,
            presence_text: Note::parse("").unwrap(),
            devices: 1,
            queued: 0,
            last_seen_ms: None,
            refused: None,
        }
    }
}
