//! A signed entry: one link of one device's log in one conversation.
//!
//! ```text
//! entry    = header ‖ signature(64) ‖ salt(16) ‖ body
//! header   = [v, kind, conversation, log, seq, prev, lamport, time_ms, deps, body_commit, body_len, auth]
//! entry_id = H(header)      body_commit = H(salt ‖ body)      signed: "hobnob/entry/1" ‖ header
//! ```
//!
//! The *received* header bytes are signed, hashed and kept. A body may be missing; the chain stays whole without it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeTuple};
use serde_bytes::{ByteArray, ByteBuf, Bytes};

use crate::{
    bounded::{self, Maybe32},
    codec::{self, DecodeError},
    hash::hash,
    id::{ConversationId, DeviceId, EntryId, LogId, ShortHash},
    identity::{DeviceKeys, VerifyingKey, verify, verifying_key},
    limits::{MAX_DEPS, MAX_ENTRY_BYTES, MAX_HEADER_BYTES},
};

/// The version that this program writes, and the only one that it reads.
pub const ENTRY_VERSION: u8 = 1;

const DOMAIN: &str = "hobnob/entry/1";
const ID_DOMAIN: &str = "hobnob/entry-id/1";
const BODY_DOMAIN: &str = "hobnob/body/1";
const SIGNATURE_BYTES: usize = 64;
const SALT_BYTES: usize = 16;

/// An entry of another log that this one comes after. `[log, seq, hash]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(LogId, u64, ShortHash)", into = "(LogId, u64, ShortHash)")]
pub struct Dep {
    /// The log.
    pub log: LogId,
    /// The number in it.
    pub seq: u64,
    /// Half of its id.
    pub hash: ShortHash,
}

impl From<(LogId, u64, ShortHash)> for Dep {
    fn from((log, seq, hash): (LogId, u64, ShortHash)) -> Self {
        Self { log, seq, hash }
    }
}

impl From<Dep> for (LogId, u64, ShortHash) {
    fn from(dep: Dep) -> Self {
        (dep.log, dep.seq, dep.hash)
    }
}

/// All that an author decides about an entry, apart from its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What kind of body.
    pub kind: u16,
    /// Where it belongs.
    pub conversation: ConversationId,
    /// The log that it continues.
    pub log: LogId,
    /// Its number there, from 1.
    pub seq: u64,
    /// The entry before it; none before the first.
    pub prev: Option<EntryId>,
    /// 1 + the largest of `prev` and `deps`.
    pub lamport: u64,
    /// The author's clock, in ms since the epoch. Only displayed.
    pub time_ms: u64,
    /// Heads of other logs that the author had seen.
    pub deps: Vec<Dep>,
    /// The grant that a control entry acts under.
    pub auth: Option<EntryId>,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`ENTRY_VERSION`].
    pub v: u8,
    /// What kind of body.
    pub kind: u16,
    /// Where it belongs.
    pub conversation: ConversationId,
    /// The log that it continues.
    pub log: LogId,
    /// Its number there, from 1.
    pub seq: u64,
    /// The entry before it; none before the first.
    pub prev: Option<EntryId>,
    /// 1 + the largest of `prev` and `deps`. Not checked here.
    pub lamport: u64,
    /// The author's clock, in ms since the epoch. Only displayed.
    pub time_ms: u64,
    /// Heads of other logs that the author had seen.
    pub deps: Vec<Dep>,
    /// The hash of salt and body.
    pub body_commit: [u8; 32],
    /// Bytes of the body.
    pub body_len: u32,
    /// The grant that a control entry acts under.
    pub auth: Option<EntryId>,
}

/// A body, and the salt that keeps its hash from being guessed once it is deleted.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBody {
    /// Random.
    pub salt: [u8; SALT_BYTES],
    /// The bytes: see [`crate::wire::Body`].
    pub body: Vec<u8>,
}

/// An entry as it travels: `[header, signature, salt, body]`; salt and body are empty when the body is withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEntry {
    /// The header's bytes, as the author made them.
    pub header: Vec<u8>,
    /// The author's Ed25519 signature.
    pub signature: [u8; SIGNATURE_BYTES],
    /// The body, where it is there.
    pub body: Option<SealedBody>,
}

/// A new entry, with all that its author already knows about it.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its id.
    pub id: EntryId,
    /// Its header.
    pub header: Header,
    /// Itself.
    pub entry: SignedEntry,
}

/// Why an entry was refused. Nothing is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Over [`MAX_ENTRY_BYTES`].
    #[error("the entry is {0} bytes long; the limit is {MAX_ENTRY_BYTES}")]
    TooLarge(usize),
    /// Not a header in its one encoding.
    #[error("the header cannot be read: {0}")]
    Header(#[from] DecodeError),
    /// Of another version.
    #[error("the header has version {0}")]
    Version(u8),
    /// Numbers that contradict each other.
    #[error("the header contradicts itself")]
    Nonsense,
    /// The log is not one of this device.
    #[error("the log belongs to another device")]
    WrongLog,
    /// Not signed by this device.
    #[error("the signature is wrong")]
    Signature,
    /// The body is not the one that was signed.
    #[error("the body is not the one that was signed")]
    Body,
}

#[derive(Serialize, Deserialize)]
struct HeaderArray(
    u8,
    u16,
    ConversationId,
    LogId,
    u64,
    Maybe32,
    u64,
    u64,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_DEPS>")] Vec<Dep>,
    ByteArray<32>,
    u32,
    Maybe32,
);

