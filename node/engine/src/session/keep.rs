//! Keeping sessions alive, noticing that they are dead, and renewing them.

use std::collections::BTreeMap;

use hobnob_shared::{
    limits::{SESSION_DEAD_MS, SESSION_RENEW_BYTES, SESSION_RENEW_MS},
    wire::Frame,
};
use rand_core::Rng as _;

use super::{Session, Sessions};
use crate::{
    command::{Code, Refusal, Reply},
    step::{SessionId, Signal, Step},
    work::Ticket,
};

/// After this long without a frame from the other side we ask for one.
const PING_AFTER_MS: u64 = 15_000;
/// A renewal that failed is tried again after this long; the old session goes on meanwhile.
const RENEW_AGAIN_MS: u64 = 300_000;
/// A person who asks for a round trip waits at most this long.
pub(crate) const ASK_TIMEOUT_MS: u64 = 10_000;

/// Round trips that people wait for.
#[derive(Debug, Default)]
pub(crate) struct Pings(BTreeMap<u64, Asked>);

#[derive(Debug)]
struct Asked {
    session: SessionId,
    ticket: Ticket,
    since_ms: u64,
}

impl Pings {
    /// Asks for a round trip; the answer follows.
    pub(crate) fn ask(&mut self, session: SessionId, ticket: Ticket, step: &mut Step<'_>) {
        let nonce = step.rng.next_u64();
        self.0.insert(nonce, Asked { session, ticket, since_ms: step.now.mono_ms });
        step.send(session, Frame::Ping { nonce });
    }

    pub(crate) fn on_pong(&mut self, session: SessionId, nonce: u64, step: &mut Step<'_>) {
        if self.0.get(&nonce).is_some_and(|asked| asked.session == session)
            && let Some(asked) = self.0.remove(&nonce)
        {
            let round_trip_ms = step.now.mono_ms.saturating_sub(asked.since_ms);
            step.reply(asked.ticket, Ok(Reply::Pong { round_trip_ms }));
        }
    }

    pub(crate) fn on_down(&mut self, session: SessionId, step: &mut Step<'_>) {
        self.give_up(|asked| asked.session == session, "the session ended before an answer came; try again", step);
    }

    pub(crate) fn on_timeout(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        self.give_up(|asked| asked.since_ms + ASK_TIMEOUT_MS <= now, "no answer within 10 s; /net shows more", step);
    }

    fn give_up(&mut self, which: impl Fn(&Asked) -> bool, why: &str, step: &mut Step<'_>) {
        self.0.retain(|_, asked| {
            let over = which(asked);
            if over {
                step.reply(asked.ticket, Err(Refusal::new(Code::Network, why)));
            }
            !over
        });
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.0.values().map(|asked| asked.since_ms + ASK_TIMEOUT_MS).min()
    }
}

impl Sessions {
    /// Ends what took too long or is dead, asks the silent ones, and has old ones renewed.
    pub(crate) fn on_timeout(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        let due: Vec<_> = self.live.iter().filter(|(_, it)| it.deadline() <= now).map(|(link, _)| *link).collect();
        for link in due {
            let Some(session) = self.live.get_mut(&link) else { continue };
            if session.end_at() <= now {
                self.end(link, None, step);
                continue;
            }
            if session.ping_at() <= now {
                session.pinged_ms = now;
                let nonce = step.rng.next_u64();
                step.send(link, Frame::Ping { nonce });
            }
            if session.renew_at().is_some_and(|at| at <= now) {
                session.renew(step);
            }
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.live.values().map(Session::deadline).min()
    }

    /// Renews what has carried enough. Called at the end of a batch.
    pub(crate) fn renew_full(&mut self, step: &mut Step<'_>) {
        for session in self.live.values_mut().filter(|session| session.up_ms.is_some()) {
            let (received, sent) = session.bytes();
            if received.max(sent) >= SESSION_RENEW_BYTES {
                session.renew(step);
            }
        }
    }
}

impl Session {
    /// By the side that opened it: a new session, which then replaces this one. Tried again when that fails.
    fn renew(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        if !self.initiator || self.renewed_ms.is_some_and(|at| now < at + RENEW_AGAIN_MS) {
            return;
        }
        self.renewed_ms = Some(now);
        if let Some(peer) = &self.peer {
            step.signal(Signal::Renew(peer.account, peer.x25519));
        }
    }

    fn end_at(&self) -> u64 {
        match self.up_ms {
            None => self.handshake_deadline(),
            Some(_) => self.heard_ms + SESSION_DEAD_MS,
        }
    }

    fn ping_at(&self) -> u64 {
        match self.up_ms {
            None => u64::MAX,
            Some(_) => self.heard_ms.max(self.pinged_ms) + PING_AFTER_MS,
        }
    }

    fn renew_at(&self) -> Option<u64> {
        let first = self.up_ms? + SESSION_RENEW_MS;
        self.initiator.then(|| self.renewed_ms.map_or(first, |at| first.max(at + RENEW_AGAIN_MS)))
    }

    fn deadline(&self) -> u64 {
        self.end_at().min(self.ping_at()).min(self.renew_at().unwrap_or(u64::MAX))
    }
}
