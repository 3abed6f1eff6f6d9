//! What a front end gets back: the answer to a command, and friends, messages and chats as it shows them.
//!
//! All text in here is as its author wrote it: filter it before a terminal.

mod server;

use hobnob_shared::{
    id::{AccountId, DeviceId, EntryId},
    identity::{SignedCertificate, SignedRecord},
    text::{Handle, Nickname, Note, Reaction, Username},
    wire::{AccountPayload, ServerFrame},
};

pub use self::server::{Found, ServerState, ServerView};
use crate::command::Presence;

/// Where a message of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Another device of ours wrote it, and this one has not heard yet how far it got.
    Unknown,
    /// Stored here only.
    Queued,
    /// Stored at a carrier.
    Stored,
    /// Stored by at least one device of the friend.
    Delivered,
    /// The friend's front end has shown it.
    Read,
}

/// A message's way to the other side. For messages of others it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The furthest it got.
    pub state: DeliveryState,
    /// Devices that stored it.
    pub delivered: u32,
    /// Devices that should.
    pub devices: u32,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// This account.
    Me,
    /// A friend.
    Friend(Handle),
}

/// The message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its number, when we have it.
    pub number: Option<u64>,
    /// Who wrote it, when we have it.
    pub from: Option<From>,
    /// Its beginning, at most 80 characters, unfiltered. Empty when deleted, or when we do not have it.
    pub snippet: String,
    /// It was here, and is deleted.
    pub deleted: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Text.
    Text,
    /// `/me`: something the author does.
    Action,
    /// A kind that this version does not know; its text says so.
    Unknown,
}

/// A message as a front end shows it. All text is as the author wrote it: filter it before a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent marks of one line")]
pub struct Message {
    /// Its number on this node, for ever.
    pub number: u64,
    /// Its id, the same on every node.
    pub entry: EntryId,
    /// The chat.
    pub chat: Handle,
    /// Who wrote it.
    pub from: From,
    /// What it is.
    pub kind: MessageKind,
    /// What it says now; empty when deleted.
    pub text: String,
    /// When its author says it was written, in ms since the epoch.
    pub sent_ms: u64,
    /// When it came to this node, in ms since the epoch.
    pub received_ms: u64,
    /// More than 10 minutes between the two clocks when it came over a live session, or from the future.
    pub clock_doubtful: bool,
    /// How far it got, if it is ours.
    pub delivery: Option<Delivery>,
    /// Changed by its author.
    pub edited: bool,
    /// Deleted by its author, or withdrawn.
    pub deleted: bool,
    /// Passed on from another chat.
    pub forwarded: bool,
    /// Pinned by one of us.
    pub pinned: bool,
    /// It came after messages that stand below it.
    pub late: bool,
    /// It lies on a branch that a restored copy wrote.
    pub restored_copy: bool,
    /// Disappears at this time, in ms since the epoch.
    pub expires_ms: Option<u64>,
    /// What it answers.
    pub reply_to: Option<Quote>,
    /// Reactions, each with who gave it.
    pub reactions: Vec<(Reaction, Vec<From>)>,
}

/// How a friendship stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Both accepted.
    Friend,
    /// We added them; they have not accepted yet.
    Pending,
    /// We blocked them.
    Blocked,
    /// We removed them; history stays.
    Removed,
}

/// A friend, as a front end shows one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent marks of one line")]
pub struct Friend {
    /// How we call them.
    pub handle: Handle,
    /// How they call themselves, once known. Unfiltered.
    pub nick: Option<Nickname>,
    /// What they say of themselves. Unfiltered.
    pub bio: Option<Note>,
    /// Who they are.
    pub account: AccountId,
    /// How it stands.
    pub standing: Standing,
    /// We compared words or numbers.
    pub verified: bool,
    /// Their account shows two histories: sending stops until `/verify @name yes`.
    pub key_alarm: bool,
    /// No bell, no unread mark.
    pub muted: bool,
    /// What they show.
    pub presence: Presence,
    /// The text with it. Unfiltered.
    pub presence_text: Note,
    /// Their devices.
    pub devices: u32,
    /// Our messages that not all their devices have.
    pub queued: u64,
    /// When a session was last up, in ms since the epoch.
    pub last_seen_ms: Option<u64>,
    /// Their node refused the invite that we use: why, and what to do. It is not tried again.
    pub refused: Option<String>,
}

