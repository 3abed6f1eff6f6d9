//! A message: `14:02 [42] ✓bob: text …`.

use hobnob_shared::text::{Handle, display};

use super::{
    Look, Scene, Trust,
    layout::{FOLD_LINES, safe_block, shorten},
    paint::{self, Role},
    time::day,
};
use crate::api::{Delivery, DeliveryState, Message, MessageKind, Quote, command::From};

/// Cells that a quoted message may take.
const QUOTE_CELLS: usize = 60;

/// One message, on as many lines as it takes.
pub fn message(message: &Message, scene: &Scene, look: &Look) -> String {
    shown(message, scene, look, FOLD_LINES)
}

/// Messages in their order, with a line above each new day.
pub fn messages(list: &[Message], scene: &Scene, look: &Look) -> String {
    let mut scene = scene.clone();
    let mut out = String::new();
    for one in list {
        let date = look.date(one.sent_ms);
        if scene.day != Some(date) {
            out.push_str(&day(date, look));
            scene.day = Some(date);
        }
        out.push_str(&message(one, &scene, look));
    }
    out
}

/// One message, cut after `most` lines.
pub(super) fn shown(message: &Message, scene: &Scene, look: &Look, most: usize) -> String {
    let mut out = String::new();
    if let Some(quote) = message.reply_to.as_ref().filter(|_| !look.plain) {
        let cells = QUOTE_CELLS.min(look.width.saturating_sub(10));
        out.push_str(&look.gutter("╭"));
        out.push_str(&look.paint(Role::Dim, &shorten(&quoted(quote), cells)));
        out.push('\n');
    }
    let text = if message.deleted { String::new() } else { safe_block(&message.text) };
    out.push_str(&look.folded(&head(message, scene, look), &text, &tail(message, look), most));
    if let Some(reactions) = reactions(message).filter(|_| !look.plain) {
        out.push_str(&look.block(&look.gutter("╰"), &reactions, ""));
    }
    out
}

fn head(message: &Message, scene: &Scene, look: &Look) -> String {
    let clock = look.clock(message.sent_ms, message.clock_doubtful, scene);
    let number = format!("[{}]", message.number);
    let start = look.paint(Role::Dim, &format!("{clock} {number}"));
    let author = author(message, scene, look);
    match message.kind {
        MessageKind::Action => format!("{start} * {author} "),
        MessageKind::Text | MessageKind::Unknown => format!("{start} {author}: "),
    }
}

/// `me`, `me → @bob` outside of the chat, `✓bob`, `✓@bob` outside of the chat.
fn author(message: &Message, scene: &Scene, look: &Look) -> String {
    let here = scene.chat.as_ref() == Some(&message.chat);
    let name = match &message.from {
        From::Me if here => look.paint(Role::Me, "me"),
        From::Me if look.plain => format!("me to {}", bare(&message.chat, true)),
        From::Me => format!("{} → {}", look.paint(Role::Me, "me"), bare(&message.chat, true)),
        From::Friend(handle) => friend(handle, !here, scene, look),
    };
    match message.reply_to.as_ref().filter(|_| look.plain) {
        Some(quote) => format!("{name} answering {}", shorten(&quoted(quote), QUOTE_CELLS)),
        None => name,
    }
}

/// A friend's name with what is known of the key.
pub(super) fn friend(handle: &Handle, at: bool, scene: &Scene, look: &Look) -> String {
    let name = bare(handle, at);
    let painted = look.paint(paint::name(handle.as_str()), &name);
    match (scene.keys.get(handle).copied().unwrap_or_default(), look.plain) {
        (Trust::Unknown, _) => painted,
        (Trust::Verified, true) => format!("{name} (verified)"),
        (Trust::Verified, false) => format!("✓{painted}"),
        (Trust::Alarm, true) => format!("{name} (KEY CHANGED)"),
        (Trust::Alarm, false) => format!("{}{painted}", look.paint(Role::Alert, "!")),
    }
}

/// A handle as it is shown. Letters of any script may be in it.
pub(super) fn bare(handle: &Handle, at: bool) -> String {
    display::line(&if at { handle.to_string() } else { handle.as_str().to_owned() })
}

fn quoted(quote: &Quote) -> String {
    let number = quote.number.map_or(String::new(), |number| format!("[{number}] "));
    let from = match &quote.from {
        Some(From::Me) => "me: ".to_owned(),
        Some(From::Friend(handle)) => format!("{}: ", handle.as_str()),
        None => String::new(),
    };
    match quote.snippet.as_str() {
        "" if quote.deleted => format!("{number}{from}(deleted)"),
        "" => format!("{number}{from}(not here)"),
        snippet => format!("{number}{from}{snippet}"),
    }
}

/// What stands behind the text: what happened to it, and how far it got.
fn tail(message: &Message, look: &Look) -> String {
    let notes = [
        (message.deleted, "deleted"),
        (message.edited && !message.deleted, "edited"),
        (message.forwarded, "forwarded"),
        (message.pinned, "pinned"),
        (message.late, "came late"),
        (message.restored_copy, "from a restored copy"),
        (message.clock_doubtful && look.plain, "clock doubtful"),
    ];
    let mut words: Vec<String> = notes.iter().filter(|(is, _)| *is).map(|(_, word)| format!("({word})")).collect();
    if look.plain {
        words.extend(reactions(message).map(|given| format!("(reactions: {given})")));
    }
    if let Some(delivery) = message.delivery.filter(|_| message.from == From::Me && !message.deleted) {
        words.extend(Some(mark(delivery, look.plain)).filter(|mark| !mark.is_empty()));
    }
    look.paint(Role::Dim, &words.join(" "))
}

/// How far a message of ours got: a sign, or words.
pub(super) fn mark(delivery: Delivery, plain: bool) -> String {
    let sign = if plain { word(delivery.state) } else { sign(delivery.state) };
    let partly = delivery.devices > 1 && delivery.delivered > 0 && delivery.delivered < delivery.devices;
    if partly { format!("{sign} {}/{}", delivery.delivered, delivery.devices) } else { sign.to_owned() }
}

/// The sign of a state. Where nothing is known nothing is claimed.
pub(super) fn sign(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Unknown => "",
        DeliveryState::Queued => "…",
        DeliveryState::Stored => "⇡",
        DeliveryState::Delivered => "✓",
        DeliveryState::Read => "✓✓",
    }
}

fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Unknown => "",
        DeliveryState::Queued => "(queued)",
        DeliveryState::Stored => "(kept at a rendezvous)",
        DeliveryState::Delivered => "(delivered)",
        DeliveryState::Read => "(read)",
    }
}

fn reactions(message: &Message) -> Option<String> {
    let given = |(reaction, who): &(hobnob_shared::text::Reaction, Vec<From>)| {
        let names: Vec<&str> = who.iter().map(name_of).collect();
        display::line(&format!("{} {}", reaction.as_str(), names.join(", ")))
    };
    let all: Vec<String> = message.reactions.iter().map(given).collect();
    (!all.is_empty()).then(|| all.join("   "))
}

/// The author, in a word.
pub(super) fn name_of(from: &From) -> &str {
    match from {
        From::Me => "me",
        From::Friend(handle) => handle.as_str(),
    }
}
