//! Text that a person wrote: parsed once, valid for ever. Wire and keyboard use the same door.
//!
//! What is kept is what was written, control characters included; [`display`] makes it harmless on the way to a
//! terminal, and only there.

pub mod display;
mod username;

pub use username::{Username, UsernameError};

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use unicode_width::UnicodeWidthChar;

use crate::{
    id::AccountId,
    limits::{MAX_NICKNAME_BYTES, MAX_NOTE_BYTES, MAX_REACTION_BYTES, MAX_TEXT_BYTES},
};

/// Why a text was refused. Nothing is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing in it but blanks.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// Over its limit, in UTF-8 bytes.
    #[error("the {what} is {bytes} bytes long; the limit is {limit}")]
    TooLong {
        /// What kind of text.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A character that this kind of text may not hold.
    #[error("a {what} cannot contain {found:?}")]
    BadCharacter {
        /// What kind of text.
        what: &'static str,
        /// The first bad character.
        found: char,
    },
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr, $may_be_empty:literal, $bad:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks length and characters.
            pub fn parse(text: impl Into<String>) -> Result<Self, TextError> {
                let text = text.into();
                if !$may_be_empty && text.trim().is_empty() {
                    return Err(TextError::Empty($what));
                }
                if text.len() > $limit {
                    return Err(TextError::TooLong { what: $what, bytes: text.len(), limit: $limit });
                }
                let bad: fn(&str) -> Option<char> = $bad;
                match bad(&text) {
                    Some(found) => Err(TextError::BadCharacter { what: $what, found }),
                    None => Ok(Self(text)),
                }
            }

            /// The text as it was written. Not for a terminal.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;
            fn try_from(text: String) -> Result<Self, TextError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        /// Only the length: what people write does not belong into logs.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name), self.0.len())
            }
        }
    };
}

text!(
    /// What a message says: 1 to [`MAX_TEXT_BYTES`] bytes, any characters.
    MessageText, "message", MAX_TEXT_BYTES, false, |_| None
);
text!(
    /// How a person or a device calls itself: 1 to [`MAX_NICKNAME_BYTES`] bytes, no control characters, and
    /// nothing that a reader cannot see: two names that differ look different.
    Nickname, "name", MAX_NICKNAME_BYTES, false, bad_in_name
);
text!(
    /// A bio, a status, a note to a friend request: at most [`MAX_NOTE_BYTES`] bytes, may be empty.
    Note, "text", MAX_NOTE_BYTES, true, |_| None
);
text!(
    /// A reaction: an emoji or a short word, no blanks, no control characters.
    Reaction, "reaction", MAX_REACTION_BYTES, false,
    |text| text.chars().find(|c| c.is_whitespace() || c.is_control())
);
text!(
    /// How we call a friend on this node, without the `@`: letters, digits, `_`, `-` and `.`.
    Handle, "handle", MAX_NICKNAME_BYTES, false,
    |text| text.chars().find(|c| !(c.is_alphanumeric() || "_-.".contains(*c)))
);

/// The first character of a name that may not be there.
fn bad_in_name(name: &str) -> Option<char> {
    let mut before = None;
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        // Emoji and many scripts are written with joiners; beside a Latin letter, or at an end, one shows as nothing.
        let joins = |other: Option<char>| other.is_some_and(|other| !other.is_ascii() && !is_invisible(other));
        let is_joiner = matches!(c, '\u{200c}' | '\u{200d}') && joins(before) && joins(rest.peek().copied());
        if c.is_control() || is_invisible(c) && !is_joiner {
            return Some(c);
        }
        before = Some(c);
    }
    None
}

/// Of no width, or only there to turn the direction of what follows.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The empty one.
impl Default for Note {
    fn default() -> Self {
        Self(String::new())
    }
}

impl Handle {
    /// The nearest handle to a nickname: other characters become `-`; nothing left becomes `friend`.
    pub fn from_nickname(nickname: &Nickname) -> Self {
        let joined: String = nickname
            .as_str()
            .to_lowercase()
            .chars()
            // Joiners and marks that stand on another letter: without them the letters still say the name.
            .filter(|c| c.is_alphanumeric() || c.width() != Some(0))
            .map(|c| if c.is_alphanumeric() || "_-.".contains(c) { c } else { '-' })
            .collect();
        let mut trimmed = joined.trim_matches('-').to_owned();
        while trimmed.len() > MAX_NICKNAME_BYTES - 8 {
            // Lower case can be longer than upper case, and `-2` must fit behind it.
            trimmed.pop();
        }
        let handle = Self::parse(trimmed).unwrap_or_else(|_| Self("friend".to_owned()));
        if handle.is_reserved() { handle.numbered(2) } else { handle }
    }

    /// Whether it is what a node calls its own person: a friend of that name would look like oneself.
    pub fn is_reserved(&self) -> bool {
        self.0.eq_ignore_ascii_case("me")
    }

    /// How somebody is called of whom only the account is known.
    pub fn made_up(account: &AccountId) -> Self {
        let [a, b, c, ..] = account.as_bytes();
        Self(format!("friend-{a:02x}{b:02x}{c:02x}"))
    }

