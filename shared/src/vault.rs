//! The vault: what makes a bare machine a device of the account again. The rendezvous keeps it and cannot open it.
//!
//! ```text
//! vault = version(1) ‖ nonce(24) ‖ XChaCha20-Poly1305(length(4) ‖ CBOR map ‖ zeros)      AD = domain ‖ name ‖ seq(8)
//! ```
//!
//! The key comes from the password ([`crate::opaque::ExportKey`]). What a later version put in is kept when this one
//! seals again.

mod mail;

use std::{collections::BTreeMap, fmt};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

pub use self::mail::{DeviceMail, FriendMail};
use crate::{
    bounded::{self, Short},
    codec::{self, DecodeError},
    id::AccountId,
    identity::{AccountKey, SignedCertificate, SignedRecord},
    limits::{
        HEIGHT_STEP, MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_CONTACTS, MAX_DEVICES, MAX_FIRST_LAMPORT, MAX_PAST_RECORDS,
        MAX_SETTING_KEY_BYTES, MAX_SETTINGS, MAX_VAULT_BYTES, VAULT_STEP_BYTES,
    },
    opaque::ExportKey,
    rendezvous::NameAt,
    sealing,
    text::{Handle, Username},
    wire::rendezvous::SealedVault,
};

const DOMAIN: &[u8] = b"hobnob/vault/1";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + sealing::BOX_BYTES + sealing::PADDING_BYTES;

/// What opens and seals the vault. Wiped when dropped.
#[derive(zeroize::ZeroizeOnDrop)]
pub struct VaultKey([u8; 32]);

/// What is in it.
pub struct VaultContent {
    /// The account's key.
    pub account: AccountKey,
    /// The newest record of the account that its owner knows.
    pub record: Option<SignedRecord>,
    /// The records before it, as [`crate::identity::past`] has them.
    pub past: Vec<SignedRecord>,
    /// The certificates of its devices.
    pub certificates: Vec<SignedCertificate>,
    /// Where the account's other devices are.
    pub devices: Vec<Reach>,
    /// Friends.
    pub contacts: Vec<Contact>,
    /// Settings by name, as their owner encodes them.
    pub settings: Vec<(String, Vec<u8>)>,
    /// How high the conversation of the account's own devices is.
    pub height: Height,
    /// What a later version put in.
    pub rest: Rest,
}

/// Keys that this version does not know, with their values.
#[derive(Clone, Default, PartialEq)]
pub struct Rest(BTreeMap<String, codec::Value>);

/// A friend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Who.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// How we call them.
    #[serde(rename = "h")]
    pub handle: Handle,
    /// We compared safety numbers.
    #[serde(rename = "v", default, skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// We want to hear nothing of them.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// Where their devices are: the rest they tell in the first session.
    #[serde(rename = "d", deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")]
    pub devices: Vec<Reach>,
    /// Under which name, and where, they can be asked.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NameAt>,
    /// How high the conversation with them is.
    #[serde(rename = "l", default, skip_serializing_if = "Height::is_nothing")]
    pub height: Height,
    /// What mail to them needs, once they told where it may be left.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<FriendMail>,
    /// What a later version put in.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How high the lamports of a conversation are, for a device that has nothing of it yet: no entry that the teller knew
/// stands higher. 0 where nothing is known. A log may begin above any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Height(u64);

/// Where a device is, and the key that it must prove. `[x25519, addresses]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ReachArray", into = "ReachArray")]
pub struct Reach {
    /// Its key for sessions.
    pub x25519: [u8; 32],
    /// Multiaddresses as text, best first.
    pub addresses: Vec<String>,
}

/// Why a vault was not sealed or opened. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is no room for so much.
    #[error("the vault would take {0} bytes; the limit is {MAX_VAULT_BYTES}: remove friends or settings")]
    TooLarge(usize),
    /// Of a later version.
    #[error("the vault was sealed by a newer version of hobnob (vault version {0}); update this one")]
    Newer(u8),
    /// Another key, name or number than it was sealed for, or changed bytes.
    #[error("the vault does not open: it was changed, or is not the one that was asked for")]
    Decrypt,
    /// It opens, and cannot be read.
    #[error("the vault cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
}

#[derive(Serialize, Deserialize)]
struct ReachArray(
    ByteArray<32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_ADDRESSES>")] Vec<Short<MAX_ADDRESS_BYTES>>,
);

#[derive(Serialize, Deserialize)]
struct ContentMap {
    #[serde(rename = "k")]
    key: ByteArray<32>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    record: Option<SignedRecord>,
    #[serde(
        rename = "h",
        default,
        deserialize_with = "bounded::list::<_, _, MAX_PAST_RECORDS>",
        skip_serializing_if = "Vec::is_empty"
    )]
    past: Vec<SignedRecord>,
    #[serde(rename = "c", deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")]
    certificates: Vec<SignedCertificate>,
    #[serde(rename = "d", deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")]
    devices: Vec<Reach>,
    #[serde(rename = "f", deserialize_with = "bounded::list::<_, _, MAX_CONTACTS>")]
    contacts: Vec<Contact>,
    #[serde(rename = "s", deserialize_with = "bounded::list::<_, _, MAX_SETTINGS>")]
    settings: Vec<(Short<MAX_SETTING_KEY_BYTES>, ByteBuf)>,
    #[serde(rename = "l", default, skip_serializing_if = "Height::is_nothing")]
    height: Height,
    #[serde(flatten)]
    rest: Rest,
}

