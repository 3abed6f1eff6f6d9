//! The prompt: `@bob ●3 …1> `. rustyline measures it once a line, so while one is typed it may change only in ways that
//! keep its width; [`Live`] holds the versions.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use hobnob_shared::text::{Handle, display};
use rustyline::Prompt;

use super::gate::Gate;

/// Cells of a name in the prompt.
const NAME_CELLS: usize = 24;

/// Changes that one line can show; more are shown with the next line.
const VERSIONS: usize = 256;

/// What the prompt says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// The current chat.
    pub(super) chat: Option<Handle>,
    /// Unread messages in other chats.
    pub(super) unread: u64,
    /// Messages of ours that are not delivered.
    pub(super) queued: u64,
    /// The other side is typing.
    pub(super) typing: bool,
}

impl Status {
    /// The prompt as wide as it likes, without its last blank. Whoever types may stop at any time, so that is left out.
    fn natural(&self) -> String {
        format!("{}{}>", self.name(), self.counts(u64::to_string))
    }

    fn name(&self) -> String {
        match &self.chat {
            Some(chat) => super::render::shorten(&chat.to_string(), NAME_CELLS),
            None => "hobnob".to_owned(),
        }
    }

    /// What waits, written by `number`.
    fn counts(&self, number: impl Fn(&u64) -> String) -> String {
        let mut counts = String::new();
        for (sign, count) in [('●', self.unread), ('…', self.queued)] {
            if count > 0 {
                counts.push_str(&format!(" {sign}{}", number(&count)));
            }
        }
        counts
    }

    /// Cells of a new prompt.
    fn width(&self) -> usize {
        display::width(&self.natural()) + 1
    }

    /// The marks behind the name, as many as there is room for. A mark without a count says that the count is behind
    /// the next prompt.
    fn marks(&self) -> [String; 4] {
        let typing = if self.typing { "…" } else { "" };
        let unread = if self.unread > 0 { "●" } else { "" };
        let short = |count: &u64| if *count > 9 { "+".to_owned() } else { count.to_string() };
        [
            format!("{typing}{}", self.counts(u64::to_string)),
            format!("{typing}{}", self.counts(short)),
            format!("{typing}{unread}"),
            if self.unread > 0 { unread.to_owned() } else { typing.to_owned() },
        ]
    }

    /// The prompt in exactly so many cells, if it can be said in them: what stands before the name, the name, and what
    /// stands behind it. The sign at the end keeps its place; the blank behind it goes where a mark needs the cell.
    fn fitted(&self, cells: usize) -> Option<[String; 3]> {
        let name = self.name();
        let room = cells.checked_sub(display::width(&name))?;
        let end = self.marks().into_iter().map(|marks| format!("{marks}>")).find(|end| display::width(end) <= room)?;
        let missing = room - display::width(&end);
        let blank = if missing > 0 { " " } else { "" };
        Some([" ".repeat(missing.saturating_sub(1)), name, format!("{end}{blank}")])
    }
}

/// The prompt of one line, shared between who reads and who knows.
pub(super) struct Live {
    gate: Arc<Gate>,
    cells: usize,
    coloured: bool,
    versions: Vec<OnceLock<Version>>,
    current: AtomicUsize,
    begun: AtomicBool,
}

struct Version {
    raw: String,
    styled: String,
}

impl Live {
    pub(super) fn new(status: &Status, coloured: bool, gate: Arc<Gate>) -> Self {
        let live = Self {
            gate,
            cells: status.width(),
            coloured,
            versions: (0..VERSIONS).map(|_| OnceLock::new()).collect(),
            current: AtomicUsize::new(0),
            begun: AtomicBool::new(false),
        };
        live.set(0, status);
        live
    }

    /// Shows another status from the next repaint on. Whether anything changed.
    pub(super) fn update(&self, status: &Status) -> bool {
        let next = self.current.load(Ordering::Acquire) + 1;
        let same = status.fitted(self.cells).is_none_or(|parts| parts.concat() == self.text());
        !same && self.set(next, status)
    }

