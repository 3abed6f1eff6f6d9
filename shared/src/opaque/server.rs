//! The side that must never know the password.

use std::fmt;

use opaque_ke::{ServerLoginParameters, ServerRegistration};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{
    OpaqueError, Parties,
    message::{
        CredentialFinalization, CredentialRequest, CredentialResponse, RegistrationRequest, RegistrationResponse,
        RegistrationUpload,
    },
    suite::{Source, Suite, array, refused},
};
use crate::text::Username;

/// The secrets of a rendezvous, the same for all accounts: without them its records open nothing, and with them every
/// record can be guessed at. They have a file of their own.
pub struct ServerSetup(opaque_ke::ServerSetup<Suite>);

/// A login that awaits the client's last message.
pub struct ServerLogin {
    state: opaque_ke::ServerLogin<Suite>,
    context: Vec<u8>,
    name: Username,
    server: String,
}

impl ServerSetup {
    /// Bytes of it: the OPRF seed (64), the key (32), a public key for names that are not there (32).
    pub const LEN: usize = 128;

    /// New ones. Every record made under others is lost with them.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(opaque_ke::ServerSetup::new(&mut Source(rng)))
    }

    /// The bytes, to be kept.
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        let mut serialized = self.0.serialize();
        bytes.copy_from_slice(&serialized);
        serialized.zeroize();
        bytes
    }

    /// Reads what [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, OpaqueError> {
        opaque_ke::ServerSetup::deserialize(bytes).map(Self).map_err(|_| OpaqueError::Malformed)
    }

    /// Answers the first message of a registration. Nothing is kept until the upload comes.
    pub fn register(
        &self,
        name: &Username,
        request: &RegistrationRequest,
    ) -> Result<RegistrationResponse, OpaqueError> {
        let request = opaque_ke::RegistrationRequest::deserialize(request.as_bytes());
        let request = request.map_err(|_| OpaqueError::Malformed)?;
        let start = ServerRegistration::start(&self.0, request, name.as_str().as_bytes());
        let start = start.map_err(|error| refused(error, 0))?;
        Ok(RegistrationResponse::new(array(&start.message.serialize())?))
    }

    /// Answers the first message of a login. `record` is what the name's owner uploaded, `None` where there is no such
    /// name: the answer then looks the same, takes the same work, and no last message will fit it.
    pub fn login(
        &self,
        parties: &Parties<'_>,
        record: Option<&RegistrationUpload>,
        request: &CredentialRequest,
        rng: &mut impl CryptoRng,
    ) -> Result<(ServerLogin, CredentialResponse), OpaqueError> {
        let record = record.map(|upload| ServerRegistration::deserialize(upload.as_bytes())).transpose();
        let record = record.map_err(|_| OpaqueError::Malformed)?;
        let request = opaque_ke::CredentialRequest::deserialize(request.as_bytes());
        let request = request.map_err(|_| OpaqueError::Malformed)?;
        let context = parties.context();
        let with = ServerLoginParameters { context: Some(&context), identifiers: parties.identifiers() };
        let name = parties.name.as_str().as_bytes();
        let start = opaque_ke::ServerLogin::start(&mut Source(rng), &self.0, record, request, name, with);
        let start = start.map_err(|error| refused(error, 0))?;
        let response = CredentialResponse::new(array(&start.message.serialize())?);
        let (name, server) = (parties.name.clone(), parties.server.to_owned());
        Ok((ServerLogin { state: start.state, context, name, server }, response))
    }
}

/// Whether an upload is one: its key is a point. To be asked before it is kept.
pub fn check_upload(upload: &RegistrationUpload) -> Result<(), OpaqueError> {
    ServerRegistration::<Suite>::deserialize(upload.as_bytes()).map(drop).map_err(|_| OpaqueError::Malformed)
}

impl ServerLogin {
    /// Takes the last message. `Ok` means that the client knows the password of the record that was passed.
    pub fn finish(self, finalization: &CredentialFinalization) -> Result<(), OpaqueError> {
        let message = opaque_ke::CredentialFinalization::deserialize(finalization.as_bytes());
        let message = message.map_err(|_| OpaqueError::WrongPassword)?;
        let identifiers = opaque_ke::Identifiers {
            client: Some(self.name.as_str().as_bytes()),
            server: Some(self.server.as_bytes()),
        };
        let with = ServerLoginParameters { context: Some(&self.context), identifiers };
        let mut done = self.state.finish(message, with).map_err(|_| OpaqueError::WrongPassword)?;
        done.session_key.zeroize();
        Ok(())
    }

    /// Whose login it is.
    pub fn name(&self) -> &Username {
        &self.name
    }
}

impl fmt::Debug for ServerSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSetup(..)")
    }
}

impl fmt::Debug for ServerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerLogin(..)")
    }
}
