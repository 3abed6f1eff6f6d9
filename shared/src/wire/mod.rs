//! What travels: signed entries, the frames of a session, and those of a rendezvous.

pub mod body;
pub mod entry;
pub mod error;
pub mod mail;
mod numbered;
pub mod own;
pub mod payload;
pub mod peer;
pub mod rendezvous;
pub mod ticket;
pub mod told_key;

pub use body::{Body, EntryRef, kind};
pub use entry::{Dep, EntryError, Header, SealedBody, SignedEntry, entry_id};
pub use error::ErrorCode;
pub use own::{DeviceCut, FriendPut, ReadMark, Setting};
pub use payload::{
    AccountPayload, ChatDigest, Close, Digest, Digests, Entries, Failure, Frontier, FrontierItem, Hello, Introduce,
    Knock, Mailboxes, Presence, PresenceAt, PresenceState, Read, ReadItem, Typing, Want, WantRange,
};
pub use peer::Frame;
pub use rendezvous::ServerFrame;
pub use ticket::{SignedTicket, TicketLetter};
pub use told_key::{ToldKey, VaultKeys};
