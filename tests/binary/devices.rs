//! Several machines of one account, through the real program.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};

use crate::{
    driver::{Home, Pair, Running, code, history, objects, stderr},
    house::{House, PASSWORD, home, line, start, wait_up},
    pty::Terminal,
};

/// A link of Alice's for another machine.
fn link(alice: &mut Running) -> String {
    alice.ask("/device link")["link"].as_str().unwrap().to_owned()
}

/// Makes a profile with a link. It has no password.
fn linked(link: &str, device: &str) -> Home {
    let home = Home::empty();
    let made = home.command().args(["init", "--link", link, "--name", device, "--no-input"]).output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    assert!(stderr(&made).contains(device) && stderr(&made).contains("Alice"), "{}", stderr(&made));
    home
}

#[test]
fn a_second_machine_has_friends_and_history_and_both_get_what_comes() {
    let Pair { alice_home: _alice, bob_home: _bob, mut alice, mut bob } = Pair::new();
    alice.ask("@bob before");
    bob.receive("before");
    let phone_home = linked(&link(&mut alice), "phone");
    alice.wait("device.added", |line| line["name"] == "phone");
    let mut phone = phone_home.start();
    assert_eq!(phone.ready["account"], alice.ready["account"]);
    assert_eq!(phone.ready["device_name"], "phone");
    phone.wait("friend.added", |line| line["chat"] == "@bob");
    bob.wait("friend.new_device", |line| line["name"] == "phone");

    phone.ask("@bob from the phone");
    bob.receive("from the phone");
    alice.wait("message.sent", |line| line["text"] == "from the phone");
    let sent = bob.ask("@alice to both");
    alice.receive("to both");
    phone.receive("to both");
    let entry = sent["entry"].clone();
    bob.wait("message.state", |line| line["entry"] == entry && line["devices"] == "2/2");
    assert_eq!(history(&mut phone, "@bob"), history(&mut alice, "@bob"));

    alice.ask("/open @bob");
    phone.wait("chat.read", |line| line["chat"] == "@bob" && line["unread"] == 0);
    phone.ask("/rename @bob bobby");
    alice.wait("friend.renamed", |line| line["chat"] == "@bobby");
    alice.ask("/set theme light");
    phone.wait("setting.changed", |line| line["key"] == "theme" && line["value"] == "light");

    let devices = phone.ask("/devices")["devices"].clone();
    assert_eq!(devices.as_array().unwrap().len(), 2, "{devices}");
    assert_eq!((&devices[0]["name"], &devices[0]["current"]), (&json!("phone"), &json!(true)));
    assert_eq!((&devices[1]["current"], &devices[1]["connected"]), (&json!(false), &json!(true)));
    // What a linked machine cannot do is refused, not asked about.
    for command in ["/device link", "/device revoke phone", "/nick Mallory", "/recovery"] {
        let refused = phone.refused(command, "conflict");
        assert!(refused["message"].as_str().unwrap().contains("account's key"), "{refused}");
    }
}

#[test]
fn a_linked_machine_gives_a_name_up_only_once_it_is_logged_in_and_is_told_that_it_cannot_take_it_again() {
    let (house, alice_home) = (House::new(), home("Alice"));
    let mut alice = start(&alice_home, &house);
    alice.ask(&line("register", "alice", &alice_home));
    wait_up(&mut alice);
    let phone_home = linked(&link(&mut alice), "phone");
    phone_home.file("pw", PASSWORD);
    let mut phone = phone_home.start();
    wait_up(&mut phone);
    let refused = phone.refused("/unregister", "conflict");
    assert!(refused["message"].as_str().unwrap().contains("this machine was linked"), "{refused}");
    phone.ask(&line("login", "alice", &phone_home));
    let asked = phone.refused("/unregister", "usage");
    assert!(asked["message"].as_str().unwrap().contains("was linked, cannot take it again"), "{asked}");
    assert_eq!(phone.ask("/unregister --yes")["name_is"], "free");
}

