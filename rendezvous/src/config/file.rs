//! The config file as it is written, and what is said of one that is wrong.

use std::{fmt, fs, net::SocketAddr, path::Path, path::PathBuf};

use hobnob_shared::limits::MAX_POW_BITS;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Unexpected, Visitor},
};

use super::ConfigError;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) listen: Option<Vec<String>>,
    pub(super) announce: Option<String>,
    pub(super) metrics: Option<Metrics>,
    pub(super) log: Option<String>,
    pub(super) registration: Option<Who>,
    #[serde(default)]
    pub(super) limits: FileLimits,
}

/// Who may register.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Open,
    Invite,
    Closed,
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "closed" => Ok(Self::Closed),
            other => {
                let words = "\"open\", \"invite\" (with a code of the operator's) or \"closed\"";
                Err(D::Error::invalid_value(Unexpected::Str(other), &words))
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section: [limits], and its settings below")]
pub(super) struct FileLimits {
    pub(super) pow_bits: Option<Bits>,
    pub(super) knock_bits: Option<Bits>,
    pub(super) account_mib: Option<Amount>,
    pub(super) disk_mib: Option<Amount>,
    pub(super) lookups_per_hour: Option<Amount>,
    pub(super) topics: Option<Amount>,
    pub(super) connections: Option<Amount>,
    pub(super) connections_per_source: Option<Amount>,
    pub(super) new_connections_per_source: Option<Amount>,
    pub(super) connections_per_peer: Option<Amount>,
    pub(super) burst_frames: Option<Amount>,
    pub(super) frames_per_second: Option<Amount>,
    pub(super) memory_mib: Option<Amount>,
}

/// How much of something. That it is more than nothing is looked at where its name is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount(pub(super) u32);

impl Amount {
    /// So many.
    pub(super) fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u32(Whole { least: 1, most: u32::MAX }).map(Self)
    }
}

/// Leading zero bits of work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits(pub(super) u8);

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Whole { least: 0, most: MAX_POW_BITS.into() };
        let bits = deserializer.deserialize_u32(whole)?;
        u8::try_from(bits).map(Self).map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(bits.into()), &whole))
    }
}

/// A whole number.
#[derive(Clone, Copy)]
struct Whole {
    /// As it is told; 0 passes.
    least: u32,
    most: u32,
}

impl Visitor<'_> for Whole {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.least, self.most)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<u32, E> {
        let fitting = u32::try_from(number).ok().filter(|number| *number <= self.most);
        fitting.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u32, E> {
        let fitting = u32::try_from(number).ok().filter(|number| *number <= self.most);
        fitting.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// Where metrics are served.
#[derive(Debug)]
pub(super) enum Metrics {
    At(SocketAddr),
    Off,
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Place)
    }
}

struct Place;

impl Visitor<'_> for Place {
    type Value = Metrics;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IP:PORT on loopback in quotes (\"127.0.0.1:9747\"), or false")
    }

    fn visit_bool<E: serde::de::Error>(self, serves: bool) -> Result<Metrics, E> {
        if serves { Err(E::invalid_value(Unexpected::Bool(serves), &self)) } else { Ok(Metrics::Off) }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Metrics, E> {
        text.parse().map(Metrics::At).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Reads it.
pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
    toml::from_str(&text).map_err(|error| {
        let why = match error.span().and_then(|span| text.get(..span.start)) {
            Some(before) => {
                let setting = setting(&text, before.len());
                format!("line {}: {}", before.matches('\n').count() + 1, in_words(error.message(), setting))
            }
            None => in_words(error.message(), None),
        };
        ConfigError::BadFile { path: path.to_owned(), why }
    })
}

/// The setting whose value is at this place: the last one that a line names up to there.
fn setting(text: &str, at: usize) -> Option<&str> {
    let rest = text.get(at..)?;
    let end = at + rest.find('\n').unwrap_or(rest.len());
    text.get(..end)?.lines().rev().find_map(|line| {
        let line = line.trim();
        let name = match line.strip_prefix('[') {
            Some(section) => section.strip_suffix(']')?,
            None => line.split_once('=')?.0,
        };
        let is_name = |name: &str| name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        Some(name.trim()).filter(|name| is_name(name))
    })
}

/// What serde and the parser say, as a person would.
fn in_words(message: &str, setting: Option<&str>) -> String {
    if let Some(unknown) = message.strip_prefix("unknown field ") {
        return format!("there is no setting {}", unknown.replace(", expected one of ", "; there are "));
    }
    let wrong = ["invalid type: ", "invalid value: "].into_iter().find_map(|kind| message.strip_prefix(kind));
    let Some((found, wanted)) = wrong.and_then(|wrong| wrong.split_once(", expected ")) else {
        // The parser's own words: this is no TOML.
        return message.to_owned();
    };
    let found = match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => format!("the number {}", number.trim_matches('`')),
        Some(("boolean", word)) => word.trim_matches('`').to_owned(),
        Some(_) if found.starts_with("floating point") => {
            format!("the number {}", found.trim_start_matches("floating point").trim_matches([' ', '`']))
        }
        _ if found == "sequence" => "a list".to_owned(),
        _ if found == "map" => "a section".to_owned(),
        _ => found.to_owned(),
    };
    let wanted = match wanted {
        "a string" => "a text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list, in brackets",
        wanted => wanted,
    };
    format!("{} is {found}, and must be {wanted}", setting.unwrap_or("a setting"))
}
