//! The real program: its lines, its signals, its exit codes, and what it remembers after being killed.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod backups;
#[path = "../cast/mod.rs"]
mod cast;
mod damaged;
mod driver;
mod first_start;
mod full_disk;
mod killed;
mod limits;
mod looking;
mod mixed_up;
mod operator;
mod packaging;
mod pages;
mod words;
