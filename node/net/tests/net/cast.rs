//! Who plays: nets of ours, a raw libp2p peer that keeps no rule, and a wire that can be cut.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{AsyncWriteExt as _, StreamExt as _};
use hobnob_net::{DialError, Limits, Net, NetConfig, NetEvent, NetEvents, Times};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, SwarmBuilder, noise,
    swarm::{SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};

/// Nothing in these tests takes this long unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/hobnob/session/1");

/// Deadlines as short as a loaded machine allows.
pub fn times() -> Times {
    Times {
        preamble: Duration::from_secs(1),
        chunk: Duration::from_secs(1),
        write: Duration::from_secs(1),
        close: Duration::from_secs(1),
        reuse: Duration::from_millis(500),
        idle: Duration::from_millis(200),
        ..Times::default()
    }
}

pub fn config() -> NetConfig {
    let mut seed = [0; 32];
    seed.copy_from_slice(&PeerId::random().to_bytes()[2..34]);
    // Everybody has the same address here, honest or not.
    let limits = Limits { per_source_rate: u32::MAX, ..Limits::default() };
    NetConfig { times: times(), limits, ..NetConfig::loopback(seed) }
}

/// A net of ours and what it tells.
pub struct Node {
    pub net: Net,
    pub events: NetEvents,
    pub addresses: Vec<String>,
    /// What came before the addresses.
    early: VecDeque<NetEvent>,
}

impl Node {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: NetConfig) -> Self {
        let (net, events) = hobnob_net::start(config).await.expect("starts");
        let mut node = Self { net, events, addresses: Vec::new(), early: VecDeque::new() };
        let mut early = VecDeque::new();
        node.addresses = loop {
            match node.next().await {
                NetEvent::Listening(addresses) => break addresses,
                other => early.push_back(other),
            }
        };
        node.early = early;
        node
    }

    pub async fn next(&mut self) -> NetEvent {
        if let Some(event) = self.early.pop_front() {
            return event;
        }
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the net runs")
    }

    pub fn socket(&self) -> SocketAddr {
        let address: Multiaddr = self.addresses[0].parse().unwrap();
        let parts: Vec<String> = address.to_string().split('/').map(ToOwned::to_owned).collect();
        format!("{}:{}", parts[2], parts[4]).parse().unwrap()
    }

    /// Dials and waits for the answer.
    pub async fn dial(&mut self, transport: Option<Vec<u8>>, addresses: Vec<String>) -> Result<u64, DialError> {
        self.net.try_dial(7, transport, addresses, 0).unwrap();
        loop {
            match self.next().await {
                NetEvent::Dialled { dial: 7, link, .. } => return Ok(link),
                NetEvent::DialFailed { dial: 7, error } => return Err(error),
                _ => {}
            }
        }
    }

    pub async fn accepted(&mut self) -> u64 {
        loop {
            if let NetEvent::Accepted { link, .. } = self.next().await {
                return link;
            }
        }
    }

    pub async fn chunk(&mut self, of: u64) -> Vec<u8> {
        loop {
            match self.next().await {
                NetEvent::Chunk { link, bytes } if link == of => return bytes,
                NetEvent::Closed { link } if link == of => panic!("closed"),
                _ => {}
            }
        }
    }

    pub async fn closed(&mut self, of: u64) {
        while self.next().await != (NetEvent::Closed { link: of }) {}
    }
}

/// A link from one to the other: its number at both.
pub async fn link(from: &mut Node, to: &mut Node) -> (u64, u64) {
    let ours = from.dial(Some(to.net.transport().to_vec()), to.addresses.clone()).await.unwrap();
    (ours, to.accepted().await)
}

/// Both still talk.
pub async fn assert_talking(a: &mut Node, at_a: u64, b: &mut Node, at_b: u64) {
    a.net.try_send(at_a, b"still there?".to_vec()).unwrap();
    assert_eq!(b.chunk(at_b).await, b"still there?");
    b.net.try_send(at_b, b"yes".to_vec()).unwrap();
    assert_eq!(a.chunk(at_a).await, b"yes");
}

/// A libp2p peer that keeps none of our rules.
pub struct Raw {
    pub control: libp2p_stream::Control,
    pub address: Multiaddr,
    dials: mpsc::UnboundedSender<Multiaddr>,
    pub established: Arc<AtomicUsize>,
    pub ended: Arc<AtomicUsize>,
}

impl Raw {
    pub async fn start() -> Self {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let (dials, mut wanted) = mpsc::unbounded_channel::<Multiaddr>();
        let (established, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let raw = Self {
            control: swarm.behaviour().new_control(),
            address,
            dials,
            established: established.clone(),
            ended: ended.clone(),
        };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(address) = wanted.recv() => {
                        // With the port of its listener it could connect but once.
                        let options = DialOpts::unknown_peer_id().address(address).allocate_new_port().build();
                        swarm.dial(options).unwrap();
                    }
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::ConnectionEstablished { .. } => drop(established.fetch_add(1, Ordering::SeqCst)),
                        SwarmEvent::ConnectionClosed { .. } => drop(ended.fetch_add(1, Ordering::SeqCst)),
                        SwarmEvent::OutgoingConnectionError { .. } => drop(ended.fetch_add(1, Ordering::SeqCst)),
                        _ => {}
                    },
                }
            }
        });
        raw
    }

    pub fn connect(&self, to: &Node) {
        self.dials.send(to.addresses[0].parse().unwrap()).unwrap();
    }

    pub async fn connected(&self, to: &Node) -> PeerId {
        self.connect(to);
        until("connected", || self.established.load(Ordering::SeqCst) > 0).await;
        PeerId::from_bytes(to.net.transport()).unwrap()
    }

    /// A stream on which the preamble has been written.
    pub async fn stream(&mut self, to: PeerId) -> libp2p::Stream {
        let mut stream = self.bare_stream(to).await;
        stream.write_all(b"HOBN\x01\0\0\0").await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    pub async fn bare_stream(&mut self, to: PeerId) -> libp2p::Stream {
        timeout(PATIENCE, self.control.open_stream(to, PROTOCOL)).await.unwrap().unwrap()
    }
}

/// Waits until something is so, and fails if it never is.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A wire to somebody, which can be cut without either end being told.
pub struct Wire {
    pub address: String,
    cut: watch::Sender<bool>,
}

impl Wire {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_cut = is_cut.clone();
                kept.push(tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    let cut = async { drop(is_cut.wait_for(|cut| *cut).await) };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = cut => std::future::pending().await,
                    }
                }));
            }
        });
        Self { address, cut }
    }

    pub fn cut(&self) {
        self.cut.send(true).unwrap();
    }
}
