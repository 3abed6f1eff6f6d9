//! Three messages (two from a guest), and a session. A message that fails ends the handshake; nothing else has changed.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::CryptoRng;
use snow::HandshakeState;
use zeroize::Zeroizing;

use super::{
    Mode, NoiseError, Session, kem,
    resolver::{fork, resolver},
};
use crate::{
    hash::hash,
    id::InviteId,
    identity::{Certificate, SignedCertificate},
    limits::MAX_HANDSHAKE_BYTES,
};

const XK: &str = "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2s";
const XX: &str = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s";
const NK: &str = "Noise_NK_25519_ChaChaPoly_BLAKE2s";

/// One side of a handshake.
pub struct Handshake {
    mode: Mode,
    state: State,
}

type Noise = Box<HandshakeState>;

/// What comes next.
enum State {
    /// Initiator: message 2 is awaited.
    AwaitTwo { noise: Noise, kem: kem::Secret, token: Zeroizing<[u8; 16]>, certificate: Vec<u8> },
    /// Initiator in [`Mode::Guest`]: message 2 is awaited, which is the last.
    AwaitLast { noise: Noise },
    /// Responder: message 1 is awaited.
    AwaitOne { noise: Noise, rng: Box<ChaCha20Rng> },
    /// Responder: message 1 named an invite, and its token is awaited.
    AwaitToken { noise: Noise, rng: Box<ChaCha20Rng>, kem_key: Vec<u8> },
    /// Responder: message 3 is awaited.
    AwaitThree { noise: Noise },
    /// Done, or failed. snow cannot take back all of a message that failed half-way, so there is no second try.
    Over,
}

/// What a message led to.
#[derive(Debug)]
pub enum Step {
    /// Send this message, and wait for the next.
    Send(Vec<u8>),
    /// Responder in [`Mode::Invite`]: find this invite's token and call [`Handshake::token`]. Without one, close.
    NeedToken(InviteId),
    /// The session is up.
    Done(Box<Established>),
}

/// A session, and what the handshake proved.
#[derive(Debug)]
pub struct Established {
    /// The session.
    pub session: Session,
    /// Initiator, and the responder to a guest: the last message, to be sent before anything of the session.
    pub send: Option<Vec<u8>>,
    /// Responder, except to a guest: the initiator's certificate. Its signature and its session key have been checked; whether the
    /// account is welcome, and still stands by the device, has not.
    pub certificate: Option<SignedCertificate>,
    /// Responder: what that certificate says.
    pub peer: Option<Certificate>,
    /// The other side's X25519 key; a guest has none. The initiator compares it with the certificate that comes as a
    /// frame, or knows it from the address of a rendezvous.
    pub remote_static: Option<[u8; 32]>,
}

impl Handshake {
    /// Begins one. Returns message 1.
    ///
    /// `remote_x25519` is needed in every mode but [`Mode::Nearby`], `invite` in [`Mode::Invite`] only. `certificate`
    /// is [`SignedCertificate::encode`]d. The two transports are the layers below, as each side sees them. Guests
    /// begin with [`Self::initiate_as_guest`].
    #[expect(clippy::too_many_arguments, reason = "all that the handshake binds")]
    pub fn initiate(
        mode: Mode,
        x25519: &Zeroizing<[u8; 32]>,
        remote_x25519: Option<[u8; 32]>,
        invite: Option<(InviteId, &[u8; 16])>,
        local_transport: &[u8],
        remote_transport: &[u8],
        certificate: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let prologue = prologue(mode, local_transport, remote_transport);
        let builder = builder(mode, &prologue, rng)?.local_private_key(x25519.as_slice())?;
        let noise = match (mode, &remote_x25519) {
            (Mode::Device | Mode::Invite | Mode::Account, Some(key)) => builder.remote_public_key(key)?,
            (Mode::Nearby, _) => builder,
            (Mode::Device | Mode::Invite | Mode::Account, None) | (Mode::Guest, _) => {
                return Err(NoiseError::OutOfStep);
            }
        };
        let mut noise = Box::new(noise.build_initiator()?);
        let kem = kem::Secret::generate(rng);
        let mut payload = kem.public();
        let token = match (mode, invite) {
            (Mode::Invite, Some((id, token))) => {
                payload.extend_from_slice(id.as_bytes());
                Zeroizing::new(*token)
            }
            (Mode::Device | Mode::Nearby | Mode::Account, None) => Zeroizing::new([0; 16]),
            (Mode::Guest | Mode::Invite, None)
            | (Mode::Device | Mode::Nearby | Mode::Account | Mode::Guest, Some(_)) => {
                return Err(NoiseError::OutOfStep);
            }
        };
        let message = write(&mut noise, &payload)?;
        let state = State::AwaitTwo { noise, kem, token, certificate: certificate.to_vec() };
        Ok((Self { mode, state }, message))
    }

