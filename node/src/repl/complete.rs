//! What Tab offers: pure, from the command table and what is known of the node.

use hobnob_shared::text::display;

use crate::command::{Arg, Spec, all, emoji, find, help::TOPICS};

/// Reactions offered first.
const REACTIONS: &[&str] = &["👍", "❤️", "😂", "🎉", "😮", "😢", "👎", "off"];

/// Names that a line may hold. Handles without their `@`.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) friends: Vec<String>,
    pub(super) near: Vec<String>,
    pub(super) settings: Vec<String>,
    pub(super) aliases: Vec<String>,
    /// Messages that were shown lately, the newest last.
    pub(super) numbers: Vec<u64>,
}

/// One offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// What the list shows.
    pub(super) shown: String,
    /// What comes into the line.
    pub(super) put: String,
}

impl Offer {
    fn new(put: impl Into<String>) -> Self {
        let put = put.into();
        Self { shown: display::line(put.trim_end()), put }
    }
}

/// Where the word under the cursor begins, and what it could become.
pub(super) fn complete(line: &str, pos: usize, known: &Known) -> (usize, Vec<Offer>) {
    let Some(before) = line.get(..pos) else { return (pos, Vec::new()) };
    let start = before.rfind(char::is_whitespace).map_or(0, |at| {
        let width = before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        at + width
    });
    let word = before.get(start..).unwrap_or_default();
    (start, offers(before.get(..start).unwrap_or_default(), word, known))
}

fn offers(before: &str, word: &str, known: &Known) -> Vec<Offer> {
    if let Some(name) = word.strip_prefix(':').filter(|name| !name.is_empty()) {
        return emoji_offers(name);
    }
    match (before.strip_prefix('/'), word) {
        (Some(command), _) => argument_offers(command, word, known),
        (None, _) if before.is_empty() && word.starts_with('/') && !word.starts_with("//") => {
            command_offers(word, known)
        }
        (None, _) if before.is_empty() && word.starts_with('@') => names(&known.friends, "@", word),
        (None, _) => Vec::new(),
    }
}

fn emoji_offers(name: &str) -> Vec<Offer> {
    let name = name.strip_suffix(':').unwrap_or(name);
    emoji::beginning_with(name)
        .map(|(name, emoji)| Offer { shown: format!("{emoji} :{name}:"), put: (*emoji).to_owned() })
        .collect()
}

fn command_offers(word: &str, known: &Known) -> Vec<Offer> {
    let name = word.trim_start_matches('/').to_lowercase();
    let mut found: Vec<Offer> = all().filter(|spec| spec.name.starts_with(&name)).map(command_offer).collect();
    let aliases = known.aliases.iter().filter(|alias| alias.starts_with(&name));
    found.extend(aliases.map(|alias| Offer::new(format!("/{alias} "))));
    found
}

fn command_offer(spec: &Spec) -> Offer {
    let blank = if spec.args.is_empty() && spec.flags.is_empty() { "" } else { " " };
    Offer::new(format!("/{}{blank}", spec.name))
}

fn argument_offers(command: &str, word: &str, known: &Known) -> Vec<Offer> {
    let mut words = command.split_whitespace();
    let Some(spec) = words.next().and_then(meant) else { return Vec::new() };
    if word.starts_with("--") {
        return matching(spec.flags.iter().copied(), word);
    }
    let filled = words.filter(|word| !word.starts_with("--")).count();
    // A chat may stand in front where the current one is meant otherwise.
    let kind = spec.args.get(filled).copied().or_else(|| spec.args.last().copied().filter(|arg| *arg == Arg::Text));
    match kind {
        _ if word.starts_with('@') => names(&known.friends, "@", word),
        Some(kind) => kind_offers(kind, word, known),
        None => Vec::new(),
    }
}

/// The command with this name, alias or clear beginning.
fn meant(name: &str) -> Option<&'static Spec> {
    let name = name.to_lowercase();
    let mut beginning = all().filter(|spec| spec.name.starts_with(&name));
    find(&name).or_else(|| beginning.next().filter(|_| beginning.next().is_none()))
}

fn kind_offers(kind: Arg, word: &str, known: &Known) -> Vec<Offer> {
    match kind {
        Arg::Friend => names(&known.friends, "@", word),
        Arg::Stranger => names(&known.near, "", word),
        Arg::Message => {
            let numbers: Vec<String> = known.numbers.iter().rev().map(u64::to_string).collect();
            matching(numbers.iter().map(String::as_str), word)
        }
        Arg::Setting => matching(known.settings.iter().map(String::as_str), word),
        Arg::Alias => matching(known.aliases.iter().map(String::as_str), word),
        Arg::Topic => topics(word),
        Arg::Word(words) => matching(words.iter().copied(), word),
        Arg::Emoji => matching(REACTIONS.iter().copied(), word),
        Arg::Anything | Arg::Text => Vec::new(),
    }
}

