//! What a net is started with: its key, where it listens, its deadlines and its limits.

use std::{fmt, time::Duration};

use zeroize::Zeroizing;

/// How a net is started.
#[derive(Clone)]
pub struct NetConfig {
    /// Seed of the transport's own Ed25519 key. It names no person.
    pub transport_key: Zeroizing<[u8; 32]>,
    /// Where to listen: `IP:PORT` or a multiaddress; port 0 takes any free one.
    pub listen: Vec<String>,
    /// Whether to find nodes on the local network, and be found there.
    pub mdns: bool,
    /// Every deadline.
    pub times: Times,
    /// Every bound.
    pub limits: Limits,
}

impl NetConfig {
    /// Listens on any free port of every interface, with mDNS and the usual deadlines and limits.
    pub fn new(transport_key: [u8; 32]) -> Self {
        Self {
            transport_key: Zeroizing::new(transport_key),
            listen: vec!["0.0.0.0:0".into(), "[::]:0".into()],
            mdns: true,
            times: Times::default(),
            limits: Limits::default(),
        }
    }

    /// Listens on any free port of the IPv4 loopback only, without mDNS.
    pub fn loopback(transport_key: [u8; 32]) -> Self {
        Self { listen: vec!["127.0.0.1:0".into()], mdns: false, ..Self::new(transport_key) }
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetConfig").field("mdns", &self.mdns).finish_non_exhaustive()
    }
}

/// The deadlines of a net.
#[derive(Clone, Debug)]
pub struct Times {
    /// A whole dial, over all its addresses, until the stream is open and the preamble is written.
    pub dial: Duration,
    /// A stream over a connection that already exists; after it the dial goes to the addresses.
    pub reuse: Duration,
    /// From the start of one address to the start of the next; a failure starts it at once.
    pub stagger: Duration,
    /// One TCP connection with its Noise and yamux negotiation, in either direction.
    pub upgrade: Duration,
    /// From the opening of an inbound stream to the last byte of its preamble.
    pub preamble: Duration,
    /// From the first byte of a chunk to its last, when reading.
    pub chunk: Duration,
    /// One write of waiting chunks, until the transport has taken it all.
    pub write: Duration,
    /// What was sent before a close has this long to leave.
    pub close: Duration,
    /// A connection without a link is closed after this long.
    pub idle: Duration,
    /// A connection whose link lived this long is no stranger's: it is not closed to make room.
    pub proven: Duration,
    /// Between two libp2p pings of one connection. Sessions ping by themselves, so this only keeps NAT entries.
    pub ping: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(10),
            reuse: Duration::from_secs(3),
            stagger: Duration::from_millis(250),
            upgrade: Duration::from_secs(5),
            preamble: Duration::from_secs(5),
            chunk: Duration::from_secs(30),
            write: Duration::from_secs(30),
            close: Duration::from_secs(5),
            idle: Duration::from_secs(10),
            proven: Duration::from_secs(10),
            ping: Duration::from_secs(300),
        }
    }
}

/// The bounds of a net.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Inbound connections that are still negotiating.
    pub pending_in: usize,
    /// Outbound connections that are still negotiating.
    pub pending_out: usize,
    /// Inbound connections.
    pub established_in: usize,
    /// Outbound connections.
    pub established_out: usize,
    /// Inbound connections of strangers; beyond it the oldest of them is closed for a new one.
    pub unproven: usize,
    /// Connections with one transport, in both directions.
    pub per_peer: usize,
    /// Inbound connections from one IPv4 address or one IPv6 /64, negotiating ones included.
    pub per_source: usize,
    /// Inbound connections from one source within ten seconds.
    pub per_source_rate: u32,
    /// Inbound links of one transport.
    pub links_per_peer: usize,
    /// Dials under way.
    pub dials: usize,
    /// No new connection while the process holds more physical memory than this, in bytes.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_in: 256,
            pending_out: 128,
            established_in: 512,
            established_out: 512,
            unproven: 64,
            per_peer: 4,
            per_source: 32,
            per_source_rate: 200,
            links_per_peer: 8,
            dials: 64,
            memory_bytes: 512 * 1024 * 1024,
        }
    }
}
