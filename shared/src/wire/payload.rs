//! What the frames of a session carry: maps with short text keys, their items as compact arrays.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    bounded::{self, Short},
    id::{ConversationId, LogId, ShortHash},
    identity::{SignedBundle, SignedCertificate, SignedRecord},
    limits::{
        MAX_BATCH_ENTRIES, MAX_DEVICES, MAX_DIGESTS, MAX_FEATURE_BYTES, MAX_FEATURES, MAX_FRONTIER_ITEMS, MAX_RECORDS,
        MAX_REVOKED, MAX_WANT_RANGES,
    },
    rendezvous::NameAt,
    text::{Nickname, Note},
    wire::{ErrorCode, SignedEntry, SignedTicket},
};

/// Most certificates of one account in a frame.
const MAX_CERTIFICATES: usize = MAX_DEVICES + MAX_REVOKED;

/// The first frame from each side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Minor features; both sides use those that both name.
    #[serde(rename = "f", serialize_with = "features_out", deserialize_with = "features_in")]
    pub features: Vec<String>,
    /// The sender's clock, in ms since the epoch.
    #[serde(rename = "t")]
    pub time_ms: u64,
    /// Random, the same for as long as the sender's process runs.
    #[serde(rename = "i")]
    pub instance: u64,
    /// Number and hash of the newest account record of the receiver that the sender holds.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none", with = "known_record")]
    pub known_record: Option<(u64, [u8; 32])>,
}

/// The session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// Why.
    #[serde(rename = "e")]
    pub code: ErrorCode,
}

/// A frame could not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    #[serde(rename = "e")]
    pub code: ErrorCode,
    /// The id of that frame.
    #[serde(rename = "o")]
    pub of: u32,
}

/// The sender's whole frontier of a conversation, in 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Which conversation.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// The hash of its frontier.
    #[serde(rename = "h", with = "serde_bytes")]
    pub hash: [u8; 32],
}

/// A conversation between devices of one account: its frontier, and what is known of the friend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatDigest {
    /// Which conversation.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// The hash of its frontier.
    #[serde(rename = "h", with = "serde_bytes")]
    pub hash: [u8; 32],
    /// Number of the friend's newest account record, and the hash of all that the sender knows of their account.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none", with = "known_record")]
    pub account: Option<(u64, [u8; 32])>,
}

/// Conversations of one account, to another device of it. More follow once these are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// One for each conversation.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_DIGESTS>")]
    pub chats: Vec<ChatDigest>,
}

/// A head of a log that the sender has stored. `[log, seq, hash]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(LogId, u64, ShortHash)", into = "(LogId, u64, ShortHash)")]
pub struct FrontierItem {
    /// The log.
    pub log: LogId,
    /// Its newest entry, with all before it.
    pub seq: u64,
    /// Half of that entry's id.
    pub head: ShortHash,
}

/// What the sender has stored of a conversation: its delivery receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// Which conversation.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// All logs, or only those that changed.
    #[serde(rename = "f")]
    pub full: bool,
    /// One for each log and branch head.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_FRONTIER_ITEMS>")]
    pub items: Vec<FrontierItem>,
}

/// Entries of one log, from the first to the last, both included. `[log, from, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(LogId, u64, u64)", into = "(LogId, u64, u64)")]
pub struct WantRange {
    /// The log.
    pub log: LogId,
    /// The first that is wanted.
    pub from: u64,
    /// The last that is wanted.
    pub to: u64,
}

/// What the sender lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Which conversation.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// The ranges, most wanted first.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_WANT_RANGES>")]
    pub ranges: Vec<WantRange>,
}

/// Entries, asked for or pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Which conversation.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// In an order in which each comes after its past.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_BATCH_ENTRIES>")]
    pub entries: Vec<SignedEntry>,
    /// More of what was asked for follows.
    #[serde(rename = "m")]
    pub more: bool,
}

/// Where mail for the device at this end may be left, by the friend at the other end and nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailboxes {
    /// The device's bundle with the mailboxes for this friend. It must not be passed on.
    #[serde(rename = "b")]
    pub bundle: SignedBundle,
    /// Under which name the account can be asked: a machine of the friend's that knows no mailbox, as after a login, asks
    /// there.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NameAt>,
}

/// How somebody shows themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum PresenceState {
    /// Here. Also what a later version's number is taken for.
    Online,
    /// Not at the keyboard.
    Away,
    /// Not to be disturbed.
    Busy,
    /// Wants to be taken for offline.
    Offline,
}