fn topics(word: &str) -> Vec<Offer> {
    let word = word.trim_start_matches('/');
    let names = TOPICS.iter().map(|topic| topic.name).chain(all().map(|spec| spec.name));
    names.filter(|name| name.starts_with(word)).map(Offer::new).collect()
}

fn names(list: &[String], sign: &str, word: &str) -> Vec<Offer> {
    let word = word.trim_start_matches('@').to_lowercase();
    let found = list.iter().filter(|name| name.to_lowercase().starts_with(&word));
    found.map(|name| Offer::new(format!("{sign}{name} "))).collect()
}

fn matching<'a>(list: impl Iterator<Item = &'a str>, word: &str) -> Vec<Offer> {
    list.filter(|one| one.starts_with(word)).map(|one| Offer::new(format!("{one} "))).collect()
}

/// What is still missing behind a command that was typed.
pub(super) fn usage_hint(line: &str) -> Option<String> {
    let command = line.strip_prefix('/')?;
    let name = command.trim_end();
    if name.contains(char::is_whitespace) {
        return None;
    }
    let spec = find(&name.to_lowercase())?;
    let rest = spec.usage.split_once(' ').map_or("", |(_, rest)| rest);
    let gap = if command.len() > name.len() { "" } else { " " };
    (!rest.is_empty()).then(|| format!("{gap}{rest}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn known() -> Known {
        Known {
            friends: vec!["bob".into(), "bobby".into(), "carol".into()],
            near: vec!["dave".into()],
            settings: vec!["read-marks".into(), "theme".into()],
            aliases: vec!["j".into()],
            numbers: vec![40, 41, 42],
        }
    }

    fn put(line: &str) -> Vec<String> {
        complete(line, line.len(), &known()).1.into_iter().map(|offer| offer.put).collect()
    }

    #[test]
    fn commands_come_with_a_blank_where_something_follows() {
        assert_eq!(put("/hist"), ["/history "]);
        assert_eq!(put("/chat"), ["/chats"]);
        assert_eq!(put("/j"), ["/jump ", "/j "]);
        assert_eq!(put("//hist"), Vec::<String>::new());
    }

    #[test]
    fn names_at_the_beginning_and_behind_a_command() {
        assert_eq!(put("@bo"), ["@bob ", "@bobby "]);
        assert_eq!(put("/msg @c"), ["@carol "]);
        assert_eq!(put("/msg c"), ["@carol "]);
        assert_eq!(put("/introduce @bob @c"), ["@carol "]);
        assert_eq!(put("/history @c"), ["@carol "]);
        assert_eq!(put("/add d"), ["dave "]);
    }

    #[test]
    fn numbers_begin_with_the_newest() {
        assert_eq!(put("/reply "), ["42 ", "41 ", "40 "]);
        assert_eq!(put("/reply 41 so"), Vec::<String>::new());
    }

    #[test]
    fn words_settings_flags_and_topics() {
        assert_eq!(put("/nearby o"), ["on ", "off "]);
        assert_eq!(put("/set re"), ["read-marks "]);
        assert_eq!(put("/invite-link --u"), ["--uses "]);
        assert!(put("/help sec").contains(&"security".to_owned()));
    }

    #[test]
    fn emoji_anywhere_in_a_text() {
        let (start, offers) = complete("hello :wav", 10, &known());
        assert_eq!(start, 6);
        assert_eq!(offers, [Offer { shown: "👋 :wave:".into(), put: "👋".into() }]);
    }

    #[test]
    fn a_cursor_inside_wide_text_is_fine() {
        let line = "你好\u{3000}:wav";
        assert_eq!(complete(line, line.len(), &known()).0, line.find(':').unwrap());
        assert_eq!(complete(line, 1, &known()), (1, Vec::new()));
    }

    #[test]
    fn a_hint_says_what_is_missing() {
        assert_eq!(usage_hint("/rename").unwrap(), " @bob NAME");
        assert_eq!(usage_hint("/rename ").unwrap(), "@bob NAME");
        assert_eq!(usage_hint("/rename @b"), None);
        assert_eq!(usage_hint("/chats"), None);
        assert_eq!(usage_hint("hello"), None);
    }
}
