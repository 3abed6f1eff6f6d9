//! The log: for us, not for people. It goes to a file and never to the terminal, which belongs to the front end.
//!
//! Only our own crates are heard: libp2p names peers and addresses freely. Ours log no text, no name, no key and no
//! address at any level (a test runs a talk at TRACE and greps).

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Mutex,
};

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

/// A log this large is set aside as `….1` at the next start, so at most twice as much is kept.
const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing; no file is made.
    Off,
    /// We must stop.
    Error,
    /// Odd; look.
    #[default]
    Warn,
    /// State that a person would notice.
    Info,
    /// Decisions.
    Debug,
    /// Every frame.
    Trace,
}

impl Level {
    /// What an option for it takes.
    pub const NAMES: &'static str = "off, error, warn, info, debug or trace";

    /// So many `-v` more than this.
    #[must_use]
    pub fn raised(self, by: u8) -> Self {
        (0..by).fold(self, |level, _| match level {
            Self::Off => Self::Error,
            Self::Error => Self::Warn,
            Self::Warn => Self::Info,
            Self::Info => Self::Debug,
            Self::Debug | Self::Trace => Self::Trace,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];
        all.into_iter().find(|level| level.name() == text).ok_or(Self::NAMES)
    }
}

/// Starts logging to `path` (0600, appended to). A second call in one process changes nothing.
///
/// The file is opened first, so a path that cannot be written is told to the person at once.
pub fn start(path: &Path, level: Level) -> io::Result<()> {
    if level == Level::Off {
        return Ok(());
    }
    let file = open(path)?;
    let name = level.name();
    let filter = EnvFilter::new(format!(
        "off,hobnob={name},hobnob_engine={name},hobnob_store={name},hobnob_net={name},hobnob_shared={name}"
    ));
    let _already_started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE)
        .log_internal_errors(false)
        .try_init();
    Ok(())
}

/// From now on a panic is logged by its place only: its message may quote what somebody wrote, and the terminal belongs
/// to the front end, which tells the person that the node stopped.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let (file, line) = panic.location().map_or(("", 0), |place| (place.file(), place.line()));
        let thread = std::thread::current();
        tracing::error!(file, line, thread = thread.name().unwrap_or(""), "panic");
    }));
}

fn open(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > MAX_LOG_BYTES) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        std::fs::rename(path, aside)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn levels_have_names_and_each_v_raises_by_one() {
        for level in [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            assert_eq!(level.name().parse(), Ok(level));
        }
        assert_eq!(Level::Warn.raised(0), Level::Warn);
        assert_eq!(Level::Warn.raised(2), Level::Debug);
        assert_eq!(Level::Warn.raised(9), Level::Trace);
        assert_eq!("loud".parse::<Level>(), Err(Level::NAMES));
    }

    #[test]
    fn a_large_log_is_set_aside_and_the_file_is_ours_alone() {
        let path = std::env::temp_dir().join(format!("hobnob-log-{}", std::process::id()));
        let aside = path.with_extension("1");
        File::create(&path).unwrap().set_len(MAX_LOG_BYTES + 1).unwrap();
        let file = open(&path).unwrap();
        let meta = file.metadata().unwrap();
        assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (0, 0o600));
        assert!(aside.exists());
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(aside).unwrap();
    }
}
