//! What only looks at a server that does not run changes nothing of it, and finds what is wrong.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use crate::driver::{Rosa, call, said};

/// Each file of the data folder: what is in it, its rights, and when it was changed.
fn all(data: &Path) -> BTreeMap<String, (Vec<u8>, u32, i64)> {
    let files = fs::read_dir(data).unwrap().map(Result::unwrap).filter(|file| file.file_type().unwrap().is_file());
    let state = |file: fs::DirEntry| {
        let meta = file.metadata().unwrap();
        let changed = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
        (file.file_name().into_string().unwrap(), (fs::read(file.path()).unwrap(), meta.mode(), changed))
    };
    files.map(state).collect()
}

fn assert_nothing_changes(dir: &Path) {
    let data = dir.join("data");
    let (before, mode) = (all(&data), fs::metadata(&data).unwrap().mode());
    let backup = dir.join("looked.db");
    let acts: [&[&str]; 3] = [&["check"], &["stats"], &["backup", "--force", backup.to_str().unwrap()]];
    for words in acts {
        let output = call(dir, words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        assert_eq!(all(&data), before, "{words:?}");
    }
    assert_eq!(fs::metadata(&data).unwrap().mode(), mode);
    fs::remove_file(backup).unwrap();
}

#[test]
fn check_stats_and_backup_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    let backup = dir.path().join("backup.db");
    said(&call(dir.path(), &["--json", "backup", backup.to_str().unwrap()]));
    drop(rosa);
    // Killed, so redb has something to mend.
    assert_nothing_changes(dir.path());

    // A backup that nobody has served from, with everybody's rights.
    let restored = tempfile::tempdir().unwrap();
    let data = restored.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::copy(&backup, data.join("server.db")).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(data.join("server.db"), fs::Permissions::from_mode(0o444)).unwrap();
    assert_nothing_changes(restored.path());
    assert_eq!(all(&data).len(), 1);
    // A backup of it is one all the same.
    let again = restored.path().join("again.db");
    said(&call(restored.path(), &["--json", "backup", again.to_str().unwrap()]));
    fs::set_permissions(data.join("server.db"), fs::Permissions::from_mode(0o600)).unwrap();
    let key = *Rosa::start(restored.path()).address().x25519();
    let third = tempfile::tempdir().unwrap();
    fs::create_dir(third.path().join("data")).unwrap();
    fs::copy(&again, third.path().join("data/server.db")).unwrap();
    assert_eq!(*Rosa::start(third.path()).address().x25519(), key);
}

#[test]
fn check_finds_every_flipped_byte_of_the_secrets() {
    let dir = tempfile::tempdir().unwrap();
    drop(Rosa::start(dir.path()));
    for name in ["keys", "opaque"] {
        let file = dir.path().join("data").join(name);
        let whole = fs::read(&file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&file, flipped).unwrap();
            let output = call(dir.path(), &["check"]);
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && text.contains(&format!("file {name} is")), "byte {at}: {text}");
        }
        fs::write(&file, whole).unwrap();
    }
    assert_eq!(said(&call(dir.path(), &["--json", "check"]))["ok"], true);
}

#[test]
fn nobody_looks_at_a_folder_whose_server_cannot_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let _rosa = Rosa::start(dir.path());
    fs::remove_file(dir.path().join("data/control.sock")).unwrap();
    for words in ["check", "stats"] {
        let output = call(dir.path(), &[words]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(8) && text.contains("in use by another"), "{words}: {text}");
    }
}
