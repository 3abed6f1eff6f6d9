//! Every rule of the chat, with no clock, no I/O, no async and no randomness of its own.
//!
//! [`Engine::handle`] is the only door. It reads what is stored through a [`View`], and fills a [`Work`]: records to
//! commit, then actions on the network, then replies and events for the front ends. *Disk, then wire, then screen.*

pub mod command;
pub mod event;
pub mod tables;
pub mod view;
pub mod work;
