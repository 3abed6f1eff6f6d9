//! What travels: signed entries, the frames of a session, and those of a rendezvous.

pub mod body;
pub mod entry;
pub mod error;
pub mod mail;
mod numbered;
pub mod payload;
pub mod peer;
pub mod rendezvous;

pub use body::{Body, EntryRef, kind};
pub use entry::{Dep, EntryError, Header, SealedBody, SignedEntry, entry_id};
pub use error::ErrorCode;
pub use payload::{
    AccountPayload, Close, Digest, Entries, Failure, Frontier, FrontierItem, Hello, Introduce, Knock, Presence,
    PresenceState, Read, ReadItem, Typing, Want, WantRange,
};
pub use peer::Frame;
pub use rendezvous::ServerFrame;
