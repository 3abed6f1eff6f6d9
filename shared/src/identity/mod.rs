//! Who somebody is: account and device keys, certificates, account records, bundles, invites.
//!
//! An account is a person, a device an installation of theirs. The account's key signs certificates and records and
//! nothing else; a device's keys sign entries and bundles and open sessions.

mod bundle;
mod certificate;
mod invite;
mod keys;
pub mod keystore;
mod name;
mod owner;
mod past;
mod record;
mod safety;
mod signed;

pub use bundle::{Bundle, Prekey, SignedBundle, Ticket};
pub use certificate::{Certificate, SignedCertificate};
pub use ed25519_dalek::VerifyingKey;
pub use invite::{Invite, InviteError};
pub(crate) use keys::check_x25519;
pub use keys::{AccountKey, DeviceKeys, WordsError, verify, verifying_key};
pub use name::{Binding, SignedBinding, SignedClaim, Succession};
pub use owner::OwnerProof;
pub use past::past;
pub use record::{AccountRecord, Profile, SignedRecord};
pub use safety::{fingerprint, safety_number, safety_words, sas_commit};
pub(crate) use signed::signed;

use crate::{codec::DecodeError, id::AccountId};

/// What a running node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Whose node it is.
    pub account: AccountId,
    /// This device's keys.
    pub device_keys: DeviceKeys,
    /// The account's word for this device.
    pub certificate: SignedCertificate,
    /// The account's newest record.
    pub record: SignedRecord,
}

/// Why a signed object was refused. Nothing is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not this object in its one encoding.
    #[error("the {0} cannot be read: {1}")]
    Unreadable(&'static str, #[source] DecodeError),
    /// Of another version.
    #[error("the {0} has version {1}")]
    Version(&'static str, u8),
    /// Not signed by the one it names.
    #[error("the signature is wrong")]
    Signature,
    /// A key that would make secrets known or signatures ambiguous.
    #[error("a key is weak")]
    WeakKey,
    /// Numbers that contradict each other.
    #[error("the {0} contradicts itself")]
    Nonsense(&'static str),
    /// Signed by, or about, somebody else.
    #[error("the {0} belongs to somebody else")]
    WrongOwner(&'static str),
}
