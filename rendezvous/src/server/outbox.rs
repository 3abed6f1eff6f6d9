//! What waits for one session's writer. Putting something in never waits: a full outbox ends the session, because a
//! client that does not read must cost nobody else anything.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Most frames that wait: a watcher may be told of a few hundred topics at once.
pub(super) const MAX_FRAMES: usize = 2048;

/// Most bytes that wait: a few answers of the largest size.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The queue. An idle one takes about a hundred bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Arc<[u8]>>,
    bytes: usize,
    end: Option<End>,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// When what waits is written.
    Soon,
    /// At once.
    Overflow,
}

impl Outbox {
    /// Puts a frame behind the others. `false`: the session ends, for this was too much.
    pub(crate) fn push(&self, frame: Arc<[u8]>) -> bool {
        let mut waiting = self.lock();
        if waiting.end.is_some() {
            return true;
        }
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        let fits = waiting.frames.len() <= MAX_FRAMES && waiting.bytes <= MAX_BYTES;
        if !fits {
            *waiting = Waiting { end: Some(End::Overflow), ..Waiting::default() };
        }
        drop(waiting);
        self.changed.notify_one();
        fits
    }

    /// Lets the writer finish what it has, and takes no more.
    pub(crate) fn close(&self) {
        self.lock().end.get_or_insert(End::Soon);
        self.changed.notify_one();
    }

    /// What waits, and whether the session ends after it. Waits until there is either.
    pub(crate) async fn take(&self) -> (Vec<Arc<[u8]>>, Option<End>) {
        loop {
            let changed = self.changed.notified();
            let (frames, end) = self.try_take();
            if !frames.is_empty() || end.is_some() {
                return (frames, end);
            }
            changed.await;
        }
    }

    /// Waits until there is too much. Only for the one that takes: it hears of every change.
    pub(crate) async fn overflow(&self) {
        loop {
            let changed = self.changed.notified();
            if self.lock().end == Some(End::Overflow) {
                return;
            }
            changed.await;
        }
    }

    fn try_take(&self) -> (Vec<Arc<[u8]>>, Option<End>) {
        let mut waiting = self.lock();
        waiting.bytes = 0;
        // The buffer goes too: most sessions are silent for hours.
        (std::mem::take(&mut waiting.frames).into(), waiting.end)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics half way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Arc<[u8]> {
        vec![0; bytes].into()
    }

    #[tokio::test]
    async fn what_fits_comes_out_in_order_and_one_more_ends_the_session() {
        let outbox = Outbox::default();
        for _ in 0..MAX_FRAMES {
            assert!(outbox.push(frame(1)));
        }
        let (frames, end) = outbox.take().await;
        assert_eq!((frames.len(), end), (MAX_FRAMES, None));
        for _ in 0..MAX_FRAMES {
            assert!(outbox.push(frame(1)));
        }
        assert!(!outbox.push(frame(1)));
        assert_eq!(outbox.take().await, (Vec::new(), Some(End::Overflow)));
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let outbox = Outbox::default();
        assert!(outbox.push(frame(MAX_BYTES)));
        assert!(!outbox.push(frame(1)));
    }

    #[tokio::test]
    async fn a_closed_outbox_gives_what_it_has_and_takes_no_more() {
        let outbox = Outbox::default();
        outbox.push(frame(7));
        outbox.close();
        outbox.push(frame(8));
        let (frames, end) = outbox.take().await;
        assert_eq!((frames.len(), end), (1, Some(End::Soon)));
    }
}
