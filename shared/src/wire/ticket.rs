//! A presence ticket with the signature of the device whose presence it shows.
//!
//! It travels in a session or in sealed mail. Whoever forwards it shows nothing false by that, so it names nobody.

use serde::{Deserialize, Serialize};

use crate::{
    codec,
    id::DeviceId,
    identity::{DeviceKeys, IdentityError, signed, verify, verifying_key},
    limits::MAX_PRESENCE_TICKET_BYTES,
    presence::PresenceTicket,
};

const DOMAIN: &str = "hobnob/presence-ticket/1";
const WHAT: &str = "presence ticket";
const VERSION: u8 = 1;

/// "This is where my presence is."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketLetter {
    /// Whose presence.
    pub device: DeviceId,
    /// Where it is, and what opens it.
    pub ticket: PresenceTicket,
    /// When it was made, in ms since the epoch. The newest counts.
    pub time_ms: u64,
}

signed! {
    /// A presence ticket with its device's signature.
    SignedTicket, "hobnob/presence-ticket-hash/1"
}

#[derive(Serialize, Deserialize)]
struct TicketArray(u8, DeviceId, PresenceTicket, u64);

impl TicketLetter {
    /// Signs it. It must name this device.
    pub fn sign(&self, keys: &DeviceKeys) -> SignedTicket {
        debug_assert!(self.device == keys.id(), "a ticket names the device that signs it");
        let bytes = codec::encode(&TicketArray(VERSION, self.device, self.ticket.clone(), self.time_ms));
        SignedTicket { signature: keys.sign(DOMAIN, &bytes), bytes }
    }
}

impl SignedTicket {
    /// Checks encoding and signature. Whose device it is, is for the caller to know.
    pub fn verify(&self) -> Result<TicketLetter, IdentityError> {
        let a: TicketArray = codec::decode_exact(&self.bytes, MAX_PRESENCE_TICKET_BYTES)
            .map_err(|error| IdentityError::Unreadable(WHAT, error))?;
        if a.0 != VERSION {
            return Err(IdentityError::Version(WHAT, a.0));
        }
        verify(&verifying_key(a.1.as_bytes())?, DOMAIN, &self.bytes, &self.signature)?;
        Ok(TicketLetter { device: a.1, ticket: a.2, time_ms: a.3 })
    }
}
