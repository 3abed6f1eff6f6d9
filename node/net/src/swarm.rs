//! Starts a net: key, transport, behaviours, listeners.

use std::{io, net::SocketAddr, sync::Arc};

use libp2p::{Swarm, identity, swarm};
use tokio::{net::TcpListener, sync::mpsc};
use zeroize::Zeroizing;

use crate::{
    Net, NetConfig, NetError, NetEvents, NetWarning, address, behaviour,
    behaviour::Behaviour,
    handle::{COMMAND_QUEUE, EVENT_QUEUE},
    link::Links,
    task::Task,
    transport,
};

/// Streams of one connection that are being negotiated; more wait.
const NEGOTIATING_STREAMS: usize = 8;

/// Starts a net on the current tokio runtime.
///
/// Soon after comes [`NetEvent::Listening`](crate::NetEvent::Listening), before anything is discovered; somebody may call
/// even before. Without any network this still succeeds, on loopback, with a warning.
pub async fn start(config: NetConfig) -> Result<(Net, NetEvents), NetError> {
    let (addresses, mut warnings) = usable(&config.listen).await?;
    let key = keypair(&config.transport_key)?;
    let local = key.public().to_peer_id();
    let (transport, warning) = transport::build(&key, &config.times)?;
    warnings.extend(warning);
    let (behaviour, warning) = behaviour::build(&key, &config);
    warnings.extend(warning);
    let swarm_config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(config.times.idle)
        .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS);
    let mut swarm = Swarm::new(transport, behaviour, local, swarm_config);
    for address in &addresses {
        warnings.extend(listen(&mut swarm, *address));
    }
    let (event_sender, event_receiver) = mpsc::channel(EVENT_QUEUE);
    let (command_sender, command_receiver) = mpsc::channel(COMMAND_QUEUE);
    let links = Arc::new(Links::default());
    let task = Task::new(swarm, config, &addresses, links.clone(), event_sender, warnings);
    tokio::spawn(task.run(command_receiver));
    let net = Net::new(command_sender, links, local.to_bytes().into());
    Ok((net, NetEvents::new(event_receiver)))
}

/// The transport id that belongs to a seed, as in bundles and events.
pub fn transport_id(seed: &[u8; 32]) -> Vec<u8> {
    keypair(seed).map(|key| key.public().to_peer_id().to_bytes()).unwrap_or_default()
}

fn keypair(seed: &[u8; 32]) -> Result<identity::Keypair, NetError> {
    let mut seed = Zeroizing::new(*seed);
    identity::Keypair::ed25519_from_bytes(seed.as_mut_slice()).map_err(|error| NetError::Setup(error.to_string()))
}

/// The listen addresses that can be used, with a warning for each other one; an error when there is none.
async fn usable(texts: &[String]) -> Result<(Vec<SocketAddr>, Vec<NetWarning>), NetError> {
    let (mut addresses, mut failures): (Vec<SocketAddr>, Vec<(String, String)>) = Default::default();
    for text in texts {
        let reason = "it is neither IP:PORT nor /ip4/…/tcp/… nor /ip6/…/tcp/…";
        let bad = || NetError::BadAddress { addr: text.clone(), reason: reason.into() };
        let address = address::parse_listen(text).ok_or_else(bad)?;
        // libp2p shares ports between processes of one user without a word, so look first.
        match TcpListener::bind(address).await {
            Ok(_) => addresses.push(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(NetError::PortInUse { addr: text.clone() });
            }
            Err(error) => failures.push((text.clone(), error.to_string())),
        }
    }
    match failures.first() {
        Some((addr, reason)) if addresses.is_empty() => {
            Err(NetError::BadAddress { addr: addr.clone(), reason: reason.clone() })
        }
        _ => {
            let warning = |(address, reason)| NetWarning::NotListening { address, reason };
            Ok((addresses, failures.into_iter().map(warning).collect()))
        }
    }
}

/// Listens; where every interface was asked for and the interfaces cannot be watched, on loopback.
fn listen(swarm: &mut Swarm<Behaviour>, address: SocketAddr) -> Option<NetWarning> {
    let error = swarm.listen_on(address::tcp_address(address)).err()?;
    let mut loopback = address;
    loopback.set_ip(match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    });
    if address.ip().is_unspecified() && swarm.listen_on(address::tcp_address(loopback)).is_ok() {
        // That loopback is all there is will be told with the addresses.
        return None;
    }
    Some(NetWarning::NotListening { address: address.to_string(), reason: error.to_string() })
}
