//! What an account says of itself: `[v, seq, prev, account, devices, revoked, [nick, bio]]`, a chain of records.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{
    IdentityError,
    keys::{verify, verifying_key},
    signed::signed,
};
use crate::{
    bounded::{self, Maybe32},
    codec,
    id::{AccountId, DeviceId},
    limits::{MAX_DEVICES, MAX_RECORD_BYTES, MAX_REVOKED},
    text::{Nickname, Note},
};

pub(super) const DOMAIN: &str = "hobnob/account/1";
const VERSION: u8 = 1;
const WHAT: &str = "account record";

/// How a person shows themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Nickname, Note)", into = "(Nickname, Note)")]
pub struct Profile {
    /// How they call themselves.
    pub nick: Nickname,
    /// What they say of themselves.
    pub bio: Note,
}

/// One record of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its number, from 1.
    pub seq: u64,
    /// The hash of the one before; none before the first.
    pub prev: Option<[u8; 32]>,
    /// Whose record.
    pub account: AccountId,
    /// Hashes of the certificates of all devices.
    pub devices: Vec<[u8; 32]>,
    /// Devices that do not count any more, each with the number of the record that said so first.
    pub revoked: Vec<(DeviceId, u64)>,
    /// How the person shows themselves.
    pub profile: Profile,
}

signed! {
    /// A record with the account's signature.
    SignedRecord, "hobnob/account-hash/1"
}

#[derive(Serialize, Deserialize)]
struct RecordArray(
    u8,
    u64,
    Maybe32,
    AccountId,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")] Vec<ByteArray<32>>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_REVOKED>")] Vec<(DeviceId, u64)>,
    Profile,
);

impl AccountRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(&RecordArray(
            VERSION,
            self.seq,
            Maybe32(self.prev),
            self.account,
            self.devices.iter().copied().map(ByteArray::new).collect(),
            self.revoked.clone(),
            self.profile.clone(),
        ))
    }

    /// Whether this record is the next one after `before`.
    pub fn follows(&self, before: &Self, before_hash: &[u8; 32]) -> bool {
        self.account == before.account
            && Some(self.seq) == before.seq.checked_add(1)
            && self.prev.as_ref() == Some(before_hash)
    }

    /// Whether this record vouches for the device of a certificate, by the certificate's hash and its device.
    pub fn lists(&self, certificate_hash: &[u8; 32], device: &DeviceId) -> bool {
        self.devices.contains(certificate_hash) && !self.revoked.iter().any(|(revoked, _)| revoked == device)
    }
}

impl SignedRecord {
    /// Checks encoding and signature. Says nothing about its place in the chain.
    pub fn verify(&self) -> Result<AccountRecord, IdentityError> {
        let a: RecordArray = codec::decode_exact(&self.bytes, MAX_RECORD_BYTES)
            .map_err(|error| IdentityError::Unreadable(WHAT, error))?;
        if a.0 != VERSION {
            return Err(IdentityError::Version(WHAT, a.0));
        }
        let record = AccountRecord {
            seq: a.1,
            prev: a.2.0,
            account: a.3,
            devices: a.4.into_iter().map(ByteArray::into_array).collect(),
            revoked: a.5,
            profile: a.6,
        };
        if record.seq == 0 || (record.seq == 1) != record.prev.is_none() {
            return Err(IdentityError::Nonsense(WHAT));
        }
        let account = verifying_key(record.account.as_bytes())?;
        verify(&account, DOMAIN, &self.bytes, &self.signature)?;
        Ok(record)
    }
}

impl From<(Nickname, Note)> for Profile {
    fn from((nick, bio): (Nickname, Note)) -> Self {
        Self { nick, bio }
    }
}

impl From<Profile> for (Nickname, Note) {
    fn from(profile: Profile) -> Self {
        (profile.nick, profile.bio)
    }
}
