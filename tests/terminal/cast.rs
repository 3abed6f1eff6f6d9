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
    be_friends(&mut alice, "alice", &mut bob, "bob");
    (alice, bob)
}

/// Makes two people friends by an invite that accepts at once.
pub(crate) fn be_friends(inviter: &mut Terminal, inviter_name: &str, guest: &mut Terminal, guest_name: &str) {
    let before = spaced(&inviter.screen()).matches("nobody outside can reach you").count();
    inviter.enters("/invite-link --auto-accept");
    let link = link_on(
        &inviter.until("the link", |screen| spaced(screen).matches("nobody outside can reach you").count() > before),
    );
    guest.enters(&format!("/add {link}"));
    guest.sees(&format!("you and @{inviter_name} are friends"));
    inviter.sees(&format!("you and @{guest_name} are friends"));
    inviter.sees(&format!("@{guest_name} is online"));
    guest.sees(&format!("@{inviter_name} is online"));
}

/// A screen as one line: where a sentence wraps depends on the width.
pub(crate) fn spaced(screen: &str) -> String {
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}
