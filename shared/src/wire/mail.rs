//! What is inside sealed mail and sealed friend requests.
//!
//! Whoever steals a prekey can forge the sender of an envelope, so only what is signed counts: entries, receipts and
//! knocks carry their author's signature, records and certificates the account's. Mail that is repeated, reordered or
//! sent by somebody else is therefore harmless.

use serde::{Deserialize, Serialize};

use super::{
    SignedEntry, SignedTicket,
    payload::{AccountPayload, FrontierItem, WantRange},
};
use crate::{
    bounded, codec,
    id::{AccountId, ConversationId, DeviceId},
    identity::{DeviceKeys, IdentityError, signed, verify, verifying_key},
    limits::{MAX_FRONTIER_ITEMS, MAX_MAIL_ENTRIES, MAX_MAIL_PLAIN_BYTES, MAX_MAIL_RANGES, MAX_RECEIPTS},
    rendezvous::Address,
    text::{Nickname, Note, Username},
};

const RECEIPT_DOMAIN: &str = "hobnob/receipt/1";
const RECEIPT: &str = "receipt";
const KNOCK_DOMAIN: &str = "hobnob/signed-knock/1";
const KNOCK: &str = "friend request";
const VERSION: u8 = 1;

/// What one envelope holds. Unknown keys are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailContent {
    /// The sender's newest record, certificates and bundles: enough to check the rest.
    #[serde(rename = "a", default, skip_serializing_if = "is_empty")]
    pub account: AccountPayload,
    /// Entries, of whichever conversations, each after its past.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_MAIL_ENTRIES>")]
    pub entries: Vec<SignedEntry>,
    /// What the sender has stored.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_RECEIPTS>")]
    pub receipts: Vec<SignedReceipt>,
    /// The sender wants to be, or accepts to be, a friend.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub knock: Option<SignedKnock>,
    /// Where the sender's presence is.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<SignedTicket>,
    /// What the sender lacks of what the recipient has.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub want: Option<MailWant>,
}

/// Entries that a device lacks. `[device(32), conversation, [[log, from, to]…], others]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WantArray", into = "WantArray")]
pub struct MailWant {
    /// Which device.
    pub device: DeviceId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// The ranges.
    pub ranges: Vec<WantRange>,
    /// And all of every log that they do not name.
    pub others: bool,
}

/// What a device has stored of a conversation: a frontier that needs no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who has it.
    pub device: DeviceId,
    /// Which conversation.
    pub conversation: ConversationId,
    /// The heads of its logs; not all of them, where there are too many.
    pub items: Vec<FrontierItem>,
}

/// "I accept you", from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnockLetter {
    /// Who says so.
    pub from: AccountId,
    /// By which device.
    pub device: DeviceId,
    /// To whom: nobody else can be shown it.
    pub to: AccountId,
    /// How the sender calls itself.
    pub nick: Nickname,
    /// What it says to that.
    pub note: Note,
    /// Where, and under which name, the sender can be answered.
    pub name: Option<(Username, Address)>,
    /// The sender's clock, in ms since the epoch. The newest counts.
    pub time_ms: u64,
}

signed! {
    /// A receipt with the device's signature.
    SignedReceipt, "hobnob/receipt-hash/1"
}

signed! {
    /// A knock with the device's signature.
    SignedKnock, "hobnob/signed-knock-hash/1"
}

#[derive(Serialize, Deserialize)]
struct WantArray(
    DeviceId,
    ConversationId,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_MAIL_RANGES>")] Vec<WantRange>,
    bool,
);

impl From<WantArray> for MailWant {
    fn from(WantArray(device, conversation, ranges, others): WantArray) -> Self {
        Self { device, conversation, ranges, others }
    }
}

impl From<MailWant> for WantArray {
    fn from(MailWant { device, conversation, ranges, others }: MailWant) -> Self {
        Self(device, conversation, ranges, others)
    }
}

#[derive(Serialize, Deserialize)]
struct ReceiptArray(
    u8,
    DeviceId,
    ConversationId,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_FRONTIER_ITEMS>")] Vec<FrontierItem>,
);

#[derive(Serialize, Deserialize)]
struct KnockArray(u8, AccountId, DeviceId, AccountId, Nickname, Note, Option<(Username, Address)>, u64);

impl Receipt {
    /// Signs it. It must name this device.
    pub fn sign(&self, keys: &DeviceKeys) -> SignedReceipt {
        debug_assert!(self.device == keys.id(), "a receipt names the device that signs it");
        let bytes = codec::encode(&ReceiptArray(VERSION, self.device, self.conversation, self.items.clone()));
        SignedReceipt { signature: keys.sign(RECEIPT_DOMAIN, &bytes), bytes }
    }
}

impl SignedReceipt {
    /// Checks encoding and signature. Whose device it is, is for the caller to know.
    pub fn verify(&self) -> Result<Receipt, IdentityError> {
        let a: ReceiptArray = codec::decode_exact(&self.bytes, MAX_MAIL_PLAIN_BYTES)
            .map_err(|error| IdentityError::Unreadable(RECEIPT, error))?;
        if a.0 != VERSION {
            return Err(IdentityError::Version(RECEIPT, a.0));
        }
        verify(&verifying_key(a.1.as_bytes())?, RECEIPT_DOMAIN, &self.bytes, &self.signature)?;
        Ok(Receipt { device: a.1, conversation: a.2, items: a.3 })
    }
}

impl KnockLetter {
    /// Signs it. It must name this device.
    pub fn sign(&self, keys: &DeviceKeys) -> SignedKnock {
        debug_assert!(self.device == keys.id(), "a knock names the device that signs it");
        let (nick, note, name) = (self.nick.clone(), self.note.clone(), self.name.clone());
        let bytes =
            codec::encode(&KnockArray(VERSION, self.from, self.device, self.to, nick, note, name, self.time_ms));
        SignedKnock { signature: keys.sign(KNOCK_DOMAIN, &bytes), bytes }
    }
}

impl SignedKnock {
    /// Checks encoding and signature, and that it is for `to`. That the device is one of the account's is for the
    /// caller to check, with the records and certificates that come along.
    pub fn verify(&self, to: &AccountId) -> Result<KnockLetter, IdentityError> {
        let a: KnockArray = codec::decode_exact(&self.bytes, MAX_MAIL_PLAIN_BYTES)
            .map_err(|error| IdentityError::Unreadable(KNOCK, error))?;
        if a.0 != VERSION {
            return Err(IdentityError::Version(KNOCK, a.0));
        }
        verify(&verifying_key(a.2.as_bytes())?, KNOCK_DOMAIN, &self.bytes, &self.signature)?;
        if a.3 != *to {
            return Err(IdentityError::WrongOwner(KNOCK));
        }
        Ok(KnockLetter { from: a.1, device: a.2, to: a.3, nick: a.4, note: a.5, name: a.6, time_ms: a.7 })
    }
}

fn is_empty(account: &AccountPayload) -> bool {
    account.records.is_empty() && account.certificates.is_empty() && account.bundles.is_empty()
}
