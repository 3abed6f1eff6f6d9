//! Every line that `--json` writes, as pure functions of what happened and when. `docs/json.md` lists the same types
//! and fields, and a test compares the two.

use std::path::Path;

use hobnob_shared::{identity::fingerprint, text::Note};
use serde_json::{Value, json};

use super::{
    server,
    view::{self, Fields, fields},
};
use crate::api::{
    Change, DeviceCopy, Event, Joined, Message, MessageDetails, Presence, Refusal, Reply, Request, WhoAmI,
    command::From,
};

/// The version of the lines. It grows only when a field goes away or changes its meaning.
const VERSION: u32 = 1;

/// What a reply or an error answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The `id` that the command came with.
    Id(Value),
    /// The line of standard input, from 1.
    Line(u64),
    /// Nothing that was asked: starting, or ending.
    None,
}

/// The first line: who we are, and where we can be reached.
pub fn ready(me: &WhoAmI, unread: u64, now_ms: u64) -> Value {
    let mut line = line("ready", now_ms);
    line.extend(who_am_i(me));
    line.insert("unread".into(), unread.into());
    line.into()
}

/// The answer to a command that the engine carried out.
pub fn reply(command: &str, origin: &Origin, reply: &Reply, now_ms: u64) -> Value {
    answer(command, origin, reply_fields(reply), now_ms)
}

/// The answer to a command that the front end carried out itself.
pub(crate) fn answer(command: &str, origin: &Origin, answer: Fields, now_ms: u64) -> Value {
    let mut line = line("reply", now_ms);
    line.extend(origin_fields(origin));
    line.insert("ok".into(), true.into());
    line.insert("command".into(), format!("/{command}").into());
    line.extend(answer);
    line.into()
}

/// A command, a line or a start that was refused.
pub fn error(refusal: &Refusal, origin: &Origin, now_ms: u64) -> Value {
    let mut line = line("error", now_ms);
    line.extend(origin_fields(origin));
    line.insert("code".into(), view::code(refusal.code).into());
    line.insert("message".into(), refusal.message.clone().into());
    line.into()
}

/// The last line. `queued` counts what was sent in this run and is not delivered.
pub fn bye(queued: u64, now_ms: u64) -> Value {
    let mut line = line("bye", now_ms);
    line.insert("queued".into(), queued.into());
    line.into()
}

/// A profile was made, by `hobnob init`: the words that restore it, unless it was made from them or from another
/// device's link.
/// `set_aside` is where a history went that lay there without its keystore.
pub(crate) fn created(
    name: &str,
    profile: &Path,
    recovery_words: Option<&str>,
    set_aside: Option<&Path>,
    now_ms: u64,
) -> Value {
    let mut line = line("profile.created", now_ms);
    line.extend(fields(json!({
        "name": name,
        "profile": profile,
        "recovery_words": recovery_words,
        "set_aside": set_aside,
    })));
    line.into()
}

/// The same by `hobnob init --link`, with the name that the new device got.
pub(crate) fn linked(name: &str, profile: &Path, device_name: &str, now_ms: u64) -> Value {
    let mut line = created(name, profile, None, None, now_ms);
    if let Value::Object(fields) = &mut line {
        fields.insert("device_name".into(), device_name.into());
    }
    line
}

/// What happened.
pub fn event(event: &Event, now_ms: u64) -> Value {
    let (kind, fields) = event_fields(event);
    let mut line = line(kind, now_ms);
    // A message's `ts` is the time at which it was written, and replaces that of the line.
    line.extend(fields);
    line.into()
}

fn line(kind: &str, now_ms: u64) -> Fields {
    fields(json!({ "v": VERSION, "type": kind, "ts": view::time(now_ms) }))
}

fn origin_fields(origin: &Origin) -> Fields {
    match origin {
        Origin::Id(id) => fields(json!({ "id": id })),
        Origin::Line(number) => fields(json!({ "line": number })),
        Origin::None => Fields::new(),
    }
}

fn who_am_i(me: &WhoAmI) -> Fields {
    fields(json!({
        "account": me.account.to_string(),
        "device": me.device.to_string(),
        "fingerprint": fingerprint(&me.account),
        "name": me.nick.as_str(),
        "bio": me.bio.as_str(),
        "device_name": me.device_name.as_str(),
        "names": me.names,
        "presence": view::presence(me.presence),
        "text": me.presence_text.as_str(),
        "listen": me.listen,
    }))
}

