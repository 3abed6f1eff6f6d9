//! The database: rows of the registry in redb, plain, because what must stay secret was sealed by the clients.
//!
//! One owner writes. A commit is on the disk when it returns, or nothing of it is.

mod backup;
mod error;
mod generation;
mod image;
mod lock;
mod schema;
mod secrets;
mod snapshot;

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, fchown},
    path::{Path, PathBuf},
};

use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTableMetadata as _, WriteTransaction, backends::FileBackend,
};

pub use backup::{BackupError, Target, write_backup};
pub use error::{CommitError, OpenError};
pub use image::Image;
pub use lock::{DataLock, LockError, SharedLock};
pub use secrets::Secrets;
pub use snapshot::Snapshot;

use crate::registry::view::{Fault, Records, TableId};
use error::{Trouble, guarded, of};
use lock::FILE as LOCK_FILE;

/// Name of the database in the data folder.
pub const FILE: &str = "server.db";

/// Name of the socket at which a server that runs is asked.
pub const CONTROL_FILE: &str = "control.sock";

/// Memory for pages, in bytes. The upper levels of the trees of a million names take 4 MB; the operating system keeps
/// the rest of what is read often.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Largest database, in bytes, that is read whole at every start: what 40,000 accounts take. A GiB took 1.3 s where all of it
/// was in memory, and takes 5 s from a usual disk, so a million names would make each start a minute long.
const START_BYTES: u64 = 256 * 1024 * 1024;

/// The open database.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    database: Option<Database>,
    /// How it is opened, now and after an error.
    open: fn(&Path) -> Result<Database, OpenError>,
}

/// How much is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Rows of each table.
    pub rows: Vec<(TableId, u64)>,
}

impl Store {
    /// Opens the database in `dir`; makes an empty one when there is none.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        make_private_dir(dir).map_err(OpenError::Io)?;
        let path = dir.join(FILE);
        if !path.try_exists().map_err(OpenError::Io)? {
            create(&path, &[])?;
        }
        Self::open_file(&path)
    }

    /// Makes the database of a new server, with its secrets in it as in a backup: a database is never without them, and
    /// whatever ends us before they have files of their own, the next start takes them out.
    pub fn begin(dir: &Path, secrets: &[Secrets]) -> Result<Self, OpenError> {
        make_private_dir(dir).map_err(OpenError::Io)?;
        let path = dir.join(FILE);
        create(&path, secrets)?;
        Self::open_file(&path)
    }

    /// Opens a database that is there.
    pub fn open_file(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, open_at)
    }

    /// Opens the database in `dir` to look at it. Nothing of the file is changed: what is written is gone with this.
    pub fn look(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(&dir.join(FILE), |path| Image::open(path).map_err(OpenError::Io)?.database())
    }

    fn open_with(path: &Path, open: fn(&Path) -> Result<Database, OpenError>) -> Result<Self, OpenError> {
        let database = open(path)?;
        let format = guarded(|| schema::format(&database))?;
        if format > schema::CURRENT {
            return Err(OpenError::Newer { found: format, known: schema::CURRENT });
        }
        if format < schema::CURRENT {
            write(&database, schema::create)?;
        }
        Ok(Self { path: path.to_owned(), database: Some(database), open })
    }

    /// Stores all of `records`, or none. When it returns `Ok`, they survive a crash and a power cut. After an error the
    /// database is opened anew, at what was committed before.
    pub fn commit(&mut self, records: &Records) -> Result<(), CommitError> {
        if records.is_empty() {
            return Ok(());
        }
        let database = self.reopened()?;
        let result = write(database, |transaction| put(transaction, records));
        if result.is_err() {
            // redb refuses everything after an error of the disk.
            self.database = None;
        }
        result.map_err(CommitError::from)
    }

    /// What is stored now, for reading. Drop it before the next commit: pages freed meanwhile stay in the file.
    pub fn view(&mut self) -> Result<Snapshot, Fault> {
        let database = self.reopened()?;
        Ok(Snapshot::new(guarded(|| database.begin_read().map_err(of))?))
    }

    /// How much is stored.
    pub fn sizes(&mut self) -> Result<Sizes, Fault> {
        let file_bytes = fs::metadata(&self.path).map_err(|error| Trouble::from(&error))?.len();
        let database = self.reopened()?;
        let rows = guarded(|| {
            let transaction = database.begin_read().map_err(of)?;
            let rows = |id| Ok((id, transaction.open_table(schema::definition(id)).map_err(of)?.len().map_err(of)?));
            TableId::ALL.into_iter().map(rows).collect()
        })?;
        Ok(Sizes { file_bytes, rows })
    }

    /// Reads every page and checks that it is whole. Changes nothing, whatever it finds.
    pub fn check(&mut self) -> Result<(), OpenError> {
        self.database = None;
        self.image()?.check()
    }

    /// Reads every page before the first is served, where that keeps nobody waiting: see `START_BYTES`.
    pub fn check_at_start(&self) -> Result<(), OpenError> {
        let length = fs::metadata(&self.path).map_err(OpenError::Io)?.len();
        if length <= START_BYTES { self.image()?.check() } else { Ok(()) }
    }

    /// What is committed now, for a check in which nothing may be committed or everything again. See [`Image`].
    pub fn image(&self) -> Result<Image, OpenError> {
        Image::open(&self.path).map_err(OpenError::Io)
    }

    /// The folder that it lies in.
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn reopened(&mut self) -> Result<&Database, Trouble> {
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.open)(&self.path)?,
        };
        Ok(self.database.insert(database))
    }
}

