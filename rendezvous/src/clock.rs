//! The only clock of the program. Everybody else gets the time as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time in ms since the epoch: the machine's when the server started, and from there on steadily, so that what
/// is kept for a while is not forgotten because somebody set the clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    /// Starts with the machine's time.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_ms: millis(since_epoch) }
    }

    /// Now.
    pub fn now_ms(&self) -> u64 {
        self.started_ms.saturating_add(millis(self.started.elapsed()))
    }

    /// How long it is until `ms`; nothing when it is over.
    pub fn until(&self, ms: u64) -> Duration {
        Duration::from_millis(ms.saturating_sub(self.now_ms()))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
