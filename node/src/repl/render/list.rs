//! Tables and lists. In plain mode a row is a line with its cells behind each other.

use hobnob_shared::text::display;

use super::{
    Look, Scene,
    event::in_ms,
    layout::{pad, shorten, visible_width},
    message::{bare, message},
    people::presence_words,
    time::span,
};
use crate::api::{Chat, Missing, Peer, Queued, Setting, Unreached, command::From};

/// No column but the last is wider than this.
const COLUMN_CELLS: usize = 24;

/// Stands before an address of ours.
pub(super) const LISTENING: &str = "listening on ";

/// Stands before what had no room in its row.
const BELOW: &str = "      ";

/// The rows, their columns below each other.
pub(super) fn rows(cells: &[Vec<String>], look: &Look) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in cells {
        for (at, cell) in row.iter().enumerate() {
            let width = visible_width(cell).min(COLUMN_CELLS);
            match widths.get_mut(at) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let line =
        |row: &Vec<String>| if look.plain { row_in_words(row) } else { row_in_columns(row, &widths, look.width) };
    cells.iter().map(line).collect::<Vec<String>>().join("\n")
}

/// Names and what they stand for: columns, or in plain mode `name: value`, so that a line reads by itself.
pub(super) fn facts(pairs: &[Vec<String>], look: &Look) -> String {
    let line = |row: &Vec<String>| match row.as_slice() {
        [name, value, words] if !words.is_empty() => format!("{name}: {value} ({words})"),
        [name, rest @ ..] => format!("{name}: {}", rest.join(" ").trim_end()),
        [] => String::new(),
    };
    if look.plain { pairs.iter().map(line).collect::<Vec<String>>().join("\n") } else { rows(pairs, look) }
}

fn row_in_words(row: &[String]) -> String {
    let filled: Vec<&str> = row.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
    filled.join(", ")
}

/// A last cell narrower than this is hard to read: it stands below its row instead.
const LAST_CELLS: usize = 32;

/// A last cell that does not fit goes on below its beginning, or stands below, indented: nothing begins at the edge but
/// what we say.
fn row_in_columns(row: &[String], widths: &[usize], room: usize) -> String {
    let mut line = String::new();
    for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
        let is_last = at + 1 == row.len();
        if is_last && at > 0 && visible_width(&line) + 2 + visible_width(cell) > room {
            let begin = visible_width(&line) + 2;
            let hangs = room.saturating_sub(begin) >= LAST_CELLS;
            let indent = if hangs { " ".repeat(begin) } else { BELOW.to_owned() };
            let pieces = display::wrap(cell, room.saturating_sub(indent.len()).max(16));
            let pieces: Vec<String> = pieces.iter().map(|piece| display::line(piece)).collect();
            line.truncate(line.trim_end().len());
            let gap = if hangs { " ".repeat(begin - visible_width(&line)) } else { format!("\n{indent}") };
            line.push_str(&format!("{gap}{}", pieces.join(&format!("\n{indent}"))));
            break;
        }
        line.push_str("  ");
        line.push_str(&pad(cell, *width));
    }
    line.trim_end().to_owned()
}

/// The chats, the newest message of each.
pub(super) fn chats(list: &[Chat], empty: &str, look: &Look) -> String {
    if list.is_empty() {
        return empty.to_owned();
    }
    let cells: Vec<Vec<String>> = list.iter().map(|chat| chat_row(chat, look)).collect();
    rows(&cells, look)
}

fn chat_row(chat: &Chat, look: &Look) -> Vec<String> {
    let mut counts = Vec::new();
    if chat.unread > 0 {
        counts.push(if look.plain { format!("{} unread", chat.unread) } else { format!("●{}", chat.unread) });
    }
    if chat.queued > 0 {
        counts.push(if look.plain { format!("{} queued", chat.queued) } else { format!("…{}", chat.queued) });
    }
    if chat.held > 0 {
        counts.push(match chat.held {
            1 => "1 more has come, and is shown once what it follows is here".to_owned(),
            held => format!("{held} more have come, and are shown once what they follow is here"),
        });
    }
    if chat.muted {
        counts.push("muted".to_owned());
    }
    if let Some(secs) = chat.expire_secs {
        counts.push(format!("gone after {}", super::time::exact_span(secs)));
    }
    let room = if look.plain { 80 } else { look.width.saturating_sub(50).clamp(16, 60) };
    let last = chat.last.as_ref().map_or(String::new(), |message| {
        let who = if message.from == From::Me { "me: " } else { "" };
        let clock = look.clock(message.sent_ms, message.clock_doubtful, &Scene::default());
        format!("{clock} [{}] {who}{}", message.number, shorten(&message.text, room))
    });
    vec![bare(&chat.handle, true), presence_words(chat.presence).to_owned(), counts.join(" "), last]
}

