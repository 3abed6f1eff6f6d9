//! A few engines, a network in memory and virtual time: actions of one engine become inputs of another.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_debug_implementations,
    reason = "tests, and each test binary uses a part of it"
)]

pub(crate) mod letters;
pub(crate) mod rosa;
pub(crate) mod topics;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::ControlFlow,
};

use hobnob_engine::{
    Engine, Start,
    command::{Command, Friend, InviteTerms, Refusal, Reply},
    event::Event,
    tables::TableId,
    view::{MemoryView, Order, View as _},
    work::{Action, DialError, Input, LinkId, Mode, Now, Ticket, TransportId, Work},
};
use hobnob_shared::{
    id::AccountId,
    identity::{AccountKey, AccountRecord, Certificate, DeviceKeys, Identity, Invite, Profile},
    rendezvous::Address,
    text::{Handle, Nickname, Note},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// When the world begins, in ms since the epoch.
pub(crate) const BEGIN_MS: u64 = 1_700_000_000_000;

/// One person's node.
pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) engine: Option<Engine>,
    pub(crate) view: MemoryView,
    pub(crate) address: String,
    pub(crate) transport: TransportId,
    pub(crate) events: Vec<Event>,
    pub(crate) actions: usize,
    /// Its clock is ahead by this.
    pub(crate) ahead_ms: i64,
    /// What it is started with.
    pub(crate) rendezvous: Vec<Address>,
    replies: BTreeMap<Ticket, Result<Reply, Refusal>>,
    seed: u64,
}

/// All of it.
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) now_ms: u64,
    pub(crate) timeouts: u64,
    /// A rendezvous, where there is one.
    pub(crate) rosa: Option<rosa::Rosa>,
    pub(crate) second: Option<rosa::Rosa>,
    /// Who cannot be dialled.
    pub(crate) walled: BTreeSet<usize>,
    links: BTreeMap<LinkId, (usize, LinkId)>,
    queue: VecDeque<(usize, Input)>,
    pairing: BTreeSet<usize>,
    next_link: u64,
    next_ticket: u64,
}

/// A person, from a seed: the account's key, and the first device.
pub(crate) fn person(name: &str, seed: u64) -> (AccountKey, Identity) {
    let key = AccountKey::generate(&mut ChaCha20Rng::seed_from_u64(seed));
    let identity = device(&key, name, seed + 1000);
    (key, identity)
}

/// A new device of an account, and a first record that lists only it: what `init` makes, from words too.
pub(crate) fn device(key: &AccountKey, name: &str, seed: u64) -> Identity {
    let device_keys = DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed));
    let certificate = key.sign_certificate(&Certificate {
        account: key.id(),
        device: device_keys.id(),
        x25519: device_keys.x25519_public(),
        name: Nickname::parse(format!("{name}'s laptop")).unwrap(),
        added_ms: BEGIN_MS,
    });
    let record = key.sign_record(&AccountRecord {
        seq: 1,
        prev: None,
        account: key.id(),
        devices: vec![certificate.hash()],
        revoked: Vec::new(),
        profile: Profile { nick: Nickname::parse(name).unwrap(), bio: Note::default() },
    });
    Identity { account: key.id(), device_keys, certificate, record }
}

impl World {
    pub(crate) fn new(names: &[&str]) -> Self {
        let mut world = Self {
            nodes: Vec::new(),
            now_ms: 0,
            timeouts: 0,
            rosa: None,
            second: None,
            walled: BTreeSet::new(),
            links: BTreeMap::new(),
            queue: VecDeque::new(),
            pairing: BTreeSet::new(),
            next_link: 0,
            next_ticket: 0,
        };
        for (index, name) in names.iter().enumerate() {
            let (_, identity) = person(name, index as u64);
            world.join(identity, None);
        }
        world
    }

    /// Two friends with a session.
    pub(crate) fn friends() -> Self {
        let mut world = Self::new(&["Alice", "Bob"]);
        world.befriend(0, 1);
        world
    }

