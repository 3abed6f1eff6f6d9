//! What the pages lie on: a file, or in tests something that loses power.

use std::{
    fmt::Debug,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::lock::private;

/// A row of bytes that can be read, written and made to last.
///
/// Until [`Disk::sync`] returns, a power cut may lose any part of any write since the last one; bytes that were not
/// written to keep their content.
pub trait Disk: Debug + Send + Sync + 'static {
    /// How many bytes there are.
    fn size(&self) -> io::Result<u64>;
    /// Fills `out` from `offset` on. Fewer bytes than that are an error.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts off what is beyond `size`, or adds zeros up to there.
    fn resize(&self, size: u64) -> io::Result<()>;
    /// Returns when everything written before will survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// A file that only its owner can read.
#[derive(Debug)]
pub(crate) struct FileDisk(File);

impl FileDisk {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        private().read(true).write(true).open(path).map(Self)
    }

    /// An empty file. One that was there under this name is emptied.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        private().read(true).write(true).create(true).truncate(true).open(path).map(Self)
    }
}

impl Disk for FileDisk {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, out, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(&self.0, out, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            out = out.split_at_mut(read).1;
            offset += read as u64;
        }
        Ok(())
    }

    #[cfg(windows)]
    fn write_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(&self.0, bytes, offset)?;
            bytes = bytes.split_at(written).1;
            offset += written as u64;
        }
        Ok(())
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Makes a rename in `dir` last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// `name` in `dir`, as long as it is being written.
pub(crate) fn unfinished(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.new"))
}
