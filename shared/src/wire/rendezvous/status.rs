//! What a rendezvous says of itself to anybody.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{
    bounded,
    limits::{MAX_FEATURE_BYTES, MAX_SOFTWARE_BYTES, MAX_STATUS_LIMITS},
};

/// The version of the protocol that we speak.
const VERSION: u8 = 1;

/// Stands among the limits: a random number that a rendezvous keeps until it is restored from a backup.
pub const GENERATION: &str = "generation";

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u8, u8)", into = "(u8, u8)")]
pub enum Registration {
    /// Nobody. Also what a later version's number is taken for.
    Closed,
    /// Whoever works for it.
    Open {
        /// Leading zero bits: see [`crate::pow`].
        pow_bits: u8,
    },
    /// Whoever has a code of the operator's.
    Invite,
}

/// What a rendezvous is, and wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The oldest and the newest version that it speaks.
    #[serde(rename = "v")]
    pub versions: (u8, u8),
    /// What runs there: for people.
    #[serde(rename = "w", deserialize_with = "bounded::text::<_, MAX_SOFTWARE_BYTES>")]
    pub software: String,
    /// Its clock, in ms since the epoch.
    #[serde(rename = "t")]
    pub time_ms: u64,
    /// The Ed25519 key with which it signs names. Pinned when first seen.
    #[serde(rename = "k", with = "serde_bytes")]
    pub signing_key: [u8; 32],
    /// Who may register.
    #[serde(rename = "r")]
    pub registration: Registration,
    /// Leading zero bits that a friend request costs.
    #[serde(rename = "b")]
    pub knock_bits: u8,
    /// What to work over; good for at least an hour.
    #[serde(rename = "p", with = "serde_bytes")]
    pub challenge: [u8; 16],
    /// Its limits, by name; and [`GENERATION`].
    #[serde(rename = "l", deserialize_with = "limits")]
    pub limits: BTreeMap<String, u64>,
}

impl Status {
    /// Tells the rendezvous from what it was before it was restored from a backup, if it says so.
    pub fn generation(&self) -> Option<u64> {
        self.limits.get(GENERATION).copied()
    }

    /// Whether it speaks the version that we do; in words, why not and what to do.
    pub fn check_versions(&self) -> Result<(), String> {
        let (oldest, newest) = self.versions;
        if (oldest..=newest).contains(&VERSION) {
            return Ok(());
        }
        let what = if newest < VERSION { "its operator should update it" } else { "update hobnob" };
        Err(format!("it speaks versions {oldest} to {newest} of the protocol, and we speak {VERSION}: {what}"))
    }
}

impl From<(u8, u8)> for Registration {
    fn from((kind, pow_bits): (u8, u8)) -> Self {
        match kind {
            1 => Self::Open { pow_bits },
            2 => Self::Invite,
            _ => Self::Closed,
        }
    }
}

impl From<Registration> for (u8, u8) {
    fn from(registration: Registration) -> Self {
        match registration {
            Registration::Closed => (0, 0),
            Registration::Open { pow_bits } => (1, pow_bits),
            Registration::Invite => (2, 0),
        }
    }
}

fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, u64>, D::Error> {
    let limits = BTreeMap::<String, u64>::deserialize(deserializer)?;
    if limits.len() > MAX_STATUS_LIMITS || limits.keys().any(|name| name.len() > MAX_FEATURE_BYTES) {
        return Err(D::Error::custom("too many limits, or names that are too long"));
    }
    Ok(limits)
}
