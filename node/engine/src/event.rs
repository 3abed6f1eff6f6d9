//! What happened, for whoever listens. Losing an event loses nothing: what it tells is on disk.

use hobnob_shared::{
    id::{DeviceId, EntryId},
    text::{Handle, Nickname, Note},
};

use crate::command::{Delivery, Friend, Message, NearbyPerson, Presence, Request, ServerView};

/// What changed about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its text.
    Edited,
    /// It is gone, or withdrawn.
    Deleted,
    /// Its reactions.
    Reacted,
    /// It was pinned or unpinned.
    Pinned,
    /// Its time was up; its row is gone.
    Expired,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after what happened")]
pub enum Event {
    /// A new message, ours too (another front end may have sent it).
    Message(Box<Message>),
    MessageChanged {
        message: Box<Message>,
        change: Change,
    },
    /// One of our messages got further.
    MessageState {
        chat: Handle,
        number: u64,
        entry: EntryId,
        delivery: Delivery,
        /// Its state is a better one now. Else one more device has caught up with the others.
        advances: bool,
    },
    FriendRequested(Request),
    FriendAdded(Box<Friend>),
    /// Standing, name, mute, verification: whatever a list of friends shows.
    FriendChanged(Box<Friend>),
    FriendRemoved(Handle),
    FriendRenamed {
        from: Handle,
        to: Handle,
    },
    /// Two contradicting account records; sending stops until the person decides.
    FriendKeyChanged(Box<Friend>),
    /// A friend added a device.
    FriendNewDevice {
        chat: Handle,
        device_name: String,
        device: DeviceId,
    },
    /// A machine became a device of our account.
    DeviceAdded {
        name: Nickname,
        device: DeviceId,
    },
    /// A device of our account does not count any more; `current`: it is this one.
    DeviceRevoked {
        name: Nickname,
        device: DeviceId,
        current: bool,
    },
    /// Another device of ours was shown messages of this chat; so many are unread now.
    ReadElsewhere {
        chat: Handle,
        unread: u64,
    },
    PresenceChanged {
        chat: Handle,
        presence: Presence,
        text: Note,
    },
    /// Another device of ours was told to show us to friends like this, and so does this one.
    PresenceChosen {
        presence: Presence,
        text: Note,
    },
    /// The friend types, or stopped.
    Typing {
        chat: Handle,
        typing: bool,
    },
    /// Somebody in pairing mode appeared.
    NearbyFound(NearbyPerson),
    NearbyEnded,
    /// The friend started to compare safety words; these are ours.
    SafetyWords {
        chat: Handle,
        words: [String; 3],
    },
    /// Messages of this friend are missing here, and nobody who has them is there.
    Gap {
        chat: Handle,
        missing: u64,
    },
    /// Disappearing messages were set in this chat.
    ExpirySet {
        chat: Handle,
        after_secs: Option<u64>,
        by_me: bool,
    },
    Listening(Vec<String>),
    /// A rendezvous is reached, or not any more, or we have a name there, or none.
    ServerChanged(Box<ServerView>),
    SettingChanged {
        key: String,
        value: Option<String>,
    },
    /// Something odd that a person should know; the words are ours, names in them filtered.
    Warning {
        chat: Option<Handle>,
        message: String,
    },
    /// The disk refuses. Everything shown stays; nothing new is kept until [`Event::Saved`].
    NotSaved {
        why: String,
    },
    /// The disk takes again.
    Saved,
    /// The listener was too slow, and this many events are lost to it. History has them.
    Missed(u64),
}
