//! Who is on the local network, as mDNS says, told in bounded amounts.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use hobnob_shared::limits::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use tokio::{net::UdpSocket, time::Instant};

use crate::{NetEvent, address};

/// Transports that are remembered; on a network with more, the first ones seen are.
const MAX_NEARBY: usize = 256;

/// Between two tellings. Whoever floods the network with announcements causes no more events than this.
const PAUSE: Duration = Duration::from_secs(1);

/// A question for `_p2p._udp.local`, type PTR, class IN, as RFC 6762 and the libp2p specification have it.
const QUESTION: &[u8] = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04_p2p\x04_udp\x05local\0\0\x0c\0\x01";

const MDNS: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

/// What mDNS has found, and what of it was told.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    known: BTreeMap<PeerId, BTreeSet<Multiaddr>>,
    told: BTreeSet<PeerId>,
    changed: BTreeSet<PeerId>,
    /// Nothing is told before.
    quiet_until: Option<Instant>,
}

impl Nearby {
    pub(crate) fn on_found(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in found {
            let is_new = !self.known.contains_key(&peer);
            let is_dialable = address::socket_address(&address).is_some_and(|at| !at.ip().is_loopback());
            if !is_dialable || address.len() > MAX_ADDRESS_BYTES || (is_new && self.known.len() >= MAX_NEARBY) {
                continue;
            }
            let addresses = self.known.entry(peer).or_default();
            if addresses.len() < MAX_ADDRESSES && addresses.insert(address::without_peer(&address)) {
                self.changed.insert(peer);
            }
        }
    }

    pub(crate) fn on_lost(&mut self, lost: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in lost {
            let Some(addresses) = self.known.get_mut(&peer) else { continue };
            addresses.remove(&address::without_peer(&address));
            if addresses.is_empty() {
                self.known.remove(&peer);
                self.changed.insert(peer);
            }
        }
    }

    /// When there is something to tell, if at all.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        (!self.changed.is_empty()).then(|| self.quiet_until.unwrap_or(now))
    }

    /// What changed since the last time, if it is time.
    pub(crate) fn tell(&mut self, now: Instant) -> Vec<NetEvent> {
        if self.changed.is_empty() || self.quiet_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        self.quiet_until = Some(now + PAUSE);
        std::mem::take(&mut self.changed).into_iter().filter_map(|peer| self.tell_one(peer)).collect()
    }

    fn tell_one(&mut self, peer: PeerId) -> Option<NetEvent> {
        let transport = peer.to_bytes();
        match self.known.get(&peer) {
            Some(addresses) => {
                self.told.insert(peer);
                let text = |address: &Multiaddr| address.clone().with(Protocol::P2p(peer)).to_string();
                Some(NetEvent::Discovered { transport, addresses: addresses.iter().map(text).collect() })
            }
            None => self.told.remove(&peer).then_some(NetEvent::Vanished { transport }),
        }
    }
}

/// Asks the local network at once. The answers go to everybody there, and so to our own mDNS too.
pub(crate) async fn ask(listening: Vec<Multiaddr>) {
    for address in listening {
        if let Some(IpAddr::V4(ip)) = address::socket_address(&address).map(|address| address.ip())
            && !ip.is_loopback()
            && let Ok(socket) = UdpSocket::bind((ip, 0)).await
            && let Err(error) = socket.send_to(QUESTION, MDNS).await
        {
            tracing::debug!(%error, "could not ask the local network");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(host: u8) -> Multiaddr {
        format!("/ip4/192.0.2.{host}/tcp/1").parse().unwrap()
    }

    #[tokio::test]
    async fn somebody_is_seen_with_all_addresses_and_vanishes_with_the_last() {
        let (mut nearby, peer, now) = (Nearby::default(), PeerId::random(), Instant::now());
        nearby.on_found(vec![(peer, at(1)), (peer, at(2).with(Protocol::P2p(peer))), (peer, at(1))]);
        let told = nearby.tell(now);
        assert!(matches!(told.as_slice(), [NetEvent::Discovered { addresses, .. }] if addresses.len() == 2));
        nearby.on_lost(vec![(peer, at(1))]);
        assert_eq!(nearby.next_timeout(now), None);
        nearby.on_lost(vec![(peer, at(2))]);
        assert_eq!(nearby.tell(now), [], "too early");
        let later = nearby.next_timeout(now).unwrap();
        assert_eq!(nearby.tell(later), [NetEvent::Vanished { transport: peer.to_bytes() }]);
        assert_eq!(nearby.next_timeout(later), None);
    }

    #[tokio::test]
    async fn a_flood_of_announcements_is_bounded() {
        let (mut nearby, now) = (Nearby::default(), Instant::now());
        for _ in 0..MAX_NEARBY * 2 {
            nearby.on_found(vec![(PeerId::random(), at(1))]);
        }
        let peer = *nearby.known.keys().next().unwrap();
        for host in 2..100 {
            nearby.on_found(vec![(peer, at(host))]);
        }
        assert_eq!(nearby.tell(now).len(), MAX_NEARBY);
        assert_eq!(nearby.known.get(&peer).unwrap().len(), MAX_ADDRESSES);
    }
}
