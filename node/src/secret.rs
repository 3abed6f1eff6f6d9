//! Passwords: a line that is typed and not shown, or the first line of a file.
//!
//! The terminal stops echoing before the question is written, so that not even who types ahead is seen; and it is put
//! back whatever happens, Ctrl-C included.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, Read, Write},
};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::{Zeroize, Zeroizing};

/// Longest line, in bytes: no password is longer, and the buffer never moves.
const MAX_BYTES: usize = 4096;

/// Asks at the terminal that the process belongs to, wherever its input and output go.
///
/// Ctrl-C is [`io::ErrorKind::Interrupted`], Ctrl-D or the terminal's end [`io::ErrorKind::UnexpectedEof`].
pub(crate) fn read(question: &str) -> io::Result<Zeroizing<String>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let _quiet = Quiet::new(&terminal)?;
    terminal.write_all(question.as_bytes())?;
    let line = read_line(&mut terminal);
    terminal.write_all(b"\r\n")?;
    as_text(line?)
}

/// The first line of a file, without its end, whichever of the two kinds it has. No more of it is read than that.
///
/// One that holds none is [`io::ErrorKind::UnexpectedEof`]; what is wrong otherwise is said in words.
pub(crate) fn first_line(input: &mut impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    loop {
        let chunk = input.fill_buf()?;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.split_at(end.unwrap_or(chunk.len())).0;
        // One byte more is room for the other half of a line's end.
        if line.len() + part.len() > MAX_BYTES + 1 {
            return Err(too_long());
        }
        line.extend_from_slice(part);
        let is_over = end.is_some() || chunk.is_empty();
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if is_over {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    match line.len() {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        1..=MAX_BYTES => as_text(line),
        _ => Err(too_long()),
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its first line is longer than {MAX_BYTES} bytes"))
}

fn as_text(mut line: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    let text = String::from_utf8(std::mem::take(&mut *line));
    text.map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")
    })
}

/// A terminal that shows nothing, hands over each key, and sends no signals.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to put back.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// One line, with the keys that everybody expects: Backspace, Ctrl-U, Ctrl-C, Ctrl-D.
fn read_line(keys: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    let mut key = Zeroizing::new([0]);
    loop {
        if keys.read(&mut *key)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match *key {
            [b'\r' | b'\n'] => return Ok(line),
            [0x03] => return Err(io::ErrorKind::Interrupted.into()),
            [0x04] if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            [0x04] => return Ok(line),
            [0x08 | 0x7f] => drop_character(&mut line),
            [0x15] => line.clear(),
            [byte] if line.len() < MAX_BYTES => line.push(byte),
            [_] => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long")),
        }
    }
}

/// The last character with all of its bytes.
fn drop_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::ErrorKind;

    use super::{MAX_BYTES, first_line, read_line};

    fn first(mut bytes: &[u8]) -> Result<String, ErrorKind> {
        first_line(&mut bytes).map(|line| line.to_string()).map_err(|error| error.kind())
    }

    #[test]
    fn the_first_line_of_a_file_is_the_password_and_its_end_is_none_of_it() {
        for file in ["pass word", "pass word\n", "pass word\r\n", "pass word\nmore\n"] {
            assert_eq!(first(file.as_bytes()), Ok("pass word".to_owned()), "{file:?}");
        }
        for file in ["", "\n", "\r\n", "\npass word"] {
            assert_eq!(first(file.as_bytes()), Err(ErrorKind::UnexpectedEof), "{file:?}");
        }
        assert_eq!(first(b"pass\xff\n"), Err(ErrorKind::InvalidData));
    }

    #[test]
    fn a_first_line_at_the_limit_is_taken_and_one_more_byte_is_not() {
        for end in ["", "\n", "\r\n"] {
            let file = |bytes| "x".repeat(bytes) + end;
            assert_eq!(first(file(MAX_BYTES).as_bytes()).map(|line| line.len()), Ok(MAX_BYTES));
            assert_eq!(first(file(MAX_BYTES + 1).as_bytes()), Err(ErrorKind::InvalidData));
        }
        let mut endless = std::io::BufReader::new(std::io::repeat(b'x'));
        assert!(first_line(&mut endless).is_err());
    }

    fn typed(keys: &str) -> Result<String, ErrorKind> {
        read_line(&mut keys.as_bytes())
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .map_err(|error| error.kind())
    }

    #[test]
    fn a_line_ends_with_enter_and_the_rest_is_not_read() {
        assert_eq!(typed("pass word\rmore"), Ok("pass word".to_owned()));
        assert_eq!(typed("\n"), Ok(String::new()));
    }

    #[test]
    fn backspace_takes_a_character_and_ctrl_u_all() {
        assert_eq!(typed("paß\u{7f}\u{8}ö漢\u{7f}!\r"), Ok("pö!".to_owned()));
        assert_eq!(typed("\u{7f}wrong\u{15}right\r"), Ok("right".to_owned()));
    }

    #[test]
    fn ctrl_c_ctrl_d_and_the_end_are_no_password() {
        assert_eq!(typed("abc\u{3}"), Err(ErrorKind::Interrupted));
        assert_eq!(typed("\u{4}"), Err(ErrorKind::UnexpectedEof));
        assert_eq!(typed("abc"), Err(ErrorKind::UnexpectedEof));
    }

    #[test]
    fn a_line_at_the_limit_is_taken_and_one_more_byte_is_not() {
        assert_eq!(typed(&("x".repeat(MAX_BYTES) + "\r")).map(|line| line.len()), Ok(MAX_BYTES));
        assert_eq!(typed(&("x".repeat(MAX_BYTES + 1) + "\r")), Err(ErrorKind::InvalidData));
    }
}
