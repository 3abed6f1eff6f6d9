//! Names for things: fixed-length byte strings, each its own type so that one cannot stand for another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Its length, in bytes.
            pub const LEN: usize = $len;

            /// Takes the bytes as they are.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Takes a slice of exactly [`Self::LEN`] bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        /// The first four bytes in hex: enough to tell two apart in a log, too little to name anybody.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0.iter().take(4) {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }

        /// All bytes in lower-case hex.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in &self.0 {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes: serde_bytes::ByteArray<$len> = Deserialize::deserialize(deserializer)?;
                Ok(Self(bytes.into_array()))
            }
        }
    };
}

bytes_id!(
    /// A person: an Ed25519 public key.
    AccountId, 32
);
bytes_id!(
    /// One installation of a person: an Ed25519 public key.
    DeviceId, 32
);
bytes_id!(
    /// A conversation: for a direct one the hash of both accounts, sorted; for a room the hash of its `Create` header.
    ConversationId, 32
);
bytes_id!(
    /// One signed entry: the hash of its header.
    EntryId, 32
);
bytes_id!(
    /// The first half of an [`EntryId`]: what a dependency names, next to a log and a number.
    ShortHash, 16
);
bytes_id!(
    /// One log: a device tag (16 bytes) and an incarnation (8 bytes).
    LogId, 24
);
bytes_id!(
    /// An invite.
    InviteId, 16
);

bytes_id!(
    /// A mailbox at a rendezvous or carrier: random, one for each friend and own device.
    MailboxId, 16
);
bytes_id!(
    /// Where a presence is published: see [`crate::presence`].
    TopicId, 32
);

impl DeviceId {
    /// The first 16 bytes of every log that this device writes.
    pub fn tag(&self) -> [u8; 16] {
        let digest = blake3::derive_key("hobnob/device-tag/1", &self.0);
        let mut tag = [0; 16];
        tag.copy_from_slice(digest.split_at(16).0);
        tag
    }

    /// The log of this device in its `incarnation`.
    pub fn log(&self, incarnation: [u8; 8]) -> LogId {
        let mut id = [0; 24];
        id.split_at_mut(16).0.copy_from_slice(&self.tag());
        id.split_at_mut(16).1.copy_from_slice(&incarnation);
        LogId(id)
    }
}

impl LogId {
    /// Whether `device` writes this log.
    pub fn is_of(&self, device: &DeviceId) -> bool {
        self.0.starts_with(&device.tag())
    }
}

impl EntryId {
    /// The half that dependencies carry.
    pub fn short(&self) -> ShortHash {
        let mut short = [0; 16];
        short.copy_from_slice(self.0.split_at(16).0);
        ShortHash(short)
    }
}

impl ConversationId {
    /// The direct conversation of two accounts, the same from both sides.
    pub fn direct(one: &AccountId, other: &AccountId) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let mut hasher = blake3::Hasher::new_derive_key("hobnob/direct/1");
        hasher.update(low.as_bytes());
        hasher.update(high.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}
