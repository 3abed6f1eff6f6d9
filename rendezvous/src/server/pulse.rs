//! Which sessions said that they live, until the hub looks.
//!
//! An idle client says nothing but pings. They are answered where they are read; that their session lives is written
//! down here, and the hub reads it with its next batch, and before whatever is due. Waking it, and opening the database,
//! for each of them costs more than all else that is done for a ping.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::hub::BATCH;
use crate::registry::SessionId;

/// A session, and when it said something, in ms since the epoch.
pub(crate) type Beat = (SessionId, u64);

/// What was written down: less than a batch.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Vec<Beat>>);

impl Pulse {
    /// Writes down that a session lives. What comes back has to be sent to the hub: no more is kept here.
    #[must_use]
    pub(crate) fn add(&self, session: SessionId, now_ms: u64) -> Option<Vec<Beat>> {
        let mut beats = self.lock();
        beats.push((session, now_ms));
        (beats.len() >= BATCH).then(|| std::mem::take(&mut *beats))
    }

    /// What was written down since the last time.
    pub(crate) fn take(&self) -> Vec<Beat> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Beat>> {
        // Nothing in here panics half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_come_out_once_and_no_more_than_a_batch_is_kept() {
        let pulse = Pulse::default();
        assert_eq!(pulse.add(SessionId(1), 10), None);
        assert_eq!(pulse.add(SessionId(2), 11), None);
        assert_eq!(pulse.take(), [(SessionId(1), 10), (SessionId(2), 11)]);
        assert_eq!(pulse.take(), []);
        for now_ms in 1..BATCH as u64 {
            assert_eq!(pulse.add(SessionId(3), now_ms), None);
        }
        let full = pulse.add(SessionId(3), BATCH as u64).unwrap();
        assert_eq!((full.len(), full.last()), (BATCH, Some(&(SessionId(3), BATCH as u64))));
        assert_eq!(pulse.take(), []);
    }
}
