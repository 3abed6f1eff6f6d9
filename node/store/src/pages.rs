//! redb's storage: blocks of 4 KiB, each sealed on its own, on a disk that may lose power.
//!
//! redb never overwrites a block that its last commit uses, except block 0; [`crate::head`] keeps that one safe. The
//! length that redb sees is part of block 0's versions, so it changes together with them, and a file that is shorter is
//! noticed at once. Blocks are 4,144 bytes on the disk and share sectors with their neighbours; like SQLite we rely on
//! disks to leave alone the bytes that were not written.
//!
//! Each block carries the version of block 0 that it was written for. One that is newer than what the file was opened at
//! does not belong there: the file was copied while it was in use, or block 0 is not the newest any more.
//!
//! A commit of redb's syncs twice: first the new blocks, then block 0 with its primary bit turned. Inside
//! [`Pages::join`] the first is left out, and the second version of block 0 lists the new blocks with their tags, so that
//! an opener can tell whether all of them arrived. That is redb's one-phase commit with a proof in the place of its
//! checksum: nobody who shapes our rows can make a part of a commit look like a whole.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::StorageBackend;

use crate::{
    disk::Disk,
    error::{Broken, OpenError, Trouble},
    head::{BLOCKS_AT, Choice, HEAD, Head, MAX_LISTED, Mark, Places, Written},
    key::StoreKey,
    preamble,
    seal::{OVERHEAD, Place, Sealer},
};

/// Bytes of one block as redb sees it.
const BLOCK: usize = 4096;
/// Bytes in front of a block's own: the version of block 0 that it was written for.
const STAMP: usize = 8;
/// Bytes of one block on the disk.
const SEALED: usize = OVERHEAD + STAMP + BLOCK;
/// Versions of block 0 have the opening in their upper half, so that those of one that came to nothing stay unused.
const OPENING: u32 = 32;
/// Where redb says which of its two commits counts: a bit in this byte of block 0.
const PRIMARY_AT: usize = 9;
const PRIMARY_BIT: u8 = 1;

/// The blocks of one open database.
#[derive(Debug)]
pub(crate) struct Pages {
    disk: Arc<dyn Disk>,
    sealer: Sealer,
    /// The version of block 0 that was found, and the first one that this opening writes.
    found: u64,
    first: u64,
    state: Mutex<State>,
    /// Whether the first sync of a commit may be left out.
    joining: AtomicBool,
    /// The first thing that went wrong. redb refuses everything after it.
    failure: Mutex<Option<Trouble>>,
}

#[derive(Debug)]
struct State {
    /// Block 0, and the length, as redb last said.
    bytes: [u8; HEAD],
    len: u64,
    /// Whether they differ from what the slot in use holds.
    changed: bool,
    /// The primary bit there.
    primary: u8,
    /// The slot in use, known to be on the disk, and its sequence number; `None` in a new file.
    slot: Option<u8>,
    seq: u64,
    /// The sequence number that comes next: what is written now is for it.
    next: u64,
    /// What the slot in use lists, as long as only its first place is known to be on the disk.
    listed: BTreeSet<u32>,
    confirmed: bool,
    /// Blocks written since the last sync. Not kept up when there are more than a list can hold.
    written: Written,
}

impl Pages {
    /// Makes the pages of a new, empty database.
    pub(crate) fn create(disk: Arc<dyn Disk>, key: &StoreKey) -> io::Result<Self> {
        disk.resize(BLOCKS_AT)?;
        let sealer = preamble::write(&*disk, key)?;
        Ok(Self::new(disk, sealer, State::default()))
    }

    /// Opens the pages of a database, and says whether they are as they were left. Versions of block 0 after `newest`
    /// do not count.
    pub(crate) fn open(disk: Arc<dyn Disk>, key: &StoreKey, newest: u64) -> Result<(Self, bool), OpenError> {
        let sealer = preamble::read(&*disk, key)?;
        Self::choose(disk, sealer, newest).map_err(|error| Trouble::from(&error).into())
    }

    fn choose(disk: Arc<dyn Disk>, sealer: Sealer, newest: u64) -> io::Result<(Self, bool)> {
        let places = Places::read(&*disk, &sealer)?;
        let choice = places.choose(newest, |head| Ok(head.is_complete(&arrived(&*disk, &sealer, head)?)))?;
        let Choice { slot, head, confirmed, whole } = choice;
        if disk.size()? < on_disk(head.len) || head.len < BLOCK as u64 {
            return Err(Broken("it is cut off".into()).into());
        }
        // A preamble that cannot be mended now is read again at the next start.
        let _ = preamble::mend(&*disk);
        // What was chosen may still be on its way to the disk. Nothing may be built on it, nor said about it, before it
        // is there.
        disk.sync()?;
        let confirmed = confirmed || head.confirm(&*disk, &sealer, slot).is_ok();
        let state = State {
            bytes: head.bytes,
            len: head.len,
            primary: primary(&head.bytes),
            slot: Some(slot),
            seq: head.seq,
            listed: head.listed.into_iter().collect(),
            confirmed,
            ..State::default()
        };
        Ok((Self::new(disk, sealer, state), whole))
    }

