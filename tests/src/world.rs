//! Seeded worlds: engines, their disks, rendezvous, and a network that delays, breaks, splits and lies, in virtual time.
//!
//! Everything that happens follows from the seed. A world carries a [`Work`] out in the runtime's order (commit, network,
//! replies, events) and can crash between any two of these steps, and between any two actions.

mod net;
mod passwords;
mod servers;

pub use servers::username;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use hobnob_engine::{
    Engine, Start,
    command::{Command, Joined, Refusal, Reply},
    event::Event,
    work::{Input, LinkId, Now, Records, Ticket, TransportId, Work},
};
use hobnob_shared::identity::{Identity, SignedBinding};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use self::net::{End, Flight};
use crate::{
    cast,
    disk::{Disk, Medium},
    rosa::Rosa,
    sealed::Sealed,
};

/// A node's place in the world.
pub type NodeIndex = usize;

/// A rendezvous's place in the world.
pub type ServerIndex = usize;

/// Who is at the end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A node.
    Node(NodeIndex),
    /// A rendezvous.
    Server(ServerIndex),
}

/// What may go wrong, in chances of one in so many. 0 means never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A chunk breaks its link instead of arriving.
    pub break_link: u32,
    /// A chunk arrives twice.
    pub repeat_chunk: u32,
    /// A chunk changes places with the next one of its link.
    pub swap_chunk: u32,
    /// A chunk arrives with a bit flipped.
    pub flip_chunk: u32,
    /// A dial fails.
    pub fail_dial: u32,
    /// A node crashes at one of the steps of a batch.
    pub crash: u32,
    /// A rendezvous does.
    pub crash_server: u32,
    /// The power of a node goes during a commit or soon after it.
    pub power: u32,
    /// Longest delay of a chunk, in ms.
    pub delay_ms: u64,
}

/// One node: an engine while it runs, a disk always.
pub struct Node {
    /// The engine, unless the node is down.
    pub engine: Option<Engine>,
    /// What it committed.
    pub disk: Medium,
    /// Everything it told its front end, over all its lives.
    pub events: Vec<Event>,
    /// What it answered.
    pub replies: BTreeMap<Ticket, Result<Reply, Refusal>>,
    /// How far its wall clock is off, in ms.
    pub skew_ms: i64,
    /// Asks for messages as a front end does, at every start.
    pub listens: bool,
    /// Its process stands still: it handles nothing, and its links stay open.
    pub frozen: bool,
    /// Nobody reaches it by dialling.
    pub hidden: bool,
    identity: Box<dyn Fn() -> Identity>,
    /// It was made from the recovery words of this person.
    restored_from: Option<NodeIndex>,
    started_ms: u64,
    lives: u64,
    inbox: VecDeque<Input>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("up", &self.engine.is_some()).field("lives", &self.lives).finish_non_exhaustive()
    }
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Its rendezvous.
    pub servers: Vec<Rosa>,
    /// What goes wrong from now on.
    pub faults: Faults,
    /// The seed, for messages of failing tests.
    pub seed: u64,
    /// How often a node lost its power during a commit or soon after it.
    pub power_cuts: u32,
    /// Real time spent inside engines; a benchmark reads it.
    pub in_engines: Duration,
    /// What each node committed, in order, where a benchmark wants to commit the same again.
    pub journal: Option<Vec<(NodeIndex, Records)>>,
    rng: ChaCha20Rng,
    now_ms: u64,
    flights: BTreeMap<(u64, u64), Flight>,
    order: u64,
    links: BTreeMap<LinkId, End>,
    next_link: u64,
    next_ticket: u64,
    cut: BTreeSet<(Place, Place)>,
    /// The names that they granted, with the number of the vault that came with the password.
    bindings: BTreeMap<(ServerIndex, NodeIndex), (SignedBinding, u64)>,
    /// What opens the vaults whose passwords were changed.
    vault_keys: BTreeMap<(ServerIndex, NodeIndex), [u8; 32]>,
}

