//! Ourselves: our account's records, this device's bundle, where we listen.

use std::fmt;

use hobnob_shared::{
    identity::{AccountKey, AccountRecord, Bundle, Prekey, Profile, SignedRecord},
    limits::{MAX_ADDRESSES, MAX_DEVICES},
    text::{Nickname, Note},
    wire::AccountPayload,
};

use crate::{
    account::{AccountRow, Accounts, Chain, Device},
    command::{Code, Refusal},
    step::Step,
    view::Fault,
};

/// How long a bundle says that it is good.
const BUNDLE_LIFE_MS: u64 = 30 * 24 * 3_600_000;
/// A bundle is signed anew after this long, even if nothing in it changed.
const BUNDLE_AGE_MS: u64 = 24 * 3_600_000;

/// Ourselves.
pub(crate) struct Own {
    row: AccountRow,
    listening: Vec<String>,
    /// When the bundle is to be signed anew, in `mono_ms`.
    refresh_ms: Option<u64>,
    /// For sealed mail, where we have a name at a rendezvous.
    prekey: Option<Prekey>,
    /// Only after a restore from recovery words, to adopt what friends know of us.
    account_key: Option<AccountKey>,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").field("listening", &self.listening.len()).finish_non_exhaustive()
    }
}

impl Own {
    pub(crate) fn load(
        record: &SignedRecord,
        account_key: Option<AccountKey>,
        step: &mut Step<'_>,
    ) -> Result<Self, Fault> {
        let account = step.me.account;
        let stored = step.get::<Accounts>(&account)?;
        let mut row = stored.clone().unwrap_or_default();
        if row.newest.is_none() || row.clone().learn_records(&account, std::slice::from_ref(record)) == Chain::Grown {
            row.learn_records(&account, std::slice::from_ref(record));
        }
        let is_new = row.learn_certificate(&account, &step.me.certificate).is_some();
        if row.newest.is_none() {
            return Err(Fault("our own account record is not valid".to_owned()));
        }
        let own = Self { row, listening: Vec::new(), refresh_ms: None, prekey: None, account_key };
        if stored.is_none() || is_new {
            step.put::<Accounts>(&account, &own.row);
        }
        Ok(own)
    }

    /// How we call ourselves.
    pub(crate) fn nick(&self, step: &Step<'_>) -> Nickname {
        self.row.newest.as_ref().map_or_else(|| step.me.device_name.clone(), |newest| newest.nick.clone())
    }

    /// What we say of ourselves.
    pub(crate) fn bio(&self) -> Note {
        self.row.newest.as_ref().map(|newest| newest.bio.clone()).unwrap_or_default()
    }

    /// Our account's devices: this one, and after a restore those that friends still know.
    pub(crate) fn devices(&self) -> &[Device] {
        &self.row.devices
    }

    /// Addresses that others can dial.
    pub(crate) fn listening(&self) -> &[String] {
        &self.listening
    }

    /// Where we listen changed. `true` when there is a new bundle to be told.
    pub(crate) fn on_listening(&mut self, addresses: Vec<String>, step: &mut Step<'_>) -> bool {
        self.listening = addresses;
        self.sign_bundle(step)
    }

    /// A node that stays up for long signs its bundle anew, every day. `true` when there is one to be told.
    pub(crate) fn on_timeout(&mut self, step: &mut Step<'_>) -> bool {
        let is_due = self.refresh_ms.is_some_and(|at| at <= step.now.mono_ms);
        is_due && self.sign_bundle(step)
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.refresh_ms
    }

