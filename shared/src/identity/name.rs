//! A name at a rendezvous: `[v, name, server, account, seq, time_ms]`, signed by the account (a claim) and then by the
//! rendezvous too (a binding). Both sign the same bytes, so neither can put words into the other's mouth.

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::{
    DeviceKeys, IdentityError, VerifyingKey,
    keys::{verify, verifying_key},
    signed::signed,
};
use crate::{codec, id::AccountId, limits::MAX_BINDING_BYTES, text::Username};

const SERVER_DOMAIN: &str = "hobnob/name/1";
pub(super) const CLAIM_DOMAIN: &str = "hobnob/name-claim/1";
const VERSION: u8 = 1;
const WHAT: &str = "name";

/// Who has a name at a rendezvous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name.
    pub name: Username,
    /// The rendezvous: its key for signatures.
    pub server: [u8; 32],
    /// Whose name it is.
    pub account: AccountId,
    /// From 1; one more each time that the name gets another owner or is claimed anew.
    pub seq: u64,
    /// When, by the clock of the rendezvous, in ms since the epoch.
    pub time_ms: u64,
}

signed! {
    /// A binding that only the account has signed: what it asks the rendezvous for.
    SignedClaim, "hobnob/name-hash/1"
}

/// A binding with both signatures. Travels as `[bytes, signature of the rendezvous, signature of the account]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(ByteBuf, ByteArray<64>, ByteArray<64>)", into = "(ByteBuf, ByteArray<64>, ByteArray<64>)")]
pub struct SignedBinding {
    bytes: Vec<u8>,
    server: [u8; 64],
    account: [u8; 64],
}

/// What a binding says about the one that was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// It is the same one.
    Same,
    /// Newer, and still the same account.
    Renewed,
    /// Newer, and another account has the name now: to be told loudly.
    Moved,
    /// Older than what is known: the rendezvous was rolled back, or repeats old words.
    Stale,
    /// The same number, and yet something else: the rendezvous, or the account, says two things at once.
    Forked,
    /// About another name or of another rendezvous.
    Unrelated,
}

#[derive(Serialize, Deserialize)]
struct BindingArray(u8, Username, ByteArray<32>, AccountId, u64, u64);

impl Binding {
    /// What this binding says about `held`, the one that was known before.
    pub fn succeeds(&self, held: &Self) -> Succession {
        if (&self.name, &self.server) != (&held.name, &held.server) {
            return Succession::Unrelated;
        }
        match self.seq.cmp(&held.seq) {
            std::cmp::Ordering::Less => Succession::Stale,
            std::cmp::Ordering::Equal if self == held => Succession::Same,
            std::cmp::Ordering::Equal => Succession::Forked,
            std::cmp::Ordering::Greater if self.account == held.account => Succession::Renewed,
            std::cmp::Ordering::Greater => Succession::Moved,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let server = ByteArray::new(self.server);
        codec::encode(&BindingArray(VERSION, self.name.clone(), server, self.account, self.seq, self.time_ms))
    }

    fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let a: BindingArray =
            codec::decode_exact(bytes, MAX_BINDING_BYTES).map_err(|error| IdentityError::Unreadable(WHAT, error))?;
        if a.0 != VERSION {
            return Err(IdentityError::Version(WHAT, a.0));
        }
        let binding = Self { name: a.1, server: a.2.into_array(), account: a.3, seq: a.4, time_ms: a.5 };
        if binding.seq == 0 { Err(IdentityError::Nonsense(WHAT)) } else { Ok(binding) }
    }
}

impl SignedClaim {
    /// Checks encoding and the account's signature. Whether name, rendezvous, number and time are right is for the
    /// rendezvous to say.
    pub fn verify(&self) -> Result<Binding, IdentityError> {
        let binding = Binding::decode(&self.bytes)?;
        let account = verifying_key(binding.account.as_bytes())?;
        verify(&account, CLAIM_DOMAIN, &self.bytes, &self.signature)?;
        Ok(binding)
    }

    /// The rendezvous grants it, with its own keys.
    pub fn grant(&self, server: &DeviceKeys) -> SignedBinding {
        let signature = server.sign(SERVER_DOMAIN, &self.bytes);
        SignedBinding { bytes: self.bytes.clone(), server: signature, account: self.signature }
    }
}

impl SignedBinding {
    /// Checks encoding, that the rendezvous with this key granted it, and that the account asked for it.
    pub fn verify(&self, server: &VerifyingKey) -> Result<Binding, IdentityError> {
        let binding = Binding::decode(&self.bytes)?;
        if binding.server != *server.as_bytes() {
            return Err(IdentityError::WrongOwner(WHAT));
        }
        verify(server, SERVER_DOMAIN, &self.bytes, &self.server)?;
        let account = verifying_key(binding.account.as_bytes())?;
        verify(&account, CLAIM_DOMAIN, &self.bytes, &self.account)?;
        Ok(binding)
    }
}

impl From<(ByteBuf, ByteArray<64>, ByteArray<64>)> for SignedBinding {
    fn from((bytes, server, account): (ByteBuf, ByteArray<64>, ByteArray<64>)) -> Self {
        Self { bytes: bytes.into_vec(), server: server.into_array(), account: account.into_array() }
    }
}

impl From<SignedBinding> for (ByteBuf, ByteArray<64>, ByteArray<64>) {
    fn from(signed: SignedBinding) -> Self {
        (ByteBuf::from(signed.bytes), ByteArray::new(signed.server), ByteArray::new(signed.account))
    }
}
