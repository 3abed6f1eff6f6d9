//! Colours. The only escape sequences that a line may hold come from here.

use super::Look;

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// For light letters on a dark ground.
    #[default]
    Dark,
    /// For dark letters on a light ground.
    Light,
    /// Bold and faint only.
    Mono,
}

impl Theme {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "dark" => Some(Self::Dark),
            "light" => Some(Self::Light),
            "mono" => Some(Self::Mono),
            _ => None,
        }
    }
}

/// What a piece of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Times, numbers, marks, gutters.
    Dim,
    /// Our own name.
    Me,
    /// A name, which keeps its colour.
    Name(u8),
    /// Something to look at now.
    Alert,
    /// A heading.
    Strong,
    /// A QR code: black on white whatever the theme, where there are colours.
    Code,
}

/// Colours of names: none of them red, which means alarm.
const DARK: [&str; 6] = ["32", "33", "34", "35", "92", "94"];
const LIGHT: [&str; 4] = ["32", "34", "35", "36"];

impl Look {
    /// The text in its colour. The text must be harmless already.
    pub(super) fn paint(&self, role: Role, text: &str) -> String {
        match self.theme.filter(|_| !self.plain && !text.is_empty()) {
            Some(Theme::Mono) if role == Role::Code => text.to_owned(),
            Some(theme) => format!("\x1b[{}m{text}\x1b[0m", code(theme, role)),
            None => text.to_owned(),
        }
    }
}

fn code(theme: Theme, role: Role) -> &'static str {
    match (role, theme) {
        (Role::Dim, _) => "2",
        (Role::Code, _) => "30;107",
        (Role::Alert, Theme::Mono) => "1;7",
        (Role::Alert, Theme::Dark | Theme::Light) => "1;31",
        (Role::Strong, _) | (Role::Me | Role::Name(_), Theme::Mono) => "1",
        (Role::Me, Theme::Dark) => "36",
        (Role::Me, Theme::Light) => "1",
        (Role::Name(hash), Theme::Dark) => pick(&DARK, hash),
        (Role::Name(hash), Theme::Light) => pick(&LIGHT, hash),
    }
}

fn pick(colours: &[&'static str], hash: u8) -> &'static str {
    colours.get(usize::from(hash) % colours.len()).copied().unwrap_or("1")
}

/// The colour of a name, the same in every run.
pub(super) fn name(text: &str) -> Role {
    Role::Name(text.bytes().fold(7, |hash: u8, byte| hash.wrapping_mul(31).wrapping_add(byte)))
}