/// 2026-01-01, in ms since the epoch: when every world begins.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// Writes and syncs of a commit, and a few more: the power may stay until it is over.
const CHANGES: u64 = 24;

/// Inputs that share a commit, as in the runtime.
const BATCH: usize = 256;

impl World {
    /// A world of `count` nodes that do not know each other, with rows in memory.
    pub fn new(seed: u64, count: usize) -> Self {
        Self::on(seed, count, || Medium::Rows(Disk::default()))
    }

    /// The same with encrypted stores on disks that lose power.
    pub fn sealed(seed: u64, count: usize) -> Self {
        Self::on(seed, count, || Medium::Sealed(Sealed::create()))
    }

    fn on(seed: u64, count: usize, disk: impl Fn() -> Medium) -> Self {
        let mut world = Self {
            nodes: Vec::new(),
            servers: Vec::new(),
            faults: Faults { delay_ms: 20, ..Faults::default() },
            seed,
            power_cuts: 0,
            in_engines: Duration::ZERO,
            journal: None,
            rng: ChaCha20Rng::seed_from_u64(seed),
            now_ms: 0,
            flights: BTreeMap::new(),
            order: 0,
            links: BTreeMap::new(),
            next_link: 0,
            next_ticket: 0,
            cut: BTreeSet::new(),
            bindings: BTreeMap::new(),
            vault_keys: BTreeMap::new(),
        };
        for index in 0..count {
            world.nodes.push(Node {
                engine: None,
                disk: disk(),
                events: Vec::new(),
                replies: BTreeMap::new(),
                skew_ms: 0,
                listens: true,
                frozen: false,
                hidden: false,
                identity: cast::identity(index, seed),
                restored_from: None,
                started_ms: 0,
                lives: 0,
                inbox: VecDeque::new(),
            });
            world.start(index);
        }
        world
    }

