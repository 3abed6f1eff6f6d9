//! Block 0, which redb rewrites in place, kept so that no interrupted write can lose it.
//!
//! There are two slots, and a new version goes into the one that is not in use until it is known to be on the disk. Each
//! slot has two places. The first is written before the sync that makes the version count, with a list of the blocks
//! that must have arrived together with it; the second after that sync, without the list: it says that they did.

use std::{collections::BTreeMap, io};

use crate::{
    disk::Disk,
    error::Broken,
    seal::{OVERHEAD, Place, Sealer},
};

/// Bytes of block 0 that are kept. redb 4 uses 320 of them and leaves the rest zero.
pub(crate) const HEAD: usize = 512;
/// Bytes of one place. One page, so that it never shares a sector with anything else.
const PLACE: usize = 4096;
const PLAIN: usize = PLACE - OVERHEAD;
/// Sequence number, the one before, length, block 0, number of listed blocks, their digest.
const FIXED: usize = 8 + 8 + 8 + HEAD + 4 + 32;
/// Most blocks that one version can list.
pub(crate) const MAX_LISTED: usize = (PLAIN - FIXED) / 4;
/// Where the first block of redb's lies: behind the preamble's page and the four places.
pub(crate) const BLOCKS_AT: u64 = 4096 + 4 * PLACE as u64;

/// Nonce and tag of a block as it was last written. No two writes share it.
pub(crate) type Mark = [u8; OVERHEAD];

/// Blocks that were written since the last sync.
pub(crate) type Written = BTreeMap<u32, Mark>;

/// One version of block 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Higher is newer.
    pub(crate) seq: u64,
    /// The one it followed.
    pub(crate) before: u64,
    /// How many bytes redb believes to have.
    pub(crate) len: u64,
    /// Block 0.
    pub(crate) bytes: [u8; HEAD],
    /// The blocks that belong to it, and the digest over their marks.
    pub(crate) listed: Vec<u32>,
    digest: [u8; 32],
}

impl Head {
    pub(crate) fn new((seq, before): (u64, u64), len: u64, bytes: [u8; HEAD], written: &Written) -> Self {
        Self { seq, before, len, bytes, listed: written.keys().copied().collect(), digest: digest(written) }
    }

    /// Whether these are the blocks it was written with.
    pub(crate) fn is_complete(&self, found: &Written) -> bool {
        digest(found) == self.digest
    }

    /// Writes it to the first place of `slot`, to count once the disk is synced.
    pub(crate) fn announce(&self, disk: &dyn Disk, sealer: &Sealer, slot: u8) -> io::Result<()> {
        self.write(disk, sealer, slot)
    }

    /// Writes it to the second place of `slot`: what it lists is on the disk.
    pub(crate) fn confirm(&self, disk: &dyn Disk, sealer: &Sealer, slot: u8) -> io::Result<()> {
        Self::new((self.seq, self.before), self.len, self.bytes, &Written::new()).write(disk, sealer, slot + 2)
    }

    fn write(&self, disk: &dyn Disk, sealer: &Sealer, place: u8) -> io::Result<()> {
        let mut plain = Vec::with_capacity(PLAIN);
        plain.extend_from_slice(&self.seq.to_le_bytes());
        plain.extend_from_slice(&self.before.to_le_bytes());
        plain.extend_from_slice(&self.len.to_le_bytes());
        plain.extend_from_slice(&self.bytes);
        plain.extend_from_slice(&u32::try_from(self.listed.len()).map_err(io::Error::other)?.to_le_bytes());
        plain.extend_from_slice(&self.digest);
        plain.extend(self.listed.iter().flat_map(|block| block.to_le_bytes()));
        if plain.len() > PLAIN {
            return Err(io::Error::other("too many blocks in one list"));
        }
        plain.resize(PLAIN, 0);
        let mut sealed = Vec::with_capacity(PLACE);
        sealer.seal(Place::Head(place), [&plain, &[]], &mut sealed)?;
        disk.write_at(offset(place), &sealed)
    }
}

