//! How many connections there may be, and from whom. It keeps exactly what is open, so that a stranger cannot make it
//! grow by coming and going.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::AbortHandle;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};
use tokio::time::Instant;

use super::{
    limits::{Limits, Shared},
    memory::Memory,
    revocable::Newest,
    streams::source,
};
use crate::{metrics::Metrics, registry::Source};

/// Over which the new connections of one source are counted.
const RATE_SPAN: Duration = Duration::from_secs(10);

/// Refuses connections beyond the limits.
#[derive(Debug)]
pub(crate) struct Door {
    limits: Shared,
    metrics: Arc<Metrics>,
    memory: Arc<Memory>,
    /// Every inbound connection, from the first byte to its end.
    open: HashMap<ConnectionId, Source>,
    /// Those that are not established yet, oldest first, with what ends their handshakes.
    pending: BTreeMap<ConnectionId, Option<AbortHandle>>,
    newest: Newest,
    sources: HashMap<Source, usize>,
    /// Those of a source that are not established yet.
    pending_of: HashMap<Source, usize>,
    /// How many came in the ten seconds that began at `rate_since`.
    rates: HashMap<Source, usize>,
    rate_since: Instant,
    peers: HashMap<PeerId, usize>,
}

/// All sources of one IPv6 /48 together have so many times what one has.
pub(super) const SITE: usize = 8;

/// A source and the site that it is at, with how many times the limits of a source each has.
pub(super) fn places(source: Source) -> impl Iterator<Item = (Source, usize)> {
    std::iter::once((source, 1)).chain(source.site().map(|site| (site, SITE)))
}

/// Why a connection was refused. Bounds only, nothing of the peer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{limit} {what} at most")]
struct Exceeded {
    limit: usize,
    what: &'static str,
}

impl Door {
    pub(crate) fn new(limits: Shared, metrics: Arc<Metrics>, memory: Arc<Memory>, newest: Newest) -> Self {
        Self {
            limits,
            metrics,
            memory,
            open: HashMap::new(),
            pending: BTreeMap::new(),
            newest,
            sources: HashMap::new(),
            pending_of: HashMap::new(),
            rates: HashMap::new(),
            rate_since: Instant::now(),
            peers: HashMap::new(),
        }
    }

    /// Counts one more of this source in these ten seconds; each costs a handshake. Says how many there were.
    fn count(&mut self, source: Source) -> usize {
        if self.rate_since.elapsed() >= RATE_SPAN {
            self.rate_since = Instant::now();
            self.rates.clear();
        }
        let rate = self.rates.entry(source).or_default();
        *rate += 1;
        *rate - 1
    }

    fn check(&self, now: usize, limit: usize, what: &'static str) -> Result<(), ConnectionDenied> {
        if now < limit {
            return Ok(());
        }
        self.metrics.refused_connections.add(1);
        Err(ConnectionDenied::new(Exceeded { limit, what }))
    }

    fn check_memory(&self, limits: &Limits) -> Result<(), ConnectionDenied> {
        if !self.memory.is_full() {
            return Ok(());
        }
        self.memory.refuse();
        Err(ConnectionDenied::new(Exceeded { limit: limits.memory_bytes, what: "bytes of memory" }))
    }

    fn leave(&mut self, connection: ConnectionId) {
        let Some(source) = self.open.remove(&connection) else { return };
        places(source).for_each(|(place, _)| decrement(&mut self.sources, &place));
        if !self.pend_no_more(connection, source) {
            self.metrics.connections.sub(1);
        }
    }

    /// Says whether it was not established.
    fn pend_no_more(&mut self, connection: ConnectionId, source: Source) -> bool {
        let was_pending = self.pending.remove(&connection).is_some();
        if was_pending {
            places(source).for_each(|(place, _)| decrement(&mut self.pending_of, &place));
        }
        was_pending
    }

    fn established(&self) -> usize {
        self.open.len().saturating_sub(self.pending.len())
    }

    /// Makes room for one more that is not established: who has most of them loses the oldest, which stalls most likely, for
    /// a handshake takes a fraction of a second. To refuse the new one instead would let silent ones shut everybody out.
    fn make_room(&mut self, source: Source, limits: &Limits) {
        for (place, times) in places(source) {
            let most = limits.pending_connections_per_source.saturating_mul(times);
            if self.count_pending(place) >= most {
                self.drop_oldest(|_, of| u64::from(places(of).any(|(other, _)| other == place)));
            }
        }
        if self.pending.len() >= limits.pending_connections {
            self.drop_oldest(|door, of| {
                places(of).map(|(place, _)| door.count_pending(place) as u64).max().unwrap_or(0)
            });
        }
    }

