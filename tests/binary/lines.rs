//! The lines themselves: good, bad, too long, too many, and nobody there to read them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::{
    driver::{Home, Pair, Running, code, feed, hobnob, objects, stderr, stdout},
    pty::Terminal,
};

#[test]
fn ready_tells_who_and_where_we_are() {
    let home = Home::new("Alice");
    let running = home.start();
    let ready = running.ready.clone();
    assert_eq!((&ready["name"], &ready["unread"]), (&json!("Alice"), &json!(0)));
    for field in ["account", "device"] {
        let hex = ready[field].as_str().unwrap();
        assert!(hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()), "{field}: {hex}");
    }
    let listen = ready["listen"][0].as_str().unwrap();
    assert!(listen.starts_with("/ip4/127.0.0.1/tcp/") && !listen.contains("/tcp/0"), "{listen}");
    assert_eq!(running.end().0, 0);
}

#[test]
fn the_port_stays_the_same_from_start_to_start() {
    let home = Home::new("Alice");
    let first = home.start();
    let listen = first.ready["listen"].clone();
    assert_eq!(first.end().0, 0);
    assert_eq!(home.start().ready["listen"], listen);
}

#[test]
fn answers_repeat_ids_and_line_numbers() {
    let home = Home::new("Alice");
    let mut running = home.start();
    running.write(r#"{"id":"a b","command":"/whoami"}"#);
    assert_eq!(running.wait("reply", |_| true)["id"], "a b");
    running.write(r#"{"id":{"deep":[1]},"command":"/friends"}"#);
    assert_eq!(running.wait("reply", |_| true)["id"], json!({ "deep": [1] }));
    running.write("/whoami");
    let third = running.wait("reply", |_| true);
    assert_eq!((&third["line"], third.get("id")), (&json!(3), None));
    running.write("");
    running.write("/whoami");
    assert_eq!(running.wait("reply", |_| true)["line"], 5);
}

#[test]
fn a_bad_line_is_refused_by_its_number_and_the_next_one_is_read() {
    let home = Home::new("Alice");
    let mut running = home.start();
    let bad: [&[u8]; 8] = [
        b"{\"command\":",
        b"{\"command\":7}",
        b"{\"command\":\"/whoami\",\"chat\":\"a b\"}",
        b"\xff\xfe\xfd",
        b"/no-such-command",
        b" /whoami",
        b"/msg",
        b"some text, and no chat",
    ];
    for (n, line) in bad.iter().enumerate() {
        running.write(line);
        let error = running.wait_for("an answer", |line| line["type"] == "error" || line["type"] == "reply");
        assert_eq!((&error["type"], &error["line"]), (&json!("error"), &json!(n + 1)), "{error}");
        assert_eq!(error["code"], "usage", "{error}");
    }
    running.write(vec![b'x'; 300 * 1024]);
    assert_eq!(running.wait("error", |_| true)["line"], 9);
    running.ask("/whoami");
    let (code, rest) = running.end();
    assert_eq!(code, 2);
    assert_eq!(rest.last().unwrap()["type"], "bye");
}

#[test]
fn the_chat_field_stands_for_one_line_and_open_for_all_that_follow() {
    let Pair { mut alice, mut bob, .. } = Pair::new();
    // With one chat, it is the current one.
    alice.ask("to the only one");
    bob.receive("to the only one");
    alice.write(json!({ "id": "c", "command": "two\nlines", "chat": "@bob" }).to_string());
    alice.wait("reply", |line| line["id"] == "c");
    bob.receive("two\nlines");
    alice.refused("/open @nobody", "not_found");
    alice.refused("this must go nowhere", "usage");
    alice.ask("/open @bob");
    alice.ask("//slash");
    bob.receive("/slash");
    alice.ask("@bob \"quoted\"  text ");
    bob.wait("message.received", |line| line["text"].as_str().is_some_and(|text| text.contains("\"quoted\"  text")));
}

#[test]
fn control_characters_arrive_whole_and_never_stand_on_the_line() {
    let Pair { mut alice, bob, bob_home, .. } = Pair::new();
    let nasty = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}abc\u{7f}\u{200b}\r end";
    alice.write(json!({ "id": 1, "command": format!("/msg @bob {nasty}") }).to_string());
    let mut bob = bob;
    bob.receive(nasty);
    drop(bob);
    let shown = bob_home.command().args(["--json", "-e", "/history @alice"]).output().unwrap();
    assert!(!stdout(&shown).chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'));
    assert!(objects(&shown).iter().any(|line| line["messages"][0]["text"] == nasty));
    let plain = stdout(&bob_home.execute(&["/history @alice"]));
    assert!(
        plain.contains("abc") && !plain.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
        "{plain:?}"
    );
}

#[test]
fn piped_commands_answer_in_plain_words_with_data_and_talk_apart() {
    let home = Home::new("Alice");
    let output = feed(&mut home.command(), "/whoami\n/nonsense\n/invite-link\n");
    assert_eq!(code(&output), 2, "{output:?}");
    let (out, err) = (stdout(&output), stderr(&output));
    assert!(out.contains("Alice") && out.lines().any(|line| line.starts_with("hobnob:")), "{out}");
    assert!(err.contains("line 2") && err.contains("/nonsense") && !out.contains("nonsense"), "{err}");
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'));
}

#[test]
fn piped_text_reaches_the_friend_before_the_program_ends() {
    let Pair { alice_home, alice, mut bob, .. } = Pair::new();
    assert_eq!(alice.end().0, 0);
    let output = feed(alice_home.command().args(["-t", "60"]), "@bob one\n/open @bob\ntwo\n");
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(stdout(&output).matches("two").count(), 1, "{output:?}");
    bob.receive("one");
    bob.receive("two");
}

#[test]
fn executed_lines_stop_at_the_first_that_is_refused() {
    let home = Home::new("Alice");
    let output = home.execute(&["/whoami", "/open @nobody", "/version"]);
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(stdout(&output).contains("Alice") && !stdout(&output).contains(env!("CARGO_PKG_VERSION")));
    assert!(stderr(&output).contains("nobody"));
    let output = home.command().args(["--json", "-e", "/version", "-e", "/friends"]).output().unwrap();
    let kinds: Vec<Value> = objects(&output).iter().map(|line| line["type"].clone()).collect();
    assert_eq!(kinds, ["ready", "reply", "reply", "bye"]);
}

#[test]
fn what_asks_is_refused_without_yes() {
    let Pair { mut alice, bob: _bob, .. } = Pair::new();
    alice.refused("/remove @bob", "usage");
    assert_eq!(alice.ask("/friends")["friends"].as_array().unwrap().len(), 1);
    alice.ask("/remove @bob --yes");
    assert_eq!(alice.wait("friend.removed", |_| true)["chat"], "@bob");
}

#[test]
fn aliases_work_from_the_next_line_on() {
    let home = Home::new("Alice");
    let output = feed(home.command().arg("--json"), "/alias self /whoami\n/self\n/alias\n");
    let lines = objects(&output);
    assert!(lines.iter().any(|line| line["line"] == 2 && line["command"] == "/whoami"), "{lines:?}");
    let listed = lines.iter().find(|line| line["line"] == 3).unwrap();
    assert_eq!(
        (&listed["settings"][0]["key"], &listed["settings"][0]["value"]),
        (&json!("alias.self"), &json!("/whoami"))
    );
}

#[test]
fn a_closed_standard_output_ends_it_quietly() {
    let home = Home::new("Alice");
    let mut command = home.command();
    command.arg("--json").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut ready = String::new();
    stdout.read_line(&mut ready).unwrap();
    assert!(ready.contains("\"ready\""), "{ready}");
    drop(stdout);
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(b"/whoami\n");
    // The input stays open: it is the closed output that ends it.
    let status = child.wait().unwrap();
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert_eq!((status.code(), talk.as_str()), (Some(0), ""));
    drop(stdin);
}

#[test]
fn a_page_nobody_reads_is_no_error() {
    for page in [&["man"][..], &["man", "--commands"], &["completions", "bash"], &["--help"]] {
        let mut child = hobnob().args(page).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!((code(&ended), stderr(&ended).as_str()), (0, ""), "{page:?}");
    }
}

#[test]
fn a_thousand_commands_in_one_gulp_are_answered_in_order() {
    let home = Home::new("Alice");
    let input: String = (0..1000).map(|n| format!("{{\"id\":{n},\"command\":\"/friends\"}}\n")).collect();
    let output = feed(home.command().arg("--json"), input);
    let ids: Vec<u64> = objects(&output).iter().filter_map(|line| line["id"].as_u64()).collect();
    assert_eq!(ids, (0..1000).collect::<Vec<_>>());
    assert_eq!(code(&output), 0);
}

#[test]
fn quit_ends_it_with_input_still_open() {
    let home = Home::new("Alice");
    let mut running: Running = home.start();
    assert_eq!(running.ask("/quit")["queued"], 0);
    let (code, rest) = running.finish();
    assert_eq!((code, &rest.last().unwrap()["type"]), (0, &json!("bye")));
}

/// Numbers of the messages on a screen, from top to bottom.
fn numbers(screen: &str) -> Vec<u64> {
    let number = |line: &str| {
        let (time, behind) = line.trim_start().split_once(" [")?;
        let is_time = time.len() == 5 && time.contains(':');
        behind.split_once(']').filter(|_| is_time)?.0.parse().ok()
    };
    screen.lines().filter_map(number).collect()
}

#[test]
fn messages_stand_in_the_order_of_their_numbers_while_both_write() {
    const LINES: usize = 60;
    let (alice_home, bob_home) = Pair::homes();
    let mut bob = bob_home.start();
    let mut alice = Terminal::on(&alice_home, &[]);
    alice.wait("@bob is online");
    for line in 0..LINES {
        bob.send(&format!("@alice from bob {line}"));
        alice.type_line(&format!("@bob from alice {line}"));
    }
    for line in 0..LINES {
        bob.receive(&format!("from alice {line}"));
    }
    bob.ask("@alice the end");
    alice.wait("the end");
    let numbers = numbers(alice.seen());
    assert!(numbers.len() > LINES && numbers.is_sorted(), "{numbers:?}\n{}", alice.seen());
    assert_eq!(alice.quits(), 0);
}
