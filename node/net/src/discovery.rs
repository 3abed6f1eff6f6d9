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

/// After mDNS forgot everybody, whoever is not found again within this time is gone. It rests for five seconds, then
/// asks three times within two.
const REFIND: Duration = Duration::from_secs(10);

/// A question for `_p2p._udp.local`, type PTR, class IN, as RFC 6762 and the libp2p specification have it.
const QUESTION: &[u8] = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04_p2p\x04_udp\x05local\0\0\x0c\0\x01";

const MDNS: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

/// What mDNS has found, and what of it was told.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    known: BTreeMap<PeerId, BTreeSet<Multiaddr>>,
    told: BTreeSet<PeerId>,
    changed: BTreeSet<PeerId>,
    /// Known before mDNS forgot everybody, and not found again yet.
    unsure: BTreeSet<PeerId>,
    /// When those are gone.
    unsure_until: Option<Instant>,
    /// Nothing is told before.
    quiet_until: Option<Instant>,
}

impl Nearby {
    pub(crate) fn on_found(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in found {
            let is_new = !self.known.contains_key(&peer);
            let is_dialable = address::socket_address(&address).is_some_and(|at| !at.ip().is_loopback());
            if !is_dialable || address.len() > MAX_ADDRESS_BYTES || (is_new && self.is_full()) {
                continue;
            }
            self.unsure.remove(&peer);
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
                self.drop_one(peer);
            }
        }
    }

    /// mDNS forgot everybody, so nobody's end will be told. Who was not found again since the last time is gone.
    pub(crate) fn on_forgotten(&mut self, now: Instant) {
        self.drop_unsure();
        self.unsure.extend(self.known.keys());
        self.unsure_until = Some(now + REFIND);
    }

    /// Those who are unsure take no place from others, who may be announced only once.
    fn is_full(&self) -> bool {
        self.known.len() - self.unsure.len() >= MAX_NEARBY
    }

    fn drop_unsure(&mut self) {
        self.unsure_until = None;
        for peer in std::mem::take(&mut self.unsure) {
            self.drop_one(peer);
        }
    }

    fn drop_one(&mut self, peer: PeerId) {
        self.known.remove(&peer);
        self.unsure.remove(&peer);
        if self.told.contains(&peer) {
            self.changed.insert(peer);
        } else {
            self.changed.remove(&peer);
        }
    }

    /// When there is something to do or to tell, if at all.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let telling = (!self.changed.is_empty()).then(|| self.quiet_until.unwrap_or(now));
        [telling, self.unsure_until].into_iter().flatten().min()
    }

    /// What changed since the last time, if it is time.
    pub(crate) fn tell(&mut self, now: Instant) -> Vec<NetEvent> {
        if self.unsure_until.is_some_and(|until| until <= now) {
            self.drop_unsure();
        }
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
    async fn after_a_flood_those_who_are_there_stay_and_the_others_make_room() {
        let (mut nearby, bob, now) = (Nearby::default(), PeerId::random(), Instant::now());
        nearby.on_found(vec![(bob, at(1))]);
        while nearby.known.len() < MAX_NEARBY {
            nearby.on_found(vec![(PeerId::random(), at(2))]);
        }
        assert_eq!(nearby.tell(now).len(), MAX_NEARBY);
        nearby.on_forgotten(now);
        let carol = PeerId::random();
        nearby.on_found(vec![(bob, at(1)), (carol, at(3))]);
        let gone = nearby.tell(now + REFIND);
        assert_eq!(gone.iter().filter(|event| matches!(event, NetEvent::Vanished { .. })).count(), MAX_NEARBY - 1);
        assert_eq!(nearby.known.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&bob, &carol]));
        assert_eq!(nearby.next_timeout(now), None);
    }

    #[tokio::test]
    async fn a_flood_that_goes_on_is_bounded_too() {
        let (mut nearby, now) = (Nearby::default(), Instant::now());
        for _ in 0..5 {
            for _ in 0..MAX_NEARBY * 2 {
                nearby.on_found(vec![(PeerId::random(), at(1))]);
            }
            nearby.on_forgotten(now);
            assert!(nearby.known.len() <= 2 * MAX_NEARBY);
        }
        assert!(nearby.changed.len() <= 2 * MAX_NEARBY);
    }

    #[tokio::test]
    async fn who_comes_and_goes_untold_leaves_nothing_behind() {
        let mut nearby = Nearby::default();
        for _ in 0..MAX_NEARBY * 2 {
            let peer = PeerId::random();
            nearby.on_found(vec![(peer, at(1))]);
            nearby.on_lost(vec![(peer, at(1))]);
        }
        assert!(nearby.changed.is_empty() && nearby.known.is_empty());
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
