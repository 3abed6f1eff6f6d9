//! Presence at a rendezvous: published under a topic that only friends know, sealed with a key that only they have.
//!
//! From one secret, which its owner keeps: the token that lets it publish, the topic (the token's hash), the key. Friends
//! get topic and key. Another secret after somebody was removed leaves that one with a topic where nothing comes any more.
//! The rendezvous can repeat an old value, so each says until when it holds.

use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use crate::{
    bounded::{self, Short},
    codec,
    hash::hash,
    id::TopicId,
    limits::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_PRESENCE_BYTES},
    sealing,
    text::Note,
    wire::{
        PresenceState,
        rendezvous::{PresenceToken, SealedPresence, topic},
    },
};

const DOMAIN: &[u8] = b"hobnob/presence/1";

/// A sealed presence takes 256, 512 or 1,024 bytes: away or busy, a short text or none, look the same.
const FIRST_BYTES: usize = 256;

/// Whose it is publishes with it. Wiped when dropped.
#[derive(zeroize::ZeroizeOnDrop)]
pub struct PresenceSecret([u8; 32]);

/// What a friend needs to see it. `[topic, key]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(TopicId, ByteArray<32>)", into = "(TopicId, ByteArray<32>)")]
pub struct PresenceTicket {
    topic: TopicId,
    key: Zeroizing<[u8; 32]>,
}

/// How somebody shows themselves, and where they are.
#[derive(Clone, PartialEq, Eq)]
pub struct PresenceContent {
    /// The state.
    pub state: PresenceState,
    /// A text with it.
    pub text: Note,
    /// Multiaddresses as text, best first.
    pub addresses: Vec<String>,
    /// Until when it holds, in ms since the epoch.
    pub expiry_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct ContentMap {
    #[serde(rename = "s")]
    state: PresenceState,
    #[serde(rename = "t")]
    text: Note,
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_ADDRESSES>")]
    addresses: Vec<Short<MAX_ADDRESS_BYTES>>,
    #[serde(rename = "x")]
    expiry_ms: u64,
}

impl PresenceSecret {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The one that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(**bytes)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// What lets its owner publish.
    pub fn token(&self) -> PresenceToken {
        PresenceToken::new(hash("hobnob/presence-token/1", &[&self.0]))
    }

    /// What a friend gets.
    pub fn ticket(&self) -> PresenceTicket {
        let key = Zeroizing::new(hash("hobnob/presence-key/1", &[&self.0]));
        PresenceTicket { topic: topic(&self.token()), key }
    }

    /// Seals a presence. Addresses that do not fit are left out, the last ones first.
    pub fn seal(&self, content: &PresenceContent, rng: &mut impl CryptoRng) -> SealedPresence {
        let (ticket, mut content) = (self.ticket(), content.clone());
        for count in (0..=content.addresses.len().min(MAX_ADDRESSES)).rev() {
            content.addresses.truncate(count);
            if let Some(sealed) = ticket.seal(&content, rng) {
                return sealed;
            }
        }
        debug_assert!(false, "a state and a text always fit");
        SealedPresence::default()
    }
}

impl PresenceTicket {
    /// Where to watch.
    pub fn topic(&self) -> &TopicId {
        &self.topic
    }

    /// Opens a presence; `None` where it was not sealed for this topic, or cannot be read. Whether it still holds is
    /// for the caller to say.
    pub fn open(&self, sealed: &SealedPresence) -> Option<PresenceContent> {
        let padded = sealing::open(&self.key, &self.aad(), sealed.as_bytes())?;
        let map: ContentMap = codec::decode(sealing::unpad(&padded)?, MAX_PRESENCE_BYTES).ok()?;
        Some(PresenceContent {
            state: map.state,
            text: map.text,
            addresses: map.addresses.into_iter().map(|address| address.0).collect(),
            expiry_ms: map.expiry_ms,
        })
    }

    fn seal(&self, content: &PresenceContent, rng: &mut impl CryptoRng) -> Option<SealedPresence> {
        let plain = codec::encode(&ContentMap {
            state: content.state,
            text: content.text.clone(),
            addresses: content.addresses.iter().cloned().map(Short).collect(),
            expiry_ms: content.expiry_ms,
        });
        let least = plain.len() + sealing::PADDING_BYTES + sealing::BOX_BYTES;
        let total = sealing::doubled(FIRST_BYTES, least, MAX_PRESENCE_BYTES)?;
        let padded = sealing::pad(&plain, total - sealing::BOX_BYTES)?;
        SealedPresence::new(sealing::seal(&self.key, &self.aad(), &padded, rng)?)
    }

    fn aad(&self) -> Vec<u8> {
        [DOMAIN, self.topic.as_bytes()].concat()
    }
}

impl From<(TopicId, ByteArray<32>)> for PresenceTicket {
    fn from((topic, key): (TopicId, ByteArray<32>)) -> Self {
        Self { topic, key: Zeroizing::new(key.into_array()) }
    }
}

impl From<PresenceTicket> for (TopicId, ByteArray<32>) {
    fn from(ticket: PresenceTicket) -> Self {
        (ticket.topic, ByteArray::new(*ticket.key))
    }
}

impl fmt::Debug for PresenceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresenceSecret(..)")
    }
}

impl fmt::Debug for PresenceTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresenceTicket({:?})", self.topic)
    }
}

/// The state and how many addresses: neither text nor places belong into logs.
impl fmt::Debug for PresenceContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresenceContent({:?}, {} addresses)", self.state, self.addresses.len())
    }
}
