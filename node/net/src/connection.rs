//! The established connections, what they carry, and which one goes when there are too many.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, core::ConnectedPoint, swarm::ConnectionId};
use tokio::time::Instant;

use crate::{address, link::Presence};

/// Every established connection.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: HashMap<ConnectionId, Connection>,
}

#[derive(Debug)]
struct Connection {
    peer: PeerId,
    address: Multiaddr,
    is_inbound: bool,
    since: Instant,
    links: Vec<Weak<Presence>>,
    /// Inbound streams since `counted_since`.
    streams: u32,
    counted_since: Instant,
    /// We have told it to close; it may take its time.
    is_closing: bool,
}

/// Inbound streams that one connection may open in a minute. A session is one stream, and lives for an hour.
const STREAMS_PER_MINUTE: u32 = 120;

/// A link that may begin.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) peer: PeerId,
    pub(crate) address: String,
    pub(crate) presence: Arc<Presence>,
}

impl Connections {
    pub(crate) fn on_established(&mut self, id: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint, now: Instant) {
        let connection = Connection {
            peer,
            address: address::without_peer(endpoint.get_remote_address()),
            is_inbound: endpoint.is_listener(),
            since: now,
            links: Vec::new(),
            streams: 0,
            counted_since: now,
            is_closing: false,
        };
        self.open.insert(id, connection);
    }

    pub(crate) fn on_closed(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }

    /// Counts a new link on a connection; `None` when the connection is gone.
    pub(crate) fn add_link(&mut self, id: ConnectionId, is_inbound: bool, now: Instant) -> Option<Place> {
        let connection = self.open.get_mut(&id)?;
        let presence = Arc::new(Presence { since: now, is_inbound });
        connection.links.retain(|link| link.strong_count() > 0);
        connection.links.push(Arc::downgrade(&presence));
        Some(Place { peer: connection.peer, address: connection.address.to_string(), presence })
    }

    /// Counts an inbound stream; returns whether there are too many of them in too short a time.
    pub(crate) fn is_flooding(&mut self, id: ConnectionId, now: Instant) -> bool {
        let Some(connection) = self.open.get_mut(&id) else { return false };
        if now.saturating_duration_since(connection.counted_since) >= Duration::from_secs(60) {
            (connection.counted_since, connection.streams) = (now, 0);
        }
        connection.streams += 1;
        connection.streams > STREAMS_PER_MINUTE
    }

    /// The newest connection with a peer: the one that is least likely to be dead.
    pub(crate) fn newest(&self, peer: &PeerId) -> Option<ConnectionId> {
        let open = self.of(peer).filter(|(_, connection)| !connection.is_closing);
        open.max_by_key(|(_, connection)| connection.since).map(|(id, _)| *id)
    }

    /// The links that whoever is at the other end of this connection has opened, on all of his connections.
    pub(crate) fn inbound_links(&self, id: ConnectionId) -> usize {
        let Some(connection) = self.open.get(&id) else { return 0 };
        let live = |connection: &Connection| connection.live().filter(|link| link.is_inbound).count();
        self.of(&connection.peer).map(|(_, connection)| live(connection)).sum()
    }

    /// Takes out the oldest inbound connection that never had a link for long, when there are more than `limit`.
    ///
    /// A stranger can make any number of connections, but keeps no link: sessions of strangers end in their handshake.
    /// So those who flood push each other out, and a friend needs a moment only.
    pub(crate) fn take_surplus(&mut self, limit: usize, proven: Duration, now: Instant) -> Option<ConnectionId> {
        let is_stranger = |connection: &&mut Connection| {
            connection.is_inbound && !connection.is_closing && !connection.is_proven(proven, now)
        };
        let count = self.open.values_mut().filter(is_stranger).count();
        let strangers = self.open.iter_mut().filter(|(_, connection)| is_stranger(connection));
        let (id, oldest) = strangers.min_by_key(|(_, connection)| connection.since).filter(|_| count > limit)?;
        oldest.is_closing = true;
        Some(*id)
    }

    /// Every connection.
    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        self.open.keys().copied().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn of(&self, peer: &PeerId) -> impl Iterator<Item = (&ConnectionId, &Connection)> {
        self.open.iter().filter(move |(_, connection)| connection.peer == *peer)
    }
}

impl Connection {
    fn live(&self) -> impl Iterator<Item = Arc<Presence>> {
        self.links.iter().filter_map(Weak::upgrade)
    }

    fn is_proven(&self, age: Duration, now: Instant) -> bool {
        self.live().any(|link| now.saturating_duration_since(link.since) >= age)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const PROVEN: Duration = Duration::from_secs(10);

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn inbound() -> ConnectedPoint {
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        ConnectedPoint::Listener { local_addr: address.clone(), send_back_addr: address }
    }

    #[tokio::test]
    async fn strangers_push_out_each_other_and_never_a_friend() {
        let (mut connections, start) = (Connections::default(), Instant::now());
        connections.on_established(id(0), PeerId::random(), &inbound(), start);
        let friend = connections.add_link(id(0), true, start).unwrap();
        let later = start + PROVEN;
        for number in 1..=3 {
            let now = later + Duration::from_millis(number as u64);
            connections.on_established(id(number), PeerId::random(), &inbound(), now);
        }
        assert_eq!(connections.take_surplus(3, PROVEN, later), None);
        assert_eq!(connections.take_surplus(2, PROVEN, later), Some(id(1)));
        assert_eq!(connections.take_surplus(2, PROVEN, later), None, "that one is on its way out");
        drop(friend);
        assert_eq!(connections.take_surplus(2, PROVEN, later), Some(id(0)));
    }

    #[tokio::test]
    async fn streams_are_counted_by_the_minute() {
        let (mut connections, now) = (Connections::default(), Instant::now());
        connections.on_established(id(1), PeerId::random(), &inbound(), now);
        assert!((0..STREAMS_PER_MINUTE).all(|_| !connections.is_flooding(id(1), now)));
        assert!(connections.is_flooding(id(1), now));
        assert!(!connections.is_flooding(id(1), now + Duration::from_secs(60)));
    }

    #[tokio::test]
    async fn links_are_counted_over_all_connections_of_a_peer_while_they_live() {
        let (mut connections, now, peer) = (Connections::default(), Instant::now(), PeerId::random());
        connections.on_established(id(1), peer, &inbound(), now);
        connections.on_established(id(2), peer, &inbound(), now + PROVEN);
        let first = connections.add_link(id(1), true, now).unwrap();
        let _second = connections.add_link(id(2), true, now).unwrap();
        let _ours = connections.add_link(id(2), false, now).unwrap();
        assert_eq!(connections.inbound_links(id(1)), 2);
        drop(first);
        assert_eq!(connections.inbound_links(id(1)), 1);
        assert_eq!(connections.newest(&peer), Some(id(2)));
        connections.on_closed(id(2));
        assert_eq!(connections.newest(&peer), Some(id(1)));
    }
}