    /// Begins one in [`Mode::Guest`], without a key or a name of our own. Returns message 1; message 2 ends it.
    pub fn initiate_as_guest(
        remote_x25519: &[u8; 32],
        local_transport: &[u8],
        remote_transport: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let prologue = prologue(Mode::Guest, local_transport, remote_transport);
        let builder = builder(Mode::Guest, &prologue, rng)?.remote_public_key(remote_x25519)?;
        let mut noise = Box::new(builder.build_initiator()?);
        let message = write(&mut noise, &[])?;
        Ok((Self { mode: Mode::Guest, state: State::AwaitLast { noise } }, message))
    }

    /// Waits for one.
    pub fn respond(
        mode: Mode,
        x25519: &Zeroizing<[u8; 32]>,
        local_transport: &[u8],
        remote_transport: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, NoiseError> {
        let prologue = prologue(mode, remote_transport, local_transport);
        let builder = builder(mode, &prologue, rng)?.local_private_key(x25519.as_slice())?;
        let noise = Box::new(builder.build_responder()?);
        Ok(Self { mode, state: State::AwaitOne { noise, rng: Box::new(fork(rng)) } })
    }

    /// Which kind of handshake it is.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Takes the other side's next message. After an error the handshake is over.
    pub fn read(&mut self, message: &[u8]) -> Result<Step, NoiseError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitOne { noise, .. } if self.mode == Mode::Guest => answer_guest(noise, message),
            State::AwaitOne { noise, rng } => self.read_one(noise, rng, message),
            State::AwaitLast { noise } => read_last(noise, message),
            State::AwaitTwo { noise, kem, token, certificate } => read_two(noise, &kem, &token, &certificate, message),
            State::AwaitThree { noise } => read_three(noise, message),
            State::AwaitToken { .. } | State::Over => Err(NoiseError::OutOfStep),
        }
    }

    /// The token of the invite that [`Step::NeedToken`] named. Returns message 2.
    pub fn token(&mut self, token: &[u8; 16]) -> Result<Vec<u8>, NoiseError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitToken { noise, rng, kem_key } => self.write_two(noise, rng, &kem_key, token),
            other @ (State::AwaitOne { .. }
            | State::AwaitTwo { .. }
            | State::AwaitLast { .. }
            | State::AwaitThree { .. }
            | State::Over) => {
                self.state = other;
                Err(NoiseError::OutOfStep)
            }
        }
    }

    fn read_one(&mut self, mut noise: Noise, rng: Box<ChaCha20Rng>, message: &[u8]) -> Result<Step, NoiseError> {
        let mut payload = read(&mut noise, message)?;
        let invite = match self.mode {
            Mode::Device | Mode::Nearby | Mode::Account | Mode::Guest => None,
            Mode::Invite => Some(split_invite(&mut payload)?),
        };
        if payload.len() != kem::KEY_BYTES {
            return Err(NoiseError::Malformed);
        }
        match invite {
            None => self.write_two(noise, rng, &payload, &[0; 16]).map(Step::Send),
            Some(id) => {
                self.state = State::AwaitToken { noise, rng, kem_key: payload };
                Ok(Step::NeedToken(id))
            }
        }
    }

    fn write_two(
        &mut self,
        mut noise: Noise,
        mut rng: Box<ChaCha20Rng>,
        kem_key: &[u8],
        token: &[u8; 16],
    ) -> Result<Vec<u8>, NoiseError> {
        let (ciphertext, secret) = kem::seal(kem_key, &mut *rng)?;
        let message = write(&mut noise, &ciphertext)?;
        set_psk(&mut noise, token, &secret)?;
        self.state = State::AwaitThree { noise };
        Ok(message)
    }
}

