//! One session with a rendezvous: handshake, sealed frames, signs of life.

use std::collections::BTreeMap;

use hobnob_shared::{
    limits::{HANDSHAKE_TIMEOUT_MS, SESSION_DEAD_MS, SESSION_RENEW_BYTES, SESSION_RENEW_MS},
    noise::{self, Established, Handshake, NoiseError},
    rendezvous::Address,
    wire::{Close, ErrorCode, ServerFrame},
};
use rand_core::Rng as _;

use super::{ServerKey, calls::CallId};
use crate::{
    own::Stamp,
    step::Step,
    work::{Action, LinkId, Mode, TransportId},
};

/// After this long without a frame from the rendezvous we ask for one.
const PING_AFTER_MS: u64 = 15_000;
/// A guest who wants nothing any more leaves after this long.
const ERRAND_IDLE_MS: u64 = 10_000;
/// The same for requests of front ends: between two of them a password is stretched, or work is done.
const FRONT_IDLE_MS: u64 = 60_000;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// As our account.
    Account,
    /// As a guest, for requests of front ends: a login goes on in the session where it began.
    Front,
    /// As a guest, for one purpose: nothing else can be tied to it.
    Errand(u64),
}

/// One link with a rendezvous.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) server: ServerKey,
    pub(super) lane: Lane,
    /// Until it has proved its key: where it was dialled, and where else it may be.
    pub(super) place: Option<(Address, Vec<Address>)>,
    stage: Stage,
    /// The rendezvous has proved its key.
    pub(super) is_proved: bool,
    /// A frame of it has come: it lets us in.
    pub(super) is_up: bool,
    /// It has said what it is, and that fits.
    pub(super) is_ready: bool,
    /// What it was told of our account over this session.
    pub(super) published: Option<Stamp>,
    opened_ms: u64,
    heard_ms: u64,
    pinged_ms: u64,
    used_ms: u64,
    next_id: u32,
    /// Which call each request that waits for an answer is of.
    asked: BTreeMap<u32, CallId>,
}

#[derive(Debug)]
enum Stage {
    Handshake(Box<Handshake>),
    Open(Box<noise::Session>),
}

/// What a chunk came to.
#[derive(Debug)]
pub(super) enum Arrived {
    /// The handshake is done.
    Open,
    /// Frames.
    Frames(Vec<Vec<u8>>),
}

/// A session that was there for so long was let in.
const STEADY_MS: u64 = 30_000;

impl Session {
    /// Whether the rendezvous has let it in, and not only to be refused.
    pub(super) fn is_steady(&self, now_ms: u64) -> bool {
        self.is_ready && now_ms.saturating_sub(self.opened_ms) >= STEADY_MS
    }

    /// The first message of the handshake goes out.
    pub(super) fn begin(
        server: ServerKey,
        lane: Lane,
        link: LinkId,
        (local, remote): (&TransportId, &TransportId),
        step: &mut Step<'_>,
    ) -> Result<Self, NoiseError> {
        let (handshake, message) = if lane == Lane::Account {
            let (secret, certificate) = (step.me.keys.x25519_secret(), step.me.certificate.encode());
            Handshake::initiate(Mode::Account, secret, Some(server), None, &local.0, &remote.0, &certificate, step.rng)?
        } else {
            Handshake::initiate_as_guest(&server, &local.0, &remote.0, step.rng)?
        };
        step.act(Action::Send(link, message));
        let now = step.now.mono_ms;
        Ok(Self {
            server,
            lane,
            place: None,
            stage: Stage::Handshake(Box::new(handshake)),
            is_proved: false,
            is_up: false,
            is_ready: false,
            published: None,
            opened_ms: now,
            heard_ms: now,
            pinged_ms: now,
            used_ms: now,
            next_id: 1,
            asked: BTreeMap::new(),
        })
    }

    /// A Noise message came.
    pub(super) fn on_chunk(&mut self, link: LinkId, bytes: &[u8], step: &mut Step<'_>) -> Result<Arrived, NoiseError> {
        self.heard_ms = step.now.mono_ms;
        match &mut self.stage {
            Stage::Open(cipher) => cipher.open(bytes).map(Arrived::Frames),
            Stage::Handshake(handshake) => match handshake.read(bytes)? {
                noise::Step::Send(_) | noise::Step::NeedToken(_) => Err(NoiseError::OutOfStep),
                noise::Step::Done(established) => {
                    let Established { session, send, .. } = *established;
                    self.is_proved = true;
                    if let Some(message) = send {
                        step.act(Action::Send(link, message));
                    }
                    self.stage = Stage::Open(Box::new(session));
                    Ok(Arrived::Open)
                }
            },
        }
    }

