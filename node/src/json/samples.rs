//! One value of everything that can become a line: what `docs/json.md` shows and its test compares.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use hobnob_shared::{
    id::{AccountId, DeviceId, EntryId},
    identity::{AccountKey, AccountRecord, Certificate, DeviceKeys, Profile},
    rendezvous::Address,
    text::{Handle, Nickname, Note, Reaction, Username},
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::{Value, json};

use super::{
    Fields, account,
    out::{self, Origin},
};
use crate::account::{DeviceStanding, Fate, Left, LoginEnd};
use crate::api::{
    Change, Chat, Code, Delivery, DeliveryState, DeviceCopy, Event, Found, Friend, Joined, Message, MessageDetails,
    MessageKind, Missing, NearbyPerson, OwnDevice, Peer, Presence, Queued, Quote, Refusal, Reply, Request, RequestKind,
    ServerState, ServerView, Setting, Standing, Unreached, WaitReason, WhoAmI, command::From,
};

/// When the lines are written: 2026-11-23 15:04:05.678 UTC.
const NOW: u64 = 1_795_446_245_678;
/// When the messages in them were.
const SENT: u64 = NOW - 1_234;

/// A section of the page, and the lines shown in it.
pub(super) fn sections() -> Vec<(String, Vec<Value>)> {
    let mut sections = vec![
        ("profile.created".to_owned(), created()),
        ("ready".to_owned(), vec![out::ready(&me(), 2, NOW)]),
        ("error".to_owned(), errors()),
        ("bye".to_owned(), vec![out::bye(0, NOW)]),
    ];
    for (command, reply) in replies() {
        let name = command.split(' ').next().unwrap();
        let line = out::reply(name, &Origin::Id(7.into()), &reply, NOW);
        sections.push((format!("/{command}"), vec![line]));
    }
    for (command, fields) in answers() {
        sections.push((format!("/{command}"), vec![out::answer(command, &Origin::Id(7.into()), fields, NOW)]));
    }
    for event in events() {
        let line = out::event(&event, NOW);
        let kind = line.get("type").and_then(Value::as_str).unwrap().to_owned();
        match sections.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, lines)) => lines.push(line),
            None => sections.push((kind, vec![line])),
        }
    }
    sections
}

fn created() -> Vec<Value> {
    let dir = Path::new("/home/alice/.local/share/hobnob");
    vec![
        out::created("Alice", dir, Some("pistol lava … velvet"), None, NOW),
        out::created("Alice", dir, None, Some(&dir.join("history.db.old")), NOW),
        out::linked("Alice", dir, "laptop-2", NOW),
    ]
}

fn errors() -> Vec<Value> {
    let unknown = Refusal::new(Code::NotFound, "no friend is called @bbo; did you mean @bob? /friends lists them");
    let usage = Refusal::new(Code::Usage, "this line is not valid JSON: expected value at column 8");
    vec![out::error(&unknown, &Origin::Id(json!("a1")), NOW), out::error(&usage, &Origin::Line(3), NOW)]
}

pub(super) fn replies() -> Vec<(&'static str, Reply)> {
    vec![
        ("mute", Reply::Done),
        ("whoami", Reply::WhoAmI(Box::new(me()))),
        ("away", Reply::Shown { presence: Presence::Away, text: Note::parse("lunch").unwrap() }),
        ("invite-link", Reply::Invite { link: "hobnob:ra7d…".into(), local_only: true }),
        ("devices", Reply::Devices(vec![device(true), device(false)])),
        ("device", Reply::Joined(Box::new(joined()))),
        ("add", Reply::Friend(Box::new(friend(Standing::Pending)))),
        ("friends", Reply::Friends(vec![friend(Standing::Friend)])),
        ("requests", Reply::Requests(vec![request()])),
        ("msg", Reply::Sent(Box::new(sent()))),
        ("history", Reply::Messages(vec![received()])),
        ("chats", Reply::Chats(vec![chat()])),
        ("next", Reply::Next(Some(bob()))),
        ("verify", safety()),
        ("nearby", Reply::Nearby { on: true, ends_in_ms: 600_000, people: vec![nearby()], loopback_only: false }),
        ("info", Reply::Info(Box::new(details()))),
        ("net", net()),
        ("peers", Reply::Peers(vec![peer()])),
        ("ping", Reply::Pong { round_trip_ms: 12 }),
        ("outbox", outbox()),
        ("find", Reply::Found(Box::new(found()))),
        ("set", Reply::Settings(vec![setting()])),
        ("set rendezvous", Reply::Servers(vec![server()])),
    ]
}

fn outbox() -> Reply {
    let queued = Queued {
        message: sent(),
        reason: WaitReason::NoMailbox,
        why:
            "@bob is not reachable, and no mailbox of theirs is known here; it goes out once @bob is online together with this machine"
                .into(),
    };
    let missing = Missing {
        chat: bob(),
        device: DeviceId::new([0xd3; 32]),
        device_name: Nickname::parse("tablet").unwrap(),
        count: 9,
        last_seen_ms: None,
    };
    Reply::Outbox { queued: vec![queued], missing: vec![missing] }
}

