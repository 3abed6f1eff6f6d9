//! A backup takes the place of nothing that the operator did not name, and never of the server itself.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use crate::driver::{Rosa, call, said};

const OURS: [&str; 3] = ["server.db", "keys", "opaque"];

fn text_of(dir: &Path, words: &[&str]) -> String {
    let output = call(dir, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Of the server that runs, and of the folder that nobody serves.
fn running_and_not(test: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let rosa = Rosa::start(dir.path());
    test(dir.path());
    drop(rosa);
    test(dir.path());
}

#[test]
fn a_file_that_is_there_is_kept_unless_told_otherwise() {
    running_and_not(|dir| {
        let file = dir.join("older.db");
        fs::write(&file, "older").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let place = file.to_str().unwrap();
        let text = text_of(dir, &["backup", place]);
        assert!(text.contains(place) && text.contains("there already") && text.contains("--force"), "{text}");
        assert_eq!(fs::read(&file).unwrap(), b"older");
        said(&call(dir, &["--json", "backup", "--force", place]));
        assert!(fs::read(&file).unwrap().starts_with(b"redb"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    });
}

#[test]
fn no_backup_takes_the_place_of_the_server() {
    running_and_not(|dir| {
        let data = dir.join("data");
        let places = OURS.map(|name| (data.join(name), fs::metadata(data.join(name)).unwrap().ino()));
        let by = dir.join("by");
        let _ = fs::remove_dir_all(&by);
        fs::create_dir(&by).unwrap();
        symlink(&data, by.join("folder")).unwrap();
        let mut names = vec![data.join("lock"), data.join("control.sock"), data.join("server.db.new")];
        for name in OURS {
            symlink(data.join(name), by.join(format!("soft-{name}"))).unwrap();
            fs::hard_link(data.join(name), by.join(format!("hard-{name}"))).unwrap();
            let links = ["soft", "hard"].map(|kind| by.join(format!("{kind}-{name}")));
            names.extend(links.into_iter().chain([data.join(name), by.join("folder").join(name)]));
        }
        for path in &names {
            let place = path.to_str().unwrap();
            let text = text_of(dir, &["backup", "--force", place]);
            assert!(text.contains(place) && text.contains("of the server itself"), "{text}");
        }
        for (path, inode) in &places {
            assert_eq!(fs::metadata(path).unwrap().ino(), *inode, "{}", path.display());
        }
        assert_eq!(said(&call(dir, &["--json", "check"]))["ok"], true);
    });
}

#[test]
fn only_an_ordinary_file_is_replaced() {
    running_and_not(|dir| {
        let (target, link) = (dir.join("target.db"), dir.join("link.db"));
        fs::write(&target, "mine").unwrap();
        let _ = fs::remove_file(&link);
        symlink(&target, &link).unwrap();
        for place in [link.to_str().unwrap(), "/dev/null"] {
            let text = text_of(dir, &["backup", "--force", place]);
            assert!(text.contains("no ordinary file"), "{text}");
        }
        assert_eq!(fs::read(&target).unwrap(), b"mine");
    });
}

#[test]
fn what_is_unfinished_collides_with_nothing() {
    running_and_not(|dir| {
        let (others, victim) = (dir.join("a.unfinished"), dir.join("victim"));
        fs::write(&others, "mine").unwrap();
        fs::write(&victim, "mine").unwrap();
        // What a backup that was killed left behind.
        fs::write(dir.join("a.db.unfinished"), vec![7; 100_000]).unwrap();
        fs::set_permissions(dir.join("a.db.unfinished"), fs::Permissions::from_mode(0o644)).unwrap();
        for name in ["a.db", "a.bak"] {
            let file = dir.join(name);
            said(&call(dir, &["--json", "backup", "--force", file.to_str().unwrap()]));
            assert!(fs::read(&file).unwrap().starts_with(b"redb"));
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(!dir.join(format!("{name}.unfinished")).exists());
        }
        let _ = fs::remove_file(dir.join("b.db.unfinished"));
        symlink(&victim, dir.join("b.db.unfinished")).unwrap();
        text_of(dir, &["backup", dir.join("b.db").to_str().unwrap()]);
        for path in [&others, &victim] {
            assert_eq!(fs::read(path).unwrap(), b"mine", "{}", path.display());
        }
    });
}
