//! Sessions: from a link through the handshake to sealed frames, and their end.
//!
//! A link is *up* once the other side's certificate, `Hello` and `Account` frames are here, within the time of a
//! handshake. Whoever is not admitted gets nothing. Frames are sealed in the order in which they were asked for, at the
//! end of a batch, because each one moves the cipher's counter.

mod greet;
mod handshake;
mod keep;

use std::collections::BTreeMap;

use hobnob_shared::{
    id::{AccountId, DeviceId, InviteId},
    identity::{Certificate, SignedCertificate},
    limits::HANDSHAKE_TIMEOUT_MS,
    noise::{self, Handshake},
    text::Nickname,
    wire::{Close, ErrorCode, Frame},
};
use rand_core::Rng as _;

pub(crate) use self::keep::{ASK_TIMEOUT_MS, Pings};
use crate::{
    reach::{Attempt, Target},
    step::{Outgoing, SessionId, Signal, Step},
    work::{Action, LinkId, Mode, TransportId},
};

/// All links and sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    live: BTreeMap<SessionId, Session>,
    /// Closed by us; what was asked for before still goes out.
    closing: BTreeMap<SessionId, Session>,
    /// Sessions that are up, by account.
    up: BTreeMap<AccountId, Vec<SessionId>>,
    /// Tells our runs apart.
    instance: u64,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Session {
    stage: Stage,
    pub(crate) initiator: bool,
    pub(crate) mode: Mode,
    pub(crate) address: String,
    /// The other side's transport.
    remote: TransportId,
    /// What made us dial.
    attempt: Option<Attempt>,
    /// The invite that the other side used with us.
    pub(crate) invite: Option<InviteId>,
    remote_static: Option<[u8; 32]>,
    pub(crate) peer: Option<Peer>,
    /// Which run of the other side said `Hello`.
    hello: Option<u64>,
    /// The other side's account is here.
    account_seen: bool,
    opened_ms: u64,
    pub(crate) up_ms: Option<u64>,
    /// Conversations flow over it.
    pub(crate) syncing: bool,
    /// They were told over it that we accept them.
    pub(crate) has_knocked: bool,
    heard_ms: u64,
    pinged_ms: u64,
    renewed_ms: Option<u64>,
    /// It was told what we know of its account, once.
    prompted: bool,
    next_id: u32,
}

/// Who is at the other end, certified.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) x25519: [u8; 32],
    pub(crate) name: Nickname,
    /// A device that its account's record does not list yet shows this.
    pub(crate) certificate: SignedCertificate,
}

#[derive(Debug)]
enum Stage {
    Handshake(Box<Handshake>),
    Open(Box<noise::Session>),
    /// Nothing more is read.
    Ended,
}

/// What a chunk came to.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// Nothing for others to do.
    Nothing,
    /// The other side wants to use this invite of ours; `Sessions::on_token` goes on.
    Token(InviteId),
    /// The handshake is done, and the other side showed this.
    Certified(Peer),
    /// The handshake that we began is done.
    Open,
    /// Frames.
    Frames(Vec<Vec<u8>>),
}

impl Sessions {
    pub(crate) fn new(step: &mut Step<'_>) -> Self {
        Self { live: BTreeMap::new(), closing: BTreeMap::new(), up: BTreeMap::new(), instance: step.rng.next_u64() }
    }

    /// Ends a link from our side, with a word why if a session is there to say it in.
    pub(crate) fn end(&mut self, link: LinkId, code: Option<ErrorCode>, step: &mut Step<'_>) {
        let Some(session) = self.live.remove(&link) else { return };
        if let (Some(code), Stage::Open(_)) = (code, &session.stage) {
            step.send(link, Frame::Close(Close { code }));
        }
        step.close(link);
        self.gone(link, &session, step);
        self.closing.insert(link, session);
    }

    /// The stream ended.
    pub(crate) fn on_closed(&mut self, link: LinkId, step: &mut Step<'_>) {
        self.closing.remove(&link);
        if let Some(session) = self.live.remove(&link) {
            self.gone(link, &session, step);
        }
    }

    fn gone(&mut self, link: LinkId, session: &Session, step: &mut Step<'_>) {
        if let Some(peer) = &session.peer {
            if let Some(links) = self.up.get_mut(&peer.account) {
                links.retain(|other| *other != link);
            }
            self.up.retain(|_, links| !links.is_empty());
            step.signal(Signal::Down {
                session: link,
                account: peer.account,
                device: peer.device,
                was_up: session.up_ms.is_some(),
                syncing: session.syncing,
            });
        }
        if let Some(attempt) = &session.attempt
            && session.up_ms.is_none()
        {
            step.signal(Signal::Unreached(attempt.clone()));
        }
    }

    /// Seals what is to be sent, in order. A session that is gone by now gets nothing; sync repairs.
    pub(crate) fn seal(&mut self, step: &mut Step<'_>) {
        let mut outgoing = step.take_outgoing().into_iter().peekable();
        while let Some((link, first)) = outgoing.next() {
            let mut frames = Vec::new();
            let mut next = Some(first);
            while let Some(Outgoing::Frame(frame)) = next {
                frames.push(frame);
                next = outgoing.next_if(|(other, _)| *other == link).map(|(_, item)| item);
            }
            self.seal_frames(link, &frames, step);
            if next.is_some() {
                self.closing.remove(&link);
                step.act(Action::Close(link));
            }
        }
    }