/// Answers that the front end makes itself, about a name at a rendezvous.
fn answers() -> Vec<(&'static str, Fields)> {
    let (name, server) = (Username::parse("alice").unwrap(), server());
    let end = LoginEnd { standing: DeviceStanding::New, missing_friends: 0, vault_friends: 4 };
    let left = Left { name: name.clone(), server: server.clone(), fate: Fate::Stays };
    vec![
        ("register", account::registered(&name, &server, "pistol lava … velvet")),
        ("login", account::logged_in(&name, &server, &me(), end)),
        ("passwd", account::name_at(&name, &server)),
        ("logout", account::left(&left)),
    ]
}

pub(super) fn events() -> Vec<Event> {
    let chat = bob;
    vec![
        Event::Message(Box::new(received())),
        Event::Message(Box::new(sent())),
        Event::MessageChanged { message: Box::new(edited()), change: Change::Edited },
        state(DeliveryState::Delivered),
        Event::FriendRequested(request()),
        Event::FriendAdded(Box::new(friend(Standing::Friend))),
        Event::FriendChanged(Box::new(friend(Standing::Friend))),
        Event::FriendRemoved(chat()),
        Event::FriendRenamed { from: chat(), to: Handle::parse("robert").unwrap() },
        Event::FriendKeyChanged(Box::new(friend(Standing::Friend))),
        Event::FriendNewDevice { chat: chat(), device_name: "laptop".into(), device: DeviceId::new([0xb3; 32]) },
        Event::DeviceAdded { name: device(false).name, device: device(false).device },
        Event::DeviceRevoked { name: device(false).name, device: device(false).device, current: false },
        Event::ReadElsewhere { chat: chat(), unread: 0 },
        Event::PresenceChanged { chat: chat(), presence: Presence::Away, text: Note::parse("lunch").unwrap() },
        Event::PresenceChosen { presence: Presence::Away, text: Note::parse("lunch").unwrap() },
        Event::Typing { chat: chat(), typing: true },
        Event::NearbyFound(nearby()),
        Event::NearbyEnded,
        Event::SafetyWords { chat: chat(), words: words() },
        Event::Gap { chat: chat(), missing: 3 },
        Event::ExpirySet { chat: chat(), after_secs: Some(86_400), by_me: false },
        Event::Listening(listen()),
        Event::ServerChanged(Box::new(server())),
        Event::SettingChanged { key: "read-marks".into(), value: Some("off".into()) },
        Event::Warning { chat: None, message: "the clock went back by 3 hours".into() },
        Event::NotSaved { why: "no space left on device".into() },
        Event::Saved,
        Event::Missed(17),
    ]
}

fn bob() -> Handle {
    Handle::parse("bob").unwrap()
}

fn words() -> [String; 3] {
    ["amber", "lantern", "river"].map(str::to_owned)
}

fn listen() -> Vec<String> {
    vec!["/ip4/192.168.1.7/tcp/41235".to_owned()]
}

fn me() -> WhoAmI {
    WhoAmI {
        account: AccountId::new([0xa1; 32]),
        device: DeviceId::new([0xa2; 32]),
        nick: Nickname::parse("Alice").unwrap(),
        bio: Note::parse("").unwrap(),
        device_name: Nickname::parse("laptop").unwrap(),
        names: vec!["alice@rosa.example".to_owned()],
        listen: listen(),
        presence: Presence::Online,
        presence_text: Note::parse("").unwrap(),
    }
}

fn device(current: bool) -> OwnDevice {
    OwnDevice {
        name: Nickname::parse(if current { "laptop" } else { "phone" }).unwrap(),
        device: DeviceId::new([if current { 0xa2 } else { 0xa3 }; 32]),
        added_ms: SENT,
        current,
        connected: false,
        last_seen_ms: (!current).then_some(SENT),
    }
}

fn joined() -> Joined {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (account, keys) = (AccountKey::generate(&mut rng), DeviceKeys::generate(&mut rng));
    let certificate = account.sign_certificate(&Certificate {
        account: account.id(),
        device: keys.id(),
        x25519: keys.x25519_public(),
        name: Nickname::parse("phone").unwrap(),
        added_ms: SENT,
    });
    let profile = Profile { nick: me().nick, bio: me().bio };
    let devices = vec![certificate.hash()];
    let record = AccountRecord { seq: 1, prev: None, account: account.id(), devices, revoked: Vec::new(), profile };
    Joined {
        account: me().account,
        nick: me().nick,
        device_name: Nickname::parse("phone").unwrap(),
        certificate,
        record: account.sign_record(&record),
    }
}

fn friend(standing: Standing) -> Friend {
    Friend {
        handle: bob(),
        nick: Some(Nickname::parse("Bob").unwrap()),
        bio: None,
        account: AccountId::new([0xb1; 32]),
        standing,
        verified: false,
        key_alarm: false,
        muted: false,
        presence: Presence::Online,
        presence_text: Note::parse("").unwrap(),
        devices: 1,
        queued: 0,
        last_seen_ms: Some(SENT),
        refused: None,
    }
}

