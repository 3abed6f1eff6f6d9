//! What an operator may bound on the network side, and may change while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

/// Bounds of connections and frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Established connections of everybody.
    pub connections: usize,
    /// Connections that have not finished their transport's handshake.
    pub pending_connections: usize,
    /// The same from one IPv4 address or IPv6 /64. Each takes a fraction of a second, unless its client stalls.
    pub pending_connections_per_source: usize,
    /// Connections of one IPv4 address or IPv6 /64: a household, or a school behind one address.
    pub connections_per_source: usize,
    /// New connections of one source in ten seconds.
    pub new_connections_per_source: usize,
    /// Connections of one transport identity.
    pub connections_per_peer: usize,
    /// Handshakes of sessions in progress from one source: one for each of its connections.
    pub handshakes_per_source: usize,
    /// Frames that one session may send at once, and a sixteenth of what all of its source may.
    pub burst_frames: u32,
    /// Frames a second that one session may send after that, and a sixteenth of what all of its source may.
    pub frames_per_second: u32,
    /// Memory for connections, sessions and what is held for them, in bytes; no new connections while it is taken.
    pub memory_bytes: usize,
}

/// What all sources may hold at least, in bytes, however little memory there is: a few of the longest answers.
const MIN_HELD_BYTES: usize = 8 * 1024 * 1024;

/// What one source may hold at least, in bytes: what waits for one session at most, what is being written and a frame that
/// comes.
const MIN_HELD_BYTES_PER_SOURCE: usize = 2 * 1024 * 1024;

impl Limits {
    /// Bytes of frames that wait, are written or come, of everybody: a quarter of the memory. The rest is for connections,
    /// and for what the allocator does not give back.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.memory_bytes / 4).max(MIN_HELD_BYTES)
    }

    /// The same of one source. An eighth of all: a school of 128 people who fetch their mail and vaults at once, and all
    /// read slowly, holds 50 MiB.
    pub(crate) fn held_bytes_per_source(&self) -> usize {
        (self.held_bytes() / 8).max(MIN_HELD_BYTES_PER_SOURCE)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 15_000,
            pending_connections: 1024,
            pending_connections_per_source: 32,
            connections_per_source: 128,
            new_connections_per_source: 200,
            connections_per_peer: 4,
            handshakes_per_source: 128,
            burst_frames: 200,
            frames_per_second: 50,
            memory_bytes: 2 * 1024 * 1024 * 1024,
        }
    }
}

/// The limits as they are now.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<RwLock<Limits>>);

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(RwLock::new(limits)))
    }

    pub(crate) fn get(&self) -> Limits {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, limits: Limits) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}
