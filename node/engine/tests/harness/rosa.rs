//! Rosa, the rendezvous: a model of one, with handshakes and frames as they are on the wire.

use std::collections::BTreeMap;

use hobnob_engine::{
    command::{Command, Reply},
    work::{DialError, DialId, Input, LinkId, Mode, TransportId},
};
use hobnob_shared::{
    Token,
    id::{AccountId, DeviceId},
    identity::{AccountKey, Binding, DeviceKeys, SignedBinding, SignedBundle},
    noise::{Handshake, Session, Step},
    pow::Puzzle,
    rendezvous::Address,
    text::Username,
    vault::{VaultContent, VaultKey},
    wire::{
        AccountPayload, Close, ErrorCode, Failure, Hello, ServerFrame,
        rendezvous::{
            KnockItem, KnockPut, Knocks, MailWaiting, Name, Proof, Registration, SealedVault, Status, Vault, VaultPut,
        },
    },
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use zeroize::Zeroizing;

use super::{World, letters::Letters, person};

/// What the vaults in tests are sealed with.
const VAULT_KEY: [u8; 32] = [5; 32];

pub(crate) fn vault_key() -> VaultKey {
    VaultKey::from_bytes(&Zeroizing::new(VAULT_KEY))
}

/// Her.
pub(crate) struct Rosa {
    pub(crate) keys: DeviceKeys,
    pub(crate) address: Address,
    /// Nobody answers at her address.
    pub(crate) is_away: bool,
    /// She takes requests and says nothing.
    pub(crate) is_silent: bool,
    /// She answers this with a bare `Done`, whatever it is.
    pub(crate) nods_at: Option<u16>,
    pub(crate) status: Status,
    /// What she answers to all requests but the first of a session, if not what she should.
    pub(crate) refuses: Option<ErrorCode>,
    /// So long a guest has to wait for a look-up, in ms: strangers have used up what guests have.
    pub(crate) guests_wait_ms: Option<u64>,
    /// She knows none of the devices: she says what she is, and hangs up when she is told of an account.
    pub(crate) disowns: bool,
    pub(crate) links: BTreeMap<LinkId, Link>,
    /// Whose each name is.
    pub(crate) names: BTreeMap<Username, (AccountId, SignedBinding)>,
    /// What each account says of itself.
    pub(crate) accounts: BTreeMap<AccountId, (AccountPayload, BTreeMap<DeviceId, SignedBundle>)>,
    pub(crate) knocks: Vec<(u64, KnockPut)>,
    pub(crate) vaults: BTreeMap<AccountId, (u64, SealedVault)>,
    pub(crate) next_knock: u64,
    pub(crate) topics: super::topics::Topics,
    /// What she says without being asked.
    pub(crate) told: Vec<(LinkId, ServerFrame)>,
    pub(crate) now_ms: u64,
    /// Mailboxes and the mail in them.
    pub(crate) letters: Letters,
    /// All requests that she has seen, with the mode of their sessions.
    pub(crate) seen: Vec<(Mode, ServerFrame)>,
    pub(crate) rng: ChaCha20Rng,
}

/// One link with her.
pub(crate) struct Link {
    pub(crate) node: usize,
    pub(crate) mode: Mode,
    /// Whose certificate was shown.
    who: Option<(AccountId, DeviceId)>,
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
        Self::at(seed, "/dns4/rosa.example/tcp/4001", 13)
    }

    /// Another one than her, or she at another place.
    pub(crate) fn at(seed: u64, place: &str, transport: u8) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let keys = DeviceKeys::generate(&mut rng);
        let address = Address::new(place, &peer(transport), &keys.x25519_public()).unwrap();
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
            nods_at: None,
            status,
            refuses: None,
            guests_wait_ms: None,
            disowns: false,
            links: BTreeMap::new(),
            names: BTreeMap::new(),
            accounts: BTreeMap::new(),
            knocks: Vec::new(),
            vaults: BTreeMap::new(),
            next_knock: 1,
            topics: super::topics::Topics::default(),
            told: Vec::new(),
            now_ms: 0,
            letters: Letters::default(),
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
                    self.links.get_mut(&link)?.who = done.peer.map(|it| (it.account, it.device));
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
                    if self.disowns && matches!(frame, ServerFrame::AccountPut(_)) {
                        return None;
                    }
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
        if !self.is_silent {
            self.topics.on_frame(link, self.now_ms);
        }
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
        let who = self.links.get(&link)?.who;
        let about_presence = self.refuses.is_none().then(|| self.topics.serve(link, &frame, self.now_ms)).flatten();
        if let Some(told) = about_presence {
            self.told.extend(told);
            return Some((id, ServerFrame::Done));
        }
        Some(match self.answer(who, &frame) {
            Ok(answer) => (id, answer),
            Err(code) => (0, ServerFrame::Error(Failure { code, of: id })),
        })
    }

    fn answer(&mut self, who: Option<(AccountId, DeviceId)>, frame: &ServerFrame) -> Result<ServerFrame, ErrorCode> {
        let member = who.filter(|(account, _)| self.accounts.contains_key(account)).ok_or(ErrorCode::Denied);
        match (frame, self.refuses) {
            _ if self.nods_at == Some(frame.number()) => Ok(ServerFrame::Done),
            (ServerFrame::StatusGet, _) => Ok(ServerFrame::Status(self.status.clone())),
            (ServerFrame::NameGet(_), _) if who.is_none() && self.guests_wait_ms.is_some() => {
                Err(ErrorCode::RateLimited { retry_ms: self.guests_wait_ms.unwrap_or_default() })
            }
            (_, Some(code)) => Err(code),
            (ServerFrame::NameGet(get), _) => self.name(&get.name).ok_or(ErrorCode::NotFound),
            (ServerFrame::AccountPut(payload), _) => self.put_account(member?, payload),
            (ServerFrame::KnockPut(put), _) => self.knock(put),
            (ServerFrame::KnockGet, _) => Ok(ServerFrame::Knocks(self.knocks_of(member?))),
            (ServerFrame::KnockAck(ack), _) => Ok(self.take_knocks(member?, &ack.numbers)),
            (ServerFrame::BoxPut(put), _) => self.letters.put_box(member?.1, put),
            (ServerFrame::MailPut(put), _) => self.letters.deposit(put),
            (ServerFrame::MailGet(get), _) => Ok(self.letters.fetch(member?.1, get)),
            (ServerFrame::MailAck(ack), _) => Ok(self.letters.ack(ack)),
            (ServerFrame::VaultGet, _) => self.vault(&member?.0),
            (ServerFrame::VaultPut(put), _) => self.put_vault(member?.0, put),
            _ => Err(ErrorCode::NotFound),
        }
    }

    /// Seals a frame for a link of hers.
    pub(super) fn seal(&mut self, link: LinkId, frame: &ServerFrame) -> Option<(usize, Vec<Vec<u8>>)> {
        let it = self.links.get_mut(&link)?;
        let Some(Stage::Open(session)) = &mut it.stage else { return None };
        let mut messages = Vec::new();
        session.seal(&frame.encode(0), &mut messages).unwrap();
        Some((it.node, messages))
    }

    /// Gives this name to this account, as registering does.
    pub(crate) fn bind(&mut self, text: &str, seq: u64, account: &AccountKey) -> SignedBinding {
        let name = Username::parse(text).unwrap();
        let server = *self.keys.id().as_bytes();
        let binding = Binding { name: name.clone(), server, account: account.id(), seq, time_ms: super::BEGIN_MS };
        let signed = account.sign_claim(&binding).grant(&self.keys);
        self.names.insert(name, (account.id(), signed.clone()));
        signed
    }

    fn name(&self, name: &Username) -> Option<ServerFrame> {
        let (account, binding) = self.names.get(name)?.clone();
        let (payload, bundles) = self.accounts.get(&account)?;
        let account = AccountPayload { bundles: bundles.values().cloned().collect(), ..payload.clone() };
        Some(ServerFrame::Name(Name { binding, account }))
    }

    fn put_account(
        &mut self,
        (account, device): (AccountId, DeviceId),
        payload: &AccountPayload,
    ) -> Result<ServerFrame, ErrorCode> {
        let (held, bundles) = self.accounts.get_mut(&account).ok_or(ErrorCode::Denied)?;
        *held = AccountPayload { bundles: Vec::new(), ..payload.clone() };
        for bundle in &payload.bundles {
            assert_eq!(bundle.verify(&device).unwrap().tickets, []);
            bundles.insert(device, bundle.clone());
        }
        Ok(ServerFrame::Done)
    }

    fn knock(&mut self, put: &KnockPut) -> Result<ServerFrame, ErrorCode> {
        let (bits, challenge) = (self.status.knock_bits, self.status.challenge);
        let wanted = ErrorCode::Pow { bits, challenge };
        let Proof::Pow { challenge: worked, nonce } = put.proof else { return Err(wanted) };
        let puzzle = Puzzle::new(challenge, bits, KnockPut::digest(&put.account, &put.envelopes)).unwrap();
        if worked != challenge || !puzzle.is_solved_by(nonce) {
            return Err(wanted);
        }
        self.knocks.push((self.next_knock, put.clone()));
        self.next_knock += 1;
        if !self.letters.is_mute {
            self.letters.to_ring.extend(put.envelopes.iter().map(|(device, _)| (*device, 0)));
        }
        Ok(ServerFrame::Done)
    }

    fn knocks_of(&self, (account, device): (AccountId, DeviceId)) -> Knocks {
        let theirs = self.knocks.iter().filter(|(_, put)| put.account == account);
        let items = theirs.filter_map(|(number, put)| {
            let (_, envelope) = put.envelopes.iter().find(|(to, _)| *to == device)?;
            Some(KnockItem { number: *number, envelope: envelope.clone() })
        });
        Knocks { items: items.collect() }
    }

    /// Each device takes out its own envelopes.
    fn take_knocks(&mut self, (account, device): (AccountId, DeviceId), numbers: &[u64]) -> ServerFrame {
        for (_, put) in
            self.knocks.iter_mut().filter(|(number, put)| put.account == account && numbers.contains(number))
        {
            put.envelopes.retain(|(to, _)| *to != device);
        }
        self.knocks.retain(|(_, put)| !put.envelopes.is_empty());
        ServerFrame::Done
    }

    fn vault(&self, account: &AccountId) -> Result<ServerFrame, ErrorCode> {
        let (seq, vault) = self.vaults.get(account).cloned().ok_or(ErrorCode::NotFound)?;
        Ok(ServerFrame::Vault(Vault { seq, vault }))
    }

    fn put_vault(&mut self, account: AccountId, put: &VaultPut) -> Result<ServerFrame, ErrorCode> {
        let seq = self.vaults.get(&account).map_or(0, |(seq, _)| *seq);
        if put.expected != seq || put.seq != seq + 1 {
            return Err(ErrorCode::Stale { seq });
        }
        self.vaults.insert(account, (put.seq, put.vault.clone()));
        Ok(ServerFrame::Done)
    }
}

