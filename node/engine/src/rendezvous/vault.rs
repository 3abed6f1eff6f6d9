//! The vault at each rendezvous: kept up to date, so that a bare machine finds friends and settings again.
//!
//! The account's key is in it and never here for longer than one step: the vault is fetched, opened, merged, and sealed
//! again. What another device put in is never lost by that: contacts are united.

mod contacts;
mod locked;

use self::contacts::{adopt_contact, lasting, places, unite};
use super::{
    Lane, Purpose, Rendezvous, ServerKey,
    calls::{Answered, Failed},
    servers::OwnName,
};
use crate::{
    Parts, around,
    event::Event,
    friend::Friends,
    own::Adopted,
    settings,
    step::{Signal, Step},
    view::Fault,
};
use hobnob_shared::{
    codec,
    hash::hash,
    identity::past,
    vault::{Contact, Height, VaultContent, VaultError, VaultKey},
    wire::{
        AccountPayload, ErrorCode, ServerFrame,
        rendezvous::{Vault, VaultPut},
    },
};

/// The vault is written when nothing in it has changed for so long.
const SETTLE_MS: u64 = 30_000;
/// And after so long even if something changes all the time.
const AT_MOST_MS: u64 = 300_000;
/// After a failure it is tried again so much later.
const AGAIN_MS: u64 = 300_000;
/// Somebody else wrote meanwhile: again so much later, and twice as long each time, up to [`AGAIN_MS`].
const STALE_MS: u64 = 1_000;

/// How it goes with one vault.
#[derive(Debug, Default)]
pub(super) struct VaultState {
    /// When it is to be compared, in `mono_ms`.
    due_ms: Option<u64>,
    /// Since when something in it may have changed.
    changed_ms: Option<u64>,
    is_busy: bool,
    /// How often in turn somebody else wrote meanwhile.
    stale: u32,
    /// It cannot be read; said once a session.
    is_given_up: bool,
    /// When that is said.
    warn_ms: Option<u64>,
    /// What of ours is in it, as a hash.
    synced: Option<[u8; 32]>,
    /// Number and hash of what was sent, until it is answered.
    sent: Option<(u64, [u8; 32])>,
}

impl VaultState {
    fn changed(&mut self, now_ms: u64) {
        let since = *self.changed_ms.get_or_insert(now_ms);
        self.due_ms = Some((now_ms + SETTLE_MS).min(since + AT_MOST_MS));
    }

    fn next_sync(&self) -> Option<u64> {
        self.due_ms.filter(|_| !self.is_busy && !self.is_given_up)
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.next_sync().into_iter().chain(self.warn_ms).min()
    }

    /// Whether it is being written, or is to be until then.
    fn is_pending(&self, until_ms: u64) -> bool {
        !self.is_given_up && (self.is_busy || self.due_ms.is_some_and(|at| at <= until_ms))
    }
}

impl Parts {
    /// At the end of a batch: friends or settings may have changed, or a conversation grew by much.
    pub(super) fn note_changes(&mut self, step: &Step<'_>) {
        let has_risen = self.conversations.has_risen() | self.mail.has_moved();
        if has_risen || step.wrote::<Friends>() || step.wrote::<settings::Rows>() {
            self.rendezvous.tries.values_mut().for_each(|it| it.vault.changed(step.now.mono_ms));
        }
    }

    /// Compares what is due.
    pub(crate) fn sync_vaults(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        self.rendezvous.warn_locked(step);
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let due = self.rendezvous.tries.iter().filter(|(_, it)| is_due(it.vault.next_sync()));
        for server in due.map(|(server, _)| *server).collect::<Vec<_>>() {
            let ours =
                digest(&self.contacts(step), &self.settings.all(), self.conversations.height_of(&step.me.account));
            let is_ready = self.rendezvous.is_ready(&server);
            let Some(it) = self.rendezvous.tries.get_mut(&server) else { continue };
            (it.vault.due_ms, it.vault.changed_ms) = (None, None);
            if is_ready && it.vault.synced != Some(ours) {
                self.rendezvous.fetch_vault(server, step);
            }
        }
    }

