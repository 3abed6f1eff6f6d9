//! Takes the streams that clients open: sessions of ours, and pings.
//!
//! libp2p's own ping would open a stream of ours on every connection and keep it, which costs more than all else that an
//! idle connection holds. Whether a client lives is seen by its frames; its pings are answered.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint, UpgradeInfo,
        multiaddr::Protocol,
        transport::PortUse,
        upgrade::{DeniedUpgrade, InboundUpgrade},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, handler::ConnectionEvent,
    },
};

use crate::registry::Source;

/// The protocol of our sessions.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/hobnob/rendezvous/1");

const PING: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");

/// Bytes of a ping.
const PING_BYTES: usize = 32;

/// Session streams that one connection may ever open. A session lives an hour and is replaced by another; a connection
/// that wants more is made anew, past the limits on connections.
const MAX_OPENED: u32 = 64;

/// Sessions of one connection at once: one that replaces another, and what is left of both when that did not go well.
/// Each may hold a stream's window, 256 KiB, and a chunk.
const MAX_LIVE: usize = 4;

/// A client opened a session stream.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) peer: PeerId,
    pub(crate) source: Source,
    pub(crate) stream: Stream,
    pub(crate) live: Live,
}

/// One of the sessions of a connection, for as long as this is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live(Arc<()>);

/// The behaviour.
#[derive(Debug)]
pub(crate) struct Streams {
    upgrade: Duration,
    queue: VecDeque<Inbound>,
}

impl Streams {
    /// Negotiating a stream takes `upgrade` at most.
    pub(crate) fn new(upgrade: Duration) -> Self {
        Self { upgrade, queue: VecDeque::new() }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Inbound;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.upgrade, remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.upgrade, remote))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        let (source, stream, live) = *event;
        self.queue.push_back(Inbound { peer, source, stream, live });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Whoever fills the queue polls the swarm afterwards.
        self.queue.pop_front().map_or(Poll::Pending, |inbound| Poll::Ready(ToSwarm::GenerateEvent(inbound)))
    }
}

/// The part of one connection that takes streams.
pub(crate) struct Handler {
    upgrade: Duration,
    source: Source,
    opened: u32,
    live: Live,
    /// At most one: the connection polls us after each.
    taken: Option<Box<(Source, Stream, Live)>>,
    /// The client's pings, on the stream that it opened last. Never a task of its own: the connection's is awake
    /// anyway whenever one comes.
    pings: Option<BoxFuture<'static, ()>>,
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl Handler {
    fn new(upgrade: Duration, remote: &Multiaddr) -> Self {
        Self { upgrade, source: source(remote), opened: 0, live: Live::default(), taken: None, pings: None }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = std::convert::Infallible;
    type ToBehaviour = Box<(Source, Stream, Live)>;
    type InboundProtocol = Offer;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer, ()> {
        SubstreamProtocol::new(Offer, ()).with_timeout(self.upgrade)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Self::ToBehaviour>> {
        if let Some(pings) = &mut self.pings
            && pings.poll_unpin(cx).is_ready()
        {
            self.pings = None;
        }
        self.taken.take().map_or(Poll::Pending, |taken| Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(taken)))
    }

    fn on_behaviour_event(&mut self, never: std::convert::Infallible) {
        match never {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, DeniedUpgrade, (), ()>) {
        let ConnectionEvent::FullyNegotiatedInbound(inbound) = event else { return };
        let (protocol, mut stream) = inbound.protocol;
        if protocol == PING {
            stream.ignore_for_keep_alive();
            self.pings = Some(answer_pings(stream).boxed());
        } else if self.opened < MAX_OPENED && self.taken.is_none() && Arc::strong_count(&self.live.0) <= MAX_LIVE {
            self.opened += 1;
            self.taken = Some(Box::new((self.source, stream, self.live.clone())));
        }
    }
}

/// Both protocols; says which one was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer;

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = [StreamProtocol; 2];

    fn protocol_info(&self) -> Self::InfoIter {
        [PROTOCOL, PING]
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

/// Sends back what comes, until it ends. Its slowness is its own: nothing is held but one ping.
async fn answer_pings(mut stream: Stream) {
    let mut ping = [0; PING_BYTES];
    while stream.read_exact(&mut ping).await.is_ok() {
        if stream.write_all(&ping).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Whose connection it is, for counting.
pub(crate) fn source(remote: &Multiaddr) -> Source {
    let ip = remote.iter().find_map(|part| {
        if let Protocol::Ip4(ip) = part {
            Some(IpAddr::V4(ip))
        } else if let Protocol::Ip6(ip) = part {
            Some(IpAddr::V6(ip))
        } else {
            None
        }
    });
    Source::of(ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}
