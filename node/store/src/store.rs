//! The one owner of the database.

use std::{fs, io, path::Path};

use hobnob_engine::{tables::TableId, view::Fault, work::Records};
use redb::{Database, ReadableDatabase as _, ReadableTableMetadata as _};

use crate::{
    error::{CommitError, OpenError},
    guard::guarded,
    key::StoreKey,
    schema,
    snapshot::Snapshot,
};

/// Name of the database in the profile's folder.
const FILE: &str = "history.db";

/// Whether this device may go on writing the logs it wrote before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incarnation {
    /// Everything that was committed is here.
    Same,
    /// The database is new, or older than what was last committed, or lost something: write new logs.
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
#[derive(Debug)]
pub struct Store {
    database: Database,
    incarnation: Incarnation,
}

impl Store {
    /// Makes an empty database in `dir`, and the folder when there is none.
    pub fn create(dir: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        make_private_dir(dir).map_err(OpenError::Io)?;
        let _ = key.copy().bytes();
        let path = dir.join(FILE);
        if path.exists() {
            return Err(OpenError::Exists);
        }
        let database = Database::create(path).map_err(|error| OpenError::Damaged { what: error.to_string() })?;
        Ok(Self { database, incarnation: Incarnation::Fresh })
    }

    /// Opens the database in `dir`.
    pub fn open(dir: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        let _ = key.copy().bytes();
        let path = dir.join(FILE);
        if !path.exists() {
            return Err(OpenError::NotFound);
        }
        let database = Database::create(path).map_err(|error| OpenError::Damaged { what: error.to_string() })?;
        Ok(Self { database, incarnation: Incarnation::Same })
    }

    /// Whether the engine must begin new logs.
    pub fn incarnation_hint(&self) -> Incarnation {
        self.incarnation
    }

    /// What is stored now, for reading.
    pub fn view(&self) -> Result<Snapshot, Fault> {
        let transaction = guarded(|| self.database.begin_read()).map_err(Fault)?;
        Ok(Snapshot::new(transaction.map_err(|error| Fault(error.to_string()))?))
    }

    /// Stores all of `records`, or none. When it returns `Ok`, they survive a crash and a power cut.
    pub fn commit(&mut self, records: &Records) -> Result<(), CommitError> {
        let damaged = |what: String| CommitError::Damaged { what };
        let mut transaction = self.database.begin_write().map_err(|error| damaged(error.to_string()))?;
        transaction.set_quick_repair(true);
        for ((table, key), value) in records {
            let mut table =
                transaction.open_table(schema::definition(*table)).map_err(|error| damaged(error.to_string()))?;
            match value {
                Some(value) => table.insert(key.as_slice(), value.as_slice()).map(drop),
                None => table.remove(key.as_slice()).map(drop),
            }
            .map_err(|error| damaged(error.to_string()))?;
        }
        transaction.commit().map_err(|error| damaged(error.to_string()))
    }

    /// Reads every page and checks that it is whole. `false` when something had to be mended.
    pub fn check(&mut self) -> Result<bool, OpenError> {
        self.database.check_integrity().map_err(|error| OpenError::Damaged { what: error.to_string() })
    }

    /// How much is stored.
    pub fn sizes(&self) -> Result<Sizes, Fault> {
        let transaction = self.database.begin_read().map_err(|error| Fault(error.to_string()))?;
        let rows = TableId::ALL
            .into_iter()
            .filter_map(|id| Some((id, transaction.open_table(schema::definition(id)).ok()?.len().ok()?)))
            .collect();
        Ok(Sizes { file_bytes: 0, rows })
    }
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
