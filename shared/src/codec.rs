//! The one encoder and the one decoder. Nobody else calls ciborium.
//!
//! ciborium by itself takes trailing bytes, numbers that are longer than needed, indefinite lengths and 256 levels of
//! nesting. [`decode`] refuses what lies behind the value and what is too long or too deep; [`decode_exact`], for
//! whatever is signed or hashed, also refuses every encoding but our own.

pub use ciborium::Value;
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::limits::{MAX_DEPTH, MAX_VAULT_BYTES};

/// Why bytes were refused. Nothing is kept of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Over the limit, found before reading.
    #[error("{bytes} bytes are too many; the limit is {limit}")]
    TooLong {
        /// How many came.
        bytes: usize,
        /// How many may come.
        limit: usize,
    },
    /// The bytes end before the value does.
    #[error("the bytes end too early")]
    Ended,
    /// More levels than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Not CBOR, or not this type.
    #[error("not valid CBOR for this type")]
    Malformed,
    /// Bytes follow the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    /// Valid, but not the bytes that our encoder makes of it.
    #[error("not in its shortest encoding")]
    NotCanonical,
}

/// Encodes one of our own types. None of them can fail; should one do, that is a bug, and the result is empty.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    write(value, &mut bytes);
    bytes
}

/// The same for what must not stay in memory. The buffer is large enough from the start (a vault is the largest secret):
/// growing it would leave copies.
pub fn encode_secret<T: Serialize>(value: &T) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_VAULT_BYTES));
    write(value, &mut bytes);
    bytes
}

#[expect(clippy::disallowed_methods, reason = "this is the one encoder")]
fn write<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    if ciborium::ser::into_writer(value, &mut *bytes).is_err() {
        debug_assert!(false, "one of our own types does not encode");
        bytes.clear();
    }
}

/// Decodes exactly one value: at most `max_len` bytes, [`MAX_DEPTH`] levels, nothing behind it.
#[expect(clippy::disallowed_methods, reason = "this is the one decoder")]
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max_len: usize) -> Result<T, DecodeError> {
    if bytes.len() > max_len {
        return Err(DecodeError::TooLong { bytes: bytes.len(), limit: max_len });
    }
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).map_err(|error| match error {
        ciborium::de::Error::Io(_) => DecodeError::Ended,
        ciborium::de::Error::RecursionLimitExceeded => DecodeError::TooDeep,
        ciborium::de::Error::Syntax(_) | ciborium::de::Error::Semantic(..) => DecodeError::Malformed,
    })?;
    if rest.is_empty() { Ok(value) } else { Err(DecodeError::Trailing(rest.len())) }
}

/// The same, for whatever is signed or hashed: encoding the value again must give the same bytes.
pub fn decode_exact<T: Serialize + DeserializeOwned>(bytes: &[u8], max_len: usize) -> Result<T, DecodeError> {
    let value = decode(bytes, max_len)?;
    if encode(&value) == bytes { Ok(value) } else { Err(DecodeError::NotCanonical) }
}
