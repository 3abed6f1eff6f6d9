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
    /// Inbound streams that were too many.
    refused: u32,
}

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
            refused: 0,
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

    /// Counts an inbound stream that was too many; returns how many there were on this connection.
    pub(crate) fn refuse(&mut self, id: ConnectionId) -> u32 {
        self.open.get_mut(&id).map_or(0, |connection| {
            connection.refused = connection.refused.saturating_add(1);
            connection.refused
        })
    }

    /// The newest connection with a peer: the one that is least likely to be dead.
    pub(crate) fn newest(&self, peer: &PeerId) -> Option<ConnectionId> {
        self.of(peer).max_by_key(|(_, connection)| connection.since).map(|(id, _)| *id)
    }

    /// The links that whoever is at the other end of this connection has opened, on all of his connections.
    pub(crate) fn inbound_links(&self, id: ConnectionId) -> usize {
        let Some(connection) = self.open.get(&id) else { return 0 };
        let live = |connection: &Connection| connection.live().filter(|link| link.is_inbound).count();
        self.of(&connection.peer).map(|(_, connection)| live(connection)).sum()
    }

    /// The oldest inbound connection that never had a link for long, when there are more than `limit` of them.
    ///
    /// A stranger can make any number of connections, but keeps no link: sessions of strangers end in their handshake.
    /// So those who flood push each other out, and a friend needs a moment only.
    pub(crate) fn surplus(&self, limit: usize, proven: Duration, now: Instant) -> Option<ConnectionId> {
        let unproven =
            || self.open.iter().filter(|(_, connection)| connection.is_inbound && !connection.is_proven(proven, now));
        if unproven().count() <= limit {
            return None;
        }
        unproven().min_by_key(|(_, connection)| connection.since).map(|(id, _)| *id)
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
        assert_eq!(connections.surplus(3, PROVEN, later), None);
        assert_eq!(connections.surplus(2, PROVEN, later), Some(id(1)));
        drop(friend);
        assert_eq!(connections.surplus(3, PROVEN, later), Some(id(0)));
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
