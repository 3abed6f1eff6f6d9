//! What nodes and a rendezvous share besides frames: its address, names there, and codes that let somebody
//! register.

mod address;
mod called;
mod code;
mod name_at;

pub use address::{Address, AddressError};
pub use code::{CodeError, RegistrationCode};
pub use name_at::NameAt;
