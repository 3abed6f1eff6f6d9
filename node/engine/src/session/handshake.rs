//! From a link to an open cipher: the three messages of the handshake.

use hobnob_shared::{
    id::InviteId,
    noise::{self, Established, Handshake},
    wire::ErrorCode,
};

use super::{Arrived, Peer, Session, Sessions, Stage};
use crate::{
    reach::Attempt,
    step::{Signal, Step},
    work::{Action, LinkId, Mode, TransportId},
};

/// Most handshakes that strangers may keep us waiting in at one time.
const MAX_HANDSHAKES: usize = 64;

impl Sessions {
    /// We dialled, and somebody answered: the first message.
    pub(crate) fn on_dialled(
        &mut self,
        link: LinkId,
        attempt: Option<Attempt>,
        (local, remote): (&TransportId, &TransportId),
        address: String,
        step: &mut Step<'_>,
    ) {
        let Some(attempt) = attempt else {
            step.act(Action::Close(link));
            return;
        };
        let target = &attempt.target;
        let started = Handshake::initiate(
            target.mode(),
            step.me.keys.x25519_secret(),
            target.x25519(),
            target.invite(),
            &local.0,
            &remote.0,
            &step.me.certificate.encode(),
            step.rng,
        );
        match started {
            Ok((handshake, message)) => {
                step.act(Action::Send(link, message));
                self.insert(link, handshake, Some(attempt), remote, address, step);
            }
            Err(error) => {
                tracing::warn!(link = link.0, %error, "a handshake cannot begin");
                step.act(Action::Close(link));
                step.signal(Signal::Unreached(attempt));
            }
        }
    }

    /// Somebody dialled us. Strangers share few places, pairing is a mode of its own, and we are no rendezvous.
    pub(crate) fn on_accepted(
        &mut self,
        link: LinkId,
        (local, remote): (&TransportId, &TransportId),
        address: String,
        mode: Mode,
        pairing: bool,
        step: &mut Step<'_>,
    ) {
        let is_taken = match mode {
            Mode::Device | Mode::Invite => true,
            Mode::Nearby => pairing,
            Mode::Account | Mode::Guest => false,
        };
        if !is_taken {
            step.act(Action::Close(link));
            return;
        }
        self.make_room(step);
        let handshake = Handshake::respond(mode, step.me.keys.x25519_secret(), &local.0, &remote.0, step.rng);
        match handshake {
            Ok(handshake) => self.insert(link, handshake, None, remote, address, step),
            Err(_) => step.act(Action::Close(link)),
        }
    }

    fn insert(
        &mut self,
        link: LinkId,
        handshake: Handshake,
        attempt: Option<Attempt>,
        remote: &TransportId,
        address: String,
        step: &Step<'_>,
    ) {
        let mode = handshake.mode();
        let session = Session {
            stage: Stage::Handshake(Box::new(handshake)),
            initiator: attempt.is_some(),
            mode,
            address,
            remote: remote.clone(),
            attempt,
            invite: None,
            remote_static: None,
            peer: None,
            hello: None,
            account_seen: false,
            opened_ms: step.now.mono_ms,
            up_ms: None,
            syncing: false,
            has_knocked: false,
            heard_ms: step.now.mono_ms,
            pinged_ms: 0,
            renewed_ms: None,
            prompted: false,
            next_id: 0,
        };
        self.live.insert(link, session);
    }

    /// Of too many who have not proved anything yet, the one that took longest has to go: a friend needs a moment only.
    fn make_room(&mut self, step: &mut Step<'_>) {
        let is_waiting = |session: &Session| !session.initiator && session.peer.is_none();
        let mut waiting: Vec<_> = self.live.iter().filter(|(_, session)| is_waiting(session)).collect();
        if waiting.len() < MAX_HANDSHAKES {
            return;
        }
        waiting.sort_by_key(|(_, session)| session.opened_ms);
        if let Some(link) = waiting.first().map(|(link, _)| **link) {
            self.end(link, None, step);
        }
    }

    /// A Noise message came.
    pub(crate) fn on_chunk(&mut self, link: LinkId, bytes: &[u8], step: &mut Step<'_>) -> Arrived {
        let Some(session) = self.live.get_mut(&link) else {
            if !self.closing.contains_key(&link) {
                step.act(Action::Close(link));
            }
            return Arrived::Nothing;
        };
        match &mut session.stage {
            Stage::Handshake(handshake) => {
                let result = handshake.read(bytes);
                self.advance(link, result, step)
            }
            Stage::Open(cipher) => match cipher.open(bytes) {
                Ok(frames) => {
                    session.heard_ms = step.now.mono_ms;
                    Arrived::Frames(frames)
                }
                Err(error) => {
                    self.fail(link, &error, step);
                    Arrived::Nothing
                }
            },
            Stage::Ended => Arrived::Nothing,
        }
    }

    /// The secret of the invite that [`Arrived::Token`] named; `None`: no such invite, and silence.
    pub(crate) fn on_token(&mut self, link: LinkId, invite: InviteId, token: Option<&[u8; 16]>, step: &mut Step<'_>) {
        let (Some(token), Some(session)) = (token, self.live.get_mut(&link)) else {
            self.end(link, None, step);
            return;
        };
        session.invite = Some(invite);
        let Stage::Handshake(handshake) = &mut session.stage else { return };
        match handshake.token(token) {
            Ok(message) => step.act(Action::Send(link, message)),
            Err(error) => self.fail(link, &error, step),
        }
    }

    fn advance(
        &mut self,
        link: LinkId,
        result: Result<noise::Step, noise::NoiseError>,
        step: &mut Step<'_>,
    ) -> Arrived {
        match result {
            Ok(noise::Step::Send(message)) => {
                step.act(Action::Send(link, message));
                Arrived::Nothing
            }
            Ok(noise::Step::NeedToken(invite)) => Arrived::Token(invite),
            Ok(noise::Step::Done(established)) => self.established(link, *established, step),
            Err(error) => {
                self.fail(link, &error, step);
                Arrived::Nothing
            }
        }
    }

    fn established(&mut self, link: LinkId, established: Established, step: &mut Step<'_>) -> Arrived {
        let Established { session: cipher, send, certificate, peer, remote_static } = established;
        if let Some(message) = send {
            step.act(Action::Send(link, message));
        }
        if let Some(session) = self.live.get_mut(&link) {
            session.stage = Stage::Open(Box::new(cipher));
            session.remote_static = remote_static;
        }
        match (certificate, peer) {
            (Some(signed), Some(certificate)) => Arrived::Certified(Peer::new(certificate, signed)),
            _ => Arrived::Open,
        }
    }

    fn fail(&mut self, link: LinkId, error: &noise::NoiseError, step: &mut Step<'_>) {
        tracing::debug!(link = link.0, %error, "session failed");
        let code = matches!(error, noise::NoiseError::FrameLength(_)).then_some(ErrorCode::TooLarge);
        self.end(link, code, step);
    }
}
