//! Settings: the command line over the file over the defaults. Limits come from the file only, and are read again on
//! SIGHUP.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use hobnob_shared::{limits::MAX_POW_BITS, wire::rendezvous::Registration};
use libp2p::{Multiaddr, multiaddr::Protocol};
use serde::Deserialize;

use crate::{registry::Policy, server::Limits};

/// Where it listens unless told otherwise.
const LISTEN: [&str; 2] = ["0.0.0.0:4747", "[::]:4747"];

/// Where metrics are read unless told otherwise.
const METRICS: &str = "127.0.0.1:9747";

/// Why the settings cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the config file {} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is not what it should be.
    #[error("the config file {} is wrong: {why}", path.display())]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        why: String,
    },
    /// Not an address to listen at.
    #[error("{0:?} is no address to listen at: use IP:PORT (0.0.0.0:4747) or a multiaddr (/ip4/0.0.0.0/tcp/4747)")]
    BadListen(String),
    /// Not an address that nodes can be given.
    #[error("announce = {0:?} is no address: use /dns4/NAME/tcp/PORT or /ip4/ADDRESS/tcp/PORT")]
    BadAnnounce(String),
    /// Metrics are for this machine.
    #[error("metrics are served on loopback only, and {0} is not: use 127.0.0.1:PORT")]
    OpenMetrics(SocketAddr),
    /// A number that makes no sense.
    #[error("{0} is out of range: {1}")]
    Range(&'static str, &'static str),
    /// A limit under which nothing would work.
    #[error(
        "{0} = 0 in [limits] would leave nothing of what it bounds; give 1 at least, or take the line out for the default"
    )]
    Zero(&'static str),
    /// The system names no home directory.
    #[error("there is no home directory to keep the data in; name a folder with --data-dir")]
    NoHome,
}

/// Flags of the command line that are settings.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--listen`
    pub listen: Vec<String>,
    /// `--metrics`
    pub metrics: Option<SocketAddr>,
    /// `--config`
    pub config: Option<PathBuf>,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: Vec<Multiaddr>,
    /// What nodes are given in place of the address that it listens at.
    pub announce: Option<Multiaddr>,
    /// Where metrics are read; none: nowhere.
    pub metrics: Option<SocketAddr>,
    /// How much is logged.
    pub log: tracing::Level,
    /// Bounds of the network side.
    pub limits: Limits,
    /// What the operator decides.
    pub policy: Policy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<Vec<String>>,
    announce: Option<String>,
    metrics: Option<Metrics>,
    log: Option<String>,
    registration: Option<Who>,
    #[serde(default)]
    limits: FileLimits,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Metrics {
    At(SocketAddr),
    #[serde(deserialize_with = "only_false")]
    Off(()),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Who {
    Open,
    Invite,
    Closed,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    pow_bits: Option<u8>,
    knock_bits: Option<u8>,
    account_mib: Option<u32>,
    disk_mib: Option<u32>,
    lookups_per_hour: Option<u32>,
    topics: Option<usize>,
    connections: Option<usize>,
    connections_per_source: Option<usize>,
    new_connections_per_source: Option<usize>,
    connections_per_peer: Option<usize>,
    burst_frames: Option<u32>,
    frames_per_second: Option<u32>,
    memory_mib: Option<usize>,
}

impl Config {
    /// Reads the file, if there is one, and lays the flags over it.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let listen = if flags.listen.is_empty() {
            file.listen.unwrap_or_else(|| LISTEN.map(str::to_owned).to_vec())
        } else {
            flags.listen.clone()
        };
        let metrics = match (flags.metrics, file.metrics) {
            (Some(address), _) | (None, Some(Metrics::At(address))) => Some(address),
            (None, Some(Metrics::Off(()))) => None,
            (None, None) => METRICS.parse().ok(),
        };
        if let Some(address) = metrics.filter(|address| !address.ip().is_loopback()) {
            return Err(ConfigError::OpenMetrics(address));
        }
        let data_dir = flags.data_dir.clone().or(file.data_dir).or_else(home).ok_or(ConfigError::NoHome)?;
        Ok(Self {
            data_dir,
            listen: listen.iter().map(|text| parse_listen(text)).collect::<Result<_, _>>()?,
            announce: file.announce.map(|text| parse_announce(&text)).transpose()?,
            metrics,
            log: parse_log(file.log.as_deref())?,
            limits: limits(&file.limits)?,
            policy: policy(file.registration, &file.limits)?,
        })
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        ConfigError::BadFile { path: path.to_owned(), why: format!("{place}{}", error.message()) }
    })
}