    fn seal_frames(&mut self, link: LinkId, frames: &[Frame], step: &mut Step<'_>) {
        let Some(session) = self.live.get_mut(&link).or_else(|| self.closing.get_mut(&link)) else { return };
        let Stage::Open(cipher) = &mut session.stage else { return };
        let mut encoded = Vec::with_capacity(frames.len());
        for frame in frames {
            encoded.push(frame.encode(session.next_id));
            session.next_id = session.next_id.wrapping_add(1);
        }
        let mut messages = Vec::new();
        if let Err(error) = cipher.seal_all(encoded.iter().map(Vec::as_slice), &mut messages) {
            tracing::warn!(link = link.0, %error, "a session cannot seal");
            session.stage = Stage::Ended;
            step.act(Action::Close(link));
            return;
        }
        for message in messages {
            step.act(Action::Send(link, message));
        }
    }

    /// A link.
    pub(crate) fn get(&self, link: SessionId) -> Option<&Session> {
        self.live.get(&link)
    }

    pub(crate) fn get_mut(&mut self, link: SessionId) -> Option<&mut Session> {
        self.live.get_mut(&link)
    }

    /// Who is at the other end of a session that is up.
    pub(crate) fn peer(&self, link: SessionId) -> Option<&Peer> {
        self.live.get(&link).filter(|session| session.up_ms.is_some())?.peer.as_ref()
    }

    /// All sessions that are up with this account.
    pub(crate) fn of(&self, account: &AccountId) -> &[SessionId] {
        self.up.get(account).map_or(&[], Vec::as_slice)
    }

    /// Whether a session with this device is up.
    pub(crate) fn has_device(&self, account: &AccountId, x25519: &[u8; 32]) -> bool {
        let is_it = |link: &SessionId| self.peer(*link).is_some_and(|peer| peer.x25519 == *x25519);
        self.of(account).iter().any(is_it)
    }

    /// When something came from this device over a session that is up, in `mono_ms`; `None` when there is none.
    pub(crate) fn heard_of(&self, account: &AccountId, x25519: &[u8; 32]) -> Option<u64> {
        let with_it = self.of(account).iter().filter(|link| self.peer(**link).is_some_and(|it| it.x25519 == *x25519));
        with_it.filter_map(|link| Some(self.live.get(link)?.heard_ms)).max()
    }

    /// All sessions that are up.
    pub(crate) fn all_up(&self) -> impl Iterator<Item = (SessionId, &Session, &Peer)> {
        let up = self.live.iter().filter(|(_, session)| session.up_ms.is_some());
        up.filter_map(|(link, session)| Some((*link, session, session.peer.as_ref()?)))
    }

    /// Whether there is any link with this transport.
    pub(crate) fn has_transport(&self, transport: &TransportId) -> bool {
        self.live.values().any(|session| session.remote == *transport)
    }

    /// Whether the other side of this link is to be told what we know of its account: once.
    pub(crate) fn prompt(&mut self, link: SessionId) -> bool {
        self.live.get_mut(&link).is_some_and(|session| !std::mem::replace(&mut session.prompted, true))
    }

    /// All links.
    pub(crate) fn all_links(&self) -> Vec<SessionId> {
        self.live.keys().copied().collect()
    }

    /// All links whose other end is this account, up or not.
    pub(crate) fn links_of(&self, account: &AccountId) -> Vec<SessionId> {
        let is_theirs = |session: &Session| {
            session.peer.as_ref().map(|peer| peer.account) == Some(*account)
                || session.target().and_then(Target::account) == Some(*account)
        };
        self.live.iter().filter(|(_, session)| is_theirs(session)).map(|(link, _)| *link).collect()
    }
}

impl Session {
    /// Both sides' proof of this handshake.
    pub(crate) fn handshake_hash(&self) -> Option<[u8; 32]> {
        match &self.stage {
            Stage::Open(cipher) => Some(cipher.handshake_hash()),
            Stage::Handshake(_) | Stage::Ended => None,
        }
    }

    /// Bytes read and written.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        match &self.stage {
            Stage::Open(cipher) => (cipher.received_bytes(), cipher.sent_bytes()),
            Stage::Handshake(_) | Stage::Ended => (0, 0),
        }
    }

    /// The account at the other end, as far as known: certified, or the one that we dialled.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.peer.as_ref().map(|peer| peer.account).or_else(|| self.target()?.account())
    }

    /// Whom we dialled.
    fn target(&self) -> Option<&Target> {
        self.attempt.as_ref().map(|attempt| &attempt.target)
    }

    /// When the time for its handshake is over.
    fn handshake_deadline(&self) -> u64 {
        self.opened_ms + HANDSHAKE_TIMEOUT_MS
    }
}

impl Peer {
    fn new(certificate: Certificate, signed: SignedCertificate) -> Self {
        let Certificate { account, device, x25519, name, .. } = certificate;
        Self { account, device, x25519, name, certificate: signed }
    }

    /// Who a certificate names, if it belongs to the key that made the handshake.
    fn certified(signed: &SignedCertificate, remote_static: &[u8; 32]) -> Option<Self> {
        let certificate = signed.verify().ok()?;
        (certificate.x25519 == *remote_static).then(|| Self::new(certificate, signed.clone()))
    }
}
