//! What snow is made of here: ring's cipher, snow's own BLAKE2s, our randomness, and an X25519 that wipes its key and
//! refuses shared secrets that everybody knows.

use std::sync::Mutex;

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};
use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{BoxedCryptoResolver, CryptoResolver, DefaultResolver, FallbackResolver, RingResolver},
    types::{Cipher, Dh, Hash, Random},
};
use x25519_dalek::{PublicKey, StaticSecret};

/// Randomness for one handshake, seeded by the caller's.
pub(super) fn resolver(rng: &mut impl CryptoRng) -> BoxedCryptoResolver {
    boxed(Ours(Some(Mutex::new(fork(rng)))))
}

/// For who only reads: whatever would draw a random number fails.
pub(super) fn reader() -> BoxedCryptoResolver {
    boxed(Ours(None))
}

fn boxed(ours: Ours) -> BoxedCryptoResolver {
    Box::new(FallbackResolver::new(
        Box::new(ours),
        Box::new(FallbackResolver::new(Box::new(RingResolver), Box::new(DefaultResolver))),
    ))
}

/// A source of its own, seeded by the caller's.
pub(super) fn fork(rng: &mut impl CryptoRng) -> ChaCha20Rng {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut_slice());
    ChaCha20Rng::from_seed(*seed)
}

struct Ours(Option<Mutex<ChaCha20Rng>>);

impl CryptoResolver for Ours {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        let Some(rng) = &self.0 else { return Some(Box::new(Source(None))) };
        Some(Box::new(Source(Some(fork(&mut *rng.lock().ok()?)))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(Curve::default())),
            DHChoice::Curve448 => None,
        }
    }

    fn resolve_hash(&self, _choice: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }

    fn resolve_cipher(&self, _choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        None
    }
}

struct Source(Option<ChaCha20Rng>);

impl Random for Source {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.as_mut().ok_or(Error::Rng)?.fill_bytes(dest);
        Ok(())
    }
}

/// X25519. `StaticSecret` wipes itself.
struct Curve {
    secret: StaticSecret,
    public: PublicKey,
}

impl Default for Curve {
    fn default() -> Self {
        Self { secret: StaticSecret::from([0; 32]), public: PublicKey::from([0; 32]) }
    }
}

impl Dh for Curve {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        let Ok(secret) = <[u8; 32]>::try_from(privkey) else {
            debug_assert!(false, "snow passes 32 bytes");
            return;
        };
        self.secret = StaticSecret::from(secret);
        self.public = PublicKey::from(&self.secret);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        rng.try_fill_bytes(secret.as_mut_slice())?;
        self.set(secret.as_slice());
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let (key, _) = pubkey.split_at_checked(32).ok_or(Error::Dh)?;
        let key = <[u8; 32]>::try_from(key).map_err(|_| Error::Dh)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(key));
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        out.split_at_mut_checked(32).ok_or(Error::Dh)?.0.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}
