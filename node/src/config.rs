//! Where settings come from: the command line over the environment (`HOBNOB_*`) over the file over the defaults.
//!
//! Each source is one [`Layer`]; [`Config::resolve`] lays them over each other and checks the result. No secret is ever
//! taken from any of them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use hobnob_shared::rendezvous::{Address, AddressError};
use serde::Deserialize;

use crate::logging::Level;

/// Why the settings cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("the config file {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the config file {} is wrong: {why}", path.display())]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// Where and what, in a line.
        why: String,
    },
    /// An environment variable does not hold what it should.
    #[error("{variable} is {value:?}; it takes {takes}")]
    BadVariable {
        /// Which one.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        takes: &'static str,
    },
    /// A profile name that cannot be a directory everywhere.
    #[error("{0:?} cannot be a profile: use 1 to 32 of a-z, 0-9, - and _, beginning with a letter or digit")]
    BadProfile(String),
    /// Not an address to listen on.
    #[error(
        "{0:?} is no address to listen on: use IP:PORT (0.0.0.0:0 for any port, [::]:4001) or a multiaddr (/ip4/0.0.0.0/tcp/4001)"
    )]
    BadListen(String),
    /// Not the address of a rendezvous.
    #[error("{text:?} is no address of a rendezvous: {why}")]
    BadRendezvous {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: AddressError,
    },
    /// The system names no home directory.
    #[error("there is no home directory to keep the profile in; name a directory with --data-dir")]
    NoHome,
}

/// Colours on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// When it is a terminal that has them.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl std::str::FromStr for Color {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err("auto, always or never"),
        }
    }
}

/// What one source says. `None`: nothing. The config file has exactly these keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layer {
    /// The profile's name.
    pub profile: Option<String>,
    /// The directory of the default profile; other profiles live below it.
    pub data_dir: Option<PathBuf>,
    /// Addresses to listen on.
    pub listen: Option<Vec<String>>,
    /// Addresses of rendezvous.
    pub rendezvous: Option<Vec<String>>,
    /// Whether to look for friends on the local network.
    pub mdns: Option<bool>,
    /// One event a line, words for marks.
    pub plain: Option<bool>,
    /// Colours.
    pub color: Option<Color>,
    /// Seconds to wait at the end of input for what was sent.
    pub timeout: Option<u64>,
    /// How much is logged.
    pub log_level: Option<Level>,
    /// Where to.
    pub log_file: Option<PathBuf>,
}

/// All settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The profile's name.
    pub profile: ProfileName,
    /// The profile's own directory.
    pub dir: PathBuf,
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// The rendezvous that this profile uses, beside those it knows already.
    pub rendezvous: Vec<Address>,
    /// Whether to look for friends on the local network.
    pub mdns: bool,
    /// One event a line, words for marks.
    pub plain: bool,
    /// Colours.
    pub color: Color,
    /// How long to wait at the end of input for what was sent.
    pub timeout: Duration,
    /// How much is logged.
    pub log_level: Level,
    /// Where to, if not to [`Config::log_path`]'s default.
    pub log_file: Option<PathBuf>,
}

/// How long piped input waits for delivery, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Every interface, with a port that stays the same once it was found.
const DEFAULT_LISTEN: [&str; 2] = ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"];

impl Config {
    /// Flags over the environment over the config file over the defaults.
    ///
    /// The file is `HOBNOB_CONFIG` if that is set (and must be there then), else `config.toml` where the system keeps
    /// configuration.
    pub fn load(flags: Layer, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let file = match env("HOBNOB_CONFIG").filter(|path| !path.is_empty()) {
            Some(path) => Layer::from_file(Path::new(&path), true)?,
            None => match directories() {
                Some(dirs) => Layer::from_file(&dirs.config_dir().join("config.toml"), false)?,
                None => Layer::default(),
            },
        };
        Self::resolve(flags.over(Layer::from_env(env)?).over(file))
    }

