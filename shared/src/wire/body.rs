//! What an entry says: one kind per number, each a map with short text keys. Unknown keys are ignored, and kept, since
//! the bytes of a body are never encoded again.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::own::{DeviceCut, FriendPut, FriendRemoveMap, ReadMark, Setting};
use crate::{
    codec::{self, DecodeError},
    id::{AccountId, LogId, ShortHash},
    limits::MAX_ENTRY_BYTES,
    text::{MessageText, Reaction},
};

/// The numbers of the kinds. A number never gets another meaning.
pub mod kind {
    /// [`super::Body::Text`].
    pub const TEXT: u16 = 1;
    /// [`super::Body::Edit`].
    pub const EDIT: u16 = 4;
    /// [`super::Body::Delete`].
    pub const DELETE: u16 = 5;
    /// [`super::Body::React`].
    pub const REACT: u16 = 6;
    /// [`super::Body::Pin`].
    pub const PIN: u16 = 8;
    /// [`super::Body::Timer`].
    pub const TIMER: u16 = 9;
    /// [`super::Body::FriendAccept`].
    pub const FRIEND_ACCEPT: u16 = 10;
    /// [`super::Body::FriendPut`].
    pub const FRIEND_PUT: u16 = 16;
    /// [`super::Body::FriendRemove`].
    pub const FRIEND_REMOVE: u16 = 17;
    /// [`super::Body::ReadMark`].
    pub const READ_MARK: u16 = 18;
    /// [`super::Body::Setting`].
    pub const SETTING: u16 = 19;
    /// [`super::Body::DeviceCut`].
    pub const DEVICE_CUT: u16 = 69;
    /// Kinds from here on are control entries of rooms.
    pub const FIRST_CONTROL: u16 = 64;
}

/// Where an entry is: its log, its number there, and enough of its id to tell branches apart. `[log, seq, hash]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(LogId, u64, ShortHash)", into = "(LogId, u64, ShortHash)")]
pub struct EntryRef {
    /// The log that holds it.
    pub log: LogId,
    /// Its number there, from 1.
    pub seq: u64,
    /// The first half of its id.
    pub hash: ShortHash,
}

impl From<(LogId, u64, ShortHash)> for EntryRef {
    fn from((log, seq, hash): (LogId, u64, ShortHash)) -> Self {
        Self { log, seq, hash }
    }
}

