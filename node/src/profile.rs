//! A profile on disk: its directory (0700), the keystore file (0600), the database, the lock, the last port.
//!
//! The keystore is the profile: it is written last when one is made, and replaced whole (new file, flush, rename, flush
//! of the directory), so that a crash leaves the old one or the new one.

use std::path::{Path, PathBuf};

use hobnob_engine::command::Code;
use hobnob_shared::{identity::AccountKey, text::Nickname};
use zeroize::Zeroizing;

/// A password as it was typed. Wiped on drop.
pub struct Password(Zeroizing<String>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// `None` for an empty one, which means: no password.
    pub fn new(typed: Zeroizing<String>) -> Option<Self> {
        if typed.is_empty() { None } else { Some(Self(typed)) }
    }
}

/// Why a profile was not made, opened or changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is none.
    #[error("there is no profile in {}; `hobnob init` makes one", .0.display())]
    NotFound(PathBuf),
    /// There is one already.
    #[error("there is a profile in {} already; choose another with --profile or --data-dir", .0.display())]
    Exists(PathBuf),
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
    /// The recovery words do not fit together.
    #[error("these are not recovery words: {0}")]
    BadWords(String),
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
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The work was cut off by the end of the program.
    #[error("the node is stopping")]
    Interrupted,
}

impl ProfileError {
    /// Its name for exit codes and JSON.
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Exists(_) => Code::Conflict,
            Self::InUse { .. } => Code::InUse,
            Self::PasswordNeeded | Self::WrongPassword => Code::Login,
            Self::BadWords(_) => Code::Usage,
            Self::Newer(_) => Code::Unsupported,
            Self::Io { .. } => Code::NotSaved,
            Self::Damaged { .. } | Self::Interrupted => Code::Internal,
        }
    }
}

/// Whether `dir` holds a profile.
pub fn exists(dir: &Path) -> bool {
    dir.join("keystore").exists()
}

/// Whether opening the profile in `dir` takes a password.
pub fn needs_password(dir: &Path) -> Result<bool, ProfileError> {
    Err(ProfileError::NotFound(dir.to_owned()))
}

/// Makes a new account with this device, under a password or none. Answers the 24 words that restore the account; they
/// are shown once and kept nowhere but under the password.
pub fn create(dir: &Path, name: &Nickname, password: Option<&Password>) -> Result<Zeroizing<String>, ProfileError> {
    let _ = (name, password);
    Err(ProfileError::NotFound(dir.to_owned()))
}

/// Makes a profile for a new device of an account that exists, from its recovery words.
pub fn restore(dir: &Path, words: &str, name: &Nickname, password: Option<&Password>) -> Result<(), ProfileError> {
    let _ = (words, name, password);
    Err(ProfileError::NotFound(dir.to_owned()))
}

/// A profile that this process holds: unsealed, locked, its database open.
#[derive(Debug)]
pub struct OpenedProfile {
    dir: PathBuf,
}

impl OpenedProfile {
    /// Takes the lock, unseals the keystore (a quarter of a second with a password) and opens the database.
    pub fn open(dir: &Path, password: Option<&Password>) -> Result<Self, ProfileError> {
        let _ = password;
        Err(ProfileError::NotFound(dir.to_owned()))
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.dir
    }
}

/// The keystore file of a profile in use: what takes the password again.
#[derive(Debug)]
pub struct Keyring {
    dir: PathBuf,
}

impl Keyring {
    /// The profile's directory.
    pub fn directory(&self) -> &Path {
        &self.dir
    }

    /// Whether the keystore is under a password.
    pub fn has_password(&self) -> bool {
        false
    }

    /// Unseals the account key.
    pub fn account_key(&self, password: Option<&Password>) -> Result<AccountKey, ProfileError> {
        let _ = password;
        Err(ProfileError::NotFound(self.dir.clone()))
    }

    /// The 24 words that restore the account.
    pub fn recovery_words(&self, password: Option<&Password>) -> Result<Zeroizing<String>, ProfileError> {
        let _ = password;
        Err(ProfileError::NotFound(self.dir.clone()))
    }

    /// Seals the keystore under another password.
    pub fn change_password(&self, old: Option<&Password>, new: Option<&Password>) -> Result<(), ProfileError> {
        let _ = (old, new);
        Err(ProfileError::NotFound(self.dir.clone()))
    }
}