    /// Fills in the defaults and checks everything.
    pub fn resolve(layer: Layer) -> Result<Self, ConfigError> {
        let profile = match layer.profile {
            Some(name) => ProfileName::parse(name)?,
            None => ProfileName::default(),
        };
        let root = match layer.data_dir {
            Some(dir) => dir,
            None => directories().ok_or(ConfigError::NoHome)?.data_dir().to_owned(),
        };
        let listen = match layer.listen {
            Some(list) => list.iter().map(|text| parse_listen(text)).collect::<Result<_, _>>()?,
            None => DEFAULT_LISTEN.map(str::to_owned).to_vec(),
        };
        let rendezvous = layer.rendezvous.unwrap_or_default();
        Ok(Self {
            dir: profile.directory(&root),
            profile,
            listen,
            rendezvous: rendezvous.iter().map(|text| parse_rendezvous(text)).collect::<Result<_, _>>()?,
            mdns: layer.mdns.unwrap_or(true),
            plain: layer.plain.unwrap_or(false),
            color: layer.color.unwrap_or_default(),
            timeout: layer.timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
            log_level: layer.log_level.unwrap_or_default(),
            log_file: layer.log_file,
        })
    }

    /// The log file: the one asked for, else `hobnob.log` in the profile.
    pub fn log_path(&self) -> PathBuf {
        self.log_file.clone().unwrap_or_else(|| self.dir.join("hobnob.log"))
    }
}

impl Layer {
    /// What this layer says, and what `below` says where this one is silent.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            profile: self.profile.or(below.profile),
            data_dir: self.data_dir.or(below.data_dir),
            listen: self.listen.or(below.listen),
            rendezvous: self.rendezvous.or(below.rendezvous),
            mdns: self.mdns.or(below.mdns),
            plain: self.plain.or(below.plain),
            color: self.color.or(below.color),
            timeout: self.timeout.or(below.timeout),
            log_level: self.log_level.or(below.log_level),
            log_file: self.log_file.or(below.log_file),
        }
    }

    /// `HOBNOB_PROFILE`, `_DATA_DIR`, `_LISTEN` and `_RENDEZVOUS` (with commas), `_MDNS`, `_PLAIN`, `_COLOR`, `_TIMEOUT`,
    /// `_LOG_LEVEL`, `_LOG_FILE`; and what everybody honours: `NO_COLOR` and `TERM=dumb`. An empty variable says nothing.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let said = |name: &'static str| env(name).filter(|value| !value.is_empty());
        let list = |text: String| text.split(',').map(|item| item.trim().to_owned()).collect();
        let dumb = said("TERM").is_some_and(|term| term == "dumb");
        let no_color = dumb || said("NO_COLOR").is_some();
        Ok(Self {
            profile: said("HOBNOB_PROFILE"),
            data_dir: said("HOBNOB_DATA_DIR").map(PathBuf::from),
            listen: said("HOBNOB_LISTEN").map(list),
            rendezvous: said("HOBNOB_RENDEZVOUS").map(list),
            mdns: parsed(&said, "HOBNOB_MDNS", "true or false", truth)?,
            plain: parsed(&said, "HOBNOB_PLAIN", "true or false", truth)?.or(dumb.then_some(true)),
            color: parsed(&said, "HOBNOB_COLOR", "auto, always or never", |text| text.parse().ok())?
                .or(no_color.then_some(Color::Never)),
            timeout: parsed(&said, "HOBNOB_TIMEOUT", "a number of seconds", |text| text.parse().ok())?,
            log_level: parsed(&said, "HOBNOB_LOG_LEVEL", Level::NAMES, |text| text.parse().ok())?,
            log_file: said("HOBNOB_LOG_FILE").map(PathBuf::from),
        })
    }

    /// The config file. One that is not there says nothing, unless it `must_exist`.
    pub fn from_file(path: &Path, must_exist: bool) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        };
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1);
            ConfigError::BadFile { path: path.to_owned(), why: format!("line {line}: {}", error.message()) }
        })
    }
}

