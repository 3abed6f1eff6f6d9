//! The first start on a fresh machine, at a real (pseudo) terminal.

use std::{
    io::{Read, Write},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::driver::{Home, program};

/// A person at a terminal.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// How much of it was waited for already.
    at: usize,
}

impl Terminal {
    fn new(home: &Home, args: &[&str]) -> Self {
        let pty =
            native_pty_system().openpty(PtySize { rows: 50, cols: 100, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(program());
        command.env_clear();
        command.env("TERM", "dumb");
        command.env("HOBNOB_MDNS", "off");
        command.env("HOME", home.path());
        command.arg("-d");
        command.arg(home.path());
        command.args(["-l", "127.0.0.1:0"]);
        command.args(args);
        let child = pty.slave.spawn_command(command).unwrap();
        let mut reader = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let (sender, screen) = mpsc::channel();
        std::thread::spawn(move || {
            // The other end of the terminal lives as long as somebody reads it.
            let _master = pty.master;
            let mut chunk = [0; 4096];
            while let Ok(length) = reader.read(&mut chunk) {
                if length == 0 || sender.send(chunk[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, screen, seen: String::new(), at: 0 }
    }

    fn wait(&mut self, text: &str) {
        loop {
            if let Some(found) = self.seen[self.at..].find(text) {
                self.at += found + text.len();
                return;
            }
            let Ok(chunk) = self.screen.recv_timeout(Duration::from_secs(120)) else {
                panic!("waited for {text:?}; saw\n{}", self.seen);
            };
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    fn type_line(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    fn ends_with(&mut self) -> u32 {
        // Until it is gone nothing may keep it from writing.
        while self.screen.recv_timeout(Duration::from_secs(120)).is_ok() {}
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn a_newcomer_is_asked_shown_the_words_and_told_what_to_do_next() {
    let home = Home::empty();
    let mut terminal = Terminal::new(&home, &[]);
    terminal.wait("Your name");
    terminal.type_line(" ");
    terminal.wait("Your name");
    terminal.type_line("Alice");
    terminal.wait("An empty one is allowed");
    terminal.wait("Password");
    terminal.type_line("one");
    terminal.wait("Again");
    terminal.type_line("two");
    terminal.wait("differ");
    terminal.wait("Password");
    terminal.type_line("");
    terminal.wait("Again");
    terminal.type_line("");
    terminal.wait("no password");
    terminal.wait("24 words");
    terminal.wait("24 ");
    terminal.wait("/invite-link");
    terminal.wait("/help");
    terminal.type_line("/quit");
    assert_eq!(terminal.ends_with(), 0);
    assert!(!terminal.seen.contains("one\r\n") && !terminal.seen.contains("two\r\n"), "a password was echoed");
}

#[test]
fn without_anybody_to_ask_nothing_is_made() {
    let home = Home::empty();
    let mut terminal = Terminal::new(&home, &["--no-input"]);
    terminal.wait("hobnob init");
    assert_eq!(terminal.ends_with(), 1);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn ctrl_c_at_the_password_makes_nothing() {
    let home = Home::empty();
    let mut terminal = Terminal::new(&home, &["init", "--name", "Alice"]);
    terminal.wait("Password");
    terminal.keys.write_all(b"half a pass\x03").unwrap();
    assert_eq!(terminal.ends_with(), 130);
    assert!(!terminal.seen.contains("half"), "a password was echoed");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
