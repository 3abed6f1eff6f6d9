//! Files that only their owner reads, replaced whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Replaces `path` with a file (0600) that holds `bytes`: after a crash at any moment there is the old one or the new
/// one, whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    // What a crash left of an earlier try is nobody's; and it might have been planted with other permissions.
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = write(fresh, bytes).and_then(|()| fs::rename(fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(fresh);
    }
    written?;
    sync_directory_of(path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename or removal in the directory of `path` survive a power cut.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// The file's bytes, but not more than one past `limit`: who gets that many knows that it is too long.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Takes everybody else's rights to a directory that is ours alone. A shared one (sticky, as `/tmp`, or of another user)
/// is left as it is; the files in it are 0600 anyhow.
pub(super) fn make_private(directory: &Path) -> io::Result<()> {
    const STICKY: u32 = 0o1000;
    let meta = fs::metadata(directory)?;
    let mode = meta.permissions().mode();
    let ours = meta.uid() == rustix::process::geteuid().as_raw();
    if ours && mode & STICKY == 0 && mode & 0o077 != 0 {
        fs::set_permissions(directory, fs::Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_private_even_after_a_torn_try() {
        let dir = std::env::temp_dir().join(format!("hobnob-file-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("it");
        fs::write(dir.join("it.new"), "torn").unwrap();
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"two");
        assert_eq!(read(&path, 1).unwrap(), b"tw");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!dir.join("it.new").exists());
        make_private(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        fs::remove_dir_all(dir).unwrap();
    }
}
