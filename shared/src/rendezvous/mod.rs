//! What nodes and a rendezvous share besides frames: its address, and codes that let somebody register.

mod address;
mod code;

pub use address::{Address, AddressError};
pub use code::{CodeError, RegistrationCode};
