//! A terminal with hobnob in it: keys to press, and a screen to read as a person reads it.

use std::{
    io::{Read as _, Write as _},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use tempfile::TempDir;

use crate::cast::spaced;

/// Far more than anything takes on a busy machine; reached only when something will never happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
/// Tall, so that nothing scrolls away.
const ROWS: u16 = 120;

/// A terminal with hobnob in it.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn std::io::Write + Send>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

struct Seen {
    screen: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

impl Terminal {
    /// The program on loopback, without colours.
    pub(crate) fn start(columns: u16, arguments: &[&str]) -> Self {
        let mut command = program(&[]);
        command.args(["--listen", "127.0.0.1:0"]);
        command.args(arguments);
        command.env("NO_COLOR", "1");
        command.env("HOBNOB_MDNS", "off");
        Self::run(columns, command)
    }

    /// This command, whatever it is, at a terminal.
    pub(crate) fn run(columns: u16, command: CommandBuilder) -> Self {
        let pty = native_pty_system()
            .openpty(PtySize { rows: ROWS, cols: columns, pixel_width: 0, pixel_height: 0 })
            .expect("a pseudo-terminal");
        let child = pty.slave.spawn_command(command).expect("hobnob starts");
        drop(pty.slave);
        let cells = |count| std::num::NonZero::new(count).expect("a screen");
        let screen = vt100::Parser::new(cells(ROWS), cells(columns), 0);
        let seen = Arc::new((Mutex::new(Seen { screen, raw: Vec::new(), ended: false }), Condvar::new()));
        let keyboard = pty.master.take_writer().expect("a keyboard");
        let mut output = pty.master.try_clone_reader().expect("a screen");
        let reader = Arc::clone(&seen);
        let master = pty.master;
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = output.read(&mut bytes).unwrap_or(0);
                let mut seen = reader.0.lock().expect("not poisoned");
                seen.screen.process(&bytes[..count]);
                seen.raw.extend_from_slice(&bytes[..count]);
                seen.ended = count == 0;
                reader.1.notify_all();
                if count == 0 {
                    drop(master);
                    return;
                }
            }
        });
        Self { child, keyboard, seen }
    }

    /// A profile without a password, ready to chat.
    pub(crate) fn chatting(columns: u16, name: &str, dir: &TempDir) -> Self {
        let profile = profile(name, dir);
        let mut terminal = Self::start(columns, &["--data-dir", &profile]);
        terminal.sees("hobnob>");
        terminal
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is there");
        self.keyboard.flush().expect("the terminal is there");
    }

    pub(crate) fn enters(&mut self, line: &str) {
        self.types(line);
        self.types("\r");
    }

    /// Waits until the screen holds this text, and returns all of the screen.
    pub(crate) fn sees(&mut self, text: &str) -> String {
        self.until(text, |screen| spaced(screen).contains(text))
    }

    /// The screen as it is.
    pub(crate) fn screen(&self) -> String {
        self.seen.0.lock().expect("not poisoned").screen.screen().contents()
    }

    /// `/history` of a friend, alone on the screen, once none of `gone` is in it any more.
    pub(crate) fn history_without(&mut self, friend: &str, gone: &[&str]) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.enters("/clear");
            self.until("an empty screen", |screen| !screen.contains(':'));
            self.enters(&format!("/history {friend}"));
            // Answers come in order, so this one stands below the history.
            self.enters("/version");
            let screen = self.sees(concat!("hobnob ", env!("CARGO_PKG_VERSION")));
            if gone.iter().all(|text| !screen.contains(text)) {
                return screen;
            }
            assert!(Instant::now() < deadline, "still there:\n{screen}");
        }
    }

    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        let (lock, changed) = &*self.seen;
        let mut seen = lock.lock().expect("not poisoned");
        loop {
            let screen = seen.screen.screen().contents();
            if done(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !seen.ended, "never seen: {what}\n--- screen:\n{screen}");
            seen = changed.wait_timeout(seen, left).expect("not poisoned").0;
        }
    }

    /// The number of the process in the terminal.
    pub(crate) fn process(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    /// Every byte that reached the terminal so far.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.seen.0.lock().expect("not poisoned").raw.clone()
    }

    /// Everything that reached the terminal until its end, and the exit code.
    pub(crate) fn end(mut self) -> (Vec<u8>, u32) {
        let code = self.child.wait().expect("an end").exit_code();
        let (lock, changed) = &*self.seen;
        let seen = lock.lock().expect("not poisoned");
        let (seen, late) = changed.wait_timeout_while(seen, DEADLINE, |seen| !seen.ended).expect("not poisoned");
        assert!(!late.timed_out(), "the terminal stays open");
        (seen.raw.clone(), code)
    }

    /// The lightness of every half cell of the screen, two rows of them to a line, as a person in front of light letters
    /// on a dark ground sees it: block letters in their colours.
    pub(crate) fn halves(&self) -> Vec<Vec<bool>> {
        let seen = self.seen.0.lock().expect("not poisoned");
        let screen = seen.screen.screen();
        let (rows, columns) = screen.size();
        let mut halves = Vec::new();
        for row in 0..rows.get() {
            let (mut upper, mut lower) = (Vec::new(), Vec::new());
            for column in 0..columns.get() {
                let cell = screen.cell(row, column).expect("on the screen");
                let (ink, paper) = (is_light(cell.fgcolor(), true), is_light(cell.bgcolor(), false));
                let (top, bottom) = match cell.contents() {
                    "█" => (ink, ink),
                    "▀" => (ink, paper),
                    "▄" => (paper, ink),
                    _ => (paper, paper),
                };
                upper.push(top);
                lower.push(bottom);
            }
            halves.extend([upper, lower]);
        }
        halves
    }

    /// Presses Ctrl-C until the program ends: a key that comes between two lines may be lost.
    pub(crate) fn leaves_by_ctrl_c(mut self) -> u32 {
        for _ in 0..100 {
            // The terminal may be gone already.
            let _ = self.keyboard.write_all(b"\x03");
            let (lock, changed) = &*self.seen;
            let seen = lock.lock().expect("not poisoned");
            let (seen, _) =
                changed.wait_timeout_while(seen, Duration::from_millis(500), |seen| !seen.ended).expect("not poisoned");
            if seen.ended {
                break;
            }
        }
        self.exit_code()
    }

    pub(crate) fn exit_code(self) -> u32 {
        self.end().1
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program in a terminal that can do what most can, behind `prefix`: another command and its arguments, if any.
pub(crate) fn program(prefix: &[&str]) -> CommandBuilder {
    let mut words = prefix.iter().copied().chain([env!("CARGO_BIN_EXE_hobnob")]);
    let mut command = CommandBuilder::new(words.next().expect("at least the program"));
    command.args(words);
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    command.env_remove("NO_COLOR");
    command
}

/// Makes a profile without a password, and says where.
pub(crate) fn profile(name: &str, dir: &TempDir) -> String {
    let profile = dir.path().join(name);
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_hobnob"))
        .args(["init", "--no-input", "--name", name, "--data-dir"])
        .arg(&profile)
        .output()
        .expect("init");
    assert!(made.status.success(), "{made:?}");
    profile.display().to_string()
}

/// Whether a colour is nearer to white; `default` is the terminal's own.
fn is_light(colour: vt100::Color, default: bool) -> bool {
    match colour {
        vt100::Color::Default => default,
        vt100::Color::Idx(index) => matches!(index, 7 | 15),
        vt100::Color::Rgb(red, green, blue) => u32::from(red) + u32::from(green) + u32::from(blue) > 3 * 127,
    }
}
