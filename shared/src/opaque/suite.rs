//! What opaque-ke is made of here, and how its types become ours.

use argon2::{Algorithm, Argon2, Version};
use opaque_ke::{
    CipherSuite, Identifiers, Ristretto255, TripleDh,
    errors::{InternalError, ProtocolError},
    generic_array::{ArrayLength, GenericArray},
    ksf::Ksf,
    rand,
};
use rand_core::CryptoRng;
use sha2::Sha512;
use zeroize::Zeroize;

use super::{COST, OpaqueError, Parties};
use crate::identity::keystore::Params;

const CONTEXT_DOMAIN: &[u8] = b"hobnob/opaque/1";

/// RFC 9807 §4.1.2 salts with zeros: the OPRF has salted before.
const SALT: [u8; 16] = [0; 16];

pub(super) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Stretch;
}

/// Argon2id at a cost.
pub(super) struct Stretch(pub(super) Params);

impl Default for Stretch {
    fn default() -> Self {
        Self(COST)
    }
}

impl Ksf for Stretch {
    fn hash<L: ArrayLength<u8>>(&self, mut input: GenericArray<u8, L>) -> Result<GenericArray<u8, L>, InternalError> {
        let Params { memory_kib, passes, lanes } = self.0;
        let params = argon2::Params::new(memory_kib, passes, lanes, None).map_err(|_| InternalError::KsfError)?;
        let mut output = GenericArray::default();
        let hashed =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(&input, &SALT, &mut output);
        input.zeroize();
        hashed.map_err(|_| InternalError::KsfError)?;
        Ok(output)
    }
}

/// Our source of randomness, for opaque-ke's generation of `rand`.
pub(super) struct Source<'a, R>(pub(super) &'a mut R);

impl<R: CryptoRng> rand::RngCore for Source<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl<R: CryptoRng> rand::CryptoRng for Source<'_, R> {}

impl<'a> Parties<'a> {
    pub(super) fn identifiers(&self) -> Identifiers<'a> {
        Identifiers { client: Some(self.name.as_str().as_bytes()), server: Some(self.server.as_bytes()) }
    }

    pub(super) fn context(&self) -> Vec<u8> {
        [CONTEXT_DOMAIN, self.session].concat()
    }
}

/// An array of opaque-ke's as one of ours. Their lengths are equal, which every test of this module would notice.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], OpaqueError> {
    bytes.try_into().map_err(|_| OpaqueError::Library)
}

/// `memory_kib` is what Argon2id was to use, where it was.
pub(super) fn refused(error: ProtocolError, memory_kib: u32) -> OpaqueError {
    match error {
        ProtocolError::InvalidLoginError => OpaqueError::WrongPassword,
        ProtocolError::LibraryError(InternalError::KsfError) => OpaqueError::NoMemory(memory_kib),
        ProtocolError::SerializationError | ProtocolError::SizeError { .. } | ProtocolError::ReflectedValueError => {
            OpaqueError::Malformed
        }
        ProtocolError::LibraryError(_) | ProtocolError::Custom(_) => OpaqueError::Library,
    }
}
