//! Rendezvous, and whom they know, in words.

use hobnob_shared::text::display;

use super::{Look, event::in_ms, layout::shorten, list::rows};
use crate::api::{Found, ServerState, ServerView};

/// The rendezvous that are used, each in a line of its own; nothing where there are none.
pub(super) fn servers(servers: &[ServerView], look: &Look) -> String {
    if servers.is_empty() {
        return String::new();
    }
    let cells: Vec<Vec<String>> = servers.iter().map(row).collect();
    let mut lines = vec![format!("rendezvous:\n{}", rows(&cells, look))];
    lines.extend(servers.iter().filter_map(why));
    lines.join("\n")
}

fn row(one: &ServerView) -> Vec<String> {
    let next = one.retry_ms.map_or(String::new(), |ms| format!("next try {}", in_ms(ms)));
    vec![called(one), state(one).to_owned(), next, display::line(one.address.as_str())]
}

/// What is wrong, whole: at its end stands what to do.
fn why(one: &ServerView) -> Option<String> {
    one.last_error.as_ref().map(|why| format!("{}: {}", called(one), display::line(why)))
}

/// A rendezvous is reached, or it is not any more.
pub(super) fn changed(one: &ServerView) -> Option<String> {
    match one.state {
        ServerState::Up => Some(format!("{}: the rendezvous is reached", called(one))),
        ServerState::Waiting if one.is_forgotten => why(one),
        ServerState::Waiting => {
            let why = one.last_error.as_ref()?;
            Some(format!("{}: the rendezvous is not reached: {}", called(one), display::line(why)))
        }
        // About to be tried, or not any more, of which a person is told otherwise.
        ServerState::Idle | ServerState::Connecting => None,
    }
}

/// A command asks for what others sent, and this one was not reached.
pub fn missing(one: &ServerView) -> String {
    let why = one.last_error.as_ref().map_or(String::new(), |why| format!(" ({})", display::line(why)));
    format!("{}: the rendezvous is not reached{why}; what lies there is not in the answer", called(one))
}

/// Who has a name.
pub(super) fn found(found: &Found) -> String {
    let name = format!("{}@{}", found.name.as_str(), display::line(&found.called));
    let nick = shorten(found.nick.as_str(), 40);
    let known = match &found.friend {
        Some(handle) => format!("; you call them {handle}"),
        None if found.is_me => "; this is you".to_owned(),
        None => String::new(),
    };
    format!("{name} is “{nick}” ({}){known}", found.fingerprint)
}

fn called(one: &ServerView) -> String {
    let host = display::line(&one.called);
    one.name.as_ref().map_or_else(|| host.clone(), |name| format!("{}@{host}", name.as_str()))
}

fn state(one: &ServerView) -> &'static str {
    match (one.state, &one.last_error) {
        (ServerState::Up, _) => "up",
        (ServerState::Connecting, _) => "connecting",
        (ServerState::Waiting, Some(_)) if one.is_forgotten => "does not know this device",
        (ServerState::Waiting, Some(_)) => "not reached",
        (ServerState::Waiting, None) => "waiting",
        (ServerState::Idle, Some(_)) => "not asked any more",
        (ServerState::Idle, None) => "asked when needed",
    }
}
