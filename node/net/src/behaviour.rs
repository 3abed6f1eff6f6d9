//! What this node does on every connection.

use libp2p::{
    identify, identity, memory_connection_limits, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use std::time::Duration;

use crate::{NetConfig, NetWarning, lan::Lan, limit::Door, streams::Streams};

/// What identify says of us: no version and no name, the same for everybody.
const AGENT: &str = "hobnob";

/// Identify is of use when a connection begins; repeating it is not.
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// All behaviours. The door is first: what it refuses costs the others nothing.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    door: Door,
    memory: memory_connection_limits::Behaviour,
    pub(crate) streams: Streams,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    lan: Toggle<Lan>,
}

/// Puts them together. mDNS that does not start is a warning.
pub(crate) fn build(key: &identity::Keypair, config: &NetConfig) -> (Behaviour, Option<NetWarning>) {
    let (lan, warning) = match config.mdns.then(|| Lan::new(key.public().to_peer_id())).transpose() {
        Ok(lan) => (lan, None),
        Err(error) => (None, Some(NetWarning::NoDiscovery(error.to_string()))),
    };
    let identify = identify::Config::new("hobnob/1".into(), key.public())
        .with_agent_version(AGENT.into())
        .with_hide_listen_addrs(true)
        .with_cache_size(0)
        .with_interval(IDENTIFY_INTERVAL);
    let behaviour = Behaviour {
        door: Door::new(config.limits.clone()),
        memory: memory_connection_limits::Behaviour::with_max_bytes(config.limits.memory_bytes),
        streams: Streams::new(config.times.upgrade),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(config.times.ping)),
        lan: lan.into(),
    };
    (behaviour, warning)
}
