//! Registering, logging in, names, and the vault.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{
    bounded::Sealed,
    id::AccountId,
    identity::{OwnerProof, SignedBinding, SignedClaim},
    limits::MAX_VAULT_BYTES,
    opaque::message::{
        CredentialFinalization, CredentialRequest, CredentialResponse, RegistrationRequest, RegistrationResponse,
        RegistrationUpload,
    },
    rendezvous::RegistrationCode,
    text::Username,
    wire::AccountPayload,
};

/// A vault as the rendezvous keeps it.
pub type SealedVault = Sealed<MAX_VAULT_BYTES>;

/// Why somebody may register, or knock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ProofMap", into = "ProofMap")]
pub enum Proof {
    /// Nothing to show: the rendezvous answers what it wants.
    None,
    /// Work.
    Pow {
        /// What was worked over.
        challenge: [u8; 16],
        /// What was found.
        nonce: u64,
    },
    /// A code of the operator's.
    Code(RegistrationCode),
}

#[derive(Default, Serialize, Deserialize)]
struct ProofMap {
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pow: Option<(ByteArray<16>, u64)>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    code: Option<RegistrationCode>,
}

/// Begins to register, or, for an account that is there already, to change its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterStart {
    /// The name that is wanted.
    #[serde(rename = "n")]
    pub name: Username,
    /// OPAQUE's first message.
    #[serde(rename = "q")]
    pub request: RegistrationRequest,
    /// Whose key the sender holds: a name of that account is not taken for it, even where the rendezvous does not know its
    /// device, as after a restore from recovery words.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerProof>,
}

/// What is needed to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterGo {
    /// OPAQUE's second message.
    #[serde(rename = "q")]
    pub response: RegistrationResponse,
    /// The number that the claim must have.
    #[serde(rename = "s")]
    pub seq: u64,
    /// The time that the claim must have, in ms since the epoch.
    #[serde(rename = "t")]
    pub time_ms: u64,
}

/// Registers. Where the name is already this account's, sets a new password and vault: the way back for somebody who
/// forgot the password and still has the account's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterFinish {
    /// The name, as in the start.
    #[serde(rename = "n")]
    pub name: Username,
    /// OPAQUE's third message.
    #[serde(rename = "q")]
    pub upload: RegistrationUpload,
    /// Records, certificates and bundles of the account.
    #[serde(rename = "a")]
    pub account: AccountPayload,
    /// Why it may.
    #[serde(rename = "p")]
    pub proof: Proof,
    /// The first vault; its number is 1, or one more than that of the vault that it replaces.
    #[serde(rename = "v")]
    pub vault: SealedVault,
    /// The number that the vault was sealed with.
    #[serde(rename = "s")]
    pub vault_seq: u64,
    /// The name, signed by the account.
    #[serde(rename = "c")]
    pub claim: SignedClaim,
}

/// Registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The name, signed by both.
    #[serde(rename = "b")]
    pub binding: SignedBinding,
}

/// Begins to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginStart {
    /// Who.
    #[serde(rename = "n")]
    pub name: Username,
    /// OPAQUE's first message.
    #[serde(rename = "q")]
    pub request: CredentialRequest,
}

/// What is needed to go on. Looks the same for a name that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginGo {
    /// OPAQUE's second message.
    #[serde(rename = "q")]
    pub response: CredentialResponse,
}

/// Proves that the password was right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFinish {
    /// OPAQUE's third message.
    #[serde(rename = "q")]
    pub finalization: CredentialFinalization,
}

/// Logged in: all that a bare machine needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// Whose name it is.
    #[serde(rename = "i")]
    pub id: AccountId,
    /// The name, signed by both.
    #[serde(rename = "b")]
    pub binding: SignedBinding,
    /// The vault.
    #[serde(rename = "v")]
    pub vault: Vault,
    /// The newest record and its certificates, without bundles: a vault and 16 of them would not fit a frame.
    #[serde(rename = "a")]
    pub account: AccountPayload,
}

/// Changes the password: the vault is sealed under what the new password opens, so both change at once or not at all. Takes
/// the account's key in the start, or a log-in in the same session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChange {
    /// OPAQUE's third message, after a start in this session.
    #[serde(rename = "q")]
    pub upload: RegistrationUpload,
    /// The vault, sealed anew.
    #[serde(rename = "v")]
    pub vault: VaultPut,
}

/// Looks a name up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameGet {
    /// Exactly this name.
    #[serde(rename = "n")]
    pub name: Username,
    /// The hash of a record of whoever has it. Who can name one that leads up to the newest is told what follows it.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<ByteArray<32>>,
}

/// Whose name it is, and how to seal something for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// The name, signed by both.
    #[serde(rename = "b")]
    pub binding: SignedBinding,
    /// The newest record, its certificates, and bundles with prekeys and without tickets.
    #[serde(rename = "a")]
    pub account: AccountPayload,
}

/// What shall happen to one's own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NameSetMap", into = "NameSetMap")]
pub enum NameSet {
    /// Others find it.
    Visible,
    /// Others do not find it.
    Hidden,
    /// It is given up, with the vault, the mailboxes and all else that is kept for the account. Takes the account's key, or a
    /// log-in in the same session.
    Release(Option<OwnerProof>),
}

#[derive(Serialize, Deserialize)]
struct NameSetMap {
    #[serde(rename = "h")]
    hidden: bool,
    #[serde(rename = "r", default, skip_serializing_if = "std::ops::Not::not")]
    release: bool,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerProof>,
}

/// Replaces the vault, if it still is the one that `expected` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultPut {
    /// The number that it was sealed with: one more than `expected`.
    #[serde(rename = "s")]
    pub seq: u64,
    /// The number of the vault that it replaces.
    #[serde(rename = "x")]
    pub expected: u64,
    /// The vault.
    #[serde(rename = "v")]
    pub vault: SealedVault,
    /// Whose key the sender holds: whoever opened the vault has it. From the first that is shown on, the rendezvous takes no
    /// vault without; a linked device, which holds no key, writes none.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Box<OwnerProof>>,
}

/// The vault as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vault {
    /// Its number.
    #[serde(rename = "s")]
    pub seq: u64,
    /// The vault.
    #[serde(rename = "v")]
    pub vault: SealedVault,
}

impl From<ProofMap> for Proof {
    fn from(map: ProofMap) -> Self {
        match map {
            ProofMap { code: Some(code), .. } => Self::Code(code),
            ProofMap { pow: Some((challenge, nonce)), .. } => Self::Pow { challenge: challenge.into_array(), nonce },
            ProofMap { .. } => Self::None,
        }
    }
}

impl From<Proof> for ProofMap {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::None => Self::default(),
            Proof::Pow { challenge, nonce } => {
                Self { pow: Some((ByteArray::new(challenge), nonce)), ..Self::default() }
            }
            Proof::Code(code) => Self { code: Some(code), ..Self::default() },
        }
    }
}

impl From<NameSetMap> for NameSet {
    fn from(map: NameSetMap) -> Self {
        match map {
            NameSetMap { release: true, owner, .. } => Self::Release(owner),
            NameSetMap { hidden: true, .. } => Self::Hidden,
            NameSetMap { .. } => Self::Visible,
        }
    }
}

impl From<NameSet> for NameSetMap {
    fn from(set: NameSet) -> Self {
        match set {
            NameSet::Visible => Self { hidden: false, release: false, owner: None },
            NameSet::Hidden => Self { hidden: true, release: false, owner: None },
            NameSet::Release(owner) => Self { hidden: true, release: true, owner },
        }
    }
}
