//! Encryption of one piece of the file at a time.
//!
//! XChaCha20-Poly1305 under a key of this file alone, with 24 random bytes of nonce for every write, and the place in the
//! additional data: a piece that was moved, changed or made with another key does not open. An old version of a piece at
//! its own place does; the file as a whole can be put back to an earlier state by whoever can write it.

use std::io;

use chacha20poly1305::{AeadInOut as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::{error::Broken, key::StoreKey};

const NONCE: usize = 24;
const TAG: usize = 16;

/// What sealing adds to a piece, in bytes: nonce and tag, in front. No two writes have the same.
pub(crate) const OVERHEAD: usize = NONCE + TAG;

/// Where a piece lies. Part of what is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A block of redb's, by number.
    Block(u64),
    /// A copy of block 0, by the number of its place.
    Head(u8),
}

impl Place {
    fn bytes(self) -> [u8; 9] {
        let (kind, number) = match self {
            Self::Block(number) => (1, number),
            Self::Head(place) => (2, u64::from(place)),
        };
        let mut bytes = [kind; 9];
        bytes.split_at_mut(1).1.copy_from_slice(&number.to_le_bytes());
        bytes
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Block(number) => write!(f, "block {number}"),
            Self::Head(place) => write!(f, "copy {place} of block 0"),
        }
    }
}

/// Seals and opens the pieces of one file.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    check: [u8; 32],
}

impl Sealer {
    /// For the file with this id.
    pub(crate) fn new(key: &StoreKey, file: &[u8; 32]) -> Self {
        let derive = |context| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(key.bytes()).update(file);
            Zeroizing::new(*hasher.finalize().as_bytes())
        };
        Self {
            cipher: XChaCha20Poly1305::new((&*derive("hobnob/store/seal/1")).into()),
            check: *derive("hobnob/store/check/1"),
        }
    }

    /// Tells one key from another, and nothing else.
    pub(crate) fn check(&self) -> &[u8; 32] {
        &self.check
    }

    /// Seals `parts`, one after the other, as one piece at the end of `out`.
    pub(crate) fn seal(&self, place: Place, parts: [&[u8]; 2], out: &mut Vec<u8>) -> io::Result<()> {
        let mut nonce = XNonce::default();
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let start = out.len();
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&[0; TAG]);
        out.extend(parts.into_iter().flatten());
        let (head, text) = out.split_at_mut(start).1.split_at_mut(OVERHEAD);
        let tag = self.cipher.encrypt_inout_detached(&nonce, &place.bytes(), text.into());
        head.split_at_mut(NONCE).1.copy_from_slice(&tag.map_err(io::Error::other)?);
        Ok(())
    }

    /// Opens one sealed piece where it is.
    pub(crate) fn open<'a>(&self, place: Place, sealed: &'a mut [u8]) -> Result<&'a [u8], Broken> {
        let broken = || Broken(format!("{place} was changed"));
        let (head, text) = sealed.split_at_mut_checked(OVERHEAD).ok_or_else(broken)?;
        let (nonce, tag) = head.split_at(NONCE);
        let nonce = XNonce::try_from(nonce).map_err(|_| broken())?;
        let tag = Tag::try_from(tag).map_err(|_| broken())?;
        let opened = self.cipher.decrypt_inout_detached(&nonce, &place.bytes(), (&mut *text).into(), &tag);
        opened.map_err(|_| broken())?;
        Ok(text)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}
