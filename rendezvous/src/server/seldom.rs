//! Lines of the log that strangers can cause: one a minute, however often it happens.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between two lines.
const BETWEEN: Duration = Duration::from_secs(60);

/// When the last line was said, and how many were not since.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Whether to say it now, and then how many more times it has happened since the last one.
    pub(crate) fn take(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (said, kept) = &mut *state;
        let now = Instant::now();
        if said.is_some_and(|said| now.duration_since(said) < BETWEEN) {
            *kept += 1;
            return None;
        }
        *said = Some(now);
        Some(std::mem::take(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_a_minute_is_said_with_how_many_were_not() {
        let seldom = Seldom::default();
        assert_eq!(seldom.take(), Some(0));
        assert_eq!((seldom.take(), seldom.take()), (None, None));
        tokio::time::advance(BETWEEN).await;
        assert_eq!(seldom.take(), Some(2));
        assert_eq!(seldom.take(), None);
    }
}
