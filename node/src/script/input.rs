//! Standard input, line by line, on a thread of its own: a read that blocks holds nobody up.

use std::io::{self, BufRead};

use tokio::sync::mpsc;

/// Longest line, in bytes: a message of the largest size with every byte escaped as `\u00xx`, and as much again.
pub(crate) const MAX_LINE_BYTES: usize = 256 * 1024;

/// Lines that may wait to be carried out. The reader waits when there are more.
const LINE_QUEUE: usize = 64;

/// A line, counted from 1, or why it cannot be read. What follows it can.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) text: Result<String, LineError>,
}

/// Why a line was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("the line is longer than {MAX_LINE_BYTES} bytes and was skipped")]
    TooLong,
    #[error("the line is not UTF-8 and was skipped")]
    NotUtf8,
}

/// Reads standard input until it ends or nobody wants more.
pub(crate) fn lines() -> io::Result<mpsc::Receiver<Line>> {
    let (sender, receiver) = mpsc::channel(LINE_QUEUE);
    std::thread::Builder::new().name("hobnob-stdin".to_owned()).spawn(move || {
        let mut input = io::stdin().lock();
        let mut number = 0;
        // A read that fails is the end of input: there is nothing more to be had.
        while let Ok(Some(text)) = next_line(&mut input) {
            number += 1;
            if sender.blocking_send(Line { number, text }).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// The next line without its end, holding at most [`MAX_LINE_BYTES`] of it; `None` at the end of input.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Result<String, LineError>>> {
    let mut line = Vec::new();
    let mut long = false;
    let mut any = false;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            return Ok(any.then(|| decode(line, long)));
        }
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.split_at(end.unwrap_or(chunk.len())).0;
        long = long || line.len() + part.len() > MAX_LINE_BYTES;
        if !long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Some(decode(line, long)));
        }
    }
}

fn decode(mut line: Vec<u8>, long: bool) -> Result<String, LineError> {
    if long {
        return Err(LineError::TooLong);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| LineError::NotUtf8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::{BufReader, Read};

    use super::{LineError, MAX_LINE_BYTES, next_line};

    fn all(bytes: &[u8]) -> Vec<Result<String, LineError>> {
        let mut input = BufReader::with_capacity(7, bytes);
        std::iter::from_fn(|| next_line(&mut input).unwrap()).collect()
    }

    #[test]
    fn lines_end_with_either_line_break_or_with_the_input() {
        assert_eq!(all(b"one\r\n\ntwo\nthree"), ["one", "", "two", "three"].map(|text| Ok(text.to_owned())));
        assert_eq!(all(b""), []);
    }

    #[test]
    fn a_line_at_the_limit_is_read_and_one_more_byte_is_skipped() {
        let mut input = vec![b'x'; MAX_LINE_BYTES];
        input.extend(b"\n");
        input.extend(vec![b'y'; MAX_LINE_BYTES + 1]);
        input.extend(b"\nz\n");
        let lines = all(&input);
        assert_eq!(lines.first().unwrap().as_ref().unwrap().len(), MAX_LINE_BYTES);
        assert_eq!(lines.get(1..).unwrap(), [Err(LineError::TooLong), Ok("z".to_owned())]);
    }

    #[test]
    fn an_endless_line_costs_no_memory_beyond_the_limit() {
        let mut input = BufReader::new(std::io::repeat(b'x').take(64 * 1024 * 1024));
        assert_eq!(next_line(&mut input).unwrap(), Some(Err(LineError::TooLong)));
    }

    #[test]
    fn a_line_that_is_not_utf8_does_not_hide_the_next() {
        assert_eq!(all(b"\xff\xfe\nok\n"), [Err(LineError::NotUtf8), Ok("ok".to_owned())]);
    }
}
