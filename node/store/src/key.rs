//! The key that everything in the database is sealed with.

use std::fmt;

use zeroize::Zeroizing;

/// The store key of a profile: 32 random bytes, kept in its keystore.
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl StoreKey {
    /// Takes the bytes as they are.
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// A copy, for whoever opens the database again.
    pub(crate) fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}
