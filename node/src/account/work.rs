//! What takes a core for a second or more, on a thread of its own: the password's hash, the proof of work.

use hobnob_shared::{
    opaque::OpaqueError,
    pow::{Puzzle, Search},
    wire::rendezvous::Proof,
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use crate::{
    api::{Code, Refusal},
    profile,
};

/// Numbers that are tried between two looks at whether anybody still waits: some tens of milliseconds.
const STEPS: u32 = 1 << 16;

/// Runs `work` where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&mut ChaCha20Rng) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(move || work(&mut profile::rng()?)).await;
    done.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "the work was cut off; nothing was changed")))
}

/// Finds a number for this challenge, or says that it would take too long. Ends early when nobody waits any more.
pub(super) async fn prove(challenge: [u8; 16], bits: u8, subject: [u8; 32], host: &str) -> Result<Proof, Refusal> {
    let Some(puzzle) = Puzzle::new(challenge, bits, subject) else {
        let message = format!("{host} asks for more work than is reasonable ({bits} bits); use another rendezvous");
        return Err(Refusal::new(Code::Limited, message));
    };
    let (wanted, stop) = tokio::sync::oneshot::channel::<()>();
    let found = blocking(move |rng| {
        let mut from = rng.next_u64();
        let mut stop = stop;
        loop {
            match puzzle.search(from, STEPS) {
                Search::Found(nonce) => return Ok(nonce),
                Search::From(next) => from = next,
            }
            if stop.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Closed) {
                return Err(Refusal::new(Code::Internal, "nobody waits for the work"));
            }
        }
    })
    .await;
    drop(wanted);
    Ok(Proof::Pow { challenge, nonce: found? })
}

/// What went wrong with the password's protocol, in the words of what was asked. A wrong password has its own.
pub(super) fn told(why: OpaqueError, host: &str) -> Refusal {
    match why {
        OpaqueError::WrongPassword => super::ask::wrong_login(host),
        OpaqueError::NoMemory(_) => {
            Refusal::new(Code::Internal, format!("{why}; close other programs and try again. Nothing was changed"))
        }
        OpaqueError::Malformed | OpaqueError::Library => {
            Refusal::new(Code::Unsupported, format!("{why} with {host}; nothing was changed"))
        }
    }
}
