//! Commands with `-e` that show what others sent: it lies at the rendezvous, and is waited for.

use serde_json::{Value, json};

use crate::{
    driver::{Home, code, feed, objects, stderr, stdout},
    house::{House, home, line, start, wait_up},
};

/// `-e` with these lines.
fn run(home: &Home, house: &House, lines: &[&str]) -> std::process::Output {
    let mut command = home.command();
    command.args(["--rendezvous", &house.address]);
    for line in lines {
        command.args(["-e", line]);
    }
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{lines:?}: {}", stderr(&output));
    output
}

#[test]
fn what_came_while_nobody_was_there_is_in_the_first_answer() {
    let (mut house, alice_home, bob_home) = (House::new(), home("Alice"), home("Bob"));
    let (mut alice, mut bob) = (start(&alice_home, &house), start(&bob_home, &house));
    alice.ask(&line("register", "alice", &alice_home));
    bob.ask(&line("register", "bob", &bob_home));
    wait_up(&mut alice);
    wait_up(&mut bob);
    assert_eq!(bob.end().0, 0);
    alice.ask("/add bob we met in Ghent");
    let shown = stdout(&run(&bob_home, &house, &["/requests"]));
    assert!(shown.contains("we met in Ghent") && shown.contains("/accept N"), "{shown}");
    run(&bob_home, &house, &["/accept 1"]);
    alice.wait("friend.added", |_| true);
    house.wait_mailboxes(2);

    // What is said to somebody who is away, too, and to a script's first line.
    let entry = alice.ask("@bob how was Ghent?")["entry"].clone();
    alice.wait_state(&entry, &["stored", "delivered"]);
    let shown = stdout(&run(&bob_home, &house, &["/unread", "/history @alice"]));
    assert!(shown.contains("how was Ghent?"), "{shown}");
    let mut command = bob_home.command();
    let entry = alice.ask("@bob and the bridge?")["entry"].clone();
    alice.wait_state(&entry, &["stored", "delivered"]);
    command.args(["--json", "--rendezvous", &house.address]);
    let lines = objects(&feed(&mut command, "/history @alice\n"));
    let history = lines.iter().find(|line| line["command"] == "/history").unwrap();
    let has = |history: &Value, text: &str| {
        history["messages"].as_array().unwrap().iter().any(|message| message["text"] == text)
    };
    assert!(has(history, "and the bridge?"), "{history}");

    // All machines are listed by the run that makes one.
    let phone_home = home("Nobody");
    let login = line("login", "alice --device phone", &phone_home);
    let mut command = phone_home.command();
    command.args(["--json", "--rendezvous", &house.address, "-e", &login, "-e", "/devices"]);
    let lines = objects(&command.output().unwrap());
    let devices = lines.iter().find(|line| line["command"] == "/devices").unwrap();
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(2), "{devices}");

    // Where it cannot be had, that is said, and the answer is what is known here.
    house.stop();
    let output = run(&bob_home, &house, &["/history @alice", "/friends"]);
    assert!(stdout(&output).contains("how was Ghent?"), "{}", stdout(&output));
    let told = stderr(&output);
    assert!(told.contains("bob@127.0.0.1: the rendezvous is not reached"), "{told}");
    assert!(told.contains("what lies there is not in the answer"), "{told}");
    let mut command = bob_home.command();
    command.args(["--json", "--rendezvous", &house.address, "-e", "/requests"]);
    let output = command.output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    let requests = objects(&output).into_iter().find(|line| line["command"] == "/requests").unwrap();
    assert_eq!(requests["requests"], json!([]));
}