/// A profile's name: 1 to 32 of `a-z`, `0-9`, `-` and `_`, so that it is one directory on every system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

impl ProfileName {
    /// Checks the characters.
    pub fn parse(name: impl Into<String>) -> Result<Self, ConfigError> {
        let name = name.into();
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if name.is_empty() || name.len() > 32 || !name.chars().all(good) || name.starts_with(['-', '_']) {
            return Err(ConfigError::BadProfile(name));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The default profile lives in `root` itself, every other one in `root/profiles/NAME`.
    fn directory(&self, root: &Path) -> PathBuf {
        if *self == Self::default() { root.to_owned() } else { root.join("profiles").join(&self.0) }
    }
}

impl Default for ProfileName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// `IP:PORT` becomes a multiaddr; a multiaddr stays (the network checks it).
pub fn parse_listen(text: &str) -> Result<String, ConfigError> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    match text.parse() {
        Ok(SocketAddr::V4(address)) => Ok(format!("/ip4/{}/tcp/{}", address.ip(), address.port())),
        Ok(SocketAddr::V6(address)) => Ok(format!("/ip6/{}/tcp/{}", address.ip(), address.port())),
        Err(_) => Err(ConfigError::BadListen(text.to_owned())),
    }
}

/// `MULTIADDR/p2p/PEERID#KEY`, as the operator of a rendezvous gives it out.
pub fn parse_rendezvous(text: &str) -> Result<Address, ConfigError> {
    Address::parse(text).map_err(|why| ConfigError::BadRendezvous { text: text.to_owned(), why })
}

fn directories() -> Option<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "hobnob")
}

