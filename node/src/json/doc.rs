//! Keeps `docs/json.md` true: its examples are exactly what `out` writes, and every field is named.
//!
//! `HOBNOB_BLESS=1 cargo test -p hobnob json::doc` writes the examples anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::Value;

use super::{samples, write};
use crate::api::{Event, Reply};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md");

/// The example of a section, between its fences.
fn example(page: &str, name: &str) -> Option<(usize, usize)> {
    let heading = page.find(&format!("\n### `{name}`"))? + 1;
    let rest = page.get(heading..)?;
    let end = rest.get(3..)?.find("\n#").map_or(rest.len(), |at| at + 3);
    let open = rest.get(..end)?.find("```json\n")? + "```json\n".len();
    let close = rest.get(open..end)?.find("```")? + open;
    Some((heading + open, heading + close))
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| String::from_utf8(write::line(value)).unwrap()).collect()
}

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_page_shows_every_line_as_it_is_written() {
    let mut page = std::fs::read_to_string(PAGE).unwrap();
    let bless = std::env::var_os("HOBNOB_BLESS").is_some();
    for (name, values) in samples::sections() {
        let (start, end) = example(&page, &name).unwrap_or_else(|| panic!("docs/json.md has no example of {name}"));
        if bless {
            page.replace_range(start..end, &lines(&values));
        } else {
            assert_eq!(page.get(start..end).unwrap(), lines(&values), "the example of {name} in docs/json.md");
        }
    }
    if bless {
        std::fs::write(PAGE, page).unwrap();
    }
}

#[test]
fn the_page_names_every_field_and_no_other_type() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let sections = samples::sections();
    let mut named = BTreeSet::new();
    sections.iter().flat_map(|(_, lines)| lines).for_each(|line| keys(line, &mut named));
    for key in named {
        assert!(page.contains(&format!("`{key}`")), "docs/json.md does not name the field {key}");
    }
    let known: BTreeSet<&str> = sections.iter().map(|(name, _)| name.as_str()).chain(LOCAL).collect();
    for heading in page.lines().filter_map(|line| line.strip_prefix("### `")) {
        let name = heading.split('`').next().unwrap();
        assert!(known.contains(name), "docs/json.md describes {name}, which is never written");
    }
}

/// Replies that the front end makes itself; `script` has their tests.
const LOCAL: [&str; 3] = ["/help", "/version", "/recovery"];

#[test]
fn the_page_says_what_every_command_answers() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    for spec in crate::command::all() {
        let name = format!("/{}", spec.name);
        let is_it = |behind: &str| behind.starts_with(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        assert!(page.split(&name).skip(1).any(is_it), "docs/json.md does not say what {name} answers");
    }
}

/// Each kind of event has a number here, so that a new one without a sample is noticed.
fn kind(event: &Event) -> usize {
    match event {
        Event::Message(_) => 0,
        Event::MessageChanged { .. } => 1,
        Event::MessageState { .. } => 2,
        Event::FriendRequested(_) => 3,
        Event::FriendAdded(_) => 4,
        Event::FriendChanged(_) => 5,
        Event::FriendRemoved(_) => 6,
        Event::FriendRenamed { .. } => 7,
        Event::FriendKeyChanged(_) => 8,
        Event::FriendNewDevice { .. } => 9,
        Event::DeviceAdded { .. } => 10,
        Event::DeviceRevoked { .. } => 11,
        Event::ReadElsewhere { .. } => 12,
        Event::PresenceChanged { .. } => 13,
        Event::Typing { .. } => 14,
        Event::NearbyFound(_) => 15,
        Event::NearbyEnded => 16,
        Event::SafetyWords { .. } => 17,
        Event::Gap { .. } => 18,
        Event::ExpirySet { .. } => 19,
        Event::Listening(_) => 20,
        Event::ServerChanged(_) => 21,
        Event::SettingChanged { .. } => 22,
        Event::Warning { .. } => 23,
        Event::NotSaved { .. } => 24,
        Event::Saved => 25,
        Event::Missed(_) => 26,
        Event::PresenceChosen { .. } => 27,
    }
}

/// The same for replies. The last three are written nowhere by themselves: flows go on from them, or they open the run.
fn reply_kind(reply: &Reply) -> usize {
    match reply {
        Reply::Done => 0,
        Reply::WhoAmI(_) => 1,
        Reply::Invite { .. } => 2,
        Reply::Devices(_) => 3,
        Reply::Joined(_) => 4,
        Reply::Friend(_) => 5,
        Reply::Friends(_) => 6,
        Reply::Requests(_) => 7,
        Reply::Sent(_) => 8,
        Reply::Messages(_) => 9,
        Reply::Chats(_) => 10,
        Reply::Next(_) => 11,
        Reply::Safety { .. } => 12,
        Reply::Nearby { .. } => 13,
        Reply::Info(_) => 14,
        Reply::Net { .. } => 15,
        Reply::Peers(_) => 16,
        Reply::Pong { .. } => 17,
        Reply::Outbox { .. } => 18,
        Reply::Found(_) => 19,
        Reply::Settings(_) => 20,
        Reply::Servers(_) => 21,
        Reply::Shown { .. } => 22,
        Reply::Answered { .. } | Reply::MyAccount(_) | Reply::Listening { .. } => 23,
    }
}

/// Each kind once, in order.
fn counts(kinds: impl Iterator<Item = usize>) -> Vec<usize> {
    let found: BTreeSet<usize> = kinds.collect();
    found.into_iter().collect()
}

#[test]
fn every_event_and_every_reply_has_a_sample() {
    assert_eq!(counts(samples::events().iter().map(kind)), (0..28).collect::<Vec<_>>());
    assert_eq!(counts(samples::replies().iter().map(|(_, reply)| reply_kind(reply))), (0..23).collect::<Vec<_>>());
}
