//! A database that goes bad under a running program.

use std::{
    fs,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::driver::{Home, Pair, code, history, stderr};

/// Messages in the history, long enough that most of them are not read when the program starts.
const MESSAGES: usize = 300;

/// The head of the file, which is written anew with every commit.
const HEAD_BYTES: usize = 64 * 1024;

/// Less than a block, so that no block is whole.
const STEP: usize = 1000;

/// What must be around a damaged byte still, when it is mended: nothing was written over it since.
const AROUND: usize = 64;

/// A file with a changed byte in every block.
struct Damage {
    path: PathBuf,
    good: Vec<u8>,
    bad: Vec<u8>,
    inode: u64,
}

impl Damage {
    fn to(path: &Path) -> Self {
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        bad.iter_mut().skip(HEAD_BYTES).step_by(STEP).for_each(|byte| *byte ^= 0x55);
        let damage = Self { path: path.to_owned(), good, bad, inode: fs::metadata(path).unwrap().ino() };
        damage.put(&damage.bad, &damage.good);
        damage
    }

    fn mend(&self) {
        self.put(&self.good, &self.bad);
    }

    /// Writes the bytes of `to` where `from` still stands.
    fn put(&self, to: &[u8], from: &[u8]) {
        let file = fs::File::options().read(true).write(true).open(&self.path).unwrap();
        assert_eq!(file.metadata().unwrap().ino(), self.inode, "another file is in its place");
        let now = fs::read(&self.path).unwrap();
        assert!(now.len() >= from.len(), "the file was cut");
        for at in (HEAD_BYTES..from.len()).step_by(STEP) {
            let around = at - AROUND / 2..(at + AROUND / 2).min(from.len());
            if now[around.clone()] == from[around] {
                file.write_all_at(&to[at..=at], at as u64).unwrap();
            }
        }
    }
}

/// Alice's profile with a history, Bob's, and what is in it.
fn filled() -> (Home, Home, Vec<(String, String)>) {
    let Pair { mut alice, bob, alice_home, bob_home } = Pair::new();
    for n in 0..MESSAGES {
        alice.ask(&format!("/msg @bob {n} {}", "x".repeat(600)));
    }
    let last = alice.ask("/msg @bob the last one");
    alice.wait_state(&last["entry"], &["delivered", "read"]);
    let whole = history(&mut alice, "@bob");
    assert_eq!((alice.end().0, bob.end().0), (0, 0));
    (alice_home, bob_home, whole)
}

fn files(home: &Home) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// What is told says what happened, and what to do.
fn assert_clear(message: &Value) {
    let message = message.as_str().unwrap();
    for words in ["nothing changed", "the database cannot be read", "put back a copy of the profile", "recovery words"]
    {
        assert!(message.contains(words), "{message:?} lacks {words:?}");
    }
}

#[test]
fn damage_under_a_running_program_is_told_and_nothing_is_given_up() {
    let (home, _bob_home, whole) = filled();
    let mut alice = home.start();
    let before = files(&home);
    let damage = Damage::to(&home.path().join("history.db"));
    assert_clear(&alice.refused("/history @bob 1000", "internal")["message"]);
    assert!(alice.wait("disk.failed", |_| true)["why"].as_str().unwrap().contains("was changed"));
    assert_clear(&alice.wait("warning", |_| true)["message"]);
    // It goes on answering, and takes nothing that it could not keep.
    assert_clear(&alice.refused("/msg @bob is this kept?", "internal")["message"]);
    assert_clear(&alice.refused("/friends", "internal")["message"]);
    assert_eq!(alice.end().0, 2);
    // The next start is refused, and leaves everything as it is.
    let refused = home.execute(&["/whoami"]);
    assert_eq!(code(&refused), 2, "{refused:?}");
    assert!(stderr(&refused).contains("history.db is damaged"), "{refused:?}");
    assert_eq!(files(&home), before);
    damage.mend();
    assert_eq!(history(&mut home.start(), "@bob"), whole);
}

#[test]
fn a_program_whose_database_is_well_again_goes_on_by_itself() {
    let (home, bob_home, whole) = filled();
    let mut alice = home.start();
    let damage = Damage::to(&home.path().join("history.db"));
    alice.refused("/history @bob 1000", "internal");
    damage.mend();
    alice.wait("disk.recovered", |_| true);
    assert_eq!(history(&mut alice, "@bob"), whole);
    let mut bob = bob_home.start();
    let kept = alice.ask("/msg @bob this is kept");
    bob.receive("this is kept");
    alice.wait_state(&kept["entry"], &["delivered", "read"]);
    // Something was refused.
    assert_eq!(alice.end().0, 2);
    assert_eq!(history(&mut home.start(), "@bob").len(), whole.len() + 1);
}
