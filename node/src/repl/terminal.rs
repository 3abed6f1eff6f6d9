//! The terminal: a thread that [reads](super::reader), a thread that prints above the line being typed, and the one door through which
//! everything goes to the screen.
//!
//! Nothing comes here that [`super::render`] has not made; nothing else in the REPL writes to standard output.

use std::{
    io::{self, Write},
    sync::{Arc, mpsc as threads},
    thread,
};

use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr,
};
use rustyline::ExternalPrinter;
use tokio::sync::mpsc;
use unicode_segmentation::UnicodeSegmentation as _;

pub(super) use super::reader::Typed;
use super::{
    editing::Shared,
    gate::Gate,
    prompt::Live,
    reader::{Ask, Reader, read_plain},
};
use crate::screen;

/// Cells of a terminal that does not say.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// Reads and prints.
#[derive(Debug)]
pub(super) struct Terminal {
    asks: threads::Sender<Ask>,
    pub(super) typed: mpsc::Receiver<Typed>,
    /// Lines are printed above the one being typed. In plain mode they come as they come.
    prints_above: bool,
    dropped: u64,
    pub(super) shared: Arc<Shared>,
    is_reading: bool,
    before: Option<Termios>,
    /// As it was before a password was asked for; the terminal shows nothing that is typed meanwhile.
    hushed: Option<Termios>,
}

impl Terminal {
    /// Starts the threads. In plain mode there is only the one that reads.
    pub(super) fn open(plain: bool, coloured: bool, typing: mpsc::Sender<String>) -> io::Result<Self> {
        let (asks, asked) = threads::channel();
        let (tell, typed) = mpsc::channel(1);
        let shared = Arc::new(Shared::default());
        let before = tcgetattr(io::stdin()).ok();
        if plain {
            spawn("hobnob-keys", move || read_plain(&asked, &tell))?;
        } else {
            let mut reader = Reader::open(&shared, coloured, typing)?;
            let (out, gate) = (reader.printer()?, Arc::clone(&shared.gate));
            spawn("hobnob-lines", move || print_lines(out, &gate))?;
            spawn("hobnob-keys", move || reader.run(&asked, &tell))?;
        }
        Ok(Self { asks, typed, prints_above: !plain, dropped: 0, shared, is_reading: false, before, hushed: None })
    }

    /// Begins to read a line. Until it is there, [`Terminal::put`] prints above it.
    pub(super) fn read_line(&mut self, prompt: Arc<Live>, draft: String) {
        self.ask(Ask::Line { prompt, draft });
    }

    /// Asks a question. Nothing is printed until it is answered.
    pub(super) async fn answer(&mut self, prompt: String) -> Typed {
        self.ask(Ask::Answer { prompt });
        self.next().await
    }

    /// Asks for a password. Nothing is printed until it is there. What is typed while it is checked is not shown either,
    /// until [`Terminal::unhush`]: it may be one more try.
    pub(super) async fn secret(&mut self, prompt: &str) -> Typed {
        self.hush();
        self.ask(Ask::Secret { prompt: prompt.to_owned() });
        self.next().await
    }

    /// Nothing that is typed is shown from now on; what was typed since the last password is thrown away.
    fn hush(&mut self) {
        if self.hushed.is_some() {
            return forget_typed();
        }
        let Ok(before) = tcgetattr(io::stdin()) else { return };
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL;
        // A terminal that is gone shows nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
        self.hushed = Some(before);
    }

    /// The password was the last one: what was typed meanwhile is thrown away, and what comes now is shown again.
    pub(super) fn unhush(&mut self) {
        if let Some(before) = self.hushed.take() {
            // Flushes too.
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
        }
    }

