//! What the tests stand on: seeded worlds of engines, and helpers for real nodes and hostile peers.

pub mod apart;
pub mod bare;
pub mod cast;
pub mod devices;
pub mod disk;
pub mod fill;
pub mod house;
pub mod lan;
pub mod mallory;
pub mod nodes;
pub mod pretender;
pub mod program;
pub mod raw;
pub mod rosa;
pub mod sealed;
pub mod seeds;
pub mod star;
pub mod talk;
pub mod world;
