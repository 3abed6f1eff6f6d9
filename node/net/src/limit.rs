//! How many connections there may be, and from whom.
//!
//! libp2p's `connection_limits` knows no source address, and keeps an entry for every peer id it ever met, which a
//! stranger can make up as fast as he connects. This keeps exactly what is open.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};

use tokio::time::Instant;

use crate::{Limits, address};

/// Over which the connections of one source are counted.
const RATE_SPAN: Duration = Duration::from_secs(10);

/// Refuses connections beyond the [`Limits`].
#[derive(Debug)]
pub(crate) struct Door {
    limits: Limits,
    /// Every inbound connection, from the first byte to its end.
    inbound: HashMap<ConnectionId, Source>,
    sources: HashMap<Source, usize>,
    /// How many came in the ten seconds that began at `rate_since`.
    rates: HashMap<Source, u32>,
    rate_since: Instant,
    pending_in: HashSet<ConnectionId>,
    pending_out: HashSet<ConnectionId>,
    established_in: HashSet<ConnectionId>,
    established_out: HashSet<ConnectionId>,
    peers: HashMap<PeerId, usize>,
}

/// Who an inbound connection is counted with: an IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    V6(u64),
    Unknown,
}

/// Why a connection was refused. Bounds only, nothing of the peer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{limit} {what} at most")]
struct Exceeded {
    limit: usize,
    what: &'static str,
}

impl Door {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            inbound: HashMap::new(),
            sources: HashMap::new(),
            rates: HashMap::new(),
            rate_since: Instant::now(),
            pending_in: HashSet::new(),
            pending_out: HashSet::new(),
            established_in: HashSet::new(),
            established_out: HashSet::new(),
            peers: HashMap::new(),
        }
    }

    /// Each connection costs a handshake, so that whoever comes and goes all the time is slowed down too.
    fn check_rate(&mut self, source: Source) -> Result<(), ConnectionDenied> {
        if self.rate_since.elapsed() >= RATE_SPAN {
            self.rate_since = Instant::now();
            self.rates.clear();
        }
        let rate = self.rates.entry(source).or_default();
        let (now, limit) = (*rate as usize, self.limits.per_source_rate as usize);
        *rate = rate.saturating_add(1);
        check(now, limit, "connections from one source in ten seconds")
    }

    fn enter(&mut self, connection: ConnectionId, source: Source) {
        self.pending_in.insert(connection);
        self.inbound.insert(connection, source);
        *self.sources.entry(source).or_default() += 1;
    }

    fn leave(&mut self, connection: ConnectionId) {
        self.pending_in.remove(&connection);
        if let Some(source) = self.inbound.remove(&connection) {
            decrement(&mut self.sources, &source);
        }
    }

    fn on_established(&mut self, connection: ConnectionId, peer: PeerId, is_dialer: bool) {
        if is_dialer { &mut self.established_out } else { &mut self.established_in }.insert(connection);
        *self.peers.entry(peer).or_default() += 1;
    }

    fn on_closed(&mut self, connection: ConnectionId, peer: PeerId) {
        self.leave(connection);
        self.established_in.remove(&connection);
        self.established_out.remove(&connection);
        decrement(&mut self.peers, &peer);
    }

    fn check_peer(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        check(self.peers.get(peer).copied().unwrap_or(0), self.limits.per_peer, "connections with one peer")
    }
}

impl NetworkBehaviour for Door {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let source = Source::of(remote);
        let of_source = self.sources.get(&source).copied().unwrap_or(0);
        check(self.pending_in.len(), self.limits.pending_in, "connections being negotiated")?;
        check(of_source, self.limits.per_source, "connections from one source")?;
        self.check_rate(source)?;
        self.enter(connection, source);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_in.remove(&connection);
        check(self.established_in.len(), self.limits.established_in, "inbound connections")?;
        self.check_peer(&peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        check(self.pending_out.len(), self.limits.pending_out, "dials")?;
        self.pending_out.insert(connection);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_out.remove(&connection);
        check(self.established_out.len(), self.limits.established_out, "outbound connections")?;
        self.check_peer(&peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(event) = event {
            self.on_established(event.connection_id, event.peer_id, event.endpoint.is_dialer());
        } else if let FromSwarm::ConnectionClosed(event) = event {
            self.on_closed(event.connection_id, event.peer_id);
        } else if let FromSwarm::ListenFailure(event) = event {
            self.leave(event.connection_id);
        } else if let FromSwarm::DialFailure(event) = event {
            self.pending_out.remove(&event.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

impl Source {
    fn of(address: &Multiaddr) -> Self {
        let ip = address.iter().next().and_then(|part| address::ip_of(&part));
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => Self::V4(ip),
            Some(IpAddr::V6(ip)) => Self::V6((ip.to_bits() >> 64) as u64),
            None => Self::Unknown,
        }
    }
}

fn check(now: usize, limit: usize, what: &'static str) -> Result<(), ConnectionDenied> {
    if now < limit { Ok(()) } else { Err(ConnectionDenied::new(Exceeded { limit, what })) }
}

fn decrement<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_source_cannot_take_every_place() {
        let mut door = Door::new(Limits { per_source: 2, ..Limits::default() });
        let ours = address("/ip4/192.0.2.9/tcp/1");
        let mut knock = |id, from: &str| {
            door.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &ours, &address(from)).is_ok()
        };
        assert!(knock(1, "/ip4/192.0.2.1/tcp/1"));
        assert!(knock(2, "/ip4/192.0.2.1/tcp/2"));
        assert!(!knock(3, "/ip4/192.0.2.1/tcp/3"));
        assert!(knock(4, "/ip4/192.0.2.2/tcp/3"));
        assert!(knock(5, "/ip6/2001:db8::1/tcp/3"));
        assert!(knock(6, "/ip6/2001:db8::2/tcp/3"));
        assert!(!knock(7, "/ip6/2001:db8::3/tcp/3"));
        assert!(knock(8, "/ip6/2001:db8:0:1::3/tcp/3"));
    }

    #[test]
    fn whoever_comes_and_goes_all_the_time_is_slowed_down() {
        let mut door = Door::new(Limits { per_source_rate: 5, ..Limits::default() });
        let (ours, theirs) = (address("/ip4/192.0.2.9/tcp/1"), address("/ip4/192.0.2.1/tcp/1"));
        let mut admitted = 0;
        for id in 0..20 {
            let id = ConnectionId::new_unchecked(id);
            admitted += usize::from(door.handle_pending_inbound_connection(id, &ours, &theirs).is_ok());
            door.leave(id);
        }
        assert_eq!(admitted, 5);
        door.rate_since = Instant::now().checked_sub(RATE_SPAN).unwrap();
        let id = ConnectionId::new_unchecked(20);
        assert!(door.handle_pending_inbound_connection(id, &ours, &theirs).is_ok());
    }

    #[test]
    fn what_leaves_is_forgotten() {
        let mut door = Door::new(Limits::default());
        let (peer, id) = (PeerId::random(), ConnectionId::new_unchecked(1));
        let (ours, theirs) = (address("/ip4/192.0.2.9/tcp/1"), address("/ip4/192.0.2.1/tcp/1"));
        door.handle_pending_inbound_connection(id, &ours, &theirs).unwrap();
        door.handle_established_inbound_connection(id, peer, &ours, &theirs).unwrap();
        door.on_established(id, peer, false);
        door.on_closed(id, peer);
        assert!(door.inbound.is_empty() && door.sources.is_empty() && door.peers.is_empty());
        assert!(door.pending_in.is_empty() && door.established_in.is_empty());
    }
}
