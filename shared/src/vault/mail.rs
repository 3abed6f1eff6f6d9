//! What mail to a friend needs, for a machine that has never met them; and which of it is left out where a vault has no
//! room.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Contact, HEAD_BYTES, VaultContent};
use crate::{
    bounded, codec,
    identity::{Prekey, SignedCertificate, SignedRecord, Ticket},
    limits::{MAX_DEVICES, MAX_PREKEYS, MAX_TICKETS, MAX_VAULT_BYTES},
};

/// What mail to a friend needs. `[record, [device…]]`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "FriendMailArray", into = "FriendMailArray")]
pub struct FriendMail {
    /// The newest record of their account that is known: it lists the devices.
    pub record: SignedRecord,
    /// Those devices.
    pub devices: Vec<DeviceMail>,
}

/// Where mail for a friend's device may be left by any device of ours, and what it is sealed to.
/// `[certificate, seq, [ticket…], [prekey…]]`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "DeviceMailArray", into = "DeviceMailArray")]
pub struct DeviceMail {
    /// Which device.
    pub certificate: SignedCertificate,
    /// The number of its bundle that said the rest; 0 where nothing was said.
    pub seq: u64,
    /// Its mailboxes for our account.
    pub tickets: Vec<Ticket>,
    /// Its prekeys, as they were when this was written.
    pub prekeys: Vec<Prekey>,
}

#[derive(Serialize, Deserialize)]
struct FriendMailArray(SignedRecord, #[serde(deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")] Vec<DeviceMail>);

#[derive(Serialize, Deserialize)]
struct DeviceMailArray(
    SignedCertificate,
    u64,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_TICKETS>")] Vec<Ticket>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_PREKEYS>")] Vec<Prekey>,
);

impl VaultContent {
    /// Leaves out of what mail needs as much as there is no room for: prekeys first, which a look-up may bring too, then the
    /// rest; each time of those friends first for whom `rank` is lowest.
    pub fn make_room(&mut self, rank: impl Fn(&Contact) -> u64) {
        let mut over = self.encode().len().saturating_sub(MAX_VAULT_BYTES - HEAD_BYTES);
        if over == 0 {
            return;
        }
        let mut contacts: Vec<_> = self.contacts.iter_mut().collect();
        contacts.sort_by_key(|contact| rank(contact));
        for cut in [Contact::drop_prekeys, Contact::drop_mail] {
            for contact in &mut contacts {
                if over == 0 {
                    return;
                }
                let before = codec::encode(contact).len();
                cut(contact);
                over = over.saturating_sub(before - codec::encode(contact).len());
            }
        }
    }
}

impl Contact {
    fn drop_prekeys(&mut self) {
        self.mail.iter_mut().flat_map(|mail| &mut mail.devices).for_each(|device| device.prekeys.clear());
    }

    fn drop_mail(&mut self) {
        self.mail = None;
    }
}

impl From<FriendMailArray> for FriendMail {
    fn from(a: FriendMailArray) -> Self {
        Self { record: a.0, devices: a.1 }
    }
}

impl From<FriendMail> for FriendMailArray {
    fn from(mail: FriendMail) -> Self {
        Self(mail.record, mail.devices)
    }
}

impl From<DeviceMailArray> for DeviceMail {
    fn from(a: DeviceMailArray) -> Self {
        Self { certificate: a.0, seq: a.1, tickets: a.2, prekeys: a.3 }
    }
}

impl From<DeviceMail> for DeviceMailArray {
    fn from(device: DeviceMail) -> Self {
        Self(device.certificate, device.seq, device.tickets, device.prekeys)
    }
}

/// Only how many devices: whoever sees a ticket may leave mail.
impl fmt::Debug for FriendMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FriendMail({} devices)", self.devices.len())
    }
}

/// The same.
impl fmt::Debug for DeviceMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceMail({} tickets, {} prekeys)", self.tickets.len(), self.prekeys.len())
    }
}
