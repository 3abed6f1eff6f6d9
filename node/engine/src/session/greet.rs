//! From an open cipher to a session that is up: certificate, `Hello`, `Account`; and which of two sessions stays.

use hobnob_shared::{
    limits::MAX_DEVICES,
    wire::{AccountPayload, ErrorCode, Frame, Hello},
};

use super::{Peer, Sessions};
use crate::{
    step::{SessionId, Signal, Step},
    work::Mode,
};

/// Sessions that came up within this time of each other were opened at once.
const AT_ONCE_MS: u64 = 10_000;

impl Sessions {
    /// The handshake is done: our first frame. `known` is what we know of the other side's record.
    pub(crate) fn greet(&self, link: SessionId, known: Option<(u64, [u8; 32])>, step: &mut Step<'_>) {
        step.send(
            link,
            Frame::Hello(Hello {
                features: Vec::new(),
                time_ms: step.now.wall_ms,
                instance: self.instance,
                known_record: known,
            }),
        );
    }

    /// Takes the certificate of the other end, shown in the handshake or in an `Account` frame. Its key must be the one
    /// that made the handshake, and its account the one that we dialled. Our own devices reach each other as known
    /// devices only.
    pub(crate) fn certify(&mut self, link: SessionId, peer: Peer, step: &mut Step<'_>) -> bool {
        let Some(session) = self.live.get_mut(&link) else { return false };
        let expected = session.target().and_then(crate::reach::Target::account);
        let is_own = peer.account == step.me.account;
        let is_wrong = expected.is_some_and(|account| account != peer.account);
        if is_wrong || is_own && (session.mode != Mode::Device || peer.device == step.me.device) {
            self.end(link, None, step);
            return false;
        }
        session.peer = Some(peer);
        true
    }

    /// Their `Hello`. A second one is nonsense.
    pub(crate) fn on_hello(&mut self, link: SessionId, hello: &Hello, step: &mut Step<'_>) -> bool {
        let Some(session) = self.live.get_mut(&link) else { return false };
        if session.hello.is_some() {
            self.end(link, Some(ErrorCode::Malformed), step);
            return false;
        }
        session.hello = Some(hello.instance);
        self.come_up(link, step);
        true
    }

    /// Their `Account`, of which others have learned already: finds the certificate of this very session in it.
    pub(crate) fn certificate_in(&self, link: SessionId, payload: &AccountPayload) -> Option<Peer> {
        let remote_static = self.live.get(&link)?.remote_static?;
        payload.certificates.iter().find_map(|signed| Peer::certified(signed, &remote_static))
    }

    /// The other side's account has been taken in.
    pub(crate) fn on_account_seen(&mut self, link: SessionId, step: &mut Step<'_>) {
        if let Some(session) = self.live.get_mut(&link)
            && session.peer.is_some()
        {
            session.account_seen = true;
            self.come_up(link, step);
        }
    }

    fn come_up(&mut self, link: SessionId, step: &mut Step<'_>) {
        let Some(session) = self.live.get_mut(&link) else { return };
        let Some(peer) = session.peer.clone() else { return };
        if session.hello.is_none() || !session.account_seen || session.up_ms.is_some() {
            return;
        }
        session.up_ms = Some(step.now.mono_ms);
        session.pinged_ms = step.now.mono_ms;
        let others: Vec<_> = self.of(&peer.account).to_vec();
        let is_known = others.iter().any(|other| self.peer(*other).is_some_and(|it| it.device == peer.device));
        if others.len() >= MAX_DEVICES && !is_known {
            // More devices than an account may have.
            self.end(link, Some(ErrorCode::Busy), step);
            return;
        }
        for other in others {
            let Some(loser) = self.loser(link, other, step) else { continue };
            self.end(loser, Some(ErrorCode::Ok), step);
            if loser == link {
                return;
            }
        }
        self.up.entry(peer.account).or_default().push(link);
        step.signal(Signal::Up(link));
    }

    /// Which of two sessions with one device has to go.
    ///
    /// The newer one has just proved itself, so it replaces the older: a restarted node, another network, a renewal.
    /// Only when both sides dialled at once would they replace different ones; there the smaller device's stays.
    fn loser(&self, newer: SessionId, older: SessionId, step: &Step<'_>) -> Option<SessionId> {
        let (new, old) = (self.live.get(&newer)?, self.live.get(&older)?);
        let (peer, other) = (new.peer.as_ref()?, old.peer.as_ref()?);
        if peer.device != other.device {
            return None;
        }
        let ours_stays = step.me.device < peer.device;
        let at_once = new.initiator != old.initiator
            && new.hello == old.hello
            && step.now.mono_ms.saturating_sub(old.up_ms?) < AT_ONCE_MS;
        Some(if at_once && old.initiator == ours_stays { newer } else { older })
    }
}