/// The four places of a file.
#[derive(Debug)]
pub(crate) struct Places {
    /// Per slot: what its two places hold, where they can be opened.
    slots: [[Option<Head>; 2]; 2],
}

impl Places {
    /// Reads all of them. A place that does not open is as good as empty: its write may have been interrupted.
    pub(crate) fn read(disk: &dyn Disk, sealer: &Sealer) -> io::Result<Self> {
        let place = |number| read(disk, sealer, number);
        Ok(Self { slots: [[place(0)?, place(2)?], [place(1)?, place(3)?]] })
    }

    /// The newest version that is complete, and its slot; nothing newer than `newest` is looked at.
    ///
    /// `is_complete` says whether the blocks that a version lists are there. The only version that may be incomplete is
    /// the newest, while it was being written over the one before the last: then the first place of the other slot holds
    /// the last. Anything else is damage, and going back further would silently lose what was committed.
    pub(crate) fn choose(
        self,
        newest: u64,
        mut is_complete: impl FnMut(&Head) -> io::Result<bool>,
    ) -> io::Result<Choice> {
        let whole = self.slots.iter().flatten().all(Option::is_some);
        let slots = self.slots.map(|places| places.map(|head| head.filter(|head| head.seq <= newest)));
        let seq_of = |places: &[Option<Head>; 2]| places.iter().flatten().map(|head| head.seq).max();
        let [zero, one] = &slots;
        let top = u8::from(seq_of(one) > seq_of(zero));
        let [zero, one] = slots;
        let (places, [other, _]) = if top == 0 { (zero, one) } else { (one, zero) };
        let damaged = || Broken("its first pages were changed".into());
        let seq = seq_of(&places).ok_or_else(damaged)?;
        let [announced, confirmed] = places.map(|head| head.filter(|head| head.seq == seq));
        if let Some(head) = confirmed {
            return Ok(Choice { slot: top, head, confirmed: true, whole });
        }
        let head = announced.ok_or_else(damaged)?;
        if is_complete(&head)? {
            return Ok(Choice { slot: top, head, confirmed: false, whole });
        }
        let head = other.filter(|other| other.seq == head.before).ok_or_else(damaged)?;
        if !is_complete(&head)? {
            return Err(damaged().into());
        }
        Ok(Choice { slot: 1 - top, head, confirmed: false, whole: false })
    }
}

/// Which version of block 0 to go on from.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) slot: u8,
    pub(crate) head: Head,
    /// Its second place says that all it lists is on the disk.
    pub(crate) confirmed: bool,
    /// Nothing was unreadable or incomplete, as after every end but a power cut.
    pub(crate) whole: bool,
}

fn read(disk: &dyn Disk, sealer: &Sealer, place: u8) -> io::Result<Option<Head>> {
    let mut sealed = [0; PLACE];
    match disk.read_at(offset(place), &mut sealed) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    Ok(sealer.open(Place::Head(place), &mut sealed).ok().and_then(parse))
}

fn parse(plain: &[u8]) -> Option<Head> {
    let (fixed, list) = plain.split_at_checked(FIXED)?;
    let (seq, rest) = fixed.split_first_chunk()?;
    let (before, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (bytes, rest) = rest.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let digest = rest.first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let listed = list.as_chunks().0.get(..count)?.iter().map(|block| u32::from_le_bytes(*block)).collect();
    let [seq, before, len] = [seq, before, len].map(|bytes| u64::from_le_bytes(*bytes));
    Some(Head { seq, before, len, bytes: *bytes, listed, digest: *digest })
}

fn offset(place: u8) -> u64 {
    4096 + u64::from(place) * PLACE as u64
}

fn digest(written: &Written) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("hobnob/store/listed/1");
    for (block, mark) in written {
        hasher.update(&block.to_le_bytes()).update(mark);
    }
    *hasher.finalize().as_bytes()
}