    /// The vault as it is there.
    pub(super) fn on_vault(
        &mut self,
        server: ServerKey,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let answer = answer.map(|Answered { frame, session }| (*frame, session));
        let Ok((ServerFrame::Vault(vault), session)) = answer else {
            self.rendezvous.vault_later(&server, AGAIN_MS, step);
            return Ok(());
        };
        let Some(own) = self.rendezvous.servers.get(&server).and_then(|row| row.account.clone()) else { return Ok(()) };
        let Some(key) = own.key() else { return Ok(()) };
        match key.open(&vault.vault, &own.name, vault.seq) {
            Ok(content) => self.merge_vault(server, &own, &key, (&vault, &session), content, step)?,
            Err(VaultError::Decrypt) => self.on_locked(server, &own, (&vault, &session), step)?,
            Err(error) => self.rendezvous.on_unreadable(&server, &error, step),
        }
        self.tell_lost_devices(step)
    }

    fn merge_vault(
        &mut self,
        server: ServerKey,
        own: &OwnName,
        key: &VaultKey,
        (vault, session): (&Vault, &[u8; 32]),
        content: VaultContent,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let was_set_back = vault.seq < own.vault_seq;
        if was_set_back && self.rendezvous.takes_set_back(&server, step.now.mono_ms) {
            self.rendezvous.warn_set_back(&server, vault.seq, own.vault_seq, step);
            self.mail_set_back(server, step)?;
        }
        self.adopt_record(&server, &content, step);
        if self.own.hear_of_places(&content.devices, step) {
            step.signal(Signal::Devices(step.me.account));
        }
        self.adopt_content(&content, own.is_merged, step)?;
        let (contacts, settings) = (self.contacts(step), self.settings.all());
        let height = self.conversations.height_of(&step.me.account);
        let ours = digest(&contacts, &settings, height);
        let mut records = self.own.row().recent();
        let record = records.pop();
        records.extend(content.past.iter().chain(&content.record).cloned());
        let mut merged = VaultContent {
            past: record.as_ref().map(|newest| past(newest, &records)).unwrap_or_default(),
            record,
            certificates: self.own.devices().iter().map(|device| device.certificate.clone()).collect(),
            devices: places(self.own.devices()),
            contacts: unite(contacts, &content.contacts, &self.people),
            settings,
            height: height.max(content.height),
            account: content.account,
            rest: content.rest,
        };
        merged.make_room(|contact| self.heard_ms(&contact.account));
        let is_same = merged.record == content.record
            && merged.past == content.past
            && merged.certificates == content.certificates
            && merged.devices == content.devices
            && lasting(&merged.contacts) == lasting(&content.contacts)
            && merged.settings == content.settings
            && merged.height == content.height;
        self.rendezvous.servers.change(&server, step, |row| {
            if let Some(account) = &mut row.account {
                (account.vault_seq, account.is_merged) = (vault.seq, true);
                account.keep(&merged.account);
            }
        });
        if self.rendezvous.set_open(&server, vault.seq) {
            self.tell_vault_keys(step);
        }
        if is_same && !was_set_back && own.is_proved {
            self.rendezvous.vault_synced(&server, ours);
            return Ok(());
        }
        let seq = vault.seq + 1;
        match key.seal(&merged, &own.name, seq, step.rng) {
            Ok(sealed) => {
                // Whoever opened the vault has the key. The server wants it from then on, of everybody.
                let owner = Some(Box::new(merged.account.prove_over(session)));
                let put = VaultPut { seq, expected: vault.seq, vault: sealed, owner };
                self.rendezvous.put_vault(server, put, ours, step);
            }
            Err(error) => self.rendezvous.on_unreadable(&server, &error, step),
        }
        Ok(())
    }

