use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use hobnob_shared::{
    rendezvous::RegistrationCode,
    wire::rendezvous::{Proof, Registration, ServerFrame},
};

use crate::{
    cast::{
        Person,
        client::Client,
        flows::{join, log_in, registration, status},
    },
    driver::{Rosa, call, command, get, said},
};

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_from_an_empty_folder_and_stops_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut rosa = Rosa::start(dir.path());
    let at = rosa.address();
    let mut alice = Person::new("alice", 1);
    join(&at, &mut alice, "secret").await;
    let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    for file in ["data/server.db", "data/keys", "data/opaque", "data/lock"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    rosa.signal("TERM");
    assert_eq!(rosa.line().unwrap()["type"], "bye");
    assert_eq!(rosa.child.wait().unwrap().code(), Some(0));

    let rosa = Rosa::start(dir.path());
    let again = rosa.address();
    assert_eq!((again.transport(), again.x25519()), (at.transport(), at.x25519()));
    let mut bare = Client::guest(&again).await;
    assert!(log_in(&mut bare, &again, &mut alice, "secret").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_asks_while_it_runs_and_when_it_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let config = "registration = \"invite\"\n[limits]\nburst_frames = 1000\n";
    fs::write(dir.path().join("config.toml"), config).unwrap();
    drop(Rosa::start(dir.path()));
    let offline = said(&call(dir.path(), &["--json", "invite"]))["code"].as_str().unwrap().to_owned();
    let rosa = Rosa::start(dir.path());
    let at = rosa.address();
    let online = said(&call(dir.path(), &["--json", "invite"]))["code"].as_str().unwrap().to_owned();
    for (name, seed, code) in [("alice", 1, &offline), ("bob", 2, &online)] {
        let mut guest = Client::guest(&at).await;
        let mut finish = registration(&mut guest, &at, &mut Person::new(name, seed), "secret").await;
        finish.proof = Proof::Code(RegistrationCode::parse(code).unwrap());
        let answer = guest.ask(ServerFrame::RegisterFinish(Box::new(finish))).await;
        assert!(matches!(answer, ServerFrame::Registered(_)), "{name}: {answer:?}");
    }
    let guest = Client::guest(&at).await;
    let stats = said(&call(dir.path(), &["--json", "stats"]));
    assert_eq!((stats["running"].as_bool(), stats["names"].as_u64()), (Some(true), Some(2)), "{stats}");
    drop(guest);
    assert!(get(&rosa, "/metrics").contains("\nhobnob_rendezvous_names 2\n"));
    assert!(get(&rosa, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get(&rosa, "/").starts_with("HTTP/1.1 404 "));

    let backup = dir.path().join("backup.db");
    said(&call(dir.path(), &["--json", "backup", backup.to_str().unwrap()]));
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("data")).unwrap();
    fs::copy(&backup, elsewhere.path().join("data/server.db")).unwrap();
    let stats = said(&call(elsewhere.path(), &["--json", "stats"]));
    assert_eq!((stats["running"].as_bool(), stats["names"].as_u64()), (Some(false), Some(2)), "{stats}");
    assert_eq!(said(&call(elsewhere.path(), &["--json", "check"]))["ok"], true);
    let moved = Rosa::start(elsewhere.path());
    assert_eq!(moved.address().x25519(), at.x25519());
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_limits_again_and_a_wrong_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    let mut guest = Client::guest(&rosa.address()).await;
    assert_eq!(status(&mut guest).await.registration, Registration::Open { pow_bits: 0 });
    let config = dir.path().join("config.toml");
    fs::write(&config, "registration = \"closed\"\n").unwrap();
    rosa.signal("HUP");
    while status(&mut guest).await.registration != Registration::Closed {}
    fs::write(&config, "registration = \"perhaps\"\n").unwrap();
    rosa.signal("HUP");
    fs::write(&config, "registration = \"invite\"\n").unwrap();
    rosa.signal("HUP");
    while status(&mut guest).await.registration != Registration::Invite {}
}

#[tokio::test(flavor = "multi_thread")]
async fn no_code_is_made_that_nobody_could_use() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    fs::write(&config, "registration = \"closed\"\n").unwrap();
    let assert_refused = |words: &[&str]| {
        let output = call(dir.path(), words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("registration = \"closed\"") && text.contains("\"invite\""), "{text}");
        assert!(output.stdout.is_empty(), "{words:?}");
    };
    let rosa = Rosa::start(dir.path());
    // What counts is how the server runs, whatever this call would say.
    assert_refused(&["invite"]);
    let mut guest = Client::guest(&rosa.address()).await;
    fs::write(&config, "registration = \"invite\"\n").unwrap();
    rosa.signal("HUP");
    while status(&mut guest).await.registration != Registration::Invite {}
    said(&call(dir.path(), &["--json", "invite"]));
    drop(rosa);
    fs::write(&config, "registration = \"closed\"\n").unwrap();
    assert_refused(&["--config", config.to_str().unwrap(), "invite"]);
    said(&call(dir.path(), &["--json", "invite"]));
}

