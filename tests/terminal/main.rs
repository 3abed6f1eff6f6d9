//! The real program in a pseudo-terminal, its screen read as a person reads it.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test"
)]

mod cast;
mod code;
#[expect(dead_code, unreachable_pub, reason = "other tests break the wire, and whole nodes have it from a crate")]
#[path = "../src/lan.rs"]
mod lan;
mod near;
mod people;
mod screen;
mod secrets;
mod tmux;

use std::io::Write as _;

use cast::{friends, link_on};
use screen::Terminal;

#[test]
fn the_line_that_is_typed_survives_the_lines_that_arrive() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut alice, mut bob) = friends(80, &dir);
    bob.types("@alice I was just wri");
    bob.sees("I was just wri");
    for n in 1..=5 {
        alice.enters(&format!("@bob interruption {n}"));
        bob.sees(&format!("interruption {n}"));
    }
    bob.until("the line under the messages", |screen| {
        let last = screen.trim_end().lines().last().unwrap_or_default();
        last.ends_with("@alice I was just wri")
    });
    bob.enters("ting to you");
    alice.sees("bob: I was just writing to you");
}

#[test]
fn a_typed_line_of_any_length_becomes_its_message_and_is_shown_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_alice, mut bob) = friends(40, &dir);
    let long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
    bob.enters("@alice");
    bob.sees("@alice>");
    // Behind the prompt, `@alice ` and 25 more letters fill a row of 40 cells.
    for (number, text) in
        [long, "0123456789012345678901234", "👋🏽 is a wave", "你好".repeat(30).as_str()].iter().enumerate()
    {
        bob.enters(&format!("@alice {text}"));
        let end: String = text.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
        bob.until("the message", |screen| {
            let message = screen.find(&format!("[{}] me", number + 1));
            message.is_some_and(|at| squeezed(&screen[at..]).contains(&squeezed(&end)))
        });
        let screen = bob.until("the next prompt", |screen| screen.trim_end().ends_with("@alice>"));
        assert!(!screen.contains("@alice> @alice"), "the typed line is still there: {screen}");
    }
}

/// Without blanks and gutters.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '│').collect()
}

#[test]
fn chinese_and_emoji_wrap_behind_the_gutter() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut alice, mut bob) = friends(40, &dir);
    let text = "今天天气很好我们一起去公园散步然后去吃火锅好不好呀🙂🙂🙂再见";
    alice.enters(&format!("@bob {text}"));
    let screen = bob.until("the whole message", |screen| screen.contains("再见"));
    let from = screen.find("今天").expect("its first row");
    let row_start = screen[..from].rfind('\n').map_or(0, |at| at + 1);
    let rows: Vec<&str> = screen[row_start..].lines().take_while(|row| !row.contains("hobnob>")).collect();
    assert!(rows.len() >= 2, "it wrapped: {rows:?}");
    for row in rows.iter().skip(1).filter(|row| !row.is_ascii()) {
        assert!(row.starts_with("      "), "a continuation row stands behind the gutter: {row:?}");
    }
    let joined: String = screen[from..].chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
    assert!(joined.starts_with(text), "nothing was lost by wrapping: {joined}");
}

#[test]
fn no_control_character_of_a_friend_reaches_the_terminal() {
    let dir = tempfile::tempdir().expect("a folder");
    let (alice, mut bob) = friends(80, &dir);
    // Our own bell would hide theirs.
    bob.enters("/set bell off");
    bob.enters("/whoami");
    bob.sees("fingerprint");
    // Alice's terminal closes; a script of hers sends what no keyboard can type.
    drop(alice);
    let profile = dir.path().join("alice");
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}evil\rfake\n12:00 [1] bob: forged";
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_hobnob"))
        .args(["send", "@bob", "-", "--no-input", "--listen", "127.0.0.1:0", "--timeout", "60", "--data-dir"])
        .arg(&profile)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("send");
    child.stdin.take().expect("a pipe").write_all(evil.as_bytes()).expect("written");
    assert!(child.wait().expect("an end").success());
    let screen = bob.sees("forged");
    assert!(
        screen.lines().any(|row| row.contains("forged") && row.starts_with("      ")),
        "behind the gutter: {screen}"
    );
    let raw = bob.raw();
    let raw = String::from_utf8_lossy(&raw);
    for bad in ["\u{1b}]0;", "\u{1b}[2J", "\u{9b}", "\u{202e}", "\u{7}"] {
        assert!(!raw.contains(bad), "{bad:?} reached the terminal");
    }
}

#[test]
fn nothing_is_shown_while_a_password_is_typed_and_ctrl_c_twice_leaves() {
    let dir = tempfile::tempdir().expect("a folder");
    let profile = dir.path().join("carol").display().to_string();
    let mut carol = Terminal::start(80, &["--data-dir", &profile]);
    carol.sees("Your name");
    carol.enters("Carol");
    carol.sees("Password");
    carol.enters("correct horse battery");
    carol.sees("Again");
    carol.enters("correct horse battery");
    carol.sees("Written down?");
    carol.enters("");
    let screen = carol.sees("hobnob>");
    assert!(!screen.contains("horse"), "{screen}");
    carol.types("half a line");
    carol.sees("half a line");
    carol.types("\u{3}");
    carol.until("an empty line", |screen| screen.trim_end().lines().last() == Some("hobnob>"));
    // Taking another line back is no wish to leave.
    carol.types("another");
    carol.sees("another");
    carol.types("\u{3}");
    carol.until("an empty line", |screen| screen.trim_end().lines().last() == Some("hobnob>"));
    carol.types("still here");
    carol.sees("still here");
    assert_eq!(carol.leaves_by_ctrl_c(), 130);
}