fn shown(presence: Presence, text: &Note) -> Fields {
    fields(json!({ "presence": view::presence(presence), "text": text.as_str() }))
}

fn reply_fields(reply: &Reply) -> Fields {
    match reply {
        Reply::Done => Fields::new(),
        Reply::WhoAmI(me) => who_am_i(me),
        Reply::Shown { presence, text } => shown(*presence, text),
        Reply::Invite { link, local_only } => fields(json!({ "link": link, "local_only": local_only })),
        Reply::Devices(devices) => list("devices", devices, view::device),
        Reply::Joined(joined) => joined_fields(joined),
        Reply::Friend(friend) => view::friend(friend),
        Reply::Friends(friends) => list("friends", friends, |friend| view::friend(friend).into()),
        Reply::Requests(requests) => list("requests", requests, |request| view::request(request).into()),
        Reply::Sent(message) => view::message(message),
        Reply::Messages(messages) => list("messages", messages, message),
        Reply::Chats(chats) => list("chats", chats, view::chat),
        Reply::Next(chat) => fields(json!({ "chat": chat.as_ref().map(ToString::to_string) })),
        Reply::Safety { handle, number, words, verified } => fields(json!({
            "chat": handle.to_string(), "safety_number": number, "safety_words": words, "verified": verified,
        })),
        Reply::Nearby { on, ends_in_ms, people, loopback_only } => fields(json!({
            "on": on,
            "ends_in_ms": ends_in_ms,
            "loopback_only": loopback_only,
            "people": people.iter().map(view::nearby).collect::<Vec<_>>(),
        })),
        Reply::Info(details) => details_fields(details),
        Reply::Net { listen, sessions, pairing, unreached, servers } => fields(json!({
            "listen": listen,
            "sessions": sessions,
            "pairing": pairing,
            "unreached": unreached.iter().map(view::unreached).collect::<Vec<_>>(),
            "servers": servers.iter().map(server::server).collect::<Vec<_>>(),
        })),
        Reply::Servers(servers) => list("servers", servers, |one| server::server(one).into()),
        Reply::Found(found) => server::found(found),
        // For flows that go on from it; they answer in words of their own.
        Reply::Answered { .. } | Reply::MyAccount(_) => Fields::new(),
        Reply::Peers(peers) => list("peers", peers, view::peer),
        Reply::Pong { round_trip_ms } => fields(json!({ "round_trip_ms": round_trip_ms })),
        Reply::Outbox { queued, missing } => {
            let mut fields = list("queued", queued, view::queued);
            fields.extend(list("missing", missing, view::missing));
            fields
        }
        Reply::Settings(settings) => list("settings", settings, view::setting),
        Reply::Listening { unread, messages } => {
            let mut fields = fields(json!({ "unread": unread }));
            fields.extend(list("messages", messages, message));
            fields
        }
    }
}

fn list<T>(name: &str, items: &[T], one: impl Fn(&T) -> Value) -> Fields {
    let mut fields = Fields::new();
    fields.insert(name.into(), items.iter().map(one).collect());
    fields
}

fn joined_fields(joined: &Joined) -> Fields {
    let mut joined_fields = view::account(&joined.account);
    let names = json!({ "name": joined.nick.as_str(), "device_name": joined.device_name.as_str() });
    joined_fields.extend(fields(names));
    joined_fields
}

fn message(message: &Message) -> Value {
    view::message(message).into()
}

fn details_fields(details: &MessageDetails) -> Fields {
    let copy = |one: &DeviceCopy| {
        let last_seen = one.last_seen_ms.map(view::time);
        json!({ "name": one.name.as_str(), "state": view::state(one.state), "last_seen": last_seen })
    };
    let mut fields = view::message(&details.message);
    fields.extend(self::fields(json!({
        "device": details.device.to_string(),
        "seq": details.seq,
        "lamport": details.lamport,
        "signature": data_encoding::HEXLOWER.encode(&details.signature),
        "copies": details.devices.iter().map(copy).collect::<Vec<_>>(),
        "history": details.history,
    })));
    fields
}

