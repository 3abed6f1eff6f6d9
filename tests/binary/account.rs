//! A name at a rendezvous: registering, logging in on a bare machine, and everything that can be wrong about it, against
//! the real server.

use std::path::Path;

use hobnob::{
    account::{self, Login, LoginEnd, Registration, password::StrongPassword},
    api::{Code, Node, Refusal, StartOptions},
    profile::OpenedProfile,
};
use hobnob_shared::{
    identity::keystore::Params, rendezvous::Address, text::Username, wire::rendezvous::Registration as Rule,
};
use rustix::process::Signal;
use zeroize::Zeroizing;

use crate::{
    driver::{Home, Pair, Running, code, stderr, stdout},
    pty::Terminal,
    rosa::Rosa,
};

const PASSWORD: &str = "correct battery horse stapler";
const OTHER: &str = "wrong battery horse stapler";

/// With a password beside it that is good enough.
fn home(name: &str) -> Home {
    let home = Home::new(name);
    home.file("pw", PASSWORD);
    home.file("other", OTHER);
    home
}

fn line(verb: &str, name: &str, home: &Home, file: &str) -> String {
    format!("/{verb} {name} --password-file {}", home.path().join(file).display())
}

fn start(home: &Home, rosa: &Rosa) -> Running {
    home.start_with(&["--rendezvous", &rosa.address])
}

/// One command in a run of its own: the exit code and what was said.
fn run(home: &Home, rosa: &Rosa, command: &str) -> (i32, String) {
    let output = home.command().args(["--rendezvous", &rosa.address, "-e", command]).output().unwrap();
    (code(&output), stdout(&output) + &stderr(&output))
}

#[test]
fn a_registered_account_opens_on_a_bare_machine_with_name_and_password_only() {
    let (rosa, home_one, home_two) = (Rosa::new(), home("Alice"), home("Nobody"));
    let mut alice = start(&home_one, &rosa);
    let registered = alice.ask(&line("register", "alice", &home_one, "pw"));
    assert_eq!((&registered["name"], &registered["rendezvous"]), (&"alice".into(), &rosa.address.as_str().into()));
    assert_eq!(registered["recovery_key"], alice.ask("/recovery")["recovery_words"]);

    let mut bare = start(&home_two, &rosa);
    assert_ne!(bare.ready["account"], alice.ready["account"]);
    let logged = bare.ask(&line("login", "alice", &home_two, "pw"));
    assert_eq!((&logged["account"], &logged["new_device"]), (&alice.ready["account"], &true.into()));
    let me = bare.ask("/whoami");
    assert_eq!((&me["account"], &me["name"]), (&alice.ready["account"], &"Alice".into()));
    assert_eq!(me["listen"], bare.ready["listen"], "it listens where it did");
    assert_ne!(me["device"], alice.ready["device"]);
    assert_ne!(me["device"], bare.ready["device"], "the old account's keys are not the new one's");

    // The same after a restart, after which it logs in again as the device that it is.
    assert_eq!(bare.end().0, 0);
    let mut again = start(&home_two, &rosa);
    assert_eq!((&again.ready["account"], &again.ready["device"]), (&me["account"], &me["device"]));
    let logged = again.ask(&line("login", "alice", &home_two, "pw"));
    assert_eq!((&logged["new_device"], &logged["device"]), (&false.into(), &me["device"]));
}

#[test]
fn friends_come_back_with_the_login() {
    let (rosa, home_two) = (Rosa::new(), home("Nobody"));
    let (home_one, _bob_home) = Pair::homes();
    home_one.file("pw", PASSWORD);
    let mut alice = start(&home_one, &rosa);
    let friends = alice.ask("/friends")["friends"].clone();
    alice.ask(&line("register", "alice", &home_one, "pw"));
    let mut bare = start(&home_two, &rosa);
    bare.ask(&line("login", "alice", &home_two, "pw"));
    let bob = bare.wait("friend.added", |_| true);
    assert_eq!((&bob["name"], &bob["account"]), (&friends[0]["name"], &friends[0]["account"]));
}

