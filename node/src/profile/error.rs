//! What can be wrong with a profile, in words for the person.

use std::{
    io,
    path::{Path, PathBuf},
};

use hobnob_engine::command::Code;
use hobnob_shared::identity::{WordsError, keystore::KeystoreError};
use hobnob_store::{CommitError, LockError, OpenError};

/// Why a profile was not made, opened or changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is none.
    #[error("there is no profile in {}; `hobnob init` makes one", .0.display())]
    NotFound(PathBuf),
    /// There is one already.
    #[error("there is a profile in {} already; choose another with --profile or --data-dir", .0.display())]
    Exists(PathBuf),
    /// It was made for a link, which has not come to an end.
    #[error("the profile in {} waits for the link that it was made for; go on with `hobnob init --link LINK` (/device link at your other machine makes a new LINK), or remove that folder to begin otherwise", .0.display())]
    AwaitsLink(PathBuf),
    /// Another process has it.
    #[error("the profile is in use by another hobnob{}; leave that one first, or choose another with --profile", pid.map_or(String::new(), |pid| format!(" (process {pid})")))]
    InUse {
        /// Which process, if it said so.
        pid: Option<u32>,
    },
    /// It has a password, and none was given.
    #[error("this profile has a password; give it at the prompt or with --password-file")]
    PasswordNeeded,
    /// The password does not fit.
    #[error("the password is wrong")]
    WrongPassword,
    /// A linked device does not hold it.
    #[error("{}", KeystoreError::NoAccountKey)]
    NoAccountKey,
    /// The recovery words do not fit together.
    #[error("these are not recovery words: {0}")]
    BadWords(#[source] WordsError),
    /// What a rendezvous told of the account does not fit together.
    #[error("what was told of the account makes no sense: {0}; nothing was changed")]
    BadAccount(String),
    /// A file is damaged.
    #[error("{} is damaged: {why}; nothing was changed. Put back a copy of it, or restore the account from its recovery words into another directory", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer version of hobnob wrote it.
    #[error("{} was written by a newer hobnob; use that version", .0.display())]
    Newer(PathBuf),
    /// The system refused.
    #[error("{}: {source}; {}", path.display(), remedy(source))]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has none to give.
    #[error("the system gives no random bytes, and without them no key is safe; try again in a moment")]
    NoRandomness,
    /// The work was cut off by the end of the program.
    #[error("the node is stopping; start hobnob again")]
    Interrupted,
}

impl ProfileError {
    /// Its name for exit codes and JSON.
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Exists(_) | Self::AwaitsLink(_) | Self::NoAccountKey => Code::Conflict,
            Self::InUse { .. } => Code::InUse,
            Self::PasswordNeeded | Self::WrongPassword => Code::Login,
            Self::BadWords(_) => Code::Usage,
            Self::BadAccount(_) => Code::Untrusted,
            Self::Newer(_) => Code::Unsupported,
            Self::Io { .. } => Code::NotSaved,
            Self::Damaged { .. } | Self::NoRandomness | Self::Interrupted => Code::Internal,
        }
    }
}

/// What helps against it.
pub(crate) fn remedy(why: &io::Error) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the system has many more, and most are rare here")]
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on that disk and try again; what was there before is whole"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make it writable for you, or choose another place with --data-dir"
        }
        io::ErrorKind::OutOfMemory => "close other programs and try again",
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            "look what is there, or choose another place with --data-dir"
        }
        _ => "try again; if it stays, look at the disk, or choose another place with --data-dir",
    }
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ProfileError {
    let path = path.to_owned();
    move |source| ProfileError::Io { path, source }
}

pub(super) fn lock_error(dir: &Path) -> impl FnOnce(LockError) -> ProfileError {
    let path = dir.to_owned();
    move |error| match error {
        LockError::InUse { pid } => ProfileError::InUse { pid },
        LockError::Io(source) => ProfileError::Io { path, source },
    }
}

pub(super) fn keystore_error(path: &Path) -> impl FnOnce(KeystoreError) -> ProfileError {
    let path = path.to_owned();
    move |error| match error {
        KeystoreError::PasswordNeeded => ProfileError::PasswordNeeded,
        KeystoreError::WrongPassword => ProfileError::WrongPassword,
        KeystoreError::NoAccountKey => ProfileError::NoAccountKey,
        KeystoreError::Newer(_) => ProfileError::Newer(path),
        KeystoreError::NoMemory(_) => {
            ProfileError::Io { path, source: io::Error::new(io::ErrorKind::OutOfMemory, error) }
        }
        KeystoreError::Damaged(why) => ProfileError::Damaged { path, why: why.to_owned() },
        KeystoreError::NotAKeystore => ProfileError::Damaged { path, why: error.to_string() },
    }
}

pub(super) fn commit_error(dir: &Path) -> impl FnOnce(CommitError) -> ProfileError {
    let path = dir.join(super::DATABASE);
    move |error| match error {
        CommitError::Full => ProfileError::Io { path, source: io::ErrorKind::StorageFull.into() },
        CommitError::Io(source) => ProfileError::Io { path, source },
        CommitError::Damaged { .. } => ProfileError::Damaged { path, why: error.to_string() },
    }
}

pub(super) fn store_error(dir: &Path) -> impl FnOnce(OpenError) -> ProfileError {
    let path = dir.join(super::DATABASE);
    move |error| match error {
        OpenError::NotFound => ProfileError::Damaged { path, why: "the file is missing".to_owned() },
        OpenError::Exists => ProfileError::Exists(path),
        OpenError::Damaged { what } => ProfileError::Damaged { path, why: what },
        OpenError::WrongKey => ProfileError::Damaged { path, why: error.to_string() },
        OpenError::Newer { .. } => ProfileError::Newer(path),
        OpenError::Full => ProfileError::Io { path, source: io::ErrorKind::StorageFull.into() },
        OpenError::Io(source) => ProfileError::Io { path, source },
    }
}
