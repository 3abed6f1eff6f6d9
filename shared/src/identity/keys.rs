//! Secret keys. They are wiped when dropped, print nothing, and are not copied.

use std::{fmt, sync::Arc};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    AccountRecord, Binding, Bundle, Certificate, IdentityError, OwnerProof, SignedBundle, SignedCertificate,
    SignedClaim, SignedRecord, bundle, certificate, name, owner, record,
};
use crate::id::{AccountId, DeviceId};

/// How many recovery words there are.
const WORDS: usize = 24;

/// Bytes of a point that has a small order, whatever the secret key: the shared secret would be known to everybody.
/// The highest bit does not count. (Bernstein, "Curve25519", and libsodium's list.)
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    small(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    small(0xec, 0xff, 0x7f),
    small(0xed, 0xff, 0x7f),
    small(0xee, 0xff, 0x7f),
];

const fn small(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    let (head, tail) = bytes.split_at_mut(1);
    let (_, end) = tail.split_at_mut(30);
    if let ([head], [end]) = (head, end) {
        *head = first;
        *end = last;
    }
    bytes
}

/// The account's secret key. It is the person.
pub struct AccountKey(SigningKey);

/// Why recovery words were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Not 24.
    #[error("there are {0} words; recovery words are {WORDS}")]
    Count(usize),
    /// Not in the list.
    #[error("word {0} is not one of the list")]
    Unknown(usize),
    /// All in the list, and yet not what was shown.
    #[error("the words do not fit together; one of them is wrong, or their order")]
    Checksum,
}

impl AccountKey {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// The key with this seed.
    pub fn from_bytes(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Its seed.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Whose key it is.
    pub fn id(&self) -> AccountId {
        AccountId::new(self.0.verifying_key().to_bytes())
    }

    /// The recovery words: 24 of BIP-39's English list.
    pub fn words(&self) -> Zeroizing<String> {
        let Ok(mnemonic) = bip39::Mnemonic::from_entropy(self.0.as_bytes()) else {
            debug_assert!(false, "32 bytes are always 24 words");
            return Zeroizing::default();
        };
        let mut words = Zeroizing::new(String::with_capacity(WORDS * 9));
        for (index, word) in mnemonic.words().enumerate() {
            if index > 0 {
                words.push(' ');
            }
            words.push_str(word);
        }
        words
    }

    /// The key that these words were made from. Case and blanks do not matter.
    pub fn from_words(text: &str) -> Result<Self, WordsError> {
        let lower = Zeroizing::new(text.to_lowercase());
        let count = lower.split_whitespace().count();
        if count != WORDS {
            return Err(WordsError::Count(count));
        }
        let mnemonic =
            bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &lower).map_err(|error| match error {
                bip39::Error::UnknownWord(index) => WordsError::Unknown(index + 1),
                bip39::Error::BadWordCount(_)
                | bip39::Error::BadEntropyBitCount(_)
                | bip39::Error::InvalidChecksum
                | bip39::Error::AmbiguousLanguages(_) => WordsError::Checksum,
            })?;
        let (entropy, _) = mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(entropy.split_at(32).0);
        Ok(Self::from_bytes(seed))
    }

    /// Vouches for a device. The certificate must name this account.
    pub fn sign_certificate(&self, certificate: &Certificate) -> SignedCertificate {
        debug_assert!(certificate.account == self.id(), "a certificate names the account that signs it");
        let bytes = certificate.encode();
        SignedCertificate { signature: sign(&self.0, certificate::DOMAIN, &bytes), bytes }
    }

    /// Signs a record. It must name this account.
    pub fn sign_record(&self, record: &AccountRecord) -> SignedRecord {
        debug_assert!(record.account == self.id(), "a record names the account that signs it");
        let bytes = record.encode();
        SignedRecord { signature: sign(&self.0, record::DOMAIN, &bytes), bytes }
    }

    /// Asks a rendezvous for a name. The binding must name this account.
    pub fn sign_claim(&self, binding: &Binding) -> SignedClaim {
        debug_assert!(binding.account == self.id(), "a claim names the account that signs it");
        let bytes = binding.encode();
        SignedClaim { signature: sign(&self.0, name::CLAIM_DOMAIN, &bytes), bytes }
    }

