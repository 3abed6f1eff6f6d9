//! The real program, through pipes: two people on loopback, with every way to go wrong.
//!
//! Each test has its own directories and ports, waits for lines and never for time, and ends only what it started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod account;
mod bare;
mod capture;
mod conversation;
mod crash;
mod damage;
mod demo;
mod devices;
mod driver;
mod ends;
mod exit_codes;
mod first_use;
mod forgotten;
mod house;
mod in_passing;
mod killed;
#[expect(unreachable_pub, reason = "tests of whole nodes have it from a crate")]
#[path = "../src/lan.rs"]
mod lan;
mod lines;
mod login_cuts;
mod logins;
mod lookups;
mod mail;
mod name_password;
mod pages;
mod partition;
mod presence;
mod profiles;
mod pty;
mod refused;
mod restored;
mod rosa;
mod several;
#[expect(unreachable_pub, reason = "tests of whole nodes have it from a crate")]
#[path = "../src/star.rs"]
mod star;
mod strangers;
mod stuck;
