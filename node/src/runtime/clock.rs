//! The only clock of the program. Everybody else gets the time as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hobnob_engine::work::Now;

/// Tells the time since the node started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    /// How far the wall clock is off, on purpose.
    skew_ms: i64,
}

impl Clock {
    /// Starts at zero. `skew_ms` is added to what the machine believes the time is.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(super) fn start(skew_ms: i64) -> Self {
        Self { started: Instant::now(), skew_ms }
    }

    /// What the engine is told.
    pub(super) fn now(&self) -> Now {
        Now { mono_ms: millis(self.started.elapsed()), wall_ms: wall_ms().saturating_add_signed(self.skew_ms) }
    }

    /// How long it is until `mono_ms` has begun; `None` when it has.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(super) fn until(&self, mono_ms: u64) -> Option<Duration> {
        let deadline = self.started.checked_add(Duration::from_millis(mono_ms));
        // A deadline past the end of time is never reached; an hour's sleep asks again.
        deadline.map_or(Some(Duration::from_secs(3600)), |deadline| {
            deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        })
    }
}

/// What the machine believes the time is, in milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn wall_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_over_needs_no_waiting_and_then_now_has_reached_it() {
        let clock = Clock::start(0);
        let soon = clock.now().mono_ms + 3;
        while let Some(left) = clock.until(soon) {
            std::thread::park_timeout(left);
        }
        assert!(clock.now().mono_ms >= soon);
        assert!(clock.until(u64::MAX).is_some());
    }
}