    /// Sends a request, whose answer is for `call`. `false`: it cannot be sent.
    pub(super) fn ask(&mut self, link: LinkId, call: CallId, request: &ServerFrame, step: &mut Step<'_>) -> bool {
        let id = self.next_id;
        // 0 is for what answers nothing.
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.used_ms = step.now.mono_ms;
        self.asked.insert(id, call);
        self.send(link, id, request, step)
    }

    /// Sends a frame. `false`: it is too long, our own mistake.
    pub(super) fn send(&mut self, link: LinkId, id: u32, frame: &ServerFrame, step: &mut Step<'_>) -> bool {
        let Stage::Open(cipher) = &mut self.stage else { return false };
        let mut messages = Vec::new();
        let sealed = cipher.seal(&frame.encode(id), &mut messages);
        for message in messages {
            step.act(Action::Send(link, message));
        }
        sealed.is_ok()
    }

    /// Which call this answers; each is answered once.
    pub(super) fn take_asked(&mut self, id: u32, step: &Step<'_>) -> Option<CallId> {
        self.used_ms = step.now.mono_ms;
        self.asked.remove(&id)
    }

    /// A call gave up waiting.
    pub(super) fn forget(&mut self, call: CallId) {
        self.asked.retain(|_, waiting| *waiting != call);
    }

    /// Everything that waits for an answer here.
    pub(super) fn into_asked(self) -> impl Iterator<Item = CallId> {
        self.asked.into_values()
    }

    /// Ends it, with a word if there is a session to say it in.
    pub(super) fn say_goodbye(&mut self, link: LinkId, step: &mut Step<'_>) {
        self.send(link, 0, &ServerFrame::Close(Close { code: ErrorCode::Ok }), step);
        step.act(Action::Close(link));
    }

    /// Both sides' proof of this handshake.
    pub(super) fn handshake_hash(&self) -> Option<[u8; 32]> {
        match &self.stage {
            Stage::Open(cipher) => Some(cipher.handshake_hash()),
            Stage::Handshake(_) => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Asks whether somebody is there, when nothing was heard for long.
    pub(super) fn ping(&mut self, link: LinkId, step: &mut Step<'_>) {
        if self.ping_at() <= step.now.mono_ms {
            self.pinged_ms = step.now.mono_ms;
            let nonce = step.rng.next_u64();
            self.send(link, 0, &ServerFrame::Ping { nonce }, step);
        }
    }

    fn ping_at(&self) -> u64 {
        if self.is_open() { self.heard_ms.max(self.pinged_ms) + PING_AFTER_MS } else { u64::MAX }
    }

    /// When it is over, if nothing more comes.
    pub(super) fn dead_at(&self) -> u64 {
        if self.is_open() { self.heard_ms + SESSION_DEAD_MS } else { self.opened_ms + HANDSHAKE_TIMEOUT_MS }
    }

    /// When nobody needs it any more.
    pub(super) fn idle_at(&self) -> u64 {
        match self.lane {
            Lane::Errand(_) if self.asked.is_empty() => self.used_ms + ERRAND_IDLE_MS,
            Lane::Front if self.asked.is_empty() => self.used_ms + FRONT_IDLE_MS,
            Lane::Account if self.is_open() && self.asked.is_empty() => self.renew_at(),
            Lane::Account | Lane::Front | Lane::Errand(_) => u64::MAX,
        }
    }

    /// When its keys have served for long enough.
    fn renew_at(&self) -> u64 {
        let bytes = match &self.stage {
            Stage::Open(cipher) => cipher.received_bytes().max(cipher.sent_bytes()),
            Stage::Handshake(_) => 0,
        };
        if bytes >= SESSION_RENEW_BYTES { 0 } else { self.opened_ms + SESSION_RENEW_MS }
    }

    pub(super) fn deadline(&self) -> u64 {
        self.dead_at().min(self.ping_at()).min(self.idle_at())
    }
}
