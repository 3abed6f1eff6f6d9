//! What a front end can ask, and what it gets back. What cannot be said here, the product cannot do.

use hobnob_shared::{
    Token,
    identity::{AccountKey, Invite, SignedBinding},
    rendezvous::Address,
    text::{Handle, MessageText, Nickname, Note, Reaction, Username},
    wire::{ErrorCode, ServerFrame},
};

pub use crate::reply::{
    Chat, Delivery, DeliveryState, DeviceCopy, Found, Friend, From, Joined, Message, MessageDetails, MessageKind,
    Missing, NearbyPerson, OwnDevice, Peer, Queued, Quote, Reply, Request, RequestKind, ServerState, ServerView,
    Setting, Standing, Unreached, WaitReason, WhoAmI,
};

/// Which message is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageRef {
    /// `42`: the number on screen.
    Number(u64),
    /// `^` (1), `^^` (2), …: counted back from the newest of the chat.
    Last(u32),
    /// `^bob`: the newest of this friend in the chat.
    LastFrom(Handle),
}

/// A message in a chat. The chat matters only for [`MessageRef::Last`] and [`MessageRef::LastFrom`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// The front end's current chat.
    pub chat: Option<Handle>,
    /// Which one of it.
    pub message: MessageRef,
}

/// How we show ourselves to friends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Here.
    Online,
    /// Not at the keyboard.
    Away,
    /// Here, and not to be disturbed.
    Busy,
    /// Connected, and shown as offline. Only ever our own.
    Invisible,
    /// No session.
    Offline,
}

/// What an invite allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteTerms {
    /// How many accounts may use it, 1 to 1,000.
    pub uses: u32,
    /// Valid for so many seconds from now, at most 365 days.
    pub lifetime_secs: u64,
    /// Whoever uses it becomes a friend at once.
    pub auto_accept: bool,
}

/// What a front end asks. Each is answered once, after its commit.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the slash command of its name; its fields are that command's arguments")]
pub enum Command {
    // Me
    WhoAmI,
    /// Changes the account record; `None` leaves a part as it is.
    SetProfile {
        nick: Option<Nickname>,
        bio: Option<Note>,
        key: AccountKey,
    },
    /// Presence, and a text with it (`None` keeps the text).
    SetPresence {
        presence: Option<Presence>,
        text: Option<Note>,
    },

    // Devices
    Devices,
    /// Makes a link that turns another machine into a device of this account, good for ten minutes.
    LinkDevice {
        key: AccountKey,
    },
    /// Has this machine, without friends and history, become a device of the account that the link is of (waits up to
    /// 30 s). After the answer the node must be started again with what it holds.
    JoinAccount {
        invite: Box<Invite>,
    },
    RevokeDevice {
        name: String,
        key: AccountKey,
    },

    // Friends
    CreateInvite(InviteTerms),
    Add {
        invite: Box<Invite>,
        note: Note,
    },
    /// Somebody that `/nearby` shows, by the name shown there.
    AddNearby {
        name: Handle,
        note: Note,
    },
    Requests,
    Accept {
        number: u64,
    },
    Decline {
        number: u64,
    },
    Friends,
    Remove {
        chat: Handle,
    },
    Rename {
        chat: Handle,
        alias: Handle,
    },
    /// No verdict: the safety number, and safety words when a session is up (waits up to 10 s for the friend).
    Verify {
        chat: Handle,
        verdict: Option<bool>,
    },
    Introduce {
        chat: Handle,
        to: Handle,
    },
    Block {
        chat: Handle,
    },
    Unblock {
        chat: Handle,
    },
    Mute {
        chat: Handle,
        muted: bool,
    },
    /// `None` asks who is there; pairing mode ends by itself after 10 minutes.
    Nearby {
        on: Option<bool>,
    },
    Connect {
        chat: Handle,
        address: String,
    },
    /// A node in pairing mode at this address.
    ConnectNearby {
        address: String,
    },

    // Chat
    Send {
        chat: Handle,
        text: MessageText,
        reply_to: Option<MessageRef>,
        action: bool,
    },
    Edit {
        which: Which,
        text: MessageText,
    },
    Delete {
        which: Which,
    },
    /// `None` takes our reaction back.
    React {
        which: Which,
        reaction: Option<Reaction>,
    },
    Forward {
        which: Which,
        to: Handle,
    },
    Pin {
        which: Which,
        pinned: bool,
    },
    Info {
        which: Which,
    },
    /// Messages from now on disappear this many seconds after they were sent; `None`: never.
    Expire {
        chat: Handle,
        after_secs: Option<u64>,
    },
    /// The newest `limit` messages, and the chat counts as read.
    Open {
        chat: Handle,
        limit: usize,
    },
    /// The chat counts as read up to its newest message.
    MarkRead {
        chat: Handle,
    },
    /// We are typing there. Repeats within 3 s cost nothing.
    Typing {
        chat: Handle,
    },
    Chats,
    Unread,
    /// The chat that has waited longest with unread messages.
    Next,
    /// `limit` messages before `before` (a message number), else the newest. Oldest first in the answer.
    History {
        chat: Handle,
        limit: usize,
        before: Option<u64>,
    },
    /// The message with `context` messages before and after it.
    Jump {
        which: Which,
        context: usize,
    },
    /// Compares the whole conversation with the friend again, and asks for what is missing.
    Resync {
        chat: Handle,
    },

