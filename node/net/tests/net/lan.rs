//! Finding each other on a local network, and starting without any: in network namespaces of their own.
//!
//! Each test runs itself again inside of a namespace, so what is asserted there is asserted in that process.

use std::{
    env,
    net::{Ipv4Addr, UdpSocket},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hobnob_net::{NetConfig, NetEvent, NetWarning};
use libp2p::PeerId;

use crate::cast::{Node, assert_talking, config};

/// Set in the process inside of a namespace: which part it plays.
const PART: &str = "HOBNOB_NET_TEST_PART";

/// Namespaces, removed at the end.
struct Lan {
    names: Vec<String>,
}

impl Lan {
    /// So many namespaces, or why there are none.
    fn new(count: usize) -> Result<Self, String> {
        // Tests of one process run side by side.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let mut lan = Self { names: Vec::new() };
        for _ in 0..count {
            let name = format!("hobnob{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            ip(&["netns", "add", &name])?;
            lan.names.push(name);
        }
        Ok(lan)
    }

    /// Joins the first two by a wire and gives them addresses.
    fn join(&self) -> Result<(), String> {
        let [one, two] = [&self.names[0], &self.names[1]];
        ip(&["-n", one, "link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", two])?;
        for (name, address) in [(one, "192.0.2.1/24"), (two, "192.0.2.2/24")] {
            ip(&["-n", name, "addr", "add", address, "dev", "lan0"])?;
            ip(&["-n", name, "link", "set", "lan0", "up"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
            ip(&["-n", name, "route", "add", "default", "dev", "lan0"])?;
        }
        Ok(())
    }

    /// This test again, in that namespace, playing `part`.
    fn run(&self, number: usize, test: &str, part: &str) -> Child {
        let program = env::current_exe().unwrap();
        Command::new("ip")
            .args(["netns", "exec", &self.names[number]])
            .arg(program)
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("no `ip`: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

fn skip(why: &str) {
    eprintln!("skipped, needs root and network namespaces: {why}");
}

fn part() -> Option<String> {
    env::var(PART).ok()
}

fn assert_success(child: Child) {
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn wide(mdns: bool) -> NetConfig {
    NetConfig { listen: vec!["0.0.0.0:0".into(), "[::]:0".into()], mdns, ..config() }
}

#[test]
fn two_nodes_on_one_network_find_each_other_and_talk() {
    match part() {
        Some(part) => runtime().block_on(meet(part == "dials")),
        None => match Lan::new(2).and_then(|lan| lan.join().map(|()| lan)) {
            Ok(lan) => {
                let test = "lan::two_nodes_on_one_network_find_each_other_and_talk";
                let waits = lan.run(0, test, "waits");
                assert_success(lan.run(1, test, "dials"));
                assert_success(waits);
            }
            Err(why) => skip(&why),
        },
    }
}

async fn meet(dials: bool) {
    let mut node = Node::with(wide(true)).await;
    node.net.set_pairing(true);
    if dials {
        let (transport, addresses) = loop {
            if let NetEvent::Discovered { transport, addresses } = node.next().await {
                break (transport, addresses);
            }
        };
        let link = node.dial(Some(transport), addresses).await.unwrap();
        assert_eq!(node.chunk(link).await, b"hello");
        node.net.try_send(link, b"hello too".to_vec()).unwrap();
        while node.next().await != (NetEvent::Closed { link }) {}
    } else {
        let (mut found, mut caller) = (None, None);
        while found.is_none() || caller.is_none() {
            match node.next().await {
                NetEvent::Discovered { transport, .. } => found = Some(transport),
                NetEvent::Accepted { link, remote, .. } => caller = Some((link, remote)),
                _ => {}
            }
        }
        let (link, remote) = caller.unwrap();
        assert_eq!(found, Some(remote));
        node.net.try_send(link, b"hello".to_vec()).unwrap();
        assert_eq!(node.chunk(link).await, b"hello too");
    }
    node.net.shutdown().await;
}

#[test]
fn after_a_flood_of_announcements_a_node_is_found_all_the_same() {
    let test = "lan::after_a_flood_of_announcements_a_node_is_found_all_the_same";
    match part() {
        Some(part) if part == "mallory" => flood(),
        Some(part) => runtime().block_on(flooded(part == "alice")),
        None => match Lan::new(2).and_then(|lan| lan.join().map(|()| lan)) {
            Ok(lan) => {
                let alice = lan.run(0, test, "alice");
                assert_success(lan.run(1, test, "mallory"));
                let bob = lan.run(1, test, "bob");
                assert_success(alice);
                assert_success(bob);
            }
            Err(why) => skip(&why),
        },
    }
}

/// Bob comes when Mallory has filled every list. Both wait until they have met.
async fn flooded(is_alice: bool) {
    let mut node = Node::with(NetConfig { listen: vec!["0.0.0.0:0".into()], ..wide(true) }).await;
    node.net.set_pairing(true);
    if !is_alice {
        while !matches!(node.next().await, NetEvent::Accepted { .. }) {}
        return node.net.shutdown().await;
    }
    loop {
        // Nobody listens at the addresses that Mallory made up.
        let NetEvent::Discovered { transport, addresses } = node.next().await else { continue };
        let is_made_up = addresses.iter().any(|address| address.contains(&format!("/tcp/{MADE_UP_PORT}/")));
        if !is_made_up && node.dial(Some(transport), addresses).await.is_ok() {
            return node.net.shutdown().await;
        }
    }
}

const MADE_UP_PORT: u16 = 9;

/// A packet of 4 KiB holds so many announcements.
const BURST: usize = 25;

/// Announces transports by the thousand until Alice does not answer any more, which shows that she has had enough.
fn flood() {
    let socket = std::net::UdpSocket::bind("0.0.0.0:5353").unwrap();
    socket.join_multicast_v4(&GROUP, &"192.0.2.2".parse().unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!((0..60).any(|_| is_answered(&socket)), "Alice never came");
    for _ in 0..400 {
        for _ in 0..10 {
            socket.send_to(&announcements(), (GROUP, 5353)).unwrap();
        }
        if !is_answered(&socket) {
            return;
        }
    }
}

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// Asks who is there. Alice answers behind all that was sent before.
fn is_answered(socket: &UdpSocket) -> bool {
    let question = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04_p2p\x04_udp\x05local\0\0\x0c\0\x01";
    socket.send_to(question, (GROUP, 5353)).unwrap();
    let mut packet = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut packet) {
        let is_answer = length > 2 && packet[2] & 0x80 != 0;
        if is_answer && from.ip() == Ipv4Addr::new(192, 0, 2, 1) {
            return true;
        }
    }
    false
}

/// Answers for `_p2p._udp.local` as the libp2p specification has them, good for a day, for transports that nobody has.
fn announcements() -> Vec<u8> {
    let one = BURST.to_be_bytes();
    let mut packet = b"\0\0\x84\0\0\0\0".to_vec();
    packet.extend([one[7], 0, 0, 0, one[7]]);
    let name = |number: usize| format!("\x03m{number:02}\0").into_bytes();
    for number in 0..BURST {
        packet.extend(b"\x04_p2p\x04_udp\x05local\0\0\x0c\0\x01\0\x01\x51\x80\0\x05");
        packet.extend(name(number));
    }
    for number in 0..BURST {
        let text = format!("dnsaddr=/ip4/192.0.2.2/tcp/{MADE_UP_PORT}/p2p/{}", PeerId::random());
        packet.extend(name(number));
        packet.extend(b"\0\x10\0\x01\0\x01\x51\x80\0");
        packet.extend([u8::try_from(text.len() + 1).unwrap(), u8::try_from(text.len()).unwrap()]);
        packet.extend(text.as_bytes());
    }
    packet
}

#[test]
fn without_any_network_a_node_starts_and_says_so() {
    let test = "lan::without_any_network_a_node_starts_and_says_so";
    match part() {
        Some(part) => runtime().block_on(alone(part == "loopback")),
        None => match Lan::new(2) {
            Ok(lan) => {
                // One without even loopback, one with.
                assert_success(lan.run(0, test, "nothing"));
                ip(&["-n", &lan.names[1], "link", "set", "lo", "up"]).unwrap();
                assert_success(lan.run(1, test, "loopback"));
            }
            Err(why) => skip(&why),
        },
    }
}

async fn alone(has_loopback: bool) {
    let mut node = Node::with(wide(true)).await;
    assert_eq!(node.next().await, NetEvent::Warning(NetWarning::NoNetwork));
    if has_loopback {
        assert!(node.addresses.iter().all(|address| address.contains("127.0.0.1") || address.contains("::1")));
        let mut other = Node::start().await;
        let (at_other, at_node) = crate::cast::link(&mut other, &mut node).await;
        assert_talking(&mut other, at_other, &mut node, at_node).await;
    } else {
        assert!(node.addresses.is_empty());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