    fn count_pending(&self, place: Source) -> usize {
        self.pending_of.get(&place).copied().unwrap_or(0)
    }

    /// Drops the oldest of those that weigh most; none that weighs nothing.
    fn drop_oldest(&mut self, weight: impl Fn(&Self, Source) -> u64) {
        let mut heaviest = (0, None);
        for connection in self.pending.keys() {
            let weight = self.open.get(connection).map_or(0, |source| weight(self, *source));
            if weight > heaviest.0 {
                heaviest = (weight, Some(*connection));
            }
        }
        let Some(connection) = heaviest.1 else { return };
        if let Some(Some(handle)) = self.pending.get(&connection) {
            handle.abort();
        }
        self.metrics.refused_connections.add(1);
        self.leave(connection);
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
        let (source, limits, handle) = (source(remote), self.limits.get(), self.newest.take());
        self.check_memory(&limits)?;
        self.check(self.established(), limits.connections, "connections")?;
        for (place, times) in places(source) {
            let of = |counts: &HashMap<Source, usize>| counts.get(&place).copied().unwrap_or(0);
            let per_source = limits.connections_per_source.saturating_mul(times);
            self.check(of(&self.sources), per_source, "connections from one source")?;
        }
        for (place, times) in places(source) {
            let rate = self.count(place);
            let limit = limits.new_connections_per_source.saturating_mul(times);
            self.check(rate, limit, "connections from one source in ten seconds")?;
        }
        self.make_room(source, &limits);
        self.open.insert(connection, source);
        for (place, _) in places(source) {
            *self.sources.entry(place).or_default() += 1;
            *self.pending_of.entry(place).or_default() += 1;
        }
        self.pending.insert(connection, handle);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.open.contains_key(&connection) {
            // It came to its end just when its place was given away.
            return Err(ConnectionDenied::new(Exceeded { limit: 0, what: "connections without a place" }));
        }
        let of_peer = self.peers.get(&peer).copied().unwrap_or(0);
        self.check(of_peer, self.limits.get().connections_per_peer, "connections with one peer")?;
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
        // This server dials nobody.
        Err(ConnectionDenied::new(Exceeded { limit: 0, what: "outbound connections" }))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(event) = event {
            if let Some(source) = self.open.get(&event.connection_id).copied() {
                self.pend_no_more(event.connection_id, source);
                self.metrics.connections.add(1);
            }
            *self.peers.entry(event.peer_id).or_default() += 1;
        } else if let FromSwarm::ConnectionClosed(event) = event {
            self.leave(event.connection_id);
            decrement(&mut self.peers, &event.peer_id);
        } else if let FromSwarm::ListenFailure(event) = event {
            self.leave(event.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

pub(crate) fn decrement<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn door(limits: Limits) -> Door {
        let (limits, metrics) = (Shared::new(limits), Arc::<Metrics>::default());
        let memory = Arc::new(Memory::new(limits.clone(), metrics.clone()));
        Door::new(limits, metrics, memory, Newest::default())
    }

    fn knock(door: &mut Door, id: usize, from: &str) -> bool {
        let ours = address("/ip4/192.0.2.9/tcp/1");
        door.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &ours, &address(from)).is_ok()
    }

    #[test]
    fn one_source_cannot_take_every_place() {
        let mut door = door(Limits { connections_per_source: 2, ..Limits::default() });
        assert!(knock(&mut door, 1, "/ip4/192.0.2.1/tcp/1"));
        assert!(knock(&mut door, 2, "/ip4/192.0.2.1/tcp/2"));
        assert!(!knock(&mut door, 3, "/ip4/192.0.2.1/tcp/3"));
        assert!(knock(&mut door, 4, "/ip4/192.0.2.2/tcp/3"));
        assert!(knock(&mut door, 5, "/ip6/2001:db8::1/tcp/3"));
        assert!(knock(&mut door, 6, "/ip6/2001:db8::2/tcp/3"));
        assert!(!knock(&mut door, 7, "/ip6/2001:db8::3/tcp/3"));
    }

    /// The connections that are being negotiated.
    fn pending(door: &Door) -> Vec<ConnectionId> {
        door.pending.keys().copied().collect()
    }

    fn ids(ids: impl IntoIterator<Item = usize>) -> Vec<ConnectionId> {
        ids.into_iter().map(ConnectionId::new_unchecked).collect()
    }

    #[test]
    fn whoever_stalls_loses_the_oldest_of_their_own() {
        let mut door =
            door(Limits { connections_per_source: 100, pending_connections_per_source: 3, ..Limits::default() });
        assert!(knock(&mut door, 0, "/ip4/192.0.2.2/tcp/1"));
        assert!((1..20).all(|id| knock(&mut door, id, "/ip4/192.0.2.1/tcp/1")));
        assert_eq!(pending(&door), ids([0, 17, 18, 19]));
        assert_eq!(door.metrics.refused_connections.get(), 16);
    }

    #[test]
    fn when_all_places_are_taken_whoever_has_most_of_them_loses_the_oldest() {
        let mut door = door(Limits { pending_connections: 10, ..Limits::default() });
        assert!(knock(&mut door, 0, "/ip4/192.0.2.1/tcp/1"));
        assert!((1..5).all(|id| knock(&mut door, id, "/ip4/192.0.2.2/tcp/1")));
        assert!((5..10).all(|id| knock(&mut door, id, "/ip4/192.0.2.3/tcp/1")));
        // The first has one place only, and keeps it.
        assert!((10..13).all(|id| knock(&mut door, id, &format!("/ip4/192.0.2.{id}/tcp/1"))));
        assert_eq!(pending(&door), ids([0, 2, 3, 4, 7, 8, 9, 10, 11, 12]));
        assert_eq!(door.open.len(), 10);
    }

    #[test]
    fn what_ends_a_handshake_is_called_when_its_place_is_given_away() {
        let mut door = door(Limits { pending_connections: 1, ..Limits::default() });
        let (first, _registration) = AbortHandle::new_pair();
        door.newest.set(first.clone());
        assert!(knock(&mut door, 0, "/ip4/192.0.2.1/tcp/1"));
        assert!(!first.is_aborted() && door.newest.take().is_none());
        assert!(knock(&mut door, 1, "/ip4/192.0.2.2/tcp/1"));
        assert!(first.is_aborted());
        let ours = address("/ip4/192.0.2.9/tcp/1");
        let late = door.handle_established_inbound_connection(
            ConnectionId::new_unchecked(0),
            PeerId::random(),
            &ours,
            &address("/ip4/192.0.2.1/tcp/1"),
        );
        assert!(late.is_err(), "it has no place any more");
    }

    #[test]
    fn who_has_many_networks_does_not_have_every_place() {
        let mut door = door(Limits { connections_per_source: 2, ..Limits::default() });
        let come =
            |door: &mut Door, id: usize, site: u16| knock(door, id, &format!("/ip6/2001:db8:{site:x}:{id:x}::1/tcp/1"));
        assert_eq!((0..100).filter(|id| come(&mut door, *id, 7)).count(), 2 * SITE);
        assert!(come(&mut door, 100, 8), "another site has its own");
    }

    #[test]
    fn whoever_comes_and_goes_all_the_time_is_slowed_down() {
        let mut door = door(Limits { new_connections_per_source: 5, ..Limits::default() });
        let mut admitted = 0;
        for id in 0..20 {
            admitted += usize::from(knock(&mut door, id, "/ip4/192.0.2.1/tcp/1"));
            door.leave(ConnectionId::new_unchecked(id));
        }
        assert_eq!(admitted, 5);
        door.rate_since = Instant::now().checked_sub(RATE_SPAN).unwrap();
        assert!(knock(&mut door, 20, "/ip4/192.0.2.1/tcp/1"));
    }

    #[test]
    fn what_leaves_is_forgotten() {
        let mut door = door(Limits::default());
        assert!(knock(&mut door, 1, "/ip4/192.0.2.1/tcp/1"));
        door.leave(ConnectionId::new_unchecked(1));
        assert!(knock(&mut door, 2, "/ip6/2001:db8::1/tcp/1"));
        door.leave(ConnectionId::new_unchecked(2));
        assert!(door.open.is_empty() && door.sources.is_empty());
        assert!(door.pending_of.is_empty() && door.pending.is_empty());
    }
}
