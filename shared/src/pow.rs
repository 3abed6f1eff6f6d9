//! Proof of work: a number whose hash, with the rendezvous's challenge and what it is for, begins with zero bits.
//!
//! It makes floods dear, not one registration: 22 bits take a core about a second. The rendezvous takes a number once.

use crate::{hash::hash, limits::MAX_POW_BITS, text::Username};

/// What there is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Puzzle {
    challenge: [u8; 16],
    subject: [u8; 32],
    bits: u8,
}

/// How far a search came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// This number solves it.
    Found(u64),
    /// Go on with this one.
    From(u64),
}

impl Puzzle {
    /// The puzzle with this challenge and so many zero bits, for this subject; `None` for more than [`MAX_POW_BITS`],
    /// which no honest rendezvous asks for.
    pub fn new(challenge: [u8; 16], bits: u8, subject: [u8; 32]) -> Option<Self> {
        (bits <= MAX_POW_BITS).then_some(Self { challenge, subject, bits })
    }

    /// What registering a name is worked for. A friend request has [`crate::wire::rendezvous::KnockPut::digest`].
    pub fn registration(name: &Username) -> [u8; 32] {
        hash("hobnob/pow-register/1", &[name.as_str().as_bytes()])
    }

    /// Whether this number solves it.
    pub fn is_solved_by(&self, nonce: u64) -> bool {
        let digest = hash("hobnob/pow/1", &[&self.challenge, &self.subject, &nonce.to_be_bytes()]);
        zero_bits(&digest) >= u32::from(self.bits)
    }

    /// Tries `steps` numbers from `from` on: a caller does other work between two calls. Begin with a random number, so
    /// that nobody uses up another's.
    pub fn search(&self, from: u64, steps: u32) -> Search {
        let mut nonce = from;
        for _ in 0..steps {
            if self.is_solved_by(nonce) {
                return Search::Found(nonce);
            }
            nonce = nonce.wrapping_add(1);
        }
        Search::From(nonce)
    }
}

fn zero_bits(digest: &[u8; 32]) -> u32 {
    let mut bits = 0;
    for byte in digest {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn puzzle(bits: u8) -> Puzzle {
        Puzzle::new([7; 16], bits, [8; 32]).unwrap()
    }

    fn solve(puzzle: &Puzzle) -> u64 {
        match puzzle.search(0, 100_000) {
            Search::Found(nonce) => nonce,
            Search::From(next) => panic!("nothing before {next}"),
        }
    }

    #[test]
    fn a_search_goes_on_where_it_stopped_and_finds_the_same() {
        let puzzle = puzzle(10);
        let (found, mut from) = (solve(&puzzle), 0);
        let again = loop {
            match puzzle.search(from, 7) {
                Search::Found(nonce) => break nonce,
                Search::From(next) => from = next,
            }
            assert!(from <= found);
        };
        assert_eq!(again, found);
        assert!(puzzle.is_solved_by(found));
        assert_eq!(puzzle.search(u64::MAX, 1), Search::From(0), "numbers go around");
    }

    #[test]
    fn work_counts_for_its_challenge_and_its_subject_only() {
        let nonce = solve(&puzzle(12));
        for (challenge, subject) in [([9; 16], [8; 32]), ([7; 16], [9; 32])] {
            assert!(!Puzzle::new(challenge, 12, subject).unwrap().is_solved_by(nonce));
        }
        let names = ["alice", "bob"].map(|name| Puzzle::registration(&Username::parse(name).unwrap()));
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn every_bit_doubles_the_work() {
        let solved = |bits| (0..4096).filter(|nonce| puzzle(bits).is_solved_by(*nonce)).count();
        assert_eq!(solved(0), 4096);
        // Within a third of the mean of 512: the numbers are fixed, so this never fails by chance.
        assert!((341..683).contains(&solved(3)), "{}", solved(3));
        assert!((solved(7)) < 64);
    }

    #[test]
    fn bits_are_counted_across_bytes() {
        for (digest, bits) in [([0xff; 32], 0), ([0x10; 32], 3), ([0; 32], 256)] {
            assert_eq!(zero_bits(&digest), bits);
        }
        let mut digest = [0; 32];
        digest[2] = 0x01;
        assert_eq!(zero_bits(&digest), 23);
    }

    #[test]
    fn a_puzzle_at_the_limit_is_taken_and_a_harder_one_is_not() {
        assert!(Puzzle::new([0; 16], MAX_POW_BITS, [0; 32]).is_some());
        assert!(Puzzle::new([0; 16], MAX_POW_BITS + 1, [0; 32]).is_none());
    }
}
