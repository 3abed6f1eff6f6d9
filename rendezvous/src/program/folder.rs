//! The data folder: ours alone, for as long as it is open.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::Failure;
use crate::{
    keys::{KEYS_FILE, OPAQUE_FILE, ServerKeys},
    store::{DataLock, FILE, Store},
};

/// All of it.
pub(super) struct Folder {
    pub(super) store: Store,
    pub(super) keys: ServerKeys,
    pub(super) lock: DataLock,
}

/// The folder was not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    /// Only serving begins a server.
    #[error("there is no server in {}; say with --data-dir where it is, or begin one with serve", .0.display())]
    NoServer(PathBuf),
    /// Beginning with an empty database would give every name to whoever comes first.
    #[error(
        "the database {FILE} is missing in {}, beside the keys of a server: put it back, or a backup in its place; to \
         begin anew, without anybody's name, move the files {KEYS_FILE} and {OPAQUE_FILE} away",
        .0.display()
    )]
    NoDatabase(PathBuf),
    /// It may be somebody else's.
    #[error("the data folder {} cannot be read; ask as the user whose server it is", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// Others may read what must be secret, and that could not be changed.
    #[error(
        "others can read {}, and it cannot be made private; make it so as its owner: chmod {mode:o} {}",
        path.display(),
        path.display()
    )]
    Exposed {
        path: PathBuf,
        mode: u32,
        #[source]
        source: io::Error,
    },
}

impl Folder {
    /// Opens the server in `dir`; begins one where there is none.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        let lock = DataLock::take(dir)?;
        make_private(dir)?;
        let is_new = !holds_server(dir)?;
        let mut store = Store::open(dir)?;
        let keys = ServerKeys::open(dir, &mut store, is_new)?;
        Ok(Self { store, keys, lock })
    }

    /// Opens the server in `dir`; where there is none, nothing is made.
    pub(super) fn open_existing(dir: &Path) -> Result<Self, Failure> {
        if holds_server(dir)? { Self::open(dir) } else { Err(FolderError::NoServer(dir.to_owned()).into()) }
    }
}

/// Whether there is a server in `dir`. A database alone is one, for it may be a backup; keys alone are what is left of one.
pub(super) fn holds_server(dir: &Path) -> Result<bool, FolderError> {
    let holds =
        |name: &str| dir.join(name).try_exists().map_err(|error| FolderError::Unreadable(dir.to_owned(), error));
    if holds(FILE)? {
        return Ok(true);
    }
    if holds(KEYS_FILE)? || holds(OPAQUE_FILE)? { Err(FolderError::NoDatabase(dir.to_owned())) } else { Ok(false) }
}

/// Takes everybody else's rights to what is in the folder, which may have been copied here with any, and to the folder.
///
/// A shared folder (sticky, as `/tmp`, or of another user, as a container's volume can be) is left as it is.
fn make_private(dir: &Path) -> Result<(), FolderError> {
    const STICKY: u32 = 0o1000;
    for name in [KEYS_FILE, OPAQUE_FILE, FILE] {
        take_rights(&dir.join(name), 0o600)?;
    }
    let exposed = |source| FolderError::Exposed { path: dir.to_owned(), mode: 0o700, source };
    let meta = fs::metadata(dir).map_err(exposed)?;
    let is_ours = meta.uid() == rustix::process::geteuid().as_raw();
    if is_ours && meta.permissions().mode() & STICKY == 0 { take_rights(dir, 0o700) } else { Ok(()) }
}

/// Leaves the rights of `mode` at most. What is not there exposes nothing.
fn take_rights(path: &Path, mode: u32) -> Result<(), FolderError> {
    let taken = match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            fs::set_permissions(path, fs::Permissions::from_mode(meta.permissions().mode() & mode))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    };
    taken.map_err(|source| FolderError::Exposed { path: path.to_owned(), mode, source })
}