    // Network
    Net,
    Peers,
    /// Round trip over the live session (waits up to 10 s).
    Ping {
        chat: Handle,
    },
    Outbox,
    /// Tries every friend with queued messages now.
    OutboxRetry,
    /// Withdraws a message that no device has stored yet.
    OutboxCancel {
        which: Which,
    },

    // Rendezvous
    /// Uses this rendezvous from now on, or no more. The same key at another place is the same rendezvous, moved.
    SetRendezvous {
        address: Box<Address>,
        used: bool,
    },
    Servers,
    /// One request to a rendezvous, answered by its frame, or by a [`Refusal`] that holds its error code. Waits at most
    /// 15 s. `server` may be left out where only one is used. As a guest we show no account; requests of front ends as
    /// guests share one session, so that a login can go on where it began, until none came for 60 s.
    Ask {
        server: Option<Box<Address>>,
        guest: bool,
        request: Box<ServerFrame>,
    },
    /// What a rendezvous is told of us when we register: our records, certificates and this device's bundle.
    MyAccount,
    /// A front end registered or logged in there: from now on we have a session there as our account, and the vault is
    /// kept up to date. Contacts in the vault that are no friends yet become friends.
    Registered {
        server: Box<Address>,
        name: Username,
        binding: Box<SignedBinding>,
        vault_key: Token<32>,
        vault_seq: u64,
    },
    /// Gives our name there up, for everybody, with the account's key that is in the vault. Answered as `Ask` is.
    GiveUpName {
        server: Box<Address>,
    },
    /// Our name there is forgotten here. The rendezvous stays in use for guests.
    LoggedOut {
        server: Box<Address>,
        /// It is not ours any more at all, and nothing that was kept under it is there.
        released: bool,
    },
    /// Looks exactly this name up.
    Find {
        name: Username,
        server: Option<Box<Address>>,
    },
    /// Sends a friend request to whoever has this name. Answered when the rendezvous has stored it.
    AddName {
        name: Username,
        server: Option<Box<Address>>,
        note: Note,
    },

    // Settings
    /// All of them, or one.
    Settings {
        key: Option<String>,
    },
    /// `None` removes it (an alias) or goes back to the default.
    Set {
        key: String,
        value: Option<String>,
    },

    /// A front end that shows messages as they come is there (or leaves). The answer holds what came while none was.
    Listen {
        listening: bool,
    },
}

impl Command {
    /// Whether it changes nothing that is kept. Opening a chat counts: its messages are shown, only that they were read
    /// may not be kept.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::WhoAmI
            | Self::Devices
            | Self::Requests
            | Self::Friends
            | Self::Info { .. }
            | Self::Chats
            | Self::Unread
            | Self::Next
            | Self::Open { .. }
            | Self::History { .. }
            | Self::Jump { .. }
            | Self::Net
            | Self::Peers
            | Self::Outbox
            | Self::Servers
            | Self::MyAccount
            | Self::Settings { .. } => true,
            Self::Nearby { on } => on.is_none(),
            Self::SetProfile { .. }
            | Self::LinkDevice { .. }
            | Self::JoinAccount { .. }
            | Self::RevokeDevice { .. }
            | Self::SetPresence { .. }
            | Self::CreateInvite(_)
            | Self::Add { .. }
            | Self::AddNearby { .. }
            | Self::Accept { .. }
            | Self::Decline { .. }
            | Self::Remove { .. }
            | Self::Rename { .. }
            | Self::Verify { .. }
            | Self::Introduce { .. }
            | Self::Block { .. }
            | Self::Unblock { .. }
            | Self::Mute { .. }
            | Self::Connect { .. }
            | Self::ConnectNearby { .. }
            | Self::Send { .. }
            | Self::Edit { .. }
            | Self::Delete { .. }
            | Self::React { .. }
            | Self::Forward { .. }
            | Self::Pin { .. }
            | Self::Expire { .. }
            | Self::MarkRead { .. }
            | Self::Typing { .. }
            | Self::Resync { .. }
            | Self::Ping { .. }
            | Self::OutboxRetry
            | Self::OutboxCancel { .. }
            | Self::Set { .. }
            | Self::Listen { .. }
            | Self::SetRendezvous { .. }
            | Self::Ask { .. }
            | Self::Registered { .. }
            | Self::GiveUpName { .. }
            | Self::LoggedOut { .. }
            | Self::Find { .. }
            | Self::AddName { .. } => false,
        }
    }
}

/// The name of an error: the exit code, and `code` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// What was named is not there.
    NotFound,
    /// The words of the command are off.
    Usage,
    /// The network, or the other side, did not answer.
    Network,
    /// A key changed, or is not the one expected.
    Untrusted,
    /// Too many, too much or too fast.
    Limited,
    /// A password is wrong or missing.
    Login,
    /// Kept here; not delivered in time.
    Queued,
    /// Another process has the profile.
    InUse,
    /// The disk did not take it; nothing changed.
    NotSaved,
    /// It contradicts what is there already.
    Conflict,
    /// This version cannot do it.
    Unsupported,
    /// Our fault.
    Internal,
}

/// A command that was not carried out. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Its name.
    pub code: Code,
    /// What was wrong and what to do next, in a sentence or two. Names of strangers in it are already filtered.
    pub message: String,
    /// What a rendezvous said, for a flow that goes on from it: the work that it wants, the number that it holds.
    pub said: Option<ErrorCode>,
}

impl Refusal {
    /// A refusal with its words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), said: None }
    }
}