    /// Proves over the session with this handshake hash whose key this is.
    pub fn prove_over(&self, session: &[u8; 32]) -> OwnerProof {
        OwnerProof { account: self.id(), signature: sign(&self.0, owner::DOMAIN, session) }
    }
}

/// A device's secret keys: Ed25519 for signatures, X25519 for sessions. A clone shares the one copy in memory.
#[derive(Clone)]
pub struct DeviceKeys(Arc<Secrets>);

struct Secrets {
    signing: SigningKey,
    x25519: Zeroizing<[u8; 32]>,
    x25519_public: [u8; 32],
}

impl DeviceKeys {
    /// New ones.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let signing = SigningKey::generate(rng);
        let mut x25519 = Zeroizing::new([0; 32]);
        rng.fill_bytes(x25519.as_mut_slice());
        Self::new(signing, x25519)
    }

    /// The keys that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &Zeroizing<[u8; 64]>) -> Self {
        let (seed, secret) = bytes.split_at(32);
        let mut x25519 = Zeroizing::new([0; 32]);
        x25519.copy_from_slice(secret);
        let mut ed25519 = Zeroizing::new([0; 32]);
        ed25519.copy_from_slice(seed);
        Self::new(SigningKey::from_bytes(&ed25519), x25519)
    }

    fn new(signing: SigningKey, x25519: Zeroizing<[u8; 32]>) -> Self {
        let secret = x25519_dalek::StaticSecret::from(*x25519);
        let x25519_public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        Self(Arc::new(Secrets { signing, x25519, x25519_public }))
    }

    /// Both secrets: the Ed25519 seed, then the X25519 secret.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        let (seed, secret) = bytes.split_at_mut(32);
        seed.copy_from_slice(self.0.signing.as_bytes());
        secret.copy_from_slice(self.0.x25519.as_slice());
        bytes
    }

    /// Which device it is.
    pub fn id(&self) -> DeviceId {
        DeviceId::new(self.0.signing.verifying_key().to_bytes())
    }

    /// Its public key for signatures, parsed.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.0.signing.verifying_key()
    }

    /// Its public key for sessions.
    pub fn x25519_public(&self) -> [u8; 32] {
        self.0.x25519_public
    }

    /// Its secret for sessions.
    pub fn x25519_secret(&self) -> &Zeroizing<[u8; 32]> {
        &self.0.x25519
    }

    /// Signs `domain ‖ bytes`.
    pub fn sign(&self, domain: &'static str, bytes: &[u8]) -> [u8; 64] {
        sign(&self.0.signing, domain, bytes)
    }

    /// Signs a bundle. It must name this device.
    pub fn sign_bundle(&self, bundle: &Bundle) -> SignedBundle {
        debug_assert!(bundle.device == self.id(), "a bundle names the device that signs it");
        let bytes = bundle.encode();
        SignedBundle { signature: self.sign(bundle::DOMAIN, &bytes), bytes }
    }
}

/// Parses a public key, and refuses one of small order.
pub fn verifying_key(bytes: &[u8; 32]) -> Result<VerifyingKey, IdentityError> {
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| IdentityError::WeakKey)?;
    if key.is_weak() { Err(IdentityError::WeakKey) } else { Ok(key) }
}

/// Checks a signature over `domain ‖ bytes`, strictly: one signature, one key, one meaning.
pub fn verify(
    key: &VerifyingKey,
    domain: &'static str,
    bytes: &[u8],
    signature: &[u8; 64],
) -> Result<(), IdentityError> {
    key.verify_strict(&message(domain, bytes), &Signature::from_bytes(signature)).map_err(|_| IdentityError::Signature)
}

/// Refuses X25519 keys whose shared secret everybody knows.
pub(crate) fn check_x25519(key: &[u8; 32]) -> Result<(), IdentityError> {
    let mut masked = *key;
    if let Some(last) = masked.last_mut() {
        *last &= 0x7f;
    }
    if LOW_ORDER.contains(&masked) { Err(IdentityError::WeakKey) } else { Ok(()) }
}

fn sign(key: &SigningKey, domain: &'static str, bytes: &[u8]) -> [u8; 64] {
    key.sign(&message(domain, bytes)).to_bytes()
}

fn message(domain: &'static str, bytes: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), bytes].concat()
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(..)")
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys(..)")
    }
}
