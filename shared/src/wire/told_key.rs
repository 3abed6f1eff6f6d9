//! The vault's key, told to another device of the account.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{bounded, keeper::SealedVaultKey, limits::MAX_TOLD_KEYS, text::Username};

/// What opens the vaults of the account, to another device of it: over a session, and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultKeys {
    /// One for each rendezvous where the sender has a name and its vault opened.
    #[serde(rename = "l", deserialize_with = "bounded::list::<_, _, MAX_TOLD_KEYS>")]
    pub keys: Vec<ToldKey>,
}

/// The key of one vault.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldKey {
    /// The rendezvous, by the key that it proves.
    #[serde(rename = "s", with = "serde_bytes")]
    pub server: [u8; 32],
    /// The account's name there.
    #[serde(rename = "n")]
    pub name: Username,
    /// The key and the number of the vault. See [`crate::keeper`].
    #[serde(rename = "k")]
    pub key: SealedVaultKey,
}

/// Neither name nor place: they do not belong into logs.
impl fmt::Debug for ToldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToldKey(..)")
    }
}
