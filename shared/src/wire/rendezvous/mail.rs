//! Mailboxes, mail, friend requests, presence: all of it sealed.

use serde::{Deserialize, Serialize};

use super::account::Proof;
use crate::{
    bounded::{self, Sealed, Token},
    hash::hash,
    id::{AccountId, DeviceId, MailboxId, TopicId},
    limits::{
        MAX_ACKS, MAX_DEVICES, MAX_KNOCK_BYTES, MAX_MAIL_BYTES, MAX_MAIL_ITEMS, MAX_PENDING_KNOCKS, MAX_PRESENCE_BYTES,
        MAX_TOPICS,
    },
};

/// Sealed mail: see [`crate::noise::mail`].
pub type Envelope = Sealed<MAX_MAIL_BYTES>;
/// A sealed friend request.
pub type KnockEnvelope = Sealed<MAX_KNOCK_BYTES>;
/// A sealed presence.
pub type SealedPresence = Sealed<MAX_PRESENCE_BYTES>;
/// What opens a mailbox for deposits.
pub type DepositToken = Token<16>;
/// What lets its owner publish a presence.
pub type PresenceToken = Token<32>;

/// Makes, changes or deletes a mailbox of the device that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxPut {
    /// Which.
    #[serde(rename = "m")]
    pub mailbox: MailboxId,
    /// What opens it for deposits; absent to delete it.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub token: Option<DepositToken>,
}

/// Leaves mail. Answered only when it is stored for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailPut {
    /// Where.
    #[serde(rename = "m")]
    pub mailbox: MailboxId,
    /// Why it may.
    #[serde(rename = "k")]
    pub token: DepositToken,
    /// The mail.
    #[serde(rename = "e")]
    pub envelope: Envelope,
}

/// Asks for the mail of the device that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailGet {
    /// Only what has a higher number; 0 for all.
    #[serde(rename = "a")]
    pub after: u64,
    /// At most so many.
    #[serde(rename = "x")]
    pub max: u16,
}

/// One envelope. `[number, mailbox, envelope]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, MailboxId, Envelope)", into = "(u64, MailboxId, Envelope)")]
pub struct MailItem {
    /// Its number, in the order of arrival at this rendezvous; never used again.
    pub number: u64,
    /// The mailbox that it lies in.
    pub mailbox: MailboxId,
    /// The mail.
    pub envelope: Envelope,
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// In the order of their numbers.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_MAIL_ITEMS>")]
    pub items: Vec<MailItem>,
    /// There is more.
    #[serde(rename = "m")]
    pub more: bool,
}

/// What was stored may be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailAck {
    /// For each mailbox: everything up to this number.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_ACKS>")]
    pub through: Vec<(MailboxId, u64)>,
}

/// Look: told when mail or a friend request comes, and at a session's start where mail waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailWaiting {
    /// Envelopes of mail that wait for this device; none, when it was a friend request.
    #[serde(rename = "n")]
    pub envelopes: u64,
}

/// Leaves a friend request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnockPut {
    /// For whom.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// One envelope for each device that has a prekey: each is told, and any of them may answer.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_DEVICES>")]
    pub envelopes: Vec<(DeviceId, KnockEnvelope)>,
    /// Work over [`KnockPut::digest`], or a code.
    #[serde(rename = "p")]
    pub proof: Proof,
}

/// A friend request, as far as it is for the device that asks. `[number, envelope]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, KnockEnvelope)", into = "(u64, KnockEnvelope)")]
pub struct KnockItem {
    /// Its number.
    pub number: u64,
    /// The request.
    pub envelope: KnockEnvelope,
}

/// Friend requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knocks {
    /// In the order of their numbers.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_PENDING_KNOCKS>")]
    pub items: Vec<KnockItem>,
}

/// Friend requests that are stored at the device that says so: what is kept for it of them may be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnockAck {
    /// Their numbers.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_PENDING_KNOCKS>")]
    pub numbers: Vec<u64>,
}

/// Publishes a presence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresencePut {
    /// Proves whose topic it is: the topic is its hash.
    #[serde(rename = "k")]
    pub token: PresenceToken,
    /// The value; absent to be gone at once.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedPresence>,
    /// Forgotten after so many seconds without a frame from its owner.
    #[serde(rename = "t")]
    pub ttl_secs: u32,
}

/// Wants to be told of presences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceWatch {
    /// Whose.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_TOPICS>")]
    pub topics: Vec<TopicId>,
    /// These only, from now on; else these too.
    #[serde(rename = "r")]
    pub replace: bool,
}

/// A presence that changed, or that is there when watching begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceNote {
    /// Whose.
    #[serde(rename = "o")]
    pub topic: TopicId,
    /// The value; absent when they are gone.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedPresence>,
}

impl KnockPut {
    /// What the proof of work is bound to: whoever asks, and what.
    pub fn digest(account: &AccountId, envelopes: &[(DeviceId, KnockEnvelope)]) -> [u8; 32] {
        let mut parts: Vec<&[u8]> = vec![account.as_bytes()];
        for (device, envelope) in envelopes {
            parts.extend([device.as_bytes().as_slice(), envelope.as_bytes()]);
        }
        hash("hobnob/knock/1", &parts)
    }
}

impl PresencePut {
    /// Which topic it is about.
    pub fn topic(&self) -> TopicId {
        topic(&self.token)
    }
}

/// The topic that this token is for.
pub(crate) fn topic(token: &PresenceToken) -> TopicId {
    TopicId::new(hash("hobnob/presence-topic/1", &[token.as_bytes()]))
}

impl From<(u64, MailboxId, Envelope)> for MailItem {
    fn from((number, mailbox, envelope): (u64, MailboxId, Envelope)) -> Self {
        Self { number, mailbox, envelope }
    }
}

impl From<MailItem> for (u64, MailboxId, Envelope) {
    fn from(item: MailItem) -> Self {
        (item.number, item.mailbox, item.envelope)
    }
}

impl From<(u64, KnockEnvelope)> for KnockItem {
    fn from((number, envelope): (u64, KnockEnvelope)) -> Self {
        Self { number, envelope }
    }
}

impl From<KnockItem> for (u64, KnockEnvelope) {
    fn from(item: KnockItem) -> Self {
        (item.number, item.envelope)
    }
}
