//! Addresses as people type them, and as libp2p wants them: multiaddresses in text.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hobnob_shared::{limits::MAX_ADDRESS_BYTES, text::display};

use crate::command::{Code, Refusal};

/// Where an address leads, without the transport that must answer there.
pub(crate) fn place(address: &str) -> &str {
    match address.rsplit_once("/p2p/") {
        Some((place, last)) if !last.contains('/') => place,
        Some(_) | None => address,
    }
}

/// Reads `IP:PORT`, `NAME:PORT` or a multiaddress.
pub(crate) fn parse(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let refuse = |why: &str| {
        let shown = display::line(text);
        let hint = "write IP:PORT, like 192.0.2.7:4001, or a multiaddress, like /ip4/192.0.2.7/tcp/4001";
        Err(Refusal::new(Code::Usage, format!("{shown} is not an address ({why}); {hint}")))
    };
    if text.len() > MAX_ADDRESS_BYTES {
        return refuse("it is too long");
    }
    if text.starts_with('/') {
        let has_place = ["/ip4/", "/ip6/", "/dns/", "/dns4/", "/dns6/"].iter().any(|place| text.starts_with(place));
        return match has_place && text.contains("/tcp/") && !text.contains(char::is_whitespace) {
            true => Ok(text.to_owned()),
            false => refuse("a multiaddress begins with /ip4/, /ip6/ or /dns/ and has /tcp/"),
        };
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => refuse("port 0 is nobody's"),
        Ok(SocketAddr::V4(address)) => Ok(format!("/ip4/{}/tcp/{}", address.ip(), address.port())),
        Ok(SocketAddr::V6(address)) => Ok(format!("/ip6/{}/tcp/{}", address.ip(), address.port())),
        Err(_) => match text.rsplit_once(':').map(|(name, port)| (name, port.parse::<u16>())) {
            Some((name, Ok(port))) if is_name(name) && port > 0 => Ok(format!("/dns/{name}/tcp/{port}")),
            Some(_) => refuse("the name or the port is off"),
            None => refuse("the port is missing"),
        },
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

/// Whether an address reaches this machine or its network only.
pub(crate) fn is_local(address: &str) -> bool {
    let mut parts = address.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("ip4"), Some(ip)) => ip.parse().is_ok_and(|ip: Ipv4Addr| is_local_ip(IpAddr::V4(ip))),
        (Some("ip6"), Some(ip)) => ip.parse().is_ok_and(|ip: Ipv6Addr| is_local_ip(IpAddr::V6(ip))),
        (Some("dns" | "dns4" | "dns6"), Some(name)) => name == "localhost" || name.ends_with(".local"),
        _ => false,
    }
}

/// Whether an address leads to the machine itself only.
pub(crate) fn is_loopback(address: &str) -> bool {
    let mut parts = address.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("ip4"), Some(ip)) => ip.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback()),
        (Some("ip6"), Some(ip)) => ip.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback()),
        _ => false,
    }
}

fn is_local_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => {
            let [first, ..] = ip.segments();
            ip.is_loopback() || ip.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn loopback_leads_to_the_machine_itself_only() {
        assert!(is_loopback("/ip4/127.0.0.1/tcp/1") && is_loopback("/ip6/::1/tcp/1/p2p/12D3"));
        assert!(!is_loopback("/ip4/192.168.1.7/tcp/1") && !is_loopback("/dns4/localhost/tcp/1"));
    }

    #[test]
    fn a_place_is_the_same_with_and_without_the_transport_behind_it() {
        assert_eq!(place("/ip4/127.0.0.1/tcp/1/p2p/12D3"), "/ip4/127.0.0.1/tcp/1");
        assert_eq!(place("/ip4/127.0.0.1/tcp/1"), "/ip4/127.0.0.1/tcp/1");
        let relayed = "/ip4/192.0.2.7/tcp/1/p2p/12D3/p2p-circuit";
        assert_eq!(place(relayed), relayed);
        assert_eq!(place(&format!("{relayed}/p2p/12D4")), relayed);
    }

    #[test]
    fn addresses_are_read_as_people_type_them() {
        for (typed, meant) in [
            ("192.0.2.7:4001", "/ip4/192.0.2.7/tcp/4001"),
            (" [2001:db8::1]:4001 ", "/ip6/2001:db8::1/tcp/4001"),
            ("bob.example:4001", "/dns/bob.example/tcp/4001"),
            ("/ip4/192.0.2.7/tcp/4001/p2p/12D3", "/ip4/192.0.2.7/tcp/4001/p2p/12D3"),
        ] {
            assert_eq!(parse(typed).unwrap(), meant);
        }
        for wrong in ["", "192.0.2.7", "192.0.2.7:0", ":4001", "bob:99999", "a b:1", "/udp/1", "/ip4/1.2.3.4/udp/1"] {
            let refusal = parse(wrong).unwrap_err();
            assert_eq!(refusal.code, Code::Usage, "{wrong}");
            assert!(refusal.message.contains("write IP:PORT"), "{}", refusal.message);
        }
    }

    #[test]
    fn local_addresses_are_told_from_others() {
        for local in ["/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.2/tcp/1", "/ip6/::1/tcp/1", "/ip6/fe80::1/tcp/1"] {
            assert!(is_local(local), "{local}");
        }
        for global in ["/ip4/192.0.2.7/tcp/1", "/ip6/2001:db8::1/tcp/1", "/dns/bob.example/tcp/1"] {
            assert!(!is_local(global), "{global}");
        }
    }
}
