//! The way from a stranger's text to a terminal: what could move the cursor, hide or reorder something becomes visible
//! or disappears. [`width`] and [`wrap`] measure what comes out of it.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// More marks than this on one base are dropped: no living script needs them, and towers of them hide other lines.
const MAX_MARKS: usize = 8;

/// Columns of a tab, wherever it stands: wrapped text may stand behind a gutter.
const TAB_COLUMNS: usize = 4;

const ZWNJ: char = '\u{200c}';
const ZWJ: char = '\u{200d}';
const FSI: char = '\u{2068}';
const PDI: char = '\u{2069}';
const DOTTED_CIRCLE: char = '\u{25cc}';
const BLACK_FLAG: char = '\u{1f3f4}';

/// One harmless line: line breaks and tabs become visible too. For names, titles, notes, errors.
pub fn line(text: &str) -> String {
    isolate(&filter(text, false))
}

/// The same for a text of several lines: line breaks and tabs pass.
pub fn block(text: &str) -> String {
    let filtered = filter(text, true);
    if !filtered.chars().any(is_rtl) {
        return filtered;
    }
    let lines: Vec<String> = filtered.split('\n').map(isolate).collect();
    lines.join("\n")
}

/// Terminal cells of a text, by grapheme cluster: the most that any terminal takes. A tab counts four.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(cells).sum()
}

/// Breaks a text into lines of at most `width` cells: at blanks, anywhere between CJK characters, else in the middle of
/// a word, and never inside a grapheme cluster. Tabs become blanks. A cluster wider than `width` stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| wrap_line(line, width.max(1))).collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let bare: String = line.replace([FSI, PDI], "").replace('\t', &" ".repeat(TAB_COLUMNS));
    let mut pieces = Vec::new();
    let mut current = Piece::default();
    for cluster in bare.graphemes(true) {
        let fits = |piece: &Piece| piece.text.is_empty() || piece.cells + cells(cluster) <= width;
        if is_blank(cluster) && !fits(&current) {
            // Blanks at a break are not carried over, however many they are.
            current.overflow = true;
            continue;
        }
        // What is left of a line may have no room for a cluster of many cells either.
        while !fits(&current) {
            let rest = current.split(cluster);
            pieces.push(isolate(current.text.trim_end_matches(' ')));
            current = rest;
        }
        current.push(cluster);
    }
    if current.text.is_empty() && !pieces.is_empty() {
        return pieces;
    }
    pieces.push(isolate(&current.text));
    pieces
}

/// The line that is being filled.
#[derive(Default)]
struct Piece {
    text: String,
    cells: usize,
    /// Where it may be broken: a byte offset, never 0.
    breakable: usize,
    /// A blank did not fit any more: the line ends here.
    overflow: bool,
}

impl Piece {
    fn push(&mut self, cluster: &str) {
        if self.may_break_before(cluster) {
            self.breakable = self.text.len();
        }
        self.text.push_str(cluster);
        self.cells += cells(cluster);
    }

    /// Cuts off what belongs to the next line, which begins with `next` behind it.
    fn split(&mut self, next: &str) -> Self {
        let at = match self.breakable {
            _ if self.overflow || self.may_break_before(next) => self.text.len(),
            0 => self.text.len(),
            at => at,
        };
        let mut rest = Self::default();
        for cluster in self.text.split_off(at).graphemes(true) {
            rest.push(cluster);
        }
        rest
    }

    fn may_break_before(&self, next: &str) -> bool {
        let Some(last) = self.text.chars().next_back() else { return false };
        let Some(first) = next.chars().next() else { return false };
        if first == ' ' || self.text.chars().all(|c| c == ' ') {
            // The indentation stays with its word.
            return false;
        }
        last == ' ' || (is_cjk(last) || is_cjk(first)) && !never_first(first) && !never_last(last)
    }
}

fn filter(text: &str, layout: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut base = Base::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' if layout => {
                out.push(c);
                base = Base::default();
            }
            '\0'..='\u{1f}' => base.show(picture(c as u32), &mut out),
            '\u{7f}' => base.show('\u{2421}', &mut out),
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                out.extend(c.escape_unicode());
                base.set('}');
            }
            ZWJ if base.is_pictograph() && chars.peek().is_some_and(|next| is_pictograph(*next)) => out.push(c),
            ZWNJ if base.joins() && chars.peek().is_some_and(|next| joins(*next)) => out.push(c),
            '\u{e0020}'..='\u{e007f}' if base.first == Some(BLACK_FLAG) => base.mark(c, &mut out),
            _ if is_hidden(c) => {}
            _ if is_mark(c) => base.mark(c, &mut out),
            _ => base.show(c, &mut out),
        }
    }
    out
}

/// What marks and joiners attach to.
#[derive(Default)]
struct Base {
    first: Option<char>,
    marks: usize,
    selected: bool,
}

impl Base {
    fn set(&mut self, c: char) {
        *self = Self { first: Some(c), marks: 0, selected: false };
    }

    fn show(&mut self, c: char, out: &mut String) {
        out.push(c);
        self.set(c);
    }

    fn mark(&mut self, c: char, out: &mut String) {
        if self.first.is_none() {
            // Else it would sit on whatever stands to the left of the text.
            self.show(DOTTED_CIRCLE, out);
        }
        let selects = is_selector(c);
        if self.marks < MAX_MARKS && !(selects && self.selected) {
            self.marks += 1;
            self.selected |= selects;
            out.push(c);
        }
    }

    fn is_pictograph(&self) -> bool {
        self.first.is_some_and(is_pictograph)
    }

    fn joins(&self) -> bool {
        self.first.is_some_and(joins)
    }
}

/// Keeps right-to-left text from reordering what stands around it.
fn isolate(text: &str) -> String {
    if text.chars().any(is_rtl) { format!("{FSI}{text}{PDI}") } else { text.to_owned() }
}

/// One terminal draws a family or a skin tone as one picture, another draws its parts side by side. Counting the parts
/// may leave a line short, never too long.
fn cells(cluster: &str) -> usize {
    if cluster == "\t" {
        return TAB_COLUMNS;
    }
    let apart: usize = cluster.chars().filter_map(UnicodeWidthChar::width).sum();
    cluster.width().max(apart)
}

fn is_blank(cluster: &str) -> bool {
    cluster == " "
}

fn picture(control: u32) -> char {
    char::from_u32(0x2400 + control).unwrap_or('\u{2426}')
}

/// Nothing to see, or changes what others look like: bidi controls, zero-width and filling characters, tags.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

fn is_mark(c: char) -> bool {
    c.width() == Some(0)
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Letters whose shape depends on their neighbours: only there a non-joiner says something.
fn joins(c: char) -> bool {
    matches!(c, '\u{620}'..='\u{74f}' | '\u{750}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{1800}'..='\u{18af}')
}

fn is_rtl(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
}

/// Characters of scripts that are written without blanks.
fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

fn never_first(c: char) -> bool {
    "、。，．！？；：）］｝】」』〉》〕…ー・々％,.!?;:)]}%\u{201d}\u{2019}".contains(c)
}

fn never_last(c: char) -> bool {
    "（［｛【「『〈《〔([{\u{201c}\u{2018}".contains(c)
}