impl World {
    /// A node that uses Rosa, without a name there.
    pub(crate) fn with_rosa(names: &[&str]) -> Self {
        let mut world = Self::new(names);
        world.rosa = Some(Rosa::new(7));
        world
    }

    pub(crate) fn use_rosa(&mut self, node: usize) {
        let address = Box::new(self.rosa().address.clone());
        self.ask(node, Command::SetRendezvous { address, used: true }).unwrap();
    }

    /// Registers the node's account under this name, with a vault that holds nothing but its key.
    pub(crate) fn register(&mut self, node: usize, text: &str) {
        let (account, _) = person("x", node as u64);
        self.use_rosa(node);
        self.rosa().bind(text, 1, &account);
        let id = account.id();
        let Reply::MyAccount(payload) = self.ask(node, Command::MyAccount).unwrap() else { panic!("no account") };
        self.rosa().accounts.insert(id, (*payload, BTreeMap::new()));
        let content = VaultContent::new(account);
        let sealed = vault_key().seal(&content, &Username::parse(text).unwrap(), 1, &mut self.rosa().rng).unwrap();
        self.rosa().vaults.insert(id, (1, sealed));
        self.log_in(node, text);
    }

    /// The name is the node's account's, and its front end has just logged in.
    pub(crate) fn log_in(&mut self, node: usize, text: &str) {
        let name = Username::parse(text).unwrap();
        let binding = Box::new(self.rosa().names[&name].1.clone());
        let server = Box::new(self.rosa().address.clone());
        let (vault_key, vault_seq) = (Token::new(VAULT_KEY), 1);
        self.ask(node, Command::Registered { server, name, binding, vault_key, vault_seq }).unwrap();
        self.pass(1);
    }

