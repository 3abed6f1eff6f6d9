//! What goes into the engine and what comes out: *disk, then wire, then screen.*

use std::collections::BTreeMap;

pub use hobnob_shared::noise::Mode;

use crate::{
    command::{Command, Refusal, Reply},
    event::Event,
    tables::TableId,
};

/// The time, twice. Both are arguments everywhere; the engine has no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the node started; never goes back. Deadlines use it.
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch, as the machine believes. Only displayed and stored.
    pub wall_ms: u64,
}

/// One stream between two transports, from its opening to its end. Never reused while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One attempt to reach somebody, chosen by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// Which call of a front end a reply belongs to, chosen by the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The transport's own key (a libp2p peer id), as bytes. It names no person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub Vec<u8>);

/// What the world tells the engine.
#[derive(Debug)]
pub enum Input {
    /// A front end asks. The reply comes in [`Work::replies`] under the same ticket.
    Command(Ticket, Box<Command>),
    /// We dialled, and a stream is open. We are the initiator; the preamble with our mode has been written.
    Dialled {
        /// The attempt that succeeded.
        dial: DialId,
        /// The new link.
        link: LinkId,
        /// Our own transport.
        local: TransportId,
        /// Who answered.
        remote: TransportId,
        /// Where.
        address: String,
    },
    /// Somebody dialled us and sent a preamble of our version. We are the responder.
    Accepted {
        /// The new link.
        link: LinkId,
        /// Our own transport.
        local: TransportId,
        /// Who called.
        remote: TransportId,
        /// From where.
        address: String,
        /// What they ask for.
        mode: Mode,
    },
    /// A Noise message (handshake or transport) arrived, without its length.
    Chunk(LinkId, Vec<u8>),
    /// The stream ended, whoever ended it. No more chunks come.
    Closed(LinkId),
    /// The attempt failed on every address.
    DialFailed(DialId, DialError),
    /// The addresses that others can dial changed; each ends in `/p2p/…`.
    Listening(Vec<String>),
    /// mDNS saw this transport on the local network.
    Discovered(TransportId, Vec<String>),
    /// mDNS lost sight of it.
    Vanished(TransportId),
    /// [`crate::Engine::next_timeout`] has come.
    Timeout,
}

/// Why nobody was reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// No address could be parsed or routed.
    #[error("no usable address")]
    NoAddress,
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// Nothing came back in time.
    #[error("no answer in time")]
    TimedOut,
    /// Somebody is there, but not hobnob, or of another version.
    #[error("what answers there is not a hobnob node of our version")]
    NotHobnob,
    /// A node is there, and its transport key is not the one that was dialled.
    #[error("another node answers there")]
    AnotherNode,
    /// The operating system or transport said something else.
    #[error("{0}")]
    Other(String),
}

/// What the engine wants done on the network. In this order, after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a stream to any of `addresses`, and send the preamble with `mode`.
    Dial {
        /// To be named in the answer.
        dial: DialId,
        /// Who must answer, where that is known.
        transport: Option<TransportId>,
        /// Multiaddresses as text, best first.
        addresses: Vec<String>,
        /// The preamble's mode.
        mode: Mode,
    },
    /// Write this Noise message, with its length, to the link.
    Send(LinkId, Vec<u8>),
    /// Close the link after what was sent before. [`Input::Closed`] follows.
    Close(LinkId),
    /// Pairing mode began or ended: mDNS answers are wanted at once.
    Pairing(bool),
}

/// The rows to commit in one transaction: what each key is to hold, `None` to remove it.
pub type Records = BTreeMap<(TableId, Vec<u8>), Option<Vec<u8>>>;

/// What the engine wants done with the world.
#[derive(Debug, Default)]
#[must_use]
pub struct Work {
    /// First: one transaction.
    pub records: Records,
    /// Then: the network.
    pub actions: Vec<Action>,
    /// Then: answers to front ends.
    pub replies: Vec<(Ticket, Result<Reply, Refusal>)>,
    /// Last: what happened, for whoever listens.
    pub events: Vec<Event>,
    /// At any time after the commit: the account's key has done its work, and no later start needs it.
    pub key_is_done: bool,
}