    /// Takes what is not known here, and passes it on to our other devices.
    fn adopt_content(&mut self, content: &VaultContent, is_merged: bool, step: &mut Step<'_>) -> Result<(), Fault> {
        self.conversations.learn_height(step.me.account, content.height, &around!(self), step);
        // What was decided here is said first, so that what follows is all of the vault.
        self.share(step)?;
        let mut adopted = Vec::new();
        for contact in &content.contacts {
            if self.people.friend(&contact.account).is_none() && contact.account != step.me.account {
                adopt_contact(contact.clone(), &mut self.people, step);
                self.conversations.open_chat_with(contact.account, &around!(self), step);
                adopted.push(contact.account);
            }
            self.conversations.learn_height(contact.account, contact.height, &around!(self), step);
            if let Some(mail) = &contact.mail {
                self.adopt_mail(&contact.account, mail, step)?;
            }
        }
        if !is_merged {
            self.settings.adopt(&content.settings, step);
        }
        self.share_hearsay(&adopted, step)
    }

    /// The vault may know a newer record of our account than we do: another device of ours wrote it.
    fn adopt_record(&mut self, server: &ServerKey, content: &VaultContent, step: &mut Step<'_>) {
        let records = content.past.iter().chain(&content.record).cloned().collect();
        let payload = AccountPayload { records, certificates: content.certificates.clone(), bundles: Vec::new() };
        let before = self.own.devices().to_vec();
        match self.own.adopt(&payload, step) {
            Adopted::Nothing => {}
            Adopted::Moved => {
                self.tell_devices(&before, step);
                step.signal(Signal::Devices(step.me.account));
            }
            Adopted::Revoked => self.on_revoked(step),
            Adopted::Unable => {
                let host = self.rendezvous.host(server);
                let message = format!(
                    "the vault at {host} knows a newer record of your account, which does not list this device: {} lists it \
                     again",
                    self.rendezvous.login_again(server)
                );
                step.event(Event::Warning { chat: None, message });
            }
            Adopted::WentOn => {
                self.tell_devices(&before, step);
                step.signal(Signal::Devices(step.me.account));
                self.tell_everybody(&self.own.payloads(None), step);
            }
        }
    }
}

impl Rendezvous {
    /// The process ends soon: what would have been written later is written now, where that can be done.
    pub(crate) fn hurry_vaults(&mut self, now_ms: u64) {
        for it in self.tries.values_mut() {
            it.vault.due_ms = it.vault.due_ms.map(|at| at.min(now_ms));
        }
    }

    /// Whether our account has a session with any.
    pub(crate) fn is_any_ready(&self) -> bool {
        self.sessions.values().any(|it| it.lane == Lane::Account && it.is_ready)
    }

    /// Whether it is not known yet what is in a vault.
    pub(super) fn is_comparing(&self) -> bool {
        self.tries.values().any(|it| it.vault.is_busy)
    }

    /// Whether a vault is still to be written until then.
    pub(crate) fn has_pending_vault(&self, until_ms: u64) -> bool {
        self.tries.iter().any(|(server, it)| it.vault.is_pending(until_ms) && self.is_ready(server))
    }

    /// A session is ready: the vault is compared, whatever changed while there was none.
    pub(super) fn begin_vault(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if let Some(it) = self.tries.get_mut(&server) {
            it.vault = VaultState::default();
        }
        self.fetch_vault(server, step);
    }

    fn fetch_vault(&mut self, server: ServerKey, step: &mut Step<'_>) {
        // A machine that was linked knows the name, and never holds the account's key, which is in the vault.
        if self.servers.get(&server).and_then(|row| row.account.as_ref()).is_some_and(|own| own.vault_key.is_none()) {
            return;
        }
        let Some(it) = self.tries.get_mut(&server).filter(|it| !it.vault.is_busy && !it.vault.is_given_up) else {
            return;
        };
        it.vault.is_busy = true;
        self.ask(server, Lane::Account, ServerFrame::VaultGet, Purpose::VaultGet, step);
    }

    fn put_vault(&mut self, server: ServerKey, put: VaultPut, ours: [u8; 32], step: &mut Step<'_>) {
        if let Some(it) = self.tries.get_mut(&server) {
            it.vault.sent = Some((put.seq, ours));
        }
        self.ask(server, Lane::Account, ServerFrame::VaultPut(put), Purpose::VaultPut, step);
    }

