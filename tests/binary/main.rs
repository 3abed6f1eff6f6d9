//! The real program, through pipes: two people on loopback, with every way to go wrong.
//!
//! Each test has its own directories and ports, waits for lines and never for time, and ends only what it started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod account;
mod conversation;
mod crash;
mod demo;
mod driver;
mod exit_codes;
mod first_use;
mod lines;
mod pages;
mod profiles;
mod pty;
mod rosa;
