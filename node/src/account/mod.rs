//! What a person does with an account at a rendezvous: registering, logging in on a bare machine, leaving.
//!
//! The engine asks and keeps; here is what takes a password: OPAQUE's slow hash, the vault, the keystore. No password
//! ever goes to the engine, and none is kept.

pub mod password;
