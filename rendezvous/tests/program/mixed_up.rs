//! Files of two servers in one folder are refused, by whoever looks first, with what to do.

use std::{fs, path::Path};

use redb::TableDefinition;
use tempfile::TempDir;

use crate::driver::{Rosa, call, said};

const SERVE: [&str; 4] = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// A server that has served.
fn server() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    drop(Rosa::start(dir.path()));
    dir
}

fn assert_refused(dir: &Path, parts: &[&str]) {
    let acts: [&[&str]; 4] = [&SERVE, &["check"], &["stats"], &["invite"]];
    for words in acts {
        let output = call(dir, words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{words:?}: {text} lacks {part:?}");
        }
    }
}

fn assert_serves(dir: &Path) {
    assert_eq!(said(&call(dir, &["--json", "check"]))["ok"], true);
    drop(Rosa::start(dir));
}

#[test]
fn a_secret_of_another_server_is_named_and_refused() {
    let (rosa, other) = (server(), server());
    for name in ["keys", "opaque"] {
        let (file, own) = (rosa.path().join("data").join(name), rosa.path().join("own"));
        fs::rename(&file, &own).unwrap();
        fs::copy(other.path().join("data").join(name), &file).unwrap();
        assert_refused(rosa.path(), &[&format!("file {name} is not"), "server.db", "another server's", "put back"]);
        fs::rename(&own, &file).unwrap();
        assert_serves(rosa.path());
    }
}

#[test]
fn a_database_of_another_server_is_named_and_refused() {
    let (rosa, other) = (server(), server());
    fs::copy(other.path().join("data/server.db"), rosa.path().join("data/server.db")).unwrap();
    assert_refused(rosa.path(), &["server.db was made with other files", "another server's", "put back"]);
    for name in ["keys", "opaque"] {
        fs::copy(other.path().join("data").join(name), rosa.path().join("data").join(name)).unwrap();
    }
    assert_serves(rosa.path());
}

#[test]
fn a_backup_fits_its_own_server_only_also_when_its_secrets_were_taken_out() {
    let (rosa, other) = (server(), server());
    let backup = rosa.path().join("backup.db");
    said(&call(rosa.path(), &["--json", "backup", backup.to_str().unwrap()]));
    for name in ["keys", "opaque"] {
        // Half of a backup is restored: one file beside it is another server's.
        let elsewhere = tempfile::tempdir().unwrap();
        let data = elsewhere.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::copy(&backup, data.join("server.db")).unwrap();
        fs::copy(other.path().join("data").join(name), data.join(name)).unwrap();
        assert_refused(elsewhere.path(), &[&format!("the file {name}"), "another server"]);
        fs::remove_file(data.join(name)).unwrap();
        assert_serves(elsewhere.path());
        fs::copy(other.path().join("data").join(name), data.join(name)).unwrap();
        assert_refused(elsewhere.path(), &[&format!("the file {name}"), "another server"]);
    }
}

#[test]
fn a_database_from_before_prints_takes_the_secrets_beside_it_for_its_own() {
    let (rosa, other) = (server(), server());
    let database = redb::Database::open(rosa.path().join("data/server.db")).unwrap();
    let transaction = database.begin_write().unwrap();
    for name in ["keys.print", "opaque.print"] {
        let mut meta = transaction.open_table(META).unwrap();
        assert!(meta.remove(name).unwrap().is_some(), "{name}");
    }
    transaction.commit().unwrap();
    drop(database);
    assert_serves(rosa.path());
    fs::copy(other.path().join("data/opaque"), rosa.path().join("data/opaque")).unwrap();
    assert_refused(rosa.path(), &["file opaque is not"]);
}

#[test]
fn a_server_that_runs_sees_that_its_files_became_another_servers() {
    let (rosa, other) = (server(), server());
    let running = Rosa::start(rosa.path());
    fs::copy(other.path().join("data/keys"), rosa.path().join("data/keys")).unwrap();
    let output = call(rosa.path(), &["check"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("file keys is not the one"), "{text}");
    drop(running);
}
