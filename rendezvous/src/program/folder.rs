//! The data folder: ours alone, for as long as it is open.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::Failure;
use crate::{
    keys::{KEYS_FILE, OPAQUE_FILE, ServerKeys, random},
    store::{DataLock, FILE, SharedLock, Store},
};

/// All of it.
pub(super) struct Folder {
    pub(super) store: Store,
    pub(super) keys: ServerKeys,
    pub(super) lock: DataLock,
}

/// All of it to look at: nothing of it is changed, and nothing made, so it can be another user's, or read-only.
pub(super) struct Looked {
    pub(super) store: Store,
    pub(super) keys: ServerKeys,
    /// No server begins meanwhile.
    _lock: SharedLock,
}

impl Looked {
    /// Looks at the server in `dir`.
    pub(super) fn at(dir: &Path) -> Result<Self, Failure> {
        if !holds_server(dir)? {
            return Err(FolderError::NoServer(dir.to_owned()).into());
        }
        let lock = SharedLock::take(dir)?;
        let mut store = Store::look(dir)?;
        let keys = ServerKeys::look(dir, &mut store)?;
        Ok(Self { store, keys, _lock: lock })
    }
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
    /// It is something else.
    #[error("{} is a file, and cannot be the data folder; name a folder with --data-dir", .0.display())]
    NoFolder(PathBuf),
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

/// The folder, locked. Where there is no server yet, nothing of one was made.
pub(super) struct Prepared {
    dir: PathBuf,
    /// Those of the server that is there, or of the one that begins.
    pub(super) keys: ServerKeys,
    store: Option<Store>,
    lock: DataLock,
}

impl Folder {
    /// Takes the folder `dir`, and opens the server in it, if there is one.
    pub(super) fn prepare(dir: &Path) -> Result<Prepared, Failure> {
        check_folder(dir)?;
        let lock = DataLock::take(dir)?;
        make_private(dir)?;
        let (keys, store) = if holds_server(dir)? {
            let mut store = Store::open(dir)?;
            (ServerKeys::open(dir, &mut store)?, Some(store))
        } else {
            let mut rng = random().map_err(|error| Failure::Io("no randomness", error))?;
            (ServerKeys::generate(&mut rng), None)
        };
        Ok(Prepared { dir: dir.to_owned(), keys, store, lock })
    }

    /// Opens the server in `dir`; where there is none, nothing is made.
    pub(super) fn open_existing(dir: &Path) -> Result<Self, Failure> {
        if holds_server(dir)? { Self::prepare(dir)?.open() } else { Err(FolderError::NoServer(dir.to_owned()).into()) }
    }
}

impl Prepared {
    /// The server in it; begins one where there is none. Its secrets come with the database, and then get their files, so
    /// that the next start goes on from wherever this one is ended.
    pub(super) fn open(self) -> Result<Folder, Failure> {
        let Self { dir, keys, store, lock } = self;
        let Some(store) = store else {
            let mut store = Store::begin(&dir, &keys.secrets())?;
            let keys = ServerKeys::open(&dir, &mut store)?;
            return Ok(Folder { store, keys, lock });
        };
        Ok(Folder { store, keys, lock })
    }
}

/// Whether there is a server in `dir`. A database alone is one, for it may be a backup; keys alone are what is left of one.
pub(super) fn holds_server(dir: &Path) -> Result<bool, FolderError> {
    check_folder(dir)?;
    let holds =
        |name: &str| dir.join(name).try_exists().map_err(|error| FolderError::Unreadable(dir.to_owned(), error));
    if holds(FILE)? {
        return Ok(true);
    }
    if holds(KEYS_FILE)? || holds(OPAQUE_FILE)? { Err(FolderError::NoDatabase(dir.to_owned())) } else { Ok(false) }
}

/// What is there must be a folder.
fn check_folder(dir: &Path) -> Result<(), FolderError> {
    // Where that cannot be found out, whoever opens it is told why.
    match fs::metadata(dir) {
        Ok(meta) if !meta.is_dir() => Err(FolderError::NoFolder(dir.to_owned())),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What is to be kept from others, with the rights that its owner has, and that others can read: serving would take their
/// rights away.
pub(super) fn exposed(dir: &Path) -> Vec<(PathBuf, u32)> {
    let files = [KEYS_FILE, OPAQUE_FILE, FILE].map(|name| (dir.join(name), 0o600));
    let is_open = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    let folder = fs::metadata(dir).ok().filter(is_private).map(|_| (dir.to_owned(), 0o700));
    files.into_iter().chain(folder).filter(|(path, _)| is_open(path)).collect()
}

/// Whether a folder is to be ours alone. A shared one (sticky, as `/tmp`, or of another user, as a container's volume can be)
/// is left as it is.
fn is_private(meta: &fs::Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    meta.uid() == rustix::process::geteuid().as_raw() && meta.permissions().mode() & STICKY == 0
}

/// Takes everybody else's rights to what is in the folder, which may have been copied here with any, and to the folder.
fn make_private(dir: &Path) -> Result<(), FolderError> {
    for name in [KEYS_FILE, OPAQUE_FILE, FILE] {
        take_rights(&dir.join(name), 0o600)?;
    }
    let exposed = |source| FolderError::Exposed { path: dir.to_owned(), mode: 0o700, source };
    if is_private(&fs::metadata(dir).map_err(exposed)?) { take_rights(dir, 0o700) } else { Ok(()) }
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
