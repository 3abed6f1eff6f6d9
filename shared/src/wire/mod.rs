//! What travels: signed entries, and the frames of a session.

pub mod body;
pub mod entry;
pub mod error;
pub mod payload;
pub mod peer;

pub use body::{Body, EntryRef, kind};
pub use entry::{Dep, EntryError, Header, SealedBody, SignedEntry, entry_id};
pub use error::ErrorCode;
pub use payload::{
    AccountPayload, Close, Digest, Entries, Failure, Frontier, FrontierItem, Hello, Introduce, Knock, Presence,
    PresenceState, Read, ReadItem, Typing, Want, WantRange,
};
pub use peer::Frame;
