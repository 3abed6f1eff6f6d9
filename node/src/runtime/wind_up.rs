//! The end in good order: what was put off is done first, within a bound.

use hobnob_engine::command::Reply;

use super::{Runtime, desk::Caller, inbox::Woken};

/// So long the end of the process waits for others: several round trips around the world with the work for a friend
/// request or with mail for who is away, and no longer than people wait without asking why.
const WIND_UP_MS: u64 = 3_000;

/// How far the end has come.
#[derive(Debug, Default)]
pub(super) struct Winding {
    /// When it is over, however far things are: counted from when it was first asked for.
    until_ms: Option<u64>,
    /// Who wants to know.
    pub(super) callers: Vec<Caller>,
}

impl Winding {
    /// When somebody is to be told that it is over.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.until_ms.filter(|_| !self.callers.is_empty())
    }
}

impl Runtime {
    /// Has the engine do now what it would do later. Until when that may take.
    pub(super) fn begin_wind_up(&mut self) -> u64 {
        let now = self.clock.now();
        if let Some(engine) = &mut self.engine {
            engine.wind_up(now);
        }
        *self.winding.until_ms.get_or_insert(now.mono_ms + WIND_UP_MS)
    }

    /// Tells who waits for it, once it is done or over.
    pub(super) fn tell_wound_up(&mut self) {
        let Some(until_ms) = self.winding.deadline() else { return };
        if !self.is_winding(until_ms) || self.clock.now().mono_ms >= until_ms {
            for caller in self.winding.callers.drain(..) {
                // Whoever asked may be gone.
                let _ = caller.send(Ok(Reply::Done));
            }
        }
    }

    /// Gives what was put off for a while the time that it takes at most, while nobody asks for anything any more.
    pub(super) fn wind_up(&mut self) {
        let until_ms = self.begin_wind_up();
        self.inbox.is_stopping = true;
        let mut arrivals = Vec::new();
        while self.is_winding(until_ms) {
            let clock = self.clock;
            let deadline = self.deadline().map_or(until_ms, |deadline| deadline.min(until_ms));
            let woken = self.inbox.gather(move || clock.until(deadline), &mut arrivals);
            self.turn(&mut arrivals);
            if woken != Woken::Work || clock.now().mono_ms >= until_ms {
                tracing::debug!("stopped before all was done that could be done for who is away");
                return;
            }
        }
    }

    fn is_winding(&self, until_ms: u64) -> bool {
        self.engine.as_ref().is_some_and(|engine| !engine.is_wound_up(until_ms))
    }
}
