//! The rendezvous server: where hobnob's people find each other, see who is there, and leave sealed mail.
//!
//! `registry` holds every rule and does no I/O; `store` keeps its rows; `server` is the network; `program` is all around
//! them. Nothing here is told a password, a message or a list of friends.

pub mod clock;
pub mod config;
pub mod keys;
pub mod metrics;
pub mod program;
pub mod registry;
pub mod server;
pub mod store;