#[test]
fn recovery_words_leave_the_screen_when_they_are_written_down() {
    let dir = tempfile::tempdir().expect("a folder");
    let profile = dir.path().join("erin").display().to_string();
    let mut erin = Terminal::start(80, &["--data-dir", &profile]);
    erin.sees("Your name");
    erin.enters("Erin");
    erin.sees("Password");
    erin.enters("");
    let shown = erin.sees("Written down?");
    let words = words_on(&shown);
    erin.enters("");
    let screen = erin.sees("hobnob>");
    assert!(screen.contains("Profile for Erin") && screen.contains("/invite-link"), "{screen}");
    assert_eq!(words_on(&screen), Vec::<String>::new());
    erin.enters("/recovery");
    let again = erin.sees("Written down?");
    assert_eq!(words_on(&again), words);
    // Ctrl-C takes them off too.
    erin.types("\u{3}");
    let screen = erin.sees("/recovery shows them again");
    assert_eq!(words_on(&screen), Vec::<String>::new());
    // What has scrolled out of the screen is asked to go as well.
    assert_eq!(erin.raw().windows(4).filter(|part| part == b"\x1b[3J").count(), 2);
}

/// The recovery words on a screen: what stands behind the numbers 1 to 24.
fn words_on(screen: &str) -> Vec<String> {
    let screen = screen.replace("These 24 words", "");
    let pieces: Vec<&str> = screen.split_whitespace().collect();
    (1..=24)
        .filter_map(|number: usize| {
            let is_it = |two: &&[&str]| two[0] == number.to_string() && two[1].chars().all(|c| c.is_ascii_lowercase());
            pieces.windows(2).find(is_it).map(|two| two[1].to_owned())
        })
        .collect()
}

#[test]
fn plain_mode_writes_no_escape_sequence() {
    let dir = tempfile::tempdir().expect("a folder");
    let profile = dir.path().join("dora").display().to_string();
    let mut dora = Terminal::start(80, &["--plain", "--data-dir", &profile]);
    dora.sees("name");
    dora.enters("Dora");
    dora.sees("assword");
    dora.enters("");
    dora.sees("/help");
    dora.enters("/whoami");
    dora.sees("fingerprint");
    dora.enters("/quit");
    let (raw, code) = dora.end();
    assert_eq!(code, 0);
    assert!(!raw.contains(&0x1b), "an escape was written");
}

/// What a line of a transcript says, without what differs from run to run: times, keys, and how fast it was delivered.
fn said(line: &str) -> Option<String> {
    let line = line.trim_end().trim_end_matches(['…', '⇡', '✓']).trim_end();
    if line.trim_start().starts_with("· ✓") || line.trim().is_empty() {
        return None;
    }
    let clock = line
        .get(..5)
        .is_some_and(|t| t.as_bytes().get(2) == Some(&b':') && t.bytes().filter(u8::is_ascii_digit).count() == 4);
    let line = if clock { format!("HH:MM{}", &line[5..]) } else { line.to_owned() };
    let keyed = match (line.find('('), line.find(')')) {
        (Some(from), Some(to)) if to - from == 20 => format!("{}(KEY){}", &line[..from], &line[to + 1..]),
        _ => line,
    };
    // A friend whose name is not known yet is called after their key.
    let unnamed = keyed.find("@friend-").map(|at| format!("{}@friend-KEY{}", &keyed[..at], &keyed[at + 14..]));
    Some(unnamed.unwrap_or(keyed))
}

/// The transcript of one person in the README: the fenced block under their name.
fn transcript(name: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("the README");
    let block = readme.split(&format!("**{name}'s terminal**")).nth(1).expect("the person's block");
    let block = block.split("```").nth(1).expect("a fenced block");
    block.lines().skip(1).filter_map(said).collect()
}

#[test]
fn the_readme_shows_what_a_terminal_shows() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut alice = Terminal::chatting(90, "Alice", &dir);
    let mut bob = Terminal::chatting(90, "Bob", &dir);
    alice.enters("/invite-link");
    alice.sees("nobody outside can reach you");
    let link = link_on(&alice.sees("hobnob:"));
    bob.enters(&format!("/add {link}"));
    bob.sees("is now @alice");
    alice.sees("/accept 1");
    alice.enters("/accept 1");
    alice.sees("@bob is online");
    bob.sees("@alice is online");
    bob.enters("@alice are you free at seven? 一起吃饭吧 🍜");
    alice.sees("一起吃饭吧");
    alice.enters("@bob");
    alice.enters("/reply 1 yes! where?");
    bob.sees("yes! where?");
    bob.enters("/react 2 🎉");
    alice.sees("🎉");
    let shown = [("Alice", alice.sees("🎉")), ("Bob", bob.sees("yes! where?"))];
    for (name, screen) in shown {
        let rows: Vec<String> = screen.lines().filter_map(said).collect();
        let mut at = 0;
        for line in transcript(name) {
            if line.starts_with("hobnob:") || line.contains("/add hobnob:") {
                continue; // Shortened in the README.
            }
            let found = rows.iter().skip(at).position(|row| *row == line);
            at += 1 + found
                .unwrap_or_else(|| panic!("{name}'s terminal lacks {line:?} below row {at}:\n{}", rows.join("\n")));
        }
    }
}
