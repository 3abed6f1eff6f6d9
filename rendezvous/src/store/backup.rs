//! A backup: one file that holds the rows and the server's secrets. Put in an empty data folder as the database, it makes
//! the same server again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use redb::{Database, ReadableTable as _, backends::FileBackend};
use zeroize::Zeroizing;

use super::{
    CACHE_BYTES, OpenError, Snapshot, Store,
    error::{Trouble, guarded, of},
    finish, private, schema, write,
};
use crate::registry::view::TableId;

/// Bytes of rows that go into one transaction.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// What makes a server the one that its users know.
#[derive(Debug)]
pub struct Secrets {
    /// Name of the file in the data folder.
    pub name: &'static str,
    /// What is in it.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// A backup was not written. The file that was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The operating system said no to the file.
    #[error("cannot write the backup {}: {reason}; name a file in a folder that the server may write to", path.display())]
    Path {
        /// Where it was to be.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// No space is left where it was to be.
    #[error("cannot write the backup {}: the disk is full; free some space, or name a file on another", .0.display())]
    Full(PathBuf),
    /// The rows could not be copied.
    #[error("cannot write the backup {}: {reason}", path.display())]
    Rows {
        /// Where it was to be.
        path: PathBuf,
        /// Why.
        reason: OpenError,
    },
}

impl BackupError {
    fn new(path: &Path, why: OpenError) -> Self {
        let path = path.to_owned();
        match why {
            OpenError::Full => Self::Full(path),
            OpenError::Io(reason) => Self::Path { path, reason },
            reason @ (OpenError::Damaged(_) | OpenError::Newer { .. } | OpenError::InUse) => {
                Self::Rows { path, reason }
            }
        }
    }
}

/// Writes a backup of what `snapshot` shows. The file has its name only when it is complete; one that is there is
/// replaced.
pub fn write_backup(snapshot: &Snapshot, secrets: &[Secrets], path: &Path) -> Result<(), BackupError> {
    if path.is_dir() {
        return Err(BackupError::new(path, OpenError::Io(io::ErrorKind::IsADirectory.into())));
    }
    let unfinished = path.with_extension("unfinished");
    let mut options = private();
    options.read(true).write(true).create(true).truncate(true);
    let file = options.open(&unfinished).map_err(|error| BackupError::new(path, OpenError::Io(error)))?;
    let written = fill(file, snapshot, secrets).and_then(|()| finish(&unfinished, path).map_err(OpenError::Io));
    written.map_err(|why| {
        // Half of it may hold the secrets already.
        let _ = fs::remove_file(&unfinished);
        BackupError::new(path, why)
    })
}

fn fill(file: fs::File, snapshot: &Snapshot, secrets: &[Secrets]) -> Result<(), OpenError> {
    guarded(|| {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(FileBackend::new(file).map_err(of)?)
            .map_err(of)?;
        write(&database, |transaction| {
            schema::create(transaction)?;
            secrets.iter().try_for_each(|secret| schema::set(transaction, secret.name, &secret.bytes))
        })?;
        TableId::ALL.into_iter().try_for_each(|id| copy(snapshot, &database, id))
    })?;
    Ok(())
}

/// Copies one table in parts of a bounded size.
fn copy(snapshot: &Snapshot, database: &Database, id: TableId) -> Result<(), Trouble> {
    let table = snapshot.transaction().open_table(schema::definition(id)).map_err(of)?;
    let mut rows = table.iter().map_err(of)?;
    let mut has_more = true;
    while has_more {
        write(database, |transaction| {
            let mut target = transaction.open_table(schema::definition(id)).map_err(of)?;
            let mut bytes = 0;
            while bytes < PART_BYTES {
                let Some(row) = rows.next() else {
                    has_more = false;
                    break;
                };
                let (key, value) = row.map_err(of)?;
                bytes += key.value().len() + value.value().len();
                target.insert(key.value(), value.value()).map_err(of)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

impl Store {
    /// Takes a secret out of a database that is a backup; `None` when it holds none of that name.
    pub fn take_secret(
        &mut self,
        name: &str,
        keep: impl FnOnce(&[u8]) -> std::io::Result<()>,
    ) -> Result<bool, OpenError> {
        let database = self.reopened()?;
        let Some(bytes) = guarded(|| schema::get(database, name))?.map(Zeroizing::new) else { return Ok(false) };
        keep(&bytes).map_err(OpenError::Io)?;
        write(database, |transaction| {
            transaction.open_table(schema::META).map_err(of)?.remove(name).map_err(of)?;
            Ok(())
        })?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::view::{Records, View as _};

    #[test]
    fn a_database_of_the_first_format_gets_the_table_that_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let records = Records::from([((TableId::Names, b"alice".to_vec()), Some(b"hers".to_vec()))]);
        store.commit(&records).unwrap();
        drop(store);
        let database = redb::Database::open(dir.path().join(super::super::FILE)).unwrap();
        let transaction = database.begin_write().unwrap();
        assert!(transaction.delete_table(schema::definition(TableId::Past)).unwrap());
        schema::set(&transaction, "format", &1_u32.to_le_bytes()).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let mut store = Store::open(dir.path()).unwrap();
        let view = store.view().unwrap();
        assert_eq!(view.get(TableId::Past, b"nobody").unwrap(), None);
        assert_eq!(view.get(TableId::Names, b"alice").unwrap(), Some(b"hers".to_vec()));
        drop(view);
        drop(store);
        let database = redb::Database::open(dir.path().join(super::super::FILE)).unwrap();
        assert_eq!(schema::format(&database).unwrap(), schema::CURRENT);
    }

    #[test]
    fn a_backup_put_in_an_empty_folder_is_the_same_server() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let records = Records::from([((TableId::Names, b"alice".to_vec()), Some(b"hers".to_vec()))]);
        store.commit(&records).unwrap();
        let other = tempfile::tempdir().unwrap();
        let path = other.path().join(super::super::FILE);
        let secrets = [Secrets { name: "keys", bytes: Zeroizing::new(b"secret".to_vec()) }];
        write_backup(&store.view().unwrap(), &secrets, &path).unwrap();
        let mut copy = Store::open(other.path()).unwrap();
        assert_eq!(copy.view().unwrap().get(TableId::Names, b"alice").unwrap(), Some(b"hers".to_vec()));
        let mut kept = Vec::new();
        let keep = |bytes: &[u8]| {
            kept = bytes.to_vec();
            Ok(())
        };
        assert!(copy.take_secret("keys", keep).unwrap());
        assert_eq!(kept, b"secret");
        assert!(!copy.take_secret("keys", |_| Ok(())).unwrap(), "it is taken out");
    }
}
