//! What a net tells the runtime, and its errors.

/// What happened on the network.
///
/// Of one link the order is: [`Dialled`](Self::Dialled) or [`Accepted`](Self::Accepted), chunks,
/// [`Closed`](Self::Closed). Nothing comes after `Closed`.
#[derive(Debug, PartialEq, Eq)]
pub enum NetEvent {
    /// A dial succeeded: a stream is open and the preamble has been written.
    Dialled {
        /// The attempt, as named in [`Net::try_dial`](crate::Net::try_dial).
        dial: u64,
        /// The new link. Never reused while the net runs.
        link: u64,
        /// Our own transport.
        local: Vec<u8>,
        /// Who answered.
        remote: Vec<u8>,
        /// Where.
        address: String,
    },
    /// Somebody opened a stream and sent a preamble of our version.
    Accepted {
        /// The new link.
        link: u64,
        /// Our own transport.
        local: Vec<u8>,
        /// Who called.
        remote: Vec<u8>,
        /// From where.
        address: String,
        /// The preamble's mode.
        mode: u8,
    },
    /// A Noise message, without its length.
    Chunk {
        /// The link it came on.
        link: u64,
        /// 1 to `MAX_NOISE_BYTES` bytes.
        bytes: Vec<u8>,
    },
    /// The link ended, whoever ended it.
    Closed {
        /// The link.
        link: u64,
    },
    /// The attempt failed on every address.
    DialFailed {
        /// The attempt.
        dial: u64,
        /// Why.
        error: DialError,
    },
    /// The addresses that others can dial changed, best first; each ends in `/p2p/…`.
    Listening(Vec<String>),
    /// mDNS saw this transport on the local network, or saw it at more addresses: these are all that are known.
    Discovered {
        /// Who.
        transport: Vec<u8>,
        /// Where.
        addresses: Vec<String>,
    },
    /// mDNS lost sight of it.
    Vanished {
        /// Who.
        transport: Vec<u8>,
    },
    /// Something works less well than asked for, and everything else goes on.
    Warning(NetWarning),
}

/// What works less well than asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetWarning {
    /// Nodes on the local network are not found by themselves.
    #[error("cannot look for nodes on the local network: {0}")]
    NoDiscovery(String),
    /// No interface but loopback is up: only nodes on this machine can reach us. `Listening` tells when that changes.
    #[error("no network: only this machine can reach this node")]
    NoNetwork,
    /// One of several listen addresses cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    NotListening {
        /// As configured.
        address: String,
        /// What the operating system said.
        reason: String,
    },
    /// Host names cannot be resolved; numeric addresses work.
    #[error("cannot resolve host names: {0}")]
    NoNames(String),
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

/// Why a net could not start. Nothing runs then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// Somebody else listens there.
    #[error("the port of {addr} is in use")]
    PortInUse {
        /// As configured.
        addr: String,
    },
    /// Not `IP:PORT` nor `/ip4/…/tcp/…` nor `/ip6/…/tcp/…`, or not an address of this machine.
    #[error("cannot listen on {addr}: {reason}")]
    BadAddress {
        /// As configured.
        addr: String,
        /// Why not.
        reason: String,
    },
    /// The transport could not be set up.
    #[error("the network could not be set up: {0}")]
    Setup(String),
}

/// A bounded queue is full; for a link that means it is being closed, for a dial that it was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Overflow;
