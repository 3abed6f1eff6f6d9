//! What happened, in a line.

use hobnob_shared::text::{Handle, display};

use super::{
    Look, Scene,
    layout::shorten,
    message::{bare, message, name_of, sign},
    notice,
    paint::Role,
    people::{presence_words, request_line, shown_as},
    server,
    time::{exact_span, span},
};
use crate::api::{Change, Delivery, DeliveryState, Event, Message, Presence, command::From};

/// Cells that a changed message may take in its notice.
const CHANGED_CELLS: usize = 48;

/// What a person is told whose device was revoked.
const REVOKED: &str = "this device was revoked by another one of your account: it sends and receives nothing any more. What is \
                       here stays readable, and /logout takes the account's name at a rendezvous off it. To chat on this \
                       machine again, make another profile: link it (hobnob -P NAME init --link LINK), or start hobnob -P \
                       NAME and /login there";

/// What happened; nothing where a person need not be told.
pub fn event(event: &Event, scene: &Scene, look: &Look) -> Option<String> {
    let words = match event {
        Event::Message(one) => return Some(message(one, scene, look)),
        Event::MessageChanged { message: one, change: Change::Edited } => return Some(message(one, scene, look)),
        Event::MessageChanged { message, change } => changed(message, *change)?,
        Event::MessageState { advances: false, .. } => return None,
        Event::MessageState { chat, number, delivery, .. } => {
            return moved(&[Moved { chat: chat.clone(), number: *number, delivery: *delivery }], look);
        }
        Event::FriendRequested(request) => {
            format!("a friend request: {}. /accept {1} or /decline {1}", request_line(request), request.number)
        }
        Event::FriendAdded(friend) => {
            format!("you and {0} are friends now: write \"{0} hello\"", bare(&friend.handle, true))
        }
        Event::FriendRemoved(handle) => format!("{} is no longer a friend", bare(handle, true)),
        Event::FriendRenamed { from, to } => format!("{} is now {}", bare(from, true), bare(to, true)),
        Event::FriendKeyChanged(friend) => return Some(key_alarm(&friend.handle, look)),
        Event::FriendNewDevice { chat, device_name, device } => {
            format!("{} has a new device: {} ({device:?})", bare(chat, true), display::line(device_name))
        }
        Event::DeviceAdded { name, device } => format!(
            "a new device of yours: {} ({device:?}). If it is not you who linked it or logged in on it: /device revoke {device:?}, \
             and another password for your name (/passwd rendezvous)",
            display::line(name.as_str())
        ),
        Event::DeviceRevoked { current: true, .. } => return Some(alert(REVOKED, look)),
        Event::DeviceRevoked { name, device, .. } => {
            format!("{} ({device:?}) is no longer a device of yours", display::line(name.as_str()))
        }
        Event::PresenceChanged { chat, presence, text } => present(chat, *presence, text.as_str()),
        Event::PresenceChosen { presence, text } => {
            format!("you show yourself as {}, as chosen on another of your machines", shown_as(*presence, text))
        }
        Event::NearbyFound(person) => near(person)?,
        Event::NearbyEnded => "pairing mode is over: nobody near sees you any more".to_owned(),
        Event::SafetyWords { chat, words } => compare(chat, words),
        Event::Gap { chat, missing } => gap(chat, *missing),
        Event::ExpirySet { chat, after_secs, by_me } => expiry(chat, *after_secs, *by_me),
        Event::ServerChanged(one) => server::changed(one)?,
        Event::Warning { chat, message } => return Some(warning(chat.as_ref(), message, look)),
        Event::NotSaved { why } => {
            let text =
                format!("the disk refuses ({why}): nothing new is kept until it takes again; what is shown stays");
            return Some(alert(&text, look));
        }
        Event::Saved => "the disk takes again: everything is kept".to_owned(),
        Event::Missed(count) => format!("{count} events came too fast to show; /history and /chats have them"),
        Event::FriendChanged(_)
        | Event::Typing { .. }
        | Event::Listening(_)
        | Event::ReadElsewhere { .. }
        | Event::SettingChanged { .. } => return None,
    };
    Some(notice(&words, look))
}

/// A message of ours that got further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// In which chat.
    pub chat: Handle,
    /// Which one.
    pub number: u64,
    /// How far it is now.
    pub delivery: Delivery,
}

/// Messages of ours that got further, in one line a chat and state.
pub fn moved(list: &[Moved], look: &Look) -> Option<String> {
    let mut groups: Vec<(&Moved, Vec<u64>)> = Vec::new();
    for one in list {
        let same = groups.iter_mut().find(|(first, _)| first.chat == one.chat && first.delivery == one.delivery);
        match same {
            Some((_, numbers)) => numbers.push(one.number),
            None => groups.push((one, vec![one.number])),
        }
    }
    let mut out = String::new();
    for (first, mut numbers) in groups {
        numbers.sort_unstable();
        numbers.dedup();
        let line = moved_line(first, &ranges(&numbers), look);
        let head = look.gutter("·");
        out.push_str(&if look.plain {
            format!("{line}\n")
        } else {
            format!("{head}{}\n", look.paint(Role::Dim, &line))
        });
    }
    (!out.is_empty()).then_some(out)
}