/// Beside the data of other programs of this person.
fn home() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "hobnob-rendezvous").map(|dirs| dirs.data_local_dir().to_owned())
}

fn parse_listen(text: &str) -> Result<Multiaddr, ConfigError> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Multiaddr::empty().with(address.ip().into()).with(Protocol::Tcp(address.port())));
    }
    let bad = || ConfigError::BadListen(text.to_owned());
    let address: Multiaddr = text.parse().map_err(|_| bad())?;
    let mut parts = address.iter();
    let is_ip = matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
    let is_tcp = matches!(parts.next(), Some(Protocol::Tcp(_)));
    if is_ip && is_tcp && parts.next().is_none() { Ok(address) } else { Err(bad()) }
}

fn parse_announce(text: &str) -> Result<Multiaddr, ConfigError> {
    let bad = || ConfigError::BadAnnounce(text.to_owned());
    let address: Multiaddr = text.parse().map_err(|_| bad())?;
    let is_tcp = matches!(address.iter().nth(1), Some(Protocol::Tcp(1..)));
    if is_tcp && address.iter().count() == 2 { Ok(address) } else { Err(bad()) }
}

fn parse_log(text: Option<&str>) -> Result<tracing::Level, ConfigError> {
    match text {
        None | Some("info") => Ok(tracing::Level::INFO),
        Some("error") => Ok(tracing::Level::ERROR),
        Some("warn") => Ok(tracing::Level::WARN),
        Some("debug") => Ok(tracing::Level::DEBUG),
        Some("trace") => Ok(tracing::Level::TRACE),
        Some(_) => Err(ConfigError::Range("log", "it is error, warn, info, debug or trace")),
    }
}

/// Nothing may be bounded to nothing; work alone may be none.
fn refuse_zeros(file: &FileLimits) -> Result<(), ConfigError> {
    let zeros = [
        ("account_mib", file.account_mib == Some(0)),
        ("disk_mib", file.disk_mib == Some(0)),
        ("lookups_per_hour", file.lookups_per_hour == Some(0)),
        ("topics", file.topics == Some(0)),
        ("connections", file.connections == Some(0)),
        ("connections_per_source", file.connections_per_source == Some(0)),
        ("new_connections_per_source", file.new_connections_per_source == Some(0)),
        ("connections_per_peer", file.connections_per_peer == Some(0)),
        ("burst_frames", file.burst_frames == Some(0)),
        ("frames_per_second", file.frames_per_second == Some(0)),
        ("memory_mib", file.memory_mib == Some(0)),
    ];
    zeros.into_iter().find(|(_, is_zero)| *is_zero).map_or(Ok(()), |(name, _)| Err(ConfigError::Zero(name)))
}

fn limits(file: &FileLimits) -> Result<Limits, ConfigError> {
    refuse_zeros(file)?;
    let default = Limits::default();
    let connections_per_source = file.connections_per_source.unwrap_or(default.connections_per_source);
    Ok(Limits {
        connections: file.connections.unwrap_or(default.connections),
        connections_per_source,
        // A quarter of them at once, as by default.
        pending_connections_per_source: (connections_per_source / 4).max(1),
        new_connections_per_source: file.new_connections_per_source.unwrap_or(default.new_connections_per_source),
        connections_per_peer: file.connections_per_peer.unwrap_or(default.connections_per_peer),
        burst_frames: file.burst_frames.unwrap_or(default.burst_frames),
        frames_per_second: file.frames_per_second.unwrap_or(default.frames_per_second),
        memory_bytes: file.memory_mib.map_or(default.memory_bytes, |mib| mib.saturating_mul(1024 * 1024)),
        ..default
    })
}

