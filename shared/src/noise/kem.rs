//! ML-KEM-768 (FIPS 203), for one handshake.

use ml_kem::{
    Ciphertext, Decapsulate, Encapsulate, Key, KeyExport, MlKem768, Seed,
    ml_kem_768::{DecapsulationKey, EncapsulationKey},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::NoiseError;

/// Bytes of a public key.
pub(super) const KEY_BYTES: usize = 1184;

/// Bytes of the seed that a key pair is made from.
pub(super) const SEED_BYTES: usize = 64;

/// The initiator's half. Wiped when dropped.
pub(super) struct Secret(Box<DecapsulationKey>);

impl Secret {
    pub(super) fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new(Seed::default());
        rng.fill_bytes(seed.as_mut_slice());
        Self(Box::new(DecapsulationKey::from_seed(*seed)))
    }

    pub(super) fn from_seed(bytes: &[u8; SEED_BYTES]) -> Self {
        let mut seed = Zeroizing::new(Seed::default());
        seed.copy_from_slice(bytes);
        Self(Box::new(DecapsulationKey::from_seed(*seed)))
    }

    pub(super) fn public(&self) -> Vec<u8> {
        self.0.encapsulation_key().to_bytes().to_vec()
    }

    pub(super) fn open(&self, ciphertext: &[u8]) -> Result<Zeroizing<[u8; 32]>, NoiseError> {
        let ciphertext = Ciphertext::<MlKem768>::try_from(ciphertext).map_err(|_| NoiseError::Malformed)?;
        Ok(Zeroizing::new(self.0.decapsulate(&ciphertext).into()))
    }
}

/// The responder's half: a ciphertext for `public`, and the secret in it.
pub(super) fn seal(public: &[u8], rng: &mut impl CryptoRng) -> Result<(Vec<u8>, Zeroizing<[u8; 32]>), NoiseError> {
    let key = Key::<EncapsulationKey>::try_from(public).map_err(|_| NoiseError::Malformed)?;
    let key = EncapsulationKey::new(&key).map_err(|_| NoiseError::Malformed)?;
    let (ciphertext, secret) = key.encapsulate_with_rng(rng);
    Ok((ciphertext.to_vec(), Zeroizing::new(secret.into())))
}