/// Something that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it is called by for as long as it waits. Ascending with time.
    pub number: u64,
    /// What it is.
    pub kind: RequestKind,
    /// How they call themselves. Unfiltered.
    pub nick: Nickname,
    /// Who they are.
    pub account: AccountId,
    /// What they wrote. Unfiltered.
    pub note: Note,
    /// When it came, in ms since the epoch.
    pub received_ms: u64,
}

/// What waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// They used an invite of ours.
    Invite,
    /// They asked in pairing mode.
    Nearby,
    /// A friend brought us together.
    Introduction {
        /// Which friend.
        by: Handle,
    },
    /// They looked our name up.
    Name {
        /// Our name.
        name: Username,
        /// The host of the rendezvous.
        server: String,
    },
}

/// A chat in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// Its name.
    pub handle: Handle,
    /// Unread messages in it.
    pub unread: u64,
    /// Our messages in it that not all devices have.
    pub queued: u64,
    /// Entries that came and are not shown yet, since what they follow is missing here.
    pub held: u64,
    /// Muted.
    pub muted: bool,
    /// What the other side shows.
    pub presence: Presence,
    /// Messages of this chat disappear after so many seconds.
    pub expire_secs: Option<u64>,
    /// The newest message.
    pub last: Option<Message>,
}

/// Somebody in pairing mode near us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearbyPerson {
    /// How to name them in `/add`.
    pub name: Handle,
    /// How they call themselves. Unfiltered.
    pub nick: Nickname,
    /// Who they are.
    pub account: AccountId,
    /// Already a friend.
    pub friend: bool,
}

/// One live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whose.
    pub handle: Handle,
    /// Which device.
    pub device: DeviceId,
    /// How that device is called. Unfiltered.
    pub device_name: Nickname,
    /// Where.
    pub address: String,
    /// We dialled.
    pub outbound: bool,
    /// Up for so many ms.
    pub up_ms: u64,
    /// Bytes read and written.
    pub bytes: (u64, u64),
}

/// One friend who is not reached, and what is being done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Who.
    pub handle: Handle,
    /// Addresses we know.
    pub addresses: Vec<String>,
    /// What the last attempt said.
    pub last_error: Option<String>,
    /// The next attempt is in so many ms.
    pub retry_ms: Option<u64>,
}

/// A message that no device of the friend has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The message.
    pub message: Message,
    /// Why it waits.
    pub reason: WaitReason,
    /// The same in words.
    pub why: String,
}

/// A device of a friend that lacks messages of ours which another one of theirs has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Whose.
    pub chat: Handle,
    /// Which one.
    pub device: DeviceId,
    /// What they call it.
    pub device_name: Nickname,
    /// So many messages.
    pub count: u64,
    /// When it was here last, as far as is known, in ms since the epoch; none if there never was one.
    pub last_seen_ms: Option<u64>,
}

/// Why a message waits, or where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// Nothing may go to them now: no friend any more, blocked, or in doubt.
    NotAllowed,
    /// A session is up, and it is on its way.
    Sending,
    /// No session, and no rendezvous that mail could be left at.
    Unreachable,
    /// No session, and no mailbox of theirs is known.
    NoMailbox,
    /// No session, and the rendezvous that could help is not reached.
    NoRendezvous,
    /// Their mailbox is full.
    MailboxFull,
    /// The rendezvous does not know their mailbox any more.
    MailboxGone,
    /// The rendezvous does not take mail for them now, or it cannot be sealed.
    NotTaken,
    /// It is being left in their mailbox.
    Leaving,
    /// A rendezvous keeps it for them.
    Kept,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// Its value now.
    pub value: String,
    /// What it does, in a line; empty for an alias.
    pub help: &'static str,
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAmI {
    /// Our account.
    pub account: AccountId,
    /// This device.
    pub device: DeviceId,
    /// How we call ourselves.
    pub nick: Nickname,
    /// What we say of ourselves.
    pub bio: Note,
    /// How this device is called.
    pub device_name: Nickname,
    /// Our names at rendezvous, as friends type them: `alice@rosa.example`.
    pub names: Vec<String>,
    /// Addresses that another node can dial.
    pub listen: Vec<String>,
    /// How we show ourselves.
    pub presence: Presence,
    /// The text with it.
    pub presence_text: Note,
}

