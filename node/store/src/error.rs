//! What can go wrong, one enum per act.

use std::io;

/// The database could not be opened or created. Nothing on disk was changed.
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
