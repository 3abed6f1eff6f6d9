//! What travels: signed entries, and the frames of a session.

pub mod body;
pub mod entry;
pub mod error;
pub mod own;
pub mod payload;
pub mod peer;

pub use body::{Body, EntryRef, kind};
pub use entry::{Dep, EntryError, Header, SealedBody, SignedEntry, entry_id};
pub use error::ErrorCode;
pub use own::{DeviceCut, FriendPut, ReadMark, Setting};
pub use payload::{
    AccountPayload, ChatDigest, Close, Digest, Digests, Entries, Failure, Frontier, FrontierItem, Hello, Introduce,
    Knock, Presence, PresenceState, Read, ReadItem, Typing, Want, WantRange,
};
pub use peer::Frame;