    fn new(disk: Arc<dyn Disk>, sealer: Sealer, mut state: State) -> Self {
        let found = state.seq;
        let first = ((found >> OPENING) + 1) << OPENING;
        state.next = first;
        let (joining, failure) = (AtomicBool::new(false), Mutex::default());
        Self { disk, sealer, found, first, state: Mutex::new(state), joining, failure }
    }

    /// Runs `commit`, one commit of redb's, with one sync instead of two.
    pub(crate) fn join<T>(&self, commit: impl FnOnce() -> T) -> T {
        self.joining.store(true, Ordering::Relaxed);
        let result = commit();
        self.joining.store(false, Ordering::Relaxed);
        result
    }

    /// The version of block 0 that is known to be on the disk.
    pub(crate) fn seq(&self) -> u64 {
        self.state().seq
    }

    /// The first thing that went wrong, if something did.
    pub(crate) fn failure(&self) -> Option<Trouble> {
        lock(&self.failure).as_ref().map(Trouble::copy)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Passes a result on to redb, and remembers the first error.
    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            lock(&self.failure).get_or_insert_with(|| error.into());
        })
    }

    fn read_blocks(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        let mut sealed = vec![0; out.len() / BLOCK * SEALED];
        self.disk.read_at(offset(first), &mut sealed)?;
        for (number, (sealed, out)) in (first..).zip(sealed.chunks_mut(SEALED).zip(out.chunks_mut(BLOCK))) {
            let misfit = || Broken(format!("block {number} is of another time than the rest"));
            let opened = self.sealer.open(Place::Block(number), sealed)?;
            let (stamp, plain) = opened.split_first_chunk().ok_or_else(misfit)?;
            let stamp = u64::from_le_bytes(*stamp);
            if stamp > self.found && stamp < self.first {
                return Err(misfit().into());
            }
            out.copy_from_slice(plain);
        }
        Ok(())
    }

    fn write_blocks(&self, first: u64, plain: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let count = (plain.len() / BLOCK) as u64;
        let numbers = u32::try_from(first).and_then(|first| Ok(first..u32::try_from(u64::from(first) + count)?));
        let numbers = numbers.map_err(io::Error::other)?;
        if state.listed.range(numbers.clone()).next().is_some() {
            self.settle(&mut state)?;
        }
        let mut sealed = Vec::with_capacity(plain.len() / BLOCK * SEALED);
        let stamp = state.next.to_le_bytes();
        for (number, block) in (first..).zip(plain.chunks(BLOCK)) {
            self.sealer.seal(Place::Block(number), [&stamp, block], &mut sealed)?;
        }
        self.disk.write_at(offset(first), &sealed)?;
        for (number, block) in numbers.zip(sealed.chunks(SEALED)) {
            state.note(number, block);
        }
        Ok(())
    }

    /// Makes sure that the list in the slot in use is not needed any more, before something on it is overwritten.
    fn settle(&self, state: &mut State) -> io::Result<()> {
        if let (false, Some(slot)) = (state.confirmed, state.slot) {
            // The first place is read back: block 0 may have changed since.
            let places = Places::read(&*self.disk, &self.sealer)?;
            places.choose(state.seq, |_| Ok(true))?.head.confirm(&*self.disk, &self.sealer, slot)?;
            state.confirmed = true;
        }
        self.disk.sync()?;
        state.written.clear();
        state.listed.clear();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        let joining = self.joining.load(Ordering::Relaxed);
        let is_listable = state.written.len() <= MAX_LISTED;
        let turning = primary(&state.bytes) != state.primary;
        if joining && state.changed && !turning && is_listable {
            // The next one covers it.
            return Ok(());
        }
        if !state.changed || (joining && !turning) {
            self.disk.sync()?;
            state.written.clear();
            return Ok(());
        }
        if !joining || !is_listable {
            // Without a list, block 0 may not arrive before what it leads to.
            if turning && !state.written.is_empty() {
                self.disk.sync()?;
            }
            state.written.clear();
        }
        self.turn(&mut state)
    }

    /// Writes the next version of block 0 over the one before the last, and syncs.
    fn turn(&self, state: &mut State) -> io::Result<()> {
        let blocks = u32::try_from(state.len / BLOCK as u64).map_err(io::Error::other)?;
        state.written.split_off(&blocks);
        let slot = state.slot.map_or(0, |slot| 1 - slot);
        let head = Head::new((state.next, state.seq), state.len, state.bytes, &state.written);
        head.announce(&*self.disk, &self.sealer, slot)?;
        self.disk.sync()?;
        state.slot = Some(slot);
        state.seq = head.seq;
        state.next = head.seq + 1;
        state.changed = false;
        state.primary = primary(&head.bytes);
        state.listed = std::mem::take(&mut state.written).into_keys().collect();
        // It is on the disk already; this only says so, and can wait.
        state.confirmed = head.confirm(&*self.disk, &self.sealer, slot).is_ok();
        if self.disk.size()? > on_disk(head.len) {
            // Space that is not given back now will be another time.
            let _ = self.disk.resize(on_disk(head.len));
        }
        Ok(())
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            bytes: [0; HEAD],
            len: 0,
            changed: false,
            primary: 0,
            slot: None,
            seq: 0,
            next: 0,
            listed: BTreeSet::new(),
            confirmed: false,
            written: Written::new(),
        }
    }
}

