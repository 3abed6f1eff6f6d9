//! What lay at a rendezvous while nobody was here: who wants to see it waits until it has come, within a bound.

use hobnob_engine::{Engine, command::Reply};

use super::{Runtime, desk::Caller};

/// So long a command that shows what comes from elsewhere waits: several round trips around the world, and no longer than
/// people take for a program that is at work.
pub(super) const CATCH_UP_MS: u64 = 5_000;

/// Who waits, and until when at most, in `mono_ms`.
#[derive(Debug, Default)]
pub(super) struct CatchingUp {
    callers: Vec<(u64, Caller)>,
}

impl CatchingUp {
    pub(super) fn add(&mut self, until_ms: u64, caller: Caller) {
        self.callers.push((until_ms, caller));
    }

    /// When somebody is to be told, however far things are.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.callers.iter().map(|(until_ms, _)| *until_ms).min()
    }
}

impl Runtime {
    /// Tells whoever has waited long enough, and everybody once all is here.
    pub(super) fn tell_caught_up(&mut self) {
        if self.catching.callers.is_empty() {
            return;
        }
        let is_all_here = self.engine.as_ref().is_none_or(Engine::is_caught_up);
        let now_ms = self.clock.now().mono_ms;
        for (_, caller) in self.catching.callers.extract_if(.., |(until_ms, _)| is_all_here || *until_ms <= now_ms) {
            // Whoever asked may be gone.
            let _ = caller.send(Ok(Reply::Done));
        }
    }
}
