//! The frames between a node and a rendezvous: `[type, id, payload]`, as between nodes.
//!
//! Requests are odd, so that a rendezvous that does not know one says so; answers are even and repeat the request's id;
//! what a rendezvous tells unasked is even and has id 0. [`ServerFrame::Error`] refuses the request that it names.

mod account;
mod frame;
mod mail;
mod status;

pub use account::{
    LoggedIn, LoginFinish, LoginGo, LoginStart, Name, NameGet, NameSet, PasswordChange, Proof, RegisterFinish,
    RegisterGo, RegisterStart, Registered, SealedVault, Vault, VaultPut,
};
pub use frame::ServerFrame;
pub(crate) use mail::topic;
pub use mail::{
    BoxPut, DepositToken, Envelope, KnockAck, KnockEnvelope, KnockItem, KnockPut, Knocks, Mail, MailAck, MailGet,
    MailItem, MailPut, MailWaiting, PresenceNote, PresencePut, PresenceToken, PresenceWatch, SealedPresence,
};
pub use status::{GENERATION, Registration, Status};
