//! What waits for one session's writer. Putting something in never waits: a full outbox ends the session, because a
//! client that does not read must cost nobody else anything.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::Notify;

use super::memory::{Hold, Memory};
use crate::registry::{SessionId, Source};

/// Most frames that wait: a watcher may be told of a few hundred topics at once.
pub(super) const MAX_FRAMES: usize = 2048;

/// Most bytes that wait: a few answers of the largest size.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// Bytes that are written at once, where no frame is longer: what a client that does not read leaves in the writer.
const WRITE_BYTES: usize = 64 * 1024;

/// What a frame takes beside its bytes: its count, its place in the queue, the allocator's part.
const FRAME_BYTES: usize = 64;

/// What a frame of so many bytes counts for while it waits.
pub(super) fn charge(bytes: usize) -> usize {
    bytes + FRAME_BYTES
}

/// The queue. An idle one takes about 150 bytes.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
    memory: Arc<Memory>,
    source: Source,
    session: SessionId,
    /// For whoever has to end the session.
    own: Weak<Self>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Arc<[u8]>>,
    bytes: usize,
    end: Option<End>,
}

impl Waiting {
    /// What it counts for.
    fn charge(&self) -> usize {
        self.bytes + self.frames.len() * FRAME_BYTES
    }
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// When what waits is written.
    Soon,
    /// At once.
    Overflow,
}

/// What is to be written now.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) frames: Vec<Arc<[u8]>>,
    /// They are counted until they are written.
    pub(crate) hold: Hold,
    /// The session ends after them.
    pub(crate) end: Option<End>,
}

impl Outbox {
    /// The queue of a session that comes from `source`.
    pub(crate) fn new(memory: Arc<Memory>, source: Source, session: SessionId) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            waiting: Mutex::default(),
            changed: Notify::new(),
            memory,
            source,
            session,
            own: own.clone(),
        })
    }

    /// Puts a frame behind the others. `false`: the session ends, for this was too much.
    pub(crate) fn push(&self, frame: Arc<[u8]>) -> bool {
        let mut waiting = self.lock();
        if waiting.end.is_some() {
            return true;
        }
        // Counted before anybody can take it.
        self.memory.add(self.session, self.source, &self.own, charge(frame.len()));
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        let fits = waiting.frames.len() <= MAX_FRAMES && waiting.bytes <= MAX_BYTES;
        if !fits {
            self.overflow_now(&mut waiting);
        }
        drop(waiting);
        self.memory.relieve(self.source);
        self.changed.notify_one();
        fits
    }

    /// Where the session comes from.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// Lets the writer finish what it has, and takes no more.
    pub(crate) fn close(&self) {
        self.lock().end.get_or_insert(End::Soon);
        self.changed.notify_one();
    }

    /// Ends the session at once.
    pub(super) fn end(&self) {
        self.overflow_now(&mut self.lock());
        self.changed.notify_one();
    }

    fn overflow_now(&self, waiting: &mut Waiting) {
        self.give_back(waiting.charge());
        *waiting = Waiting { end: Some(End::Overflow), ..Waiting::default() };
    }

    /// The session holds so many bytes more, outside the queue.
    pub(super) fn hold(&self, bytes: usize) {
        self.memory.add(self.session, self.source, &self.own, bytes);
        self.memory.relieve(self.source);
    }

    /// The session holds so many bytes less.
    pub(super) fn give_back(&self, bytes: usize) {
        self.memory.give_back(self.session, bytes);
    }

    /// Bytes that the session holds outside the queue: none yet.
    pub(crate) fn holding(self: &Arc<Self>) -> Hold {
        Hold::of(self.clone(), 0)
    }

    /// What waits, or a part of it, and whether the session ends after it. Waits until there is either.
    pub(crate) async fn take(self: &Arc<Self>) -> Taken {
        loop {
            let changed = self.changed.notified();
            let taken = self.try_take();
            if !taken.frames.is_empty() || taken.end.is_some() {
                return taken;
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

    fn try_take(self: &Arc<Self>) -> Taken {
        let mut waiting = self.lock();
        let (mut frames, mut bytes) = (Vec::new(), 0);
        while let Some(frame) = waiting.frames.front()
            && (frames.is_empty() || bytes + frame.len() <= WRITE_BYTES)
        {
            bytes += frame.len();
            frames.extend(waiting.frames.pop_front());
        }
        waiting.bytes -= bytes;
        let is_all = waiting.frames.is_empty();
        if is_all {
            // The buffer goes too: most sessions are silent for hours.
            waiting.frames = VecDeque::new();
        }
        let hold = Hold::of(self.clone(), bytes + frames.len() * FRAME_BYTES);
        Taken { frames, hold, end: waiting.end.filter(|_| is_all) }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics half way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let charge = self.lock().charge();
        self.give_back(charge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::limits::{Limits, Shared};

    fn outbox() -> Arc<Outbox> {
        let memory = Memory::new(Shared::new(Limits::default()), Arc::default());
        Outbox::new(Arc::new(memory), Source::of([192, 0, 2, 1].into()), SessionId(1))
    }

    fn frame(bytes: usize) -> Arc<[u8]> {
        vec![0; bytes].into()
    }

    #[tokio::test]
    async fn what_fits_comes_out_in_order_and_one_more_ends_the_session() {
        let outbox = outbox();
        for _ in 0..MAX_FRAMES {
            assert!(outbox.push(frame(1)));
        }
        let taken = outbox.take().await;
        assert_eq!((taken.frames.len(), taken.end), (MAX_FRAMES, None));
        for _ in 0..MAX_FRAMES {
            assert!(outbox.push(frame(1)));
        }
        assert!(!outbox.push(frame(1)));
        let taken = outbox.take().await;
        assert_eq!((taken.frames.len(), taken.end), (0, Some(End::Overflow)));
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let outbox = outbox();
        assert!(outbox.push(frame(MAX_BYTES)));
        assert!(!outbox.push(frame(1)));
    }

    #[tokio::test]
    async fn a_closed_outbox_gives_what_it_has_and_takes_no_more() {
        let outbox = outbox();
        outbox.push(frame(7));
        outbox.close();
        outbox.push(frame(8));
        let taken = outbox.take().await;
        assert_eq!((taken.frames.len(), taken.end), (1, Some(End::Soon)));
    }

    #[tokio::test]
    async fn much_is_taken_in_parts_and_the_end_comes_with_the_last() {
        let outbox = outbox();
        for bytes in [WRITE_BYTES - 1, 1, 1, 3 * WRITE_BYTES] {
            outbox.push(frame(bytes));
        }
        outbox.close();
        let mut parts = Vec::new();
        for _ in 0..3 {
            let taken = outbox.take().await;
            parts.push((taken.frames.len(), taken.end));
        }
        assert_eq!(parts, [(2, None), (1, None), (1, Some(End::Soon))]);
    }
}