#[test]
fn people_find_and_ask_each_other_by_name_while_one_is_away() {
    let (rosa, home_one, home_two) = (Rosa::new(), home("Alice"), home("Bob"));
    assert_eq!(run(&home_one, &rosa, &line("register", "alice", &home_one, "pw")).0, 0);
    let mut bob = start(&home_two, &rosa);
    bob.ask(&line("register", "bob", &home_two, "pw"));
    bob.refused("/find nobody", "not_found");
    let found = bob.ask("/find alice");
    assert_eq!((&found["nick"], &found["chat"]), (&"Alice".into(), &serde_json::Value::Null));
    // She left at once, and is not there to be asked.
    assert_eq!(bob.ask("/add alice hi, it's Bob")["standing"], "pending");
    let mut alice = start(&home_one, &rosa);
    assert_eq!((&alice.ready["account"], &alice.ready["fingerprint"]), (&found["account"], &found["fingerprint"]));
    let asked = alice.wait("friend.requested", |_| true);
    assert_eq!((&asked["kind"], &asked["note"]), (&"name".into(), &"hi, it's Bob".into()));
    assert_eq!(alice.ask("/requests")["requests"][0]["fingerprint"], bob.ready["fingerprint"]);
    alice.ask("/accept 1");
    bob.wait("friend.added", |_| true);
    alice.ask("@bob hello");
    bob.receive("hello");
}

