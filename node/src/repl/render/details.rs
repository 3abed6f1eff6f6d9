//! `/info`: all about one message.

use hobnob_shared::text::display;

use super::{
    Look, Scene,
    layout::{safe_block, shorten},
    message::shown,
};
use crate::api::{DeliveryState, DeviceCopy, MessageDetails};

/// The whole message, however long, and what else is known of it.
pub(super) fn info(details: &MessageDetails, scene: &Scene, look: &Look) -> String {
    let mut out = shown(&details.message, scene, look, usize::MAX);
    let mut lines = vec![
        format!("entry {}", details.message.entry),
        format!("written {}", look.moment(details.message.sent_ms)),
        format!("came {}", look.moment(details.message.received_ms)),
        format!("device {}", details.device),
        format!("number {} in that device's log, lamport time {}", details.seq, details.lamport),
        format!("signature {}", hex(&details.signature)),
    ];
    lines.extend(details.devices.iter().map(|copy| copy_words(copy, look)));
    if details.devices.iter().any(has) && !details.devices.iter().all(has) {
        lines.push("a machine of theirs that is gone for good they take out with /device revoke".to_owned());
    }
    if let Some(ms) = details.message.expires_ms {
        lines.push(format!("gone at {}", look.moment(ms)));
    }
    for text in &details.history {
        lines.push(format!("earlier: {}", earlier(text, look)));
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

fn has(copy: &DeviceCopy) -> bool {
    copy.state >= DeliveryState::Delivered
}

fn copy_words(copy: &DeviceCopy, look: &Look) -> String {
    let words = format!("their device “{}” {}", shorten(copy.name.as_str(), 40), state_words(copy.state));
    match copy.last_seen_ms {
        Some(ms) if !has(copy) => format!("{words}; last here {}", look.ago(ms)),
        Some(_) | None => words,
    }
}

fn state_words(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Unknown => "may have it: another device of yours wrote it, and nothing was heard here yet",
        DeliveryState::Queued => "does not have it yet",
        DeliveryState::Stored => "can fetch it from a rendezvous",
        DeliveryState::Delivered => "has it",
        DeliveryState::Read => "has shown it",
    }
}

/// In pieces that fit on a line.
fn hex(bytes: &[u8]) -> String {
    let pieces: Vec<String> = bytes.chunks(16).map(|piece| data_encoding::HEXLOWER.encode(piece)).collect();
    pieces.join(" ")
}
