//! A rendezvous that we use, and whom it knows, as a front end shows them.

use hobnob_shared::{
    id::AccountId,
    rendezvous::Address,
    text::{Handle, Nickname, Username},
};

/// How it goes with a rendezvous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// We have no name there, or this device may not act under it any more: it is asked only when something is wanted of it.
    Idle,
    /// A session is being opened, or is about to be for the first time.
    Connecting,
    /// A session as our account is up.
    Up,
    /// It is not reached; tried again after a while.
    Waiting,
}

/// A rendezvous that we use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// Where it is, and its key.
    pub address: Address,
    /// What tells it apart from the others that we use, as a person types it: `HOST`, `HOST:PORT` or `#KEY`.
    pub called: String,
    /// Our name there.
    pub name: Option<Username>,
    /// How it goes.
    pub state: ServerState,
    /// What the last attempt said, in words.
    pub last_error: Option<String>,
    /// The next attempt is in so many ms.
    pub retry_ms: Option<u64>,
    /// This device holds what opens the vault there. A linked one knows only the name.
    pub opens_vault: bool,
    /// It says that it does not know us under the name that we have there.
    pub is_forgotten: bool,
}

/// Who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name.
    pub name: Username,
    /// The rendezvous that says so.
    pub server: Address,
    /// What that one is called, as in [`ServerView`].
    pub called: String,
    /// Whose it is.
    pub account: AccountId,
    /// How they call themselves. Unfiltered.
    pub nick: Nickname,
    /// What people compare.
    pub fingerprint: String,
    /// Devices that their newest record lists.
    pub devices: usize,
    /// How we call them, if we know them.
    pub friend: Option<Handle>,
    /// It is our own.
    pub is_me: bool,
}
