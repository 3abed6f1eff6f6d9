//! The node as a library: what a front end can do ([`api`]), what runs it (`runtime`), where it lives ([`profile`],
//! [`config`]), and the front ends themselves. Front ends reach the rest only through [`api`].

pub mod account;
pub mod api;
pub mod cli;
pub mod command;
pub mod config;
mod demo;
pub mod json;
pub mod logging;
pub mod profile;
pub mod repl;
mod runtime;
mod screen;
mod script;
mod secret;
