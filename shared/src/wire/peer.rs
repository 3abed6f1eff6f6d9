//! The frames of a session: `[type, id, payload]`, each payload a map with short text keys.
//!
//! An unknown frame with an even number is to be ignored, one with an odd number to be answered `unsupported`.

use serde::{
    Deserialize, Serialize,
    de::{IgnoredAny, SeqAccess},
};

use super::{
    numbered::{self, Frames, part},
    payload::{
        AccountPayload, Close, Digest, Digests, Entries, Failure, Frontier, Hello, Introduce, Knock, Mailboxes,
        Presence, PresenceAt, Read, Typing, Want,
    },
    told_key::VaultKeys,
};
use crate::codec::{self, DecodeError};

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
    /// 18: only between devices of one account.
    Digests(Digests),
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
    /// 46
    Mailboxes(Mailboxes),
    /// 48
    PresenceAt(PresenceAt),
    /// 50: only between devices of one account.
    VaultKeys(VaultKeys),
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
            Self::Digests(_) => 18,
            Self::Presence(_) => 22,
            Self::Typing(_) => 24,
            Self::Read(_) => 26,
            Self::Account(_) => 28,
            Self::Knock(_) => 36,
            Self::Introduce(_) => 38,
            Self::SasCommit { .. } => 40,
            Self::SasNonce { .. } => 42,
            Self::SasReveal { .. } => 44,
            Self::Mailboxes(_) => 46,
            Self::PresenceAt(_) => 48,
            Self::VaultKeys(_) => 50,
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
            Self::Digests(payload) => codec::encode(&(number, id, payload)),
            Self::Presence(payload) => codec::encode(&(number, id, payload)),
            Self::Typing(payload) => codec::encode(&(number, id, payload)),
            Self::Read(payload) => codec::encode(&(number, id, payload)),
            Self::Account(payload) => codec::encode(&(number, id, payload)),
            Self::Knock(payload) => codec::encode(&(number, id, payload)),
            Self::Introduce(payload) => codec::encode(&(number, id, payload)),
            Self::PresenceAt(payload) => codec::encode(&(number, id, payload)),
            Self::SasCommit { commit } => codec::encode(&(number, id, Commit32 { commit: *commit })),
            Self::SasNonce { nonce } | Self::SasReveal { nonce } => {
                codec::encode(&(number, id, Nonce16 { nonce: *nonce }))
            }
            Self::Mailboxes(payload) => codec::encode(&(number, id, payload)),
            Self::VaultKeys(payload) => codec::encode(&(number, id, payload)),
            Self::Unknown(_) => codec::encode(&(number, id, ())),
        }
    }

    /// Decodes exactly one frame, with its id.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), DecodeError> {
        numbered::decode(bytes)
    }
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

impl Frames for Frame {
    fn payload<'de, A: SeqAccess<'de>>(number: u16, seq: &mut A) -> Result<Self, A::Error> {
        Ok(match number {
            0 => Self::Hello(part(seq)?),
            1 => Self::Close(part(seq)?),
            2 => Self::Ping { nonce: part::<_, Nonce64>(seq)?.nonce },
            3 => Self::Error(part(seq)?),
            4 => Self::Pong { nonce: part::<_, Nonce64>(seq)?.nonce },
            8 => Self::Digest(part(seq)?),
            12 => Self::Frontier(part(seq)?),
            14 => Self::Want(part(seq)?),
            16 => Self::Entries(part(seq)?),
            18 => Self::Digests(part(seq)?),
            22 => Self::Presence(part(seq)?),
            24 => Self::Typing(part(seq)?),
            26 => Self::Read(part(seq)?),
            28 => Self::Account(part(seq)?),
            36 => Self::Knock(part(seq)?),
            38 => Self::Introduce(part(seq)?),
            40 => Self::SasCommit { commit: part::<_, Commit32>(seq)?.commit },
            42 => Self::SasNonce { nonce: part::<_, Nonce16>(seq)?.nonce },
            44 => Self::SasReveal { nonce: part::<_, Nonce16>(seq)?.nonce },
            46 => Self::Mailboxes(part(seq)?),
            48 => Self::PresenceAt(part(seq)?),
            50 => Self::VaultKeys(part(seq)?),
            unknown => {
                let _: IgnoredAny = part(seq)?;
                Self::Unknown(unknown)
            }
        })
    }
}
