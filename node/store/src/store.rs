//! The one owner of the database.

use std::{fs, io, path::Path, sync::Arc};

use hobnob_engine::{tables::TableId, view::Fault, work::Records};
use redb::{Database, Durability, ReadableDatabase as _, ReadableTableMetadata as _, TableError, WriteTransaction};

use crate::{
    disk::{self, Disk, FileDisk},
    error::{CommitError, OpenError, Trouble, of},
    guard::guarded,
    key::StoreKey,
    mark::Mark,
    pages::{Backend, Pages},
    schema,
    snapshot::Snapshot,
};

/// Name of the database in the profile's folder.
const FILE: &str = "history.db";

/// Memory for pages, in bytes; half of it at most for pages to be written.
///
/// What is read often (the upper levels of the trees, the newest rows) is a few hundred pages however long the history
/// is; the operating system keeps the sealed pages, and opening one takes microseconds. A batch of 256 messages writes
/// about 200 pages.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Whether this device may go on writing the logs it wrote before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incarnation {
    /// Everything that was committed is here.
    Same,
    /// The database is new, was put back to an earlier state, or may have lost something: write new logs.
    Fresh,
}

/// How much is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Rows of each table.
    pub rows: Vec<(TableId, u64)>,
}

/// The database of one profile, open for reading and writing.
///
/// After a failed commit the database is opened anew, at what was committed before; when even that fails, every call
/// tries again. Snapshots from before then only answer with a [`Fault`].
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    key: StoreKey,
    mark: Option<Mark>,
    incarnation: Incarnation,
    open: Option<Open>,
    /// The newest version of the pages that counts, when there is nothing open.
    newest: u64,
}

/// One opening of redb. Nothing goes right after its first error, so it is replaced then.
#[derive(Debug)]
pub(crate) struct Open {
    pages: Arc<Pages>,
    /// `None` only while it is being closed.
    database: Option<Database>,
}

impl Store {
    /// Makes an empty database in `dir`, and the folder when there is none. It has its name only when it is complete.
    pub fn create(dir: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        make_private_dir(dir).map_err(io_error)?;
        let path = dir.join(FILE);
        if path.try_exists().map_err(io_error)? {
            return Err(OpenError::Exists);
        }
        let unfinished = disk::unfinished(dir, FILE);
        drop(Self::create_on(Arc::new(FileDisk::create(&unfinished).map_err(io_error)?), key)?);
        fs::rename(unfinished, path).and_then(|()| disk::sync_dir(dir)).map_err(io_error)?;
        let mut store = Self::open(dir, key)?;
        store.begin_fresh();
        Ok(store)
    }

    /// Opens the database in `dir`, and brings an older format up to date.
    pub fn open(dir: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        let disk = FileDisk::open(&dir.join(FILE)).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound { OpenError::NotFound } else { io_error(error) }
        })?;
        let (mut store, found) = Self::open_at(Arc::new(disk), key)?;
        if let Ok((mark, last)) = Mark::open(dir) {
            store.mark = Some(mark);
            if store.incarnation == Incarnation::Fresh || last.is_none_or(|last| last > found) {
                store.begin_fresh();
            }
        }
        Ok(store)
    }

    /// Makes an empty database on `disk`, which is emptied.
    pub fn create_on(disk: Arc<dyn Disk>, key: &StoreKey) -> Result<Self, OpenError> {
        disk.resize(0).map_err(io_error)?;
        let pages = Pages::create(Arc::clone(&disk), key).map_err(io_error)?;
        let open = Open::new(pages)?;
        open.write(schema::create)?;
        Ok(Self::new(disk, key, open, Incarnation::Fresh))
    }

    /// Opens the database on `disk`.
    pub fn open_on(disk: Arc<dyn Disk>, key: &StoreKey) -> Result<Self, OpenError> {
        Ok(Self::open_at(disk, key)?.0)
    }

    /// Also says how far the database had come.
    fn open_at(disk: Arc<dyn Disk>, key: &StoreKey) -> Result<(Self, u64), OpenError> {
        let (pages, is_whole) = Pages::open(Arc::clone(&disk), key, u64::MAX)?;
        let found = pages.seq();
        let open = Open::new(pages)?;
        let format = guarded(|| schema::format(open.database()?)).map_err(damaged)??;
        if format < schema::CURRENT {
            open.write(|transaction| schema::migrate(transaction, format))?;
        }
        let incarnation = if is_whole { Incarnation::Same } else { Incarnation::Fresh };
        Ok((Self::new(disk, key, open, incarnation), found))
    }

    fn new(disk: Arc<dyn Disk>, key: &StoreKey, open: Open, incarnation: Incarnation) -> Self {
        Self { disk, key: key.copy(), mark: None, incarnation, open: Some(open), newest: u64::MAX }
    }

    /// Stores all of `records`, or none. When it returns `Ok`, they survive a crash and a power cut.
    pub fn commit(&mut self, records: &Records) -> Result<(), CommitError> {
        if records.is_empty() {
            return Ok(());
        }
        let open = self.reopened()?;
        let result = open.write_joined(|transaction| put(transaction, records));
        if result.is_err() {
            self.close_failed();
            // What was committed before can be read on. If not, the next call tries again.
            let _ = self.reopened();
        } else {
            self.set_mark();
        }
        result.map_err(CommitError::from)
    }

    /// What is stored now, for reading.
    pub fn view(&mut self) -> Result<Snapshot, Fault> {
        let open = self.reopened()?;
        let transaction = guarded(|| open.database()?.begin_read().map_err(of)).map_err(Fault)??;
        Ok(Snapshot::new(transaction))
    }

    /// Reads every row there is and checks that it is whole. No snapshot may live meanwhile. Where something had to be
    /// mended, [`Store::incarnation_hint`] is [`Incarnation::Fresh`] afterwards.
    pub fn check(&mut self) -> Result<(), CommitError> {
        self.reopened()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let result = guarded(|| open.database_mut()?.check_integrity().map_err(of));
        let result = result.unwrap_or_else(|what| Err(Trouble::Damaged(what)));
        let result = result.map_err(|trouble| open.pages.failure().unwrap_or(trouble));
        match result {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.begin_fresh();
                Ok(())
            }
            Err(trouble) => {
                self.close_failed();
                Err(trouble.into())
            }
        }
    }

    /// Whether the engine must begin new logs.
    pub fn incarnation_hint(&self) -> Incarnation {
        self.incarnation
    }

    /// The format of the database: always the current one, an older one was brought up to date.
    pub fn format(&mut self) -> Result<u32, OpenError> {
        let open = self.reopened()?;
        guarded(|| schema::format(open.database()?)).map_err(damaged)?
    }

    /// How much is stored.
    pub fn sizes(&mut self) -> Result<Sizes, Fault> {
        let file_bytes = self.disk.size().map_err(|error| Trouble::from(&error))?;
        let open = self.reopened()?;
        let rows = guarded(|| open.rows()).map_err(Fault)??;
        Ok(Sizes { file_bytes, rows })
    }

    /// The open database; opened again when something went wrong with it.
    fn reopened(&mut self) -> Result<&Open, Trouble> {
        if self.open.as_ref().is_some_and(|open| open.pages.failure().is_some()) {
            self.close_failed();
        }
        if self.open.is_none() {
            let opened = Pages::open(Arc::clone(&self.disk), &self.key, self.newest).map_err(Trouble::from)?;
            self.open = Some(Open::new(opened.0)?);
            self.newest = u64::MAX;
        }
        self.open.as_ref().ok_or_else(|| Trouble::Damaged("it is closed".into()))
    }

    /// Lets go of a database that had an error. What was on its way to the disk then does not count any more.
    fn close_failed(&mut self) {
        if let Some(open) = self.open.take() {
            self.newest = open.pages.seq();
        }
    }

    /// Asks for new logs, at the next start too if nothing is committed before that.
    fn begin_fresh(&mut self) {
        self.incarnation = Incarnation::Fresh;
        if let Some(mark) = &self.mark {
            mark.set(u64::MAX);
        }
    }

    fn set_mark(&self) {
        if let (Some(mark), Some(open)) = (&self.mark, &self.open) {
            mark.set(open.pages.seq());
        }
    }
}