/// The id of the entry with this header.
pub fn entry_id(header: &[u8]) -> EntryId {
    EntryId::new(hash(ID_DOMAIN, &[header]))
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        codec::encode(&HeaderArray(
            self.v,
            self.kind,
            self.conversation,
            self.log,
            self.seq,
            Maybe32(self.prev.map(|id| *id.as_bytes())),
            self.lamport,
            self.time_ms,
            self.deps.clone(),
            ByteArray::new(self.body_commit),
            self.body_len,
            Maybe32(self.auth.map(|id| *id.as_bytes())),
        ))
    }

    /// Reads a header in its one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let a: HeaderArray = codec::decode_exact(bytes, MAX_HEADER_BYTES)?;
        let header = Self {
            v: a.0,
            kind: a.1,
            conversation: a.2,
            log: a.3,
            seq: a.4,
            prev: a.5.0.map(EntryId::new),
            lamport: a.6,
            time_ms: a.7,
            deps: a.8,
            body_commit: a.9.into_array(),
            body_len: a.10,
            auth: a.11.0.map(EntryId::new),
        };
        if header.v != ENTRY_VERSION {
            return Err(EntryError::Version(header.v));
        }
        if header.seq == 0 || (header.seq == 1) != header.prev.is_none() {
            return Err(EntryError::Nonsense);
        }
        Ok(header)
    }
}

impl SealedBody {
    fn commit(&self) -> [u8; 32] {
        hash(BODY_DOMAIN, &[&self.salt, &self.body])
    }
}

impl SignedEntry {
    /// Writes and signs an entry. Refuses only what is too large.
    pub fn write(draft: Draft, body: Vec<u8>, keys: &DeviceKeys, salt: [u8; 16]) -> Result<Written, EntryError> {
        let sealed = SealedBody { salt, body };
        let header = Header {
            v: ENTRY_VERSION,
            kind: draft.kind,
            conversation: draft.conversation,
            log: draft.log,
            seq: draft.seq,
            prev: draft.prev,
            lamport: draft.lamport,
            time_ms: draft.time_ms,
            deps: draft.deps,
            body_commit: sealed.commit(),
            body_len: u32::try_from(sealed.body.len()).map_err(|_| EntryError::TooLarge(sealed.body.len()))?,
            auth: draft.auth,
        };
        let bytes = header.encode();
        let id = entry_id(&bytes);
        let signature = keys.sign(DOMAIN, &bytes);
        let entry = Self { header: bytes, signature, body: Some(sealed) };
        entry.check_size()?;
        Ok(Written { id, header, entry })
    }

    /// Checks all that an entry proves by itself: size, encoding, author, signature, and the body where it is there.
    pub fn check(&self, author: &DeviceId) -> Result<(EntryId, Header), EntryError> {
        let key = verifying_key(author.as_bytes()).map_err(|_| EntryError::Signature)?;
        self.check_with(&key)
    }

    /// The same with a key that was parsed before.
    pub fn check_with(&self, author: &VerifyingKey) -> Result<(EntryId, Header), EntryError> {
        self.check_size()?;
        let header = Header::decode(&self.header)?;
        self.check_decoded(&header, author)?;
        Ok((entry_id(&self.header), header))
    }

    /// The same for a header that was decoded before: size, author, signature and body.
    pub fn check_decoded(&self, header: &Header, author: &VerifyingKey) -> Result<(), EntryError> {
        self.check_size()?;
        if !header.log.is_of(&DeviceId::new(author.to_bytes())) {
            return Err(EntryError::WrongLog);
        }
        verify(author, DOMAIN, &self.header, &self.signature).map_err(|_| EntryError::Signature)?;
        self.check_body(header)
    }

    /// Whether the body, where it is there, is the one that the header names.
    pub fn check_body(&self, header: &Header) -> Result<(), EntryError> {
        match &self.body {
            Some(sealed) if sealed.body.len() != header.body_len as usize => Err(EntryError::Body),
            Some(sealed) if sealed.commit() != header.body_commit => Err(EntryError::Body),
            Some(_) | None => Ok(()),
        }
    }

    /// Its size as limits count it: header, signature, salt and body.
    pub fn size(&self) -> usize {
        let body = self.body.as_ref().map_or(0, |sealed| SALT_BYTES + sealed.body.len());
        self.header.len() + SIGNATURE_BYTES + body
    }

    fn check_size(&self) -> Result<(), EntryError> {
        let size = self.size();
        if size > MAX_ENTRY_BYTES { Err(EntryError::TooLarge(size)) } else { Ok(()) }
    }
}

impl Serialize for SignedEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (salt, body): (&[u8], &[u8]) = self.body.as_ref().map_or((&[], &[]), |b| (&b.salt, &b.body));
        let mut array = serializer.serialize_tuple(4)?;
        array.serialize_element(Bytes::new(&self.header))?;
        array.serialize_element(Bytes::new(&self.signature))?;
        array.serialize_element(Bytes::new(salt))?;
        array.serialize_element(Bytes::new(body))?;
        array.end()
    }
}

impl<'de> Deserialize<'de> for SignedEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (header, signature, salt, body): (ByteBuf, ByteArray<SIGNATURE_BYTES>, ByteBuf, ByteBuf) =
            Deserialize::deserialize(deserializer)?;
        let body = match <[u8; SALT_BYTES]>::try_from(salt.as_slice()) {
            Ok(salt) => Some(SealedBody { salt, body: body.into_vec() }),
            Err(_) if salt.is_empty() && body.is_empty() => None,
            Err(_) => return Err(D::Error::custom("a salt has 16 bytes")),
        };
        Ok(Self { header: header.into_vec(), signature: signature.into_array(), body })
    }
}

/// Only the length: what people write does not belong into logs.
impl fmt::Debug for SealedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedBody({} bytes)", self.body.len())
    }
}
