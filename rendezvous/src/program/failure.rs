//! What ends the program before its time, and with which exit code.

use super::folder::FolderError;
use crate::{
    config::ConfigError,
    keys::KeysError,
    registry::view::Fault,
    server::StartError,
    store::{BackupError, LockError, OpenError},
};

/// Why the program ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server that runs said no.
    #[error("{0}")]
    Refused(String),
    /// The server that runs says nothing.
    #[error(
        "the server that runs in {} does not answer: it may have been stopped (kill -CONT lets it go on), or its disk hangs; \
         ask again when it is well",
        .0.display()
    )]
    Silent(std::path::PathBuf),
    /// Metrics cannot be served.
    #[error("cannot serve metrics at {0}; choose another place with --metrics, or metrics = false in the config file")]
    Metrics(std::net::SocketAddr, #[source] std::io::Error),
    /// The operator's commands could not reach the server.
    #[error("cannot make the socket control.sock in {}; name another data folder with --data-dir", .0.display())]
    Control(std::path::PathBuf, #[source] std::io::Error),
    /// The thread that serves has ended by itself.
    #[error(
        "the server has a fault and serves no more; what it acknowledged is stored: start it again, and report this"
    )]
    Ended,
    /// The operating system said no.
    #[error("{0}")]
    Io(&'static str, #[source] std::io::Error),
}

impl Failure {
    /// As the help lists them.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Backup(_)
            | Self::Config(_)
            | Self::Control(..)
            | Self::Folder(_)
            | Self::Keys(_)
            | Self::Refused(_)
            | Self::Store(_)
            | Self::Fault(_) => 1,
            Self::Io(..) | Self::Ended => 2,
            Self::Start(_) | Self::Metrics(..) => 3,
            Self::Lock(LockError::InUse(_)) | Self::Silent(_) => 8,
            Self::Lock(LockError::NoFolder(..) | LockError::Io(..)) => 1,
        }
    }

    /// Its name for programs.
    pub(super) fn code(&self) -> &'static str {
        match self.exit_code() {
            1 => "usage",
            3 => "network",
            8 => "in_use",
            _ => "internal",
        }
    }

    /// All of it, in one line.
    pub(super) fn text(&self) -> String {
        whole(self)
    }
}

/// An error with what led to it, in one line.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