    /// This handle with a number behind it, for the second person of one name.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let end = format!("-{number}");
        let mut start = self.0.clone();
        while start.len() + end.len() > MAX_NICKNAME_BYTES {
            start.pop();
        }
        Self(start + &end)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// How many numbers a name gets before two may be called alike. An account has fewer devices.
const NUMBERS: u32 = 100;

/// `wish`, or with a number behind it if somebody is called so already. One that leaves no room for a number is cut.
pub fn free_name(wish: &Nickname, is_taken: impl Fn(&str) -> bool) -> Nickname {
    let numbered = (2..NUMBERS).filter_map(|number| {
        let end = format!("-{number}");
        let room = MAX_NICKNAME_BYTES.saturating_sub(end.len());
        let kept = wish.as_str().get(..wish.as_str().floor_char_boundary(room)).unwrap_or_default();
        Nickname::parse(format!("{}{end}", kept.trim_end())).ok()
    });
    std::iter::once(wish.clone()).chain(numbered).find(|name| !is_taken(name.as_str())).unwrap_or_else(|| wish.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::codec;

    fn handle(nickname: &str) -> String {
        Handle::from_nickname(&Nickname::parse(nickname).unwrap()).to_string()
    }

    #[test]
    fn nicknames_become_handles_that_can_be_typed() {
        assert_eq!(handle("Alice"), "@alice");
        assert_eq!(handle("Alice B. Carroll"), "@alice-b.-carroll");
        assert_eq!(handle("  (Zoe\u{308})  "), "@zoe");
        assert_eq!(handle("小明"), "@小明");
        assert_eq!(handle("!!!"), "@friend");
        assert_eq!(handle("@admin"), "@admin");
        assert_eq!(handle("Me"), "@me-2", "only we ourselves are shown as me");
    }

    #[test]
    fn numbered_handles_stay_valid() {
        let long = Handle::parse("é".repeat(MAX_NICKNAME_BYTES / 2)).unwrap();
        for number in [2, 10, u32::MAX] {
            let numbered = long.numbered(number);
            assert!(numbered.as_str().ends_with(&format!("-{number}")));
            assert_eq!(Handle::parse(numbered.as_str()), Ok(numbered));
        }
        assert_eq!(Handle::parse("bob").unwrap().numbered(2).as_str(), "bob-2");
    }

    #[test]
    fn a_name_that_is_taken_gets_the_first_number_that_is_free() {
        let free = |wish: &str, taken: &[&str]| {
            free_name(&Nickname::parse(wish).unwrap(), |name| taken.contains(&name)).as_str().to_owned()
        };
        assert_eq!(free("phone", &["laptop"]), "phone");
        assert_eq!(free("phone", &["phone", "phone-3"]), "phone-2");
        assert_eq!(free("phone", &["phone", "phone-2"]), "phone-3");
        let long = "é".repeat(MAX_NICKNAME_BYTES / 2);
        assert_eq!(free(&long, &[&long]), "é".repeat(MAX_NICKNAME_BYTES / 2 - 1) + "-2");
    }

    #[test]
    fn texts_say_what_is_wrong_with_them() {
        assert_eq!(MessageText::parse(" \n ").unwrap_err(), TextError::Empty("message"));
        assert_eq!(Reaction::parse("a b").unwrap_err(), TextError::BadCharacter { what: "reaction", found: ' ' });
        assert_eq!(Handle::parse("a b").unwrap_err().to_string(), "a handle cannot contain ' '");
        assert!(Note::parse("").is_ok());
    }

    #[test]
    fn a_name_holds_nothing_that_cannot_be_seen() {
        for bad in ['\u{200b}', '\u{200d}', '\u{200f}', '\u{202e}', '\u{2060}', '\u{2064}', '\u{2066}', '\u{feff}'] {
            for name in [format!("{bad}alice"), format!("al{bad}ice"), format!("alice{bad}"), format!("小{bad}{bad}明")]
            {
                let refused = TextError::BadCharacter { what: "name", found: bad };
                assert_eq!(Nickname::parse(name.clone()), Err(refused), "{}", name.escape_unicode());
            }
        }
        assert!(Nickname::parse("小明\u{200d}").is_err());
        for good in ["\u{1f468}\u{200d}\u{1f4bb} Zoe\u{308}", "می\u{200c}خواهم", "❤\u{fe0f}\u{200d}\u{1f525}"]
        {
            assert!(Nickname::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_wire_uses_the_same_door() {
        let bytes = codec::encode(&"Mal\u{7}lory");
        assert!(codec::decode::<MessageText>(&bytes, 100).is_ok());
        assert!(codec::decode::<Nickname>(&bytes, 100).is_err());
        let bytes = codec::encode(&"Alice");
        assert_eq!(codec::encode(&codec::decode::<Nickname>(&bytes, 100).unwrap()), bytes);
    }

    #[test]
    fn texts_do_not_print_themselves() {
        assert_eq!(format!("{:?}", MessageText::parse("secret").unwrap()), "MessageText(6 bytes)");
    }
}
