//! One object on one line, safe to look at: what a terminal would obey is escaped, and reads back the same.

use std::io;

use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

/// The object as one line, with its line break.
pub fn line(object: &serde_json::Value) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut line, Safe);
    // A `Value` has string keys only, and memory does not fail to be written.
    let written = serde::Serialize::serialize(object, &mut serializer);
    debug_assert!(written.is_ok(), "a JSON value could not be written");
    line.push(b'\n');
    line
}

struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, found)) = rest.char_indices().find(|(_, c)| is_obeyed(*c)) {
            let (clean, tail) = rest.split_at(at);
            writer.write_all(clean.as_bytes())?;
            write!(writer, "\\u{:04x}", u32::from(found))?;
            rest = tail.split_at(found.len_utf8()).1;
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

/// DEL and C1, which terminals act on; what reorders or hides text; and line separators, which break some readers.
/// All lie in the basic plane, so one `\u` escape holds each.
fn is_obeyed(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::line;

    const NASTY: &str = "a\u{1b}]0;x\u{7}\u{9b}31m\u{7f}\u{202e}drow\u{2066}\u{200b}\r\n\t\"\\\u{2028}é漢👍\u{0}";

    #[test]
    fn nothing_a_terminal_obeys_is_on_the_line_and_the_text_reads_back() {
        let text = String::from_utf8(line(&json!({ "text": NASTY }))).unwrap();
        let (body, end) = text.split_at(text.len() - 1);
        assert_eq!(end, "\n");
        assert!(!body.chars().any(|c| c.is_control() || super::is_obeyed(c)), "{body:?}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "text": NASTY }));
    }

    #[test]
    fn ordinary_text_is_not_escaped() {
        let text = String::from_utf8(line(&json!({ "text": "héllo 漢字 👩‍💻" }))).unwrap();
        assert!(text.contains("héllo 漢字"));
    }
}
