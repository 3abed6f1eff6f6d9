//! The records before an account's newest one, so far as whoever keeps that one keeps them too: with them, a device that
//! knew none of them shows friends how its record goes on from the one that they hold.

use super::SignedRecord;
use crate::limits::{MAX_PAST_BYTES, MAX_PAST_RECORDS};

/// The unbroken run of records that leads up to `newest`, oldest first, without it. At most [`MAX_PAST_RECORDS`] and
/// [`MAX_PAST_BYTES`]. What is not signed, or not of this chain, is left out.
pub fn past<'a>(newest: &SignedRecord, candidates: impl IntoIterator<Item = &'a SignedRecord>) -> Vec<SignedRecord> {
    let candidates: Vec<_> = candidates.into_iter().map(|signed| (signed.hash(), signed)).collect();
    let mut run = Vec::new();
    let mut bytes = 0;
    let Ok(mut next) = newest.verify() else { return run };
    while let Some(wanted) = next.prev.filter(|_| run.len() < MAX_PAST_RECORDS) {
        let found = candidates.iter().filter(|(hash, _)| *hash == wanted).find_map(|(_, signed)| {
            let before = signed.verify().ok().filter(|before| next.follows(before, &wanted))?;
            Some((*signed, before))
        });
        let Some((signed, before)) = found else { break };
        bytes += signed.bytes.len();
        if bytes > MAX_PAST_BYTES {
            break;
        }
        run.push(signed.clone());
        next = before;
    }
    run.reverse();
    run
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;
    use crate::{
        identity::{AccountKey, AccountRecord, Profile},
        limits::MAX_REVOKED,
        text::{Nickname, Note},
    };

    /// A chain of so many records, each of which revokes so many devices.
    fn chain(key: &AccountKey, records: u64, revoked: usize) -> Vec<SignedRecord> {
        let mut chain: Vec<SignedRecord> = Vec::new();
        for seq in 1..=records {
            let profile = Profile { nick: Nickname::parse("Alice").unwrap(), bio: Note::parse("").unwrap() };
            let revoked = (0..revoked).map(|n| (crate::id::DeviceId::new([n as u8; 32]), seq)).collect();
            let (account, devices, prev) = (key.id(), Vec::new(), chain.last().map(SignedRecord::hash));
            chain.push(key.sign_record(&AccountRecord { seq, prev, account, devices, revoked, profile }));
        }
        chain
    }

    fn key(seed: u8) -> AccountKey {
        AccountKey::generate(&mut ChaCha20Rng::from_seed([seed; 32]))
    }

    #[test]
    fn the_run_is_found_whatever_lies_around_and_in_whatever_order() {
        let (ours, others) = (chain(&key(1), 5, 0), chain(&key(2), 5, 0));
        let mut mixed: Vec<_> = ours.iter().chain(&others).rev().collect();
        assert_eq!(past(&ours[4], mixed.clone()), ours[..4]);
        mixed.retain(|signed| **signed != ours[1]);
        assert_eq!(past(&ours[4], mixed), ours[2..4], "only what is unbroken");
        assert!(past(&ours[0], &ours).is_empty());
    }

    #[test]
    fn what_only_looks_like_the_record_before_is_left_out() {
        let ours = chain(&key(1), 3, 0);
        let mut unsigned = ours[1].clone();
        unsigned.signature[0] ^= 1;
        assert!(past(&ours[2], [&unsigned]).is_empty());
        assert_eq!(past(&ours[2], [&unsigned, &ours[1]]), ours[1..2]);
        let mut newest = ours[2].clone();
        newest.signature[0] ^= 1;
        assert!(past(&newest, &ours).is_empty());
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let many = chain(&key(1), MAX_PAST_RECORDS as u64 + 5, 0);
        let (newest, before) = many.split_last().unwrap();
        assert_eq!(past(newest, before), before[5 - 1..], "the latest of them");
        let large = chain(&key(1), 10, MAX_REVOKED);
        let kept = past(&large[9], &large);
        let bytes: usize = kept.iter().map(|signed| signed.bytes.len()).sum();
        assert!(!kept.is_empty() && kept.len() < 9 && bytes <= MAX_PAST_BYTES);
    }
}
