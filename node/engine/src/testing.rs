//! A tiny world for tests of this crate: a few engines, their disks in memory, and links that lose nothing.
//!
//! `tests/` has the big worlds with loss and crashes; this one is for looking closely.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
};

use hobnob_shared::{
    identity::{AccountKey, AccountRecord, Certificate, DeviceKeys, Identity, Invite, Profile},
    text::{Handle, MessageText, Nickname, Note},
    wire::SignedEntry,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::{
    Engine, Start, around,
    command::{Command, InviteTerms, Message, MessageRef, Refusal, Reply, Which},
    conversation::chat::{Chat, Env},
    event::Event,
    log::ingest::Taken,
    step::Step,
    tables::TableId,
    view::{Fault, Order, View},
    work::{Action, DialError, Input, LinkId, Now, Records, Ticket, TransportId, Work},
};

pub(crate) const EPOCH_MS: u64 = 1_767_225_600_000;

/// Committed rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(pub(crate) BTreeMap<(TableId, Vec<u8>), Vec<u8>>);

impl Disk {
    pub(crate) fn commit(&mut self, records: Records) {
        for (key, value) in records {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }
}

impl View for Disk {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: TableId,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let next = TableId::ALL.into_iter().find(|other| *other > table);
        let end = match (to, next) {
            (Some(to), _) => Excluded((table, to.to_vec())),
            (None, Some(next)) => Excluded((next, Vec::new())),
            (None, None) => Unbounded,
        };
        let mut rows = self.0.range((Included((table, from.to_vec())), end));
        while let Some(((_, key), value)) = match order {
            Order::Ascending => rows.next(),
            Order::Descending => rows.next_back(),
        } {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) disk: Disk,
    pub(crate) events: Vec<Event>,
    pub(crate) account: AccountKey,
    pub(crate) keys: DeviceKeys,
    name: &'static str,
    inbox: VecDeque<Input>,
    replies: BTreeMap<Ticket, Result<Reply, Refusal>>,
    pub(crate) skew_ms: i64,
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) now_ms: u64,
    /// Links hold what is sent over them back while this is set.
    pub(crate) cut: bool,
    /// What this node sends or is sent is counted and thrown away.
    pub(crate) deaf: Option<usize>,
    pub(crate) sent_bytes: usize,
    links: BTreeMap<LinkId, (usize, LinkId)>,
    next: u64,
    lives: u8,
    /// How often a node gave its account's key up.
    pub(crate) keys_done: usize,
}

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;

fn identity(name: &str, account: &AccountKey, keys: &DeviceKeys) -> Identity {
    let certificate = account.sign_certificate(&Certificate {
        account: account.id(),
        device: keys.id(),
        x25519: keys.x25519_public(),
        name: Nickname::parse("laptop").unwrap(),
        added_ms: EPOCH_MS,
    });
    let record = account.sign_record(&AccountRecord {
        seq: 1,
        prev: None,
        account: account.id(),
        devices: vec![certificate.hash()],
        revoked: Vec::new(),
        profile: Profile { nick: Nickname::parse(name).unwrap(), bio: Note::parse("").unwrap() },
    });
    Identity { account: account.id(), device_keys: keys.clone(), certificate, record }
}

pub(crate) fn handle(name: &str) -> Handle {
    Handle::parse(name).unwrap()
}

pub(crate) fn text(text: &str) -> MessageText {
    MessageText::parse(text).unwrap()
}

impl World {
    /// Nodes called alice, bob, carol that do not know each other.
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut world = Self {
            nodes: Vec::new(),
            now_ms: 1_000,
            cut: false,
            deaf: None,
            sent_bytes: 0,
            links: BTreeMap::new(),
            next: 1,
            lives: 0,
            keys_done: 0,
        };
        for name in ["alice", "bob", "carol"].into_iter().take(count) {
            let (account, keys) = (AccountKey::generate(&mut rng), DeviceKeys::generate(&mut rng));
            let index = world.nodes.len();
            let (engine, disk) = world.load(name, index, &account, &keys, Disk::default(), true);
            world.nodes.push(Node {
                engine,
                disk,
                events: Vec::new(),
                account,
                keys,
                name,
                inbox: VecDeque::from([Input::Listening(vec![address(index)])]),
                replies: BTreeMap::new(),
                skew_ms: 0,
            });
        }
        world.settle();
        world
    }

    /// Alice and Bob, friends and connected.
    pub(crate) fn friends(seed: u64) -> Self {
        let mut world = Self::new(seed, 2);
        world.befriend(ALICE, BOB);
        world
    }

    pub(crate) fn befriend(&mut self, one: usize, other: usize) {
        let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept: true };
        let Reply::Invite { link, .. } = self.ask(one, Command::CreateInvite(terms)).unwrap() else { panic!("a link") };
        let invite = Box::new(Invite::parse(&link).unwrap());
        self.ask(other, Command::Add { invite, note: Note::parse("").unwrap() }).unwrap();
        self.run(2_000);
    }

    fn load(
        &mut self,
        name: &str,
        index: usize,
        account: &AccountKey,
        keys: &DeviceKeys,
        disk: Disk,
        fresh: bool,
    ) -> (Engine, Disk) {
        self.load_with(name, index, account, keys, disk, fresh, None)
    }

    #[expect(clippy::too_many_arguments, reason = "tests")]
    fn load_with(
        &mut self,
        name: &str,
        index: usize,
        account: &AccountKey,
        keys: &DeviceKeys,
        mut disk: Disk,
        fresh: bool,
        account_key: Option<AccountKey>,
    ) -> (Engine, Disk) {
        self.lives += 1;
        let start = Start {
            rendezvous: Vec::new(),
            identity: identity(name, account, keys),
            account_key,
            transport: transport(index),
            fresh_incarnation: fresh,
            seed: [self.lives; 32],
        };
        let mut work = Work::default();
        let engine = Engine::load(start, &disk, self.now(index), &mut work).unwrap();
        disk.commit(work.records);
        self.keys_done += usize::from(work.key_is_done);
        (engine, disk)
    }

    /// Ends a node and starts it again from `disk`.
    pub(crate) fn restart(&mut self, node: usize, disk: Disk, fresh: bool) {
        self.disconnect(node);
        let (name, account, keys) = self.who(node);
        let (engine, disk) = self.load(name, node, &account, &keys, disk, fresh);
        let it = &mut self.nodes[node];
        (it.engine, it.disk) = (engine, disk);
        it.inbox.clear();
        it.inbox.push_back(Input::Listening(vec![address(node)]));
        self.settle();
    }

    /// Starts a node's account anew from its recovery words, on an empty machine.
    pub(crate) fn recover(&mut self, node: usize) {
        self.disconnect(node);
        self.settle();
        self.nodes[node].keys = DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(4_711 + node as u64));
        let (name, account, keys) = self.who(node);
        let key = Some(AccountKey::from_bytes(account.to_bytes()));
        let (engine, disk) = self.load_with(name, node, &account, &keys, Disk::default(), true, key);
        let it = &mut self.nodes[node];
        (it.engine, it.disk) = (engine, disk);
        it.inbox = VecDeque::from([Input::Listening(vec![address(node)])]);
        self.settle();
    }

    fn who(&self, node: usize) -> (&'static str, AccountKey, DeviceKeys) {
        let it = &self.nodes[node];
        (it.name, AccountKey::from_bytes(it.account.to_bytes()), it.keys.clone())
    }

    /// Ends all links of a node.
    pub(crate) fn disconnect(&mut self, node: usize) {
        let links: Vec<LinkId> =
            self.links.iter().filter(|(_, (owner, _))| *owner == node).map(|(link, _)| *link).collect();
        for link in links {
            self.close(link);
        }
    }

    pub(crate) fn now(&self, node: usize) -> Now {
        let skew = self.nodes.get(node).map_or(0, |node| node.skew_ms);
        Now { mono_ms: self.now_ms, wall_ms: (EPOCH_MS + self.now_ms).checked_add_signed(skew).unwrap() }
    }

    /// Asks, and lets everything settle without time passing.
    pub(crate) fn ask(&mut self, node: usize, command: Command) -> Result<Reply, Refusal> {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.nodes[node].inbox.push_back(Input::Command(ticket, Box::new(command)));
        self.settle();
        self.nodes[node].replies.remove(&ticket).expect("an answer")
    }

    /// Asks, and leaves it in the queue.
    pub(crate) fn push(&mut self, node: usize, command: Command) {
        self.next += 1;
        self.nodes[node].inbox.push_back(Input::Command(Ticket(self.next), Box::new(command)));
    }

    pub(crate) fn say(&mut self, node: usize, to: &str, words: &str) -> Message {
        let command = Command::Send { chat: handle(to), text: text(words), reply_to: None, action: false };
        match self.ask(node, command).unwrap() {
            Reply::Sent(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn history(&mut self, node: usize, chat: &str) -> Vec<Message> {
        match self.ask(node, Command::History { chat: handle(chat), limit: 10_000, before: None }).unwrap() {
            Reply::Messages(messages) => messages,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn texts(&mut self, node: usize, chat: &str) -> Vec<String> {
        self.history(node, chat).into_iter().map(|message| message.text).collect()
    }

    /// Gives entries to a node as if `from` had sent them, and commits.
    pub(crate) fn ingest(&mut self, node: usize, from: usize, entries: Vec<SignedEntry>) -> Vec<Taken> {
        let (now, from) = (self.now(node), self.nodes[from].account.id());
        let it = &mut self.nodes[node];
        let mut work = Work::default();
        let Engine { core, parts } = &mut it.engine;
        let mut step = Step::new(core, now, &it.disk, &mut work);
        let around = around!(parts);
        let all = &mut parts.conversations;
        let number = all.chat_of(&from).unwrap().number;
        let chat = all.chats.get_mut(&number).unwrap();
        let mut env = Env { counters: &mut all.counters, around: &around, step: &mut step };
        let taken = entries.into_iter().map(|entry| chat.ingest(entry, &mut env).unwrap()).collect();
        it.engine.flush(now, &it.disk, &mut work).unwrap();
        it.disk.commit(work.records);
        it.events.extend(work.events);
        for action in work.actions {
            self.act(node, action);
        }
        taken
    }

    /// The conversation of two nodes, as `node` has it.
    pub(crate) fn chat(&self, node: usize, with: usize) -> &Chat {
        self.nodes[node].engine.parts.conversations.chat_of(&self.nodes[with].account.id()).unwrap()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        self.settle();
        while let Some(next) = self.nodes.iter().filter_map(|node| node.engine.next_timeout()).min()
            && next <= until
        {
            self.now_ms = self.now_ms.max(next);
            for node in 0..self.nodes.len() {
                if self.nodes[node].engine.next_timeout().is_some_and(|due| due <= self.now_ms) {
                    self.nodes[node].inbox.push_back(Input::Timeout);
                }
            }
            self.settle();
        }
        self.now_ms = until;
    }

    /// Handles everything that is there, until nothing moves.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let Some(node) = (0..self.nodes.len()).find(|node| !self.nodes[*node].inbox.is_empty()) else { return };
            self.batch(node);
        }
        panic!("the world does not come to rest");
    }

    fn batch(&mut self, node: usize) {
        let now = self.now(node);
        let mut work = Work::default();
        let it = &mut self.nodes[node];
        for input in it.inbox.drain(..) {
            let due = matches!(input, Input::Timeout);
            it.engine.handle(input, now, &it.disk, &mut work).unwrap();
            if due {
                assert!(it.engine.next_timeout().is_none_or(|next| next > now.mono_ms), "a deadline did not move");
            }
        }
        it.engine.flush(now, &it.disk, &mut work).unwrap();
        it.disk.commit(work.records);
        self.keys_done += usize::from(work.key_is_done);
        it.replies.extend(work.replies);
        it.events.extend(work.events);
        for action in work.actions {
            self.act(node, action);
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Dial { dial, addresses, mode, .. } => {
                let peer = (0..self.nodes.len()).find(|peer| *peer != node && addresses.contains(&address(*peer)));
                let Some(peer) = peer.filter(|_| !self.cut) else {
                    self.nodes[node].inbox.push_back(Input::DialFailed(dial, DialError::Refused));
                    return;
                };
                let (ours, theirs) = (LinkId(self.next), LinkId(self.next + 1));
                self.next += 2;
                self.links.insert(ours, (node, theirs));
                self.links.insert(theirs, (peer, ours));
                let (local, remote) = (transport(node), transport(peer));
                let (address, back) = (address(peer), address(node));
                self.nodes[node].inbox.push_back(Input::Dialled {
                    dial,
                    link: ours,
                    local: local.clone(),
                    remote: remote.clone(),
                    address,
                });
                self.nodes[peer].inbox.push_back(Input::Accepted {
                    link: theirs,
                    local: remote,
                    remote: local,
                    address: back,
                    mode,
                });
            }
            Action::Send(_, chunk) if self.deaf == Some(1 - node) || self.deaf == Some(node) => {
                self.sent_bytes += chunk.len();
            }
            Action::Send(link, chunk) => {
                if let Some((_, peer)) = self.links.get(&link).copied()
                    && let Some((owner, _)) = self.links.get(&peer).copied()
                {
                    self.nodes[owner].inbox.push_back(Input::Chunk(peer, chunk));
                }
            }
            Action::Close(link) => self.close(link),
            Action::Pairing(_) => {}
        }
    }

    fn close(&mut self, link: LinkId) {
        let Some((owner, peer)) = self.links.remove(&link) else { return };
        self.nodes[owner].inbox.push_back(Input::Closed(link));
        if let Some((owner, _)) = self.links.remove(&peer) {
            self.nodes[owner].inbox.push_back(Input::Closed(peer));
        }
    }
}

pub(crate) fn number(number: u64) -> Which {
    Which { chat: None, message: MessageRef::Number(number) }
}

fn address(node: usize) -> String {
    format!("/ip4/10.0.0.{node}/tcp/4000/p2p/node{node}")
}

fn transport(node: usize) -> TransportId {
    TransportId(format!("node{node}").into_bytes())
}
