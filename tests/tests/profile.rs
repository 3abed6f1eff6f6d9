//! Profiles on disk: made, opened, locked, damaged, restored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use hobnob::{
    api::Code,
    profile::{self, OpenedProfile, Password, ProfileError},
};
use hobnob_shared::text::Nickname;

fn alice() -> Nickname {
    Nickname::parse("Alice").unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned().into()).unwrap()
}

fn open(dir: &Path) -> Result<OpenedProfile, ProfileError> {
    OpenedProfile::open(dir, None)
}

fn error(result: Result<OpenedProfile, ProfileError>) -> ProfileError {
    result.expect_err("it must not open")
}

#[test]
fn a_new_profile_is_private_and_opens() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("deep/er");
    assert!(!profile::exists(&dir));
    assert!(matches!(error(open(&dir)), ProfileError::NotFound(_)));
    let words = profile::create(&dir, &alice(), None).unwrap();
    assert_eq!(words.split(' ').count(), 24);
    assert!(profile::exists(&dir) && !profile::needs_password(&dir).unwrap());
    let opened = open(&dir).unwrap();
    assert_eq!(opened.keyring().recovery_words(None).unwrap(), words);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    for file in fs::read_dir(&dir).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn a_directory_with_other_files_is_fine_and_becomes_private() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(home.path().join("notes.txt"), "mine").unwrap();
    profile::create(home.path(), &alice(), None).unwrap();
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(home.path().join("notes.txt")).unwrap(), "mine");
    assert!(matches!(profile::create(home.path(), &alice(), None), Err(ProfileError::Exists(_))));
}

#[test]
fn one_profile_has_one_user_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    profile::create(home.path(), &alice(), None).unwrap();
    let first = open(home.path()).unwrap();
    let refused = error(open(home.path()));
    assert!(matches!(refused, ProfileError::InUse { pid: Some(pid) } if pid == std::process::id()), "{refused}");
    assert_eq!(refused.code(), Code::InUse);
    drop(first);
    drop(open(home.path()).unwrap());
}

#[test]
fn a_password_is_needed_checked_and_changed() {
    let home = tempfile::tempdir().unwrap();
    let words = profile::create(home.path(), &alice(), Some(&password("one"))).unwrap();
    assert!(profile::needs_password(home.path()).unwrap());
    assert!(matches!(error(open(home.path())), ProfileError::PasswordNeeded));
    let wrong = error(OpenedProfile::open(home.path(), Some(&password("two"))));
    assert!(matches!(wrong, ProfileError::WrongPassword));
    assert_eq!(wrong.code(), Code::Login);

    let opened = OpenedProfile::open(home.path(), Some(&password("one"))).unwrap();
    let keyring = opened.keyring();
    let denied = keyring.change_password(Some(&password("two")), Some(&password("three")));
    assert!(matches!(denied, Err(ProfileError::WrongPassword)));
    keyring.change_password(Some(&password("one")), None).unwrap();
    assert_eq!(keyring.recovery_words(None).unwrap(), words);
    drop(opened);
    drop(open(home.path()).unwrap());
}

#[test]
fn the_words_bring_the_account_back_with_a_new_device() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let words = profile::create(home.path(), &alice(), None).unwrap();
    profile::restore(other.path(), &words.to_uppercase(), &alice(), None).unwrap();
    let restored = open(other.path()).unwrap();
    assert_eq!(restored.keyring().recovery_words(None).unwrap(), words);
    let wrong = profile::restore(&other.path().join("x"), "abandon ability", &alice(), None).unwrap_err();
    assert!(matches!(wrong, ProfileError::BadWords(_)) && wrong.code() == Code::Usage);
}

#[test]
fn a_damaged_keystore_is_an_error_whatever_was_hit() {
    let home = tempfile::tempdir().unwrap();
    profile::create(home.path(), &alice(), None).unwrap();
    let path = home.path().join("keystore");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&path, bad).unwrap();
        let damaged = error(open(home.path()));
        assert!(matches!(damaged, ProfileError::Damaged { .. } | ProfileError::Newer(_)), "byte {at}: {damaged}");
        fs::write(&path, &good[..at]).unwrap();
        assert!(matches!(error(open(home.path())), ProfileError::Damaged { .. }), "{at} bytes");
    }
    fs::write(&path, good).unwrap();
    drop(open(home.path()).unwrap());
}

#[test]
fn a_missing_database_is_told_and_nothing_is_made_in_its_place() {
    let home = tempfile::tempdir().unwrap();
    profile::create(home.path(), &alice(), None).unwrap();
    let database = home.path().join("history.db");
    fs::remove_file(&database).unwrap();
    let missing = error(open(home.path()));
    assert!(matches!(&missing, ProfileError::Damaged { path, .. } if *path == database), "{missing}");
    assert!(!database.exists());
}

#[test]
fn a_damaged_database_is_told_or_mended_and_never_replaced() {
    let home = tempfile::tempdir().unwrap();
    profile::create(home.path(), &alice(), None).unwrap();
    let path = home.path().join("history.db");
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(997) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&path, &bad).unwrap();
        if let Err(damaged) = open(home.path()) {
            assert!(matches!(damaged, ProfileError::Damaged { .. } | ProfileError::Newer(_)), "byte {at}: {damaged}");
            // Nothing of it was given up: without the damage it opens again.
            let mut mended = fs::read(&path).unwrap();
            mended[at] ^= 0x40;
            fs::write(&path, mended).unwrap();
            drop(open(home.path()).unwrap_or_else(|error| panic!("byte {at}: {error}")));
        }
    }
    for length in [0, 1, 4096, good.len() / 2] {
        fs::write(&path, &good[..length]).unwrap();
        let damaged = error(open(home.path()));
        assert!(matches!(damaged, ProfileError::Damaged { .. }), "{length} bytes: {damaged}");
        assert_eq!(damaged.code(), Code::Internal);
    }
    fs::write(&path, good).unwrap();
    drop(open(home.path()).unwrap());
}

#[test]
fn a_start_that_was_cut_off_is_begun_again() {
    let home = tempfile::tempdir().unwrap();
    profile::create(home.path(), &alice(), None).unwrap();
    // Power was lost before the keystore was there.
    fs::remove_file(home.path().join("keystore")).unwrap();
    profile::create(home.path(), &alice(), None).unwrap();
    drop(open(home.path()).unwrap());
    assert!(home.path().join("history.db.old").exists());
}