impl VaultKey {
    /// The key of the vault that this password opens.
    pub fn derive(export_key: &ExportKey) -> Self {
        Self(blake3::derive_key("hobnob/vault-key/1", export_key.as_bytes()))
    }

    /// The key that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(**bytes)
    }

    /// Its bytes, for a device that stays logged in.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// Seals the vault of `name` as number `seq`.
    pub fn seal(
        &self,
        content: &VaultContent,
        name: &Username,
        seq: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<SealedVault, VaultError> {
        let plain = content.encode();
        let total = (plain.len() + HEAD_BYTES).next_multiple_of(VAULT_STEP_BYTES);
        if total > MAX_VAULT_BYTES {
            return Err(VaultError::TooLarge(total));
        }
        let padded = sealing::pad(&plain, total - 1 - sealing::BOX_BYTES).ok_or(VaultError::TooLarge(total))?;
        let sealed = sealing::seal(&self.0, &aad(name, seq), &padded, rng).ok_or(VaultError::TooLarge(total))?;
        SealedVault::new([&[VERSION], sealed.as_slice()].concat()).ok_or(VaultError::TooLarge(total))
    }

    /// Opens what was sealed for this name and number.
    pub fn open(&self, sealed: &SealedVault, name: &Username, seq: u64) -> Result<VaultContent, VaultError> {
        let (version, sealed) = sealed.as_bytes().split_first().ok_or(VaultError::Decrypt)?;
        if *version != VERSION {
            return Err(VaultError::Newer(*version));
        }
        let padded = sealing::open(&self.0, &aad(name, seq), sealed).ok_or(VaultError::Decrypt)?;
        let plain = sealing::unpad(&padded).ok_or(VaultError::Unreadable(DecodeError::Malformed))?;
        VaultContent::decode(plain)
    }
}

impl VaultContent {
    /// One that holds nothing but the account's key.
    pub fn new(account: AccountKey) -> Self {
        Self {
            account,
            record: None,
            past: Vec::new(),
            certificates: Vec::new(),
            devices: Vec::new(),
            contacts: Vec::new(),
            settings: Vec::new(),
            height: Height::default(),
            rest: Rest::default(),
        }
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let setting = |(name, value): &(String, Vec<u8>)| (Short(name.clone()), ByteBuf::from(value.clone()));
        codec::encode_secret(&ContentMap {
            key: ByteArray::new(*self.account.to_bytes()),
            record: self.record.clone(),
            past: self.past.clone(),
            certificates: self.certificates.clone(),
            devices: self.devices.clone(),
            contacts: self.contacts.clone(),
            settings: self.settings.iter().map(setting).collect(),
            height: self.height,
            rest: self.rest.clone(),
        })
    }

    fn decode(plain: &[u8]) -> Result<Self, VaultError> {
        let map: ContentMap = codec::decode(plain, MAX_VAULT_BYTES)?;
        Ok(Self {
            account: AccountKey::from_bytes(Zeroizing::new(map.key.into_array())),
            record: map.record,
            past: map.past,
            certificates: map.certificates,
            devices: map.devices,
            contacts: map.contacts,
            settings: map.settings.into_iter().map(|(name, value)| (name.0, value.into_vec())).collect(),
            height: map.height,
            rest: map.rest,
        })
    }
}

impl Height {
    /// What a vault tells of a conversation in which no lamport is higher than this one.
    pub fn above(highest: u64) -> Self {
        match highest {
            0 => Self::default(),
            highest => Self::from((highest / HEIGHT_STEP).saturating_add(2).saturating_mul(HEIGHT_STEP)),
        }
    }

    /// The lamport above which a log begins.
    pub fn lamport(self) -> u64 {
        self.0
    }

    /// Nothing is known.
    pub fn is_nothing(&self) -> bool {
        self.0 == 0
    }
}

/// One that leaves no room for a first entry is taken for the highest that does.
impl From<u64> for Height {
    fn from(lamport: u64) -> Self {
        Self(lamport.min(MAX_FIRST_LAMPORT - 1))
    }
}

impl From<Height> for u64 {
    fn from(height: Height) -> Self {
        height.0
    }
}

/// The number stands last, with a fixed length, so that no name can run into it.
fn aad(name: &Username, seq: u64) -> Vec<u8> {
    [DOMAIN, name.as_str().as_bytes(), &seq.to_be_bytes()].concat()
}

impl Serialize for Rest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self)
    }
}

impl From<ReachArray> for Reach {
    fn from(a: ReachArray) -> Self {
        Self { x25519: a.0.into_array(), addresses: a.1.into_iter().map(|address| address.0).collect() }
    }
}

impl From<Reach> for ReachArray {
    fn from(reach: Reach) -> Self {
        Self(ByteArray::new(reach.x25519), reach.addresses.into_iter().map(Short).collect())
    }
}

/// Only how many places: they do not belong into logs.
impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reach({} addresses)", self.addresses.len())
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rest({} keys)", self.0.len())
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(..)")
    }
}

impl fmt::Debug for VaultContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultContent({} contacts, {} settings)", self.contacts.len(), self.settings.len())
    }
}
