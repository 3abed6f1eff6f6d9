//! The keystore file's bytes. Reading and writing the file is the profile's business.
//!
//! ```text
//! header = "HOBNOBK" version(1) kdf(1) memory_kib(4) passes(4) lanes(4) salt(16) nonce1(24) nonce2(24) length1(4) length2(4)
//! file   = header ‖ box 1 ‖ box 2 ‖ checksum(16)
//! ```
//!
//! Box 1 holds what a running node needs, box 2 the account's key; a linked device does not have it, and its box 2 is
//! empty. Both are XChaCha20-Poly1305 under keys derived from
//! one Argon2id run, with the header as associated data. The checksum tells a damaged file from a wrong password.
//! Without a password the keys come from the salt alone: the file then protects nothing, and only damage is noticed.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use super::{AccountKey, DeviceKeys, SignedCertificate, SignedRecord};
use crate::{codec, hash::hash, limits::MAX_KEYSTORE_BYTES};

const MAGIC: [u8; 7] = *b"HOBNOBK";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 7 + 1 + 1 + 12 + 16 + 24 + 24 + 8;
const CHECKSUM_BYTES: usize = 16;
/// What Poly1305 adds to each box.
const SEAL_BYTES: usize = 16;

/// What the person types. Wiped when dropped.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes it over.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How much work a guess at the password costs (Argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Params {
    /// What new files get: 64 MiB, three passes; about a quarter of a second.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// A file that asks for more than 1 GiB, 16 passes or 16 lanes is refused before any work.
    fn are_sane(self) -> bool {
        (1..=16).contains(&self.lanes)
            && (8 * self.lanes..=1024 * 1024).contains(&self.memory_kib)
            && (1..=16).contains(&self.passes)
    }
}

/// What a running node needs.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// This device's keys.
    pub device_keys: DeviceKeys,
    /// What the database is encrypted with.
    pub store_key: Key,
    /// The seed of the transport's key.
    pub transport_key: Key,
    /// Random, for whatever else this profile must derive.
    pub salt: Key,
    /// The account's word for this device.
    pub certificate: SignedCertificate,
    /// The account's newest record.
    pub record: SignedRecord,
}

/// 32 secret bytes. Wiped when dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Takes them over.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Random ones.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why a keystore was not opened. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// Some other file.
    #[error("this is not a hobnob keystore")]
    NotAKeystore,
    /// Of a later version.
    #[error("the keystore was written by a newer version of hobnob (keystore version {0}); update this one")]
    Newer(u8),
    /// Cut off or changed.
    #[error("the keystore is damaged ({0}); restore it from a backup, or use the recovery words")]
    Damaged(&'static str),
    /// It has one, and none was given.
    #[error("the keystore has a password")]
    PasswordNeeded,
    /// Not this one.
    #[error("the password is wrong")]
    WrongPassword,
    /// A linked device does not hold it.
    #[error(
        "this device was linked and does not hold the account's key; do it on the device that has the recovery words"
    )]
    NoAccountKey,
    /// Argon2id could not run: most likely not enough memory.
    #[error("the password cannot be checked: not enough memory for {0} KiB")]
    NoMemory(u32),
}

#[derive(Serialize, Deserialize)]
struct SecretsArray(ByteArray<64>, ByteArray<32>, ByteArray<32>, ByteArray<32>, SignedCertificate, SignedRecord);

