//! Proofs of work: over a challenge that changes every hour, each good for one thing.

use hobnob_shared::{hash::hash, pow::Puzzle, wire::ErrorCode};

use super::{
    limits::{HOUR_MS, MAX_PROOFS},
    recent::Recent,
    step::Served,
};

/// Makes challenges and checks what comes back.
///
/// The secret is made anew at every start: what was proved before it counts no more, so nothing has to be stored.
pub(crate) struct Proofs {
    secret: [u8; 32],
    used: Recent<([u8; 16], u64), ()>,
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proofs({} used)", self.used.len())
    }
}

impl Proofs {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret, used: Recent::new(MAX_PROOFS) }
    }

    /// What is to be solved now.
    pub(crate) fn challenge(&self, now_ms: u64) -> [u8; 16] {
        self.challenge_of(now_ms / HOUR_MS)
    }

    /// Takes a proof over the challenge of this hour or the last. It counts once.
    pub(crate) fn take(
        &mut self,
        challenge: [u8; 16],
        subject: [u8; 32],
        nonce: u64,
        bits: u8,
        now_ms: u64,
    ) -> Served<()> {
        let hour = now_ms / HOUR_MS;
        let is_current = [hour, hour.saturating_sub(1)].into_iter().any(|hour| self.challenge_of(hour) == challenge);
        let is_solved = Puzzle::new(challenge, bits, subject).is_some_and(|puzzle| puzzle.is_solved_by(nonce));
        self.used.forget_before(now_ms.saturating_sub(2 * HOUR_MS));
        if !is_current || self.used.get(&(challenge, nonce)).is_some() || !is_solved {
            return Err(self.wanted(bits, now_ms).into());
        }
        self.used.set((challenge, nonce), now_ms, ());
        Ok(())
    }

    /// That a proof is wanted, and over what.
    pub(crate) fn wanted(&self, bits: u8, now_ms: u64) -> ErrorCode {
        ErrorCode::Pow { bits, challenge: self.challenge(now_ms) }
    }

    fn challenge_of(&self, hour: u64) -> [u8; 16] {
        let digest = hash("hobnob/rendezvous/challenge/1", &[&self.secret, &hour.to_be_bytes()]);
        let mut challenge = [0; 16];
        challenge.copy_from_slice(digest.split_at(16).0);
        challenge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_makes_many_proofs_locks_nobody_out() {
        let mut proofs = Proofs::new([7; 32]);
        let challenge = proofs.challenge(1);
        for nonce in 0..=MAX_PROOFS as u64 {
            proofs.take(challenge, [1; 32], nonce, 0, 1).unwrap();
        }
        assert_eq!(proofs.used.len(), MAX_PROOFS, "memory is bounded all the same");
        assert!(proofs.take(challenge, [1; 32], MAX_PROOFS as u64, 0, 1).is_err(), "the last ones are known");
    }
}