impl From<EntryRef> for (LogId, u64, ShortHash) {
    fn from(at: EntryRef) -> Self {
        (at.log, at.seq, at.hash)
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A message.
    Text {
        /// What it says.
        text: MessageText,
        /// What it answers.
        reply: Option<EntryRef>,
        /// `/me`: something the author does.
        action: bool,
        /// Passed on from another conversation.
        forwarded: bool,
    },
    /// Another text for a message of the same author.
    Edit {
        /// The message.
        target: EntryRef,
        /// What it says from now on.
        text: MessageText,
    },
    /// A message of the same author is withdrawn.
    Delete {
        /// The message.
        target: EntryRef,
    },
    /// A reaction to any message; `None` takes the author's reaction back.
    React {
        /// The message.
        target: EntryRef,
        /// The reaction.
        emoji: Option<Reaction>,
    },
    /// A message is pinned or unpinned for everybody.
    Pin {
        /// The message.
        target: EntryRef,
        /// Which of the two.
        pinned: bool,
    },
    /// Messages from now on disappear this many seconds after they were sent; `None`: never.
    Timer {
        /// The seconds.
        after_secs: Option<u64>,
    },
    /// The author's account accepts the other one as a friend.
    FriendAccept {
        /// Half of what the conversation's secret is made of.
        salt: [u8; 32],
    },
    /// Self conversation: a friend, or what changed about one.
    FriendPut(FriendPut),
    /// Self conversation: somebody is a friend no more.
    FriendRemove(AccountId),
    /// Self conversation: how far a conversation was read.
    ReadMark(ReadMark),
    /// Self conversation: a setting or alias.
    Setting(Setting),
    /// Where the logs of a revoked device of the author's account end.
    DeviceCut(DeviceCut),
    /// A kind that this version does not know. It is stored, synced and shown as such.
    Unknown(u16, Vec<u8>),
}

#[derive(Serialize, Deserialize)]
struct TextMap<T> {
    #[serde(rename = "t")]
    text: T,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    reply: Option<EntryRef>,
    #[serde(rename = "a", default, skip_serializing_if = "is_false")]
    action: bool,
    #[serde(rename = "f", default, skip_serializing_if = "is_false")]
    forwarded: bool,
}

#[derive(Serialize, Deserialize)]
struct EditMap<T> {
    #[serde(rename = "o")]
    target: EntryRef,
    #[serde(rename = "t")]
    text: T,
}

#[derive(Serialize, Deserialize)]
struct TargetMap {
    #[serde(rename = "o")]
    target: EntryRef,
}

#[derive(Serialize, Deserialize)]
struct ReactMap {
    #[serde(rename = "o")]
    target: EntryRef,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    emoji: Option<Reaction>,
}

#[derive(Serialize, Deserialize)]
struct PinMap {
    #[serde(rename = "o")]
    target: EntryRef,
    #[serde(rename = "p")]
    pinned: bool,
}

#[derive(Serialize, Deserialize)]
struct TimerMap {
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    after_secs: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct FriendAcceptMap {
    #[serde(rename = "s", with = "serde_bytes")]
    salt: [u8; 32],
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn map<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    codec::decode(bytes, MAX_ENTRY_BYTES)
}

impl Body {
    /// Its number.
    pub fn kind(&self) -> u16 {
        match self {
            Self::Text { .. } => kind::TEXT,
            Self::Edit { .. } => kind::EDIT,
            Self::Delete { .. } => kind::DELETE,
            Self::React { .. } => kind::REACT,
            Self::Pin { .. } => kind::PIN,
            Self::Timer { .. } => kind::TIMER,
            Self::FriendAccept { .. } => kind::FRIEND_ACCEPT,
            Self::FriendPut(_) => kind::FRIEND_PUT,
            Self::FriendRemove(_) => kind::FRIEND_REMOVE,
            Self::ReadMark(_) => kind::READ_MARK,
            Self::Setting(_) => kind::SETTING,
            Self::DeviceCut(_) => kind::DEVICE_CUT,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Its number and its bytes.
    pub fn encode(&self) -> (u16, Vec<u8>) {
        let bytes = match self {
            Self::Text { text, reply, action, forwarded } => {
                codec::encode(&TextMap { text, reply: *reply, action: *action, forwarded: *forwarded })
            }
            Self::Edit { target, text } => codec::encode(&EditMap { target: *target, text }),
            Self::Delete { target } => codec::encode(&TargetMap { target: *target }),
            Self::React { target, emoji } => codec::encode(&ReactMap { target: *target, emoji: emoji.clone() }),
            Self::Pin { target, pinned } => codec::encode(&PinMap { target: *target, pinned: *pinned }),
            Self::Timer { after_secs } => codec::encode(&TimerMap { after_secs: *after_secs }),
            Self::FriendAccept { salt } => codec::encode(&FriendAcceptMap { salt: *salt }),
            Self::FriendPut(put) => codec::encode(put),
            Self::FriendRemove(account) => codec::encode(&FriendRemoveMap { account: *account }),
            Self::ReadMark(mark) => codec::encode(mark),
            Self::Setting(setting) => codec::encode(setting),
            Self::DeviceCut(cut) => codec::encode(cut),
            Self::Unknown(_, bytes) => bytes.clone(),
        };
        (self.kind(), bytes)
    }

    /// Reads a body of this kind. An error means that an author of a known kind wrote nonsense.
    pub fn decode(kind: u16, bytes: &[u8]) -> Result<Self, DecodeError> {
        match kind {
            kind::TEXT => map(bytes).map(|TextMap::<MessageText> { text, reply, action, forwarded }| Self::Text {
                text,
                reply,
                action,
                forwarded,
            }),
            kind::EDIT => map(bytes).map(|EditMap::<MessageText> { target, text }| Self::Edit { target, text }),
            kind::DELETE => map(bytes).map(|TargetMap { target }| Self::Delete { target }),
            kind::REACT => map(bytes).map(|ReactMap { target, emoji }| Self::React { target, emoji }),
            kind::PIN => map(bytes).map(|PinMap { target, pinned }| Self::Pin { target, pinned }),
            kind::TIMER => map(bytes).map(|TimerMap { after_secs }| Self::Timer { after_secs }),
            kind::FRIEND_ACCEPT => map(bytes).map(|FriendAcceptMap { salt }| Self::FriendAccept { salt }),
            kind::FRIEND_PUT => map(bytes).map(Self::FriendPut),
            kind::FRIEND_REMOVE => map(bytes).map(|FriendRemoveMap { account }| Self::FriendRemove(account)),
            kind::READ_MARK => map(bytes).map(Self::ReadMark),
            kind::SETTING => map(bytes).map(Self::Setting),
            kind::DEVICE_CUT => map(bytes).map(Self::DeviceCut),
            unknown if bytes.len() <= MAX_ENTRY_BYTES => Ok(Self::Unknown(unknown, bytes.to_vec())),
            _ => Err(DecodeError::TooLong { bytes: bytes.len(), limit: MAX_ENTRY_BYTES }),
        }
    }
}