/// The type of an event's line, and its fields.
fn event_fields(event: &Event) -> (&'static str, Fields) {
    match event {
        Event::Message(message) => (message_type(message), view::message(message)),
        Event::MessageChanged { message, change } => ("message.changed", changed(message, *change)),
        Event::MessageState { chat, number, entry, delivery, advances: _ } => (
            "message.state",
            fields(json!({
                "chat": chat.to_string(),
                "number": number,
                "entry": entry.to_string(),
                "state": view::state(delivery.state),
                "devices": view::devices(*delivery),
            })),
        ),
        Event::FriendRequested(request) => ("friend.requested", requested(request)),
        Event::FriendAdded(friend) => ("friend.added", view::friend(friend)),
        Event::FriendChanged(friend) => ("friend.changed", view::friend(friend)),
        Event::FriendRemoved(chat) => ("friend.removed", fields(json!({ "chat": chat.to_string() }))),
        Event::FriendRenamed { from, to } => {
            ("friend.renamed", fields(json!({ "chat": to.to_string(), "was": from.to_string() })))
        }
        Event::FriendKeyChanged(friend) => ("friend.key_changed", view::friend(friend)),
        Event::FriendNewDevice { chat, device_name, device } => (
            "friend.new_device",
            fields(json!({ "chat": chat.to_string(), "name": device_name, "device": device.to_string() })),
        ),
        Event::DeviceAdded { name, device } => {
            ("device.added", fields(json!({ "name": name.as_str(), "device": device.to_string() })))
        }
        Event::DeviceRevoked { name, device, current } => (
            "device.revoked",
            fields(json!({ "name": name.as_str(), "device": device.to_string(), "current": current })),
        ),
        Event::ReadElsewhere { chat, unread } => {
            ("chat.read", fields(json!({ "chat": chat.to_string(), "unread": unread })))
        }
        Event::PresenceChanged { chat, presence, text } => (
            "presence.changed",
            fields(json!({
                "chat": chat.to_string(), "presence": view::presence(*presence), "text": text.as_str(),
            })),
        ),
        Event::PresenceChosen { presence, text } => ("presence.chosen", shown(*presence, text)),
        Event::Typing { chat, typing } => {
            ("chat.typing", fields(json!({ "chat": chat.to_string(), "typing": typing })))
        }
        Event::NearbyFound(person) => ("nearby.found", view::nearby(person)),
        Event::NearbyEnded => ("nearby.ended", Fields::new()),
        Event::SafetyWords { chat, words } => {
            ("verify.words", fields(json!({ "chat": chat.to_string(), "safety_words": words })))
        }
        Event::Gap { chat, missing } => ("chat.gap", fields(json!({ "chat": chat.to_string(), "missing": missing }))),
        Event::ExpirySet { chat, after_secs, by_me } => {
            ("chat.expiry", fields(json!({ "chat": chat.to_string(), "expire_seconds": after_secs, "by_me": by_me })))
        }
        Event::ServerChanged(one) => ("rendezvous.changed", server::server(one)),
        Event::Listening(listen) => ("node.listening", fields(json!({ "listen": listen }))),
        Event::SettingChanged { key, value } => ("setting.changed", fields(json!({ "key": key, "value": value }))),
        Event::Warning { chat, message } => {
            ("warning", fields(json!({ "chat": chat.as_ref().map(ToString::to_string), "message": message })))
        }
        Event::NotSaved { why } => ("disk.failed", fields(json!({ "why": why }))),
        Event::Saved => ("disk.recovered", Fields::new()),
        Event::Missed(count) => ("missed", fields(json!({ "count": count }))),
    }
}

fn message_type(message: &Message) -> &'static str {
    match message.from {
        From::Me => "message.sent",
        From::Friend(_) => "message.received",
    }
}

fn changed(message: &Message, change: Change) -> Fields {
    let change = match change {
        Change::Edited => "edited",
        Change::Deleted => "deleted",
        Change::Reacted => "reacted",
        Change::Pinned => "pinned",
        Change::Expired => "expired",
    };
    let mut fields = fields(json!({ "entry": message.entry.to_string(), "change": change }));
    fields.extend(view::message(message));
    fields
}

fn requested(request: &Request) -> Fields {
    let mut fields = view::request(request);
    if let Some(handle) = fields.get("from").cloned() {
        fields.insert("chat".into(), handle);
    }
    fields
}
