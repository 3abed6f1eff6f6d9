//! Logging in, killed at every step: the account never lists a device that does not exist.

use std::{path::Path, time::Duration};

use serde_json::Value;

use crate::{
    driver::{Home, Running},
    rosa::Rosa,
};

const PASSWORD: &str = "correct battery horse stapler";

/// How long a test looks whether something has happened. Far longer than anything takes.
const DEADLINE: Duration = Duration::from_secs(120);

fn until(every: Duration, mut happened: impl FnMut() -> bool) {
    let looks = DEADLINE.as_millis() / every.as_millis();
    for _ in 0..looks {
        if happened() {
            return;
        }
        std::thread::sleep(every);
    }
    panic!("it never happened");
}

fn login(home: &Home) -> String {
    format!("/login alice --password-file {}", home.file("pw", PASSWORD).display())
}

/// How many devices the rendezvous shows for Alice. Each look-up is a guest of its own there, so they come slowly.
fn devices(bob: &mut Running) -> Value {
    bob.ask("/find alice")["devices"].clone()
}

/// A step of a login, as it shows on disk.
type Step = fn(&Path) -> bool;

#[test]
fn a_login_that_is_killed_leaves_nothing_or_a_device_that_the_next_start_finishes() {
    let (rosa, alice_home, bob_home) = (Rosa::new(), Home::new("Alice"), Home::new("Bob"));
    let (mut alice, mut bob) = (alice_home.start(), bob_home.start());
    for node in [&mut alice, &mut bob] {
        node.ask(&format!("/set rendezvous {}", rosa.address));
    }
    let password = alice_home.file("pw", PASSWORD);
    alice.ask(&format!("/register alice --password-file {}", password.display()));
    let steps: [(&str, Step); 4] = [
        ("the folder", |dir| dir.join("next").exists()),
        ("the database", |dir| dir.join("next").join("history.db").exists()),
        ("the keys", |dir| dir.join("next").join("keystore").exists()),
        ("the place", |dir| dir.join("restored").exists()),
    ];
    for (listed, (what, step)) in (1_u64..).zip(steps) {
        let home = Home::new("Nobody");
        let mut bare = home.start();
        bare.ask(&format!("/set rendezvous {}", rosa.address));
        bare.send(&login(&home));
        until(Duration::from_millis(1), || step(home.path()));
        let before = bare.ready["account"].clone();
        bare.kill();
        let seen = devices(&mut bob);
        let mut again = home.start();
        if again.ready["account"] == before {
            assert_eq!(seen, listed, "{what}: the account lists a device that is not there");
            again.ask(&login(&home));
        }
        let me = again.ask("/whoami");
        assert_eq!(me["account"], alice.ready["account"], "{what}");
        // Where it was cut before it could tell the rendezvous, it does so now.
        until(Duration::from_secs(1), || devices(&mut bob) == listed + 1);
        assert!(!home.path().join("next").exists(), "{what}: what was needed on the way is gone");
    }
}

#[test]
fn a_machine_that_was_restored_from_words_is_listed_once_it_logs_in() {
    let (rosa, alice_home, bob_home, home) = (Rosa::new(), Home::new("Alice"), Home::new("Bob"), Home::empty());
    let start = |home: &Home| home.start_with(&["--rendezvous", &rosa.address]);
    let (mut alice, mut bob) = (start(&alice_home), start(&bob_home));
    let password = alice_home.file("pw", PASSWORD);
    let registered = alice.ask(&format!("/register alice --password-file {}", password.display()));
    let words = home.file("words", registered["recovery_key"].as_str().unwrap());
    let mut init = home.command();
    init.args(["init", "--name", "Alice", "--no-input", "--recover"]).arg(words);
    assert!(init.output().unwrap().status.success());
    let mut restored = start(&home);
    assert_eq!(restored.ready["account"], alice.ready["account"]);
    assert_eq!(restored.ask(&login(&home))["new_device"], false);
    until(Duration::from_secs(1), || devices(&mut bob) == 2);
}
