//! The frames of a session: `[type, id, payload]`, each payload a map with short text keys.
//!
//! An unknown frame with an even number is to be ignored, one with an odd number to be answered `unsupported`.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};

use crate::{
    bounded::{self, Short},
    codec::{self, DecodeError},
    id::{ConversationId, LogId, ShortHash},
    identity::{SignedBundle, SignedCertificate, SignedRecord},
    limits::{
        MAX_BATCH_ENTRIES, MAX_DEVICES, MAX_FEATURE_BYTES, MAX_FEATURES, MAX_FRAME_BYTES, MAX_FRONTIER_ITEMS,
        MAX_RECORDS, MAX_WANT_RANGES,
    },
    text::{Nickname, Note},
    wire::{ErrorCode, SignedEntry},
};

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
    /// Certificates of its devices.
    #[serde(rename = "c", deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")]
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

#[derive(Serialize, Deserialize)]
struct Nonce64 {
    #[serde(rename = "n")]
    nonce: u64,
}

#[derive(Serialize, Deserialize)]
struct Nonce16 {
    #[serde(rename = "n", with = "serde_bytes")]
    nonce: [u8; 16],
}

#[derive(Serialize, Deserialize)]
struct Commit32 {
    #[serde(rename = "h", with = "serde_bytes")]
    commit: [u8; 32],
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// 0
    Hello(Hello),
    /// 1
    Close(Close),
    /// 2
    Ping {
        /// To be sent back.
        nonce: u64,
    },
    /// 3
    Error(Failure),
    /// 4
    Pong {
        /// Of the ping.
        nonce: u64,
    },
    /// 8
    Digest(Digest),
    /// 12
    Frontier(Frontier),
    /// 14
    Want(Want),
    /// 16
    Entries(Entries),
    /// 22
    Presence(Presence),
    /// 24
    Typing(Typing),
    /// 26
    Read(Read),
    /// 28
    Account(AccountPayload),
    /// 36
    Knock(Knock),
    /// 38
    Introduce(Introduce),
    /// 40: the starter of a comparison commits to its nonce.
    SasCommit {
        /// See [`crate::identity::sas_commit`].
        commit: [u8; 32],
    },
    /// 42: the other side's nonce.
    SasNonce {
        /// Random.
        nonce: [u8; 16],
    },
    /// 44: the starter's nonce.
    SasReveal {
        /// What the commitment was made of.
        nonce: [u8; 16],
    },
    /// A number that this version does not know. Its payload is gone.
    Unknown(u16),
}

impl Frame {
    /// Its number.
    pub fn number(&self) -> u16 {
        match self {
            Self::Hello(_) => 0,
            Self::Close(_) => 1,
            Self::Ping { .. } => 2,
            Self::Error(_) => 3,
            Self::Pong { .. } => 4,
            Self::Digest(_) => 8,
            Self::Frontier(_) => 12,
            Self::Want(_) => 14,
            Self::Entries(_) => 16,
            Self::Presence(_) => 22,
            Self::Typing(_) => 24,
            Self::Read(_) => 26,
            Self::Account(_) => 28,
            Self::Knock(_) => 36,
            Self::Introduce(_) => 38,
            Self::SasCommit { .. } => 40,
            Self::SasNonce { .. } => 42,
            Self::SasReveal { .. } => 44,
            Self::Unknown(number) => *number,
        }
    }

    /// Whether somebody who does not know this frame must say so.
    pub fn wants_answer(&self) -> bool {
        self.number() % 2 == 1
    }

    /// Encodes it with an id of the sender's choice, which an [`Frame::Error`] names.
    pub fn encode(&self, id: u32) -> Vec<u8> {
        let number = self.number();
        match self {
            Self::Hello(payload) => codec::encode(&(number, id, payload)),
            Self::Close(payload) => codec::encode(&(number, id, payload)),
            Self::Ping { nonce } | Self::Pong { nonce } => codec::encode(&(number, id, Nonce64 { nonce: *nonce })),
            Self::Error(payload) => codec::encode(&(number, id, payload)),
            Self::Digest(payload) => codec::encode(&(number, id, payload)),
            Self::Frontier(payload) => codec::encode(&(number, id, payload)),
            Self::Want(payload) => codec::encode(&(number, id, payload)),
            Self::Entries(payload) => codec::encode(&(number, id, payload)),
            Self::Presence(payload) => codec::encode(&(number, id, payload)),
            Self::Typing(payload) => codec::encode(&(number, id, payload)),
            Self::Read(payload) => codec::encode(&(number, id, payload)),
            Self::Account(payload) => codec::encode(&(number, id, payload)),
            Self::Knock(payload) => codec::encode(&(number, id, payload)),
            Self::Introduce(payload) => codec::encode(&(number, id, payload)),
            Self::SasCommit { commit } => codec::encode(&(number, id, Commit32 { commit: *commit })),
            Self::SasNonce { nonce } | Self::SasReveal { nonce } => {
                codec::encode(&(number, id, Nonce16 { nonce: *nonce }))
            }
            Self::Unknown(_) => codec::encode(&(number, id, ())),
        }
    }

    /// Decodes exactly one frame, with its id.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), DecodeError> {
        codec::decode::<Numbered>(bytes, MAX_FRAME_BYTES).map(|numbered| (numbered.id, numbered.frame))
    }
}

struct Numbered {
    id: u32,
    frame: Frame,
}

impl<'de> Deserialize<'de> for Numbered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Numbered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[type, id, payload]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Numbered, A::Error> {
                let number: u16 = part(&mut seq)?;
                let id: u32 = part(&mut seq)?;
                Ok(Numbered { id, frame: payload(number, &mut seq)? })
            }
        }

        deserializer.deserialize_tuple(3, Parts)
    }
}

fn part<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| A::Error::custom("a frame has three parts"))
}

fn payload<'de, A: SeqAccess<'de>>(number: u16, seq: &mut A) -> Result<Frame, A::Error> {
    Ok(match number {
        0 => Frame::Hello(part(seq)?),
        1 => Frame::Close(part(seq)?),
        2 => Frame::Ping { nonce: part::<_, Nonce64>(seq)?.nonce },
        3 => Frame::Error(part(seq)?),
        4 => Frame::Pong { nonce: part::<_, Nonce64>(seq)?.nonce },
        8 => Frame::Digest(part(seq)?),
        12 => Frame::Frontier(part(seq)?),
        14 => Frame::Want(part(seq)?),
        16 => Frame::Entries(part(seq)?),
        22 => Frame::Presence(part(seq)?),
        24 => Frame::Typing(part(seq)?),
        26 => Frame::Read(part(seq)?),
        28 => Frame::Account(part(seq)?),
        36 => Frame::Knock(part(seq)?),
        38 => Frame::Introduce(part(seq)?),
        40 => Frame::SasCommit { commit: part::<_, Commit32>(seq)?.commit },
        42 => Frame::SasNonce { nonce: part::<_, Nonce16>(seq)?.nonce },
        44 => Frame::SasReveal { nonce: part::<_, Nonce16>(seq)?.nonce },
        unknown => {
            let _: IgnoredAny = part(seq)?;
            Frame::Unknown(unknown)
        }
    })
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
