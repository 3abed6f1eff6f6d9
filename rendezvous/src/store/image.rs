//! A look at a database file that changes nothing in it, also while its server goes on committing.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{Database, StorageBackend};

use super::{
    CACHE_BYTES, OpenError,
    error::{Trouble, guarded, of},
    schema,
};

/// Bytes that are kept as one piece: a page of redb's, of which the first says what is committed.
const BLOCK_BYTES: u64 = 4096;

/// The file as it was committed when this was made.
///
/// Its first page is copied; the other pages are read where they lie. A commit writes them elsewhere, but one after it may
/// take the place of what nobody needs any more. So while commits go on, a check that finds everything whole is right,
/// for each page has the checksum that the page above it names, and one that does not must be made again without them.
#[derive(Debug)]
pub struct Image {
    file: File,
    changed: Mutex<Changed>,
}

/// What redb wants written: it is only remembered.
#[derive(Debug)]
struct Changed {
    len: u64,
    /// So much of the file counts; what redb cut off does not come back.
    file_len: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Image {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let image = Self { file, changed: Mutex::new(Changed { len, file_len: len, blocks: BTreeMap::new() }) };
        let first = image.block(&image.lock(), 0)?;
        image.lock().blocks.insert(0, first);
        Ok(image)
    }

    /// A database that shows it. What is written there is only remembered, and gone with it.
    pub(super) fn database(self) -> Result<Database, OpenError> {
        // redb would make a new database of nothing.
        if self.lock().len == 0 {
            return Err(OpenError::empty());
        }
        Ok(guarded(|| Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(self).map_err(of))?)
    }

    /// Reads every page and checks that it is whole.
    pub fn check(self) -> Result<(), OpenError> {
        let mut database = self.database()?;
        let is_whole = guarded(|| {
            schema::format(&database)?;
            database.check_integrity().map_err(of)
        });
        // redb may panic over such pages in this too.
        guarded(move || {
            drop(database);
            Ok(())
        })?;
        let is_whole = is_whole?;
        if is_whole { Ok(()) } else { Err(Trouble::Damaged("its pages contradict each other".into()).into()) }
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        // Nothing in here panics half way through a change.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block with this number. Behind the end of the file there are zeros.
    fn block(&self, changed: &Changed, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = changed.blocks.get(&number) {
            return Ok(block.clone());
        }
        let offset = number.saturating_mul(BLOCK_BYTES);
        let length = changed.file_len.saturating_sub(offset).min(BLOCK_BYTES) as usize;
        let mut block = vec![0; length];
        self.file.read_exact_at(&mut block, offset)?;
        block.resize(BLOCK_BYTES as usize, 0);
        Ok(block)
    }

    /// Shows each block in `offset..offset + length`, and which part of it is meant.
    fn visit(
        &self,
        offset: u64,
        length: usize,
        mut visit: impl FnMut(&mut Changed, u64, std::ops::Range<usize>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut changed = self.lock();
        let end = offset.checked_add(length as u64).filter(|end| *end <= changed.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut at = offset;
        while at < end {
            let number = at / BLOCK_BYTES;
            let until = end.min((number + 1) * BLOCK_BYTES);
            let from = (at % BLOCK_BYTES) as usize;
            visit(&mut changed, number, from..from + (until - at) as usize)?;
            at = until;
        }
        Ok(())
    }
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut rest = &mut *out;
        self.visit(offset, rest.len(), |changed, number, part| {
            let block = self.block(changed, number)?;
            let (now, later) = std::mem::take(&mut rest).split_at_mut(part.len());
            now.copy_from_slice(block.get(part).unwrap_or_default());
            rest = later;
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changed = self.lock();
        let changed = &mut *changed;
        (changed.len, changed.file_len) = (len, changed.file_len.min(len));
        changed.blocks.retain(|number, _| number * BLOCK_BYTES < len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        self.visit(offset, data.len(), |changed, number, part| {
            let mut block = self.block(changed, number)?;
            let (now, later) = rest.split_at(part.len());
            block.get_mut(part).unwrap_or_default().copy_from_slice(now);
            rest = later;
            changed.blocks.insert(number, block);
            Ok(())
        })
    }
}
