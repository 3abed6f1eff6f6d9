//! How a person writes whom they mean at a rendezvous.

use hobnob_shared::text::{Username, UsernameError, display};

/// A name at a rendezvous, as a person writes it: `alice`, or `alice@r.example` where several are in use, or
/// `alice@r.example:4001` where several are on that host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullName {
    /// The name.
    pub name: Username,
    /// What names the rendezvous ([`Address::answers_to`](hobnob_shared::rendezvous::Address::answers_to)).
    pub place: Option<String>,
}

impl std::fmt::Display for FullName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}@{}", self.name, display::line(place)),
            None => write!(f, "{}", self.name),
        }
    }
}

impl FullName {
    /// Reads one; an `@` before it does not matter.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let text = text.strip_prefix('@').unwrap_or(text);
        let (name, place) = text.split_once('@').map_or((text, None), |(name, place)| (name, Some(place.to_owned())));
        Ok(Self { name: Username::parse(name)?, place })
    }
}
