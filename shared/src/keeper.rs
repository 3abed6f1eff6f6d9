//! How devices of one account tell each other the vault's key after its password was changed.
//!
//! Only a device that has opened the vault before may hear it: a device that was linked never holds the account's key, and
//! the vault has it inside. So the key is sealed under one that whoever opened the vault made of the account's key and kept.
//!
//! ```text
//! told = nonce(24) ‖ XChaCha20-Poly1305(vault key(32) ‖ seq(8))       AD = domain ‖ rendezvous(32) ‖ name
//! ```

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{Sealed, identity::AccountKey, limits::SEALED_VAULT_KEY_BYTES, sealing, text::Username, vault::VaultKey};

const DOMAIN: &[u8] = b"hobnob/told-vault-key/1";

/// A vault's key, sealed for devices that opened the vault before.
pub type SealedVaultKey = Sealed<SEALED_VAULT_KEY_BYTES>;

/// What a device keeps that has opened a vault of its account: it opens later keys of vaults, and is no way back to the
/// account's key. Wiped when dropped.
#[derive(zeroize::ZeroizeOnDrop)]
pub struct KeeperKey([u8; 32]);

impl KeeperKey {
    /// The one of this account.
    pub fn derive(account: &AccountKey) -> Self {
        Self(blake3::derive_key("hobnob/vault-keeper/1", account.to_bytes().as_slice()))
    }

    /// The key that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(**bytes)
    }

    /// Its bytes, to be kept.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// Seals the key of the vault of this name at that rendezvous. `seq` is the newest number of it that the key is known to
    /// open.
    pub fn seal(
        &self,
        key: &VaultKey,
        seq: u64,
        (name, server): (&Username, &[u8; 32]),
        rng: &mut impl CryptoRng,
    ) -> Option<SealedVaultKey> {
        let mut plain = Zeroizing::new([0; 40]);
        let (first, last) = plain.split_at_mut(32);
        first.copy_from_slice(key.to_bytes().as_slice());
        last.copy_from_slice(&seq.to_be_bytes());
        SealedVaultKey::new(sealing::seal(&self.0, &aad(name, server), plain.as_slice(), rng)?)
    }

    /// Opens one. `None`: it is of another account, name or rendezvous, or was changed.
    pub fn open(&self, sealed: &SealedVaultKey, name: &Username, server: &[u8; 32]) -> Option<(VaultKey, u64)> {
        let plain = sealing::open(&self.0, &aad(name, server), sealed.as_bytes())?;
        let (key, seq) = plain.split_first_chunk::<32>()?;
        let seq = u64::from_be_bytes(seq.try_into().ok()?);
        Some((VaultKey::from_bytes(&Zeroizing::new(*key)), seq))
    }
}

/// The key has a fixed length, so that no name can run into it.
fn aad(name: &Username, server: &[u8; 32]) -> Vec<u8> {
    [DOMAIN, server, name.as_str().as_bytes()].concat()
}

impl fmt::Debug for KeeperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeeperKey(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    #[test]
    fn only_the_same_account_name_and_rendezvous_open_it() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [alice, bob] = [(); 2].map(|()| KeeperKey::derive(&AccountKey::generate(&mut rng)));
        let (name, key) = (Username::parse("alice").unwrap(), VaultKey::from_bytes(&Zeroizing::new([7; 32])));
        let sealed = alice.seal(&key, 9, (&name, &[1; 32]), &mut rng).unwrap();
        assert_eq!(sealed.as_bytes().len(), SEALED_VAULT_KEY_BYTES);
        let (opened, seq) = alice.open(&sealed, &name, &[1; 32]).unwrap();
        assert_eq!((opened.to_bytes(), seq), (key.to_bytes(), 9));
        let kept = KeeperKey::from_bytes(&alice.to_bytes());
        assert!(kept.open(&sealed, &name, &[1; 32]).is_some());
        assert!(bob.open(&sealed, &name, &[1; 32]).is_none());
        assert!(alice.open(&sealed, &name, &[2; 32]).is_none());
        assert!(alice.open(&sealed, &Username::parse("alicia").unwrap(), &[1; 32]).is_none());
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[30] ^= 1;
        assert!(alice.open(&SealedVaultKey::new(bytes).unwrap(), &name, &[1; 32]).is_none());
        assert!(alice.open(&SealedVaultKey::new(Vec::new()).unwrap(), &name, &[1; 32]).is_none());
    }

    #[test]
    fn neither_key_is_printed() {
        let alice = KeeperKey::derive(&AccountKey::generate(&mut ChaCha20Rng::seed_from_u64(1)));
        assert_eq!(format!("{alice:?}"), "KeeperKey(..)");
    }
}