fn parsed<T>(
    said: &dyn Fn(&'static str) -> Option<String>,
    variable: &'static str,
    takes: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = said(variable) else { return Ok(None) };
    parse(&value).map(Some).ok_or(ConfigError::BadVariable { variable, value, takes })
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn at(dir: &Path) -> Layer {
        Layer { data_dir: Some(dir.to_owned()), ..Layer::default() }
    }

    #[test]
    fn flags_beat_the_environment_and_that_beats_the_file() {
        let flags = Layer { timeout: Some(1), ..Layer::default() };
        let variables = env(&[("HOBNOB_TIMEOUT", "2"), ("HOBNOB_MDNS", "off")]);
        let file = Layer { timeout: Some(3), mdns: Some(true), plain: Some(true), ..at(Path::new("/x")) };
        let config = Config::resolve(flags.over(Layer::from_env(&variables).unwrap()).over(file)).unwrap();
        assert_eq!((config.timeout.as_secs(), config.mdns, config.plain), (1, false, true));
    }

    #[test]
    fn the_file_is_toml_and_says_where_it_is_wrong() {
        let dir = tempdir();
        let path = dir.join("config.toml");
        std::fs::write(&path, "listen = [\"127.0.0.1:0\"]\ncolor = \"never\"\nlog-level = \"debug\"\n").unwrap();
        let layer = Layer::from_file(&path, true).unwrap();
        assert_eq!((layer.color, layer.log_level), (Some(Color::Never), Some(Level::Debug)));
        std::fs::write(&path, "color = \"never\"\ncolour = 1\n").unwrap();
        let error = Layer::from_file(&path, true).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("colour"), "{error}");
        assert_eq!(Layer::from_file(&dir.join("none.toml"), false).unwrap(), Layer::default());
        assert!(matches!(Layer::from_file(&dir.join("none.toml"), true), Err(ConfigError::Unreadable { .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_wrong_variable_is_named_with_what_it_takes() {
        let error = Layer::from_env(&env(&[("HOBNOB_PLAIN", "maybe")])).unwrap_err().to_string();
        assert_eq!(error, "HOBNOB_PLAIN is \"maybe\"; it takes true or false");
    }

    #[test]
    fn no_color_and_dumb_terminals_are_honoured_unless_told_otherwise() {
        let layer = Layer::from_env(&env(&[("TERM", "dumb")])).unwrap();
        assert_eq!((layer.plain, layer.color), (Some(true), Some(Color::Never)));
        assert_eq!(Layer::from_env(&env(&[("NO_COLOR", "1")])).unwrap().color, Some(Color::Never));
        let told = Layer::from_env(&env(&[("NO_COLOR", "1"), ("HOBNOB_COLOR", "always")])).unwrap();
        assert_eq!(told.color, Some(Color::Always));
        assert_eq!(Layer::from_env(&env(&[("NO_COLOR", "")])).unwrap().color, None);
    }

    #[test]
    fn the_default_profile_is_the_directory_and_others_live_below_it() {
        let config = Config::resolve(at(Path::new("/x"))).unwrap();
        assert_eq!(config.dir, Path::new("/x"));
        let config = Config::resolve(Layer { profile: Some("work".into()), ..at(Path::new("/x")) }).unwrap();
        assert_eq!(config.dir, Path::new("/x/profiles/work"));
    }

    #[test]
    fn profile_names_that_leave_their_directory_are_refused() {
        for bad in ["", "..", "a/b", "A", "-x", "_x", "a b", "ä", &"x".repeat(33)] {
            assert!(ProfileName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ProfileName::parse("x".repeat(32)).is_ok());
    }

    #[test]
    fn listen_addresses_are_ip_and_port_or_multiaddrs() {
        assert_eq!(parse_listen("127.0.0.1:0").unwrap(), "/ip4/127.0.0.1/tcp/0");
        assert_eq!(parse_listen("[::]:4001").unwrap(), "/ip6/::/tcp/4001");
        assert_eq!(parse_listen("/ip4/1.2.3.4/tcp/9").unwrap(), "/ip4/1.2.3.4/tcp/9");
        for bad in ["", "4001", "localhost:1", "1.2.3.4", "1.2.3.4:99999"] {
            assert!(parse_listen(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_rendezvous_is_one_whole_address() {
        let peer = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        let key = "bebqifctkz3bm6tj4xfsrn3xqh2w4mzdaifnd6u35yk3emsljcia";
        let whole = format!("/dns4/r.example/tcp/4100/p2p/{peer}#{key}");
        let pairs = [("HOBNOB_RENDEZVOUS", whole.as_str())];
        let layer = Layer::from_env(&env(&pairs)).unwrap().over(at(Path::new("/x")));
        assert_eq!(Config::resolve(layer).unwrap().rendezvous, [Address::parse(&whole).unwrap()]);
        let cut = format!("/dns4/r.example/tcp/4100/p2p/{peer}");
        let layer = Layer { rendezvous: Some(vec![cut]), ..at(Path::new("/x")) };
        let told = Config::resolve(layer).unwrap_err().to_string();
        assert!(told.contains("no address of a rendezvous") && told.contains("it ends in # and 52"), "{told}");
    }

    #[test]
    fn the_book_names_every_key_and_every_variable() {
        let page = include_str!("../../docs/configuration.md");
        let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let layer: Layer = toml::from_str(example).unwrap();
        let said = format!("{layer:?}");
        assert!(!said.contains("None"), "a key is missing: {said}");
        assert_eq!(Config::resolve(layer).unwrap().listen, Config::resolve(at(Path::new("/x"))).unwrap().listen);
        let asked = std::cell::RefCell::new(Vec::new());
        let _ = Layer::from_env(&|name| {
            asked.borrow_mut().push(format!("`{name}`"));
            None
        });
        for variable in asked.into_inner() {
            assert!(page.contains(&variable), "{variable} is missing");
        }
    }

    fn tempdir() -> PathBuf {
        let dir = std::env::temp_dir().join(format!("hobnob-config-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }
}