/// Seals both boxes. `None` as account is a linked device's; `None` as password protects nothing.
pub fn seal(
    secrets: &Secrets,
    account: Option<&AccountKey>,
    password: Option<&Password>,
    params: Params,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, KeystoreError> {
    let mut header = Header { params: password.map(|_| params), ..Header::random(rng) };
    let kek = header.kek(password)?;
    let plain = secrets.encode();
    let seed = account.map(AccountKey::to_bytes);
    let seed = seed.as_ref().map_or(&[][..], |seed| seed.as_slice());
    header.lengths =
        [plain.len() + SEAL_BYTES, seed.len() + SEAL_BYTES].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
    let mut file = header.encode();
    for (index, plain) in [plain.as_slice(), seed].into_iter().enumerate() {
        let sealed =
            header.cipher(&kek, index).encrypt(&header.nonce(index), Payload { msg: plain, aad: &header.encode() });
        file.extend_from_slice(&sealed.map_err(|_| KeystoreError::Damaged("it cannot be sealed"))?);
    }
    let sum = checksum(&file);
    file.extend_from_slice(&sum);
    Ok(file)
}

/// Whether a password is needed to open this file.
pub fn has_password(file: &[u8]) -> Result<bool, KeystoreError> {
    Ok(Parts::split(file)?.header.params.is_some())
}

/// Whether the account's key is in this file. A linked device's box 2 holds nothing but its seal.
pub fn holds_account(file: &[u8]) -> Result<bool, KeystoreError> {
    let [_, account] = Parts::split(file)?.boxes;
    Ok(account.len() > SEAL_BYTES)
}

/// Opens box 1.
pub fn open(file: &[u8], password: Option<&Password>) -> Result<Secrets, KeystoreError> {
    let plain = Parts::split(file)?.open(0, password)?;
    Secrets::decode(&plain).ok_or(KeystoreError::Damaged("its contents cannot be read"))
}

/// Opens box 2: only for what the account itself must sign.
pub fn open_account(file: &[u8], password: Option<&Password>) -> Result<AccountKey, KeystoreError> {
    let plain = Parts::split(file)?.open(1, password)?;
    if plain.is_empty() {
        return Err(KeystoreError::NoAccountKey);
    }
    let mut seed = Zeroizing::new([0; 32]);
    if plain.len() != seed.len() {
        return Err(KeystoreError::Damaged("the account key has a wrong length"));
    }
    seed.copy_from_slice(&plain);
    Ok(AccountKey::from_bytes(seed))
}

impl Secrets {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        codec::encode_secret(&SecretsArray(
            ByteArray::new(*self.device_keys.to_bytes()),
            ByteArray::new(*self.store_key.0),
            ByteArray::new(*self.transport_key.0),
            ByteArray::new(*self.salt.0),
            self.certificate.clone(),
            self.record.clone(),
        ))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let a: SecretsArray = codec::decode(bytes, MAX_KEYSTORE_BYTES).ok()?;
        let key = |bytes: ByteArray<32>| Key(Zeroizing::new(bytes.into_array()));
        Some(Self {
            device_keys: DeviceKeys::from_bytes(&Zeroizing::new(a.0.into_array())),
            store_key: key(a.1),
            transport_key: key(a.2),
            salt: key(a.3),
            certificate: a.4,
            record: a.5,
        })
    }
}

/// Everything before the boxes.
struct Header {
    /// None: no password.
    params: Option<Params>,
    salt: [u8; 16],
    nonces: [[u8; 24]; 2],
    lengths: [u32; 2],
}

impl Header {
    fn random(rng: &mut impl CryptoRng) -> Self {
        let mut header = Self { params: None, salt: [0; 16], nonces: [[0; 24]; 2], lengths: [0; 2] };
        rng.fill_bytes(&mut header.salt);
        for nonce in &mut header.nonces {
            rng.fill_bytes(nonce);
        }
        header
    }

