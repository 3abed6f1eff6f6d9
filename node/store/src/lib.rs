//! The database of a node: typed tables of the engine as rows in redb, on pages that are encrypted one by one.
//!
//! [`Store`] is owned by one thread and blocks. [`Store::commit`] puts a whole batch of the engine into one durable
//! transaction; [`Store::view`] gives the engine something to read. Nothing above this crate sees a page, and nothing
//! below the sealed pages sees a plaintext byte. A failed commit leaves what was committed before it, readable.

mod disk;
mod error;
mod guard;
mod head;
mod key;
mod lock;
mod mark;
#[cfg(test)]
mod old_formats;
mod pages;
#[cfg(test)]
mod pages_tests;
mod preamble;
mod schema;
mod seal;
pub mod shaky;
mod snapshot;
mod store;

pub use disk::Disk;
pub use error::{CommitError, LockError, OpenError};
pub use key::StoreKey;
pub use lock::ProfileLock;
pub use snapshot::Snapshot;
pub use store::{Incarnation, Sizes, Store};
