//! The rendezvous of a world: who is registered where, what crashes, and what is set back.

use hobnob_engine::{
    Home,
    command::{Command, Reply},
};
use hobnob_rendezvous::registry::view::MemoryView;
use hobnob_shared::{Token, identity::Identity, text::Username, vault::VaultKey, wire::rendezvous::LoggedIn};
use zeroize::Zeroizing;

use super::{EPOCH_MS, NodeIndex, Place, ServerIndex, World, net::Flight};
use crate::{
    cast,
    disk::Disk,
    rosa::{Rosa, VAULT_KEY},
};

impl World {
    /// One more rendezvous.
    pub fn add_server(&mut self) -> ServerIndex {
        let server = self.servers.len();
        self.servers.push(Rosa::new(self.seed, server));
        self.start_server(server);
        server
    }

    /// Starts one that is down, with what it committed.
    pub fn start_server(&mut self, server: ServerIndex) {
        self.servers[server].start();
    }

    /// Ends one at once: links with it break, and what it did not commit is gone.
    pub fn crash_server(&mut self, server: ServerIndex) {
        if self.servers[server].stop() {
            self.break_all(Place::Server(server));
        }
    }

    /// One is restored from a backup, and knows it.
    pub fn restore_server(&mut self, server: ServerIndex, rows: MemoryView) {
        self.servers[server].generation += 1;
        self.roll_back(server, rows);
    }

    /// One is set back and does not know it: its files were copied back, or its program is an older one.
    pub fn roll_back(&mut self, server: ServerIndex, rows: MemoryView) {
        self.crash_server(server);
        self.servers[server].rows = rows;
        self.start_server(server);
    }

    /// Registers a node's account at a rendezvous, under the name that everybody calls it by.
    pub fn register(&mut self, node: NodeIndex, server: ServerIndex) {
        let name = username(node);
        self.use_server(node, server);
        let Ok(Reply::MyAccount(payload)) = self.answer(node, Command::MyAccount) else {
            panic!("seed {}: node {node} has no account", self.seed)
        };
        let (account, _) = cast::keys(node, self.seed);
        let true_ms = EPOCH_MS + self.now_ms;
        let key = self.vault_key(server, node);
        let registered = self.servers[server].register(&name, account, *payload, &key, true_ms);
        self.bindings.insert((server, node), registered);
        self.log_in(node, server, node);
    }

    /// A node's front end has logged in as the account of `person`, which is its own.
    pub fn log_in(&mut self, node: NodeIndex, server: ServerIndex, person: NodeIndex) {
        let key = *self.vault_key(server, person).to_bytes();
        self.log_in_with(node, server, person, key);
    }

    /// The same with whatever is to open the vault.
    pub fn log_in_with(&mut self, node: NodeIndex, server: ServerIndex, person: NodeIndex, vault_key: [u8; 32]) {
        self.use_server(node, server);
        let (binding, vault_seq) = self.bindings[&(server, person)].clone();
        let command = Command::Registered {
            server: Box::new(self.servers[server].address.clone()),
            name: username(person),
            binding: Box::new(binding),
            vault_key: Token::new(vault_key),
            vault_seq,
        };
        let answer = self.answer(node, command);
        assert!(answer.is_ok(), "seed {}: {answer:?}", self.seed);
    }

    /// A node's front end has logged out there.
    pub fn log_out(&mut self, node: NodeIndex, server: ServerIndex) {
        self.forget_name(node, server, false);
    }

    /// A node's front end gives the name of its account up there.
    pub fn unregister(&mut self, node: NodeIndex, server: ServerIndex) {
        let address = Box::new(self.servers[server].address.clone());
        let answer = self.answer(node, Command::GiveUpName { server: address });
        assert!(answer.is_ok(), "seed {}: {answer:?}", self.seed);
        self.forget_name(node, server, true);
    }

    fn forget_name(&mut self, node: NodeIndex, server: ServerIndex, released: bool) {
        let server = Box::new(self.servers[server].address.clone());
        let answer = self.answer(node, Command::LoggedOut { server, released });
        assert!(answer.is_ok(), "seed {}: {answer:?}", self.seed);
    }

