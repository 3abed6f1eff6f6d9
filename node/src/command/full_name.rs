//! How a person writes whom they mean at a rendezvous.

use hobnob_shared::text::{Username, UsernameError};

/// A name at a rendezvous, as a person writes it: `alice`, or `alice@r.example` where several are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullName {
    /// The name.
    pub name: Username,
    /// The host of the rendezvous.
    pub host: Option<String>,
}

impl FullName {
    /// Reads one; an `@` before it does not matter.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let text = text.strip_prefix('@').unwrap_or(text);
        let (name, host) = text.split_once('@').map_or((text, None), |(name, host)| (name, Some(host.to_owned())));
        Ok(Self { name: Username::parse(name)?, host })
    }
}
