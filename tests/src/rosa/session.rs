//! Her sessions: handshakes as the server makes them, frames in and out, and an end to those of whom nothing is heard.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use hobnob_engine::work::{Action, Input, LinkId, TransportId};
use hobnob_rendezvous::registry::{Caller, Input as Asked, SessionId, Source};
use hobnob_shared::{
    identity::DeviceKeys,
    limits::{HANDSHAKE_TIMEOUT_MS, SESSION_DEAD_MS},
    noise::{Established, Handshake, Mode, Session, Step},
    wire::{Hello, ServerFrame},
};
use rand_chacha::ChaCha20Rng;

use super::Said;

/// All of them, and what they are made with.
#[derive(Debug)]
pub(super) struct Sessions {
    keys: DeviceKeys,
    transport: Vec<u8>,
    instance: u64,
    links: BTreeMap<LinkId, Link>,
    of: BTreeMap<SessionId, LinkId>,
    next: u64,
}

#[derive(Debug)]
struct Link {
    source: Source,
    stage: Stage,
    /// When it is over, if nothing more comes.
    dead_ms: u64,
}

#[derive(Debug)]
enum Stage {
    Handshake(Box<Handshake>),
    Open(SessionId, Box<Session>),
}

impl Sessions {
    pub(super) fn new(keys: DeviceKeys, transport: Vec<u8>, instance: u64) -> Self {
        Self { keys, transport, instance, links: BTreeMap::new(), of: BTreeMap::new(), next: 1 }
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.links.values().map(|link| link.dead_ms).min()
    }

    /// Takes what came over the network; what of it is for the registry goes into `asked`.
    pub(super) fn take(
        &mut self,
        input: Input,
        now_ms: u64,
        wall_ms: u64,
        rng: &mut ChaCha20Rng,
        asked: &mut Vec<Asked>,
        said: &mut Vec<Said>,
    ) {
        match input {
            Input::Accepted { link, remote, address, mode, .. } => {
                self.accept(link, &remote, &address, mode, now_ms, rng)
            }
            Input::Chunk(link, bytes) => {
                if self.on_chunk(link, &bytes, (now_ms, wall_ms), asked, said).is_none() {
                    self.end(link, asked, said);
                }
            }
            Input::Closed(link) => self.forget(link, asked),
            other => panic!("a rendezvous gets no {other:?}"),
        }
    }

    fn accept(
        &mut self,
        link: LinkId,
        remote: &TransportId,
        address: &str,
        mode: Mode,
        now_ms: u64,
        rng: &mut ChaCha20Rng,
    ) {
        let handshake = Handshake::respond(mode, self.keys.x25519_secret(), &self.transport, &remote.0, rng);
        let stage = Stage::Handshake(Box::new(handshake.expect("a handshake")));
        let ip = address.split('/').nth(2).and_then(|ip| ip.parse().ok()).unwrap_or(Ipv4Addr::LOCALHOST);
        let source = Source::of(IpAddr::V4(ip));
        self.links.insert(link, Link { source, stage, dead_ms: now_ms + HANDSHAKE_TIMEOUT_MS });
    }

    /// `None`: the link has to end.
    fn on_chunk(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        (now_ms, wall_ms): (u64, u64),
        asked: &mut Vec<Asked>,
        said: &mut Vec<Said>,
    ) -> Option<()> {
        let Some(it) = self.links.get_mut(&link) else { return Some(()) };
        match &mut it.stage {
            Stage::Handshake(handshake) => match handshake.read(bytes).ok()? {
                Step::Send(message) => said.push(Said::Handshake(link, message)),
                Step::Done(established) => self.open(link, *established, (now_ms, wall_ms), asked, said),
                Step::NeedToken(_) => return None,
            },
            Stage::Open(id, session) => {
                let session_id = *id;
                for bytes in session.open(bytes).ok()? {
                    it.dead_ms = now_ms + SESSION_DEAD_MS;
                    let (id, frame) = ServerFrame::decode(&bytes).ok()?;
                    if let ServerFrame::Close(_) = frame {
                        return None;
                    }
                    asked.push(Asked::Frame { session: session_id, id, frame });
                }
            }
        }
        Some(())
    }

    fn open(
        &mut self,
        link: LinkId,
        established: Established,
        (now_ms, wall_ms): (u64, u64),
        asked: &mut Vec<Asked>,
        said: &mut Vec<Said>,
    ) {
        let Established { session, send, certificate, peer, .. } = established;
        said.extend(send.map(|message| Said::Handshake(link, message)));
        let caller = match (certificate, peer) {
            (Some(signed), Some(peer)) => {
                Caller::Device { account: peer.account, device: peer.device, certificate: signed.hash() }
            }
            _ => Caller::Guest,
        };
        let id = SessionId(self.next);
        self.next += 1;
        let Some(it) = self.links.get_mut(&link) else { return };
        let binding = session.handshake_hash();
        it.stage = Stage::Open(id, Box::new(session));
        it.dead_ms = now_ms + SESSION_DEAD_MS;
        self.of.insert(id, link);
        let hello = Hello { time_ms: wall_ms, instance: self.instance, ..Hello::default() };
        said.push(Said::Frame(id, 0, Box::new(ServerFrame::Hello(hello))));
        asked.push(Asked::Opened { session: id, caller, source: it.source, binding });
    }

    /// Ends those of whom nothing was heard for too long.
    pub(super) fn end_silent(&mut self, now_ms: u64, asked: &mut Vec<Asked>, said: &mut Vec<Said>) {
        let dead: Vec<_> = self.links.iter().filter(|(_, it)| it.dead_ms <= now_ms).map(|(link, _)| *link).collect();
        for link in dead {
            self.end(link, asked, said);
        }
    }

    fn end(&mut self, link: LinkId, asked: &mut Vec<Asked>, said: &mut Vec<Said>) {
        self.forget(link, asked);
        said.push(Said::Close(link));
    }

    fn forget(&mut self, link: LinkId, asked: &mut Vec<Asked>) {
        if let Some(Link { stage: Stage::Open(id, _), .. }) = self.links.remove(&link) {
            self.of.remove(&id);
            asked.push(Asked::Closed(id));
        }
    }

    /// Seals what is to be said. To a session that is over nothing is.
    pub(super) fn say(&mut self, said: Said) -> Vec<Action> {
        let (session, id, frame) = match said {
            Said::Handshake(link, message) => return vec![Action::Send(link, message)],
            Said::Close(link) => return vec![Action::Close(link)],
            Said::Frame(session, id, frame) => (session, id, frame),
        };
        let Some(link) = self.of.get(&session).copied() else { return Vec::new() };
        let Some(Stage::Open(_, cipher)) = self.links.get_mut(&link).map(|it| &mut it.stage) else { return Vec::new() };
        let mut messages = Vec::new();
        cipher.seal(&frame.encode(id), &mut messages).expect("a frame of the registry's fits");
        messages.into_iter().map(|message| Action::Send(link, message)).collect()
    }
}
