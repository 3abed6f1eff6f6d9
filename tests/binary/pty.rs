//! The program at a pseudo-terminal, without a terminal's tricks (`TERM=dumb`): what it says, and keys to press.

use std::{
    io::{Read, Write},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::driver::{Home, program};

/// A person at a terminal.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// How much of it was waited for already.
    at: usize,
}

impl Terminal {
    /// The program on this profile.
    pub(crate) fn on(home: &Home, args: &[&str]) -> Self {
        let mut all = vec!["-d", home.path().to_str().unwrap(), "-l", "127.0.0.1:0"];
        all.extend(args);
        Self::new(home, &all)
    }

    /// The program with these words, in a home directory of its own.
    pub(crate) fn new(home: &Home, args: &[&str]) -> Self {
        let pty =
            native_pty_system().openpty(PtySize { rows: 50, cols: 100, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(program());
        command.env_clear();
        command.env("TERM", "dumb");
        command.env("HOBNOB_MDNS", "off");
        command.env("HOME", home.path());
        command.env("TMPDIR", home.path());
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

    /// Which process it is.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Everything the screen has shown.
    pub(crate) fn seen(&self) -> &str {
        &self.seen
    }

    /// Waits until this stands on the screen, behind what was waited for before.
    pub(crate) fn wait(&mut self, text: &str) {
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

    pub(crate) fn type_line(&mut self, line: &str) {
        self.type_keys(&format!("{line}\r"));
    }

    /// Types a line until this stands on the screen: what is typed before a password's place is cleared is thrown away.
    pub(crate) fn insist(&mut self, line: &str, text: &str) {
        for _ in 0..60 {
            self.type_line(line);
            while let Ok(chunk) = self.screen.recv_timeout(Duration::from_secs(2)) {
                self.seen.push_str(&String::from_utf8_lossy(&chunk));
                if let Some(found) = self.seen[self.at..].find(text) {
                    self.at += found + text.len();
                    return;
                }
            }
        }
        panic!("typed {line:?} and never saw {text:?}; saw\n{}", self.seen);
    }

    /// `/quit`, as often as it takes: the exit code.
    pub(crate) fn quits(&mut self) -> u32 {
        for _ in 0..60 {
            // The terminal may be gone already.
            let _ = self.keys.write_all(b"/quit\r");
            loop {
                match self.screen.recv_timeout(Duration::from_secs(2)) {
                    Ok(chunk) => self.seen.push_str(&String::from_utf8_lossy(&chunk)),
                    Err(mpsc::RecvTimeoutError::Timeout) => break,
                    Err(mpsc::RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().exit_code(),
                }
            }
        }
        panic!("/quit does not end it; saw\n{}", self.seen);
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end: the exit code.
    pub(crate) fn ends_with(&mut self) -> u32 {
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