    /// What is in the vault of this account, and its number.
    pub(crate) fn vault(&mut self, node: usize, text: &str) -> (u64, VaultContent) {
        let account = self.account(node);
        let (seq, sealed) = &self.rosa().vaults[&account];
        (*seq, vault_key().open(sealed, &Username::parse(text).unwrap(), *seq).unwrap())
    }

    pub(crate) fn rosa(&mut self) -> &mut Rosa {
        self.rosa.as_mut().expect("a rendezvous")
    }

    pub(super) fn dial_rosa(&mut self, node: usize, dial: DialId, addresses: &[String], mode: Mode) {
        let link = self.next_link();
        let local = if mode == Mode::Guest { TransportId(vec![99; 8]) } else { self.nodes[node].transport.clone() };
        let is_there = |rosa: &&mut Rosa| !rosa.is_away && addresses == [rosa.address.place().to_owned()];
        let Some(rosa) = self.rosas().find(is_there) else {
            self.give(node, Input::DialFailed(dial, DialError::Refused));
            return;
        };
        let remote = TransportId(rosa.address.transport().to_vec());
        let secret = rosa.keys.x25519_secret();
        let handshake = Handshake::respond(mode, secret, &remote.0, &local.0, &mut rosa.rng).unwrap();
        rosa.links.insert(link, Link { node, mode, who: None, stage: Some(Stage::Handshake(Box::new(handshake))) });
        self.give(node, Input::Dialled { dial, link, local, remote, address: addresses[0].clone() });
    }

