//! A name, and where.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::text::Username;

/// A name at a rendezvous. `[name, key of the rendezvous(32)]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NameArray", into = "NameArray")]
pub struct NameAt {
    /// The name.
    pub name: Username,
    /// The Noise key of the rendezvous, which its address ends in.
    pub server: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct NameArray(Username, ByteArray<32>);

impl From<NameArray> for NameAt {
    fn from(NameArray(name, server): NameArray) -> Self {
        Self { name, server: server.into_array() }
    }
}

impl From<NameAt> for NameArray {
    fn from(NameAt { name, server }: NameAt) -> Self {
        Self(name, ByteArray::new(server))
    }
}
