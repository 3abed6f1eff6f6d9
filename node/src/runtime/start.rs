//! From a profile to a running thread.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
};

use hobnob_net::{Net, NetConfig, NetError, NetEvents};
use hobnob_store::Incarnation;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{
    Runtime,
    clock::Clock,
    desk::Desk,
    disk::Disk,
    inbox::{Inbox, Woken},
    wire::Wire,
};
use crate::{
    api::{COMMAND_QUEUE, EVENT_QUEUE, Node, StartError, StartOptions},
    profile::{LastPort, Parts},
};

/// How often another port is tried when somebody took ours between choosing and listening.
const PORT_TRIES: usize = 8;

/// Opens the network and starts the thread. Returns when the node can be asked, and knows where it listens.
pub(crate) async fn start(options: StartOptions) -> Result<Node, StartError> {
    let StartOptions { profile, listen, mdns, rendezvous, login_cost, disk_gate, skew_ms } = options;
    let Parts { lock, store, who, keyring, transport_key, last_port } = profile.into_parts();
    let mut config = NetConfig::new(*transport_key);
    config.mdns = mdns;
    let (net, net_events) = open_net(config, &listen, &last_port).await?;

    let (calls, call_receiver) = mpsc::channel(COMMAND_QUEUE);
    let (events, _) = broadcast::channel(EVENT_QUEUE);
    let (stop, stop_receiver) = watch::channel(false);
    let (ended_sender, ended) = watch::channel(false);
    let (ready_sender, ready) = oneshot::channel();
    let node = Node::new(calls, &events, ended, stop, (keyring, login_cost));
    let mut runtime = Runtime {
        clock: Clock::start(skew_ms),
        inbox: Inbox { calls: call_receiver, net: net_events, stop: stop_receiver, is_stopping: false },
        engine: None,
        who,
        rendezvous,
        fresh_incarnation: store.incarnation_hint() == Incarnation::Fresh,
        disk: Disk::new(store, disk_gate),
        wire: Wire::new(net),
        desk: Desk::default(),
        events,
        own: Vec::new(),
        successions: Vec::new(),
        winding: super::Winding::default(),
        catching: super::CatchingUp::default(),
        starting: true,
        had_timeout: false,
    };
    let body = move || {
        // A panic drops the runtime, and with it every answer that somebody waits for: they are refused, not hung.
        let ran = catch_unwind(AssertUnwindSafe(move || match runtime.begin() {
            Ok(()) => {
                last_port.keep(runtime.wire.listening().unwrap_or_default());
                let _ = ready_sender.send(Ok(()));
                runtime.run();
            }
            Err(why) => drop(ready_sender.send(Err(StartError::Database(why)))),
        }));
        if ran.is_err() {
            tracing::error!("the node's thread broke");
        }
        drop(lock);
        let _ = ended_sender.send(true);
    };
    std::thread::Builder::new().name("hobnob".to_owned()).spawn(body).map_err(StartError::Thread)?;
    ready.await.unwrap_or_else(|_| Err(StartError::Database("the database could not be loaded".to_owned())))?;
    Ok(node)
}

impl Runtime {
    /// Loads the engine, and tells it where we listen.
    fn begin(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        let mut work = hobnob_engine::work::Work::default();
        self.engine = Some(self.load(now, &mut work).map_err(|why| why.to_string())?);
        match self.disk.commit(&work.records) {
            Ok(()) => {
                self.fresh_incarnation = false;
                self.act(work);
            }
            // A full disk is no reason to hide what is stored.
            Err(why) => self.on_not_saved(why, now),
        }
        let mut arrivals = Vec::new();
        while self.wire.listening().is_none() {
            if self.inbox.gather(|| Some(super::FOREVER), &mut arrivals) != Woken::Work {
                return Err("the network stopped while the node started".to_owned());
            }
            self.turn(&mut arrivals);
        }
        self.starting = false;
        Ok(())
    }
}

/// Listens. Where the port is left to us, it is the last one, or a new one that is free on every address.
async fn open_net(
    mut config: NetConfig,
    listen: &[String],
    last_port: &LastPort,
) -> Result<(Net, NetEvents), StartError> {
    let listen = &without_missing_ipv6(listen);
    let mut wish = last_port.read();
    for _ in 0..PORT_TRIES {
        let port = wish.take().filter(|port| is_free(listen, *port)).or_else(|| free_port(listen));
        config.listen = listen.iter().map(|address| with_port(address, port)).collect();
        match hobnob_net::start(config.clone()).await {
            Err(NetError::PortInUse { addr }) if !listen.contains(&addr) => {}
            Err(error) => return Err(told(error)),
            Ok(started) => return Ok(started),
        }
    }
    config.listen = listen.to_vec();
    hobnob_net::start(config).await.map_err(told)
}

/// Every IPv6 interface among other addresses is only a wish: where the machine has no IPv6, nobody needs a warning.
fn without_missing_ipv6(listen: &[String]) -> Vec<String> {
    let wish = |address: &String| address.starts_with("/ip6/::/");
    let keep_all = !listen.iter().any(wish) || listen.iter().all(wish) || TcpListener::bind("[::]:0").is_ok();
    listen.iter().filter(|address| keep_all || !wish(address)).cloned().collect()
}

fn told(error: NetError) -> StartError {
    match error {
        NetError::PortInUse { addr } => StartError::PortInUse { address: addr },
        NetError::BadAddress { addr, reason } => StartError::BadAddress { address: addr, why: reason },
        NetError::Setup(why) => StartError::NoNetwork(why),
    }
}

/// The address with `port` in the place of port 0.
fn with_port(address: &str, port: Option<u16>) -> String {
    match (address.strip_suffix("/tcp/0"), port) {
        (Some(host), Some(port)) => format!("{host}/tcp/{port}"),
        (None, _) | (_, None) => address.to_owned(),
    }
}

/// The IPs on which the port is left to us.
fn open_ips(listen: &[String]) -> impl Iterator<Item = IpAddr> {
    listen.iter().filter_map(|address| {
        let ip = address.strip_suffix("/tcp/0")?;
        ip.strip_prefix("/ip4/").or_else(|| ip.strip_prefix("/ip6/"))?.parse().ok()
    })
}

fn is_free(listen: &[String], port: u16) -> bool {
    let in_use =
        |ip| TcpListener::bind(SocketAddr::new(ip, port)).is_err_and(|e| e.kind() == std::io::ErrorKind::AddrInUse);
    !open_ips(listen).any(in_use)
}

fn free_port(listen: &[String]) -> Option<u16> {
    let first = open_ips(listen).next()?;
    let candidates = || TcpListener::bind(SocketAddr::new(first, 0)).and_then(|socket| socket.local_addr()).ok();
    (0..PORT_TRIES).filter_map(|_| candidates()).map(|address| address.port()).find(|port| is_free(listen, *port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_port_zero_is_filled_in() {
        assert_eq!(with_port("/ip4/0.0.0.0/tcp/0", Some(7)), "/ip4/0.0.0.0/tcp/7");
        assert_eq!(with_port("/ip4/0.0.0.0/tcp/80", Some(7)), "/ip4/0.0.0.0/tcp/80");
        assert_eq!(with_port("/ip6/::/tcp/0", None), "/ip6/::/tcp/0");
    }

    #[test]
    fn a_port_that_somebody_has_is_not_free() {
        let listen = ["/ip4/127.0.0.1/tcp/0".to_owned()];
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(!is_free(&listen, port));
        let found = free_port(&listen).unwrap();
        assert_ne!(found, port);
        assert!(is_free(&listen, found));
    }
}
