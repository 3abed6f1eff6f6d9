//! Rosa, the rendezvous: a model of one, with handshakes and frames as they are on the wire.

use std::collections::BTreeMap;

use hobnob_engine::work::{DialError, DialId, Input, LinkId, Mode, TransportId};
use hobnob_shared::{
    identity::DeviceKeys,
    noise::{Handshake, Session, Step},
    rendezvous::Address,
    wire::{
        Close, ErrorCode, Failure, Hello, ServerFrame,
        rendezvous::{Registration, Status},
    },
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use super::World;

/// Her.
pub(crate) struct Rosa {
    pub(crate) keys: DeviceKeys,
    pub(crate) address: Address,
    /// Nobody answers at her address.
    pub(crate) is_away: bool,
    /// She takes requests and says nothing.
    pub(crate) is_silent: bool,
    pub(crate) status: Status,
    /// What she answers to all requests but the first of a session, if not what she should.
    pub(crate) refuses: Option<ErrorCode>,
    pub(crate) links: BTreeMap<LinkId, Link>,
    /// All requests that she has seen, with the mode of their sessions.
    pub(crate) seen: Vec<(Mode, ServerFrame)>,
    pub(crate) rng: ChaCha20Rng,
}

/// One link with her.
pub(crate) struct Link {
    pub(crate) node: usize,
    pub(crate) mode: Mode,
    stage: Option<Stage>,
}

enum Stage {
    Handshake(Box<Handshake>),
    Open(Box<Session>),
}

/// A peer id, as bytes.
fn peer(byte: u8) -> Vec<u8> {
    [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &[byte; 32]].concat()
}

impl Rosa {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let keys = DeviceKeys::generate(&mut rng);
        let address = Address::new("/dns4/rosa.example/tcp/4001", &peer(13), &keys.x25519_public()).unwrap();
        let status = Status {
            versions: (1, 1),
            software: "rosa".to_owned(),
            time_ms: super::BEGIN_MS,
            signing_key: *keys.id().as_bytes(),
            registration: Registration::Open { pow_bits: 4 },
            knock_bits: 4,
            challenge: [4; 16],
            limits: BTreeMap::new(),
        };
        Self {
            keys,
            address,
            is_away: false,
            is_silent: false,
            status,
            refuses: None,
            links: BTreeMap::new(),
            seen: Vec::new(),
            rng,
        }
    }

    /// How many sessions of this mode are there.
    pub(crate) fn sessions(&self, mode: Mode) -> usize {
        let is_open = |link: &&Link| link.mode == mode && matches!(link.stage, Some(Stage::Open(_)));
        self.links.values().filter(is_open).count()
    }

    /// How often she was asked this.
    pub(crate) fn asked(&self, number: u16) -> usize {
        self.seen.iter().filter(|(_, frame)| frame.number() == number).count()
    }

    fn on_chunk(&mut self, link: LinkId, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        let stage = self.links.get_mut(&link)?.stage.take()?;
        let mut out = Vec::new();
        let next = match stage {
            Stage::Handshake(mut handshake) => match handshake.read(bytes).ok()? {
                Step::Send(message) => {
                    out.push(message);
                    Stage::Handshake(handshake)
                }
                Step::Done(done) => {
                    out.extend(done.send);
                    let mut session = done.session;
                    let hello = ServerFrame::Hello(Hello { time_ms: self.status.time_ms, ..Hello::default() });
                    session.seal(&hello.encode(0), &mut out).unwrap();
                    Stage::Open(Box::new(session))
                }
                Step::NeedToken(_) => return None,
            },
            Stage::Open(mut session) => {
                for frame in session.open(bytes).ok()? {
                    let (id, frame) = ServerFrame::decode(&frame).unwrap();
                    if let Some((id, answer)) = self.serve(link, id, frame) {
                        session.seal(&answer.encode(id), &mut out).unwrap();
                    }
                }
                Stage::Open(session)
            }
        };
        self.links.get_mut(&link)?.stage = Some(next);
        Some(out)
    }

    fn serve(&mut self, link: LinkId, id: u32, frame: ServerFrame) -> Option<(u32, ServerFrame)> {
        let mode = self.links.get(&link)?.mode;
        match frame {
            ServerFrame::Hello(_) | ServerFrame::Pong { .. } => return None,
            ServerFrame::Ping { nonce } if !self.is_silent => return Some((0, ServerFrame::Pong { nonce })),
            ServerFrame::Close(Close { .. }) => return None,
            _ => {}
        }
        self.seen.push((mode, frame.clone()));
        if self.is_silent {
            return None;
        }
        Some(match self.answer(&frame) {
            Ok(answer) => (id, answer),
            Err(code) => (0, ServerFrame::Error(Failure { code, of: id })),
        })
    }

    fn answer(&mut self, frame: &ServerFrame) -> Result<ServerFrame, ErrorCode> {
        match (frame, self.refuses) {
            (ServerFrame::StatusGet, _) => Ok(ServerFrame::Status(self.status.clone())),
            (_, Some(code)) => Err(code),
            _ => Err(ErrorCode::NotFound),
        }
    }
}

impl World {
    /// A node that uses Rosa, without a name there.
    pub(crate) fn with_rosa(names: &[&str]) -> Self {
        let mut world = Self::new(names);
        world.rosa = Some(Rosa::new(7));
        world
    }

    pub(crate) fn rosa(&mut self) -> &mut Rosa {
        self.rosa.as_mut().expect("a rendezvous")
    }

    pub(super) fn dial_rosa(&mut self, node: usize, dial: DialId, addresses: &[String], mode: Mode) {
        let link = self.next_link();
        let local = if mode == Mode::Guest { TransportId(vec![99; 8]) } else { self.nodes[node].transport.clone() };
        let Some(rosa) = self.rosa.as_mut().filter(|rosa| !rosa.is_away) else {
            self.give(node, Input::DialFailed(dial, DialError::Refused));
            return;
        };
        assert_eq!(addresses, [rosa.address.place().to_owned()]);
        let remote = TransportId(rosa.address.transport().to_vec());
        let secret = rosa.keys.x25519_secret();
        let handshake = Handshake::respond(mode, secret, &remote.0, &local.0, &mut rosa.rng).unwrap();
        rosa.links.insert(link, Link { node, mode, stage: Some(Stage::Handshake(Box::new(handshake))) });
        self.give(node, Input::Dialled { dial, link, local, remote, address: addresses[0].clone() });
    }

    pub(super) fn tell_rosa(&mut self, node: usize, link: LinkId, bytes: &[u8]) {
        let Some(rosa) = self.rosa.as_mut().filter(|rosa| rosa.links.contains_key(&link)) else { return };
        match rosa.on_chunk(link, bytes) {
            Some(messages) => {
                for message in messages {
                    self.give(node, Input::Chunk(link, message));
                }
            }
            None => {
                rosa.links.remove(&link);
                self.give(node, Input::Closed(link));
            }
        }
    }

    /// Rosa's process ends: every link with her closes.
    pub(crate) fn stop_rosa(&mut self) {
        self.rosa().is_away = true;
        let links = std::mem::take(&mut self.rosa().links);
        for (link, it) in links {
            self.give(it.node, Input::Closed(link));
        }
        self.settle();
    }
}
