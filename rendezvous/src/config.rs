//! Settings: the command line over the file over the defaults. Limits come from the file only, and are read again on
//! SIGHUP.

mod file;

use std::{net::SocketAddr, path::PathBuf};

use hobnob_shared::wire::rendezvous::Registration;
use libp2p::{Multiaddr, multiaddr::Protocol};

use self::file::{Amount, File, FileLimits, Metrics, Who};
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
    /// A value that makes no sense.
    #[error("{0} cannot be that: {1}")]
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

impl Config {
    /// Reads the file, if there is one, and lays the flags over it.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => file::read(path)?,
            None => File::default(),
        };
        let listen = if flags.listen.is_empty() {
            file.listen.unwrap_or_else(|| LISTEN.map(str::to_owned).to_vec())
        } else {
            flags.listen.clone()
        };
        let metrics = match (flags.metrics, file.metrics) {
            (Some(address), _) | (None, Some(Metrics::At(address))) => Some(address),
            (None, Some(Metrics::Off)) => None,
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

impl Config {
    /// Which settings that count from the start on only are others there.
    pub fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        let settings = [
            ("data_dir", self.data_dir != other.data_dir),
            ("listen", self.listen != other.listen),
            ("announce", self.announce != other.announce),
            ("metrics", self.metrics != other.metrics),
            ("log", self.log != other.log),
        ];
        settings.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
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
        ("account_mib", file.account_mib == Some(Amount(0))),
        ("disk_mib", file.disk_mib == Some(Amount(0))),
        ("lookups_per_hour", file.lookups_per_hour == Some(Amount(0))),
        ("topics", file.topics == Some(Amount(0))),
        ("connections", file.connections == Some(Amount(0))),
        ("connections_per_source", file.connections_per_source == Some(Amount(0))),
        ("new_connections_per_source", file.new_connections_per_source == Some(Amount(0))),
        ("connections_per_peer", file.connections_per_peer == Some(Amount(0))),
        ("burst_frames", file.burst_frames == Some(Amount(0))),
        ("frames_per_second", file.frames_per_second == Some(Amount(0))),
        ("memory_mib", file.memory_mib == Some(Amount(0))),
    ];
    zeros.into_iter().find(|(_, is_zero)| *is_zero).map_or(Ok(()), |(name, _)| Err(ConfigError::Zero(name)))
}

fn limits(file: &FileLimits) -> Result<Limits, ConfigError> {
    refuse_zeros(file)?;
    let default = Limits::default();
    let connections_per_source = file.connections_per_source.map_or(default.connections_per_source, Amount::count);
    Ok(Limits {
        connections: file.connections.map_or(default.connections, Amount::count),
        connections_per_source,
        // A quarter of them at once, as by default.
        pending_connections_per_source: (connections_per_source / 4).max(1),
        new_connections_per_source: file
            .new_connections_per_source
            .map_or(default.new_connections_per_source, Amount::count),
        connections_per_peer: file.connections_per_peer.map_or(default.connections_per_peer, Amount::count),
        burst_frames: file.burst_frames.map_or(default.burst_frames, |amount| amount.0),
        frames_per_second: file.frames_per_second.map_or(default.frames_per_second, |amount| amount.0),
        memory_bytes: file.memory_mib.map_or(default.memory_bytes, |mib| mib.count().saturating_mul(1024 * 1024)),
        ..default
    })
}

fn policy(who: Option<Who>, file: &FileLimits) -> Result<Policy, ConfigError> {
    let default = Policy::default();
    let default_bits = if let Registration::Open { pow_bits } = default.registration { pow_bits } else { 0 };
    let pow_bits = file.pow_bits.map_or(default_bits, |bits| bits.0);
    let knock_bits = file.knock_bits.map_or(default.knock_bits, |bits| bits.0);
    let mib = |mib: Amount| u64::from(mib.0) * 1024 * 1024;
    Ok(Policy {
        registration: match who.unwrap_or(Who::Open) {
            Who::Open => Registration::Open { pow_bits },
            Who::Invite => Registration::Invite,
            Who::Closed => Registration::Closed,
        },
        knock_bits,
        account_bytes: file.account_mib.map_or(default.account_bytes, mib),
        disk_bytes: file.disk_mib.map_or(default.disk_bytes, mib),
        lookups_per_hour: file.lookups_per_hour.map_or(default.lookups_per_hour, |amount| amount.0),
        topics: file.topics.map_or(default.topics, Amount::count),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

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
            // All that there are stand in it.
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
    fn a_wrong_value_is_named_with_its_setting_and_what_it_may_be() {
        let wrong = [
            ("limits = 3", "line 1: limits is the number 3, and must be a section: [limits], and its settings below"),
            (
                "\n[limits]\ndisk_mib = \"x\"",
                "line 3: disk_mib is the text \"x\", and must be a whole number from 1 to 4294967295",
            ),
            (
                "[limits]\ntopics = 99999999999",
                "line 2: topics is the number 99999999999, and must be a whole number from 1",
            ),
            ("[limits]\nburst_frames = -3", "line 2: burst_frames is the number -3, and must be a whole number"),
            ("[limits]\nmemory_mib = 1.5", "line 2: memory_mib is the number 1.5, and must be a whole number"),
            ("[limits]\npow_bits = 27", "line 2: pow_bits is the number 27, and must be a whole number from 0 to 26"),
            (
                "registration = \"maybe\"",
                "line 1: registration is the text \"maybe\", and must be \"open\", \"invite\" (",
            ),
            ("metrics = true", "line 1: metrics is true, and must be IP:PORT on loopback"),
            ("metrics = \"here\"", "line 1: metrics is the text \"here\", and must be IP:PORT on loopback"),
            ("listen = \"0.0.0.0:1\"", "line 1: listen is the text \"0.0.0.0:1\", and must be a list, in brackets"),
            ("log = 3", "line 1: log is the number 3, and must be a text in quotes"),
            ("listen = [\n  # all\n  3,\n]", "line 3: listen is the number 3, and must be a text in quotes"),
        ];
        for (text, words) in wrong {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = load("[limits]\ndisc_mib = 5").unwrap_err().to_string();
        assert!(error.contains("line 2: there is no setting `disc_mib`; there are `pow_bits`"), "{error}");
    }

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let before = load("").unwrap();
        let after = load("listen = [\"127.0.0.1:1\"]\nlog = \"debug\"\nregistration = \"closed\"").unwrap();
        assert_eq!(after.differs_from(&before), ["listen", "log"]);
        assert_eq!(before.differs_from(&before), [""; 0]);
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