    /// The prompt as it stands there.
    pub(super) fn text(&self) -> &str {
        self.version().map_or("", |version| version.raw.as_str())
    }

    fn set(&self, at: usize, status: &Status) -> bool {
        let (Some(slot), Some(parts)) = (self.versions.get(at), status.fitted(self.cells)) else { return false };
        let raw = parts.concat();
        let [before, name, behind] = parts;
        let styled = if self.coloured { format!("{before}\x1b[1m{name}\x1b[0m{behind}") } else { raw.clone() };
        let set = slot.set(Version { raw, styled }).is_ok();
        self.current.store(at, Ordering::Release);
        set
    }

    fn version(&self) -> Option<&Version> {
        self.versions.get(self.current.load(Ordering::Acquire))?.get()
    }
}

impl Prompt for Live {
    /// First asked for when editing begins, in raw mode: the gate opens.
    fn raw(&self) -> &str {
        if !self.begun.swap(true, Ordering::AcqRel) {
            self.gate.open();
        }
        self.text()
    }

    fn styled(&self) -> &str {
        self.version().map_or("", |version| version.styled.as_str())
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Live({} cells)", self.cells)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn status(unread: u64, queued: u64) -> Status {
        Status { chat: Some(Handle::parse("bob").unwrap()), unread, queued, ..Status::default() }
    }

    #[test]
    fn it_names_the_chat_and_what_waits() {
        assert_eq!(status(0, 0).natural(), "@bob>");
        assert_eq!(status(3, 1).natural(), "@bob ●3 …1>");
        assert_eq!(Status::default().natural(), "hobnob>");
    }

    #[test]
    fn while_a_line_is_typed_it_keeps_its_width_and_its_sign() {
        let live = Live::new(&status(0, 0), false, Arc::default());
        assert_eq!(live.text(), "@bob> ");
        assert!(!live.update(&status(0, 1)), "there is no room to say it");
        for (next, text) in [
            (Status { typing: true, ..status(0, 0) }, "@bob…>"),
            (Status { typing: true, ..status(1, 0) }, "@bob●>"),
            (status(12, 0), "@bob●>"),
            (status(0, 0), "@bob> "),
        ] {
            live.update(&next);
            assert_eq!(live.text(), text);
        }
    }

    #[test]
    fn counts_change_in_their_place() {
        let live = Live::new(&status(3, 1), false, Arc::default());
        assert_eq!(live.text(), "@bob ●3 …1> ");
        for (next, text) in [
            (status(4, 1), "@bob ●4 …1> "),
            (status(12, 1), "@bob ●12 …1>"),
            (status(120, 10), "@bob ●+ …+> "),
            (Status { typing: true, ..status(4, 1) }, "@bob… ●4 …1>"),
        ] {
            assert!(live.update(&next));
            assert_eq!(live.text(), text);
        }
    }

    #[test]
    fn a_count_that_goes_away_leaves_no_hole_before_the_text() {
        let live = Live::new(&status(0, 1), true, Arc::default());
        assert_eq!(live.text(), "@bob …1> ");
        assert!(live.update(&status(0, 0)));
        assert_eq!(live.text(), "   @bob> ");
        assert_eq!(live.styled(), "   \x1b[1m@bob\x1b[0m> ");
        assert!(!live.update(&status(0, 0)), "nothing changed");
    }

    #[test]
    fn whoever_types_when_the_line_begins_moves_nothing_when_they_stop() {
        let live = Live::new(&Status { typing: true, ..status(0, 0) }, false, Arc::default());
        assert_eq!(live.text(), "@bob…>");
        assert!(live.update(&status(0, 0)));
        assert_eq!(live.text(), "@bob> ");
    }

    #[test]
    fn a_long_or_wide_name_is_cut() {
        let chat = Handle::parse("漢字".repeat(10)).ok();
        let text = Status { chat, ..Status::default() }.natural();
        assert!(display::width(&text) <= NAME_CELLS + 1, "{text}");
    }
}
