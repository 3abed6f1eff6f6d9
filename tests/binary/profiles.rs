//! Making a profile, keeping it private, and getting it back.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::driver::{Home, code, feed, hobnob, objects, stderr, stdout, words};

#[test]
fn init_shows_words_as_data_and_what_they_mean_as_talk() {
    let home = Home::empty();
    home.file("notes.txt", "somebody's own file");
    let made = home.command().args(["init", "--name", "Alice", "--no-input"]).output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    // Nothing else, and as --recover takes them.
    assert_eq!(stdout(&made).lines().count(), 1);
    assert_eq!(stdout(&made).trim_end().split(' ').count(), 24);
    assert_eq!(words(&stdout(&made)).len(), 24);
    assert!(stderr(&made).contains("paper") && stderr(&made).contains("no password"), "{}", stderr(&made));
    assert_eq!(fs::read_to_string(home.path().join("notes.txt")).unwrap(), "somebody's own file");
}

#[test]
fn a_history_without_its_keystore_is_kept_and_it_is_said_where_and_how_to_get_back() {
    let home = Home::new("Alice");
    let account = home.start().ready["account"].clone();
    let key = fs::read(home.path().join("keystore")).unwrap();
    fs::remove_file(home.path().join("keystore")).unwrap();
    let made = home.command().args(["init", "--name", "Alice", "--no-input"]).output().unwrap();
    let aside = home.path().join("history.db.old");
    assert_eq!(code(&made), 0, "{made:?}");
    let told = stderr(&made).replace('\n', " ");
    assert!(told.contains(aside.to_str().unwrap()) && told.contains("as keystore and history.db"), "{told}");
    assert_eq!(words(&stdout(&made)).len(), 24);
    assert_ne!(home.start().ready["account"], account);

    // As it says.
    let back = Home::empty();
    fs::write(back.path().join("keystore"), key).unwrap();
    fs::rename(&aside, back.path().join("history.db")).unwrap();
    assert_eq!(back.start().ready["account"], account);

    fs::remove_file(home.path().join("keystore")).unwrap();
    let made = home.command().args(["--json", "init", "--name", "Alice", "--no-input"]).output().unwrap();
    assert_eq!(objects(&made)[0]["set_aside"], aside.to_str().unwrap());
}

#[test]
fn a_second_init_changes_nothing() {
    let home = Home::new("Alice");
    let account = home.start().ready["account"].clone();
    let again = home.command().args(["init", "--name", "Mallory", "--no-input"]).output().unwrap();
    assert_eq!(code(&again), 1, "{again:?}");
    assert!(stderr(&again).contains("already"), "{}", stderr(&again));
    let ready = home.start().ready.clone();
    assert_eq!((&ready["account"], &ready["name"]), (&account, &json!("Alice")));
}

