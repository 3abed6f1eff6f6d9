//! The first bytes of the file: what it is, of which version, and whether the key is right. Not secret, never rewritten.
//!
//! Two copies of 128 bytes, each alone in its half of the first page: magic (16), version of the sealed file (4), random
//! file id (32), key check (32), zeros, and a hash over all before (32). Everything up to the version stays where it is
//! in every future version.

use std::io;

use crate::{
    disk::Disk,
    error::{Broken, OpenError},
    key::StoreKey,
    seal::Sealer,
};

const MAGIC: &[u8; 16] = b"hobnob database\n";
/// Version of how pages are sealed and where they lie. What is in the pages has its own.
const VERSION: u32 = 1;
const SIZE: usize = 128;
const HASH_AT: usize = SIZE - 32;
/// Where the copies are.
const PLACES: [u64; 2] = [0, 2048];

type Copy = [u8; SIZE];

/// Writes the preamble of a new file.
pub(crate) fn write(disk: &dyn Disk, key: &StoreKey) -> io::Result<Sealer> {
    let mut file = [0; 32];
    getrandom::fill(&mut file).map_err(io::Error::other)?;
    let sealer = Sealer::new(key, &file);
    let mut bytes = Vec::with_capacity(SIZE);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&file);
    bytes.extend_from_slice(sealer.check());
    bytes.resize(HASH_AT, 0);
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    for place in PLACES {
        disk.write_at(place, &bytes)?;
    }
    Ok(sealer)
}

/// Reads the preamble.
pub(crate) fn read(disk: &dyn Disk, key: &StoreKey) -> Result<Sealer, OpenError> {
    parse(&whole(&copies(disk)?)?, key)
}

/// Mends a copy that was damaged from the other one.
pub(crate) fn mend(disk: &dyn Disk) -> Result<(), OpenError> {
    let copies = copies(disk)?;
    let whole = whole(&copies)?;
    for (copy, place) in copies.iter().zip(PLACES) {
        if *copy != whole {
            disk.write_at(place, &whole).map_err(OpenError::Io)?;
        }
    }
    Ok(())
}

fn copies(disk: &dyn Disk) -> Result<[Copy; 2], OpenError> {
    let mut copies = [[0; SIZE]; 2];
    for (copy, place) in copies.iter_mut().zip(PLACES) {
        match disk.read_at(place, copy) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Broken("it is cut off".into()).into());
            }
            other => other.map_err(OpenError::Io)?,
        }
    }
    Ok(copies)
}

fn whole(copies: &[Copy; 2]) -> Result<Copy, Broken> {
    copies.iter().find(|copy| is_whole(copy)).copied().ok_or_else(|| Broken("its first page was changed".into()))
}

fn is_whole(copy: &Copy) -> bool {
    let (bytes, hash) = copy.split_at(HASH_AT);
    bytes.starts_with(MAGIC) && blake3::hash(bytes).as_bytes() == hash
}

fn parse(copy: &Copy, key: &StoreKey) -> Result<Sealer, OpenError> {
    let mut rest = copy.split_at(MAGIC.len()).1;
    let mut version = [0; 4];
    let mut file = [0; 32];
    let mut check = [0; 32];
    for field in [&mut version[..], &mut file[..], &mut check[..]] {
        let (bytes, after) = rest.split_at(field.len());
        field.copy_from_slice(bytes);
        rest = after;
    }
    let found = u32::from_le_bytes(version);
    if found > VERSION {
        return Err(OpenError::Newer { found, known: VERSION });
    }
    let sealer = Sealer::new(key, &file);
    if *sealer.check() == check { Ok(sealer) } else { Err(OpenError::WrongKey) }
}
