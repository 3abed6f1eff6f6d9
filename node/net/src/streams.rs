//! Opens and takes streams of our protocol, each on a connection that is named.
//!
//! `libp2p-stream` would open a stream on a random connection of the peer, drop an inbound stream whenever its one
//! place for all peers is taken, and keep a sender for every connection there ever was.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
    time::Duration,
};

use hobnob_shared::noise::Mode;
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::ConnectionEvent,
    },
};

/// What links between nodes speak: the only protocol that this node serves.
const SESSION: StreamProtocol = StreamProtocol::new("/hobnob/session/1");

/// What links to a rendezvous speak.
const RENDEZVOUS: StreamProtocol = StreamProtocol::new("/hobnob/rendezvous/1");

/// Which of the two a link of this mode speaks.
const fn protocol(mode: Mode) -> StreamProtocol {
    match mode {
        Mode::Device | Mode::Invite | Mode::Nearby => SESSION,
        Mode::Account | Mode::Guest => RENDEZVOUS,
    }
}

/// Names one attempt to open a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The dial it belongs to.
    pub(crate) dial: u64,
    /// Which try of that dial.
    pub(crate) attempt: u32,
    /// What the link is for.
    pub(crate) mode: Mode,
}

/// Why a stream could not be opened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The peer does not speak our protocol.
    Unsupported,
    /// It did not answer in time.
    TimedOut,
    /// The connection broke.
    Broken,
}

/// What happened to streams.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// The peer opened one.
    Inbound { connection: ConnectionId, stream: Stream },
    /// We opened one.
    Opened { ticket: Ticket, connection: ConnectionId, stream: Stream },
    /// We could not.
    Failed { ticket: Ticket, error: OpenError },
}

/// The behaviour: hands orders to connections and their streams to the task.
#[derive(Debug)]
pub(crate) struct Streams {
    upgrade: Duration,
    queue: VecDeque<ToSwarm<StreamEvent, Ticket>>,
}

impl Streams {
    /// Negotiating a stream takes `upgrade` at most.
    pub(crate) fn new(upgrade: Duration) -> Self {
        Self { upgrade, queue: VecDeque::new() }
    }

    /// Orders a stream. When the connection is gone by then, nothing comes; its end is a swarm event of its own.
    pub(crate) fn open(&mut self, peer_id: PeerId, connection: ConnectionId, ticket: Ticket) {
        self.queue.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event: ticket,
        });
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = StreamEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.upgrade))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.upgrade))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.queue.push_back(ToSwarm::GenerateEvent(match event {
            Outcome::Inbound(stream) => StreamEvent::Inbound { connection, stream },
            Outcome::Opened(ticket, stream) => StreamEvent::Opened { ticket, connection, stream },
            Outcome::Failed(ticket, error) => StreamEvent::Failed { ticket, error },
        }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Whoever fills the queue polls the swarm afterwards: it is either the swarm itself or its one task.
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// What a connection tells.
#[derive(Debug)]
pub(crate) enum Outcome {
    Inbound(Stream),
    Opened(Ticket, Stream),
    Failed(Ticket, OpenError),
}

/// The part of one connection that speaks our protocol.
#[derive(Debug)]
pub(crate) struct Handler {
    upgrade: Duration,
    orders: VecDeque<Ticket>,
    outcomes: VecDeque<Outcome>,
}

impl Handler {
    fn new(upgrade: Duration) -> Self {
        Self { upgrade, orders: VecDeque::new(), outcomes: VecDeque::new() }
    }

    fn speak<T>(&self, protocol: StreamProtocol, info: T) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>, T> {
        SubstreamProtocol::new(ReadyUpgrade::new(protocol), info).with_timeout(self.upgrade)
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Ticket;
    type ToBehaviour = Outcome;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Ticket;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, ()> {
        self.speak(SESSION, ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Ticket, Self::ToBehaviour>> {
        if let Some(outcome) = self.outcomes.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(outcome));
        }
        // Both queues are filled by the connection itself, which polls again after it did.
        match self.orders.pop_front() {
            Some(ticket) => {
                let protocol = self.speak(protocol(ticket.mode), ticket);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, ticket: Ticket) {
        self.orders.push_back(ticket);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Ticket>,
    ) {
        let outcome = if let ConnectionEvent::FullyNegotiatedInbound(inbound) = event {
            Outcome::Inbound(inbound.protocol)
        } else if let ConnectionEvent::FullyNegotiatedOutbound(outbound) = event {
            Outcome::Opened(outbound.info, outbound.protocol)
        } else if let ConnectionEvent::DialUpgradeError(failure) = event {
            Outcome::Failed(failure.info, open_error(failure.error))
        } else {
            return;
        };
        self.outcomes.push_back(outcome);
    }
}

fn open_error(error: StreamUpgradeError<std::convert::Infallible>) -> OpenError {
    match error {
        StreamUpgradeError::Timeout => OpenError::TimedOut,
        StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
        StreamUpgradeError::Io(_) => OpenError::Broken,
        StreamUpgradeError::Apply(never) => match never {},
    }
}
