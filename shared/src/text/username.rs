//! How an account is called at a rendezvous.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_USERNAME_BYTES, MIN_USERNAME_BYTES};

/// A name at a rendezvous: 3 to 32 of `a`–`z`, `0`–`9` and `_`, so that no two names look the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Too short or too long.
    #[error("a name has {MIN_USERNAME_BYTES} to {MAX_USERNAME_BYTES} characters, this one {0}")]
    Length(usize),
    /// A character that no name has.
    #[error("a name has only a-z, 0-9 and _, not {0:?}")]
    BadCharacter(char),
}

impl Username {
    /// Checks characters, then length. Upper case is refused, not changed: what a person sees is what is registered.
    pub fn parse(text: impl Into<String>) -> Result<Self, UsernameError> {
        let text = text.into();
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_')) {
            return Err(UsernameError::BadCharacter(bad));
        }
        if !(MIN_USERNAME_BYTES..=MAX_USERNAME_BYTES).contains(&text.len()) {
            return Err(UsernameError::Length(text.len()));
        }
        Ok(Self(text))
    }

    /// The name. Harmless on a terminal.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameError;
    fn try_from(text: String) -> Result<Self, UsernameError> {
        Self::parse(text)
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Only the length: names do not belong into logs.
impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Username({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::codec;

    #[test]
    fn a_name_at_the_limits_passes_and_one_past_them_does_not() {
        for (length, passes) in [(2, false), (3, true), (32, true), (33, false)] {
            assert_eq!(Username::parse("a".repeat(length)).is_ok(), passes, "{length}");
        }
        assert_eq!(Username::parse("").unwrap_err(), UsernameError::Length(0));
    }

    #[test]
    fn other_characters_are_named() {
        for (text, bad) in
            [("Alice", 'A'), ("al ice", ' '), ("älice", 'ä'), ("al-ice", '-'), ("bob\u{202e}", '\u{202e}')]
        {
            assert_eq!(Username::parse(text).unwrap_err(), UsernameError::BadCharacter(bad));
        }
        assert!(Username::parse("alice_2").is_ok());
    }

    #[test]
    fn the_wire_uses_the_same_door() {
        assert!(codec::decode::<Username>(&codec::encode(&"Alice"), 100).is_err());
        assert_eq!(codec::decode::<Username>(&codec::encode(&"alice"), 100).unwrap().as_str(), "alice");
        assert_eq!(format!("{:?}", Username::parse("alice").unwrap()), "Username(5 bytes)");
    }
}