#[test]
fn a_node_that_is_killed_after_the_login_is_the_account() {
    let (rosa, home_one, home_two) = (Rosa::new(), home("Alice"), home("Nobody"));
    let mut alice = start(&home_one, &rosa);
    alice.ask(&line("register", "alice", &home_one, "pw"));
    let mut bare = start(&home_two, &rosa);
    let logged = bare.ask(&line("login", "alice", &home_two, "pw"));
    bare.kill();
    let again = start(&home_two, &rosa);
    assert_eq!((&again.ready["account"], &again.ready["device"]), (&alice.ready["account"], &logged["device"]));
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_told_alike_and_change_nothing() {
    let (rosa, home_one, home_two) = (Rosa::new(), home("Alice"), home("Nobody"));
    assert_eq!(run(&home_one, &rosa, &line("register", "alice", &home_one, "pw")).0, 0);
    let wrong = run(&home_two, &rosa, &line("login", "alice", &home_two, "other"));
    let unknown = run(&home_two, &rosa, &line("login", "nobody", &home_two, "other"));
    assert_eq!(wrong, unknown);
    assert_eq!(wrong.0, 6);
    assert!(wrong.1.contains("the name or the password is wrong"), "{}", wrong.1);
    assert!(run(&home_two, &rosa, "/whoami").1.contains("Nobody"));
}

#[test]
fn what_stands_against_a_registration_is_named_with_its_code() {
    let (mut rosa, one, two) = (Rosa::new(), home("Alice"), home("Bob"));
    one.file("weak", "alice1234");
    let (exit, told) = run(&one, &rosa, &line("register", "alice", &one, "weak"));
    assert!(exit == 2 && told.contains("too easy to guess") && !told.contains("alice1234"), "{exit}: {told}");
    let (exit, told) = run(&one, &rosa, &line("register", "Alice", &one, "pw"));
    assert!(exit == 2 && told.contains("only a-z, 0-9 and _"), "{exit}: {told}");
    let (exit, told) = run(&one, &rosa, "/register alice");
    assert!(exit == 6 && told.contains("--password-file"), "{exit}: {told}");
    assert_eq!(run(&one, &rosa, &line("register", "alice", &one, "pw")).0, 0);
    let (exit, told) = run(&one, &rosa, &line("register", "alicia", &one, "pw"));
    assert!(exit == 1 && told.contains("you are alice at"), "{exit}: {told}");
    let (exit, told) = run(&two, &rosa, &line("register", "alice", &two, "pw"));
    assert!(exit == 1 && told.contains("alice is taken"), "{exit}: {told}");

    let three = home("Carol");
    let nowhere = three.execute(&[&line("register", "carol", &three, "pw")]);
    assert!(code(&nowhere) == 1 && stderr(&nowhere).contains("/set rendezvous ADDRESS"), "{nowhere:?}");
    rosa.stop();
    let (exit, told) = run(&two, &rosa, &line("register", "bob", &two, "pw"));
    assert_eq!(exit, 3, "{told}");
}

#[test]
fn a_closed_rendezvous_says_so_and_a_code_opens_one_once() {
    let (closed, invite, one, two) = (Rosa::with(Rule::Closed), Rosa::with(Rule::Invite), home("Alice"), home("Bob"));
    let (exit, told) = run(&one, &closed, &line("register", "alice", &one, "pw"));
    assert!(exit == 1 && told.contains("registers nobody"), "{exit}: {told}");
    let two_line = line("register", "bob", &two, "pw");
    let (exit, told) = run(&two, &invite, &two_line);
    assert!(exit == 2 && told.contains("--invite CODE"), "{exit}: {told}");
    let (exit, told) = run(&two, &invite, &format!("{two_line} --invite {}", "a".repeat(25)));
    assert!(exit == 2 && told.contains("26 letters"), "{exit}: {told}");
    let (exit, told) = run(&two, &invite, &format!("{two_line} --invite {}", "a".repeat(26)));
    assert!(exit == 5 && told.contains("wrong or used"), "{exit}: {told}");
    let invited = invite.code();
    assert_eq!(run(&two, &invite, &format!("{two_line} --invite {invited}")).0, 0);
    let three = home("Carol");
    let used = format!("{} --invite {invited}", line("register", "carol", &three, "pw"));
    let (exit, told) = run(&three, &invite, &used);
    assert!(exit == 5 && told.contains("wrong or used"), "{exit}: {told}");
}

#[test]
fn a_profile_with_friends_does_not_become_another_account() {
    let (rosa, one) = (Rosa::new(), home("Carol"));
    assert_eq!(run(&one, &rosa, &line("register", "carol", &one, "pw")).0, 0);
    let (alice_home, _bob_home) = Pair::homes();
    alice_home.file("pw", PASSWORD);
    let mut alice = start(&alice_home, &rosa);
    let refused = alice.refused(&line("login", "carol", &alice_home, "pw"), "conflict");
    assert!(refused["message"].as_str().unwrap().contains("hobnob -P NAME"), "{refused}");
    assert_eq!(alice.ask("/whoami")["account"], alice.ready["account"]);
    assert_eq!(alice.ask("/friends")["friends"].as_array().unwrap().len(), 1);
}

#[test]
fn logging_out_and_giving_up_the_name_keep_friends_and_account() {
    let (rosa, one, two) = (Rosa::new(), home("Alice"), home("Bob"));
    let mut alice = start(&one, &rosa);
    alice.refused("/logout", "conflict");
    // Nobody is asked about a name that is not there.
    alice.refused("/unregister", "conflict");
    alice.ask(&line("register", "alice", &one, "pw"));
    assert_eq!(alice.ask("/logout")["name"], "alice");
    alice.ask(&line("login", "alice", &one, "pw"));
    let asked = alice.refused("/unregister", "usage");
    assert!(asked["message"].as_str().unwrap().starts_with("anybody may take alice@127.0.0.1 then"), "{asked}");
    assert_eq!(alice.ask("/unregister --yes")["name"], "alice");
    assert_eq!(alice.ask("/whoami")["account"], alice.ready["account"]);
    // The name is anybody's now, and the old password opens nothing.
    alice.refused(&line("login", "alice", &one, "pw"), "login");
    let mut bob = start(&two, &rosa);
    bob.ask(&line("register", "alice", &two, "other"));
}

#[test]
fn registering_again_is_a_new_password_for_whoever_forgot_the_old_one() {
    let (rosa, one, two) = (Rosa::new(), home("Alice"), home("Nobody"));
    let mut alice = start(&one, &rosa);
    alice.ask(&line("register", "alice", &one, "pw"));
    alice.ask(&line("register", "alice", &one, "other"));
    let mut bare = start(&two, &rosa);
    bare.refused(&line("login", "alice", &two, "pw"), "login");
    assert_eq!(bare.ask(&line("login", "alice", &two, "other"))["account"], alice.ready["account"]);
}

#[test]
fn a_password_comes_from_the_next_line_of_input_and_is_never_answered_as_one() {
    let (rosa, one) = (Rosa::new(), Home::new("Alice"));
    let input = format!("/register alice --password-file -\n{PASSWORD}\n/whoami\n");
    let mut command = one.command();
    let fed = crate::driver::feed(command.args(["--rendezvous", &rosa.address]), input);
    assert_eq!(code(&fed), 0, "{fed:?}");
    assert!(!stdout(&fed).contains(PASSWORD) && !stderr(&fed).contains(PASSWORD), "{fed:?}");
    assert!(stdout(&fed).contains("Alice"));
}

#[test]
fn at_a_terminal_a_weak_password_is_explained_and_a_made_one_is_typed_back() {
    let (rosa, one) = (Rosa::new(), Home::new("Alice"));
    let mut terminal = Terminal::on(&one, &["--rendezvous", &rosa.address]);
    terminal.wait("/help start");
    terminal.type_line("/register alice");
    terminal.wait("new password for alice");
    terminal.type_line("password1");
    terminal.wait("too easy to guess");
    terminal.wait("new password for alice");
    terminal.type_line("");
    terminal.wait("these six words are the password");
    let words = offered(&mut terminal);
    terminal.type_line("not these");
    terminal.wait("these are not the words above");
    terminal.wait("type the six words");
    terminal.type_line(&words);
    terminal.wait("hashing the password");
    terminal.wait("you are alice at 127.0.0.1 now");
    terminal.wait("24 ");
    assert_eq!(terminal.quits(), 0);
    assert!(!terminal.seen().contains("password1"), "a password was echoed");
    assert_eq!(terminal.seen().matches(&words).count(), 1, "shown once, and not echoed");

    let two = Home::new("Nobody");
    let mut terminal = Terminal::on(&two, &["--rendezvous", &rosa.address]);
    terminal.wait("/help start");
    terminal.type_line("/login alice");
    terminal.wait("password of alice");
    terminal.type_line(&words);
    terminal.wait("this machine is a device of alice now");
    terminal.insist("/whoami", "Alice");
    assert_eq!(terminal.quits(), 0);
}

/// The six words on the screen.
fn offered(terminal: &mut Terminal) -> String {
    terminal.wait("type the six words");
    let seen = terminal.seen();
    let from = seen.find("not shown again").unwrap();
    let line = seen[from..].lines().map(str::trim).find(|line| line.split(' ').count() == 6).unwrap();
    line.to_owned()
}

#[test]
fn the_password_stands_nowhere_that_outlives_it() {
    let (rosa, one, two) = (Rosa::new(), Home::new("Alice"), Home::new("Nobody"));
    let register = ["new password for alice", "the new one again"];
    let talks = [
        (&one, "register", register.as_slice(), "you are alice at"),
        (&two, "login", &["password of alice"], "a device of alice now"),
    ];
    for (home, verb, prompts, done) in talks {
        let mut terminal = Terminal::on(home, &["-vvv", "--rendezvous", &rosa.address]);
        terminal.wait("/help start");
        terminal.type_line(&format!("/{verb} alice"));
        for prompt in prompts {
            terminal.wait(prompt);
            terminal.type_line(PASSWORD);
        }
        terminal.wait(done);
        // While it runs: its words and variables.
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{}/{file}", terminal.pid())).unwrap_or_default();
            assert!(!holds(&bytes), "{verb}: /proc/…/{file}");
            // Variables are shown to nobody else, but words are: there must be something to look through.
            assert!(file == "environ" || !bytes.is_empty());
        }
        assert_eq!(terminal.quits(), 0);
        assert!(!terminal.seen().contains(PASSWORD), "{verb}: on the screen");
        let files = files(home.path());
        assert!(files.iter().any(|file| file.ends_with("hobnob.log")), "{files:?}");
        for file in files {
            assert!(!holds(&std::fs::read(&file).unwrap()), "{verb}: {}", file.display());
        }
    }
    for file in files(rosa.directory()) {
        assert!(!holds(&std::fs::read(&file).unwrap()), "at the rendezvous: {}", file.display());
    }
}

