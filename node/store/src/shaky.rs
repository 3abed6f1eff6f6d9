//! A disk in memory that loses power, fills up, fails and rots on request, for tests of what stands on it.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::disk::Disk;

/// What a disk writes as one: all of it or nothing.
const SECTOR: usize = 512;
/// What takes up space as one.
const PAGE: usize = 4096;

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct ShakyDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What a reader sees.
    now: Vec<u8>,
    /// What survives a power cut for certain.
    synced: Vec<u8>,
    /// What may or may not survive, in the order in which it happened.
    pending: Vec<Change>,
    /// Writes, changes of length and syncs so far.
    changes: u64,
    /// How many more there will be before the power is gone.
    left: Option<u64>,
    is_dark: bool,
    /// Whether the last of `pending` was cut short.
    under_way: bool,
    /// How many syncs from now on fail.
    bad_syncs: u32,
    /// How many pages there is space for, and which are taken.
    space: Option<usize>,
    taken: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl ShakyDisk {
    /// A disk on which these bytes are, and last.
    pub fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { now: bytes.clone(), synced: bytes, ..State::default() })))
    }

    /// What is on it.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().now.clone()
    }

    /// Changes the byte at `offset`, as a failing medium does.
    pub fn flip(&self, offset: usize, mask: u8) {
        let state = &mut *self.state();
        for bytes in [&mut state.now, &mut state.synced] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= mask;
            }
        }
    }

    /// How many changes were asked for so far: writes, changes of length, syncs.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// The power goes after so many more changes; the next one may be half done.
    pub fn cut_after(&self, changes: u64) {
        self.state().left = Some(changes);
    }

    /// The power was never gone: the process was killed, and what it wrote is still on its way to the disk.
    pub fn restart(&self) {
        let state = &mut *self.state();
        state.left = None;
        if std::mem::take(&mut state.is_dark) && std::mem::take(&mut state.under_way) {
            state.pending.pop();
        }
    }

    /// So many syncs fail from now on, and what was to be synced may be lost.
    pub fn fail_syncs(&self, count: u32) {
        self.state().bad_syncs = count;
    }

    /// Leaves space for `pages` more pages of 4 KiB; `None` for as many as one likes.
    pub fn leave_space(&self, pages: Option<usize>) {
        let state = &mut *self.state();
        state.space = pages.map(|pages| state.taken.len() + pages);
    }

    /// The disk as it may be found after a power cut now: of what was not synced, `seed` decides what survives.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Self {
        let state = self.state();
        let mut dice = Dice(seed);
        let mut bytes = state.synced.clone();
        // Nothing; all; whole changes; sectors; everything up to some moment.
        let (mode, until) = (dice.below(5), dice.below(state.pending.len() as u64 + 1));
        for (change, number) in state.pending.iter().zip(0..) {
            let survives = match mode {
                0 => false,
                1 => true,
                2 => dice.below(2) == 0,
                3 => change.apply_sectors(&mut bytes, &mut dice),
                _ => number < until,
            };
            if survives {
                change.apply(&mut bytes);
            }
        }
        Self::holding(bytes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a change; false when the power is gone.
    fn spend(&mut self) -> bool {
        self.changes += 1;
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn make(&mut self, change: Change) -> io::Result<()> {
        if self.spend() {
            if let Change::Write(offset, bytes) = &change {
                self.take_space(*offset, bytes.len())?;
            }
            change.apply(&mut self.now);
            self.pending.push(change);
            return Ok(());
        }
        if !std::mem::replace(&mut self.is_dark, true) {
            self.under_way = true;
            self.pending.push(change);
        }
        Err(no_power())
    }

    fn take_space(&mut self, offset: usize, len: usize) -> io::Result<()> {
        let pages = offset / PAGE..(offset + len).div_ceil(PAGE);
        let fresh = pages.clone().filter(|page| !self.taken.contains(page)).count();
        if self.space.is_some_and(|space| self.taken.len() + fresh > space) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.taken.extend(pages);
        Ok(())
    }
}

impl Disk for ShakyDisk {
    fn size(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = state.now.get(start..start.saturating_add(out.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        self.state().make(Change::Write(start, bytes.to_vec()))
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        let len = usize::try_from(size).map_err(io::Error::other)?;
        self.state().make(Change::Length(len))
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.state();
        if !state.spend() {
            state.is_dark = true;
            return Err(no_power());
        }
        if state.bad_syncs > 0 {
            state.bad_syncs -= 1;
            return Err(io::Error::other("the disk failed"));
        }
        for change in state.pending.drain(..) {
            change.apply(&mut state.synced);
        }
        Ok(())
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, new) => overwrite(bytes, *offset, new),
            Self::Length(len) => bytes.resize(*len, 0),
        }
    }

    /// Lets some of its sectors arrive. Whether the rest is to be applied too.
    fn apply_sectors(&self, bytes: &mut Vec<u8>, dice: &mut Dice) -> bool {
        let Self::Write(offset, new) = self else { return dice.below(2) == 0 };
        let (mut offset, mut new) = (*offset, new.as_slice());
        while !new.is_empty() {
            let (sector, rest) = new.split_at(new.len().min(SECTOR - offset % SECTOR));
            if dice.below(2) == 0 {
                overwrite(bytes, offset, sector);
            }
            offset += sector.len();
            new = rest;
        }
        false
    }
}

fn overwrite(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    if bytes.len() < offset + new.len() {
        bytes.resize(offset + new.len(), 0);
    }
    if let Some(old) = bytes.get_mut(offset..offset + new.len()) {
        old.copy_from_slice(new);
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is gone")
}

/// SplitMix64: small, seeded, good enough to decide what a disk loses.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % end.max(1)
    }
}
