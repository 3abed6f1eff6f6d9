//! What can go wrong, one enum per act.

use std::io;

use crate::registry::view::Fault;

/// The database could not be opened or made. Nothing that was stored is lost by having tried.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Bytes were changed, or are missing.
    #[error("the database is damaged: {0}; put a backup in its place")]
    Damaged(String),
    /// A later version of the program wrote it.
    #[error(
        "the database has format {found}, but this program knows formats up to {known}: use a newer hobnob-rendezvous"
    )]
    Newer {
        /// Its format.
        found: u32,
        /// The newest format that we read.
        known: u32,
    },
    /// Another process has it open.
    #[error("the database is in use by another process")]
    InUse,
    /// It was closed while it was read.
    #[error("the database was closed meanwhile, for its server stops or cannot write to it; ask again")]
    Closed,
    /// No space is left on the disk.
    #[error("the disk is full; free some space and start again")]
    Full,
    /// The operating system said no.
    #[error("the database cannot be read or written")]
    Io(#[source] io::Error),
}

impl OpenError {
    /// There are no bytes at all, which is no database.
    pub(super) fn empty() -> Self {
        Self::Damaged("it is empty".into())
    }
}

/// The records were not stored, none of them. What was committed before is still there.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No space is left on the disk. The same commit can succeed once there is.
    #[error("the disk is full")]
    Full,
    /// Bytes were changed under us.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Reading or writing failed.
    #[error("the database cannot be written")]
    Io(#[source] io::Error),
}

/// What is behind an error of redb's or of the disk.
#[derive(Debug)]
pub(crate) enum Trouble {
    Full,
    InUse,
    Closed,
    Damaged(String),
    Io(io::Error),
}

/// What an error of redb's means, whichever of its kinds.
#[expect(clippy::wildcard_enum_match_arm, reason = "redb may add kinds, and says so")]
pub(crate) fn of(error: impl Into<redb::Error>) -> Trouble {
    match error.into() {
        redb::Error::Io(error) => (&error).into(),
        redb::Error::DatabaseAlreadyOpen => Trouble::InUse,
        redb::Error::DatabaseClosed => Trouble::Closed,
        redb::Error::Corrupted(what) => Trouble::Damaged(what),
        other => Trouble::Damaged(other.to_string()),
    }
}

/// Runs what calls redb: on a damaged file redb may panic, and that is an error like any other.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    result.unwrap_or_else(|_| Err(Trouble::Damaged("it contradicts itself".into())))
}

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Self {
        match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge, _) => Self::Full,
            (io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData, _) => Self::Damaged("it is cut off".into()),
            (_, Some(code)) => Self::Io(io::Error::from_raw_os_error(code)),
            (kind, None) => Self::Io(io::Error::new(kind, error.to_string())),
        }
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::InUse => Self::InUse,
            Trouble::Closed => Self::Closed,
            Trouble::Damaged(what) => Self::Damaged(what),
            Trouble::Io(error) => Self::Io(error),
        }
    }
}

/// Of a database that was open before: its format was looked at then.
impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Full => Self::Full,
            OpenError::InUse => Self::InUse,
            OpenError::Closed => Self::Closed,
            OpenError::Io(error) => Self::Io(error),
            OpenError::Damaged(what) => Self::Damaged(what),
            newer @ OpenError::Newer { .. } => Self::Damaged(newer.to_string()),
        }
    }
}

impl From<Trouble> for CommitError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::InUse => Self::Io(io::Error::other("another process has opened it")),
            Trouble::Closed => Self::Io(io::Error::other("it was closed")),
            Trouble::Damaged(what) => Self::Damaged(what),
            Trouble::Io(error) => Self::Io(error),
        }
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Damaged(what) => Self::Damaged(what),
            trouble @ (Trouble::Full | Trouble::InUse | Trouble::Closed | Trouble::Io(_)) => {
                Self::Unread(CommitError::from(trouble).to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_damaged_is_called_so() {
        assert!(matches!(Fault::from(Trouble::Damaged("a page".into())), Fault::Damaged(_)));
        assert!(matches!(CommitError::from(Trouble::Damaged("a page".into())), CommitError::Damaged(_)));
        let others = || [Trouble::Full, Trouble::InUse, Trouble::Closed, Trouble::Io(io::ErrorKind::Other.into())];
        for trouble in others() {
            assert!(matches!(Fault::from(trouble), Fault::Unread(_)));
        }
        for trouble in others() {
            assert!(!matches!(CommitError::from(trouble), CommitError::Damaged(_)));
        }
    }
}