/// How the sender shows itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The state.
    #[serde(rename = "s")]
    pub state: PresenceState,
    /// A text with it.
    #[serde(rename = "t")]
    pub text: Note,
}

/// The sender types, or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// Where.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// Which of the two.
    #[serde(rename = "t")]
    pub typing: bool,
}

/// How far the sender has read one log. `[log, seq]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(LogId, u64)", into = "(LogId, u64)")]
pub struct ReadItem {
    /// The log.
    pub log: LogId,
    /// The newest entry that was shown.
    pub seq: u64,
}

/// How far the sender has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Which conversation.
    #[serde(rename = "c")]
    pub conversation: ConversationId,
    /// One for each log.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_FRONTIER_ITEMS>")]
    pub items: Vec<ReadItem>,
}

/// Signed objects of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPayload {
    /// Account records, oldest first.
    #[serde(rename = "r", deserialize_with = "bounded::list::<_, _, MAX_RECORDS>")]
    pub records: Vec<SignedRecord>,
    /// Certificates of its devices, revoked ones too: what they wrote before is still theirs.
    #[serde(rename = "c", deserialize_with = "bounded::list::<_, _, MAX_CERTIFICATES>")]
    pub certificates: Vec<SignedCertificate>,
    /// Bundles of its devices.
    #[serde(rename = "b", deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")]
    pub bundles: Vec<SignedBundle>,
}

/// "I accept you": sent at every session's start until the other side confirms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    /// How the sender calls itself.
    #[serde(rename = "n")]
    pub nick: Nickname,
    /// What it says to that.
    #[serde(rename = "t")]
    pub note: Note,
}

/// "This is somebody you may want to meet."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduce {
    /// Who: all that is needed to know and reach them.
    #[serde(rename = "a")]
    pub account: AccountPayload,
    /// What the sender says to that.
    #[serde(rename = "t")]
    pub note: Note,
}

/// Where the sender's presence is, for friends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceAt {
    /// With the signature of the device that sends it.
    #[serde(rename = "k")]
    pub ticket: SignedTicket,
}

impl From<(LogId, u64, ShortHash)> for FrontierItem {
    fn from((log, seq, head): (LogId, u64, ShortHash)) -> Self {
        Self { log, seq, head }
    }
}

impl From<FrontierItem> for (LogId, u64, ShortHash) {
    fn from(item: FrontierItem) -> Self {
        (item.log, item.seq, item.head)
    }
}

impl From<(LogId, u64, u64)> for WantRange {
    fn from((log, from, to): (LogId, u64, u64)) -> Self {
        Self { log, from, to }
    }
}

impl From<WantRange> for (LogId, u64, u64) {
    fn from(range: WantRange) -> Self {
        (range.log, range.from, range.to)
    }
}

impl From<(LogId, u64)> for ReadItem {
    fn from((log, seq): (LogId, u64)) -> Self {
        Self { log, seq }
    }
}

impl From<ReadItem> for (LogId, u64) {
    fn from(item: ReadItem) -> Self {
        (item.log, item.seq)
    }
}

impl From<u8> for PresenceState {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Away,
            2 => Self::Busy,
            3 => Self::Offline,
            _ => Self::Online,
        }
    }
}

impl From<PresenceState> for u8 {
    fn from(state: PresenceState) -> Self {
        match state {
            PresenceState::Online => 0,
            PresenceState::Away => 1,
            PresenceState::Busy => 2,
            PresenceState::Offline => 3,
        }
    }
}

fn features_out<S: serde::Serializer>(features: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    features.serialize(serializer)
}

fn features_in<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let features = bounded::list::<_, Short<MAX_FEATURE_BYTES>, MAX_FEATURES>(deserializer)?;
    Ok(features.into_iter().map(|feature| feature.0).collect())
}

mod known_record {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::ByteArray;

    pub(super) fn serialize<S: Serializer>(known: &Option<(u64, [u8; 32])>, serializer: S) -> Result<S::Ok, S::Error> {
        known.map(|(seq, hash)| (seq, ByteArray::new(hash))).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(u64, [u8; 32])>, D::Error> {
        let known: Option<(u64, ByteArray<32>)> = Deserialize::deserialize(deserializer)?;
        Ok(known.map(|(seq, hash)| (seq, hash.into_array())))
    }
}