#[test]
fn a_server_that_was_stopped_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    rosa.signal("STOP");
    let backup = dir.path().join("backup.db");
    let acts: [&[&str]; 4] = [&["stats"], &["check"], &["invite"], &["backup", backup.to_str().unwrap()]];
    std::thread::scope(|scope| {
        for words in acts {
            let dir = dir.path();
            scope.spawn(move || {
                let output = call(dir, words);
                let text = String::from_utf8(output.stderr).unwrap();
                assert!(output.status.code() == Some(8) && text.contains("kill -CONT"), "{words:?}: {text}");
            });
        }
    });
    rosa.signal("CONT");
    assert_eq!(said(&call(dir.path(), &["--json", "stats"]))["running"], true);
    // What was given up is not done later.
    said(&call(dir.path(), &["--json", "backup", backup.to_str().unwrap()]));
}

#[test]
fn every_mistake_has_its_exit_code_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    let fails = |dir: &std::path::Path, words: &[&str]| {
        let output = call(dir, words);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = fails(dir.path(), &["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    assert!(code == 8 && text.contains("in use by another"), "{code}: {text}");
    let other = tempfile::tempdir().unwrap();
    let taken = rosa.address().place().rsplit('/').next().unwrap().to_owned();
    let listen = format!("127.0.0.1:{taken}");
    let (code, text) = fails(other.path(), &["--listen", &listen, "--metrics", "127.0.0.1:0"]);
    assert!(code == 3 && text.contains("--listen"), "{code}: {text}");
    let (code, text) = fails(other.path(), &["--metrics", "0.0.0.0:0"]);
    assert!(code == 1 && text.contains("loopback"), "{code}: {text}");
    let (code, text) = fails(other.path(), &["--listen", "somewhere"]);
    assert!(code == 1 && text.contains("IP:PORT"), "{code}: {text}");
    let (code, text) = fails(other.path(), &["--config", "/nowhere/at/all"]);
    assert!(code == 1 && text.contains("/nowhere/at/all"), "{code}: {text}");
    assert_eq!(fails(other.path(), &["--store", "postgres"]).0, 2);
    let database = other.path().join("data/server.db");
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    fs::write(&database, vec![7; 20_000]).unwrap();
    let (code, text) = fails(other.path(), &["check"]);
    assert!(code == 1 && text.contains("damaged") && text.contains("backup"), "{code}: {text}");
}

#[test]
fn what_was_copied_with_everybodys_rights_is_made_private() {
    let dir = tempfile::tempdir().unwrap();
    drop(Rosa::start(dir.path()));
    let places = [("data", 0o755, 0o700), ("data/keys", 0o644, 0o600), ("data/opaque", 0o640, 0o600)];
    let places = places.into_iter().chain([("data/server.db", 0o666, 0o600)]).collect::<Vec<_>>();
    let expose = || {
        for (path, mode, _) in &places {
            fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(*mode)).unwrap();
        }
    };
    let assert_private = || {
        for (path, _, wanted) in &places {
            let mode = fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, *wanted, "{path}");
        }
    };
    expose();
    said(&call(dir.path(), &["--json", "invite"]));
    assert_private();
    expose();
    let _rosa = Rosa::start(dir.path());
    assert_private();
}

