//! The one hash: BLAKE3 with a domain, over parts that cannot flow into each other.

/// Hashes `parts` under `domain`. Each part goes in behind its length (8 bytes, big-endian), so that no two lists of
/// parts give the same input.
pub fn hash(domain: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
