//! The rules of the registry, each at its limit and one past it.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod accounts;
#[path = "../cast/mod.rs"]
mod cast;
mod clock;
mod counted;
mod damage;
mod expiry;
mod knocks;
mod leaving;
mod linked;
mod mail;
mod model;
mod names;
mod passwords;
mod presence;
mod world;
