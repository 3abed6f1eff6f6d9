//! JSON Lines: what a script writes (`input`), what it reads ([`out`]), and how a line is written safely ([`mod@write`]).
//! The loop that joins them to a node is `script`.

pub(crate) mod account;
pub(crate) mod input;
pub mod out;
mod server;
mod view;
pub mod write;

pub(crate) use view::{Fields, fields};

#[cfg(test)]
mod doc;
#[cfg(test)]
mod samples;
