//! What strangers write, on its way to a terminal (rows 1, 2 and 3 of the hostile table).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

use hobnob_shared::text::display::{block, line, width, wrap};
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

#[test]
fn escape_sequences_become_visible() {
    assert_eq!(line("\u{1b}[2J\u{1b}]0;title\u{7}"), "␛[2J␛]0;title␇");
    assert_eq!(line("\u{1b}]52;c;aGk=\u{1b}\\"), "␛]52;c;aGk=␛\\");
    assert_eq!(line("\u{1b}]8;;http://evil\u{7}link"), "␛]8;;http://evil␇link");
    assert_eq!(line("\u{9b}31m"), "\\u{9b}31m");
    assert_eq!(line("\u{85}"), "\\u{85}");
    assert_eq!(line("a\rb\u{8}c\u{7f}\0"), "a␍b␈c␡␀");
}

#[test]
fn only_a_block_may_break_lines() {
    assert_eq!(line("a\nb\tc"), "a␊b␉c");
    assert_eq!(block("a\nb\tc"), "a\nb\tc");
    assert_eq!(block("a\r\nb"), "a␍\nb");
    assert_eq!(block("a\u{2028}b"), "a\\u{2028}b");
}

#[test]
fn direction_overrides_are_removed_and_right_to_left_text_is_isolated() {
    assert_eq!(line("file\u{202e}gpj.exe"), "filegpj.exe");
    assert_eq!(line("a\u{2066}b\u{2069}c\u{200f}d\u{61c}"), "abcd");
    assert_eq!(line("שלום"), "\u{2068}שלום\u{2069}");
    assert_eq!(line("hello"), "hello");
    assert_eq!(block("one\nשלום\ntwo"), "one\n\u{2068}שלום\u{2069}\ntwo");
}

#[test]
fn zero_width_characters_vanish_except_where_they_shape_something() {
    assert_eq!(line("ad\u{200b}min\u{feff}\u{2060}\u{ad}"), "admin");
    assert_eq!(line("a\u{200d}b"), "ab");
    let family = "👨\u{200d}👩\u{200d}👧";
    assert_eq!(line(family), family);
    let runner = "🏃🏽\u{200d}♀\u{fe0f}";
    assert_eq!(line(runner), runner);
    assert_eq!(line("👨\u{200d}a"), "👨a");
    assert_eq!(line("👨\u{200d}\u{200d}\u{200d}👩"), "👨\u{200d}👩");
    assert_eq!(line("می\u{200c}خواهم"), "\u{2068}می\u{200c}خواهم\u{2069}");
    let wales = "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}";
    assert_eq!(line(wales), wales);
    assert_eq!(line("x\u{e0067}\u{e0062}"), "x");
}

#[test]
fn at_most_eight_marks_stay_on_a_base() {
    let tower = format!("e{}x", "\u{301}".repeat(10_000));
    assert_eq!(line(&tower), format!("e{}x", "\u{301}".repeat(8)));
    assert_eq!(line(&format!("e{}", "\u{301}".repeat(8))).chars().count(), 9);
    assert_eq!(line(&format!("e{}", "\u{301}".repeat(9))).chars().count(), 9);
}

#[test]
fn a_mark_without_a_base_gets_one() {
    assert_eq!(line("\u{301}x"), "\u{25cc}\u{301}x");
    assert_eq!(block("a\n\u{301}x"), "a\n\u{25cc}\u{301}x");
}

#[test]
fn widths_are_those_of_a_terminal() {
    for (text, cells) in [
        ("", 0),
        ("hello", 5),
        ("é", 1),
        ("e\u{301}", 1),
        ("你好", 4),
        ("한글", 4),
        ("ｶﾅ", 2),
        ("😀", 2),
        ("❤\u{fe0f}", 2),
        ("👨\u{200d}👩\u{200d}👧", 6),
        ("👍🏽", 4),
        ("1\u{fe0f}\u{20e3}", 2),
        ("🇩🇪", 2),
        ("a\tb", 6),
        ("\u{2068}שלום\u{2069}", 4),
    ] {
        assert_eq!(width(text), cells, "{text:?}");
    }
}