    /// What was typed. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Typed {
        let typed = self.typed.recv().await.unwrap_or(Typed::End);
        self.is_reading = false;
        typed
    }

    fn ask(&mut self, ask: Ask) {
        if !matches!(ask, Ask::Secret { .. }) {
            self.unhush();
        }
        self.is_reading = true;
        // A reader that is gone shows as the end of input.
        let _ = self.asks.send(ask);
    }

    /// Shows lines, above the one being typed if there is one. Each ends with a line break.
    pub(super) fn put(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.prints_above {
            return door(text);
        }
        if self.is_reading {
            self.dropped += u64::from(!self.shared.gate.push(text));
            return;
        }
        // What was told while the line was typed, and did not get above it any more, comes first.
        door(&(self.shared.gate.take() + text));
    }

    /// How often lines were not shown because the screen was held up, once it is free again.
    pub(super) fn take_dropped(&mut self) -> u64 {
        if self.shared.gate.is_idle() { std::mem::take(&mut self.dropped) } else { 0 }
    }

    /// Draws the prompt anew.
    pub(super) fn repaint(&mut self) {
        if self.is_reading && self.prints_above {
            self.shared.gate.repaint();
        }
    }

    /// Takes the line that was just typed off the screen.
    pub(super) fn unput(&mut self, prompt: &str, line: &str) {
        let (cols, rows) = size();
        if self.prints_above
            && let Some(taken) = rows_of(prompt, line, cols)
        {
            // Of a line that is taller than the screen, what has scrolled out of it stays there.
            let taken = taken.min(rows.saturating_sub(1));
            door(&format!("\r\x1b[{taken}A\x1b[J"));
        }
    }

    /// Empties the screen, and what has scrolled out of it.
    pub(super) fn clear(&mut self) {
        if self.prints_above {
            door(screen::CLEAR);
        }
    }

    /// Rings.
    pub(super) fn bell(&mut self) {
        if self.prints_above {
            door("\x07");
        }
    }
}

impl Drop for Terminal {
    /// A line may still be read; the terminal must not stay as rustyline left it.
    fn drop(&mut self) {
        self.shared.gate.end();
        self.unhush();
        if !self.is_reading {
            return;
        }
        if let Some(before) = &self.before {
            // A terminal that is gone needs no care.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
        door(if self.prints_above { "\x1b[?2004l\r\n" } else { "\n" });
    }
}

/// Throws away what was typed and not yet read.
fn forget_typed() {
    // Where no terminal is, nobody types ahead.
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// Cells and rows of the screen.
pub(super) fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL_SIZE,
    }
}

/// The only place that writes to the screen.
pub(super) fn door(text: &str) {
    let mut out = io::stdout().lock();
    // A closed terminal ends the reader, and with it everything.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

fn print_lines(mut out: impl ExternalPrinter, gate: &Gate) {
    while let Some(text) = gate.enter() {
        // It fails when the terminal is gone, which ends the reader too.
        let _ = out.print(text);
        gate.leave();
    }
}

/// Rows that prompt and line take on the screen; nothing where terminals differ about it: one draws a family as one
/// picture, another draws its parts side by side.
fn rows_of(prompt: &str, line: &str, cols: usize) -> Option<usize> {
    let unclear = |c: char| c.is_control() && c != '\n';
    if cols == 0 || line.contains(unclear) {
        return None;
    }
    let begin = hobnob_shared::text::display::width(prompt);
    let together = rows_filled(begin, line.graphemes(true), cols);
    let apart = rows_filled(begin, line.split("").filter(|c| !c.is_empty()), cols);
    (together == apart).then_some(together)
}

/// Rows that are filled by pieces which a terminal does not break, behind so many cells of a prompt.
fn rows_filled<'a>(begin: usize, pieces: impl Iterator<Item = &'a str>, cols: usize) -> usize {
    let (mut row, mut col) = (0, begin);
    for piece in pieces {
        let cells = if piece == "\n" { 0 } else { unicode_width::UnicodeWidthStr::width(piece) };
        if piece == "\n" || col + cells > cols {
            row += 1;
            col = 0;
        }
        col += cells;
    }
    row + 1 + usize::from(col == cols)
}

#[cfg(test)]
mod tests {
    use super::rows_of;

    #[test]
    fn rows_are_counted_as_the_terminal_fills_them() {
        assert_eq!(rows_of("@bob> ", "hi", 80), Some(1));
        assert_eq!(rows_of("> ", "12345678", 10), Some(2));
        assert_eq!(rows_of("> ", "1234567", 10), Some(1));
        assert_eq!(rows_of("> ", "123456789", 10), Some(2));
        assert_eq!(rows_of("> ", "one\ntwo", 10), Some(2));
        assert_eq!(rows_of("> ", "漢字漢字字", 10), Some(2));
        assert_eq!(rows_of("> ", "👋🏽 x", 10), Some(1), "five cells or seven, it is one row");
    }

    #[test]
    fn what_terminals_disagree_about_is_left_alone() {
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(rows_of("> ", &family.repeat(2), 10), None, "four cells, or twelve");
        assert_eq!(rows_of("> ", "a\tb", 10), None);
        assert_eq!(rows_of("> ", "\u{1b}[A", 10), None);
    }
}