#[test]
fn what_root_makes_in_a_service_users_folder_is_that_users() {
    let dir = tempfile::tempdir().unwrap();
    drop(Rosa::start(dir.path()));
    let (restored, backup) = (tempfile::tempdir().unwrap(), dir.path().join("backup.db"));
    said(&call(dir.path(), &["--json", "backup", backup.to_str().unwrap()]));
    let data = restored.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::copy(&backup, data.join("server.db")).unwrap();
    // Whoever is not root has no other user's folder; theirs it is then.
    let _ = std::os::unix::fs::chown(&data, Some(65_534), Some(65_534));
    let _ = std::os::unix::fs::chown(data.join("server.db"), Some(65_534), Some(65_534));
    let owner = |path: &std::path::Path| fs::metadata(path).map(|meta| (meta.uid(), meta.gid())).unwrap();
    let assert_theirs = |names: &[&str]| {
        for name in names {
            assert_eq!(owner(&data.join(name)), owner(&data), "{name}");
        }
    };
    said(&call(restored.path(), &["--json", "invite"]));
    assert_theirs(&["server.db", "keys", "opaque", "lock"]);
    let _rosa = Rosa::start(restored.path());
    assert_theirs(&["server.db", "keys", "opaque", "lock", "control.sock"]);
}

#[test]
fn who_asks_in_the_wrong_folder_is_told_so_and_makes_no_server_there() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("data").display().to_string();
    let backup = dir.path().join("backup.db");
    let acts: [&[&str]; 3] = [&["stats"], &["invite"], &["backup", backup.to_str().unwrap()]];
    let assert_told = |words: &[&str]| {
        let output = call(dir.path(), words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("there is no server in {place}")), "{text}");
    };
    acts.into_iter().for_each(assert_told);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is made");
    // Nor in a folder of something else.
    fs::create_dir(&place).unwrap();
    acts.into_iter().for_each(assert_told);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing is made");
}

#[test]
fn a_backup_that_cannot_be_written_is_named_with_its_fault() {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    let (nowhere, folder) = (dir.path().join("nowhere/backup.db"), dir.path().join("folder"));
    fs::create_dir(&folder).unwrap();
    let assert_told = || {
        for (path, fault) in [(&nowhere, "No such file"), (&folder, "is a directory")] {
            let place = path.to_str().unwrap();
            let output = call(dir.path(), &["backup", place]);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains(&format!("the backup {place}: ")) && text.contains(fault), "{text}");
        }
        assert!(!dir.path().join("folder.unfinished").exists(), "nothing of it is left");
    };
    // Of the server that runs, and of the folder that nobody serves.
    assert_told();
    drop(rosa);
    assert_told();
}

#[test]
fn a_lost_database_is_said_and_never_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    let key = *rosa.address().x25519();
    let backup = dir.path().join("backup.db");
    said(&call(dir.path(), &["--json", "backup", backup.to_str().unwrap()]));
    drop(rosa);
    let data = dir.path().join("data");
    fs::remove_file(data.join("server.db")).unwrap();
    let acts: [&[&str]; 4] =
        [&["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"], &["check"], &["stats"], &["invite"]];
    for words in acts {
        let output = call(dir.path(), words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        for part in ["server.db is missing", data.to_str().unwrap(), "backup", "keys and opaque away"] {
            assert!(text.contains(part), "{words:?}: {text}");
        }
        assert!(!data.join("server.db").exists(), "{words:?}");
    }
    // What it says to do: a backup in its place, or beginning anew.
    fs::copy(&backup, data.join("server.db")).unwrap();
    assert_eq!(*Rosa::start(dir.path()).address().x25519(), key);
    for name in ["server.db", "keys", "opaque"] {
        fs::rename(data.join(name), dir.path().join(name)).unwrap();
    }
    assert_ne!(*Rosa::start(dir.path()).address().x25519(), key);
}

#[test]
fn a_lost_secret_is_said_and_never_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(said(&call(dir.path(), &["--json", "check"]))["new"], true);
    drop(Rosa::start(dir.path()));
    fs::remove_file(dir.path().join("data/opaque")).unwrap();
    let output = command(dir.path()).arg("check").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("opaque"), "{text}");
    assert!(!dir.path().join("data/opaque").exists());
}
