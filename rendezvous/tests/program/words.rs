//! What an operator is told who has mistaken a folder, a file or a setting.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use hobnob_shared::wire::rendezvous::Registration;

use crate::{
    cast::{client::Client, flows::status},
    driver::{Rosa, call, said},
};

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn a_data_folder_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::write(&data, "a file").unwrap();
    let backup = dir.path().join("backup.db");
    let words = format!("{} is a file, and cannot be the data folder", data.display());
    let acts: [&[&str]; 5] = [&SERVE, &["check"], &["stats"], &["invite"], &["backup", backup.to_str().unwrap()]];
    for act in acts {
        let (code, text) = told(&call(dir.path(), act));
        assert!(code == Some(1) && text.contains(&words) && text.contains("--data-dir"), "{act:?}: {text}");
    }
}

#[test]
fn a_data_folder_that_cannot_be_made_or_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "a file").unwrap();
    let below = file.join("data");
    let (code, text) = told(&call(&file, &SERVE));
    let words = format!("the data folder {} cannot be made", below.display());
    assert!(code == Some(1) && text.contains(&words) && text.contains("--data-dir"), "{text}");

    let data = dir.path().join("data");
    fs::create_dir_all(data.join("lock")).unwrap();
    let (code, text) = told(&call(dir.path(), &SERVE));
    let words = format!("the file lock in the data folder {} cannot be opened", data.display());
    assert!(code == Some(1) && text.contains(&words) && text.contains("chown"), "{text}");
}

#[test]
fn an_empty_database_is_called_so_by_everybody() {
    let dir = tempfile::tempdir().unwrap();
    drop(Rosa::start(dir.path()));
    fs::write(dir.path().join("data/server.db"), "").unwrap();
    let acts: [&[&str]; 4] = [&SERVE, &["check"], &["stats"], &["invite"]];
    for act in acts {
        let (code, text) = told(&call(dir.path(), act));
        assert!(code == Some(1) && text.contains("the database is damaged: it is empty"), "{act:?}: {text}");
    }
}

#[test]
fn a_backup_is_not_written_to_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let _rosa = Rosa::start(dir.path());
    let (code, text) = told(&call(dir.path(), &["backup", "-"]));
    assert!(code == Some(1) && text.contains("a backup goes into a file"), "{text}");
}

#[test]
fn check_warns_of_what_others_can_read_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut rosa = Rosa::start(dir.path());
    assert_eq!(said(&call(dir.path(), &["--json", "check"]))["warnings"], serde_json::json!([]));
    let (data, keys) = (dir.path().join("data"), dir.path().join("data/keys"));
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for is_running in [true, false] {
        set(&data, 0o755);
        set(&keys, 0o644);
        let checked = said(&call(dir.path(), &["--json", "check"]));
        assert_eq!((checked["ok"].as_bool(), checked["running"].as_bool()), (Some(true), Some(is_running)));
        let warnings = checked["warnings"].as_array().unwrap();
        let of = |path: &Path, mode: &str| {
            let words = format!("chmod {mode} {}", path.display());
            warnings.iter().any(|warning| warning.as_str().unwrap().ends_with(&words))
        };
        assert!(warnings.len() == 2 && of(&data, "700") && of(&keys, "600"), "{checked}");
        let text = String::from_utf8(call(dir.path(), &["check"]).stdout).unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("warning: ")).count(), 2, "{text}");
        assert_eq!((mode(&data), mode(&keys)), (0o755, 0o644));
        if is_running {
            rosa.signal("TERM");
            while rosa.line().is_some() {}
            rosa.child.wait().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_says_what_was_wrong_and_what_waits_for_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut rosa = Rosa::start_logging(dir.path());
    let config = dir.path().join("config.toml");
    let mut guest = Client::guest(&rosa.address()).await;
    fs::remove_file(&config).unwrap();
    rosa.signal("HUP");
    // Signals of one kind are not counted, so each is waited for by what it leads to: the log is read at the end.
    let mut log = rosa.child.stderr.take().unwrap();
    let mut text = String::new();
    read_until(&mut log, &mut text, "cannot be read: No such file");
    assert!(text.contains(&config.display().to_string()), "{text}");
    fs::write(&config, "registration = \"closed\"\nlog = \"debug\"\nannounce = \"/dns4/rosa.example/tcp/1\"\n")
        .unwrap();
    rosa.signal("HUP");
    read_until(&mut log, &mut text, "wait for a restart");
    let line = text.lines().last().unwrap();
    assert!(line.contains("announce, log") && !line.contains("listen"), "{line}");
    assert_eq!(status(&mut guest).await.registration, Registration::Closed, "what need not wait counts");
}

/// Reads what is logged until the line with these words ends.
fn read_until(log: &mut impl std::io::Read, text: &mut String, words: &str) {
    let begun = text.len();
    while !(text.ends_with('\n') && text.get(begun..).is_some_and(|new| new.contains(words))) {
        let mut byte = [0];
        assert_eq!(log.read(&mut byte).unwrap(), 1, "the log ends: {text}");
        text.push(char::from(byte[0]));
    }
}
