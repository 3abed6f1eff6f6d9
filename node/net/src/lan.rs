//! libp2p's mDNS, with an end to what it holds.
//!
//! Its list of announcements has no limit, and how long an announcement counts is up to whoever sends it. When the list
//! is too long, everything is dropped with it, and a new mDNS begins after a rest: whoever floods the network costs us
//! a bounded amount of memory and little work, and is without effect soon after the flood ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{
        Endpoint,
        transport::{ListenerId, PortUse},
    },
    mdns,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, ListenAddresses, NetworkBehaviour, NewListenAddr, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use tokio::time::{Sleep, sleep};

/// Announced addresses that libp2p may hold: four for each transport that we remember. One takes less than 1 KiB.
const MAX_ANNOUNCED: usize = 1024;

/// Without mDNS after a flood. A list is full within milliseconds, and a new start costs sockets and questions.
const REST: Duration = Duration::from_secs(5);

/// What mDNS says.
#[derive(Debug)]
pub(crate) enum LanEvent {
    /// Announced for the first time.
    Found(Vec<(PeerId, Multiaddr)>),
    /// No longer announced.
    Lost(Vec<(PeerId, Multiaddr)>),
    /// There were too many, and all are forgotten. Those who are there will be found again.
    Forgotten,
}

/// The behaviour.
pub(crate) struct Lan {
    local: PeerId,
    listening: ListenAddresses,
    state: State,
}

enum State {
    Awake(Box<mdns::tokio::Behaviour>),
    Resting(Pin<Box<Sleep>>),
}

impl Lan {
    pub(crate) fn new(local: PeerId) -> io::Result<Self> {
        let listening = ListenAddresses::default();
        let inner = awake(local, &listening)?;
        Ok(Self { local, listening, state: State::Awake(inner) })
    }

    fn rest(&mut self, cx: &mut Context<'_>) {
        let mut sleep = Box::pin(sleep(REST));
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        self.state = State::Resting(sleep);
    }
}

fn awake(local: PeerId, listening: &ListenAddresses) -> io::Result<Box<mdns::tokio::Behaviour>> {
    let mut inner = Box::new(mdns::tokio::Behaviour::new(mdns::Config::default(), local)?);
    for addr in listening.iter() {
        // It only collects the addresses; which listener they belong to is not looked at.
        inner.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr { listener_id: ListenerId::next(), addr }));
    }
    Ok(inner)
}

impl NetworkBehaviour for Lan {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = LanEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.listening.on_swarm_event(&event);
        if let State::Awake(inner) = &mut self.state {
            inner.on_swarm_event(event);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<LanEvent, THandlerInEvent<Self>>> {
        loop {
            let inner = match &mut self.state {
                State::Awake(inner) => inner,
                State::Resting(sleep) => {
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    match awake(self.local, &self.listening) {
                        Ok(inner) => self.state = State::Awake(inner),
                        Err(error) => {
                            tracing::warn!(%error, "mDNS does not start again yet");
                            self.rest(cx);
                        }
                    }
                    continue;
                }
            };
            let polled = inner.poll(cx);
            if inner.discovered_nodes().len() > MAX_ANNOUNCED {
                tracing::warn!(limit = MAX_ANNOUNCED, "too many announcements on the local network; mDNS rests");
                self.rest(cx);
                return Poll::Ready(ToSwarm::GenerateEvent(LanEvent::Forgotten));
            }
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    return Poll::Ready(ToSwarm::GenerateEvent(match event {
                        mdns::Event::Discovered(found) => LanEvent::Found(found),
                        mdns::Event::Expired(lost) => LanEvent::Lost(lost),
                    }));
                }
                // Addresses for the swarm's own book: we dial by those that we were told.
                Poll::Ready(_) => {}
            }
        }
    }
}