#[test]
fn nobody_else_can_look_into_a_profile() {
    let home = Home::empty();
    let dir = home.path().join("new");
    let made = hobnob().arg("-d").arg(&dir).args(["init", "--name", "Alice", "--no-input"]).output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    assert_eq!(
        code(&hobnob().arg("-d").arg(&dir).args(["-l", "127.0.0.1:0", "-v", "-e", "/whoami"]).output().unwrap()),
        0
    );
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[test]
fn init_in_json_tells_one_line() {
    let home = Home::empty();
    let made = home.command().args(["--json", "init", "--name", "Alice", "--no-input"]).output().unwrap();
    let lines = objects(&made);
    assert_eq!((lines.len(), &lines[0]["type"], &lines[0]["name"]), (1, &json!("profile.created"), &json!("Alice")));
    assert_eq!(lines[0]["recovery_words"].as_str().unwrap().split(' ').count(), 24);
}

#[test]
fn recovery_words_bring_the_account_back() {
    let home = Home::empty();
    let made = home.command().args(["init", "--name", "Alice", "--no-input"]).output().unwrap();
    let ready = home.start().ready.clone();
    let words = words(&stdout(&made)).join(" ");
    let other = Home::empty();
    let file = home.file("words", &format!("{words}\n"));
    let back = other.command().args(["init", "--name", "Alice", "--no-input", "--recover"]).arg(file).output().unwrap();
    assert_eq!(code(&back), 0, "{back:?}");
    let again = other.start().ready.clone();
    assert_eq!(again["account"], ready["account"]);
    assert_ne!(again["device"], ready["device"]);

    let third = Home::empty();
    let mut command = third.command();
    let back = feed(command.args(["init", "--name", "Alice", "--no-input", "--recover", "-"]), words);
    assert_eq!(code(&back), 0, "{back:?}");
    assert_eq!(third.start().ready["account"], ready["account"]);
}

#[test]
fn words_that_do_not_fit_make_no_profile() {
    let home = Home::empty();
    let mut command = home.command();
    let made = feed(command.args(["init", "--name", "A", "--no-input", "--recover", "-"]), "abandon ".repeat(24));
    assert_eq!(code(&made), 2, "{made:?}");
    assert!(stderr(&made).contains("recovery words"), "{}", stderr(&made));
    assert_eq!(code(&home.execute(&["/whoami"])), 1);
}

/// The one test with a password: Argon2id is slow on purpose.
#[test]
fn a_password_is_asked_for_and_never_taken_from_arguments() {
    let home = Home::empty();
    let secret = home.file("password", "correct horse\nsecond line\n");
    let wrong = home.file("wrong", "battery staple\n");
    let made = home.command().args(["init", "--name", "Alice", "--password-file"]).arg(&secret).output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    assert!(!stderr(&made).contains("no password"), "{}", stderr(&made));

    let with = |file: &std::path::Path, line: &str| {
        home.command().args(["--json", "-e", line, "--password-file"]).arg(file).output().unwrap()
    };
    assert_eq!(code(&with(&secret, "/whoami")), 0);
    let refused = with(&wrong, "/whoami");
    assert_eq!((code(&refused), &objects(&refused)[0]["code"]), (6, &json!("login")));
    let unasked = home.command().args(["--no-input", "-e", "/whoami"]).output().unwrap();
    assert_eq!(code(&unasked), 6);
    assert!(stderr(&unasked).contains("--password-file"), "{}", stderr(&unasked));

    // What needs the password again takes it from the file; behind one on standard input come the commands.
    assert_eq!(code(&with(&secret, "/nick Alicia")), 0);
    let mut command = home.command();
    let piped = feed(command.args(["--json", "--password-file", "-"]), "correct horse\n/whoami\n/nick Eve\n");
    let lines = objects(&piped);
    assert_eq!((&lines[0]["type"], &lines[0]["name"]), (&json!("ready"), &json!("Alicia")));
    assert_eq!((&lines[1]["command"], &lines[2]["code"]), (&json!("/whoami"), &json!("login")));
}

#[test]
fn profiles_live_side_by_side() {
    let home = Home::new("Alice");
    let work = |args: &[&str]| home.command().args(["-P", "work"]).args(args).output().unwrap();
    assert_eq!(code(&work(&["-e", "/whoami"])), 1);
    assert_eq!(code(&work(&["init", "--name", "Boss", "--no-input"])), 0);
    let _private = home.start();
    let shown = work(&["-e", "/whoami"]);
    assert!(stdout(&shown).contains("Boss"), "{shown:?}");
    assert_eq!(code(&home.command().args(["-P", "../x", "-e", "/whoami"]).output().unwrap()), 2);
}

#[test]
fn a_damaged_file_is_named_and_left_as_it_is() {
    for (name, cut) in [("keystore", false), ("keystore", true), ("history.db", false), ("history.db", true)] {
        let home = Home::new("Alice");
        let path = home.path().join(name);
        let whole = fs::read(&path).unwrap_or_else(|why| panic!("{name}: {why}"));
        let mut bytes = whole.clone();
        if cut {
            bytes.truncate(whole.len() / 2);
        } else {
            // All over the file, so that no block is whole.
            bytes.iter_mut().step_by(100).for_each(|byte| *byte ^= 0x55);
        }
        fs::write(&path, &bytes).unwrap();
        let output = home.execute(&["/whoami"]);
        assert_eq!(code(&output), 2, "{name}, cut: {cut}: {output:?}");
        let said = stderr(&output);
        assert!(said.contains("damaged") && said.contains(name) && said.contains("recovery words"), "{said}");
        assert!(fs::read(&path).unwrap() == bytes, "{name} was changed");
        fs::write(&path, &whole).unwrap();
        assert_eq!(code(&home.execute(&["/whoami"])), 0, "{name}");
    }
}