    fn sign_bundle(&mut self, step: &mut Step<'_>) -> bool {
        self.refresh_ms = (!self.listening.is_empty()).then_some(step.now.mono_ms + BUNDLE_AGE_MS);
        let mut offered = self.listening.clone();
        offered.truncate(MAX_ADDRESSES);
        let device = self.row.device(&step.me.device);
        let (seq, created_ms, told) = device.map_or((0, 0, Vec::new()), |device| device.told());
        if offered.is_empty() && self.prekey.is_some() {
            // Where we listen is told in a moment.
            offered.clone_from(&told);
        }
        let is_fresh = step.now.wall_ms.saturating_sub(created_ms) < BUNDLE_AGE_MS;
        let has_prekey = device.map(Device::prekeys).unwrap_or_default() == self.prekey.as_slice();
        let is_empty = offered.is_empty() && self.prekey.is_none();
        if is_empty || (told == offered && is_fresh && has_prekey) {
            return false;
        }
        let bundle = step.me.keys.sign_bundle(&Bundle {
            device: step.me.device,
            // The time, so that a node whose database was lost does not begin below what friends hold.
            seq: (seq + 1).max(step.now.wall_ms),
            created_ms: step.now.wall_ms,
            expiry_ms: step.now.wall_ms.saturating_add(BUNDLE_LIFE_MS),
            transport: step.me.transport.0.clone(),
            addresses: offered,
            prekeys: self.prekey.clone().into_iter().collect(),
            tickets: Vec::new(),
        });
        let learned = self.row.learn_bundle(&bundle);
        step.put::<Accounts>(&step.me.account, &self.row);
        learned
    }

    /// The next record of our account: another name or bio.
    pub(crate) fn set_profile(
        &mut self,
        nick: Option<Nickname>,
        bio: Option<Note>,
        key: &AccountKey,
        step: &mut Step<'_>,
    ) -> Result<(), Refusal> {
        if key.id() != step.me.account {
            return Err(Refusal::new(Code::Login, "that is the key of another account; nothing was changed"));
        }
        let profile = Profile { nick: nick.unwrap_or_else(|| self.nick(step)), bio: bio.unwrap_or_else(|| self.bio()) };
        self.extend(key, profile, None, step);
        Ok(())
    }

    /// Signs and takes the record after our newest.
    fn extend(&mut self, key: &AccountKey, profile: Profile, device: Option<[u8; 32]>, step: &mut Step<'_>) {
        let Some(Ok(newest)) = self.row.newest_record().map(|record| (record.verify()).map(|it| (it, record.hash())))
        else {
            debug_assert!(false, "our own record was verified when it was taken");
            return;
        };
        let (AccountRecord { seq, account, mut devices, revoked, .. }, hash) = newest;
        if let Some(device) = device.filter(|device| !devices.contains(device)) {
            if devices.len() >= MAX_DEVICES {
                devices.remove(0);
            }
            devices.push(device);
        }
        let next = AccountRecord { seq: seq + 1, prev: Some(hash), account, devices, revoked, profile };
        let signed = key.sign_record(&next);
        self.row.learn_records(&account, std::slice::from_ref(&signed));
        self.row.learn_certificate(&account, &step.me.certificate);
        step.put::<Accounts>(&account, &self.row);
    }

    /// What somebody lacks who knows this record of ours. A restored account that is told of a record it does not know
    /// shows only its certificate: its own, younger chain would look like a second history.
    pub(crate) fn payloads(&self, known: Option<(u64, [u8; 32])>) -> Vec<AccountPayload> {
        match known {
            Some((_, hash)) if !self.row.holds(&hash) && self.account_key.is_some() => {
                let mut payloads = self.row.payloads(self.row.known());
                for payload in &mut payloads {
                    payload.records.clear();
                }
                payloads
            }
            _ => self.row.payloads(known),
        }
    }

    /// All of it in one frame, for somebody who never heard of us.
    pub(crate) fn introduction(&self) -> AccountPayload {
        self.row.introduction()
    }

    /// The newest record of our account.
    pub(crate) fn newest_record(&self) -> Option<&SignedRecord> {
        self.row.newest_record()
    }

    /// Whether our bundle names a prekey.
    pub(crate) fn has_prekey(&self) -> bool {
        self.prekey.is_some()
    }

