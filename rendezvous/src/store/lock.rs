//! One server per data folder.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{hand_over, make_private_dir, private};

/// Name of the lock file in the data folder.
pub(super) const FILE: &str = "lock";

/// The data folder is ours for as long as this lives. The operating system gives it back when the process ends, however
/// it ends, so a lock file that is left behind means nothing.
#[derive(Debug)]
pub struct DataLock(File);

/// The data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the data folder is in use by another hobnob-rendezvous{}", .0.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse(Option<u32>),
    /// There is no folder of that name, and none can be made.
    #[error("the data folder {} cannot be made; make it for the user who serves, or name another with --data-dir", .0.display())]
    NoFolder(PathBuf, #[source] io::Error),
    /// The lock file in it cannot be made, or not be opened.
    #[error(
        "the file {FILE} in the data folder {} cannot be opened or written; give the folder to the user who serves (chown), or \
         name another with --data-dir",
        .0.display()
    )]
    Io(PathBuf, #[source] io::Error),
}

impl DataLock {
    /// Takes the folder, and makes it when there is none.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        make_private_dir(dir).map_err(|error| LockError::NoFolder(dir.to_owned(), error))?;
        let failed = |error| LockError::Io(dir.to_owned(), error);
        let mut options = private();
        options.read(true).write(true).create(true).truncate(false);
        let path = dir.join(FILE);
        let mut file = options.open(&path).map_err(failed)?;
        hand_over(&file, &path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse(pid(&mut file))),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self(file))
    }
}

/// No server begins in the data folder for as long as this lives, if one has ever served there. It changes nothing.
#[derive(Debug)]
pub struct SharedLock(#[expect(dead_code, reason = "held, never read")] Option<File>);

impl SharedLock {
    /// Takes it, beside others who only look.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let mut file = match File::open(dir.join(FILE)) {
            Ok(file) => file,
            // Nobody has served there, so nobody does.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(None)),
            Err(error) => return Err(LockError::Io(dir.to_owned(), error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse(pid(&mut file))),
            Err(TryLockError::Error(error)) => Err(LockError::Io(dir.to_owned(), error)),
        }
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        // An empty file only spares people a number that no longer means anything.
        let _ = self.0.set_len(0);
    }
}

fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