/// The live sessions.
pub(super) fn peers(list: &[Peer], look: &Look) -> String {
    if list.is_empty() {
        return "no session is up; /net says why".to_owned();
    }
    let line = |peer: &Peer| {
        let way = if peer.outbound { "we dialled" } else { "they dialled" };
        vec![
            bare(&peer.handle, true),
            shorten(peer.device_name.as_str(), COLUMN_CELLS),
            format!("up {}", span(peer.up_ms / 1000)),
            way.to_owned(),
            format!("{} in, {} out", bytes(peer.bytes.0), bytes(peer.bytes.1)),
            display::line(&peer.address),
        ]
    };
    let cells: Vec<Vec<String>> = list.iter().map(line).collect();
    rows(&cells, look)
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}

/// The state of the network.
pub(super) fn net(listen: &[String], sessions: usize, pairing: bool, unreached: &[Unreached], look: &Look) -> String {
    let mut lines = Vec::new();
    if listen.is_empty() {
        lines.push("listening nowhere: nobody can dial this node, but it can dial others".to_owned());
    }
    for address in listen {
        lines.push(format!("{LISTENING}{}", display::line(address)));
    }
    let up = if sessions == 1 { "1 session is up".to_owned() } else { format!("{sessions} sessions are up") };
    lines.push(format!("{up} (/peers lists them)"));
    if pairing {
        lines.push("pairing mode is on (/nearby off ends it)".to_owned());
    }
    if !unreached.is_empty() {
        lines.push("not reached:".to_owned());
        let cells: Vec<Vec<String>> = unreached.iter().map(unreached_row).collect();
        lines.push(rows(&cells, look));
    }
    lines.join("\n")
}

fn unreached_row(one: &Unreached) -> Vec<String> {
    let why = match (&one.last_error, one.addresses.as_slice()) {
        (Some(error), _) => shorten(error, 80),
        (None, []) => "no address is known; /connect gives one".to_owned(),
        (None, _) => "not tried yet".to_owned(),
    };
    let next = one.retry_ms.map_or(String::new(), |ms| format!("next try {}", in_ms(ms)));
    let addresses = one.addresses.iter().map(|address| display::line(address)).collect::<Vec<_>>().join(" ");
    vec![bare(&one.handle, true), why, next, addresses]
}

/// What nobody has yet, and then what some of their machines lack.
pub(super) fn outbox(list: &[Queued], missing: &[Missing], scene: &Scene, look: &Look) -> String {
    let mut out = String::new();
    if list.is_empty() {
        out.push_str("everything is delivered\n");
    }
    for queued in list {
        out.push_str(&message(&queued.message, scene, look));
        let why = display::line(&queued.why);
        out.push_str(&if look.plain { format!("why: {why}\n") } else { look.block(&look.gutter("╰"), &why, "") });
    }
    for one in missing {
        out.push_str(&look.block("", &missing_words(one, look), ""));
    }
    out
}

fn missing_words(one: &Missing, look: &Look) -> String {
    let messages = if one.count == 1 { "message is" } else { "messages are" };
    let seen = one.last_seen_ms.map_or("never here yet".to_owned(), |ms| format!("last here {}", look.ago(ms)));
    format!(
        "{} {messages} still missing on {}’s device “{}” ({seen}); it gets what their other devices have. A device that is \
         gone for good they take out with /device revoke",
        one.count,
        one.chat,
        shorten(one.device_name.as_str(), 40)
    )
}

/// Settings with what they do; an alias with what it stands for.
pub(super) fn settings(list: &[Setting], look: &Look) -> String {
    if list.is_empty() {
        return "there are none".to_owned();
    }
    let line = |setting: &Setting| {
        let key = match setting.key.strip_prefix(crate::command::ALIAS_PREFIX) {
            Some(alias) => format!("/{alias}"),
            None => setting.key.clone(),
        };
        vec![display::line(&key), display::line(&setting.value), setting.help.to_owned()]
    };
    let cells: Vec<Vec<String>> = list.iter().map(line).collect();
    facts(&cells, look)
}
