//! Addresses: what a person writes, what others can dial, what we dial.

use std::net::{IpAddr, SocketAddr};

use hobnob_shared::limits::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// Reads a listen address: `IP:PORT` or `/ip4|ip6/…/tcp/…`.
pub(crate) fn parse_listen(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.trim().parse::<SocketAddr>() {
        return Some(address);
    }
    let address: Multiaddr = text.trim().parse().ok()?;
    socket_address(&address)
}

/// The multiaddress of an IP address and a TCP port.
pub(crate) fn tcp_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// What can be dialled of `texts`, in their order, and who must answer.
///
/// `transport` decides who; without it, it is the one that the addresses agree on. Addresses of somebody else, of
/// other protocols than TCP, and of nowhere are left out.
pub(crate) fn parse_dial(transport: Option<PeerId>, texts: &[String]) -> (Option<PeerId>, Vec<Multiaddr>) {
    let mut parsed: Vec<(Multiaddr, Option<PeerId>)> = Vec::new();
    for text in texts.iter().take(MAX_ADDRESSES) {
        if let Some(address) = parse_one(text)
            && !parsed.contains(&address)
        {
            parsed.push(address);
        }
    }
    let peer = transport.or_else(|| match parsed.first() {
        Some((_, Some(first))) if parsed.iter().all(|(_, peer)| peer.as_ref() == Some(first)) => Some(*first),
        _ => None,
    });
    let fits = |named: &Option<PeerId>| named.is_none() || named.as_ref() == peer.as_ref();
    (peer, parsed.into_iter().filter(|(_, named)| fits(named)).map(|(address, _)| address).collect())
}

/// The addresses to tell others, best first: routable before private; loopback only when there is nothing else.
pub(crate) fn dialable<'a>(listening: impl Iterator<Item = &'a Multiaddr>, local: PeerId) -> Vec<String> {
    let mut ranked: Vec<(u8, &Multiaddr)> = listening.filter_map(|address| Some((rank(address)?, address))).collect();
    ranked.sort();
    ranked.dedup();
    let loopback_only = ranked.first().is_some_and(|(rank, _)| *rank == LOOPBACK);
    ranked
        .into_iter()
        .filter(|(rank, _)| loopback_only || *rank != LOOPBACK)
        .take(MAX_ADDRESSES)
        .map(|(_, address)| address.clone().with(Protocol::P2p(local)).to_string())
        .collect()
}

/// Whether the address is on this machine only.
pub(crate) fn is_loopback(address: &Multiaddr) -> bool {
    socket_address(address).is_some_and(|address| address.ip().is_loopback())
}

/// The address without the peer id at its end.
pub(crate) fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|protocol| !matches!(protocol, Protocol::P2p(_))).collect()
}

/// The IP address and TCP port of an address that has both and, but for the peer id, nothing more.
pub(crate) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = ip_of(&parts.next()?)?;
    let Some(Protocol::Tcp(port)) = parts.next() else { return None };
    is_peer_or_end(parts).then(|| SocketAddr::new(ip, port))
}

/// The IP address that this part of an address is, if it is one.
pub(crate) fn ip_of(part: &Protocol<'_>) -> Option<IpAddr> {
    if let Protocol::Ip4(ip) = part {
        Some(IpAddr::V4(*ip))
    } else if let Protocol::Ip6(ip) = part {
        Some(IpAddr::V6(*ip))
    } else {
        None
    }
}

const LOOPBACK: u8 = 3;

fn rank(address: &Multiaddr) -> Option<u8> {
    let address = socket_address(address)?;
    match address.ip() {
        _ if address.port() == 0 => None,
        ip if ip.is_unspecified() || ip.is_multicast() => None,
        ip if ip.is_loopback() => Some(LOOPBACK),
        // Useless without naming an interface of the one who dials.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => None,
        IpAddr::V6(ip) if ip.is_unique_local() => Some(2),
        IpAddr::V6(_) => Some(1),
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Some(2),
        IpAddr::V4(_) => Some(0),
    }
}

