//! The objects inside JSON lines: a message, a friend, a request… One function each, pure.
//!
//! Text stays as its author wrote it, for a script is no terminal; `write` escapes what a terminal would obey.

use hobnob_shared::{
    id::AccountId,
    identity::fingerprint,
    text::{Handle, Reaction},
};
use serde_json::{Map, Value, json};

use crate::api::{
    Chat, Code, Delivery, DeliveryState, Friend, Message, MessageKind, Missing, NearbyPerson, OwnDevice, Peer,
    Presence, Queued, Quote, Request, RequestKind, Setting, Standing, Unreached, WaitReason, command::From,
};

/// The fields of one object, in the order in which they are written.
pub(crate) type Fields = Map<String, Value>;

/// The fields of a `json!({…})` object.
pub(crate) fn fields(object: Value) -> Fields {
    match object {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Fields::new(),
    }
}

/// A time as RFC 3339 in UTC, to the millisecond. A time past the year 9999 (a clock that lies) becomes its end.
pub(crate) fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", time.unwrap_or(jiff::Timestamp::MAX))
}

/// `code` of an error line.
pub(crate) fn code(code: Code) -> &'static str {
    match code {
        Code::NotFound => "not_found",
        Code::Usage => "usage",
        Code::Network => "network",
        Code::Untrusted => "untrusted",
        Code::Limited => "limited",
        Code::Login => "login",
        Code::Queued => "queued",
        Code::InUse => "in_use",
        Code::NotSaved => "not_saved",
        Code::Conflict => "conflict",
        Code::Unsupported => "unsupported",
        Code::Internal => "internal",
    }
}

/// `presence`: what others see, so `invisible` is only ever our own.
pub(crate) fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Busy => "busy",
        Presence::Invisible => "invisible",
        Presence::Offline => "offline",
    }
}

/// `state` of a message of ours.
pub(crate) fn state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Unknown => "unknown",
        DeliveryState::Queued => "queued",
        DeliveryState::Stored => "stored",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Read => "read",
    }
}

/// `devices`: how many have it, of how many.
pub(crate) fn devices(delivery: Delivery) -> String {
    format!("{}/{}", delivery.delivered, delivery.devices)
}

/// `from`: `me` or `@handle`.
pub(crate) fn from(from: &From) -> String {
    match from {
        From::Me => "me".to_owned(),
        From::Friend(handle) => handle.to_string(),
    }
}

/// A device of our account.
pub(crate) fn device(device: &OwnDevice) -> Value {
    json!({
        "name": device.name.as_str(),
        "device": device.device.to_string(),
        "added": time(device.added_ms),
        "current": device.current,
        "connected": device.connected,
        "last_seen": device.last_seen_ms.map(time),
    })
}

/// Who an account is, in two fields.
pub(crate) fn account(account: &AccountId) -> Fields {
    fields(json!({ "account": account.to_string(), "fingerprint": fingerprint(account) }))
}

/// A message. Marks that are not set are left out.
pub(crate) fn message(message: &Message) -> Fields {
    let mut object = fields(json!({
        "chat": message.chat.to_string(),
        "from": from(&message.from),
        "number": message.number,
        "entry": message.entry.to_string(),
        "kind": kind(message.kind),
        "text": message.text,
        "ts": time(message.sent_ms),
        "received": time(message.received_ms),
        "reply_to": message.reply_to.as_ref().and_then(|quote| quote.number),
        "state": message.delivery.map(|delivery| state(delivery.state)),
    }));
    if let Some(delivery) = message.delivery.filter(|delivery| delivery.state != DeliveryState::Unknown) {
        object.insert("devices".into(), devices(delivery).into());
    }
    if let Some(quote) = &message.reply_to {
        object.insert("quote".into(), quoted(quote).into());
    }
    if !message.reactions.is_empty() {
        object.insert("reactions".into(), reactions(message));
    }
    if let Some(ms) = message.expires_ms {
        object.insert("expires".into(), time(ms).into());
    }
    object.extend(marks(message).filter(|(_, set)| *set).map(|(name, _)| (name.to_owned(), true.into())));
    object
}

fn quoted(quote: &Quote) -> Fields {
    let from = quote.from.as_ref().map(from);
    let mut object = fields(json!({ "number": quote.number, "from": from, "text": quote.snippet }));
    if quote.deleted {
        object.insert("deleted".into(), true.into());
    }
    object
}

fn kind(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Action => "action",
        MessageKind::Unknown => "unknown",
    }
}

fn reactions(message: &Message) -> Value {
    let one = |(reaction, who): &(Reaction, Vec<From>)| json!({ "reaction": reaction.as_str(), "from": who.iter().map(from).collect::<Vec<_>>() });
    message.reactions.iter().map(one).collect()
}

