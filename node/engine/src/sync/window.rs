//! What is on its way over one session without a receipt: no more than a writer's queue holds with room to spare, for a
//! full queue would end the session.

use std::collections::{BTreeMap, VecDeque};

use hobnob_shared::limits::{WRITER_QUEUE_BYTES, WRITER_QUEUE_FRAMES};

/// Most bytes on their way without a receipt.
const WINDOW_BYTES: usize = WRITER_QUEUE_BYTES / 2;
/// Most frames on their way without a receipt.
const WINDOW_FRAMES: usize = WRITER_QUEUE_FRAMES * 3 / 4;
/// When no receipt came for so long, what is on its way holds nothing up any more; the next round finds what is
/// missing. One frame at 4 KiB a second takes as long.
const LOST_MS: u64 = 15_000;

/// One frame of entries on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) chat: u32,
    /// The last number of each log in it.
    pub(crate) logs: BTreeMap<u32, u64>,
    pub(crate) bytes: usize,
    pub(crate) at_ms: u64,
}

/// What is on its way over one session, of all its conversations.
#[derive(Debug, Default)]
pub(crate) struct Window {
    flights: VecDeque<Flight>,
    bytes: usize,
    /// When the last receipt came for something on its way.
    last_landing: u64,
}

impl Window {
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= WINDOW_BYTES || self.flights.len() >= WINDOW_FRAMES
    }

    pub(crate) fn start(&mut self, flight: Flight) {
        self.bytes += flight.bytes;
        self.flights.push_back(flight);
    }

    /// The other side has a log up to `seq`.
    pub(crate) fn land(&mut self, chat: u32, log: u32, seq: u64, now_ms: u64) {
        let before = self.flights.len();
        self.flights.retain_mut(|flight| {
            if flight.chat == chat && flight.logs.get(&log).is_some_and(|sent| *sent <= seq) {
                flight.logs.remove(&log);
            }
            if flight.logs.is_empty() {
                self.bytes = self.bytes.saturating_sub(flight.bytes);
            }
            !flight.logs.is_empty()
        });
        if self.flights.len() < before {
            self.last_landing = now_ms;
        }
    }

    /// The other side has everything of a conversation.
    pub(crate) fn land_all(&mut self, chat: u32) {
        self.flights.retain(|flight| {
            if flight.chat == chat {
                self.bytes = self.bytes.saturating_sub(flight.bytes);
            }
            flight.chat != chat
        });
    }

    /// Frames that nobody receipted hold nothing up any more.
    pub(crate) fn drop_lost(&mut self, now_ms: u64) {
        if self.next_retry().is_some_and(|due| due <= now_ms) {
            self.flights.clear();
            self.bytes = 0;
        }
    }

    /// When a full window is given up.
    pub(crate) fn next_retry(&self) -> Option<u64> {
        let oldest = self.flights.front().filter(|_| self.is_full())?;
        Some(oldest.at_ms.max(self.last_landing) + LOST_MS)
    }
}
