//! OPAQUE (RFC 9807): a password proves itself to a rendezvous that never sees it. Bytes in, bytes out.
//!
//! OPRF and 3DH over Ristretto255 with SHA-512; Argon2id stretches the password at the client, so a rendezvous whose
//! records are stolen still costs a guesser [`COST`] each try. A login is bound to the session that it runs in.
//!
//! The one rule: a name that is not there takes the same path ([`ServerSetup::login`] with `None`), and every failure
//! of it looks like a wrong password.

mod client;
pub mod message;
mod server;
mod suite;

pub use client::{ClientLogin, ClientRegistration};
pub use server::{ServerLogin, ServerSetup, check_upload};

use std::fmt;

use zeroize::Zeroizing;

use crate::{identity::keystore::Params, text::Username};

/// What a guess at the password costs: Argon2id over 256 MiB, three passes. RFC 9807 asks for 2 GiB, which small
/// machines do not have; part of the protocol, since both registering and logging in use it.
pub const COST: Params = Params { memory_kib: 256 * 1024, passes: 3, lanes: 1 };

/// Who logs in where, and in which session. Both sides must mean the same.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// The name.
    pub name: &'a Username,
    /// The rendezvous: [`crate::rendezvous::Address::key_text`].
    pub server: &'a str,
    /// The handshake hash of the session below.
    pub session: &'a [u8; 32],
}

/// Why it went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpaqueError {
    /// The password is wrong, or there is no such name: nobody can tell which.
    #[error("the name or the password is wrong")]
    WrongPassword,
    /// The other side's bytes say nothing that makes sense.
    #[error("the other side's message makes no sense")]
    Malformed,
    /// Argon2id could not run.
    #[error("the password cannot be used: not enough memory for {0} KiB")]
    NoMemory(u32),
    /// The library refused what should never fail.
    #[error("the password protocol failed")]
    Library,
}

/// What only name and password together give: the root of the vault's key. Wiped when dropped.
pub struct ExportKey(Zeroizing<[u8; 64]>);

impl ExportKey {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportKey(..)")
    }
}
