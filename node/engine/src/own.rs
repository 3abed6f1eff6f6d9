//! Ourselves: our account's records, this device's bundle, where we listen.

use std::fmt;

use hobnob_shared::{
    id::DeviceId,
    identity::{AccountKey, AccountRecord, Bundle, Certificate, Prekey, Profile, SignedRecord},
    limits::{MAX_ADDRESSES, MAX_DEVICES},
    text::{self, Nickname, Note},
    vault::Reach,
    wire::AccountPayload,
};

use crate::{
    account::{AccountRow, Accounts, Chain, Device},
    command::{Code, Refusal},
    session::Peer,
    step::Step,
    view::Fault,
};

/// How long a bundle says that it is good.
const BUNDLE_LIFE_MS: u64 = 30 * 24 * 3_600_000;
/// A bundle is signed anew after this long, even if nothing in it changed.
const BUNDLE_AGE_MS: u64 = 24 * 3_600_000;

/// So long after a restore the account's key is given up, whoever came or did not: what friends were told of our old
/// devices is good for [`BUNDLE_LIFE_MS`], so who has not found this device by then does not look for it.
const RESTORE_MS: u64 = BUNDLE_LIFE_MS;

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
    /// The record that this device was made with. A chain without it is one that we adopted.
    first: [u8; 32],
    /// The certificates that it lists: those devices were there before this one.
    born_among: Vec<[u8; 32]>,
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
        let mut is_new = row.learn_certificate(&account, &step.me.certificate).is_some();
        if account_key.is_some() {
            is_new |= !std::mem::replace(&mut row.restored, true);
        }
        let account_key = account_key.filter(|_| !is_over(step));
        if row.newest.is_none() {
            return Err(Fault("our own account record is not valid".to_owned()));
        }
        let born_among = record.verify().map(|record| record.devices).unwrap_or_default();
        let first = record.hash();
        let own = Self { row, listening: Vec::new(), refresh_ms: None, prekey: None, account_key, first, born_among };
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

    /// Our account's devices, this one too.
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
            // The time, so that a node whose database was lost does not begin below what friends hold. The number
            // between is the public one's.
            seq: (seq + 2).max(step.now.wall_ms),
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
        self.check_key(key, step)?;
        let profile = Profile { nick: nick.unwrap_or_else(|| self.nick(step)), bio: bio.unwrap_or_else(|| self.bio()) };
        self.extend(key, |record| record.profile = profile, step);
        Ok(())
    }

    pub(crate) fn check_key(&self, key: &AccountKey, step: &Step<'_>) -> Result<(), Refusal> {
        if key.id() == step.me.account {
            return Ok(());
        }
        Err(Refusal::new(Code::Login, "that is the key of another account; nothing was changed"))
    }

    /// Signs and takes the record after our newest.
    fn extend(&mut self, key: &AccountKey, change: impl FnOnce(&mut AccountRecord), step: &mut Step<'_>) {
        let Some(Ok((mut record, hash))) =
            self.row.newest_record().map(|signed| signed.verify().map(|record| (record, signed.hash())))
        else {
            debug_assert!(false, "our own record was verified when it was taken");
            return;
        };
        record.seq += 1;
        record.prev = Some(hash);
        change(&mut record);
        let account = record.account;
        self.row.learn_records(&account, &[key.sign_record(&record)]);
        self.row.learn_certificate(&account, &step.me.certificate);
        step.put::<Accounts>(&account, &self.row);
    }

    /// Makes a machine one of our devices: its certificate, and the record that lists it. The name that it got.
    pub(crate) fn certify(&mut self, key: &AccountKey, peer: &Peer, step: &mut Step<'_>) -> Nickname {
        let name = self.free_name(&peer.name);
        let certificate = key.sign_certificate(&Certificate {
            account: step.me.account,
            device: peer.device,
            x25519: peer.x25519,
            name: name.clone(),
            added_ms: step.now.wall_ms,
        });
        self.extend(key, |record| record.devices.push(certificate.hash()), step);
        self.row.learn_certificate(&step.me.account, &certificate);
        step.put::<Accounts>(&step.me.account, &self.row);
        name
    }

    /// A device does not count any more: the record that says so.
    pub(crate) fn revoke(&mut self, key: &AccountKey, device: &DeviceId, step: &mut Step<'_>) {
        let Some(hash) = self.row.device(device).map(|device| device.certificate.hash()) else { return };
        let revoke = |record: &mut AccountRecord| {
            record.devices.retain(|listed| *listed != hash);
            record.revoked.push((*device, record.seq));
        };
        self.extend(key, revoke, step);
    }

    /// A name that no other device of ours has or had: this one, or with a number behind it.
    fn free_name(&self, wish: &Nickname) -> Nickname {
        let known = self.row.devices.iter().chain(&self.row.former);
        text::free_name(wish, |name| known.clone().any(|device| device.name.as_str() == name))
    }

    /// Whether this device was ours before the one here, so that it is no news.
    pub(crate) fn was_here_before(&self, device: &Device) -> bool {
        self.born_among.contains(&device.certificate.hash())
    }

    /// Whether another device than this one is ours.
    pub(crate) fn has_others(&self, step: &Step<'_>) -> bool {
        self.row.devices.iter().any(|device| device.id != step.me.device)
    }

    /// Whether this is another device of ours, listed and not revoked.
    pub(crate) fn lists(&self, device: &DeviceId) -> bool {
        self.row.device(device).is_some()
    }

    /// Whether this device was revoked by its account.
    pub(crate) fn is_revoked(&self, step: &Step<'_>) -> bool {
        self.row.revokes(&step.me.device)
    }

    /// Everything known of our account.
    pub(crate) fn row(&self) -> &AccountRow {
        &self.row
    }

    /// A device of ours answered there.
    pub(crate) fn learn_address(&mut self, x25519: &[u8; 32], address: &str, step: &mut Step<'_>) {
        if self.row.device_mut(x25519).is_some_and(|device| device.learn_address(address)) {
            step.put::<Accounts>(&step.me.account, &self.row);
        }
    }

    /// Our vault says where devices of ours are: what a rendezvous shows everybody does not. `true` when that is news.
    pub(crate) fn hear_of_places(&mut self, places: &[Reach], step: &mut Step<'_>) -> bool {
        let mut is_news = false;
        for place in places.iter().filter(|place| place.x25519 != step.me.keys.x25519_public()) {
            let device = self.row.device_mut(&place.x25519);
            is_news |= device.is_some_and(|device| device.hear_of_place(&place.addresses));
        }
        if is_news {
            step.put::<Accounts>(&step.me.account, &self.row);
        }
        is_news
    }

    /// A device of ours is here, or was until now.
    pub(crate) fn saw(&mut self, device: &DeviceId, step: &mut Step<'_>) {
        if self.row.saw(device, step.now.wall_ms) {
            step.put::<Accounts>(&step.me.account, &self.row);
        }
    }

    /// What somebody lacks who knows this record of ours. A restored account that is told of a record it does not know
    /// shows only its certificate: its own, younger chain would look like a second history.
    pub(crate) fn payloads(&self, known: Option<(u64, [u8; 32])>) -> Vec<AccountPayload> {
        match known {
            Some((_, hash)) if !self.row.holds(&hash) && self.row.restored => {
                let mut payloads = self.row.payloads(self.row.known());
                for payload in &mut payloads {
                    payload.records.clear();
                }
                payloads
            }
            _ => self.row.payloads(known),
        }
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

    /// What a rendezvous keeps: the newest records, of which it shows everybody the last, all certificates, and the keys
    /// that mail for this device is sealed to. Whoever knows a name gets it: not where we are.
    pub(crate) fn public(&self, step: &Step<'_>) -> AccountPayload {
        let certificates = self.row.devices.iter().map(|device| device.certificate.clone()).collect();
        let bundle = self.row.device(&step.me.device).and_then(Device::bundle);
        let bundle = bundle.and_then(|signed| signed.verify(&step.me.device).ok());
        let bundles = bundle.map(|bundle| step.me.keys.sign_bundle(&bundle.public())).into_iter().collect();
        AccountPayload { certificates, records: self.row.recent(), bundles }
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

    /// A friend shows which record of ours they hold. When it is our newest, and goes on from what they knew, this device
    /// is listed for good and the account's key has done its work. Who never knew us before confirms nothing.
    pub(crate) fn on_known(&mut self, known: Option<(u64, [u8; 32])>, step: &mut Step<'_>) {
        let is_newest = known.is_some() && known == self.row.known();
        if is_newest && !self.row.holds(&self.first) && self.account_key.take().is_some() {
            step.seal_key();
        }
    }

    /// The hash of our newest record, as others may know it.
    pub(crate) fn known(&self) -> Option<(u64, [u8; 32])> {
        self.row.known()
    }

    /// Somebody shows records of our own account: what another device of ours changed, what this node has forgotten,
    /// restored from an old copy, or never knew, restored from recovery words. We go on from them, if they still name
    /// this device or we can sign that.
    pub(crate) fn adopt(&mut self, payload: &AccountPayload, step: &mut Step<'_>) -> Adopted {
        let account = step.me.account;
        let mut theirs = self.row.clone();
        let mut chain = theirs.learn_records(&account, &payload.records);
        if matches!(chain, Chain::Forked | Chain::Gap) {
            theirs = AccountRow::default();
            chain = theirs.learn_records(&account, &payload.records);
        }
        if chain != Chain::Grown || !self.goes_before(&theirs) {
            return self.learn_devices(payload, step);
        }
        theirs.learn_past(&payload.records);
        for certificate in payload.certificates.iter().chain([&step.me.certificate]) {
            theirs.learn_certificate(&account, certificate);
        }
        let is_listed = theirs.device(&step.me.device).is_some();
        let is_revoked = theirs.revokes(&step.me.device);
        if !is_listed && !is_revoked && self.account_key.is_none() {
            return Adopted::Unable;
        }
        let ours = self.bundle();
        theirs.restored = self.row.restored;
        self.row = theirs;
        if !is_listed
            && !is_revoked
            && let Some(key) = self.account_key.take()
        {
            let profile = Profile { nick: self.nick(step), bio: self.bio() };
            let hash = step.me.certificate.hash();
            let go_on = |record: &mut AccountRecord| {
                record.profile = profile;
                if record.devices.len() >= MAX_DEVICES {
                    record.devices.remove(0);
                }
                record.devices.push(hash);
            };
            self.extend(&key, go_on, step);
            self.account_key = Some(key);
        }
        for bundle in payload.bundles.iter().chain(&ours.bundles) {
            self.row.learn_bundle(bundle);
        }
        step.put::<Accounts>(&account, &self.row);
        if is_revoked { Adopted::Revoked } else { Adopted::WentOn }
    }

    /// Whether another history than ours counts: the longer one; of two that are equally long the same one everywhere,
    /// or the other one if ours has only just been restored.
    fn goes_before(&self, theirs: &AccountRow) -> bool {
        let (Some((their_seq, their_hash)), Some((seq, hash))) = (theirs.known(), self.row.known()) else {
            return theirs.known().is_some();
        };
        let is_restored = self.row.restored && self.row.holds(&self.first) && !theirs.holds(&hash);
        their_seq > seq || their_seq == seq && (is_restored || their_hash < hash)
    }

    /// No newer record: older ones may be, which we never had, and certificates and bundles of our devices.
    fn learn_devices(&mut self, payload: &AccountPayload, step: &mut Step<'_>) -> Adopted {
        let has_past = self.row.learn_past(&payload.records);
        let (devices, former) = (self.row.devices.len(), self.row.former.len());
        for certificate in &payload.certificates {
            self.row.learn_certificate(&step.me.account, certificate);
        }
        let moved = payload.bundles.iter().filter(|bundle| self.row.learn_bundle(bundle)).count() > 0;
        let is_moved = moved || (devices, former) != (self.row.devices.len(), self.row.former.len());
        if has_past || is_moved {
            step.put::<Accounts>(&step.me.account, &self.row);
        }
        match (has_past, is_moved) {
            (true, _) => Adopted::WentOn,
            (false, true) => Adopted::Moved,
            (false, false) => Adopted::Nothing,
        }
    }
}

/// Number and hash of the newest record, and the number of this device's bundle.
pub(crate) type Stamp = (Option<(u64, [u8; 32])>, u64);

/// Whether a restore was too long ago to be still going on. Gives the key up if so.
fn is_over(step: &mut Step<'_>) -> bool {
    let added_ms = step.me.certificate.verify().map_or(0, |certificate| certificate.added_ms);
    let is_over = step.now.wall_ms.saturating_sub(added_ms) >= RESTORE_MS;
    if is_over {
        step.seal_key();
    }
    is_over
}

/// What came of somebody's word about our own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopted {
    /// It is no news.
    Nothing,
    /// Our devices, or where they are.
    Moved,
    /// It is newer than ours, and we lack the account's key to go on from it.
    Unable,
    /// It says that this device does not count any more.
    Revoked,
    /// We went on from it, or can show now what ours goes on from; this device is listed.
    WentOn,
}
