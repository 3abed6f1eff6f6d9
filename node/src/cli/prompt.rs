//! Questions to the person at the terminal. Asked on standard error, so that standard output stays data.

use std::io::{self, BufRead, IsTerminal, Write};

use hobnob_shared::text::display;
use rustix::termios::tcgetwinsize;
use zeroize::Zeroizing;

use crate::{
    api::{Code, Refusal},
    profile::Password,
    screen, secret,
};

/// Whether somebody is there to be asked.
pub(super) fn is_possible(no_input: bool) -> bool {
    !no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A line, as typed.
pub(super) fn line(question: &str) -> Result<Zeroizing<String>, Refusal> {
    say(question);
    let mut answer = Zeroizing::new(String::new());
    match io::stdin().lock().read_line(&mut answer) {
        Ok(0) => Err(Refusal::new(Code::Usage, "the input ended before the answer; nothing was changed")),
        Ok(_) => Ok(Zeroizing::new(answer.trim().to_owned())),
        Err(why) => Err(Refusal::new(Code::Usage, format!("the answer cannot be read: {why}"))),
    }
}

/// A password, typed without echo. `None` when it is empty.
pub(super) fn password(question: &str) -> Result<Option<Password>, Refusal> {
    Ok(Password::new(hidden(question)?))
}

/// A new password, typed twice without echo until both are the same. An empty one cannot be mistyped.
pub(super) fn new_password(question: &str) -> Result<Option<Password>, Refusal> {
    loop {
        let first = hidden(question)?;
        if first.is_empty() {
            return Ok(None);
        }
        let second = hidden("Again: ")?;
        if *first == *second {
            return Ok(Password::new(first));
        }
        say("These two differ; once more.\n");
    }
}

fn hidden(question: &str) -> Result<Zeroizing<String>, Refusal> {
    match secret::read(question) {
        Ok(typed) => Ok(typed),
        // Nothing is open yet, and the terminal is as it was.
        Err(why) if why.kind() == io::ErrorKind::Interrupted => std::process::exit(i32::from(super::INTERRUPTED)),
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Refusal::new(Code::Login, "the input ended before the password; nothing was changed"))
        }
        Err(why) => {
            let message = format!("the password cannot be typed here ({why}); use --password-file FILE");
            Err(Refusal::new(Code::Login, message))
        }
    }
}

/// Whether what is on the screen can be taken off it.
pub(super) fn can_clear() -> bool {
    io::stdout().is_terminal() && !screen::is_dumb()
}

/// Waits for Enter, and empties the screen. Ctrl-C does that too, and ends the program.
pub(super) fn enter_to_clear(question: &str) {
    let read = secret::read(question);
    say(screen::CLEAR);
    if read.is_err_and(|why| why.kind() == io::ErrorKind::Interrupted) {
        std::process::exit(i32::from(super::INTERRUPTED));
    }
}

/// Cells of the terminal that talk goes to; of a page where it goes somewhere else.
pub(super) fn columns() -> usize {
    const PAGE_CELLS: usize = 80;
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col).min(PAGE_CELLS),
        _ => PAGE_CELLS,
    }
}

/// Paragraphs, each wrapped at its blanks.
pub(crate) fn tell(text: &str) {
    say(&wrapped(text, columns()));
}

fn wrapped(text: &str, cells: usize) -> String {
    display::wrap(text, cells).iter().map(|line| format!("{line}\n")).collect()
}

/// Talk, without a line break of its own. Nobody may be there to read it.
pub(crate) fn say(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn paragraphs_break_at_blanks() {
        assert_eq!(wrapped("one two three\nfour", 8), "one two\nthree\nfour\n");
    }
}