/// Any part of the password that nobody writes by chance.
fn holds(bytes: &[u8]) -> bool {
    let parts = [PASSWORD, "battery horse", "horse stapler"];
    parts.iter().any(|part| bytes.windows(part.len()).any(|window| window == part.as_bytes()))
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { found.push(entry) }
        }
    }
    found
}

#[test]
fn a_signal_while_the_password_is_hashed_leaves_the_old_profile() {
    let (rosa, one, two) = (Rosa::new(), home("Alice"), home("Nobody"));
    assert_eq!(run(&one, &rosa, &line("register", "alice", &one, "pw")).0, 0);
    let mut bare = start(&two, &rosa);
    bare.send(&line("login", "alice", &two, "pw"));
    bare.signal(Signal::KILL);
    while bare.next_line().is_some() {}
    let again = start(&two, &rosa);
    let is_old = again.ready["account"] == bare.ready["account"];
    // Whichever it is, it is whole: killed at once it is the old one, but a fast machine may have been done.
    assert!(is_old || again.ready["name"] == "Alice", "{}", again.ready);
}

/// What a guess costs here: as little as Argon2id can.
const CHEAP: Params = Params { memory_kib: 64, passes: 1, lanes: 1 };

/// A node in this process.
async fn node(home: &Home, rosa: &Rosa) -> Node {
    let profile = OpenedProfile::open(home.path(), None).unwrap();
    let mut options = StartOptions::new(profile, vec!["/ip4/127.0.0.1/tcp/0".to_owned()]);
    options.mdns = false;
    options.rendezvous = vec![Address::parse(&rosa.address).unwrap()];
    options.login_cost = CHEAP;
    Node::start(options).await.unwrap()
}