fn marks(message: &Message) -> impl Iterator<Item = (&'static str, bool)> {
    [
        ("edited", message.edited),
        ("deleted", message.deleted),
        ("forwarded", message.forwarded),
        ("pinned", message.pinned),
        ("late", message.late),
        ("restored_copy", message.restored_copy),
        ("clock_doubtful", message.clock_doubtful),
    ]
    .into_iter()
}

/// A friend, with `chat` and `name` the handle, and `nick` what they call themselves.
pub(crate) fn friend(friend: &Friend) -> Fields {
    let mut object = fields(json!({ "name": friend.handle.to_string(), "chat": friend.handle.to_string() }));
    object.extend(account(&friend.account));
    object.extend(fields(json!({
        "nick": friend.nick.as_ref().map(|nick| nick.as_str()),
        "bio": friend.bio.as_ref().map(|bio| bio.as_str()),
        "standing": standing(friend.standing),
        "verified": friend.verified,
        "key_alarm": friend.key_alarm,
        "muted": friend.muted,
        "presence": presence(friend.presence),
        "text": friend.presence_text.as_str(),
        "devices": friend.devices,
        "queued": friend.queued,
        "last_seen": friend.last_seen_ms.map(time),
        "refused": friend.refused,
    })));
    object
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Friend => "friend",
        Standing::Pending => "pending",
        Standing::Blocked => "blocked",
        Standing::Removed => "removed",
    }
}

/// Somebody who waits for `/accept`. `from` is the handle they would get.
pub(crate) fn request(request: &Request) -> Fields {
    let handle = Handle::from_nickname(&request.nick).to_string();
    let (kind, by) = match &request.kind {
        RequestKind::Invite => ("invite", None),
        RequestKind::Nearby => ("nearby", None),
        RequestKind::Introduction { by } => ("introduction", Some(by.to_string())),
        RequestKind::Name { name, server } => ("name", Some(format!("{}@{server}", name.as_str()))),
    };
    let mut object = fields(json!({ "number": request.number, "kind": kind, "from": handle }));
    object.extend(account(&request.account));
    object.extend(fields(json!({
        "nick": request.nick.as_str(),
        "by": by,
        "note": request.note.as_str(),
        "received": time(request.received_ms),
    })));
    object
}

/// A chat of the list.
pub(crate) fn chat(chat: &Chat) -> Value {
    json!({
        "chat": chat.handle.to_string(),
        "unread": chat.unread,
        "queued": chat.queued,
        "held": chat.held,
        "muted": chat.muted,
        "presence": presence(chat.presence),
        "expire_seconds": chat.expire_secs,
        "last": chat.last.as_ref().map(message),
    })
}

/// Somebody in pairing mode.
pub(crate) fn nearby(person: &NearbyPerson) -> Fields {
    let mut object = fields(json!({ "name": person.name.to_string(), "nick": person.nick.as_str() }));
    object.extend(account(&person.account));
    object.insert("friend".into(), person.friend.into());
    object
}

/// A live session.
pub(crate) fn peer(peer: &Peer) -> Value {
    json!({
        "chat": peer.handle.to_string(),
        "device": peer.device.to_string(),
        "name": peer.device_name.as_str(),
        "address": peer.address,
        "outbound": peer.outbound,
        "up_ms": peer.up_ms,
        "bytes_in": peer.bytes.0,
        "bytes_out": peer.bytes.1,
    })
}

/// A friend who is not reached.
pub(crate) fn unreached(friend: &Unreached) -> Value {
    json!({
        "chat": friend.handle.to_string(),
        "addresses": friend.addresses,
        "last_error": friend.last_error,
        "retry_ms": friend.retry_ms,
    })
}

/// A message that waits, and why.
pub(crate) fn queued(queued: &Queued) -> Value {
    let mut object = message(&queued.message);
    object.insert("reason".into(), wait_reason(queued.reason).into());
    object.insert("why".into(), queued.why.clone().into());
    object.into()
}

/// A device of a friend that lacks what another one of theirs has.
pub(crate) fn missing(missing: &Missing) -> Value {
    json!({
        "chat": missing.chat.to_string(),
        "device": missing.device.to_string(),
        "name": missing.device_name.as_str(),
        "count": missing.count,
        "last_seen": missing.last_seen_ms.map(time),
    })
}

fn wait_reason(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::NotAllowed => "not_allowed",
        WaitReason::Sending => "sending",
        WaitReason::Unreachable => "unreachable",
        WaitReason::NoMailbox => "no_mailbox",
        WaitReason::NoRendezvous => "no_rendezvous",
        WaitReason::MailboxFull => "mailbox_full",
        WaitReason::MailboxGone => "mailbox_gone",
        WaitReason::NotTaken => "not_taken",
        WaitReason::Leaving => "leaving",
        WaitReason::Kept => "kept",
    }
}

/// A setting.
pub(crate) fn setting(setting: &Setting) -> Value {
    json!({ "key": setting.key, "value": setting.value, "help": setting.help })
}
