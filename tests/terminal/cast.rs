//! Who sits at the terminals.

use tempfile::TempDir;

use crate::screen::Terminal;

/// The invite link on a screen, put together from its rows.
pub(crate) fn link_on(screen: &str) -> String {
    let from = screen.rfind("hobnob:").expect("a link");
    let link = screen[from + 7..].chars().filter(|c| *c != '\n').take_while(|c| matches!(c, 'a'..='z' | '2'..='7'));
    format!("hobnob:{}", link.collect::<String>())
}

/// Alice and Bob in two terminals, friends by an invite that accepts at once.
pub(crate) fn friends(columns: u16, dir: &TempDir) -> (Terminal, Terminal) {
    let mut alice = Terminal::chatting(columns, "alice", dir);
    let mut bob = Terminal::chatting(columns, "bob", dir);
    alice.enters("/invite-link --auto-accept");
    alice.sees("nobody outside can reach you");
    let link = link_on(&alice.sees("hobnob:"));
    bob.enters(&format!("/add {link}"));
    bob.sees("you and @alice are friends");
    alice.sees("you and @bob are friends");
    alice.sees("@bob is online");
    bob.sees("@alice is online");
    (alice, bob)
}
