//! hobnob on the network: libp2p below, links above.
//!
//! A *link* is one stream of `/hobnob/session/1` between two transports: a preamble, then chunks with a length of two
//! bytes. This crate opens, bounds and closes links; it knows no person, and reads nothing of what is inside a chunk.
//!
//! The rule: no call of [`Net`] but [`Net::shutdown`] ever waits, and nothing here waits for the runtime but the
//! readers of links, each on its own.

mod address;
mod behaviour;
mod config;
mod connection;
mod dial;
mod discovery;
mod event;
mod failure;
mod greeting;
mod guest;
mod handle;
mod lan;
mod limit;
mod link;
mod listening;
mod streams;
mod swarm;
mod task;
mod transport;

pub use config::{Limits, NetConfig, Times};
pub use event::{DialError, NetError, NetEvent, NetWarning, Overflow};
pub use handle::{Net, NetEvents};
pub use swarm::{start, transport_id};
