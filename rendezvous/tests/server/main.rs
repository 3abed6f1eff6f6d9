//! The real server with real connections, friendly and hostile.
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

mod capture;
#[path = "../cast/mod.rs"]
mod cast;
mod checks;
mod floods;
mod hostile;
mod house;
mod restored;
mod story;