fn parse_one(text: &str) -> Option<(Multiaddr, Option<PeerId>)> {
    if text.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    let address = match text.trim().parse::<SocketAddr>() {
        Ok(address) => tcp_address(address),
        Err(_) => text.trim().parse().ok()?,
    };
    let peer = address.iter().find_map(|part| if let Protocol::P2p(peer) = part { Some(peer) } else { None });
    let bare = without_peer(&address);
    let dials = match socket_address(&bare) {
        Some(address) => address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast(),
        None => is_named(&bare),
    };
    dials.then_some((bare, peer))
}

fn is_named(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    matches!(parts.next(), Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)))
        && matches!(parts.next(), Some(Protocol::Tcp(port)) if port != 0)
        && parts.next().is_none()
}

fn is_peer_or_end<'a>(mut parts: impl Iterator<Item = Protocol<'a>>) -> bool {
    matches!(parts.next(), None | Some(Protocol::P2p(_))) && parts.next().is_none()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn both_ways_to_write_a_listen_address_mean_the_same() {
        let expected = Some("192.0.2.1:4000".parse().unwrap());
        assert_eq!(parse_listen("192.0.2.1:4000"), expected);
        assert_eq!(parse_listen(" /ip4/192.0.2.1/tcp/4000 "), expected);
        assert_eq!(parse_listen("[::]:0"), parse_listen("/ip6/::/tcp/0"));
        for bad in ["", "4000", "localhost:4000", "/ip4/1.2.3.4/udp/1", "/dns4/a.example/tcp/1", "/ip4/1.2.3.4"] {
            assert_eq!(parse_listen(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_others_can_dial_is_told() {
        let peer = PeerId::random();
        let all: Vec<Multiaddr> =
            ["/ip4/127.0.0.1/tcp/1", "/ip6/fe80::1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/1"]
                .iter()
                .map(|text| text.parse().unwrap())
                .collect();
        let told = dialable(all.iter(), peer);
        assert_eq!(told, [format!("/ip4/192.0.2.1/tcp/1/p2p/{peer}"), format!("/ip4/10.0.0.1/tcp/1/p2p/{peer}")]);
        assert_eq!(dialable(all[..2].iter(), peer), [format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}")]);
    }

    #[test]
    fn addresses_of_somebody_else_are_not_dialled() {
        let (bob, mallory) = (PeerId::random(), PeerId::random());
        let texts = addresses(&[
            &format!("/ip4/192.0.2.1/tcp/1/p2p/{mallory}"),
            &format!("/ip4/192.0.2.2/tcp/1/p2p/{bob}"),
            "192.0.2.3:7",
            "/dns4/bob.example/tcp/7",
            "192.0.2.3:7",
        ]);
        let (peer, dialled) = parse_dial(Some(bob), &texts);
        assert_eq!(peer, Some(bob));
        let dialled: Vec<String> = dialled.iter().map(ToString::to_string).collect();
        assert_eq!(dialled, ["/ip4/192.0.2.2/tcp/1", "/ip4/192.0.2.3/tcp/7", "/dns4/bob.example/tcp/7"]);
    }

    #[test]
    fn who_must_answer_is_taken_from_addresses_that_agree() {
        let (bob, other) = (PeerId::random(), PeerId::random());
        let of = |peer: &PeerId, host: u8| format!("/ip4/192.0.2.{host}/tcp/1/p2p/{peer}");
        assert_eq!(parse_dial(None, &[of(&bob, 1), of(&bob, 2)]).0, Some(bob));
        let (peer, dialled) = parse_dial(None, &[of(&bob, 1), of(&other, 2)]);
        assert_eq!((peer, dialled.len()), (None, 0));
    }

    #[test]
    fn addresses_of_nowhere_are_left_out() {
        let long = format!("/dns4/{}.example/tcp/1", "a".repeat(300));
        for bad in ["0.0.0.0:1", "192.0.2.1:0", "224.0.0.1:1", "/ip4/1.2.3.4/udp/1", "/memory/1", "hello", &long] {
            assert_eq!(parse_dial(None, &addresses(&[bad])).1, [], "{bad}");
        }
    }
}