/// A device of our account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// How it is called.
    pub name: Nickname,
    /// Which one.
    pub device: DeviceId,
    /// When it became one, in ms since the epoch.
    pub added_ms: u64,
    /// It is this one.
    pub current: bool,
    /// A session with it is up.
    pub connected: bool,
    /// When it was here last, as far as is known, in ms since the epoch.
    pub last_seen_ms: Option<u64>,
}

/// What this machine has become: what its keystore is to hold from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Whose device it is.
    pub account: AccountId,
    /// How they call themselves.
    pub nick: Nickname,
    /// How this device is called now.
    pub device_name: Nickname,
    /// The account's word for this device.
    pub certificate: SignedCertificate,
    /// The account's newest record.
    pub record: SignedRecord,
}

/// The answer to a [`Command`](crate::command::Command).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after what it answers")]
pub enum Reply {
    /// It is done, and committed.
    Done,
    WhoAmI(Box<WhoAmI>),
    /// How we show ourselves to friends now.
    Shown {
        presence: Presence,
        text: Note,
    },
    /// The link, as text; `local_only` when every address in it is loopback or private.
    Invite {
        link: String,
        local_only: bool,
    },
    Devices(Vec<OwnDevice>),
    Joined(Box<Joined>),
    Friend(Box<Friend>),
    Friends(Vec<Friend>),
    Requests(Vec<Request>),
    /// Our message, with its number.
    Sent(Box<Message>),
    Messages(Vec<Message>),
    Chats(Vec<Chat>),
    /// No chat has unread messages where `None`.
    Next(Option<Handle>),
    Safety {
        handle: Handle,
        number: String,
        words: Option<[String; 3]>,
        verified: bool,
    },
    Nearby {
        on: bool,
        ends_in_ms: u64,
        people: Vec<NearbyPerson>,
        /// Every address that we listen on is loopback: no other machine sees this one.
        loopback_only: bool,
    },
    Info(Box<MessageDetails>),
    Net {
        listen: Vec<String>,
        sessions: usize,
        pairing: bool,
        unreached: Vec<Unreached>,
        servers: Vec<ServerView>,
    },
    Peers(Vec<Peer>),
    Pong {
        round_trip_ms: u64,
    },
    Outbox {
        queued: Vec<Queued>,
        missing: Vec<Missing>,
    },
    Servers(Vec<ServerView>),
    /// What a rendezvous answered, and the handshake hash of the session that it came over: a login is bound to it.
    Answered {
        frame: Box<ServerFrame>,
        session: [u8; 32],
    },
    MyAccount(Box<AccountPayload>),
    Found(Box<Found>),
    Settings(Vec<Setting>),
    /// What came while no front end listened, oldest first, at most 10,000; `unread` counts all.
    Listening {
        unread: u64,
        messages: Vec<Message>,
    },
}

/// What one device of a friend has of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCopy {
    /// How the device is called.
    pub name: Nickname,
    /// What it has.
    pub state: DeliveryState,
    /// When it was here last, as far as is known, in ms since the epoch.
    pub last_seen_ms: Option<u64>,
}

/// What `/info` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageDetails {
    /// The message.
    pub message: Message,
    /// The device that wrote it.
    pub device: DeviceId,
    /// Its place in that device's log.
    pub seq: u64,
    /// Its lamport time.
    pub lamport: u64,
    /// The Ed25519 signature, checked when it came.
    pub signature: [u8; 64],
    /// Each device of the friend.
    pub devices: Vec<DeviceCopy>,
    /// Earlier texts, oldest first.
    pub history: Vec<String>,
}