fn read_two(
    mut noise: Noise,
    kem: &kem::Secret,
    token: &[u8; 16],
    certificate: &[u8],
    message: &[u8],
) -> Result<Step, NoiseError> {
    let ciphertext = read(&mut noise, message)?;
    let secret = kem.open(&ciphertext)?;
    set_psk(&mut noise, token, &secret)?;
    let last = write(&mut noise, certificate)?;
    established(noise, Some(last), None)
}

fn read_three(mut noise: Noise, message: &[u8]) -> Result<Step, NoiseError> {
    let payload = read(&mut noise, message)?;
    let signed = SignedCertificate::decode(&payload)?;
    let certificate = signed.verify()?;
    if remote_static(&noise) != Some(certificate.x25519) {
        return Err(NoiseError::WrongKey);
    }
    established(noise, None, Some((signed, certificate)))
}

/// A guest's message 1: the answer to it is the last message.
fn answer_guest(mut noise: Noise, message: &[u8]) -> Result<Step, NoiseError> {
    if !read(&mut noise, message)?.is_empty() {
        return Err(NoiseError::Malformed);
    }
    let last = write(&mut noise, &[])?;
    established(noise, Some(last), None)
}

/// A guest reads the answer.
fn read_last(mut noise: Noise, message: &[u8]) -> Result<Step, NoiseError> {
    if !read(&mut noise, message)?.is_empty() {
        return Err(NoiseError::Malformed);
    }
    established(noise, None, None)
}

fn established(
    noise: Noise,
    send: Option<Vec<u8>>,
    peer: Option<(SignedCertificate, Certificate)>,
) -> Result<Step, NoiseError> {
    let remote_static = remote_static(&noise);
    let session = Session::start(*noise)?;
    let (certificate, peer) = peer.unzip();
    Ok(Step::Done(Box::new(Established { session, send, certificate, peer, remote_static })))
}

fn builder<'a>(mode: Mode, prologue: &'a [u8], rng: &mut impl CryptoRng) -> Result<snow::Builder<'a>, NoiseError> {
    let name = match mode {
        Mode::Device | Mode::Invite | Mode::Account => XK,
        Mode::Nearby => XX,
        Mode::Guest => NK,
    };
    Ok(snow::Builder::with_resolver(name.parse()?, resolver(rng)).prologue(prologue)?)
}

/// Binds the layers: what runs below, which mode was asked for, and who called whom.
fn prologue(mode: Mode, initiator: &[u8], responder: &[u8]) -> Vec<u8> {
    let mut bytes = b"hobnob/session/1".to_vec();
    bytes.push(mode as u8);
    for transport in [initiator, responder] {
        bytes.extend_from_slice(&(transport.len() as u64).to_be_bytes());
        bytes.extend_from_slice(transport);
    }
    bytes
}

fn set_psk(noise: &mut HandshakeState, token: &[u8; 16], secret: &[u8; 32]) -> Result<(), NoiseError> {
    let psk = Zeroizing::new(hash("hobnob/psk/1", &[token, secret]));
    Ok(noise.set_psk(3, psk.as_slice())?)
}

fn read(noise: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
    if message.len() > MAX_HANDSHAKE_BYTES {
        return Err(NoiseError::Malformed);
    }
    let mut payload = vec![0; message.len()];
    let length = noise.read_message(message, &mut payload)?;
    payload.truncate(length);
    Ok(payload)
}

fn write(noise: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
    let mut message = vec![0; MAX_HANDSHAKE_BYTES];
    let length = noise.write_message(payload, &mut message)?;
    message.truncate(length);
    Ok(message)
}

fn split_invite(payload: &mut Vec<u8>) -> Result<InviteId, NoiseError> {
    let at = payload.len().checked_sub(InviteId::LEN).ok_or(NoiseError::Malformed)?;
    InviteId::from_slice(&payload.split_off(at)).ok_or(NoiseError::Malformed)
}

fn remote_static(noise: &HandshakeState) -> Option<[u8; 32]> {
    noise.get_remote_static().and_then(|key| key.try_into().ok())
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handshake({:?})", self.mode)
    }
}