    /// Virtual ms since the world began.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// A number below `bound` from the world's seed.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn chance(&mut self, one_in: u32) -> bool {
        one_in > 0 && self.below(u64::from(one_in)) == 0
    }

    fn clock(&self, node: NodeIndex) -> Now {
        let n = &self.nodes[node];
        let wall = i64::try_from(EPOCH_MS + self.now_ms).unwrap_or(i64::MAX) + n.skew_ms;
        Now { mono_ms: self.now_ms - n.started_ms, wall_ms: u64::try_from(wall).unwrap_or(0) }
    }

    /// Starts a node that is down.
    pub fn start(&mut self, node: NodeIndex) {
        if self.nodes[node].engine.is_some() {
            return;
        }
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let now_ms = self.now_ms;
        let n = &mut self.nodes[node];
        n.lives += 1;
        n.started_ms = now_ms;
        n.inbox.clear();
        let identity = (n.identity)();
        let fresh = n.disk.open().unwrap_or_else(|why| panic!("seed {}: node {node}'s disk: {why}", self.seed));
        let now = self.clock(node);
        let n = &mut self.nodes[node];
        let start = Start {
            identity,
            account_key: n.restored_from.map(|person| cast::keys(person, self.seed).0),
            transport: transport(node),
            fresh_incarnation: fresh,
            rendezvous: Vec::new(),
            seed,
        };
        let mut work = Work::default();
        let engine = Engine::load(start, &*n.disk.view(), now, &mut work)
            .unwrap_or_else(|fault| panic!("seed {}: node {node} does not load: {fault}", self.seed));
        n.engine = Some(engine);
        assert!(n.disk.commit(work.records), "seed {}: node {node} cannot keep its start", self.seed);
        let listening = vec![address(node)];
        for action in work.actions {
            self.act(Place::Node(node), action);
        }
        self.input(Place::Node(node), Input::Listening(listening));
        if self.nodes[node].listens {
            self.ask(node, Command::Listen { listening: true });
        }
    }

    /// What a front end does with the answer to a link: the keystore holds the new identity, and the node starts again.
    pub fn become_device(&mut self, node: NodeIndex, joined: &Joined) {
        self.crash(node);
        let mut identity = (self.nodes[node].identity)();
        identity.account = joined.account;
        identity.certificate = joined.certificate.clone();
        identity.record = joined.record.clone();
        self.nodes[node].identity = Box::new(move || identity.clone());
        self.start(node);
    }

    /// Ends a node at once. Its disk stays; links break for the others.
    pub fn crash(&mut self, node: NodeIndex) {
        let n = &mut self.nodes[node];
        if n.engine.take().is_none() {
            return;
        }
        n.inbox.clear();
        let survivors = self.rng.next_u64();
        self.nodes[node].disk.lose_power(survivors);
        self.break_all(Place::Node(node));
    }

    /// Puts an older disk under a node that is down.
    pub fn restore(&mut self, node: NodeIndex, disk: Disk) {
        self.crash(node);
        self.nodes[node].disk = Medium::Rows(disk);
    }

    /// Everything passes again.
    pub fn heal(&mut self) {
        self.cut.clear();
        self.calm();
    }

    /// Nothing goes wrong any more, and everybody is there; who cannot reach whom stays.
    pub fn calm(&mut self) {
        self.faults = Faults { delay_ms: 20, ..Faults::default() };
        for node in 0..self.nodes.len() {
            self.start(node);
        }
        for server in 0..self.servers.len() {
            self.start_server(server);
        }
    }

    /// Asks a node something; the answer comes in `replies` after the commit. A node that is down never answers.
    pub fn ask(&mut self, node: NodeIndex, command: Command) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.input(Place::Node(node), Input::Command(ticket, Box::new(command)));
        ticket
    }

    /// Asks, and runs the world until the answer is there (60 virtual seconds at most).
    pub fn answer(&mut self, node: NodeIndex, command: Command) -> Result<Reply, Refusal> {
        let ticket = self.ask(node, command);
        let until = self.now_ms + 60_000;
        while !self.nodes[node].replies.contains_key(&ticket) && self.now_ms < until {
            self.run_for(10);
        }
        let seed = self.seed;
        self.nodes[node].replies.remove(&ticket).unwrap_or_else(|| panic!("seed {seed}: no answer from node {node}"))
    }

    /// Runs `ms` virtual milliseconds.
    pub fn run_for(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        // Bounded: an engine that never lets time pass is a bug of its own.
        for _ in 0..1_000_000 {
            let Some(at) = self.next_moment().filter(|at| *at <= until) else {
                self.now_ms = until;
                return;
            };
            self.now_ms = self.now_ms.max(at);
            self.land();
            self.turn();
        }
        panic!("seed {}: time stands still at {} ms", self.seed, self.now_ms);
    }

    /// Runs until `done` holds, checked every 50 virtual ms, at most `limit_ms`. Whether it holds.
    pub fn run_until(&mut self, limit_ms: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now_ms + limit_ms;
        while self.now_ms < until {
            if done(self) {
                return true;
            }
            self.run_for(50);
        }
        done(self)
    }

    fn next_moment(&self) -> Option<u64> {
        let flight = self.flights.keys().next().map(|(at, _)| *at);
        let timers = self.nodes.iter().filter(|n| !n.frozen).filter_map(|n| {
            if !n.inbox.is_empty() {
                return Some(self.now_ms);
            }
            n.engine.as_ref()?.next_timeout().map(|mono| mono + n.started_ms)
        });
        let servers = self.servers.iter().filter_map(|server| server.next_ms(self.now_ms, EPOCH_MS));
        timers.chain(flight).chain(servers).min()
    }

    /// A node is to end, and may do what it has put off, if it is left the time.
    pub fn wind_up(&mut self, node: NodeIndex) {
        let now = self.clock(node);
        if let Some(engine) = self.nodes[node].engine.as_mut() {
            engine.wind_up(now);
        }
    }

    /// A node has these addresses from now on.
    pub fn listens(&mut self, node: NodeIndex, addresses: Vec<String>) {
        self.input(Place::Node(node), Input::Listening(addresses));
    }

    fn input(&mut self, at: Place, input: Input) {
        match at {
            Place::Node(node) if self.nodes[node].engine.is_some() => self.nodes[node].inbox.push_back(input),
            Place::Node(_) => {}
            Place::Server(server) => self.servers[server].input(input),
        }
    }

    fn is_up(&self, at: Place) -> bool {
        match at {
            Place::Node(node) => self.nodes[node].engine.is_some(),
            Place::Server(server) => self.servers[server].is_up(),
        }
    }

    fn life(&self, at: Place) -> u64 {
        match at {
            Place::Node(node) => self.nodes[node].lives,
            Place::Server(server) => self.servers[server].lives(),
        }
    }

    /// Everybody with something to do handles one batch, as the runtime does.
    fn turn(&mut self) {
        for server in 0..self.servers.len() {
            self.turn_server(server);
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].frozen {
                continue;
            }
            let now = self.clock(node);
            let n = &mut self.nodes[node];
            let Some(engine) = n.engine.as_mut() else { continue };
            let due = engine.next_timeout().is_some_and(|at| at <= now.mono_ms);
            if n.inbox.is_empty() && !due {
                continue;
            }
            // What comes in the same batch may set a new deadline, for now.
            let is_alone = n.inbox.is_empty();
            let mut work = Work::default();
            let entered = Instant::now();
            let mut result = Ok(());
            let view = n.disk.view();
            if due {
                result = engine.handle(Input::Timeout, now, &*view, &mut work);
            }
            for _ in 0..BATCH {
                let Some(input) = n.inbox.pop_front() else { break };
                result = result.and_then(|()| engine.handle(input, now, &*view, &mut work));
            }
            result = result.and_then(|()| engine.flush(now, &*view, &mut work));
            drop(view);
            self.in_engines += entered.elapsed();
            if due && is_alone {
                let next = engine.next_timeout();
                assert!(next.is_none_or(|at| at > now.mono_ms), "seed {}: a handled deadline did not move", self.seed);
            }
            result.unwrap_or_else(|fault| panic!("seed {}: node {node}: {fault}", self.seed));
            self.carry_out(node, work);
        }
    }

    /// Disk, wire, screen; with a crash between any two steps where the world's luck has one.
    fn carry_out(&mut self, node: NodeIndex, work: Work) {
        let crash_at = if self.chance(self.faults.crash) { self.below(4) } else { u64::MAX };
        if crash_at == 0 {
            return self.crash_for_a_while(node);
        }
        if let Some(journal) = &mut self.journal {
            journal.push((node, work.records.clone()));
        }
        let cut = self.chance(self.faults.power);
        if cut {
            self.power_cuts += 1;
            let changes = self.below(CHANGES);
            self.nodes[node].disk.cut_after(changes);
        }
        if !self.nodes[node].disk.commit(work.records) || crash_at == 1 {
            return self.crash_for_a_while(node);
        }
        let sent = if crash_at == 2 { self.below(work.actions.len() as u64 + 1) } else { u64::MAX };
        for (done, action) in work.actions.into_iter().enumerate() {
            if done as u64 >= sent {
                break;
            }
            self.act(Place::Node(node), action);
        }
        if crash_at == 2 {
            return self.crash_for_a_while(node);
        }
        self.nodes[node].replies.extend(work.replies);
        if crash_at == 3 {
            return self.crash_for_a_while(node);
        }
        self.nodes[node].events.extend(work.events);
        if cut {
            self.crash_for_a_while(node);
        }
    }

    fn crash_for_a_while(&mut self, node: NodeIndex) {
        self.crash(node);
        let at = self.now_ms + 1 + self.below(5_000);
        self.later(at, Flight::Start { at: Place::Node(node) });
    }
}

/// The one address of a node.
pub fn address(node: NodeIndex) -> String {
    format!("/ip4/10.0.0.{node}/tcp/4000/p2p/node{node}")
}

/// The transport of a node.
pub fn transport(node: NodeIndex) -> TransportId {
    TransportId(format!("node{node}").into_bytes())
}
