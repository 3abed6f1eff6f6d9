//! Sealed mail: one `Noise_Xpsk1` message to a device's prekey, with an ML-KEM-768 secret as psk.
//!
//! ```text
//! envelope = [v, prekey id, KEM ciphertext(1088), Noise message]      psk = KEM secret
//! prologue = "hobnob/mail/1" ‖ recipient device(32) ‖ prekey id(4) ‖ KEM ciphertext
//! payload  = length(4) ‖ content ‖ zeros
//! ```
//!
//! Whoever has the secret half of the prekey can open all mail that was sealed to it, so it is erased in time. The
//! Noise sender proves nothing to others and little to the recipient: see [`crate::wire::mail`].

use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::{
    NoiseError, kem,
    resolver::{reader, resolver},
};
use crate::{
    codec::{self, DecodeError},
    id::DeviceId,
    identity::{DeviceKeys, Prekey},
    limits::{KNOCK_PLAIN_BYTES, MAX_MAIL_BYTES, MAX_MAIL_PLAIN_BYTES},
    sealing,
    wire::{
        mail::MailContent,
        rendezvous::{Envelope, KnockEnvelope},
    },
};

const XPSK1: &str = "Noise_Xpsk1_25519_ChaChaPoly_BLAKE2s";
const DOMAIN: &[u8] = b"hobnob/mail/1";
const VERSION: u8 = 1;

/// Mail takes 256 bytes, twice that, and so on: its size tells little about what was said.
const FIRST_BYTES: usize = 256;

/// A prekey with its secret half. Wiped when dropped.
pub struct PrekeyPair {
    id: u32,
    expiry_ms: u64,
    x25519: Zeroizing<[u8; 32]>,
    kem_seed: Zeroizing<[u8; kem::SEED_BYTES]>,
}

/// An envelope, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What was in it.
    pub content: MailContent,
    /// The X25519 key that the sender used. A hint and no more: a stolen prekey is enough to forge it.
    pub sender: [u8; 32],
}