async fn log_in(node: &Node, password: &str) -> Result<LoginEnd, Refusal> {
    let (name, server) = (Username::parse("alice").unwrap(), account::server(node, None).await?);
    let password = Zeroizing::new(password.to_owned());
    account::login(node, Login { name, server, password, profile_password: None, device: None }, &|_| {}).await
}

#[test]
fn whoever_guesses_is_slowed_down_and_told_for_how_long() {
    let (rosa, home_one, home_two) = (Rosa::new(), Home::new("Alice"), Home::new("Mallory"));
    hobnob::api::async_runtime().unwrap().block_on(async {
        let (alice, mallory) = (node(&home_one, &rosa).await, node(&home_two, &rosa).await);
        let name = Username::parse("alice").unwrap();
        let server = account::server(&alice, None).await.unwrap();
        let password = StrongPassword::parse(&Zeroizing::new(PASSWORD.to_owned()), &name).unwrap();
        let key = alice.account_key(None).await.unwrap();
        let wish = Registration { name, server, password, code: None, key };
        account::register(&alice, wish, &|_| {}).await.unwrap();

        let mut guesses = 0;
        let refusal = loop {
            let refusal = log_in(&mallory, OTHER).await.unwrap_err();
            if refusal.code != Code::Login {
                break refusal;
            }
            guesses += 1;
            assert!(guesses < 100, "nobody slows the guesses down");
        };
        assert_eq!(refusal.code, Code::Limited, "{refusal}");
        assert!(guesses >= 5 && refusal.message.contains("it takes the next one in"), "after {guesses}: {refusal}");
        alice.shutdown().await;
        mallory.shutdown().await;
    });
}