#[test]
fn a_revoked_machine_is_told_and_keeps_what_it_has() {
    let Pair { alice_home: _alice, bob_home: _bob, mut alice, mut bob } = Pair::new();
    let phone_home = linked(&link(&mut alice), "phone");
    let mut phone = phone_home.start();
    phone.wait("friend.added", |_| true);
    phone.ask("@bob hello");
    bob.receive("hello");
    alice.wait("message.sent", |line| line["text"] == "hello");

    alice.refused("/device revoke phone", "usage");
    alice.refused("/device revoke fone --yes", "not_found");
    alice.ask("/device revoke phone --yes");
    phone.wait("device.revoked", |line| line["current"] == true);
    phone.refused("@bob still me", "untrusted");
    assert_eq!(history(&mut phone, "@bob").len(), 1);
    let sent = bob.ask("@alice only you");
    alice.receive("only you");
    let entry = sent["entry"].clone();
    bob.wait("message.state", |line| line["entry"] == entry && line["devices"] == "1/1");
    assert_eq!(alice.ask("/devices")["devices"].as_array().unwrap().len(), 1);

    // It is so after a start, too.
    // The last line was refused.
    assert_eq!(phone.end().0, 4);
    let mut phone = phone_home.start();
    phone.refused("@bob still me", "untrusted");
    assert_eq!(history(&mut phone, "@bob").len(), 1);
}

#[test]
fn a_message_that_one_machine_lacks_says_which_and_since_when() {
    let Pair { alice_home: _alice, bob_home: _bob, mut alice, mut bob } = Pair::new();
    let phone_home = linked(&link(&mut alice), "phone");
    let mut phone = phone_home.start();
    phone.wait("friend.added", |_| true);
    phone.ask("@bob hello");
    bob.receive("hello");
    assert_eq!(phone.end().0, 0);
    let sent = bob.ask("@alice only at home");
    bob.wait_state(&sent["entry"], &["delivered", "read"]);

    let is_seen = |answer: &Value| answer["missing"][0]["last_seen"].is_string();
    let outbox = bob.ask_until("/outbox", is_seen);
    assert_eq!((&outbox["queued"], &outbox["missing"][0]["name"]), (&json!([]), &json!("phone")), "{outbox}");
    assert_eq!(outbox["missing"][0]["count"], 1, "{outbox}");
    let copies = bob.ask(&format!("/info {}", sent["number"]))["copies"].as_array().unwrap().clone();
    let phone = copies.iter().find(|copy| copy["name"] == "phone").unwrap();
    assert_eq!(phone["state"], "queued", "{copies:?}");
    assert!(phone["last_seen"].is_string(), "{copies:?}");
}

#[test]
fn a_fresh_profile_takes_the_accounts_place_and_one_with_friends_does_not() {
    let Pair { alice_home: _alice, bob_home: _bob, mut alice, mut bob } = Pair::new();
    let first = link(&mut alice);
    let refused = bob.refused(&format!("/device link {first}"), "conflict");
    assert!(refused["message"].as_str().unwrap().contains("-P"), "{refused}");
    bob.refused(&format!("/add {first}"), "conflict");
    let invite = alice.ask("/invite-link")["link"].as_str().unwrap().to_owned();

    let home = Home::empty();
    let password = home.file("password", "open sesame\n");
    let with_password = |arguments: &[&str]| {
        let mut command = home.command();
        command.arg("--json").args(["--no-input", "--password-file"]).arg(&password).args(arguments);
        command.output().unwrap()
    };
    assert_eq!(code(&with_password(&["init", "--name", "Somebody"])), 0);
    let wrong = with_password(&["-e", &format!("/device link {invite}")]);
    assert_eq!(code(&wrong), 2, "{wrong:?}");
    let joined = with_password(&["-e", &format!("/device link {first}"), "-e", "/whoami"]);
    assert_eq!(code(&joined), 0, "{joined:?}");
    let lines = objects(&joined);
    let reply = lines.iter().find(|line| line["command"] == "/device").unwrap();
    assert_eq!((&reply["account"], &reply["name"]), (&alice.ready["account"], &json!("Alice")));
    let whoami = lines.iter().find(|line| line["command"] == "/whoami").unwrap();
    assert_eq!(whoami["account"], alice.ready["account"], "the same run goes on as the account");
    let me = with_password(&["-e", "/whoami"]);
    let lines = objects(&me);
    assert_eq!(lines[0]["account"], alice.ready["account"], "{me:?}");
    assert_eq!(lines[0]["name"], "Alice");
}

#[test]
fn a_link_that_was_used_or_is_for_a_friend_leaves_no_profile_behind() {
    let Pair { alice_home: _alice, mut alice, .. } = Pair::new();
    let used = link(&mut alice);
    linked(&used, "phone");
    let invite = alice.ask("/invite-link")["link"].as_str().unwrap().to_owned();
    for (link, wanted, word) in [(&used, 1, "link"), (&invite, 2, "friend")] {
        let home = Home::empty();
        let made = home.command().args(["init", "--no-input", "--link", link]).output().unwrap();
        assert_eq!(code(&made), wanted, "{made:?}");
        assert!(stderr(&made).contains(word), "{}", stderr(&made));
        assert_eq!(code(&home.execute(&["/whoami"])), 1, "there is a profile");
    }
}