fn request() -> Request {
    Request {
        number: 1,
        kind: RequestKind::Invite,
        nick: Nickname::parse("Bob").unwrap(),
        account: AccountId::new([0xb1; 32]),
        note: Note::parse("we met in Ghent").unwrap(),
        received_ms: SENT,
    }
}

fn received() -> Message {
    Message {
        number: 42,
        entry: EntryId::new([0xe1; 32]),
        chat: bob(),
        from: From::Friend(bob()),
        kind: MessageKind::Text,
        text: "hi".into(),
        sent_ms: SENT,
        received_ms: NOW,
        clock_doubtful: false,
        delivery: None,
        edited: false,
        deleted: false,
        forwarded: false,
        pinned: false,
        late: false,
        restored_copy: false,
        expires_ms: None,
        reply_to: None,
        reactions: Vec::new(),
    }
}

fn sent() -> Message {
    Message {
        number: 43,
        entry: EntryId::new([0xe2; 32]),
        from: From::Me,
        text: "hi Bob".into(),
        delivery: Some(Delivery { state: DeliveryState::Queued, delivered: 0, devices: 1 }),
        reply_to: Some(Quote {
            number: Some(42),
            from: Some(From::Friend(bob())),
            snippet: "hi".into(),
            deleted: false,
        }),
        ..received()
    }
}

fn edited() -> Message {
    Message {
        text: "hi all".into(),
        clock_doubtful: true,
        edited: true,
        deleted: false,
        forwarded: true,
        pinned: true,
        late: true,
        restored_copy: true,
        expires_ms: Some(SENT + 86_400_000),
        reactions: vec![(Reaction::parse("👍").unwrap(), vec![From::Me])],
        ..received()
    }
}

fn state(state: DeliveryState) -> Event {
    let delivery = Delivery { state, delivered: 1, devices: 1 };
    Event::MessageState { chat: bob(), number: 43, entry: EntryId::new([0xe2; 32]), delivery, advances: true }
}

fn chat() -> Chat {
    Chat {
        handle: bob(),
        unread: 2,
        queued: 0,
        held: 0,
        muted: false,
        presence: Presence::Online,
        expire_secs: None,
        last: Some(received()),
    }
}

fn safety() -> Reply {
    let number = "04321 98765 11111 22222 33333 44444 55555 66666 77777 88888 99999 00000".into();
    Reply::Safety { handle: bob(), number, words: Some(words()), verified: false }
}

fn nearby() -> NearbyPerson {
    let nick = Nickname::parse("Carol").unwrap();
    NearbyPerson { name: Handle::from_nickname(&nick), nick, account: AccountId::new([0xc1; 32]), friend: false }
}

fn details() -> MessageDetails {
    MessageDetails {
        message: sent(),
        device: DeviceId::new([0xa2; 32]),
        seq: 12,
        lamport: 31,
        signature: [0x5a; 64],
        devices: vec![DeviceCopy {
            name: Nickname::parse("phone").unwrap(),
            state: DeliveryState::Queued,
            last_seen_ms: Some(1_795_446_245_678),
        }],
        history: Vec::new(),
    }
}

fn net() -> Reply {
    let unreached = Unreached {
        handle: bob(),
        addresses: vec!["/ip4/192.168.1.9/tcp/40001".into()],
        last_error: Some("connection refused".into()),
        retry_ms: Some(4_000),
    };
    Reply::Net { listen: listen(), sessions: 0, pairing: false, unreached: vec![unreached], servers: vec![server()] }
}

fn server() -> ServerView {
    let transport = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &[0x0d; 32]].concat();
    ServerView {
        address: Address::new("/dns4/rosa.example/tcp/4001", &transport, &[9; 32]).unwrap(),
        called: "rosa.example".to_owned(),
        name: Some(Username::parse("alice").unwrap()),
        state: ServerState::Up,
        last_error: None,
        retry_ms: None,
        opens_vault: true,
        is_forgotten: false,
    }
}

fn found() -> Found {
    Found {
        name: Username::parse("bob").unwrap(),
        server: server().address,
        called: server().called,
        account: AccountId::new([0xb1; 32]),
        nick: Nickname::parse("Bob").unwrap(),
        fingerprint: hobnob_shared::identity::fingerprint(&AccountId::new([0xb1; 32])),
        devices: 2,
        friend: None,
        is_me: false,
    }
}

fn peer() -> Peer {
    Peer {
        handle: bob(),
        device: DeviceId::new([0xb2; 32]),
        device_name: Nickname::parse("phone").unwrap(),
        address: "/ip4/192.168.1.9/tcp/40001".into(),
        outbound: true,
        up_ms: 61_000,
        bytes: (2_048, 1_024),
    }
}

fn setting() -> Setting {
    Setting { key: "read-marks".into(), value: "on".into(), help: "tell friends what you have read" }
}
