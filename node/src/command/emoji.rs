//! `:names:` of emoji, for Tab and for `/react`. Text is never changed when it is sent: what was typed is what goes.

/// Names and emoji, sorted by name.
pub const EMOJI: &[(&str, &str)] = &[
    ("+1", "👍"),
    ("-1", "👎"),
    ("100", "💯"),
    ("angry", "😠"),
    ("bell", "🔔"),
    ("birthday", "🎂"),
    ("blush", "😊"),
    ("bomb", "💣"),
    ("book", "📖"),
    ("boom", "💥"),
    ("broken_heart", "💔"),
    ("bug", "🐛"),
    ("bulb", "💡"),
    ("cake", "🍰"),
    ("calendar", "📅"),
    ("camera", "📷"),
    ("cat", "🐱"),
    ("clap", "👏"),
    ("clock", "🕐"),
    ("cloud", "☁️"),
    ("coffee", "☕"),
    ("confused", "😕"),
    ("cookie", "🍪"),
    ("cool", "😎"),
    ("cry", "😢"),
    ("dizzy", "💫"),
    ("dog", "🐶"),
    ("dove", "🕊️"),
    ("earth", "🌍"),
    ("eyes", "👀"),
    ("facepalm", "🤦"),
    ("fire", "🔥"),
    ("flag", "🏁"),
    ("flower", "🌸"),
    ("ghost", "👻"),
    ("gift", "🎁"),
    ("grin", "😁"),
    ("hands", "🙌"),
    ("heart", "❤️"),
    ("heart_eyes", "😍"),
    ("hourglass", "⏳"),
    ("house", "🏠"),
    ("hug", "🤗"),
    ("joy", "😂"),
    ("key", "🔑"),
    ("kiss", "😘"),
    ("laughing", "😆"),
    ("lock", "🔒"),
    ("mail", "✉️"),
    ("moon", "🌙"),
    ("muscle", "💪"),
    ("music", "🎵"),
    ("nerd", "🤓"),
    ("no", "❌"),
    ("ok", "👌"),
    ("party", "🎉"),
    ("pencil", "✏️"),
    ("penguin", "🐧"),
    ("phone", "📞"),
    ("pizza", "🍕"),
    ("point_up", "☝️"),
    ("pray", "🙏"),
    ("question", "❓"),
    ("rage", "😡"),
    ("rain", "🌧️"),
    ("rainbow", "🌈"),
    ("robot", "🤖"),
    ("rocket", "🚀"),
    ("rofl", "🤣"),
    ("rose", "🌹"),
    ("sad", "😞"),
    ("salute", "🫡"),
    ("scream", "😱"),
    ("seedling", "🌱"),
    ("shrug", "🤷"),
    ("skull", "💀"),
    ("sleeping", "😴"),
    ("smile", "😄"),
    ("smirk", "😏"),
    ("snail", "🐌"),
    ("snow", "❄️"),
    ("sob", "😭"),
    ("sparkles", "✨"),
    ("star", "⭐"),
    ("sun", "☀️"),
    ("sweat", "😅"),
    ("tada", "🎉"),
    ("tea", "🍵"),
    ("thinking", "🤔"),
    ("tongue", "😛"),
    ("tree", "🌳"),
    ("trophy", "🏆"),
    ("unicorn", "🦄"),
    ("upside_down", "🙃"),
    ("warning", "⚠️"),
    ("wave", "👋"),
    ("whale", "🐳"),
    ("wink", "😉"),
    ("wrench", "🔧"),
    ("yes", "✅"),
    ("yum", "😋"),
    ("zap", "⚡"),
    ("zzz", "💤"),
];

/// The emoji of `:name:`.
pub fn expand(word: &str) -> Option<&'static str> {
    let name = word.strip_prefix(':')?.strip_suffix(':')?;
    let found = EMOJI.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    EMOJI.get(found).map(|(_, emoji)| *emoji)
}

/// Every name that begins so, with its emoji.
pub fn beginning_with(prefix: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    EMOJI.iter().filter(move |(name, _)| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(EMOJI.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_name_between_colons_becomes_its_emoji() {
        assert_eq!(expand(":+1:"), Some("👍"));
        assert_eq!(expand(":zzz:"), Some("💤"));
        assert_eq!(expand(":nonsense:"), None);
        assert_eq!(expand("wave"), None);
    }

    #[test]
    fn every_emoji_is_a_reaction() {
        for (name, emoji) in EMOJI {
            assert!(hobnob_shared::text::Reaction::parse(*emoji).is_ok(), "{name}");
        }
    }
}
