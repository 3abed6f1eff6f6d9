//! A libp2p peer that keeps none of our rules, and sockets that do not even speak libp2p.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder,
    multiaddr::Protocol,
    noise,
    swarm::{SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::mpsc,
};

use crate::nodes::DEADLINE;

/// What our nodes speak.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/hobnob/session/1");

/// The first bytes of a session with a device that one knows.
const PREAMBLE: &[u8] = b"HOBN\x01\0\0\0";

/// The peer.
pub struct Raw {
    control: libp2p_stream::Control,
    dials: mpsc::UnboundedSender<Multiaddr>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Connections that stand.
    open: AtomicUsize,
    /// Connections that never stood.
    refused: AtomicUsize,
    /// Connections that stood and do not any more.
    closed: AtomicUsize,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raw").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Raw {
    /// One that listens nowhere.
    pub fn start() -> Self {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("TCP")
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .expect("streams")
            .with_swarm_config(|config| config.with_idle_connection_timeout(DEADLINE))
            .build();
        let (dials, mut wanted) = mpsc::unbounded_channel::<Multiaddr>();
        let counts = Arc::new(Counts::default());
        let raw = Self { control: swarm.behaviour().new_control(), dials, counts: Arc::clone(&counts) };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    wish = wanted.recv() => {
                        let Some(address) = wish else { return };
                        let options = DialOpts::unknown_peer_id().address(address).allocate_new_port().build();
                        swarm.dial(options).expect("a dial begins");
                    }
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::ConnectionEstablished { .. } => {
                            counts.open.fetch_add(1, Ordering::SeqCst);
                        }
                        SwarmEvent::ConnectionClosed { .. } => {
                            counts.open.fetch_sub(1, Ordering::SeqCst);
                            counts.closed.fetch_add(1, Ordering::SeqCst);
                        }
                        SwarmEvent::OutgoingConnectionError { .. } => {
                            counts.refused.fetch_add(1, Ordering::SeqCst);
                        }
                        _ => {}
                    },
                }
            }
        });
        raw
    }

    /// Begins one more connection.
    pub fn connect(&self, to: &Multiaddr) {
        self.dials.send(to.clone()).expect("the swarm runs");
    }

    /// Connections that stand.
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// Connections that were refused, or were closed after all.
    pub fn ended(&self) -> usize {
        self.counts.refused.load(Ordering::SeqCst) + self.counts.closed.load(Ordering::SeqCst)
    }

    /// A stream of our protocol, on which nothing is written yet.
    pub async fn bare_stream(&self, to: PeerId) -> Option<Stream> {
        let opened = tokio::time::timeout(DEADLINE, self.control.clone().open_stream(to, PROTOCOL)).await;
        opened.expect("an answer").ok()
    }

    /// A stream that promises a session.
    pub async fn stream(&self, to: PeerId) -> Option<Stream> {
        let mut stream = self.bare_stream(to).await?;
        stream.write_all(PREAMBLE).await.ok()?;
        stream.flush().await.ok()?;
        Some(stream)
    }
}

/// A TCP connection from this address of the loopback.
pub async fn socket(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("Linux has all of 127/8");
    socket.connect(to).await.expect("somebody listens")
}

/// Whether the other side hung up. What it said before is thrown away.
pub fn has_ended(socket: &TcpStream) -> bool {
    let mut buffer = [0; 256];
    loop {
        match socket.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Where a node listens, and as whom, from an address of its invite.
pub fn place(address: &str) -> (Multiaddr, SocketAddr, PeerId) {
    let address: Multiaddr = address.parse().expect("a multiaddress");
    let (mut ip, mut port, mut peer) = (None, None, None);
    for part in &address {
        match part {
            Protocol::Ip4(found) => ip = Some(found),
            Protocol::Tcp(found) => port = Some(found),
            Protocol::P2p(found) => peer = Some(found),
            _ => {}
        }
    }
    let socket = SocketAddr::new(ip.expect("an IP").into(), port.expect("a port"));
    (address, socket, peer.expect("a transport"))
}
