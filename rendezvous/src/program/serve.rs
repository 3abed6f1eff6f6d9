//! `serve`: from the data folder to a running server, and to its clean end.

use std::{io, net::Ipv4Addr};

use hobnob_shared::rendezvous::Address;
use libp2p::{Multiaddr, multiaddr::Protocol};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{
    Failure, Output, control,
    failure::whole,
    folder::{Folder, Prepared},
    http,
    watchdog::Watchdog,
};
use crate::{
    config::{Config, Flags},
    server::{Server, bind},
};

pub(super) fn serve(flags: &Flags, config: Config, output: &Output) -> Result<(), Failure> {
    start_logging(config.log);
    raise_file_limit(config.limits.connections);
    let prepared = Folder::prepare(&config.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Io("the runtime cannot be started", error))?;
    runtime.block_on(run(flags, config, prepared, output))
}

async fn run(flags: &Flags, config: Config, prepared: Prepared, output: &Output) -> Result<(), Failure> {
    // First, so that no signal comes before it is waited for.
    let no_signals = |error| Failure::Io("signals cannot be waited for", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(no_signals)?;
    let begun_with = config.clone();
    let Config { data_dir, listen, announce, metrics, log: _, limits, policy } = config;
    // Every place first, so that a server which cannot have one does not begin either.
    let http = match metrics {
        Some(place) => Some(http::listen(place).await.map_err(|error| Failure::Metrics(place, error))?),
        None => None,
    };
    let bound = bind(&prepared.keys.transport, &listen, limits).await?;
    let control = control::listen(&data_dir).map_err(|error| Failure::Control(data_dir.clone(), error))?;
    let Folder { store, keys, lock: _lock } = prepared.open()?;
    let server = bound.serve(keys, store, policy)?;
    let asked = tokio::spawn(control::answer(control, data_dir, server.control()));
    let metrics = http.as_ref().map(|(_, address)| address.to_string());
    let http = http.map(|(listener, _)| tokio::spawn(http::answer(listener, server.control())));
    watch(&server);
    say_ready(&server, announce.as_ref(), metrics, output);
    tracing::info!("serving");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(flags, &begun_with, &server).await,
            // Whoever started us starts us again.
            () = server.ended() => return Err(Failure::Ended),
        }
    }
    tracing::info!("stopping");
    asked.abort();
    http.inspect(|http| http.abort());
    server.stop().await;
    output.say("bye", json!({}), "stopped; everything that was accepted is stored");
    Ok(())
}

/// Where somebody watches whether it answers, tells them until the end.
fn watch(server: &Server) {
    match Watchdog::of_environment() {
        Ok(Some(watchdog)) => drop(tokio::spawn(watchdog.run(server.control()))),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the service manager's watchdog cannot be told that the server answers"),
    }
}

/// Reads the limits again. A file that is wrong changes nothing, and what else it says counts after a restart.
async fn reload(flags: &Flags, begun_with: &Config, server: &Server) {
    let config = match Config::load(flags) {
        Ok(config) => config,
        Err(error) => {
            let error = whole(&error);
            tracing::warn!(error, "the settings cannot be used; the limits stay as they were");
            return;
        }
    };
    let waiting = config.differs_from(begun_with).join(", ");
    raise_file_limit(config.limits.connections);
    server.set_rules(config.limits, config.policy).await;
    tracing::info!("registration and limits were read again");
    if !waiting.is_empty() {
        tracing::warn!(settings = waiting, "these have changed, and wait for a restart");
    }
}

fn say_ready(server: &Server, announce: Option<&Multiaddr>, metrics: Option<String>, output: &Output) {
    let places = announce.map_or_else(|| server.addresses().to_vec(), |place| vec![place.clone()]);
    let mut places: Vec<_> = places.iter().map(|place| (Reach::of(place), place.to_string())).collect();
    places.sort();
    places.dedup();
    let (peer, key) = (server.peer().to_bytes(), server.key());
    let address = |place: &str| Address::new(place, &peer, &key).ok().map(String::from);
    let addresses: Vec<_> = places.iter().filter_map(|(reach, place)| Some((*reach, address(place)?))).collect();
    let text = ready_text(&addresses);
    let addresses: Vec<_> = addresses.into_iter().map(|(_, address)| address).collect();
    let first = addresses.first().cloned().unwrap_or_default();
    output.say("ready", json!({ "address": first, "addresses": addresses, "metrics": metrics }), &text);
}

