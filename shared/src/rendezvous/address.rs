//! The address of a rendezvous: `MULTIADDR/p2p/PEERID#KEY`. The key is what is trusted; the rest only leads there.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

use crate::{identity::check_x25519, limits::MAX_ADDRESS_BYTES};

/// The longest name in DNS, in bytes of its text form (RFC 1035 §2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// The longest text that a 32-byte multihash takes in base58, with room: more is not decoded.
const MAX_PEER_ID_BYTES: usize = 64;

/// Where a rendezvous is, and the key that it must prove.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: String,
    /// Bytes of `text` before `/p2p/`.
    place: usize,
    transport: Vec<u8>,
    x25519: [u8; 32],
}

/// Why an address was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Over [`MAX_ADDRESS_BYTES`].
    #[error("the address is {0} bytes long; the limit is {MAX_ADDRESS_BYTES}")]
    TooLong(usize),
    /// Nothing behind `#`.
    #[error(
        "the address is cut off: it ends in # and 52 letters and digits, the key of the rendezvous; copy the whole line that its \
         operator gives out"
    )]
    NoKey,
    /// What stands behind `#` is no key.
    #[error(
        "what stands behind # in the address is not 52 letters a-z and digits 2-7; copy the whole line that its operator gives out"
    )]
    BadKey,
    /// A key whose shared secret everybody knows.
    #[error("the key behind # in the address is one that everybody knows; ask its operator for the right address")]
    WeakKey,
    /// No `/p2p/PEERID` at the end.
    #[error("the address lacks /p2p/ and the peer id before its #; copy the whole line that its operator gives out")]
    NoPeer,
    /// What stands behind `/p2p/` is no peer id.
    #[error("what stands behind /p2p/ in the address is no peer id; copy the whole line that its operator gives out")]
    BadPeer,
    /// Not `/KIND/HOST/tcp/PORT`.
    #[error(
        "an address of a rendezvous looks like /dns4/rosa.example/tcp/4001/p2p/12D3KooW…#aebagbaf…; copy the whole \
         line that its operator gives out"
    )]
    BadPlace,
}

impl Address {
    /// Reads `/ip4/…/tcp/PORT/p2p/PEERID#KEY`; `ip6`, `dns`, `dns4` and `dns6` too.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong(text.len()));
        }
        let (multiaddr, key) = text.split_once('#').ok_or(AddressError::NoKey)?;
        let (place, peer) = multiaddr.split_once("/p2p/").ok_or(AddressError::NoPeer)?;
        check_place(place)?;
        let transport = peer_id(peer)?;
        let x25519 = parse_key(key)?;
        Ok(Self { text: text.to_owned(), place: place.len(), transport, x25519 })
    }

    /// The address with this place, peer id and key.
    pub fn new(place: &str, transport: &[u8], x25519: &[u8; 32]) -> Result<Self, AddressError> {
        let peer = bs58::encode(transport).into_string();
        Self::parse(&format!("{place}/p2p/{peer}#{}", key_text(x25519)))
    }

    /// The multiaddress to dial, without the peer id.
    pub fn place(&self) -> &str {
        self.text.get(..self.place).unwrap_or_default()
    }

    /// The peer id that the transport must have, as bytes.
    pub fn transport(&self) -> &[u8] {
        &self.transport
    }

    /// The key that the rendezvous must prove in the handshake.
    pub fn x25519(&self) -> &[u8; 32] {
        &self.x25519
    }

    /// That key as text: what names this rendezvous to OPAQUE, wherever it moves.
    pub fn key_text(&self) -> String {
        key_text(&self.x25519)
    }

    /// The host, for people: `name@host`.
    pub fn host(&self) -> &str {
        self.place().split('/').nth(2).unwrap_or_default()
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A key in lower-case base32 without padding.
fn key_text(key: &[u8; 32]) -> String {
    BASE32_NOPAD.encode(key).to_ascii_lowercase()
}

fn parse_key(text: &str) -> Result<[u8; 32], AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoKey);
    }
    if text.chars().any(|c| !matches!(c, 'a'..='z' | '2'..='7')) {
        return Err(AddressError::BadKey);
    }
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| AddressError::BadKey)?;
    let key = bytes.try_into().map_err(|_| AddressError::BadKey)?;
    check_x25519(&key).map_err(|_| AddressError::WeakKey)?;
    Ok(key)
}

/// A multihash in base58, in its one spelling: an Ed25519 key as it is (36 bytes behind two), or a SHA-256.
fn peer_id(text: &str) -> Result<Vec<u8>, AddressError> {
    if text.len() > MAX_PEER_ID_BYTES {
        return Err(AddressError::BadPeer);
    }
    let bytes = bs58::decode(text).into_vec().map_err(|_| AddressError::BadPeer)?;
    match bytes.as_slice() {
        [0x00, 0x24, 0x08, 0x01, 0x12, 0x20, key @ ..] if key.len() == 32 => Ok(bytes),
        [0x12, 0x20, digest @ ..] if digest.len() == 32 => Ok(bytes),
        _ => Err(AddressError::BadPeer),
    }
}