    fn encode(&self) -> Vec<u8> {
        let params = self.params.unwrap_or(Params { memory_kib: 0, passes: 0, lanes: 0 });
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, u8::from(self.params.is_some())]);
        for number in [params.memory_kib, params.passes, params.lanes] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.salt);
        bytes.extend(self.nonces.as_flattened());
        bytes.extend(self.lengths.iter().flat_map(|length| length.to_be_bytes()));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, KeystoreError> {
        let mut rest = bytes.get(MAGIC.len() + 1..).unwrap_or_default();
        let [kdf] = take(&mut rest)?;
        let [memory_kib, passes, lanes] =
            [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?].map(u32::from_be_bytes);
        let params = Params { memory_kib, passes, lanes };
        let params = match kdf {
            0 => None,
            1 if params.are_sane() => Some(params),
            _ => return Err(KeystoreError::Damaged("its parameters make no sense")),
        };
        Ok(Self {
            params,
            salt: take(&mut rest)?,
            nonces: [take(&mut rest)?, take(&mut rest)?],
            lengths: [take(&mut rest)?, take(&mut rest)?].map(u32::from_be_bytes),
        })
    }

    /// The key that both boxes' keys come from.
    fn kek(&self, password: Option<&Password>) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        let Some(params) = self.params else {
            return Ok(Zeroizing::new(hash("hobnob/keystore-open/1", &[&self.salt])));
        };
        let password = password.ok_or(KeystoreError::PasswordNeeded)?;
        let refused = KeystoreError::NoMemory(params.memory_kib);
        let settings =
            argon2::Params::new(params.memory_kib, params.passes, params.lanes, Some(32)).map_err(|_| refused)?;
        let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, settings);
        let mut kek = Zeroizing::new([0; 32]);
        argon.hash_password_into(password.0.as_bytes(), &self.salt, kek.as_mut_slice()).map_err(|_| refused)?;
        Ok(kek)
    }

    fn cipher(&self, kek: &[u8; 32], index: usize) -> XChaCha20Poly1305 {
        let domain = if index == 0 { "hobnob/keystore-node/1" } else { "hobnob/keystore-account/1" };
        let key = Zeroizing::new(hash(domain, &[kek]));
        XChaCha20Poly1305::new(&(*key).into())
    }

    fn nonce(&self, index: usize) -> XNonce {
        self.nonces.get(index).copied().unwrap_or_default().into()
    }
}

/// A whole file, split and checked for damage.
struct Parts<'a> {
    header: Header,
    header_bytes: &'a [u8],
    boxes: [&'a [u8]; 2],
}

impl<'a> Parts<'a> {
    fn split(file: &'a [u8]) -> Result<Self, KeystoreError> {
        let version = match file.strip_prefix(&MAGIC) {
            Some([version, ..]) => *version,
            Some([]) | None => return Err(KeystoreError::NotAKeystore),
        };
        if version > VERSION {
            return Err(KeystoreError::Newer(version));
        }
        let damaged = KeystoreError::Damaged("its end is missing");
        if file.len() > MAX_KEYSTORE_BYTES {
            return Err(KeystoreError::Damaged("it is too long"));
        }
        let (content, sum) =
            file.len().checked_sub(CHECKSUM_BYTES).and_then(|at| file.split_at_checked(at)).ok_or(damaged)?;
        if checksum(content) != sum || version == 0 {
            return Err(KeystoreError::Damaged("its checksum is wrong"));
        }
        let (header_bytes, boxes) = content.split_at_checked(HEADER_BYTES).ok_or(damaged)?;
        let header = Header::decode(header_bytes)?;
        let [first, second] = header.lengths.map(|length| length as usize);
        match boxes.split_at_checked(first) {
            Some((one, two)) if two.len() == second => Ok(Self { header, header_bytes, boxes: [one, two] }),
            Some(_) | None => Err(damaged),
        }
    }

    fn open(&self, index: usize, password: Option<&Password>) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let kek = self.header.kek(password)?;
        let sealed = self.boxes.get(index).copied().unwrap_or_default();
        let payload = Payload { msg: sealed, aad: self.header_bytes };
        let plain = self.header.cipher(&kek, index).decrypt(&self.header.nonce(index), payload);
        let wrong = if self.header.params.is_some() {
            KeystoreError::WrongPassword
        } else {
            KeystoreError::Damaged("it does not decrypt")
        };
        plain.map(Zeroizing::new).map_err(|_| wrong)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], KeystoreError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(KeystoreError::Damaged("its header is cut off"))?;
    *rest = tail;
    Ok(*head)
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = hash("hobnob/keystore-checksum/1", &[content]);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(digest.split_at(CHECKSUM_BYTES).0);
    sum
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