fn policy(who: Option<Who>, file: &FileLimits) -> Result<Policy, ConfigError> {
    let default = Policy::default();
    let default_bits = if let Registration::Open { pow_bits } = default.registration { pow_bits } else { 0 };
    let pow_bits = file.pow_bits.unwrap_or(default_bits);
    let knock_bits = file.knock_bits.unwrap_or(default.knock_bits);
    if pow_bits > MAX_POW_BITS || knock_bits > MAX_POW_BITS {
        return Err(ConfigError::Range("pow_bits or knock_bits", "nodes work for 26 leading zero bits at most"));
    }
    let mib = |mib: u32| u64::from(mib) * 1024 * 1024;
    Ok(Policy {
        registration: match who.unwrap_or(Who::Open) {
            Who::Open => Registration::Open { pow_bits },
            Who::Invite => Registration::Invite,
            Who::Closed => Registration::Closed,
        },
        knock_bits,
        account_bytes: file.account_mib.map_or(default.account_bytes, mib),
        disk_bytes: file.disk_mib.map_or(default.disk_bytes, mib),
        lookups_per_hour: file.lookups_per_hour.unwrap_or(default.lookups_per_hour),
        topics: file.topics.unwrap_or(default.topics),
    })
}

fn only_false<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match bool::deserialize(deserializer)? {
        false => Ok(()),
        true => Err(serde::de::Error::custom("metrics is an address, or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, text).unwrap();
        let flags = Flags { config: Some(path), data_dir: Some("data".into()), ..Flags::default() };
        Config::load(&flags)
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        let config = load("").unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.policy, Policy::default());
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.metrics, Some("127.0.0.1:9747".parse().unwrap()));
    }

    #[test]
    fn what_the_file_says_counts_and_flags_count_more() {
        let text = "registration = \"invite\"\nmetrics = false\nlisten = [\"127.0.0.1:1\"]\n[limits]\ndisk_mib = 5\n";
        let config = load(text).unwrap();
        assert_eq!(config.policy.registration, Registration::Invite);
        assert_eq!(config.policy.disk_bytes, 5 * 1024 * 1024);
        assert_eq!((config.metrics, config.listen[0].to_string().as_str()), (None, "/ip4/127.0.0.1/tcp/1"));
        let flags = Flags { listen: vec!["/ip6/::1/tcp/7".into()], data_dir: Some("d".into()), ..Flags::default() };
        assert_eq!(Config::load(&flags).unwrap().listen[0].to_string(), "/ip6/::1/tcp/7");
    }

    #[test]
    fn the_packaged_file_holds_every_setting_with_its_default() {
        const PACKAGED: &str = include_str!("../packaging/config.toml");
        let (packaged, default) = (load(PACKAGED).unwrap(), load("").unwrap());
        assert_eq!((packaged.limits, packaged.policy), (default.limits, default.policy));
        assert_eq!((packaged.listen, packaged.metrics, packaged.log), (default.listen, default.metrics, default.log));
        for text in ["none = 1", "[limits]\nnone = 1"] {
            // serde names all that there are.
            let error = load(text).unwrap_err().to_string();
            let names: Vec<_> = error.split('`').skip(3).step_by(2).collect();
            assert!(names.len() >= 7, "{error}");
            for name in names {
                assert!(PACKAGED.contains(&format!("{name} = ")) || PACKAGED.contains(&format!("[{name}]")), "{name}");
            }
        }
    }

    #[test]
    fn a_limit_of_nothing_is_named_and_refused() {
        let error = load("[limits]\nnone = 1").unwrap_err().to_string();
        let names: Vec<_> = error.split('`').skip(3).step_by(2).collect();
        assert!(names.len() > 10, "{error}");
        for name in names {
            let loaded = load(&format!("[limits]\n{name} = 0")).map_err(|error| error.to_string());
            match loaded {
                Ok(_) => assert!(["pow_bits", "knock_bits"].contains(&name), "{name}"),
                Err(error) => assert!(error.contains(&format!("{name} = 0")), "{error}"),
            }
            load(&format!("[limits]\n{name} = 1")).unwrap();
        }
    }

    #[test]
    fn a_wrong_word_is_named_with_its_line() {
        let error = load("\n[limits]\ndisc_mib = 5\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("disc_mib"), "{error}");
        for text in ["metrics = \"0.0.0.0:1\"", "listen = [\"here\"]", "announce = \"here\"", "[limits]\npow_bits = 27"]
        {
            assert!(load(text).is_err(), "{text}");
        }
    }
}
