//! Names that get another password, and accounts that come back from their recovery words.

use hobnob_engine::command::{Command, Reply};
use hobnob_shared::vault::{VaultContent, VaultKey};
use rand_core::Rng as _;
use zeroize::Zeroizing;

use super::{EPOCH_MS, NodeIndex, ServerIndex, World, servers::username};
use crate::{cast, disk::Disk};

impl World {
    /// `node` gives the name of `person`, whose device it is, another password, as `/register` does: the vault that
    /// comes with it is new, and holds nothing but the account's key.
    pub fn change_password(&mut self, node: NodeIndex, server: ServerIndex, person: NodeIndex) {
        let mut key = [0; 32];
        self.rng.fill_bytes(&mut key);
        let Ok(Reply::MyAccount(payload)) = self.answer(node, Command::MyAccount) else {
            panic!("seed {}: node {node} has no account", self.seed)
        };
        let (account, _) = cast::keys(person, self.seed);
        let true_ms = EPOCH_MS + self.now_ms;
        self.vault_keys.insert((server, person), key);
        let key = VaultKey::from_bytes(&Zeroizing::new(key));
        let registered = self.servers[server].register(&username(person), account, *payload, &key, true_ms);
        self.bindings.insert((server, person), registered);
        self.log_in(node, server, person);
    }

    /// `node` is made from the recovery words of `person`: it has the account's key, and a record of its own that nobody
    /// knows.
    pub fn recover(&mut self, node: NodeIndex, person: NodeIndex) {
        self.crash(node);
        let (seed, now_ms) = (self.seed, EPOCH_MS + self.now_ms);
        let (account, device) = (cast::keys(person, seed).0, cast::keys(node, seed).1);
        let identity = cast::identity_at(&account, device, cast::nick(person), now_ms);
        let n = &mut self.nodes[node];
        n.identity = Box::new(move || identity.clone());
        n.restored_from = Some(person);
        self.restore(node, Disk::default());
        self.start(node);
    }

    /// Whether what opens the vault of a person is on a node's disk.
    pub fn holds_vault_key(&self, node: NodeIndex, server: ServerIndex, person: NodeIndex) -> bool {
        let key = self.vault_key(server, person).to_bytes();
        let rows = self.nodes[node].disk.rows().records();
        rows.values().flatten().any(|value| value.windows(key.len()).any(|window| *window == key[..]))
    }

    /// What is in the vault of a person.
    pub fn vault(&mut self, server: ServerIndex, person: NodeIndex) -> VaultContent {
        let (name, key) = (username(person), self.vault_key(server, person));
        let vault = self.servers[server].show(&name, EPOCH_MS + self.now_ms).vault;
        key.open(&vault.vault, &name, vault.seq).unwrap_or_else(|why| panic!("seed {}: {why}", self.seed))
    }
}