    /// The prekey that our bundle named before this start.
    pub(crate) fn keep_prekey(&mut self, prekey: Option<Prekey>) {
        self.prekey = prekey;
    }

    /// From now on our bundle names this prekey. `true` when there is a new one to be told.
    pub(crate) fn set_prekey(&mut self, prekey: Option<Prekey>, step: &mut Step<'_>) -> bool {
        self.prekey = prekey;
        self.sign_bundle(step)
    }

    /// What a rendezvous may show everybody: the newest record, all certificates, this device's bundle.
    pub(crate) fn public(&self, step: &Step<'_>) -> AccountPayload {
        let certificates = self.row.devices.iter().map(|device| device.certificate.clone()).collect();
        AccountPayload { certificates, ..self.card(step) }
    }

    /// The same with this device's certificate only: what fits a friend request.
    pub(crate) fn card(&self, step: &Step<'_>) -> AccountPayload {
        let bundle = self.row.device(&step.me.device).and_then(Device::bundle).cloned();
        AccountPayload {
            records: self.row.newest_record().cloned().into_iter().collect(),
            certificates: vec![step.me.certificate.clone()],
            bundles: bundle.into_iter().collect(),
        }
    }

    /// Tells versions of [`Self::public`] apart.
    pub(crate) fn stamp(&self, step: &Step<'_>) -> Stamp {
        (self.row.known(), self.row.device(&step.me.device).map_or(0, Device::bundle_seq))
    }

    /// Only our newest bundle.
    pub(crate) fn bundle(&self) -> AccountPayload {
        let bundles = self.row.payloads(self.row.known()).into_iter().flat_map(|payload| payload.bundles).collect();
        AccountPayload { bundles, ..AccountPayload::default() }
    }

    /// The hash of our newest record, as others may know it.
    pub(crate) fn known(&self) -> Option<(u64, [u8; 32])> {
        self.row.known()
    }

    /// A friend shows records of our own account: what this node has forgotten, restored from an old copy, or never
    /// knew, restored from recovery words. We go on from them, if they still name this device or we can sign that.
    pub(crate) fn adopt(&mut self, payload: &AccountPayload, step: &mut Step<'_>) -> Adopted {
        let account = step.me.account;
        let mut theirs = self.row.clone();
        let mut chain = theirs.learn_records(&account, &payload.records);
        if matches!(chain, Chain::Forked | Chain::Gap) {
            theirs = AccountRow::default();
            chain = theirs.learn_records(&account, &payload.records);
        }
        let is_longer = theirs.known().map(|(seq, _)| seq) >= self.row.known().map(|(seq, _)| seq);
        if chain != Chain::Grown || !is_longer {
            return Adopted::Nothing;
        }
        for certificate in payload.certificates.iter().chain([&step.me.certificate]) {
            theirs.learn_certificate(&account, certificate);
        }
        let is_listed = theirs.device(&step.me.device).is_some();
        if !is_listed && self.account_key.is_none() {
            return Adopted::Unable;
        }
        let ours = self.bundle();
        self.row = theirs;
        if !is_listed && let Some(key) = self.account_key.take() {
            let profile = Profile { nick: self.nick(step), bio: self.bio() };
            self.extend(&key, profile, Some(step.me.certificate.hash()), step);
            self.account_key = Some(key);
        }
        for bundle in &ours.bundles {
            self.row.learn_bundle(bundle);
        }
        step.put::<Accounts>(&account, &self.row);
        Adopted::WentOn
    }
}

/// Number and hash of the newest record, and the number of this device's bundle.
pub(crate) type Stamp = (Option<(u64, [u8; 32])>, u64);

/// What came of a friend's word about our own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopted {
    /// It is no news.
    Nothing,
    /// It is newer than ours, and we lack the account's key to go on from it.
    Unable,
    /// We went on from it; this device is listed.
    WentOn,
}
