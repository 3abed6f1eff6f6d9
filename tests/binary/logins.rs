//! Machines that become devices by a login: what they are called, who hears of them, what they know at once.

use serde_json::{Value, json};

use crate::{
    driver::{Home, Pair, Running, code, stderr, stdout},
    house::{House, Neighbours, home, line, start, wait_up},
    pty::Terminal,
    star::{PUBLIC, Star, address},
};

fn names(node: &mut Running) -> Vec<String> {
    let answer = node.ask("/devices");
    let listed = answer["devices"].as_array().unwrap().iter();
    listed.map(|device| device["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_follows_a_login_finds_the_friends_there() {
    let house = House::new();
    let (alice_home, bob_home) = Pair::homes();
    alice_home.file("pw", "correct battery horse stapler");
    let mut alice = start(&alice_home, &house);
    let mut bob = bob_home.start();
    alice.ask(&line("register", "alice", &alice_home));
    let account = alice.ready["account"].clone();
    // Where Bob is, the vault says from its second version on.
    house.wait_vault(&account, 2);
    assert_eq!(alice.end().0, 0);
    let phone = home("Nobody");
    let login = line("login", "alice --device phone", &phone);
    let mut command = phone.command();
    command.args(["--rendezvous", &house.address, "-e", &login, "-e", "@bob hello from the phone", "-e", "/friends"]);
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("called phone") && stdout(&output).contains("@bob"), "{}", stdout(&output));
    bob.receive("hello from the phone");

    let desk = home("Nobody");
    let mut terminal = Terminal::on(&desk, &["--rendezvous", &house.address]);
    terminal.wait("/help start");
    terminal.type_line(&line("login", "alice", &desk));
    terminal.wait("1 friend, ");
    let seen = terminal.seen();
    let after = seen.split("is a device of alice now").nth(1).unwrap();
    assert!(!after.contains("nobody to talk to"), "{after}");
    assert_eq!(terminal.quits(), 0);
}

#[test]
fn each_device_has_a_name_of_its_own_and_notices_say_which_it_is() {
    let Neighbours { house, alice_home: _alice_home, bob_home: _bob_home, mut alice, mut bob } = Neighbours::new();
    let first = names(&mut alice);
    let homes: Vec<Home> = (0..3).map(|_| home("Nobody")).collect();
    let wishes = ["alice", "alice --device \"my phone\"", "alice --device \"my phone\""];
    let expected = [format!("{}-2", first[0]), "my phone".to_owned(), "my phone-2".to_owned()];
    let mut running = Vec::new();
    for ((home, wish), name) in homes.iter().zip(wishes).zip(&expected) {
        let mut node = start(home, &house);
        let logged = node.ask(&line("login", wish, home));
        assert_eq!(logged["device_name"], name.as_str());
        let added = alice.wait("device.added", |_| true);
        assert_eq!((&added["name"], &added["device"]), (&logged["device_name"], &logged["device"]));
        let told = bob.wait("friend.new_device", |_| true);
        assert_eq!((&told["chat"], &told["name"]), (&json!("@alice"), &logged["device_name"]));
        assert_eq!(told["device"], logged["device"]);
        running.push(node);
    }
    let mut listed = names(&mut alice);
    listed.sort_unstable();
    let mut all = [first, expected.to_vec()].concat();
    all.sort_unstable();
    assert_eq!(listed, all);
}

#[test]
fn a_device_that_is_listed_no_more_is_again_once_it_logs_in_and_one_that_was_revoked_is_not() {
    let (mut house, one) = (House::new(), home("Alice"));
    let mut alice = start(&one, &house);
    alice.ask(&line("register", "alice", &one));
    wait_up(&mut alice);
    assert_eq!(alice.end().0, 0);
    // The rendezvous does not hear of a machine that was linked, and lists two others in its place.
    house.stop();
    let mut alice = one.start();
    let link = alice.ask("/device link")["link"].as_str().unwrap().to_owned();
    let linked = Home::empty();
    let made = linked.command().args(["init", "--no-input", "--link", &link, "--name", "tablet"]).output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    linked.file("pw", "correct battery horse stapler");
    assert_eq!(alice.end().0, 0);
    house.start();
    let others: Vec<Home> = (0..2).map(|_| home("Nobody")).collect();
    for (home, name) in others.iter().zip(["phone", "desk"]) {
        let mut node = start(home, &house);
        node.ask(&line("login", &format!("alice --device {name}"), home));
        assert_eq!(node.end().0, 0);
    }
    let mut tablet = start(&linked, &house);
    let logged = tablet.ask(&line("login", "alice", &linked));
    assert_eq!((&logged["new_device"], &logged["device_name"]), (&json!(false), &json!("tablet")));
    wait_up(&mut tablet);
    let is_whole = |answer: &Value| answer["devices"].as_array().unwrap().len() == 4;
    tablet.ask_until("/devices", is_whole);
    let mut phone = start(&others[0], &house);
    phone.ask_until("/devices", is_whole);

    phone.ask("/device revoke tablet --yes");
    tablet.wait("device.revoked", |line| line["current"] == true);
    assert_eq!(tablet.end().0, 0);
    assert_eq!(phone.end().0, 0);
    let mut tablet = start(&linked, &house);
    let refused = tablet.refused(&line("login", "alice", &linked), "untrusted");
    assert!(refused["message"].as_str().unwrap().contains("was revoked"), "{refused}");
}

#[test]
fn a_login_is_told_to_devices_and_friends_who_reach_nothing_but_the_rendezvous() {
    let Some(star) = Star::or_skip(3) else { return };
    let house = House::at(&format!("{PUBLIC}:0"), &star.at_hub());
    let begin = |home: &Home, machine: usize| {
        let mut command = home.command_behind(&star.at(machine), &format!("{}:0", address(machine)));
        let mut node = Running::new(command.args(["--json", "--rendezvous", &house.address]));
        node.ready = node.wait("ready", |_| true);
        node
    };
    let (alice_home, bob_home, phone_home) = (home("Alice"), home("Bob"), home("Nobody"));
    let (mut laptop, mut bob) = (begin(&alice_home, 0), begin(&bob_home, 1));
    laptop.ask(&line("register", "alice", &alice_home));
    bob.ask(&line("register", "bob", &bob_home));
    laptop.ask("/add bob");
    bob.wait("friend.requested", |_| true);
    bob.ask("/accept 1");
    laptop.wait("friend.added", |_| true);
    house.wait_mailboxes(2);
    star.part();
    let mut phone = begin(&phone_home, 2);
    let logged = phone.ask(&line("login", "alice --device phone", &phone_home));
    let added = laptop.wait("device.added", |_| true);
    assert_eq!((&added["name"], &added["device"]), (&json!("phone"), &logged["device"]));
    let told = bob.wait("friend.new_device", |_| true);
    assert_eq!((&told["chat"], &told["device"]), (&json!("@alice"), &logged["device"]));
    assert!(phone.ask("/peers")["peers"].as_array().unwrap().is_empty(), "it has a session");
}
