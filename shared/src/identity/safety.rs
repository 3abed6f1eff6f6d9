//! What people compare: fingerprint, safety number, safety words.

use data_encoding::BASE32_NOPAD;

use crate::{hash::hash, id::AccountId};

/// Each try of an attacker who looks for a similar number costs this many hashes.
const ROUNDS: usize = 5200;

/// A short form of an account's key: four groups of four letters and digits (80 bits).
pub fn fingerprint(account: &AccountId) -> String {
    let digest = hash("hobnob/fingerprint/1", &[account.as_bytes()]);
    let text = BASE32_NOPAD.encode(digest.split_at(10).0).to_lowercase();
    groups(&text, 4)
}

/// 60 digits that two people compare, the same from both sides.
pub fn safety_number(a: &AccountId, b: &AccountId) -> String {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    groups(&(half(low) + &half(high)), 5)
}

/// Three words that two people compare over a live session. Nonces stand next to their accounts; the order of the two
/// sides does not matter.
pub fn safety_words(
    handshake_hash: &[u8; 32],
    a: &AccountId,
    b: &AccountId,
    nonce_a: &[u8; 16],
    nonce_b: &[u8; 16],
) -> [String; 3] {
    let (low, high) = if a <= b { ((a, nonce_a), (b, nonce_b)) } else { ((b, nonce_b), (a, nonce_a)) };
    let digest = hash("hobnob/sas/1", &[handshake_hash, low.0.as_bytes(), high.0.as_bytes(), low.1, high.1]);
    let bits = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    [word(bits >> 53), word(bits >> 42), word(bits >> 31)]
}

/// What the starter of a comparison sends before it learns the other side's nonce.
pub fn sas_commit(nonce: &[u8; 16]) -> [u8; 32] {
    hash("hobnob/sas-commit/1", &[nonce])
}

/// 30 digits of one account.
fn half(account: &AccountId) -> String {
    let mut digest = hash("hobnob/safety-number/1", &[account.as_bytes()]);
    for _ in 1..ROUNDS {
        digest = hash("hobnob/safety-number/1", &[&digest, account.as_bytes()]);
    }
    let groups = digest.chunks_exact(5).take(6);
    groups
        .map(|chunk| {
            let number = chunk.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
        .collect()
}

/// The word that the lowest eleven bits choose.
fn word(bits: u64) -> String {
    let list = bip39::Language::English.word_list();
    list.get((bits & 2047) as usize).copied().unwrap_or_default().to_owned()
}

fn groups(text: &str, size: usize) -> String {
    let mut grouped = String::with_capacity(text.len() + text.len() / size);
    for (index, c) in text.chars().enumerate() {
        if index > 0 && index % size == 0 {
            grouped.push(' ');
        }
        grouped.push(c);
    }
    grouped
}
