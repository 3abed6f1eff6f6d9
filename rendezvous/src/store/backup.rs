//! A backup: one file that holds the rows and the server's secrets. Put in an empty data folder as the database, it makes
//! the same server again.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use redb::{Database, ReadableTable as _, backends::FileBackend};

use super::{
    CACHE_BYTES, CONTROL_FILE, FILE, LOCK_FILE, OpenError, Secrets, Snapshot, appended,
    error::{Trouble, guarded, of},
    finish, parent, private, schema, write,
};
use crate::registry::view::TableId;

/// Bytes of rows that go into one transaction.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// What a backup is called until it is complete, behind its own name.
const UNFINISHED: &str = ".unfinished";

/// Where a backup goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The file.
    pub path: PathBuf,
    /// Whether it takes the place of a file that is there.
    pub replaces: bool,
}

/// A file that is not there yet.
impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Self {
        Self { path, replaces: false }
    }
}

/// A backup was not written. The file that was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would take the place of something else, an older backup perhaps.
    #[error("the backup {} is not written, for that file is there already; name another, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// It would take the place of what it is a backup of.
    #[error("the backup {} is not written, for that is a file of the server itself; name another", .0.display())]
    Ours(PathBuf),
    /// Another server writes its backup there.
    #[error("the backup {} is not written, for another is just being written there; name another file", .0.display())]
    InUse(PathBuf),
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
            OpenError::InUse => Self::InUse(path),
            OpenError::Io(reason) => Self::Path { path, reason },
            reason @ (OpenError::Damaged(_) | OpenError::Newer { .. } | OpenError::Closed) => {
                Self::Rows { path, reason }
            }
        }
    }
}

/// Writes a backup of what `snapshot` shows, which is of the data folder `dir`. The file has its name only when it is
/// complete, and is never one of the folder's own.
pub fn write_backup(snapshot: &Snapshot, secrets: &[Secrets], dir: &Path, target: &Target) -> Result<(), BackupError> {
    let path = target.path.as_path();
    refuse_what_is_there(secrets, dir, target)?;
    let unfinished = appended(path, UNFINISHED);
    let failed = |why| BackupError::new(path, why);
    if is_ours(secrets, dir, &unfinished).map_err(|error| failed(OpenError::Io(error)))? {
        return Err(BackupError::Ours(path.to_owned()));
    }
    let file = open_unfinished(&unfinished).map_err(|error| failed(OpenError::Io(error)))?;
    let backend = guarded(|| FileBackend::new(file.try_clone().map_err(of)?).map_err(of));
    // From here on nobody else writes to it: what is left of an earlier one can go.
    let backend = backend.map_err(|trouble| failed(trouble.into()))?;
    let written = file.set_len(0).map_err(OpenError::Io).and_then(|()| fill(backend, snapshot, secrets));
    let written = written.and_then(|()| file.sync_all().map_err(OpenError::Io)).map_err(failed);
    let done = written.and_then(|()| {
        refuse_what_is_there(secrets, dir, target)?;
        finish(&unfinished, path).map_err(|error| failed(OpenError::Io(error)))
    });
    done.inspect_err(|_| {
        // Half of it may hold the secrets already.
        let _ = fs::remove_file(&unfinished);
    })
}

/// Whatever a backup may not take the place of.
fn refuse_what_is_there(secrets: &[Secrets], dir: &Path, target: &Target) -> Result<(), BackupError> {
    let path = target.path.as_path();
    let failed = |error| BackupError::new(path, OpenError::Io(error));
    if is_ours(secrets, dir, path).map_err(failed)? {
        return Err(BackupError::Ours(path.to_owned()));
    }
    let kind = match fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if kind.is_dir() {
        Err(failed(io::ErrorKind::IsADirectory.into()))
    } else if !kind.is_file() {
        Err(failed(io::Error::other("it is a link or a device, and no ordinary file")))
    } else if !target.replaces {
        Err(BackupError::Exists(path.to_owned()))
    } else {
        Ok(())
    }
}

/// Whether `path` has the name of a file of the data folder, or is one by another name: links are followed.
fn is_ours(secrets: &[Secrets], dir: &Path, path: &Path) -> io::Result<bool> {
    let names = [FILE, LOCK_FILE, CONTROL_FILE].into_iter().chain(secrets.iter().map(|secret| secret.name));
    let (folder, there) = (place(parent(path))?, place(path)?);
    let is_in_dir = folder.is_some() && folder == place(dir)?;
    for name in names {
        let is_named = path.file_name().is_some_and(|file| file == name || file == appended(name.as_ref(), ".new"));
        if (is_in_dir && is_named) || (there.is_some() && there == place(&dir.join(name))?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What tells one file from every other; nothing for what is not there.
fn place(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some((meta.dev(), meta.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file for the owner only, whatever it was before. Links are not followed.
fn open_unfinished(path: &Path) -> io::Result<fs::File> {
    let file = private().read(true).write(true).create(true).truncate(false).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn fill(backend: FileBackend, snapshot: &Snapshot, secrets: &[Secrets]) -> Result<(), OpenError> {
    guarded(|| {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(of)?;
        write(&database, |transaction| {
            schema::create(transaction)?;
            secrets.iter().try_for_each(|secret| secret.put(transaction))
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

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        registry::view::{Records, View as _},
        store::Store,
    };

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
        write_backup(&store.view().unwrap(), &secrets, dir.path(), &path.into()).unwrap();
        let mut copy = Store::open(other.path()).unwrap();
        assert_eq!(copy.view().unwrap().get(TableId::Names, b"alice").unwrap(), Some(b"hers".to_vec()));
        let mut kept = Vec::new();
        let keep = |bytes: &[u8]| {
            kept = bytes.to_vec();
            Ok::<(), OpenError>(())
        };
        assert!(copy.take_secret("keys", keep).unwrap());
        assert_eq!(kept, b"secret");
        assert!(!copy.take_secret("keys", |_| Ok::<(), OpenError>(())).unwrap(), "it is taken out");
    }
}
