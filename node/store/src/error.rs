//! What can go wrong, one enum per act.

use std::io;

use hobnob_engine::view::Fault;

/// The database could not be opened or created. Nothing that was stored is lost by having tried.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no database in the folder.
    #[error("there is no database here")]
    NotFound,
    /// There is a database already, and it was not touched.
    #[error("there is a database here already")]
    Exists,
    /// The database is whole, but was made with another key.
    #[error("the database belongs to another key than this profile's")]
    WrongKey,
    /// Bytes were changed, or are missing.
    #[error("the database is damaged: {what}")]
    Damaged {
        /// Where it was noticed.
        what: String,
    },
    /// A later version of the program wrote it.
    #[error("the database has format {found}, but this program knows formats up to {known}: use a newer hobnob")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest format that we read.
        known: u32,
    },
    /// No space is left on the disk.
    #[error("the disk is full")]
    Full,
    /// The operating system said no.
    #[error("the database cannot be read or written")]
    Io(#[source] io::Error),
}

/// The records were not stored, none of them. What was committed before is still there, and readable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No space is left on the disk. The same commit can succeed once there is.
    #[error("the disk is full")]
    Full,
    /// Reading or writing failed.
    #[error("the database cannot be written")]
    Io(#[source] io::Error),
    /// Bytes were changed under us.
    #[error("the database is damaged: {what}")]
    Damaged {
        /// Where it was noticed.
        what: String,
    },
}

/// The profile could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the profile is in use by another hobnob{}", .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// Which, when it says so.
        pid: Option<u32>,
    },
    /// The lock file cannot be made.
    #[error("the lock file of the profile cannot be used")]
    Io(#[source] io::Error),
}

/// A piece of the file that is not what was written there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(io::ErrorKind::InvalidData, broken)
    }
}

impl From<Broken> for OpenError {
    fn from(broken: Broken) -> Self {
        Self::Damaged { what: broken.0 }
    }
}

/// What is behind an error of redb's or of the disk.
#[derive(Debug)]
pub(crate) enum Trouble {
    Full,
    Damaged(String),
    Io(io::Error),
}

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        if let Some(broken) = error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>()) {
            return Self::Damaged(broken.0.clone());
        }
        match (error.kind(), error.raw_os_error()) {
            (Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge, _) => Self::Full,
            (Kind::UnexpectedEof, _) => Self::Damaged("it is cut off".into()),
            (_, Some(code)) => Self::Io(io::Error::from_raw_os_error(code)),
            (kind, None) => Self::Io(io::Error::new(kind, error.to_string())),
        }
    }
}

/// What an error of redb's means, whichever of its kinds.
#[expect(clippy::wildcard_enum_match_arm, reason = "redb may add kinds, and says so")]
pub(crate) fn of(error: impl Into<redb::Error>) -> Trouble {
    match error.into() {
        redb::Error::Io(error) => (&error).into(),
        redb::Error::Corrupted(what) => Trouble::Damaged(what),
        other => Trouble::Io(io::Error::other(other)),
    }
}

impl Trouble {
    /// The same once more: what broke first explains what failed after it.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Damaged(what) => Self::Damaged(what.clone()),
            Self::Io(error) => error.into(),
        }
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Full => Self::Full,
            OpenError::Io(error) => Self::Io(error),
            OpenError::Damaged { what } => Self::Damaged(what),
            other @ (OpenError::NotFound | OpenError::Exists | OpenError::WrongKey | OpenError::Newer { .. }) => {
                Self::Damaged(other.to_string())
            }
        }
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Damaged(what) => Self::Damaged { what },
            Trouble::Io(error) => Self::Io(error),
        }
    }
}

impl From<Trouble> for CommitError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Damaged(what) => Self::Damaged { what },
            Trouble::Io(error) => Self::Io(error),
        }
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self(match trouble {
            Trouble::Full => "the disk is full".into(),
            Trouble::Damaged(what) => what,
            Trouble::Io(error) => error.to_string(),
        })
    }
}
