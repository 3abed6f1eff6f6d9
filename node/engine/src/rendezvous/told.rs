//! The vault's key, told between devices of our account: after its password was changed on one of them, the vault opens at
//! the others without a word of the person.
//!
//! It goes over sessions only, to devices that our newest record lists, and only those that have opened the vault before can
//! read it: a linked device never holds the account's key, which is in the vault. Which of two keys counts is decided by the
//! vault alone: it opens with one of them.

use hobnob_shared::{
    Token,
    identity::AccountKey,
    keeper::KeeperKey,
    limits::MAX_TOLD_KEYS,
    vault::{VaultContent, VaultKey},
    wire::{
        Frame,
        rendezvous::Vault,
        told_key::{ToldKey, VaultKeys},
    },
};
use zeroize::Zeroizing;

use super::{Rendezvous, ServerKey, servers::OwnName};
use crate::{
    Parts, around,
    step::{SessionId, Step},
};

/// A key that another device of ours told, until the vault has decided.
#[derive(Debug)]
pub(super) struct Told {
    key: VaultKey,
    /// The newest number of the vault that it is known to open.
    seq: u64,
}

impl Parts {
    /// A session with another device of ours is up: it hears what opens the vaults.
    pub(crate) fn tell_vault_keys_to(&self, link: SessionId, step: &mut Step<'_>) {
        if !self.is_own_device(link, step) {
            return;
        }
        let keys = self.rendezvous.keys_to_tell(step);
        if !keys.is_empty() {
            step.send(link, Frame::VaultKeys(VaultKeys { keys }));
        }
    }

    /// A vault opened that did not before, or opens with another key: all our devices that are here hear of it.
    pub(super) fn tell_vault_keys(&self, step: &mut Step<'_>) {
        for link in self.sessions.of(&step.me.account) {
            self.tell_vault_keys_to(*link, step);
        }
    }

    /// Another device of ours tells what opens the vaults. Where that is news, the vault is fetched, and decides.
    pub(crate) fn on_vault_keys(&mut self, link: SessionId, told: &VaultKeys, step: &mut Step<'_>) {
        if !self.is_own_device(link, step) {
            return;
        }
        for one in &told.keys {
            if self.rendezvous.keep_told(one) && self.rendezvous.is_ready(&one.server) {
                self.rendezvous.begin_vault(one.server, step);
            }
        }
    }

    /// Whether a session is with another device of ours that our newest record lists.
    fn is_own_device(&self, link: SessionId, step: &Step<'_>) -> bool {
        let is_synced = self.sessions.get(link).is_some_and(|session| session.syncing);
        let ours = self.sessions.peer(link).filter(|peer| peer.account == step.me.account);
        is_synced && ours.is_some_and(|peer| around!(self).syncs(&peer.account, &peer.device))
    }
}

impl Rendezvous {
    /// Only keys that have opened their vaults: what was told to us and is not tried yet is not passed on.
    fn keys_to_tell(&self, step: &mut Step<'_>) -> Vec<ToldKey> {
        let is_open = |server: &ServerKey| self.tries.get(server).is_some_and(|it| it.is_open);
        let open = self.servers.all().filter(|(server, _)| is_open(server)).take(MAX_TOLD_KEYS);
        let tell = |(server, row): (&ServerKey, &super::servers::ServerRow)| {
            let own = row.account.as_ref()?;
            let sealed = own.keeper()?.seal(&own.key()?, own.vault_seq, (&own.name, server), step.rng)?;
            Some(ToldKey { server: *server, name: own.name.clone(), key: sealed })
        };
        open.filter_map(tell).collect()
    }

    /// Keeps a key that may be newer than ours. `false`: it is ours, an older one, or nothing that we can read.
    fn keep_told(&mut self, told: &ToldKey) -> bool {
        let own = self.servers.get(&told.server).and_then(|row| row.account.as_ref());
        let Some(own) = own.filter(|own| own.name == told.name) else { return false };
        let opened = own.keeper().and_then(|keeper| keeper.open(&told.key, &told.name, &told.server));
        let (Some((key, seq)), Some(it)) = (opened, self.tries.get_mut(&told.server)) else { return false };
        let is_older = it.is_open && seq < own.vault_seq || it.told_key.as_ref().is_some_and(|told| told.seq > seq);
        if is_older || own.vault_key == Some(Token::new(*key.to_bytes())) {
            return false;
        }
        it.told_key = Some(Told { key, seq });
        true
    }

    /// Opens with what another device told a vault that does not open with our own key, unless it is older than what we
    /// have seen: that one may come from before the password was changed.
    pub(super) fn open_told(
        &mut self,
        server: &ServerKey,
        own: &OwnName,
        vault: &Vault,
    ) -> Option<(VaultKey, VaultContent)> {
        let it = self.tries.get_mut(server).filter(|_| vault.seq >= own.vault_seq)?;
        let content = it.told_key.as_ref()?.key.open(&vault.vault, &own.name, vault.seq).ok()?;
        it.told_key.take().map(|told| (told.key, content))
    }

    /// The vault with this number has opened with our key. Whether it did not before.
    pub(super) fn set_open(&mut self, server: &ServerKey, seq: u64) -> bool {
        self.tries.get_mut(server).is_some_and(|it| {
            // One that opens a later number is still to be tried: the vault has changed on its way to us.
            it.told_key.take_if(|told| told.seq <= seq);
            !std::mem::replace(&mut it.is_open, true)
        })
    }

    /// Our key does not open the vault, or may not.
    pub(super) fn set_shut(&mut self, server: &ServerKey) {
        if let Some(it) = self.tries.get_mut(server) {
            it.is_open = false;
        }
    }
}

impl OwnName {
    pub(super) fn key(&self) -> Option<VaultKey> {
        self.vault_key.as_ref().map(|key| VaultKey::from_bytes(&Zeroizing::new(*key.as_bytes())))
    }

    fn keeper(&self) -> Option<KeeperKey> {
        self.keeper.as_ref().map(|keeper| KeeperKey::from_bytes(&Zeroizing::new(*keeper.as_bytes())))
    }

    /// Notes that the vault with the account's key opened here.
    pub(super) fn keep(&mut self, account: &AccountKey) {
        self.keeper = Some(Token::new(*KeeperKey::derive(account).to_bytes()));
    }
}