/// Who can use an address; whoever is farthest away first, and of those the kind that most people have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Name,
    Internet4,
    Internet6,
    Local4,
    Local6,
    Machine4,
    Machine6,
}

impl Reach {
    fn of(place: &Multiaddr) -> Self {
        let Some(part) = place.iter().next() else { return Self::Machine6 };
        if let Protocol::Ip4(ip) = part {
            match () {
                () if ip.is_loopback() => Self::Machine4,
                () if ip.is_private() || ip.is_link_local() || is_shared(ip) => Self::Local4,
                () => Self::Internet4,
            }
        } else if let Protocol::Ip6(ip) = part {
            match () {
                () if ip.is_loopback() => Self::Machine6,
                () if ip.is_unicast_link_local() || ip.is_unique_local() => Self::Local6,
                () => Self::Internet6,
            }
        } else {
            Self::Name
        }
    }

    /// Who that is, in words.
    fn who(self) -> &'static str {
        match self {
            Self::Name => "for everybody",
            Self::Internet4 => "for everybody who reaches this machine over IPv4",
            Self::Internet6 => "for everybody who has IPv6",
            Self::Local4 | Self::Local6 => "in the same local network only",
            Self::Machine4 | Self::Machine6 => "on this machine only",
        }
    }
}

/// Addresses that a provider shares among its customers (RFC 6598), and VPNs give to their members.
fn is_shared(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [100, 64..=127, _, _])
}

/// What the operator reads: the address to give away, and the others with who can use each.
fn ready_text(addresses: &[(Reach, String)]) -> String {
    let Some(((reach, first), others)) = addresses.split_first() else {
        return "serving; no address of this machine is known: set announce in the config file".to_owned();
    };
    let mut text = format!("serving; give nodes this address ({}):\n{first}", reach.who());
    for (reach, other) in others {
        text = format!("{text}\nor this one, {}:\n{other}", reach.who());
    }
    if *reach >= Reach::Local4 {
        text.push_str("\nfriends elsewhere need its name or public address: set announce in the config file");
    }
    text
}

/// Our own lines only: the libraries log addresses.
fn start_logging(level: tracing::Level) {
    let filter = EnvFilter::new(format!("off,hobnob_rendezvous={level},hobnob_shared={level}"));
    // Somebody else may have started it, in tests.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr).try_init();
}

/// Each connection takes a file; the usual limit of 1,024 is for programs with fewer friends.
fn raise_file_limit(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + 256;
    let current = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if limit.current.is_some_and(|now| now < current) {
        // Where this is not allowed, the limit stays what it was, and connections beyond it fail one by one.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(place: &str) -> Reach {
        Reach::of(&place.parse().unwrap())
    }

    #[test]
    fn the_address_to_give_away_comes_first_and_each_says_for_whom_it_is() {
        let places = [
            "/dns/rosa.example/tcp/1",
            "/ip4/203.0.113.7/tcp/1",
            "/ip6/2001:db8::7/tcp/1",
            "/ip4/192.168.1.5/tcp/1",
            "/ip6/fd00::5/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip6/::1/tcp/1",
        ];
        assert!(places.is_sorted_by_key(|place| reach(place)));
        for local in ["/ip4/10.1.2.3/tcp/1", "/ip4/169.254.1.1/tcp/1", "/ip4/100.64.0.1/tcp/1"] {
            assert_eq!(reach(local), Reach::Local4, "{local}");
        }
        assert_eq!(reach("/ip4/100.128.0.1/tcp/1"), Reach::Internet4);
        let addresses: Vec<_> = places[1..].iter().map(|place| (reach(place), (*place).to_owned())).collect();
        let text = ready_text(&addresses);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 12);
        assert!(lines[0].contains("give nodes this address") && lines[1] == places[1]);
        assert!(lines[4].contains("local network only") && lines[5] == places[3]);
        assert!(lines[10].contains("this machine only") && lines[11] == places[6]);
        assert_eq!(ready_text(&addresses[..1]).lines().count(), 2);
        assert!(!text.contains("announce"));
        assert!(ready_text(&addresses[2..]).contains("set announce") && ready_text(&[]).contains("set announce"));
    }
}
