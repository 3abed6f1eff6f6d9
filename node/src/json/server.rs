//! Rendezvous, and whom they know, as fields of a line.

use serde_json::json;

use super::view::{Fields, fields};
use crate::api::{Found, ServerState, ServerView};

/// A rendezvous that is used.
pub(crate) fn server(server: &ServerView) -> Fields {
    fields(json!({
        "rendezvous": server.address.as_str(),
        "name": server.name.as_ref().map(|name| name.as_str()),
        "state": state(server.state),
        "last_error": server.last_error,
        "retry_ms": server.retry_ms,
    }))
}

/// Who has a name.
pub(crate) fn found(found: &Found) -> Fields {
    fields(json!({
        "name": found.name.as_str(),
        "rendezvous": found.server.as_str(),
        "account": found.account.to_string(),
        "fingerprint": found.fingerprint,
        "nick": found.nick.as_str(),
        "devices": found.devices,
        "chat": found.friend.as_ref().map(ToString::to_string),
        "is_me": found.is_me,
    }))
}

fn state(state: ServerState) -> &'static str {
    match state {
        ServerState::Idle => "idle",
        ServerState::Connecting => "connecting",
        ServerState::Up => "up",
        ServerState::Waiting => "waiting",
    }
}