impl State {
    fn note(&mut self, number: u32, sealed: &[u8]) {
        // One more than a list can hold is enough to know that it cannot.
        if let Some(mark) = sealed.first_chunk::<{ size_of::<Mark>() }>()
            && self.written.len() <= MAX_LISTED
        {
            self.written.insert(number, *mark);
        }
    }
}

/// What redb holds of the pages.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<Pages>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let pages = &self.0;
        let beyond = || Broken(format!("{} bytes from {offset} on are missing", out.len()));
        if offset.saturating_add(out.len() as u64) > pages.state().len {
            return pages.noted(Err(beyond().into()));
        }
        if let Some(range) = in_head(offset, out.len()) {
            let state = pages.state();
            let bytes = state.bytes.get(range).ok_or_else(misaligned)?;
            out.copy_from_slice(bytes);
            return Ok(());
        }
        let first = block(offset, out.len())?;
        pages.noted(pages.read_blocks(first, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let pages = &self.0;
        let mut state = pages.state();
        // A shorter file has to wait until the block 0 that says so is on the disk.
        if on_disk(len) > pages.noted(pages.disk.size())? {
            pages.noted(pages.disk.resize(on_disk(len)))?;
        }
        state.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.noted(self.0.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let pages = &self.0;
        if let Some(range) = in_head(offset, data.len()) {
            let mut state = pages.state();
            state.bytes.get_mut(range).ok_or_else(misaligned)?.copy_from_slice(data);
            state.changed = true;
            return Ok(());
        }
        let first = block(offset, data.len())?;
        pages.noted(pages.write_blocks(first, data))
    }
}

/// The marks of what `head` lists, as far as it is whole on the disk.
fn arrived(disk: &dyn Disk, sealer: &Sealer, head: &Head) -> io::Result<Written> {
    let mut found = Written::new();
    let mut sealed = vec![0; SEALED];
    for number in &head.listed {
        match disk.read_at(offset(u64::from(*number)), &mut sealed) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            other => other?,
        }
        let mark = sealed.first_chunk::<{ size_of::<Mark>() }>().copied();
        if sealer.open(Place::Block(u64::from(*number)), &mut sealed).is_ok() {
            found.extend(mark.map(|mark| (*number, mark)));
        }
    }
    Ok(found)
}

/// Bytes on the disk for `len` bytes of redb's.
fn on_disk(len: u64) -> u64 {
    offset(len.div_ceil(BLOCK as u64).max(1))
}

/// Where a block lies. Block 0 lies elsewhere.
fn offset(block: u64) -> u64 {
    BLOCKS_AT + block.saturating_sub(1) * SEALED as u64
}

fn in_head(offset: u64, len: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    (start < BLOCK).then(|| start..start.saturating_add(len))
}

/// The number of the block at `offset`, when whole blocks are meant.
fn block(offset: u64, len: usize) -> io::Result<u64> {
    let size = BLOCK as u64;
    if offset.is_multiple_of(size) && len.is_multiple_of(BLOCK) { Ok(offset / size) } else { Err(misaligned()) }
}

fn misaligned() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "redb asks for a part of a block")
}

fn primary(bytes: &[u8; HEAD]) -> u8 {
    bytes.get(PRIMARY_AT).map_or(0, |flags| flags & PRIMARY_BIT)
}

/// A panic while it was held left nothing half done that a lock could protect.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
