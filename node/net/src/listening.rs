//! Where others can reach us, told when it changes.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use crate::{NetEvent, NetWarning, address};

/// Interfaces come and go in bursts; one event tells them all.
const PAUSE: Duration = Duration::from_millis(50);

/// The listen addresses that exist now, and what of them was told.
#[derive(Debug)]
pub(crate) struct Listening {
    local: PeerId,
    now: BTreeSet<Multiaddr>,
    told: Option<Vec<String>>,
    tell_at: Option<Instant>,
    /// Whether every interface was asked for, so that loopback alone means that there is no network.
    is_wide: bool,
    has_warned: bool,
}

impl Listening {
    /// The first telling is soon, whatever happens: with single addresses after all of them are there.
    pub(crate) fn new(local: PeerId, wanted: &[SocketAddr], now: Instant) -> Self {
        let is_wide = wanted.iter().any(|address| address.ip().is_unspecified());
        let tell_at = Some(now + PAUSE);
        Self { local, now: BTreeSet::new(), told: None, tell_at, is_wide, has_warned: false }
    }

    pub(crate) fn on_new(&mut self, address: Multiaddr, now: Instant) {
        self.now.insert(address::without_peer(&address));
        self.change(now);
    }

    pub(crate) fn on_expired(&mut self, address: &Multiaddr, now: Instant) {
        self.now.remove(&address::without_peer(address));
        self.change(now);
    }

    /// When there is something to tell, if at all.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.tell_at
    }

    /// Tells it, if it is time and anything changed.
    pub(crate) fn tell(&mut self, now: Instant) -> Vec<NetEvent> {
        if self.tell_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.tell_at = None;
        let addresses = address::dialable(self.now.iter(), self.local);
        if self.told.as_ref() == Some(&addresses) {
            return Vec::new();
        }
        self.told = Some(addresses.clone());
        let mut events = vec![NetEvent::Listening(addresses)];
        let is_cut_off = self.is_wide && self.now.iter().all(address::is_loopback);
        if is_cut_off && !self.has_warned {
            events.push(NetEvent::Warning(NetWarning::NoNetwork));
        }
        self.has_warned = is_cut_off;
        events
    }

    /// Whether anything was told yet: of what happens it comes first.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Whether this is one of our own.
    pub(crate) fn contains(&self, address: &Multiaddr) -> bool {
        self.now.contains(address)
    }

    /// Every address, as the operating system says.
    pub(crate) fn addresses(&self) -> Vec<Multiaddr> {
        self.now.iter().cloned().collect()
    }

    fn change(&mut self, now: Instant) {
        // Single addresses do not change any more; interfaces come one by one.
        let pause = if self.is_wide { PAUSE } else { Duration::ZERO };
        self.tell_at = Some(now + pause);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    fn after_pause(listening: &mut Listening) -> Vec<NetEvent> {
        let at = listening.next_timeout().unwrap();
        let events = listening.tell(at);
        assert!(listening.next_timeout().is_none_or(|next| next > at), "the deadline did not move");
        events
    }

    #[tokio::test]
    async fn without_a_network_it_says_so_once_and_again_when_it_is_lost() {
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut listening = Listening::new(peer, &["0.0.0.0:0".parse().unwrap()], now);
        let warning = NetEvent::Warning(NetWarning::NoNetwork);
        assert_eq!(
            after_pause(&mut listening),
            [NetEvent::Listening(vec![]), NetEvent::Warning(NetWarning::NoNetwork)]
        );
        listening.on_new("/ip4/127.0.0.1/tcp/1".parse().unwrap(), now);
        assert_eq!(
            after_pause(&mut listening),
            [NetEvent::Listening(vec![format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}")])]
        );
        let lan: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        listening.on_new(lan.clone(), now);
        assert_eq!(after_pause(&mut listening), [NetEvent::Listening(vec![format!("{lan}/p2p/{peer}")])]);
        listening.on_new(lan.clone(), now);
        assert_eq!(after_pause(&mut listening), []);
        listening.on_expired(&lan, now);
        assert!(after_pause(&mut listening).contains(&warning));
    }

    #[tokio::test]
    async fn loopback_that_was_asked_for_is_no_reason_to_warn() {
        let mut listening = Listening::new(PeerId::random(), &["127.0.0.1:0".parse().unwrap()], Instant::now());
        listening.on_new("/ip4/127.0.0.1/tcp/1".parse().unwrap(), Instant::now());
        assert!(
            matches!(after_pause(&mut listening).as_slice(), [NetEvent::Listening(addresses)] if addresses.len() == 1)
        );
    }
}
