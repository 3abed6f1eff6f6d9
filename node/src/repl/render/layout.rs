//! Where text stands: behind its head, wrapped, and on further lines behind a gutter, so that no line of a message can
//! pass for a prompt or for somebody else's line.

use hobnob_shared::text::display;

use super::{Look, paint::Role};

/// Blanks before the gutter: as wide as a time.
const INDENT: &str = "      ";

/// Below the beginning of a sentence of ours.
const HANG: &str = "  ";

/// Cells of [`INDENT`] and the gutter behind it.
const GUTTER_CELLS: usize = 8;

/// Less room than this behind a head, and the text begins on its own line.
const LEAST_CELLS: usize = 16;

/// Messages of more lines are cut; `/info` shows all of one.
pub(super) const FOLD_LINES: usize = 60;

/// Text of others, with tabs spread out: line breaks pass, nothing else does. Marks around right-to-left text go: each
/// line gets its own when it is cut.
pub(super) fn safe_block(text: &str) -> String {
    unmarked(&display::block(&text.replace('\t', "    ")))
}

fn unmarked(text: &str) -> String {
    text.replace(['\u{2068}', '\u{2069}'], "")
}

impl Look {
    /// `head`, the text behind it, `tail` behind that. All three are harmless already; `text` is not coloured.
    pub(super) fn block(&self, head: &str, text: &str, tail: &str) -> String {
        self.folded(head, text, tail, usize::MAX)
    }

    /// The same, cut after so many lines.
    pub(super) fn folded(&self, head: &str, text: &str, tail: &str, most: usize) -> String {
        if self.plain {
            return one_line(head, text, tail);
        }
        let mut lines = self.lines(visible_width(head), text);
        let cut = lines.len().saturating_sub(most);
        if cut > 1 {
            lines.truncate(most);
            lines.push(self.paint(Role::Dim, &format!("… {cut} more lines, /info shows all")));
        }
        self.append_tail(&mut lines, head, tail);
        let gutter = self.gutter("│");
        let mut out = String::new();
        for (at, line) in lines.iter().enumerate() {
            out.push_str(if at == 0 { head } else { &gutter });
            out.push_str(line);
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        out
    }

    /// A sentence of ours, wrapped below its beginning. Line breaks in it are shown, not made.
    pub(super) fn sentence(&self, head: &str, text: &str) -> String {
        if self.plain {
            return one_line(head, text, "");
        }
        let room = self.width.saturating_sub(HANG.len()).max(LEAST_CELLS);
        let lines: Vec<String> =
            display::wrap(&unmarked(&display::line(text)), room).iter().map(|piece| display::line(piece)).collect();
        format!("{head}{}\n", lines.join(&format!("\n{HANG}")))
    }

    /// A line of ours whose columns stand two blanks or more apart.
    pub(super) fn hanging(&self, line: &str) -> String {
        if self.plain || display::width(line) <= self.width {
            return format!("{}\n", line.trim_end());
        }
        let column = line.rfind("  ").map_or(0, |at| at + 2);
        let (head, text) = line.split_at_checked(column).unwrap_or(("", line));
        let indent = if column == 0 { HANG.len() } else { display::width(head) };
        let room = self.width.saturating_sub(indent).max(LEAST_CELLS);
        let pieces: Vec<String> = display::wrap(text, room).iter().map(|piece| display::line(piece)).collect();
        format!("{head}{}\n", pieces.join(&format!("\n{}", " ".repeat(indent))))
    }

    /// The gutter with a sign of our own in it.
    pub(super) fn gutter(&self, sign: &str) -> String {
        format!("{INDENT}{} ", self.paint(Role::Dim, sign))
    }

    /// The first line has less room; if it is too little, it stays empty.
    fn lines(&self, head: usize, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let room = self.width.saturating_sub(head);
        let rest_room = self.width.saturating_sub(GUTTER_CELLS).max(LEAST_CELLS);
        for (at, paragraph) in text.split('\n').enumerate() {
            let mut paragraph = paragraph;
            if at == 0 {
                let (first, rest) = first_line(paragraph, room);
                lines.push(display::line(first));
                paragraph = rest;
                if paragraph.is_empty() {
                    continue;
                }
            }
            lines.extend(display::wrap(paragraph, rest_room).iter().map(|piece| display::line(piece)));
        }
        lines
    }

    fn append_tail(&self, lines: &mut Vec<String>, head: &str, tail: &str) {
        let before = if lines.len() > 1 { GUTTER_CELLS } else { visible_width(head) };
        match lines.last_mut() {
            _ if tail.is_empty() => {}
            Some(last) if before + visible_width(last) + 1 + visible_width(tail) <= self.width => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(tail);
            }
            _ => lines.push(tail.to_owned()),
        }
    }
}

/// What of the paragraph stands in the first line (nothing, if there is no room), and what is left.
fn first_line(paragraph: &str, room: usize) -> (&str, &str) {
    if room < LEAST_CELLS && display::width(paragraph) > room {
        return ("", paragraph);
    }
    let first =
        display::wrap(paragraph, room.max(1)).into_iter().next().map_or(String::new(), |piece| unmarked(&piece));
    // Only a true beginning may be taken off, or something would be shown twice or not at all.
    match paragraph.split_at_checked(first.len()) {
        Some((begin, rest)) if begin == first => (begin, rest.trim_start_matches(' ')),
        _ => ("", paragraph),
    }
}

fn one_line(head: &str, text: &str, tail: &str) -> String {
    let text = display::line(text);
    let gap = if tail.is_empty() || text.is_empty() { "" } else { " " };
    format!("{head}{text}{gap}{tail}\n")
}

/// Cells of a string that may hold our own colours.
pub(super) fn visible_width(text: &str) -> usize {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    display::width(&plain)
}

/// The text, and blanks up to `cells`.
pub(super) fn pad(text: &str, cells: usize) -> String {
    let missing = cells.saturating_sub(visible_width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// At most so many cells of one line; the end says that there is more.
pub(in crate::repl) fn shorten(text: &str, cells: usize) -> String {
    let text = display::line(&text.replace(['\n', '\t'], " "));
    if display::width(&text) <= cells {
        return text;
    }
    let cut = display::wrap(&text, cells.saturating_sub(1).max(1)).into_iter().next().unwrap_or_default();
    format!("{}…", display::line(&cut))
}