    /// From now on a rendezvous shows the account of `impostor` under the name of `person`, with a number that is so much
    /// higher than the true one.
    pub fn impersonate(&mut self, server: ServerIndex, person: NodeIndex, impostor: NodeIndex, higher: u64) {
        let Ok(Reply::MyAccount(payload)) = self.answer(impostor, Command::MyAccount) else {
            panic!("seed {}: node {impostor} has no account", self.seed)
        };
        let (account, _) = cast::keys(impostor, self.seed);
        self.servers[server].impersonate(&username(person), &account, *payload, higher);
    }

    /// Makes `node` a device of the account of `person` as `/login` does on a bare machine: from the name, the password and
    /// the vault. It is down then, and its first start is that device.
    pub fn log_in_bare(&mut self, node: NodeIndex, server: ServerIndex, person: NodeIndex) {
        self.crash(node);
        let (name, true_ms, seed) = (username(person), EPOCH_MS + self.now_ms, self.seed);
        let (address, signing_key) = (self.servers[server].address.clone(), self.servers[server].signing_key());
        let key = self.vault_key(server, person);
        let certify = |logged: LoggedIn| {
            let LoggedIn { id: account, binding, vault, account: mut public } = logged;
            let content = key.open(&vault.vault, &name, vault.seq).expect("her vault");
            let keys = cast::keys(node, seed).1;
            let (certificate, record) = cast::certify(&content.account, keys.clone(), &public, true_ms);
            public.certificates.push(certificate.clone());
            let records = public.records.clone();
            public.records.push(record.clone());
            let vault_key = Token::new(*key.to_bytes());
            let (height, vault_seq) = (content.height, vault.seq);
            let home =
                Home { server: address, signing_key, name, binding, vault_key, vault_seq, records, account, height };
            (public, (Identity { account, device_keys: keys, certificate, record }, home.rows()))
        };
        let (identity, records) = self.servers[server].log_in(&username(person), true_ms, certify);
        self.nodes[node].identity = Box::new(move || identity.clone());
        let mut disk = Disk::default();
        disk.commit(records);
        self.restore(node, disk);
    }

    /// What opens the vault of a person now.
    pub(super) fn vault_key(&self, server: ServerIndex, person: NodeIndex) -> VaultKey {
        VaultKey::from_bytes(&Zeroizing::new(self.vault_keys.get(&(server, person)).copied().unwrap_or(VAULT_KEY)))
    }

    /// A node that is up uses a rendezvous from now on.
    pub fn use_server(&mut self, node: NodeIndex, server: ServerIndex) {
        let address = Box::new(self.servers[server].address.clone());
        let answer = self.answer(node, Command::SetRendezvous { address, used: true });
        assert!(answer.is_ok(), "seed {}: {answer:?}", self.seed);
    }

    /// Commit, then answers; with a crash between any two steps where the world's luck has one.
    pub(super) fn turn_server(&mut self, server: ServerIndex) {
        let Some(turn) = self.servers[server].turn(self.now_ms, EPOCH_MS) else { return };
        let crash_at = if self.chance(self.faults.crash_server) { self.below(3) } else { u64::MAX };
        if crash_at == 0 {
            return self.crash_server_for_a_while(server);
        }
        self.servers[server].commit(&turn.records);
        let sent = match crash_at {
            1 => 0,
            2 => self.below(turn.said.len() as u64 + 1),
            _ => u64::MAX,
        };
        for (done, said) in (0..).zip(turn.said) {
            if done >= sent {
                break;
            }
            for action in self.servers[server].say(said) {
                self.act(Place::Server(server), action);
            }
        }
        if crash_at != u64::MAX {
            self.crash_server_for_a_while(server);
        }
    }

    fn crash_server_for_a_while(&mut self, server: ServerIndex) {
        self.crash_server(server);
        let at_ms = self.now_ms + 1 + self.below(20_000);
        self.later(at_ms, Flight::Start { at: Place::Server(server) });
    }
}

/// The name of person `index` at every rendezvous.
pub fn username(index: NodeIndex) -> Username {
    Username::parse(cast::nick(index).as_str()).expect("a name")
}