/// Why mail was not sealed or not opened. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// More than one envelope holds.
    #[error("{0} bytes are too many for one envelope")]
    TooLarge(usize),
    /// Not an envelope.
    #[error("the envelope cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// Of a later version.
    #[error("the envelope has version {0}")]
    Newer(u8),
    /// For another prekey.
    #[error("the envelope is for prekey {0}")]
    OtherPrekey(u32),
    /// It does not open, or the prekey is no good.
    #[error("the envelope does not open: {0}")]
    Noise(#[from] NoiseError),
    /// It opens, and makes no sense.
    #[error("what is in the envelope makes no sense")]
    Content,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeArray(u8, u32, ByteBuf, ByteBuf);

/// Seals mail to a device. That the prekey is the device's and has not expired is for the caller to check.
pub fn seal(
    content: &MailContent,
    to: &DeviceId,
    prekey: &Prekey,
    from: &DeviceKeys,
    rng: &mut impl CryptoRng,
) -> Result<Envelope, MailError> {
    let plain = codec::encode_secret(content);
    let least = plain.len() + sealing::PADDING_BYTES;
    let total = sealing::doubled(FIRST_BYTES, least, MAX_MAIL_PLAIN_BYTES).ok_or(MailError::TooLarge(plain.len()))?;
    let sealed = seal_padded(&plain, total, to, prekey, from, rng)?;
    let length = sealed.len();
    Envelope::new(sealed).ok_or(MailError::TooLarge(length))
}

/// Seals a friend request to a device. All of them have one size.
pub fn seal_knock(
    content: &MailContent,
    to: &DeviceId,
    prekey: &Prekey,
    from: &DeviceKeys,
    rng: &mut impl CryptoRng,
) -> Result<KnockEnvelope, MailError> {
    let plain = codec::encode_secret(content);
    let sealed = seal_padded(&plain, KNOCK_PLAIN_BYTES, to, prekey, from, rng)?;
    let length = sealed.len();
    KnockEnvelope::new(sealed).ok_or(MailError::TooLarge(length))
}

/// The number of the prekey that an envelope is for.
pub fn prekey_of(envelope: &[u8]) -> Result<u32, MailError> {
    split(envelope).map(|(id, ..)| id)
}

impl PrekeyPair {
    /// Bytes of the secret half.
    pub const SECRET_BYTES: usize = 32 + kem::SEED_BYTES;

    /// A new one with this number.
    pub fn generate(id: u32, expiry_ms: u64, rng: &mut impl CryptoRng) -> Self {
        let (mut x25519, mut kem_seed) = (Zeroizing::new([0; 32]), Zeroizing::new([0; kem::SEED_BYTES]));
        rng.fill_bytes(x25519.as_mut_slice());
        rng.fill_bytes(kem_seed.as_mut_slice());
        Self { id, expiry_ms, x25519, kem_seed }
    }

    /// The one whose secret half [`Self::secret`] gave.
    pub fn from_secret(id: u32, expiry_ms: u64, secret: &Zeroizing<[u8; Self::SECRET_BYTES]>) -> Self {
        let (mut x25519, mut kem_seed) = (Zeroizing::new([0; 32]), Zeroizing::new([0; kem::SEED_BYTES]));
        let (first, second) = secret.split_at(32);
        x25519.copy_from_slice(first);
        kem_seed.copy_from_slice(second);
        Self { id, expiry_ms, x25519, kem_seed }
    }

    /// The secret half, for an encrypted store.
    pub fn secret(&self) -> Zeroizing<[u8; Self::SECRET_BYTES]> {
        let mut secret = Zeroizing::new([0; Self::SECRET_BYTES]);
        let (first, second) = secret.split_at_mut(32);
        first.copy_from_slice(self.x25519.as_slice());
        second.copy_from_slice(self.kem_seed.as_slice());
        secret
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The public half, for a bundle.
    pub fn public(&self) -> Prekey {
        let x25519 = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(*self.x25519)).to_bytes();
        let ml_kem = kem::Secret::from_seed(&self.kem_seed).public();
        Prekey { id: self.id, x25519, ml_kem, expiry_ms: self.expiry_ms }
    }

    /// Opens mail, or a friend request, that was sealed to this prekey of `device`.
    pub fn open(&self, envelope: &[u8], device: &DeviceId) -> Result<Opened, MailError> {
        let (id, ciphertext, message) = split(envelope)?;
        if id != self.id {
            return Err(MailError::OtherPrekey(id));
        }
        let secret = kem::Secret::from_seed(&self.kem_seed).open(&ciphertext)?;
        let prologue = prologue(device, id, &ciphertext);
        let mut noise = snow::Builder::with_resolver(pattern()?, reader())
            .local_private_key(self.x25519.as_slice())
            .and_then(|builder| builder.prologue(&prologue))
            .and_then(|builder| builder.psk(1, &secret))
            .and_then(snow::Builder::build_responder)
            .map_err(NoiseError::from)?;
        let mut padded = Zeroizing::new(vec![0; message.len()]);
        let length = noise.read_message(&message, &mut padded).map_err(NoiseError::from)?;
        let plain = padded.get(..length).and_then(sealing::unpad).ok_or(MailError::Content)?;
        let content = codec::decode(plain, MAX_MAIL_PLAIN_BYTES).map_err(|_| MailError::Content)?;
        let sender = noise.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(MailError::Content)?;
        Ok(Opened { content, sender })
    }
}

fn seal_padded(
    plain: &[u8],
    total: usize,
    to: &DeviceId,
    prekey: &Prekey,
    from: &DeviceKeys,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, MailError> {
    let padded = sealing::pad(plain, total).ok_or(MailError::TooLarge(plain.len()))?;
    let (ciphertext, secret) = kem::seal(&prekey.ml_kem, rng)?;
    let prologue = prologue(to, prekey.id, &ciphertext);
    let mut noise = snow::Builder::with_resolver(pattern()?, resolver(rng))
        .local_private_key(from.x25519_secret().as_slice())
        .and_then(|builder| builder.remote_public_key(&prekey.x25519))
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(|builder| builder.psk(1, &secret))
        .and_then(snow::Builder::build_initiator)
        .map_err(NoiseError::from)?;
    let mut message = vec![0; padded.len() + NOISE_BYTES];
    let length = noise.write_message(&padded, &mut message).map_err(NoiseError::from)?;
    message.truncate(length);
    Ok(codec::encode(&EnvelopeArray(VERSION, prekey.id, ByteBuf::from(ciphertext), ByteBuf::from(message))))
}

/// What an `X` message adds to its payload: an ephemeral key, a sealed static key, a tag.
const NOISE_BYTES: usize = 32 + (32 + 16) + 16;

fn split(envelope: &[u8]) -> Result<(u32, Vec<u8>, Vec<u8>), MailError> {
    if let [array, version @ 2..=23, ..] = envelope
        && array >> 5 == 4
    {
        return Err(MailError::Newer(*version));
    }
    let a: EnvelopeArray = codec::decode_exact(envelope, MAX_MAIL_BYTES)?;
    if a.0 != VERSION {
        return Err(MailError::Newer(a.0));
    }
    Ok((a.1, a.2.into_vec(), a.3.into_vec()))
}

fn prologue(device: &DeviceId, id: u32, ciphertext: &[u8]) -> Vec<u8> {
    [DOMAIN, device.as_bytes(), &id.to_be_bytes(), ciphertext].concat()
}

fn pattern() -> Result<snow::params::NoiseParams, MailError> {
    XPSK1.parse().map_err(|error: snow::Error| MailError::Noise(error.into()))
}

impl fmt::Debug for PrekeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrekeyPair({})", self.id)
    }
}
