//! Rosa, a rendezvous in a world: the server's own registry over rows in memory, with sessions as they are on the wire.
//!
//! Everything that happens follows from the world's seed. She works in the server's order (work out, commit, answer), can
//! crash between any two of these steps, starts again from what she committed, or from something older, and can lie.

mod lies;
mod people;
mod session;

use std::collections::{BTreeMap, VecDeque};

use hobnob_engine::work::{Action, Input, LinkId};
use hobnob_rendezvous::{
    keys::ServerKeys,
    registry::{
        Input as Asked, Policy, Registry, SessionId, Work,
        view::{MemoryView, Records},
    },
};
use hobnob_shared::{
    rendezvous::Address,
    text::Username,
    wire::rendezvous::{Registration, ServerFrame},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

pub use self::lies::{Liar, Lies};
pub(crate) use self::people::VAULT_KEY;
use self::{lies::Lie, session::Sessions};

/// A rendezvous.
#[derive(Debug)]
pub struct Rosa {
    /// Where she is, and her pinned key.
    pub address: Address,
    /// What she committed.
    pub rows: MemoryView,
    /// What she tells instead of the truth.
    pub liar: Liar,
    /// How far her clock is off, in ms.
    pub skew_ms: i64,
    /// What she tells of herself: another one when she is restored from a backup.
    pub generation: u64,
    /// How many requests of each kind came, over all her lives.
    pub asked: BTreeMap<u16, u64>,
    /// The number of each name's last true binding.
    numbers: BTreeMap<Username, u64>,
    seed: u64,
    process: Option<Process>,
    lives: u64,
    inbox: VecDeque<Input>,
    rng: ChaCha20Rng,
}

/// What a crash takes.
#[derive(Debug)]
struct Process {
    registry: Registry,
    sessions: Sessions,
}

/// What a turn came to: to be committed, and then to be said.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) records: Records,
    pub(crate) said: Vec<Said>,
}

/// Something that goes out.
#[derive(Debug)]
pub(crate) enum Said {
    /// A handshake's message.
    Handshake(LinkId, Vec<u8>),
    /// A frame.
    Frame(SessionId, u32, Box<ServerFrame>),
    /// The link ends.
    Close(LinkId),
}

impl Rosa {
    /// The `index`-th rendezvous of the world `seed`; she is not up yet.
    pub(crate) fn new(seed: u64, index: usize) -> Self {
        let seed = seed.wrapping_mul(1000).wrapping_add(500 + index as u64);
        let place = format!("/dns4/rosa{index}.example/tcp/4001");
        // A peer id of an Ed25519 key: nobody checks the key here.
        let peer = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &[13 + index as u8; 32]].concat();
        let address = Address::new(&place, &peer, &keys(seed).device.x25519_public()).expect("an address");
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ u64::MAX);
        Self {
            address,
            rows: MemoryView::default(),
            liar: Liar::new(rng.next_u64()),
            skew_ms: 0,
            generation: seed,
            asked: BTreeMap::new(),
            numbers: BTreeMap::new(),
            seed,
            process: None,
            lives: 0,
            inbox: VecDeque::new(),
            rng,
        }
    }

    /// Begins with what is committed, unless she is up.
    pub(crate) fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        let ServerKeys { device, opaque, .. } = keys(self.seed);
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let registry = Registry::new(device, opaque, policy(), self.generation, seed);
        let sessions = Sessions::new(keys(self.seed).device, self.address.transport().to_vec(), self.rng.next_u64());
        self.process = Some(Process { registry, sessions });
        self.lives += 1;
        self.inbox.clear();
    }

    /// Ends at once. `true`: she was up.
    pub(crate) fn stop(&mut self) -> bool {
        self.inbox.clear();
        self.process.take().is_some()
    }

    /// The key with which she signs names.
    pub(crate) fn signing_key(&self) -> [u8; 32] {
        *keys(self.seed).device.id().as_bytes()
    }

    /// Whether she runs.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn lives(&self) -> u64 {
        self.lives
    }

    pub(crate) fn input(&mut self, input: Input) {
        if self.process.is_some() {
            self.inbox.push_back(input);
        }
    }

    /// When she has something to do next, in the world's ms.
    pub(crate) fn next_ms(&self, now_ms: u64, epoch_ms: u64) -> Option<u64> {
        let process = self.process.as_ref()?;
        if !self.inbox.is_empty() {
            return Some(now_ms);
        }
        let forgets = process.registry.next_timeout().saturating_sub(self.wall(epoch_ms));
        Some(process.sessions.next_ms().map_or(forgets, |at| at.min(forgets)))
    }

    /// What her clock says when the world's says this.
    fn wall(&self, true_ms: u64) -> u64 {
        true_ms.saturating_add_signed(self.skew_ms)
    }

    /// Handles all that came, if anything did, as the server does: all of it in one transaction.
    pub(crate) fn turn(&mut self, now_ms: u64, epoch_ms: u64) -> Option<Turn> {
        if self.next_ms(now_ms, epoch_ms)? > now_ms {
            return None;
        }
        let wall_ms = self.wall(epoch_ms + now_ms);
        let Process { registry, sessions } = self.process.as_mut()?;
        let (mut work, mut turn) = (Work::default(), Turn::default());
        let mut inputs = Vec::new();
        for input in self.inbox.drain(..) {
            sessions.take(input, now_ms, wall_ms, &mut self.rng, &mut inputs, &mut turn.said);
        }
        sessions.end_silent(now_ms, &mut inputs, &mut turn.said);
        for input in inputs {
            if let Asked::Frame { session, id, frame } = &input {
                *self.asked.entry(frame.number()).or_default() += 1;
                match self.liar.pretend(*id, frame) {
                    Some(Lie::Say(answer)) => turn.said.push(Said::Frame(*session, *id, answer)),
                    Some(Lie::Silence) => {}
                    None => registry.handle(input, wall_ms, &self.rows, &mut work),
                }
                continue;
            }
            registry.handle(input, wall_ms, &self.rows, &mut work);
        }
        if registry.next_timeout() <= wall_ms {
            registry.handle(Asked::Timeout, wall_ms, &self.rows, &mut work);
        }
        assert_eq!(work.faults, [], "the registry does not understand its own rows");
        turn.records = work.records;
        for answer in work.answers {
            for frame in self.liar.twist(answer.frame) {
                turn.said.push(Said::Frame(answer.session, answer.id, Box::new(frame)));
            }
        }
        for note in work.notes {
            for frame in self.liar.twist(note.frame) {
                turn.said.extend(note.to.iter().map(|to| Said::Frame(*to, 0, Box::new(frame.clone()))));
            }
        }
        Some(turn)
    }

    pub(crate) fn commit(&mut self, records: &Records) {
        self.rows.apply(records);
    }

    /// What of it goes over which link.
    pub(crate) fn say(&mut self, said: Said) -> Vec<Action> {
        self.process.as_mut().map_or_else(Vec::new, |process| process.sessions.say(said))
    }
}

fn keys(seed: u64) -> ServerKeys {
    ServerKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

/// Nobody has to compute; proof of work has tests of its own.
fn policy() -> Policy {
    Policy { registration: Registration::Open { pow_bits: 0 }, knock_bits: 0, ..Policy::default() }
}