fn moved_line(one: &Moved, numbers: &str, look: &Look) -> String {
    let name = bare(&one.chat, true);
    let mark = if look.plain { String::new() } else { format!("{} ", sign(one.delivery.state)) };
    let devices = match one.delivery {
        Delivery { delivered, devices, .. } if devices > 1 && delivered < devices => {
            format!(" on {delivered} of {devices} devices")
        }
        _ => String::new(),
    };
    match (one.delivery.state, look.plain) {
        (DeliveryState::Unknown, _) => format!("{numbers}: not known here yet whether {name} has it"),
        (DeliveryState::Queued, _) => format!("{mark}{numbers} waits for {name}"),
        (DeliveryState::Stored, _) => format!("{mark}{numbers} kept for {name} at a rendezvous"),
        (DeliveryState::Delivered, false) => format!("{mark}{name} has {numbers}{devices}"),
        (DeliveryState::Delivered, true) => format!("delivered to {name}: {numbers}{devices}"),
        (DeliveryState::Read, false) => format!("{mark}{name} has read {numbers}"),
        (DeliveryState::Read, true) => format!("read by {name}: {numbers}"),
    }
}

/// `[4], [6]–[9]`.
fn ranges(sorted: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let words: Vec<String> = runs
        .iter()
        .map(|(first, last)| if first == last { format!("[{first}]") } else { format!("[{first}]–[{last}]") })
        .collect();
    words.join(", ")
}

fn changed(message: &Message, change: Change) -> Option<String> {
    let what = format!("[{}]", message.number);
    let snippet = || shorten(&message.text, CHANGED_CELLS);
    match change {
        Change::Edited => None,
        Change::Deleted if message.from == From::Me => Some(format!("{what} is deleted")),
        Change::Deleted => Some(format!("{} deleted {what}", bare_from(&message.from))),
        Change::Reacted => Some(format!("{what} {}: {}", reacted(message), snippet())),
        Change::Pinned if message.pinned => Some(format!("{what} is pinned: {}", snippet())),
        Change::Pinned => Some(format!("{what} is no longer pinned")),
        // It goes quietly; that is what was asked for.
        Change::Expired => None,
    }
}

fn bare_from(from: &From) -> String {
    display::line(name_of(from))
}

fn reacted(message: &Message) -> String {
    let all: Vec<String> = message
        .reactions
        .iter()
        .map(|(reaction, who)| {
            let names: Vec<&str> = who.iter().map(name_of).collect();
            display::line(&format!("{} {}", reaction.as_str(), names.join(", ")))
        })
        .collect();
    if all.is_empty() { "has no reactions now".to_owned() } else { all.join("  ") }
}

fn present(chat: &Handle, presence: Presence, text: &str) -> String {
    let text = if text.is_empty() { String::new() } else { format!(": {}", shorten(text, CHANGED_CELLS)) };
    format!("{} is {}{text}", bare(chat, true), presence_words(presence))
}

fn near(person: &crate::api::NearbyPerson) -> Option<String> {
    let name = bare(&person.name, false);
    let nick = shorten(person.nick.as_str(), CHANGED_CELLS);
    (!person.friend).then(|| format!("near you: “{nick}”; /add {name} asks them"))
}

fn compare(chat: &Handle, words: &[String; 3]) -> String {
    let name = bare(chat, true);
    let [one, two, three] = words;
    format!(
        "{name} compares keys with you. Your words: {one} {two} {three}. The same at the other side? /verify {name} yes, \
         otherwise /verify {name} no"
    )
}

fn gap(chat: &Handle, missing: u64) -> String {
    let (messages, are) = if missing == 1 { ("message", "is") } else { ("messages", "are") };
    format!(
        "{missing} {messages} of {} {are} missing here, and nobody who has them is there; they come when somebody is",
        bare(chat, true)
    )
}

fn expiry(chat: &Handle, after_secs: Option<u64>, by_me: bool) -> String {
    let name = bare(chat, true);
    let whose = if by_me { format!("messages with {name}") } else { format!("{name} lets messages between you") };
    match after_secs {
        Some(secs) => {
            format!("{whose} disappear after {} from now on (/expire off ends it)", exact_span(secs))
        }
        None => format!("{whose} stay from now on"),
    }
}

fn key_alarm(handle: &Handle, look: &Look) -> String {
    let name = bare(handle, true);
    let text = format!(
        "the key of {name} changed: their account shows two histories that cannot both be true. Nothing is sent to {name} \
         until you have asked them another way and typed /verify {name} yes"
    );
    alert(&text, look)
}

fn warning(chat: Option<&Handle>, message: &str, look: &Look) -> String {
    let about = chat.map_or(String::new(), |chat| format!("{}: ", bare(chat, true)));
    alert(&format!("{about}{message}"), look)
}

fn alert(text: &str, look: &Look) -> String {
    let head = if look.plain { "warning: ".to_owned() } else { format!("{} ", look.paint(Role::Alert, "!")) };
    look.sentence(&head, text)
}

/// How long until something, for lists.
pub(super) fn in_ms(ms: u64) -> String {
    format!("in {}", span(ms / 1000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use hobnob_shared::{id::DeviceId, text::Nickname};
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn notices_of_devices_say_which_one_as_the_list_does() {
        let (name, device) = (Nickname::parse("phone").unwrap(), DeviceId::new([0xa3; 32]));
        let chat = Handle::parse("bob").unwrap();
        for notice in [
            Event::DeviceAdded { name: name.clone(), device },
            Event::DeviceRevoked { name: name.clone(), device, current: false },
            Event::FriendNewDevice { chat, device_name: "phone".to_owned(), device },
        ] {
            let text = event(&notice, &Scene::default(), &Look::plain(TimeZone::UTC, 0)).unwrap();
            assert!(text.contains("phone (a3a3a3a3)"), "{text}");
        }
    }
}