fn open_at(path: &Path) -> Result<Database, OpenError> {
    if fs::metadata(path).map_err(OpenError::Io)?.len() == 0 {
        return Err(OpenError::empty());
    }
    Ok(guarded(|| Database::builder().set_cache_size(CACHE_BYTES).open(path).map_err(of))?)
}

/// Makes a database without rows. It has its name only when it is complete.
fn create(path: &Path, secrets: &[Secrets]) -> Result<(), OpenError> {
    let unfinished = appended(path, ".new");
    let file = private().read(true).write(true).create(true).truncate(true).open(&unfinished).map_err(OpenError::Io)?;
    hand_over(&file, &unfinished).map_err(OpenError::Io)?;
    guarded(|| {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(FileBackend::new(file).map_err(of)?)
            .map_err(of)?;
        write(&database, |transaction| {
            schema::create(transaction)?;
            secrets.iter().try_for_each(|secret| secret.put(transaction))
        })
    })?;
    finish(&unfinished, path).map_err(OpenError::Io)
}

/// Gives a complete file its name, so that it lasts.
pub(crate) fn finish(unfinished: &Path, path: &Path) -> io::Result<()> {
    fs::rename(unfinished, path)?;
    fs::File::open(parent(path))?.sync_all()
}

/// The folder of a file.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The same name with something behind it. Two names that differ stay so.
fn appended(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// One transaction that is on the disk when this returns.
fn write(database: &Database, fill: impl FnOnce(&WriteTransaction) -> Result<(), Trouble>) -> Result<(), Trouble> {
    guarded(|| {
        let mut transaction = database.begin_write().map_err(of)?;
        transaction.set_durability(Durability::Immediate).map_err(of)?;
        // Strangers shape our rows, so redb's checksums must not decide what was committed; and the next start after a
        // crash must not walk the whole database. This asks for both.
        transaction.set_quick_repair(true);
        fill(&transaction)?;
        transaction.commit().map_err(of)
    })
}

fn put(transaction: &WriteTransaction, records: &Records) -> Result<(), Trouble> {
    let mut rows = records.iter().peekable();
    while let Some(((table, _), _)) = rows.peek() {
        let id = *table;
        let mut table = transaction.open_table(schema::definition(id)).map_err(of)?;
        while let Some(((_, key), value)) = rows.next_if(|((table, _), _)| *table == id) {
            match value {
                Some(value) => table.insert(key.as_slice(), value.as_slice()).map(drop),
                None => table.remove(key.as_slice()).map(drop),
            }
            .map_err(of)?;
        }
    }
    Ok(())
}

/// Makes `dir` and its parents when they are missing, readable by their owner only.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Options that make files which only their owner can read. Links are not followed.
pub(crate) fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Gives a file that root has made in somebody else's folder, a service's user's for example, to that user, who could not
/// serve otherwise.
pub(crate) fn hand_over(file: &fs::File, path: &Path) -> io::Result<()> {
    match other_owner(path)? {
        Some((user, group)) => fchown(file, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Who has the folder that this lies in, where we are root and they are not.
pub(crate) fn other_owner(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let meta = fs::metadata(parent(path))?;
    let is_others = rustix::process::geteuid().is_root() && meta.uid() != 0;
    Ok(is_others.then_some((meta.uid(), meta.gid())))
}
