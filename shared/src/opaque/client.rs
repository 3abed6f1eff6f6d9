//! The side that knows the password.

use std::fmt;

use opaque_ke::{ClientLoginFinishParameters, ClientRegistrationFinishParameters};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{
    ExportKey, OpaqueError, Parties,
    message::{
        CredentialFinalization, CredentialRequest, CredentialResponse, RegistrationRequest, RegistrationResponse,
        RegistrationUpload,
    },
    suite::{Source, Stretch, Suite, array, refused},
};
use crate::identity::keystore::{Params, Password};

/// A registration, or a change of password, of which the first message is out.
pub struct ClientRegistration(opaque_ke::ClientRegistration<Suite>);

/// A login of which the first message is out.
pub struct ClientLogin(opaque_ke::ClientLogin<Suite>);

impl ClientRegistration {
    /// Begins.
    pub fn start(password: &Password, rng: &mut impl CryptoRng) -> Result<(Self, RegistrationRequest), OpaqueError> {
        let start = opaque_ke::ClientRegistration::start(&mut Source(rng), password.as_bytes());
        let start = start.map_err(|error| refused(error, 0))?;
        Ok((Self(start.state), RegistrationRequest::new(array(&start.message.serialize())?)))
    }

    /// Ends, with the same password. Takes as long as `cost` says, which is [`super::COST`] but in tests.
    pub fn finish(
        self,
        password: &Password,
        response: &RegistrationResponse,
        parties: &Parties<'_>,
        cost: Params,
        rng: &mut impl CryptoRng,
    ) -> Result<(RegistrationUpload, ExportKey), OpaqueError> {
        let response = opaque_ke::RegistrationResponse::deserialize(response.as_bytes());
        let response = response.map_err(|_| OpaqueError::Malformed)?;
        let stretch = Stretch(cost);
        let with = ClientRegistrationFinishParameters::new(parties.identifiers(), Some(&stretch));
        let mut done = self
            .0
            .finish(&mut Source(rng), password.as_bytes(), response, with)
            .map_err(|error| refused(error, cost.memory_kib))?;
        let key = take(&mut done.export_key)?;
        Ok((RegistrationUpload::new(array(&done.message.serialize())?), key))
    }
}

impl ClientLogin {
    /// Begins.
    pub fn start(password: &Password, rng: &mut impl CryptoRng) -> Result<(Self, CredentialRequest), OpaqueError> {
        let start = opaque_ke::ClientLogin::start(&mut Source(rng), password.as_bytes());
        let start = start.map_err(|error| refused(error, 0))?;
        Ok((Self(start.state), CredentialRequest::new(array(&start.message.serialize())?)))
    }

    /// Ends, with the same password. Takes as long as `cost` says, right or wrong.
    pub fn finish(
        self,
        password: &Password,
        response: &CredentialResponse,
        parties: &Parties<'_>,
        cost: Params,
        rng: &mut impl CryptoRng,
    ) -> Result<(CredentialFinalization, ExportKey), OpaqueError> {
        let response = opaque_ke::CredentialResponse::deserialize(response.as_bytes());
        let response = response.map_err(|_| OpaqueError::Malformed)?;
        let (stretch, context) = (Stretch(cost), parties.context());
        let with = ClientLoginFinishParameters::new(Some(&context), parties.identifiers(), Some(&stretch));
        let mut done = self
            .0
            .finish(&mut Source(rng), password.as_bytes(), response, with)
            .map_err(|error| refused(error, cost.memory_kib))?;
        let key = take(&mut done.export_key)?;
        done.session_key.zeroize();
        Ok((CredentialFinalization::new(array(&done.message.serialize())?), key))
    }
}

/// Moves the export key into memory that is wiped.
fn take(output: &mut [u8]) -> Result<ExportKey, OpaqueError> {
    let mut key = Zeroizing::new([0; 64]);
    let length = output.len();
    let (head, _) = key.split_at_mut_checked(length).ok_or(OpaqueError::Library)?;
    head.copy_from_slice(output);
    output.zeroize();
    Ok(ExportKey(key))
}

impl fmt::Debug for ClientRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientRegistration(..)")
    }
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientLogin(..)")
    }
}
