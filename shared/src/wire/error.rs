//! Error codes: for programs. A peer's text is never part of them.

use serde::{Deserialize, Serialize};

/// What went wrong, in a number that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "CodeMap", into = "CodeMap")]
pub enum ErrorCode {
    /// Nothing: a polite end.
    Ok,
    /// The bytes say nothing that makes sense.
    Malformed,
    /// A frame, kind or version that the other side does not know.
    Unsupported,
    /// Over a limit.
    TooLarge,
    /// Not for you.
    Denied,
    /// Too fast.
    RateLimited {
        /// Try again after so many milliseconds.
        retry_ms: u64,
    },
    /// Too much.
    Quota,
    /// Not there; also what is hidden.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// Not now.
    Busy,
    /// The other side's fault.
    Internal,
    /// What was sent is older than what is there.
    Stale {
        /// What is there.
        seq: u64,
    },
    /// Proof of work is wanted first.
    Pow {
        /// Leading zero bits.
        bits: u8,
        /// Over this.
        challenge: [u8; 16],
    },
    /// Its time is over.
    Expired,
    /// A code of a later version.
    Unknown(u16),
}

#[derive(Default, Serialize, Deserialize)]
struct CodeMap {
    #[serde(rename = "c")]
    code: u16,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    retry_ms: Option<u64>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    bits: Option<u8>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    challenge: Option<serde_bytes::ByteArray<16>>,
}

impl ErrorCode {
    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::Ok => 0,
            Self::Malformed => 1,
            Self::Unsupported => 2,
            Self::TooLarge => 3,
            Self::Denied => 4,
            Self::RateLimited { .. } => 5,
            Self::Quota => 6,
            Self::NotFound => 7,
            Self::Conflict => 8,
            Self::Busy => 9,
            Self::Internal => 10,
            Self::Stale { .. } => 11,
            Self::Pow { .. } => 12,
            Self::Expired => 13,
            Self::Unknown(number) => number,
        }
    }
}

impl From<CodeMap> for ErrorCode {
    fn from(map: CodeMap) -> Self {
        match map.code {
            0 => Self::Ok,
            1 => Self::Malformed,
            2 => Self::Unsupported,
            3 => Self::TooLarge,
            4 => Self::Denied,
            5 => Self::RateLimited { retry_ms: map.retry_ms.unwrap_or(0) },
            6 => Self::Quota,
            7 => Self::NotFound,
            8 => Self::Conflict,
            9 => Self::Busy,
            10 => Self::Internal,
            11 => Self::Stale { seq: map.seq.unwrap_or(0) },
            12 => Self::Pow {
                bits: map.bits.unwrap_or(0),
                challenge: map.challenge.map_or([0; 16], serde_bytes::ByteArray::into_array),
            },
            13 => Self::Expired,
            number => Self::Unknown(number),
        }
    }
}

impl From<ErrorCode> for CodeMap {
    fn from(code: ErrorCode) -> Self {
        let mut map = Self { code: code.number(), ..Self::default() };
        match code {
            ErrorCode::RateLimited { retry_ms } => map.retry_ms = Some(retry_ms),
            ErrorCode::Stale { seq } => map.seq = Some(seq),
            ErrorCode::Pow { bits, challenge } => {
                map.bits = Some(bits);
                map.challenge = Some(serde_bytes::ByteArray::new(challenge));
            }
            ErrorCode::Ok
            | ErrorCode::Malformed
            | ErrorCode::Unsupported
            | ErrorCode::TooLarge
            | ErrorCode::Denied
            | ErrorCode::Quota
            | ErrorCode::NotFound
            | ErrorCode::Conflict
            | ErrorCode::Busy
            | ErrorCode::Internal
            | ErrorCode::Expired
            | ErrorCode::Unknown(_) => {}
        }
        map
    }
}
