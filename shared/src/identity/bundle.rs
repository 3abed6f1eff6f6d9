//! Where a device can be reached, signed by the device:
//! `[v, device, seq, created_ms, expiry_ms, transport, addresses, prekeys, tickets]`.

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::{
    IdentityError,
    keys::{check_x25519, verify, verifying_key},
    signed::signed,
};
use crate::{
    bounded::{self, Short},
    codec,
    id::DeviceId,
    limits::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_BUNDLE_BYTES, MAX_PREKEYS, MAX_TICKETS},
};

pub(super) const DOMAIN: &str = "hobnob/bundle/1";
const VERSION: u8 = 1;
const WHAT: &str = "device bundle";
const ML_KEM_BYTES: usize = 1184;
const MAX_TRANSPORT_BYTES: usize = 128;

/// Where and how a device can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Which device.
    pub device: DeviceId,
    /// Highest wins.
    pub seq: u64,
    /// When it was made, in ms since the epoch.
    pub created_ms: u64,
    /// Until when it is worth anything, in ms since the epoch.
    pub expiry_ms: u64,
    /// The transport's own key (a libp2p peer id). Empty in what everybody may see.
    pub transport: Vec<u8>,
    /// Multiaddresses as text, best first.
    pub addresses: Vec<String>,
    /// Keys for sealed mail.
    pub prekeys: Vec<Prekey>,
    /// Mailboxes for sealed mail.
    pub tickets: Vec<Ticket>,
}

/// A key for sealed mail. `[id, x25519, ml_kem, expiry_ms]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PrekeyArray", into = "PrekeyArray")]
pub struct Prekey {
    /// Names it in an envelope.
    pub id: u32,
    /// Its X25519 half.
    pub x25519: [u8; 32],
    /// Its ML-KEM-768 half, 1,184 bytes.
    pub ml_kem: Vec<u8>,
    /// Until when it may be used, in ms since the epoch.
    pub expiry_ms: u64,
}

/// Where mail for the device may be left. `[carrier, mailbox, token]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TicketArray", into = "TicketArray")]
pub struct Ticket {
    /// Who keeps the mailbox: an address.
    pub carrier: String,
    /// Which mailbox.
    pub mailbox: [u8; 16],
    /// What opens it for deposits.
    pub token: [u8; 16],
}

signed! {
    /// A bundle with the device's signature.
    SignedBundle, "hobnob/bundle-hash/1"
}

#[derive(Serialize, Deserialize)]
struct PrekeyArray(u32, ByteArray<32>, ByteBuf, u64);

#[derive(Serialize, Deserialize)]
struct TicketArray(Short<MAX_ADDRESS_BYTES>, ByteArray<16>, ByteArray<16>);

#[derive(Serialize, Deserialize)]
struct BundleArray(
    u8,
    DeviceId,
    u64,
    u64,
    u64,
    ByteBuf,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_ADDRESSES>")] Vec<Short<MAX_ADDRESS_BYTES>>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_PREKEYS>")] Vec<Prekey>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_TICKETS>")] Vec<Ticket>,
);

impl Bundle {
    /// What everybody may see: the keys for sealed mail, and not where the device is. Its number is one less, so that who
    /// gets both goes on with the one that tells more; the one before this must therefore be two less.
    #[must_use]
    pub fn public(&self) -> Self {
        Self {
            seq: self.seq.saturating_sub(1),
            transport: Vec::new(),
            addresses: Vec::new(),
            tickets: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether it leaves out where the device is, as [`Self::public`] does.
    pub fn is_public(&self) -> bool {
        self.transport.is_empty() && self.addresses.is_empty()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(&BundleArray(
            VERSION,
            self.device,
            self.seq,
            self.created_ms,
            self.expiry_ms,
            ByteBuf::from(self.transport.clone()),
            self.addresses.iter().cloned().map(Short).collect(),
            self.prekeys.clone(),
            self.tickets.clone(),
        ))
    }

    fn check(&self) -> Result<(), IdentityError> {
        if self.transport.len() > MAX_TRANSPORT_BYTES {
            return Err(IdentityError::Nonsense(WHAT));
        }
        for prekey in &self.prekeys {
            check_x25519(&prekey.x25519)?;
            if prekey.ml_kem.len() != ML_KEM_BYTES {
                return Err(IdentityError::Nonsense(WHAT));
            }
        }
        Ok(())
    }
}

impl SignedBundle {
    /// Checks encoding, keys and signature, and that it is of `device`. Says nothing about its age.
    pub fn verify(&self, device: &DeviceId) -> Result<Bundle, IdentityError> {
        let bundle = self.read()?;
        if bundle.device != *device {
            return Err(IdentityError::WrongOwner(WHAT));
        }
        bundle.check()?;
        let key = verifying_key(device.as_bytes())?;
        verify(&key, DOMAIN, &self.bytes, &self.signature)?;
        Ok(bundle)
    }

    /// Which device it claims to be of: to find the certificate. Proves nothing.
    pub fn claimed_device(&self) -> Result<DeviceId, IdentityError> {
        self.read().map(|bundle| bundle.device)
    }

    fn read(&self) -> Result<Bundle, IdentityError> {
        let a: BundleArray = codec::decode_exact(&self.bytes, MAX_BUNDLE_BYTES)
            .map_err(|error| IdentityError::Unreadable(WHAT, error))?;
        if a.0 != VERSION {
            return Err(IdentityError::Version(WHAT, a.0));
        }
        Ok(Bundle {
            device: a.1,
            seq: a.2,
            created_ms: a.3,
            expiry_ms: a.4,
            transport: a.5.into_vec(),
            addresses: a.6.into_iter().map(|address| address.0).collect(),
            prekeys: a.7,
            tickets: a.8,
        })
    }
}

impl From<PrekeyArray> for Prekey {
    fn from(a: PrekeyArray) -> Self {
        Self { id: a.0, x25519: a.1.into_array(), ml_kem: a.2.into_vec(), expiry_ms: a.3 }
    }
}

impl From<Prekey> for PrekeyArray {
    fn from(prekey: Prekey) -> Self {
        Self(prekey.id, ByteArray::new(prekey.x25519), ByteBuf::from(prekey.ml_kem), prekey.expiry_ms)
    }
}

impl From<TicketArray> for Ticket {
    fn from(a: TicketArray) -> Self {
        Self { carrier: a.0.0, mailbox: a.1.into_array(), token: a.2.into_array() }
    }
}

impl From<Ticket> for TicketArray {
    fn from(ticket: Ticket) -> Self {
        Self(Short(ticket.carrier), ByteArray::new(ticket.mailbox), ByteArray::new(ticket.token))
    }
}
