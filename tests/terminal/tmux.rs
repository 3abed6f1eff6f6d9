//! A real terminal, tmux, in front of a friend who sends what terminals obey.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    cast::{friends, spaced},
    screen::DEADLINE,
};

/// Between two looks at the screen.
const LOOK: Duration = Duration::from_millis(50);

/// The title before the friend writes.
const TITLE: &str = "before";

/// A server of its own with one window, ended when this is dropped.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// A window in which this runs, or a word on standard error why there is none.
    fn or_skip(dir: &TempDir, words: &[&str]) -> Option<Self> {
        let tmux = Self { socket: dir.path().join("tmux").display().to_string() };
        let mut command = tmux.command(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "50"]);
        command.args(words).env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1").env("HOBNOB_MDNS", "off");
        match command.output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(why) => {
                eprintln!("skipped, needs tmux: {why}");
                return None;
            }
        }
        // Whatever asks for them may have the clipboard and the title: so it shows when somebody does.
        tmux.run(&["set-option", "-s", "set-clipboard", "on"]);
        tmux.run(&["select-pane", "-T", TITLE]);
        Some(tmux)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-u", "-S", &self.socket]).args(words);
        command
    }

    fn ask(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("tmux")
    }

    fn run(&self, words: &[&str]) -> String {
        let output = self.ask(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Waits until the screen holds this text, and returns all of the screen.
    fn sees(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.run(&["capture-pane", "-p"]);
            if spaced(&screen).contains(text) {
                return screen;
            }
            assert!(begun.elapsed() < DEADLINE, "never seen: {text}\n--- screen:\n{screen}");
            std::thread::sleep(LOOK);
        }
    }

    fn title(&self) -> String {
        self.run(&["display-message", "-p", "#{pane_title}"]).trim_end().to_owned()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.ask(&["kill-server"]);
    }
}

/// Sends this from Alice's profile, as a script does: no keyboard can type it.
fn send(dir: &TempDir, text: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hobnob"))
        .args(["send", "@bob", "-", "--no-input", "--listen", "127.0.0.1:0", "--timeout", "60", "--data-dir"])
        .arg(dir.path().join("alice"))
        .env("HOBNOB_MDNS", "off")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("send");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    assert!(child.wait().expect("an end").success());
}

#[test]
fn a_real_terminal_obeys_nothing_that_a_friend_sends() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(friends(100, &dir));
    let profile = dir.path().join("bob").display().to_string();
    let words = [env!("CARGO_BIN_EXE_hobnob"), "--listen", "127.0.0.1:0", "--data-dir", &profile];
    let Some(bob) = Tmux::or_skip(&dir, &words) else { return };
    bob.sees("@alice>");
    let sent_and_seen = [
        ("\u{1b}]52;c;c3RvbGVu\u{7}clipboard", "␛]52;c;c3RvbGVu␇clipboard"),
        ("\u{1b}]0;owned\u{7}\u{1b}]2;owned\u{1b}\\title", "␛]0;owned␇␛]2;owned␛\\title"),
        ("\u{1b}[2J\u{1b}[1;1Hscreen", "␛[2J␛[1;1Hscreen"),
        ("\u{1b}Pq#0;2;0;0;0\u{1b}\\picture", "␛Pq#0;2;0;0;0␛\\picture"),
        ("\u{9d}2;owned\u{9c}\u{9b}2Jeight bits", "\\u{9d}2;owned\\u{9c}\\u{9b}2Jeight bits"),
        ("\u{1b}kowned\u{1b}\\name", "␛kowned␛\\name"),
        ("\u{202e}\u{2066}turned round\u{2069}", "alice: turned round"),
        ("one\rtwo\u{8}\u{8}\u{8}back", "one␍two␈␈␈back"),
    ];
    for (text, _) in sent_and_seen {
        send(&dir, text);
    }
    bob.sees("back");
    let screen = bob.run(&["capture-pane", "-p"]);
    for (_, seen) in sent_and_seen {
        assert!(screen.contains(seen), "{seen:?} is not on the screen:\n{screen}");
    }
    assert_eq!(bob.title(), TITLE);
    assert!(!bob.ask(&["show-buffer"]).status.success(), "the clipboard was written");
}