#[test]
fn at_a_terminal_the_password_is_asked_for_and_the_new_machine_says_whose_it_is() {
    let home = Home::empty();
    let password = home.file("password", "open sesame\n");
    let mut init = home.command();
    init.args(["init", "--name", "Alice", "--no-input", "--password-file"]).arg(&password);
    assert_eq!(code(&init.output().unwrap()), 0);
    let mut alice = Terminal::on(&home, &["--password-file", password.to_str().unwrap()]);
    alice.wait("/help start");
    alice.type_line("/device link");
    alice.wait("password:");
    alice.type_line("wrong");
    alice.wait("the password is wrong");
    alice.wait("password:");
    alice.type_line("open sesame");
    alice.wait("hobnob init --link");
    alice.insist("/devices", "this one");
    alice.insist("/device revoke phone", "[y/N]");
    alice.insist("n", "nothing was done");
    assert_eq!(alice.quits(), 0);
    assert!(!alice.seen().contains("sesame"), "a password was echoed");

    let mut alice = home.start_with(&["--password-file", password.to_str().unwrap()]);
    let link = link(&mut alice);
    let other = Home::new("Somebody");
    let mut terminal = Terminal::on(&other, &[]);
    terminal.wait("/help start");
    terminal.type_line(&format!("/device link {link}"));
    terminal.wait("is a device of Alice");
    terminal.wait("you are Alice");
    terminal.insist("/devices", "this one");
    assert_eq!(terminal.quits(), 0);
    assert_eq!(other.start().ready["account"], alice.ready["account"]);
}

/// Runs `init --link` until `is_far` and kills it there. Whether it had come to its end by then.
fn cut_off(home: &Home, link: &str, mut is_far: impl FnMut() -> bool) -> bool {
    let mut command = home.command();
    command.args(["init", "--link", link, "--name", "phone", "--no-input"]);
    let mut init = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !is_far() {
        assert_eq!(init.try_wait().unwrap(), None, "it ended before it came so far");
        std::thread::sleep(Duration::from_millis(1));
    }
    init.kill().unwrap();
    init.wait().unwrap().success()
}

#[test]
fn a_linking_that_is_cut_off_goes_on_with_the_same_keys() {
    let Pair { alice_home: _alice, mut alice, .. } = Pair::new();
    let first = link(&mut alice);
    let home = Home::empty();
    let is_made = || home.path().join("keystore").exists();
    let mut is_done = cut_off(&home, &first, || is_made() && alice.has("device.added"));
    for _ in 0..2 {
        let made = home.command().args(["init", "--link", &first, "--no-input"]).output().unwrap();
        // Behind its end it is a profile like any other.
        assert_eq!(code(&made), i32::from(is_done), "{made:?}");
        is_done = true;
    }
    let phone = home.start();
    assert_eq!((&phone.ready["account"], &phone.ready["device_name"]), (&alice.ready["account"], &json!("phone")));
    let devices = alice.ask("/devices")["devices"].clone();
    assert_eq!(devices.as_array().unwrap().len(), 2, "the first try left a device that nobody has: {devices}");
}

#[test]
fn a_profile_that_waits_for_its_link_says_so_and_takes_another_one() {
    let Pair { alice_home, mut alice, .. } = Pair::new();
    let dead = link(&mut alice);
    alice.kill();
    let home = Home::empty();
    cut_off(&home, &dead, || home.path().join("keystore").exists());
    for arguments in
        [&["-e", "/whoami"][..], &["init", "--name", "Somebody"], &["init", "--name", "S", "--recover", "-"]]
    {
        let refused = home.command().arg("--no-input").args(arguments).output().unwrap();
        assert!(code(&refused) == 1 && stderr(&refused).contains("init --link LINK"), "{arguments:?}: {refused:?}");
    }
    let mut alice = alice_home.start();
    let made = home.command().args(["init", "--no-input", "--link", &link(&mut alice)]).output().unwrap();
    assert_eq!(code(&made), 0, "{made:?}");
    assert_eq!(home.start().ready["account"], alice.ready["account"]);
}