impl Open {
    pub(crate) fn new(pages: Pages) -> Result<Self, Trouble> {
        let pages = Arc::new(pages);
        let backend = Backend(Arc::clone(&pages));
        let opened =
            guarded(|| Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(of));
        let database = opened.unwrap_or_else(|what| Err(Trouble::Damaged(what)));
        let database = database.map_err(|trouble| pages.failure().unwrap_or(trouble))?;
        Ok(Self { pages, database: Some(database) })
    }

    /// One transaction that is on the disk when this returns.
    pub(crate) fn write(&self, fill: impl FnOnce(&WriteTransaction) -> Result<(), Trouble>) -> Result<(), Trouble> {
        self.transact(fill, |transaction| transaction.commit())
    }

    /// The same with one sync. The tables must exist.
    fn write_joined(&self, fill: impl FnOnce(&WriteTransaction) -> Result<(), Trouble>) -> Result<(), Trouble> {
        self.transact(fill, |transaction| self.pages.join(|| transaction.commit()))
    }

    fn transact(
        &self,
        fill: impl FnOnce(&WriteTransaction) -> Result<(), Trouble>,
        commit: impl FnOnce(WriteTransaction) -> Result<(), redb::CommitError>,
    ) -> Result<(), Trouble> {
        let result = guarded(|| {
            let mut transaction = self.database()?.begin_write().map_err(of)?;
            transaction.set_durability(Durability::Immediate).map_err(of)?;
            // Peers shape our rows, so redb's checksums must not decide what was committed; and the next start after a
            // crash must not walk the whole history. This asks for both.
            transaction.set_quick_repair(true);
            fill(&transaction)?;
            commit(transaction).map_err(of)
        });
        let result = result.unwrap_or_else(|what| Err(Trouble::Damaged(what)));
        result.map_err(|trouble| self.pages.failure().unwrap_or(trouble))
    }

    fn rows(&self) -> Result<Vec<(TableId, u64)>, Trouble> {
        let transaction = self.database()?.begin_read().map_err(of)?;
        let rows = |id| match transaction.open_table(schema::definition(id)) {
            Ok(table) => table.len().map_err(of),
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(of(error)),
        };
        TableId::ALL.into_iter().map(|id| Ok((id, rows(id)?))).collect()
    }

    fn database(&self) -> Result<&Database, Trouble> {
        self.database.as_ref().ok_or_else(closed)
    }

    fn database_mut(&mut self) -> Result<&mut Database, Trouble> {
        self.database.as_mut().ok_or_else(closed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let database = self.database.take();
        // redb writes when it closes. What it cannot write now, it finds out at the next start.
        let _ = guarded(|| drop(database));
    }
}

/// Writes `records` into an open transaction.
pub(crate) fn put(transaction: &WriteTransaction, records: &Records) -> Result<(), Trouble> {
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
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir)
}

fn io_error(error: io::Error) -> OpenError {
    Trouble::from(&error).into()
}

fn damaged(what: String) -> OpenError {
    OpenError::Damaged { what }
}

fn closed() -> Trouble {
    Trouble::Damaged("it is closed".into())
}
