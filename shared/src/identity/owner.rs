//! That whoever is at the other end of a session holds an account's key, whatever the session itself was begun as.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{
    IdentityError,
    keys::{verify, verifying_key},
};
use crate::id::AccountId;

pub(super) const DOMAIN: &str = "hobnob/owner/1";

/// The account's signature of a session's handshake hash: it is worth nothing in any other session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(AccountId, ByteArray<64>)", into = "(AccountId, ByteArray<64>)")]
pub struct OwnerProof {
    pub(super) account: AccountId,
    pub(super) signature: [u8; 64],
}

impl OwnerProof {
    /// The account, if its key was used over this session.
    pub fn verify(&self, session: &[u8; 32]) -> Result<AccountId, IdentityError> {
        verify(&verifying_key(self.account.as_bytes())?, DOMAIN, session, &self.signature)?;
        Ok(self.account)
    }
}

impl From<(AccountId, ByteArray<64>)> for OwnerProof {
    fn from((account, signature): (AccountId, ByteArray<64>)) -> Self {
        Self { account, signature: signature.into_array() }
    }
}

impl From<OwnerProof> for (AccountId, ByteArray<64>) {
    fn from(proof: OwnerProof) -> Self {
        (proof.account, ByteArray::new(proof.signature))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;
    use crate::identity::AccountKey;

    #[test]
    fn it_counts_in_its_session_and_for_its_account_only() {
        let key = |seed| AccountKey::generate(&mut ChaCha20Rng::from_seed([seed; 32]));
        let (alice, mallory) = (key(1), key(2));
        let proof = alice.prove_over(&[7; 32]);
        assert_eq!(proof.verify(&[7; 32]), Ok(alice.id()));
        assert_eq!(proof.verify(&[8; 32]), Err(IdentityError::Signature));
        let stolen = OwnerProof { account: alice.id(), ..mallory.prove_over(&[7; 32]) };
        assert_eq!(stolen.verify(&[7; 32]), Err(IdentityError::Signature));
    }
}
