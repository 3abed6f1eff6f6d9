//! What two programs must agree on: ids, limits, the one codec, text types, identity, Noise, what a
//! rendezvous and its clients share, and wire types.
//!
//! No file, no network, no clock and no async here. Randomness comes in as an argument.

mod bounded;
pub mod codec;
pub mod hash;
pub mod id;
pub mod identity;
pub mod keeper;
pub mod limits;
pub mod noise;
pub mod opaque;
pub mod pow;
pub mod presence;
pub mod rendezvous;
mod sealing;
pub mod text;
pub mod vault;
pub mod wire;

pub use bounded::{Sealed, Token};
