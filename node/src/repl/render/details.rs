//! `/info`: all about one message.

use hobnob_shared::text::display;

use super::{
    Look, Scene,
    layout::{safe_block, shorten},
    message::shown,
    people::labelled,
};
use crate::api::{DeliveryState, MessageDetails};

/// The whole message, however long, and what else is known of it.
pub(super) fn info(details: &MessageDetails, scene: &Scene, look: &Look) -> String {
    let mut out = shown(&details.message, scene, look, usize::MAX);
    let mut lines = vec![
        labelled("entry", &details.message.entry.to_string()),
        labelled("written", &look.moment(details.message.sent_ms)),
        labelled("came", &look.moment(details.message.received_ms)),
        labelled("device", &details.device.to_string()),
        labelled("place", &format!("{} in that device's log, lamport time {}", details.seq, details.lamport)),
        labelled("signature", &hex(&details.signature)),
    ];
    for (name, state) in &details.devices {
        lines.push(labelled("", &format!("{}: {}", shorten(name.as_str(), 40), state_words(*state))));
    }
    if let Some(ms) = details.message.expires_ms {
        lines.push(labelled("gone at", &look.moment(ms)));
    }
    for text in &details.history {
        lines.push(labelled("earlier", &earlier(text, look)));
    }
    for line in lines {
        let head = if look.plain { String::new() } else { look.gutter("│") };
        out.push_str(&look.block(&head, &line, ""));
    }
    out
}

fn earlier(text: &str, look: &Look) -> String {
    if look.plain { display::line(text) } else { safe_block(text) }
}

fn state_words(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Queued => "does not have it yet",
        DeliveryState::Stored => "can fetch it from a carrier",
        DeliveryState::Delivered => "has it",
        DeliveryState::Read => "has shown it",
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
