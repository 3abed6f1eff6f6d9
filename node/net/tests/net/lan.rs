//! Finding each other on a local network, and starting without any: in network namespaces of their own.
//!
//! Each test runs itself again inside of a namespace, so what is asserted there is asserted in that process.

use std::{
    env,
    process::{Child, Command, Stdio},
};

use hobnob_net::{NetConfig, NetEvent, NetWarning};

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
        let mut lan = Self { names: Vec::new() };
        for number in 0..count {
            let name = format!("hobnob{}-{number}", std::process::id());
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
