//! How far the database has come, in a file next to it: eight bytes, written after each commit and never synced.
//!
//! A database that is behind its mark was put back to an earlier state, or lost something; a mark at the end of all
//! numbers says so until the next commit. The mark may be behind the database after a power cut, which means nothing.
//! It is a counter and tells nobody anything.

use std::{fs::File, io, path::Path};

use crate::{
    disk::{Disk as _, FileDisk},
    lock::private,
};

/// Name of the file in the profile's folder.
pub(crate) const FILE: &str = "history.mark";

#[derive(Debug)]
pub(crate) struct Mark {
    file: FileDisk,
}

impl Mark {
    /// Opens the mark, and says how far the database had come when it was last written, where that is known.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Option<u64>)> {
        let file: File = private().read(true).write(true).create(true).truncate(false).open(dir.join(FILE))?;
        let file = FileDisk::new(file);
        let mut bytes = [0; 8];
        let known = file.size()? == 8 && file.read_at(0, &mut bytes).is_ok();
        Ok((Self { file }, known.then(|| u64::from_le_bytes(bytes))))
    }

    /// Notes how far the database has come.
    pub(crate) fn set(&self, seq: u64) {
        // A mark that is missing or behind costs a new log at worst.
        let _ = self.file.write_at(0, &seq.to_le_bytes());
    }
}