    /// Adds a node, and starts it.
    pub(crate) fn join(&mut self, identity: Identity, account_key: Option<AccountKey>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node {
            identity,
            engine: None,
            view: MemoryView::default(),
            address: format!("/ip4/10.0.0.{}/tcp/4001", index + 1),
            transport: TransportId(vec![index as u8 + 1; 8]),
            events: Vec::new(),
            actions: 0,
            ahead_ms: 0,
            replies: BTreeMap::new(),
            seed: index as u64,
            rendezvous: Vec::new(),
        });
        self.start_with(index, account_key);
        index
    }

    pub(crate) fn start(&mut self, node: usize) {
        self.start_with(node, None);
    }

    fn start_with(&mut self, node: usize, account_key: Option<AccountKey>) {
        let now = self.clock_of(node);
        let it = &mut self.nodes[node];
        it.seed += 100;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&it.seed.to_be_bytes());
        let start = Start {
            rendezvous: it.rendezvous.clone(),
            identity: it.identity.clone(),
            account_key,
            transport: it.transport.clone(),
            fresh_incarnation: it.view == MemoryView::default(),
            seed,
        };
        let mut work = Work::default();
        let engine = Engine::load(start, &it.view, now, &mut work).unwrap();
        it.view.apply(&work.records);
        it.events.append(&mut work.events);
        it.engine = Some(engine);
        let address = it.address.clone();
        self.give(node, Input::Listening(vec![address]));
        self.settle();
    }

    /// The process ends; the database stays, and the other sides see their links close.
    pub(crate) fn stop(&mut self, node: usize) {
        self.nodes[node].engine = None;
        self.leave_rosas(node);
        self.queue.retain(|(to, _)| *to != node);
        let gone: Vec<_> =
            self.links.iter().filter(|(_, (to, _))| *to == node).map(|(link, at)| (*link, at.1)).collect();
        for (mine, theirs) in gone {
            self.links.remove(&mine);
            if let Some((other, _)) = self.links.remove(&theirs) {
                self.give(other, Input::Closed(theirs));
            }
        }
        self.settle();
    }

    /// Links stay open, but nothing passes any more, in either direction.
    pub(crate) fn hang(&mut self) {
        self.links.clear();
    }

    /// The engine does what it does at this time; with what it wants to have said.
    pub(crate) fn next_link(&mut self) -> LinkId {
        self.next_link += 2;
        LinkId(self.next_link - 2)
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono_ms: self.now_ms, wall_ms: BEGIN_MS + self.now_ms }
    }

    /// What a node's clocks say.
    fn clock_of(&self, node: usize) -> Now {
        let Now { mono_ms, wall_ms } = self.now();
        Now { mono_ms, wall_ms: wall_ms.saturating_add_signed(self.nodes[node].ahead_ms) }
    }

    pub(crate) fn account(&self, node: usize) -> AccountId {
        self.nodes[node].identity.account
    }

    pub(crate) fn give(&mut self, node: usize, input: Input) {
        self.queue.push_back((node, input));
    }

    /// Hands inputs round until nothing is under way.
    pub(crate) fn settle(&mut self) {
        let mut steps = 0;
        while let Some((node, input)) = self.queue.pop_front() {
            steps += 1;
            assert!(steps < 100_000, "the engines never come to rest");
            self.run(node, input);
        }
    }

    fn run(&mut self, node: usize, input: Input) {
        let now = self.clock_of(node);
        let it = &mut self.nodes[node];
        let Some(engine) = &mut it.engine else { return };
        let mut work = Work::default();
        engine.handle(input, now, &it.view, &mut work).unwrap();
        engine.flush(now, &it.view, &mut work).unwrap();
        self.carry_out(node, work);
    }

    /// The process ends in good order.
    pub(crate) fn leave(&mut self, node: usize) {
        let now = self.clock_of(node);
        let it = &mut self.nodes[node];
        let mut work = Work::default();
        it.engine.as_mut().unwrap().leave(now, &it.view, &mut work).unwrap();
        self.carry_out(node, work);
        self.stop(node);
    }

    /// The database was lost in part.
    pub(crate) fn forget_rows(&mut self, node: usize, table: TableId) {
        let mut keys = Vec::new();
        let view = &mut self.nodes[node].view;
        let mut keep = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        };
        view.scan(table, &[], None, Order::Ascending, &mut keep).unwrap();
        view.apply(&keys.into_iter().map(|key| ((table, key), None)).collect());
    }

    fn carry_out(&mut self, node: usize, mut work: Work) {
        let it = &mut self.nodes[node];
        it.view.apply(&work.records);
        it.actions += work.actions.len();
        it.events.append(&mut work.events);
        it.replies.extend(work.replies);
        for action in work.actions {
            self.act(node, action);
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Dial { dial, transport, addresses, mode } => self.dial(node, dial, transport, &addresses, mode),
            Action::Send(link, bytes) => {
                self.tell_rosa(node, link, &bytes);
                if let Some((_, theirs)) = self.links.get(&link).copied()
                    && let Some((other, _)) = self.links.get(&theirs).copied()
                {
                    self.give(other, Input::Chunk(theirs, bytes));
                }
            }
            Action::Close(link) => {
                let of_rosa =
                    self.rosas().find_map(|rosa| rosa.links.remove(&link).map(|_| rosa.topics.on_closed(link)));
                if of_rosa.is_some() {
                    self.give(node, Input::Closed(link));
                }
                if let Some((_, theirs)) = self.links.remove(&link) {
                    self.give(node, Input::Closed(link));
                    if let Some((other, _)) = self.links.remove(&theirs) {
                        self.give(other, Input::Closed(theirs));
                    }
                }
            }
            Action::Pairing(on) => self.pairing(node, on),
        }
    }

    fn pairing(&mut self, node: usize, on: bool) {
        if !on {
            self.pairing.remove(&node);
            return;
        }
        self.pairing.insert(node);
        for other in 0..self.nodes.len() {
            if other != node && self.nodes[other].engine.is_some() {
                let (mine, theirs) = (&self.nodes[node], &self.nodes[other]);
                let here = Input::Discovered(mine.transport.clone(), vec![mine.address.clone()]);
                let there = Input::Discovered(theirs.transport.clone(), vec![theirs.address.clone()]);
                self.give(other, here);
                self.give(node, there);
            }
        }
    }

    fn dial(
        &mut self,
        node: usize,
        dial: hobnob_engine::work::DialId,
        transport: Option<TransportId>,
        addresses: &[String],
        mode: Mode,
    ) {
        if matches!(mode, Mode::Account | Mode::Guest) {
            return self.dial_rosa(node, dial, addresses, mode);
        }
        let is_there = |it: &Node| {
            it.engine.is_some()
                && addresses.contains(&it.address)
                && transport.as_ref().is_none_or(|wanted| *wanted == it.transport)
        };
        let other = self.nodes.iter().position(is_there);
        let Some(other) = other.filter(|other| !self.walled.contains(other)) else {
            self.give(node, Input::DialFailed(dial, DialError::Refused));
            return;
        };
        let (mine, theirs) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        self.links.insert(mine, (node, theirs));
        self.links.insert(theirs, (other, mine));
        let (local, remote) = (self.nodes[node].transport.clone(), self.nodes[other].transport.clone());
        let address = self.nodes[other].address.clone();
        let accepted = Input::Accepted {
            link: theirs,
            local: remote.clone(),
            remote: local.clone(),
            address: "/ip4/10.0.0.99/tcp/50000".to_owned(),
            mode,
        };
        self.give(node, Input::Dialled { dial, link: mine, local, remote, address });
        self.give(other, accepted);
    }

    /// Lets time pass, with every timeout at its time.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        loop {
            self.settle();
            let due = |node: &Node| node.engine.as_ref().and_then(Engine::next_timeout);
            let next = (0..self.nodes.len()).filter_map(|node| Some((due(&self.nodes[node])?, node))).min();
            let rosa_at = self.rosa_timeout().filter(|at| *at <= until);
            if let Some(at) = rosa_at.filter(|at| next.is_none_or(|(next, _)| *at <= next)) {
                self.now_ms = self.now_ms.max(at);
                self.rosa_due();
                continue;
            }
            let Some((at, node)) = next.filter(|(at, _)| *at <= until) else { break };
            self.now_ms = self.now_ms.max(at);
            self.timeouts += 1;
            self.run(node, Input::Timeout);
            let after = due(&self.nodes[node]);
            assert!(
                after.is_none_or(|after| after > self.now_ms),
                "handling a timeout moves it: {after:?} at {}",
                self.now_ms
            );
        }
        self.now_ms = until;
    }

    /// Asks a node, and returns what it answers at once.
    pub(crate) fn ask(&mut self, node: usize, command: Command) -> Result<Reply, Refusal> {
        let ticket = self.call(node, command);
        self.settle();
        self.nodes[node].replies.remove(&ticket).expect("an answer at once")
    }

    /// Asks a node without waiting.
    pub(crate) fn call(&mut self, node: usize, command: Command) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.give(node, Input::Command(ticket, Box::new(command)));
        ticket
    }

    pub(crate) fn answer(&mut self, node: usize, ticket: Ticket) -> Option<Result<Reply, Refusal>> {
        self.nodes[node].replies.remove(&ticket)
    }

    pub(crate) fn link(&mut self, node: usize, uses: u32, auto_accept: bool) -> Invite {
        let terms = InviteTerms { uses, lifetime_secs: 7 * 24 * 3600, auto_accept };
        match self.ask(node, Command::CreateInvite(terms)).unwrap() {
            Reply::Invite { link, .. } => Invite::parse(&link).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn add(&mut self, node: usize, invite: Invite) -> Result<Reply, Refusal> {
        let reply = self.ask(node, Command::Add { invite: Box::new(invite), note: Note::default() });
        self.pass(2_000);
        reply
    }

    /// `one` invites, `other` adds, nobody has to accept.
    pub(crate) fn befriend(&mut self, one: usize, other: usize) {
        let invite = self.link(one, 1, true);
        self.add(other, invite).unwrap();
        let machines = |of: usize| (0..self.nodes.len()).filter(|node| self.account(*node) == self.account(of)).count();
        // Somebody with two machines is reached at both.
        let expected = (machines(other), machines(one));
        assert_eq!((self.peers(one, other), self.peers(other, one)), expected, "a session after an invite");
    }

    /// Sessions that `node` has with the account of `other`.
    pub(crate) fn peers(&mut self, node: usize, other: usize) -> usize {
        let handles: Vec<_> =
            self.friend_list(node).into_iter().filter(|it| it.account == self.account(other)).collect();
        let Ok(Reply::Peers(peers)) = self.ask(node, Command::Peers) else { panic!("peers") };
        peers.iter().filter(|peer| handles.iter().any(|it| it.handle == peer.handle)).count()
    }

    pub(crate) fn friend_list(&mut self, node: usize) -> Vec<Friend> {
        match self.ask(node, Command::Friends).unwrap() {
            Reply::Friends(friends) => friends,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn friend(&mut self, node: usize, name: &str) -> Friend {
        let found = self.friend_list(node).into_iter().find(|it| it.handle == handle(name));
        found.unwrap_or_else(|| panic!("no friend {name}"))
    }

    /// Takes the events so far.
    pub(crate) fn events(&mut self, node: usize) -> Vec<Event> {
        std::mem::take(&mut self.nodes[node].events)
    }
}

pub(crate) fn handle(name: &str) -> Handle {
    Handle::parse(name).unwrap()
}