    pub(super) fn tell_rosa(&mut self, node: usize, link: LinkId, bytes: &[u8]) {
        let now_ms = self.now_ms;
        let Some(rosa) = self.rosas().find(|rosa| rosa.links.contains_key(&link)) else { return };
        rosa.now_ms = now_ms;
        rosa.status.time_ms = super::BEGIN_MS + now_ms;
        let messages = rosa.on_chunk(link, bytes);
        let told = std::mem::take(&mut rosa.told);
        if messages.is_none() {
            rosa.links.remove(&link);
            rosa.topics.on_closed(link);
        }
        match messages {
            Some(messages) => {
                for message in messages {
                    self.give(node, Input::Chunk(link, message));
                }
                self.ring();
            }
            None => self.give(node, Input::Closed(link)),
        }
        self.announce(told);
    }

    /// Tells whoever has new mail or a friend request.
    fn ring(&mut self) {
        let mut out = Vec::new();
        let rosa = self.rosa();
        for (device, envelopes) in std::mem::take(&mut rosa.letters.to_ring) {
            for (id, link) in &mut rosa.links {
                let Some(Stage::Open(session)) = &mut link.stage else { continue };
                if link.who.is_some_and(|(_, it)| it == device) {
                    let mut messages = Vec::new();
                    let frame = ServerFrame::MailWaiting(MailWaiting { envelopes });
                    session.seal(&frame.encode(0), &mut messages).unwrap();
                    out.extend(messages.into_iter().map(|message| (link.node, *id, message)));
                }
            }
        }
        for (node, link, message) in out {
            self.give(node, Input::Chunk(link, message));
        }
    }

    /// Rosa's process ends: every link with her closes.
    pub(crate) fn stop_rosa(&mut self) {
        self.rosa().is_away = true;
        self.rosa().topics = super::topics::Topics::default();
        let links = std::mem::take(&mut self.rosa().links);
        for (link, it) in links {
            self.give(it.node, Input::Closed(link));
        }
        self.settle();
    }
}
