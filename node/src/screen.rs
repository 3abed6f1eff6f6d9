//! What a terminal can do, for those who write to one.

/// Empties the screen, and what has scrolled out of it where the terminal allows that: recovery words may be there.
pub(crate) const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

/// Whether the terminal obeys no escape sequences.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty())
}