/// `/KIND/HOST/tcp/PORT`, each part in its one spelling.
fn check_place(place: &str) -> Result<(), AddressError> {
    let mut parts = place.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let (empty, kind, host, tcp, port) = (next(), next(), next(), next(), next());
    let is_host = match kind {
        "ip4" => host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.to_string() == host),
        "ip6" => host.parse::<Ipv6Addr>().is_ok(),
        "dns" | "dns4" | "dns6" => is_dns_name(host),
        _ => false,
    };
    let is_port = port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
    let is_whole = empty.is_empty() && tcp == "tcp" && parts.next().is_none();
    if is_host && is_port && is_whole { Ok(()) } else { Err(AddressError::BadPlace) }
}

fn is_dns_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    host.len() <= MAX_HOST_BYTES && host.split('.').all(is_label)
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Only the length: addresses do not belong into logs.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    const KEY: &str = "bebqifctkz3bm6tj4xfsrn3xqh2w4mzdaifnd6u35yk3emsljcia";

    fn address(place: &str) -> Result<Address, AddressError> {
        Address::parse(&format!("{place}/p2p/{PEER}#{KEY}"))
    }

    #[test]
    fn an_address_comes_back_and_says_its_parts() {
        for (place, host) in [
            ("/ip4/203.0.113.7/tcp/4001", "203.0.113.7"),
            ("/ip6/2001:db8::1/tcp/65535", "2001:db8::1"),
            ("/dns/r.example/tcp/1", "r.example"),
            ("/dns4/r.example/tcp/1", "r.example"),
        ] {
            let parsed = address(place).unwrap();
            assert_eq!((parsed.place(), parsed.host(), parsed.key_text().as_str()), (place, host, KEY));
            assert_eq!(parsed.transport().len(), 38);
            assert_eq!(Address::new(place, parsed.transport(), parsed.x25519()).unwrap(), parsed);
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
    }

    #[test]
    fn a_place_that_cannot_be_dialled_is_refused() {
        for place in [
            "203.0.113.7:4001",
            "/ip4/203.0.113.7",
            "/ip4/203.0.113.7/udp/4001",
            "/ip4/203.0.113.7/tcp/0",
            "/ip4/203.0.113.7/tcp/04001",
            "/ip4/203.0.113.7/tcp/70000",
            "/ip4/203.0.113/tcp/1",
            "/ip4/203.0.113.7/tcp/1/ws",
            "/dns/r..example/tcp/1",
            "/dns/r example/tcp/1",
            "/unix/tmp/tcp/1",
            "",
        ] {
            assert_eq!(address(place), Err(AddressError::BadPlace), "{place}");
        }
    }

    #[test]
    fn a_missing_or_damaged_key_or_peer_is_named() {
        let place = "/ip4/203.0.113.7/tcp/4001";
        let parse = |rest: &str| Address::parse(&format!("{place}{rest}")).unwrap_err();
        assert_eq!(parse(&format!("/p2p/{PEER}")), AddressError::NoKey);
        assert_eq!(parse(&format!("/p2p/{PEER}#")), AddressError::NoKey);
        assert_eq!(parse(&format!("/p2p/{PEER}#{}", KEY.replacen('b', "", 1))), AddressError::BadKey);
        assert_eq!(parse(&format!("/p2p/{PEER}#{}", KEY.to_uppercase())), AddressError::BadKey);
        assert_eq!(parse(&format!("/p2p/{PEER}#{}", "a".repeat(52))), AddressError::WeakKey);
        assert_eq!(parse(&format!("#{KEY}")), AddressError::NoPeer);
        assert_eq!(parse(&format!("/p2p/{}#{KEY}", PEER.replacen('1', "", 1))), AddressError::BadPeer);
        assert_eq!(parse(&format!("/p2p/0OIl#{KEY}")), AddressError::BadPeer);
    }

    #[test]
    fn an_address_at_the_limit_passes_and_one_more_byte_does_not() {
        let rest = format!("/tcp/1/p2p/{PEER}#{KEY}").len() + "/dns/".len();
        let host = |bytes: usize| (0..bytes).map(|at| if at % 50 == 49 { '.' } else { 'a' }).collect::<String>();
        assert!(address(&format!("/dns/{}/tcp/1", host(MAX_ADDRESS_BYTES - rest))).is_ok());
        let longer = address(&format!("/dns/{}/tcp/1", host(MAX_ADDRESS_BYTES - rest + 1)));
        assert_eq!(longer, Err(AddressError::TooLong(MAX_ADDRESS_BYTES + 1)));
    }
}
