//! Padding, and XChaCha20-Poly1305 boxes that carry their nonce.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;
const LENGTH_BYTES: usize = 4;

/// What a box is longer than its contents, in bytes: nonce and tag.
pub(crate) const BOX_BYTES: usize = NONCE_BYTES + 16;

/// What padding adds at least, in bytes: the length of the content.
pub(crate) const PADDING_BYTES: usize = LENGTH_BYTES;

/// The content behind its length, and zeros up to `total` bytes; `None` where it does not fit.
pub(crate) fn pad(content: &[u8], total: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut padded = Zeroizing::new(vec![0; total]);
    let (length, rest) = padded.split_at_mut_checked(LENGTH_BYTES)?;
    length.copy_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
    rest.get_mut(..content.len())?.copy_from_slice(content);
    Some(padded)
}

/// The content that [`pad`] put in; `None` where the length is wrong or something hides in the padding.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>()?;
    let (content, zeros) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    zeros.iter().all(|byte| *byte == 0).then_some(content)
}

/// The smallest of `first`, twice that, and so on, that is at least `least` and at most `most`.
pub(crate) fn doubled(first: usize, least: usize, most: usize) -> Option<usize> {
    std::iter::successors(Some(first), |size| size.checked_mul(2))
        .take_while(|size| *size <= most)
        .find(|size| *size >= least)
}

/// Nonce and ciphertext. The nonce is random: 24 bytes never repeat.
pub(crate) fn seal(key: &[u8; 32], aad: &[u8], plain: &[u8], rng: &mut impl CryptoRng) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad }).ok()?;
    Some([nonce.as_slice(), &sealed].concat())
}

/// The contents; `None` for another key, other associated data, or changed bytes.
pub(crate) fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad }).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn padding_hides_the_length_and_gives_the_content_back() {
        for length in [0, 1, 251, 252] {
            let content = vec![7; length];
            let padded = pad(&content, 256).unwrap();
            assert_eq!((padded.len(), unpad(&padded)), (256, Some(content.as_slice())));
        }
        assert!(pad(&[7; 253], 256).is_none());
        assert!(pad(&[], 3).is_none());
    }

    #[test]
    fn nothing_hides_in_the_padding() {
        assert_eq!(unpad(&[0, 0, 0, 1, 7, 0, 0]), Some([7].as_slice()));
        assert_eq!(unpad(&[0, 0, 0, 1, 7, 0, 1]), None);
        assert_eq!(unpad(&[0, 0, 0, 4, 7, 0, 1]), None);
        assert_eq!(unpad(&[0xff; 8]), None);
        assert_eq!(unpad(&[0, 0, 0]), None);
    }

    #[test]
    fn sizes_double_up_to_the_most() {
        for (least, size) in [(0, Some(256)), (256, Some(256)), (257, Some(512)), (1024, Some(1024)), (1025, None)] {
            assert_eq!(doubled(256, least, 1024), size, "{least}");
        }
    }
}
