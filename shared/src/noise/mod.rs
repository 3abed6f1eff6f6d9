//! Sessions between devices: all that touches snow and ML-KEM. Bytes in, bytes out; no clock, no network.
//!
//! `Noise_XKpsk3` to a device that is known or that an invite names and to a rendezvous that knows the account,
//! `Noise_XXpsk3` while both are in pairing mode, `Noise_NK` to a rendezvous that shall not know who calls.
//! Message 1 carries an ephemeral ML-KEM-768 key, message 2 the ciphertext; the psk is made of the invite's token (or
//! zeros) and the KEM's secret, before message 3, which carries the initiator's certificate.

mod handshake;
mod kem;
pub mod mail;
mod resolver;
mod session;

pub use handshake::{Established, Handshake, Step};
pub use session::Session;

use crate::{codec::DecodeError, identity::IdentityError};

/// What kind of handshake runs on a link: the `mode` byte of the preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mode {
    /// `XKpsk3` to a device that is already known.
    Device = 0,
    /// `XKpsk3` to the device of an invite, with the invite's token in the psk.
    Invite = 1,
    /// `XXpsk3`, only while both are in pairing mode.
    Nearby = 2,
    /// `XKpsk3` to a rendezvous, which learns whose device calls.
    Account = 8,
    /// `NK` to a rendezvous, which learns nothing about who calls.
    Guest = 9,
}

/// Bytes of a preamble.
pub const PREAMBLE_BYTES: usize = 8;

const MAGIC: [u8; 4] = *b"HOBN";
const VERSION: u8 = 1;

/// Why the first bytes of a stream were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreambleError {
    /// Somebody else's protocol.
    #[error("what calls is not hobnob")]
    NotHobnob,
    /// Another major version.
    #[error("what calls speaks version {0}; this program speaks {VERSION}")]
    Version(u8),
    /// A mode that this version does not know.
    #[error("what calls asks for mode {0}, which is unknown")]
    Mode(u8),
}

/// The first bytes of a stream: `HOBN`, version, mode, two zero bytes.
pub const fn preamble(mode: Mode) -> [u8; PREAMBLE_BYTES] {
    let [h, o, b, n] = MAGIC;
    [h, o, b, n, VERSION, mode as u8, 0, 0]
}

/// Reads what [`preamble`] made.
pub fn parse_preamble(bytes: &[u8; PREAMBLE_BYTES]) -> Result<Mode, PreambleError> {
    let [h, o, b, n, version, mode, zero, nil] = *bytes;
    if [h, o, b, n] != MAGIC {
        return Err(PreambleError::NotHobnob);
    }
    if version != VERSION {
        return Err(PreambleError::Version(version));
    }
    match mode {
        0 if [zero, nil] == [0, 0] => Ok(Mode::Device),
        1 if [zero, nil] == [0, 0] => Ok(Mode::Invite),
        2 if [zero, nil] == [0, 0] => Ok(Mode::Nearby),
        8 if [zero, nil] == [0, 0] => Ok(Mode::Account),
        9 if [zero, nil] == [0, 0] => Ok(Mode::Guest),
        0..=2 | 8 | 9 => Err(PreambleError::NotHobnob),
        mode => Err(PreambleError::Mode(mode)),
    }
}

/// Why a handshake or session went no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoiseError {
    /// Not from the other side, changed on the way, repeated, or for other keys.
    #[error("the message does not decrypt")]
    Decrypt,
    /// It decrypts, and says nothing that belongs there.
    #[error("the handshake message makes no sense")]
    Malformed,
    /// A key whose shared secret everybody knows.
    #[error("a key of the other side is weak")]
    WeakKey,
    /// The initiator's certificate is not good, or not of the key that it used.
    #[error("the certificate is refused: {0}")]
    Certificate(#[from] IdentityError),
    /// The certificate names another session key than the one used.
    #[error("the certificate belongs to another key")]
    WrongKey,
    /// A call that does not belong here: our own mistake.
    #[error("the handshake is not at this step")]
    OutOfStep,
    /// A frame longer than the limit, or empty.
    #[error("a frame of {0} bytes is refused")]
    FrameLength(usize),
    /// A frame that does not decode.
    #[error("a frame cannot be read: {0}")]
    Frame(#[from] DecodeError),
    /// The library refused what should never fail.
    #[error("noise: {0}")]
    Library(String),
}

impl From<snow::Error> for NoiseError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "snow's enum may grow")]
    fn from(error: snow::Error) -> Self {
        match error {
            snow::Error::Decrypt => Self::Decrypt,
            snow::Error::Dh => Self::WeakKey,
            snow::Error::Input => Self::Malformed,
            other => Self::Library(other.to_string()),
        }
    }
}
