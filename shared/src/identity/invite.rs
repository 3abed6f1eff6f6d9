//! The link that lets a stranger reach us: `hobnob:` and base32 of a CBOR array and four bytes of checksum.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use super::keys::check_x25519;
use crate::{
    bounded::{self, Short},
    codec::{self, DecodeError},
    hash::hash,
    id::{AccountId, InviteId},
    limits::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_INVITE_BYTES, MAX_LINK_BYTES},
};

const VERSION: u8 = 1;
const PREFIX: &str = "hobnob:";
const CHECKSUM_BYTES: usize = 4;

/// An invite link, parsed. Whoever holds it can become a friend of the one who gave it out, or one of their devices.
#[derive(Clone)]
pub struct Invite {
    /// Who invites.
    pub account: AccountId,
    /// The session key of the device that answers.
    pub device_x25519: [u8; 32],
    /// Multiaddresses as text, best first.
    pub addresses: Vec<String>,
    /// A rendezvous where the device can be found. Never adopted silently.
    pub rendezvous: Option<String>,
    /// Which invite.
    pub id: InviteId,
    /// What proves to the device that the link was seen.
    pub token: Zeroizing<[u8; 16]>,
    /// Until when it is good, in ms since the epoch.
    pub expiry_ms: u64,
    /// See [`Invite::ACCEPTED_AT_ONCE`] and [`Invite::LINKS_DEVICE`].
    pub flags: u8,
}

/// Why a link was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not begin like one.
    #[error("an invite link begins with {PREFIX}")]
    NotAnInvite,
    /// Its end is missing.
    #[error("the end of the invite link is missing; copy all of it")]
    Truncated,
    /// A character that no link has.
    #[error("an invite link cannot contain {0:?}; was it copied whole?")]
    BadCharacter(char),
    /// The checksum is wrong.
    #[error("the invite link has a typing mistake; copy it instead")]
    Mistyped,
    /// Of a later version.
    #[error("the invite link was made by a newer version of hobnob (link version {0}); update this one")]
    Newer(u8),
    /// Whole, but it makes no sense.
    #[error("the invite link is not valid: {0}")]
    Invalid(&'static str),
}

#[derive(Serialize, Deserialize)]
struct InviteArray(
    u8,
    AccountId,
    ByteArray<32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_ADDRESSES>")] Vec<Short<MAX_ADDRESS_BYTES>>,
    Short<MAX_ADDRESS_BYTES>,
    InviteId,
    ByteArray<16>,
    u64,
    u8,
);

impl Invite {
    /// Flag: whoever uses the link becomes a friend at once.
    pub const ACCEPTED_AT_ONCE: u8 = 1;

    /// Flag: the machine that uses the link becomes a device of the account.
    pub const LINKS_DEVICE: u8 = 2;

    /// Whether the machine that uses the link becomes a device of the account.
    pub fn links_device(&self) -> bool {
        self.flags & Self::LINKS_DEVICE != 0
    }

    /// Whether whoever uses the link becomes a friend at once.
    pub fn accepted_at_once(&self) -> bool {
        self.flags & Self::ACCEPTED_AT_ONCE != 0
    }

    /// Reads a link. Upper case, blanks and line breaks (from mail and QR codes) do not matter.
    pub fn parse(link: &str) -> Result<Self, InviteError> {
        if link.len() > MAX_LINK_BYTES {
            return Err(InviteError::Invalid("it is too long"));
        }
        let compact: Zeroizing<String> = Zeroizing::new(link.chars().filter(|c| !c.is_whitespace()).collect());
        let text = compact
            .split_at_checked(PREFIX.len())
            .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(PREFIX))
            .map(|(_, text)| Zeroizing::new(text.to_ascii_uppercase()))
            .ok_or(InviteError::NotAnInvite)?;
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'A'..='Z' | '2'..='7')) {
            return Err(InviteError::BadCharacter(bad.to_ascii_lowercase()));
        }
        match BASE32_NOPAD.decode(text.as_bytes()) {
            Ok(bytes) => Self::from_bytes(&Zeroizing::new(bytes)),
            // Cut off within a group of eight letters, or letters are missing in the middle.
            Err(_) => Err(what_broke(&whole_groups(&text))),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, InviteError> {
        let split = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(InviteError::Truncated)?;
        let (body, sum) = bytes.split_at_checked(split).ok_or(InviteError::Truncated)?;
        if checksum(body) != sum {
            return Err(what_broke(bytes));
        }
        match body {
            // An array's first item, a small number: every version begins like this.
            [array, version @ 0..=23, ..] if array >> 5 == 4 && *version > VERSION => Err(InviteError::Newer(*version)),
            _ => Self::from_body(body),
        }
    }

    fn from_body(body: &[u8]) -> Result<Self, InviteError> {
        let a: InviteArray =
            codec::decode_exact(body, MAX_INVITE_BYTES).map_err(|_| InviteError::Invalid("it cannot be read"))?;
        if a.0 != VERSION {
            return Err(InviteError::Invalid("it has no known version"));
        }
        let device_x25519 = a.2.into_array();
        check_x25519(&device_x25519).map_err(|_| InviteError::Invalid("its key is weak"))?;
        let token = Zeroizing::new(a.6.into_array());

        Ok(Self {
            account: a.1,
            device_x25519,
            addresses: a.3.into_iter().map(|address| address.0).collect(),
            rendezvous: Some(a.4.0).filter(|address| !address.is_empty()),
            id: a.5,
            token,
            expiry_ms: a.7,
            flags: a.8,
        })
    }
}

/// What the letters say that form whole groups of five bytes.
fn whole_groups(text: &str) -> Zeroizing<Vec<u8>> {
    let whole = text.as_bytes().chunks_exact(8);
    Zeroizing::new(whole.filter_map(|group| BASE32_NOPAD.decode(group).ok()).flatten().collect())
}

/// Why a checksum is missing or wrong: the bytes end too early, or some of them changed.
fn what_broke(bytes: &[u8]) -> InviteError {
    match codec::decode::<InviteArray>(bytes, MAX_INVITE_BYTES) {
        Err(DecodeError::Ended) => InviteError::Truncated,
        Ok(_) | Err(_) => InviteError::Mistyped,
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = hash("hobnob/invite-checksum/1", &[body]);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(digest.split_at(CHECKSUM_BYTES).0);
    sum
}

impl FromStr for Invite {
    type Err = InviteError;
    fn from_str(link: &str) -> Result<Self, InviteError> {
        Self::parse(link)
    }
}

/// The link, in lower case.
impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new(codec::encode(&InviteArray(
            VERSION,
            self.account,
            ByteArray::new(self.device_x25519),
            self.addresses.iter().cloned().map(Short).collect(),
            Short(self.rendezvous.clone().unwrap_or_default()),
            self.id,
            ByteArray::new(*self.token),
            self.expiry_ms,
            self.flags,
        )));
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

/// Who and which, never the token.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").field("account", &self.account).field("id", &self.id).finish_non_exhaustive()
    }
}
