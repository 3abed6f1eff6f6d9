//! The account's word for a device: `[v, account, ed25519, x25519, name, added_ms]`.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{
    IdentityError,
    keys::{check_x25519, verify, verifying_key},
    signed::signed,
};
use crate::{
    codec,
    id::{AccountId, DeviceId},
    limits::MAX_CERTIFICATE_BYTES,
    text::Nickname,
};

pub(super) const DOMAIN: &str = "hobnob/certificate/1";
const VERSION: u8 = 1;
const WHAT: &str = "certificate";

/// A device of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose device.
    pub account: AccountId,
    /// Which device: its key for signatures.
    pub device: DeviceId,
    /// Its key for sessions.
    pub x25519: [u8; 32],
    /// How it is called.
    pub name: Nickname,
    /// When it was added, in ms since the epoch.
    pub added_ms: u64,
}

signed! {
    /// A certificate with the account's signature.
    SignedCertificate, "hobnob/certificate-hash/1"
}

#[derive(Serialize, Deserialize)]
struct CertificateArray(u8, AccountId, DeviceId, ByteArray<32>, Nickname, u64);

impl Certificate {
    pub(super) fn encode(&self) -> Vec<u8> {
        let key = ByteArray::new(self.x25519);
        codec::encode(&CertificateArray(VERSION, self.account, self.device, key, self.name.clone(), self.added_ms))
    }
}

impl SignedCertificate {
    /// Checks encoding, keys and signature. Says nothing about whether the account still stands by it.
    pub fn verify(&self) -> Result<Certificate, IdentityError> {
        let certificate = self.read()?;
        verifying_key(certificate.device.as_bytes())?;
        check_x25519(&certificate.x25519)?;
        let account = verifying_key(certificate.account.as_bytes())?;
        verify(&account, DOMAIN, &self.bytes, &self.signature)?;
        Ok(certificate)
    }

    /// Which device it claims to be of: for one that was verified before. Proves nothing.
    pub fn claimed_device(&self) -> Result<DeviceId, IdentityError> {
        self.read().map(|certificate| certificate.device)
    }

    fn read(&self) -> Result<Certificate, IdentityError> {
        let a: CertificateArray = codec::decode_exact(&self.bytes, MAX_CERTIFICATE_BYTES)
            .map_err(|error| IdentityError::Unreadable(WHAT, error))?;
        if a.0 != VERSION {
            return Err(IdentityError::Version(WHAT, a.0));
        }
        Ok(Certificate { account: a.1, device: a.2, x25519: a.3.into_array(), name: a.4, added_ms: a.5 })
    }

    /// Its bytes with the signature, as the handshake carries them.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Self::encode`] wrote. Verifies nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        codec::decode(bytes, MAX_CERTIFICATE_BYTES).map_err(|error| IdentityError::Unreadable(WHAT, error))
    }
}
