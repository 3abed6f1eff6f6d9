//! The rules of the registry, each at its limit and one past it.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod accounts;
#[path = "../cast/mod.rs"]
mod cast;
mod expiry;
mod knocks;
mod mail;
mod model;
mod names;
mod passwords;
mod presence;
mod world;
