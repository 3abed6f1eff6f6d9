//! The libp2p side: an ordinary peer with TCP, Noise, yamux and identify, that answers pings and takes our streams.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::StreamExt as _;
use hobnob_muxer::{Bounds, Yamux};
use libp2p::{
    Multiaddr, PeerId, Swarm, Transport as _,
    core::{multiaddr::Protocol, muxing::StreamMuxerBox, transport::ListenerId, upgrade::Version},
    identify, identity, noise,
    swarm::{self, NetworkBehaviour, SwarmEvent},
    tcp,
};
use socket2::{Domain, Socket, Type};
use tokio::{sync::oneshot, task::JoinSet, time::timeout};
use zeroize::Zeroizing;

use super::{
    StartError,
    boxed::Boxed,
    door::Door,
    limits::Shared,
    memory::Memory,
    revocable::{Newest, Revocable},
    session::{self, Context, Opening},
    streams::{Inbound, Streams},
};
use crate::metrics::Metrics;

/// A connection with its transport's handshakes takes so long at most, and a stream's negotiation too.
const UPGRADE: Duration = Duration::from_secs(5);

/// A connection without a session is closed after so long.
const IDLE: Duration = Duration::from_secs(30);

/// Identify is of use when a connection begins; repeating it is not.
const IDENTIFY: Duration = Duration::from_secs(24 * 60 * 60);

/// Streams: two sessions while one replaces the other, identify both ways, ping, what just ends. Thousands of connections
/// have little to say, so no window grows.
const MUXER: Bounds =
    Bounds { streams: 8, untaken: 8, frame_bytes: 16 * 1024, close: Duration::from_secs(2), measures: false };

/// The addresses of this machine are known so soon; the kernel says them in a millisecond.
const INTERFACES: Duration = Duration::from_secs(2);

/// All connections close in so long.
const CLOSE: Duration = Duration::from_secs(3);

/// Streams of one connection that are being negotiated; more wait.
const NEGOTIATING: usize = 4;

/// All behaviours. The door is first: what it refuses costs the others nothing.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    door: Door,
    streams: Streams,
    identify: Boxed<identify::Behaviour>,
}

/// Builds the swarm. It listens nowhere yet.
pub(crate) fn build(
    seed: &Zeroizing<[u8; 32]>,
    limits: Shared,
    metrics: Arc<Metrics>,
    memory: Arc<Memory>,
) -> Result<(Swarm<Behaviour>, PeerId), StartError> {
    let setup = |error: &dyn std::error::Error| StartError::Transport(error.to_string());
    let mut seed = seed.clone();
    let key = identity::Keypair::ed25519_from_bytes(seed.as_mut_slice()).map_err(|error| setup(&error))?;
    let peer = key.public().to_peer_id();
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key).map_err(|error| setup(&error))?)
        .multiplex(Yamux::new(MUXER))
        .timeout(UPGRADE)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();
    let newest = Newest::default();
    let transport = Revocable::new(transport, newest.clone()).boxed();
    let identify = identify::Config::new("hobnob/1".into(), key.public())
        .with_agent_version("hobnob-rendezvous".into())
        .with_hide_listen_addrs(true)
        .with_cache_size(0)
        .with_interval(IDENTIFY);
    let behaviour = Behaviour {
        door: Door::new(limits, metrics, memory, newest),
        streams: Streams::new(UPGRADE),
        identify: Boxed(identify::Behaviour::new(identify)),
    };
    let config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE)
        .with_max_negotiating_inbound_streams(NEGOTIATING);
    Ok((Swarm::new(transport, behaviour, peer, config), peer))
}

/// Listens at every address; says where, with the real ports.
pub(crate) async fn listen(
    swarm: &mut Swarm<Behaviour>,
    addresses: &[Multiaddr],
) -> Result<Vec<Multiaddr>, StartError> {
    let mut listening = Vec::new();
    for address in addresses {
        let failed = |reason: String| StartError::Listen { address: address.clone(), reason };
        check_free(address).map_err(|error| failed(error.to_string()))?;
        let id = swarm.listen_on(address.clone()).map_err(|error| failed(error.to_string()))?;
        match timeout(INTERFACES, first_address(swarm, id)).await {
            Ok(first) => listening.push(first.map_err(failed)?),
            // It listens, where nobody can come yet: a container without IPv6, for example.
            Err(_) => tracing::warn!("this machine has no address of one kind that it is to listen at"),
        }
    }
    // Every interface of an unspecified address is known at once; each is an event of its own.
    while let Poll::Ready(event) = futures::poll!(swarm.select_next_some()) {
        if let SwarmEvent::NewListenAddr { address, .. } = event {
            listening.push(address);
        }
    }
    match addresses.first().filter(|_| listening.is_empty()) {
        Some(address) => {
            Err(StartError::Listen { address: address.clone(), reason: "this machine has no such address".into() })
        }
        None => Ok(listening),
    }
}

/// Where a listener listens first, or why it does not.
async fn first_address(swarm: &mut Swarm<Behaviour>, id: ListenerId) -> Result<Multiaddr, String> {
    loop {
        #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's, and of others nothing is known yet")]
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, address } if listener_id == id => return Ok(address),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == id => {
                return Err(reason.err().map_or_else(String::new, |error| error.to_string()));
            }
            _ => {}
        }
    }
}

/// libp2p shares ports between processes of one user without a word, so look first, in its way: IPv6 for itself, and ports
/// again that somebody has just left.
fn check_free(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let (ip, domain) = match parts.next() {
        Some(Protocol::Ip4(ip)) => (IpAddr::V4(ip), Domain::IPV4),
        Some(Protocol::Ip6(ip)) => (IpAddr::V6(ip), Domain::IPV6),
        _ => return Ok(()),
    };
    if let Some(Protocol::Tcp(port @ 1..)) = parts.next() {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if ip.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(ip, port).into())?;
        socket.listen(1)?;
    }
    Ok(())
}

/// Runs until told to stop, and then until the last session has ended.
pub(crate) async fn run(mut swarm: Swarm<Behaviour>, context: Context, mut stop: oneshot::Receiver<()>) {
    let context = Arc::new(context);
    let mut sessions = JoinSet::new();
    let mut is_stopping = false;
    while !is_stopping || !sessions.is_empty() {
        tokio::select! {
            biased;
            _ = &mut stop, if !is_stopping => is_stopping = true,
            Some(_) = sessions.join_next() => {}
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(BehaviourEvent::Streams(Inbound { peer, source, stream, live })) = event
                    && !is_stopping
                {
                    let opening = Opening { stream, peer: peer.to_bytes(), source, context: context.clone() };
                    let session = session::run(opening);
                    sessions.spawn(async move {
                        session.await;
                        drop(live);
                    });
                }
            }
        }
    }
    // Last words lie in the connections, which send them before they close.
    let peers: Vec<PeerId> = swarm.connected_peers().copied().collect();
    for peer in peers {
        // It may have gone by itself.
        let _ = swarm.disconnect_peer_id(peer);
    }
    let closing = async {
        while swarm.connected_peers().next().is_some() {
            swarm.select_next_some().await;
        }
    };
    // Whoever has not taken them by then does not read.
    let _ = timeout(CLOSE, closing).await;
}
