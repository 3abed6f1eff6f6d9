//! `serve`: from the data folder to a running server, and to its clean end.

use std::io;

use hobnob_shared::rendezvous::Address;
use libp2p::{Multiaddr, multiaddr::Protocol};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{
    Failure, Output, control,
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
            _ = hang_up.recv() => reload(flags, &server).await,
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

/// Reads the limits again. A file that is wrong changes nothing.
async fn reload(flags: &Flags, server: &Server) {
    match Config::load(flags) {
        Ok(config) => {
            raise_file_limit(config.limits.connections);
            server.set_rules(config.limits, config.policy).await;
            tracing::info!("limits were read again");
        }
        Err(error) => tracing::warn!(%error, "the settings are wrong; the limits stay as they were"),
    }
}

fn say_ready(server: &Server, announce: Option<&Multiaddr>, metrics: Option<String>, output: &Output) {
    let places = announce.map_or_else(|| server.addresses().to_vec(), |place| vec![place.clone()]);
    let mut places: Vec<_> = places.iter().map(|place| (rank(place), place.to_string())).collect();
    places.sort();
    let (peer, key) = (server.peer().to_bytes(), server.key());
    let addresses: Vec<String> =
        places.iter().filter_map(|(_, place)| Address::new(place, &peer, &key).ok()).map(String::from).collect();
    let first = addresses.first().cloned().unwrap_or_default();
    let text = format!("serving; give nodes this address:\n{first}");
    output.say("ready", json!({ "address": first, "addresses": addresses, "metrics": metrics }), &text);
}

/// What others reach first: names, then public addresses, then the local network's, then this machine's.
fn rank(place: &Multiaddr) -> u8 {
    place.iter().next().map_or(9, |part| {
        if let Protocol::Ip4(ip) = part {
            if ip.is_loopback() { 4 } else { u8::from(ip.is_private() || ip.is_link_local()) + 1 }
        } else if let Protocol::Ip6(ip) = part {
            if ip.is_loopback() { 5 } else { u8::from(ip.is_unicast_link_local() || ip.is_unique_local()) + 2 }
        } else {
            0
        }
    })
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