#[test]
fn lines_break_at_blanks() {
    assert_eq!(wrap("the quick brown fox", 9), ["the quick", "brown fox"]);
    assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
    assert_eq!(wrap("one     two", 4), ["one", "two"]);
    assert_eq!(wrap("  indented text", 10), ["  indented", "text"]);
    assert_eq!(wrap("a\n\nb", 10), ["a", "", "b"]);
    assert_eq!(wrap("", 10), [""]);
    assert_eq!(wrap("\tx", 10), ["    x"]);
}

#[test]
fn long_words_and_wide_characters_break_inside() {
    assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    assert_eq!(wrap("你好世界吗", 4), ["你好", "世界", "吗"]);
    assert_eq!(wrap("你好世界吗", 5), ["你好", "世界", "吗"]);
    assert_eq!(wrap("abc你好", 5), ["abc你", "好"]);
    assert_eq!(wrap("你好，世界", 4), ["你", "好，", "世界"]);
    assert_eq!(wrap("你", 1), ["你"]);
    assert_eq!(wrap("👨\u{200d}👩\u{200d}👧👨\u{200d}👩\u{200d}👧", 2).len(), 2);
}

#[test]
fn what_terminals_draw_differently_fits_in_all_of_them_and_stays_whole() {
    let wave = "👋🏽";
    let family = "👨\u{200d}👩\u{200d}👧";
    // A terminal that knows no sequences draws the parts: two cells for each that is not a joiner.
    let apart = |line: &str| -> usize { line.chars().filter(|c| *c != '\u{200d}').count() * 2 };
    for cluster in [wave, family] {
        let lines = wrap(&cluster.repeat(9), 13);
        assert!(lines.iter().all(|line| apart(line) <= 13), "{lines:?}");
        assert!(lines.iter().all(|line| line.replace(cluster, "").is_empty()), "{lines:?}");
        assert_eq!(lines.concat(), cluster.repeat(9));
    }
}

#[test]
fn each_wrapped_line_of_right_to_left_text_is_isolated() {
    let wrapped = wrap(&block("שלום עולם"), 5);
    assert_eq!(wrapped, ["\u{2068}שלום\u{2069}", "\u{2068}עולם\u{2069}"]);
}

/// Text made of what attackers like.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        any::<char>().prop_map(String::from),
        "[\u{0}-\u{1f}\u{7f}-\u{9f}]{0,4}",
        "[\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}]{0,4}",
        "[\u{300}-\u{36f}]{0,20}",
        "[a-z ]{0,20}",
        "[你好世界]{0,6}",
        "[א-ת]{0,6}",
        Just("👨\u{200d}👩\u{200d}👧".to_owned()),
        Just("\u{1b}[31m".to_owned()),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn harmless(text: &str, layout: bool) -> bool {
    let depth = text.chars().try_fold(0_i32, |depth, c| match c {
        '\u{2068}' => Some(depth + 1),
        '\u{2069}' => Some(depth - 1).filter(|depth| *depth >= 0),
        '\n' => Some(depth).filter(|depth| *depth == 0),
        _ => Some(depth),
    });
    depth == Some(0)
        && text.chars().all(|c| match c {
            '\n' | '\t' => layout,
            '\u{2068}' | '\u{2069}' => true,
            _ => {
                !c.is_control()
                    && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}' | '\u{2067}' | '\u{200e}' | '\u{200f}')
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_control_character_comes_out(text in nasty()) {
        prop_assert!(harmless(&line(&text), false));
        prop_assert!(harmless(&block(&text), true));
        prop_assert!(!line(&text).bytes().any(|byte| byte < 0x20 || byte == 0x7f));
    }

    #[test]
    fn filtering_twice_changes_nothing_but_isolation(text in nasty()) {
        let bare = |text: &str| text.replace(['\u{2068}', '\u{2069}'], "");
        let once = line(&text);
        prop_assert_eq!(bare(&line(&once)), bare(&once));
    }

    #[test]
    fn wrapped_lines_fit_and_lose_only_blanks(text in nasty(), columns in 1_usize..40) {
        let text = block(&text);
        let lines = wrap(&text, columns);
        for line in &lines {
            let clusters = line.replace(['\u{2068}', '\u{2069}'], "");
            prop_assert!(width(&clusters) <= columns || clusters.graphemes(true).count() == 1, "{:?}", line);
            prop_assert!(harmless(line, false));
        }
        let letters = |text: &str| text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\u{2068}' | '\u{2069}')).collect::<String>();
        prop_assert_eq!(letters(&lines.concat()), letters(&text));
    }
}