    pub(super) fn on_vault_put(&mut self, server: &ServerKey, answer: &Result<Answered, Failed>, step: &mut Step<'_>) {
        let sent = self.tries.get_mut(server).and_then(|it| it.vault.sent.take());
        match (answer, sent) {
            (Ok(_), Some((seq, ours))) => {
                self.servers.change(server, step, |row| {
                    if let Some(account) = &mut row.account {
                        (account.vault_seq, account.is_proved) = (seq, true);
                    }
                });
                self.vault_synced(server, ours);
            }
            (Err(Failed::Refused(ErrorCode::Stale { .. })), _) => self.vault_stale(server, step),
            (Ok(_) | Err(_), _) => self.vault_later(server, AGAIN_MS, step),
        }
    }

    fn vault_synced(&mut self, server: &ServerKey, ours: [u8; 32]) {
        if let Some(it) = self.tries.get_mut(server) {
            (it.vault.is_busy, it.vault.stale, it.vault.synced) = (false, 0, Some(ours));
        }
    }

    fn vault_stale(&mut self, server: &ServerKey, step: &Step<'_>) {
        let Some(it) = self.tries.get_mut(server) else { return };
        let wait_ms = STALE_MS.saturating_mul(1 << it.vault.stale.min(16)).min(AGAIN_MS);
        it.vault.stale += 1;
        self.vault_later(server, wait_ms, step);
    }

    fn vault_later(&mut self, server: &ServerKey, ms: u64, step: &Step<'_>) {
        if let Some(it) = self.tries.get_mut(server) {
            (it.vault.is_busy, it.vault.synced) = (false, None);
            it.vault.due_ms = Some(step.now.mono_ms + ms);
        }
    }

    fn on_unreadable(&mut self, server: &ServerKey, error: &VaultError, step: &mut Step<'_>) {
        let message = format!("the vault at {} is not kept up to date: {error}", self.host(server));
        self.give_vault_up(server, message, step);
    }

    fn warn_password_set_back(&mut self, server: &ServerKey, own: &OwnName, seen: u64, step: &mut Step<'_>) {
        let (host, name, before) = (self.host(server), &own.name, own.vault_seq);
        let message = format!(
            "{host} shows vault number {seen}, and {before} was there before: it was set back from a backup, to before the \
             password was changed, or it lies. The password of that time counts there again: /register {name} sets the new \
             one once more (friends and history here are safe)"
        );
        self.give_vault_up(server, message, step);
    }

    /// Said once a session.
    fn give_vault_up(&mut self, server: &ServerKey, message: String, step: &mut Step<'_>) {
        step.event(Event::Warning { chat: None, message });
        if let Some(it) = self.tries.get_mut(server) {
            (it.vault.is_busy, it.vault.is_given_up) = (false, true);
        }
    }

    fn warn_set_back(&self, server: &ServerKey, seen: u64, before: u64, step: &mut Step<'_>) {
        let host = self.host(server);
        let message = format!(
            "{host} shows vault number {seen}, and {before} was there before: it was set back from a backup, or it lies; \
             what this machine knows is written there again"
        );
        step.event(Event::Warning { chat: None, message });
    }

    pub(crate) fn host(&self, server: &ServerKey) -> String {
        self.servers.called(server)
    }

    pub(crate) fn is_ready(&self, server: &ServerKey) -> bool {
        self.sessions.values().any(|it| it.server == *server && it.lane == Lane::Account && it.is_ready)
    }
}

/// What of ours belongs into a vault, in 32 bytes.
fn digest(contacts: &[Contact], settings: &[(String, Vec<u8>)], height: Height) -> [u8; 32] {
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key, serde_bytes::Bytes::new(value))).collect();
    hash(
        "hobnob/vault-digest/1",
        &[&codec::encode(&lasting(contacts)), &codec::encode(&settings), &codec::encode(&height)],
    )
}
