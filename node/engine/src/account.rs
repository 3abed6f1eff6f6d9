//! What is known of an account: its chain of records, its certified devices, and where each of them was reached.
//!
//! Everything here was signed by somebody; nothing enters a row before its signature was checked.

mod device;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::{SignedBundle, SignedCertificate, SignedRecord, past},
    limits::{MAX_DEVICES, MAX_PAST_BYTES, MAX_PAST_RECORDS, MAX_RECORDS, MAX_REVOKED},
    text::{Nickname, Note},
    wire::AccountPayload,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

pub(crate) use self::device::Device;
use crate::{row::Table, tables::TableId};

/// Most records of one account that are kept; older ones go. A friend who was away for longer keeps the old profile
/// until the account is added again.
const MAX_CHAIN: usize = 256;

/// Account → what is known of it.
#[derive(Debug)]
pub(crate) struct Accounts;

impl Table for Accounts {
    const ID: TableId = TableId::Accounts;
    type Key = AccountId;
    type Value = AccountRow;
}

/// What is known of an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AccountRow {
    /// Records without a gap, newest last.
    chain: Vec<SignedRecord>,
    /// What the newest one says.
    pub(crate) newest: Option<Newest>,
    /// The devices that it lists and whose certificate is here.
    pub(crate) devices: Vec<Device>,
    /// The other history, while the person has not decided.
    rival: Vec<SignedRecord>,
    /// Of our own account only: it was restored from recovery words, so friends may know a history that we do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) restored: bool,
    /// Devices that were revoked: what they wrote before is still theirs.
    #[serde(default)]
    pub(crate) former: Vec<Device>,
}

/// What the newest record of a chain says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Newest {
    pub(crate) seq: u64,
    pub(crate) hash: ByteArray<32>,
    pub(crate) nick: Nickname,
    pub(crate) bio: Note,
    certificates: Vec<ByteArray<32>>,
    revoked: Vec<DeviceId>,
}

/// What records did to a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    /// Nothing new.
    Same,
    /// It grew.
    Grown,
    /// Signed, and contradicting what is held.
    Forked,
    /// Signed and newer, but what lies between is missing.
    Gap,
    /// Not a valid record of this account.
    Bad,
}

impl AccountRow {
    /// An account of which nothing is known but these records, oldest first.
    pub(crate) fn begin(records: &[SignedRecord]) -> Option<(AccountId, Self)> {
        let account = records.last()?.verify().ok()?.account;
        let mut row = Self::default();
        row.learn_records(&account, records);
        Some((account, row))
    }

    /// Takes records of `account`, oldest first. Stops at the first that does not fit.
    pub(crate) fn learn_records(&mut self, account: &AccountId, records: &[SignedRecord]) -> Chain {
        let mut result = Chain::Same;
        for (index, signed) in records.iter().enumerate() {
            if self.chain.iter().any(|held| held == signed) {
                continue;
            }
            match self.learn_record(account, signed) {
                Chain::Same => {}
                Chain::Grown => result = Chain::Grown,
                Chain::Forked => {
                    self.rival = records.get(index..).unwrap_or_default().to_vec();
                    result = Chain::Forked;
                    break;
                }
                other @ (Chain::Gap | Chain::Bad) => {
                    result = if result == Chain::Grown { Chain::Grown } else { other };
                    break;
                }
            }
        }
        self.prune();
        result
    }

    fn learn_record(&mut self, account: &AccountId, signed: &SignedRecord) -> Chain {
        let Ok(record) = signed.verify() else { return Chain::Bad };
        if record.account != *account {
            return Chain::Bad;
        }
        if let Some(newest) = &self.newest {
            let first = newest.seq.saturating_sub(self.chain.len().saturating_sub(1) as u64);
            if record.seq <= newest.seq {
                // Equal ones were skipped before, and what is older than all that is held cannot be compared.
                return if record.seq < first { Chain::Same } else { Chain::Forked };
            }
            if record.seq > newest.seq + 1 {
                return Chain::Gap;
            }
            if record.prev != Some(newest.hash.into_array()) {
                return Chain::Forked;
            }
        }
        self.newest = Some(Newest {
            seq: record.seq,
            hash: ByteArray::new(signed.hash()),
            nick: record.profile.nick,
            bio: record.profile.bio,
            certificates: record.devices.into_iter().map(ByteArray::new).collect(),
            revoked: record.revoked.into_iter().map(|(device, _)| device).collect(),
        });
        self.chain.push(signed.clone());
        if self.chain.len() > MAX_CHAIN {
            self.chain.remove(0);
        }
        Chain::Grown
    }

    /// Records that lead up to our first: an earlier device's, which this one never had.
    pub(crate) fn learn_past(&mut self, records: &[SignedRecord]) -> bool {
        let Some(first) = self.chain.first() else { return false };
        let mut before = past(first, records);
        before.drain(..(before.len() + self.chain.len()).saturating_sub(MAX_CHAIN).min(before.len()));
        let is_longer = !before.is_empty();
        self.chain.splice(..0, before);
        is_longer
    }

    /// The newest records, oldest first, so many as others are to keep. See [`past`].
    pub(crate) fn recent(&self) -> Vec<SignedRecord> {
        let Some((newest, before)) = self.chain.split_last() else { return Vec::new() };
        let mut room = MAX_PAST_BYTES;
        let fits = |signed: &&SignedRecord| {
            room.checked_sub(signed.bytes.len()).is_some_and(|left| {
                room = left;
                true
            })
        };
        let kept = before.iter().rev().take(MAX_PAST_RECORDS).take_while(fits).count();
        before.iter().skip(before.len() - kept).chain([newest]).cloned().collect()
    }

    /// After the person has compared keys: the history that came last counts.
    pub(crate) fn settle_rival(&mut self, account: &AccountId) {
        let rival = std::mem::take(&mut self.rival);
        let (devices, former) = (self.devices.clone(), self.former.clone());
        let mut fresh = Self { devices, former, ..Self::default() };
        fresh.learn_records(account, &rival);
        if fresh.newest.as_ref().map(|newest| newest.seq) >= self.newest.as_ref().map(|newest| newest.seq) {
            *self = fresh;
        }
    }

    /// Devices that the newest record does not list any more are gone; those that it revokes are remembered.
    fn prune(&mut self) {
        let Some(newest) = &self.newest else { return };
        for device in std::mem::take(&mut self.devices) {
            if newest.lists(&device.certificate, &device.id) {
                self.devices.push(device);
            } else if newest.revoked.contains(&device.id) {
                self.former.push(device);
            }
        }
    }

    /// Takes the certificate of a device that the newest record lists or revokes. Which one when it is listed and new.
    pub(crate) fn learn_certificate(&mut self, account: &AccountId, signed: &SignedCertificate) -> Option<DeviceId> {
        if self.devices.iter().chain(&self.former).any(|device| device.certificate == *signed) {
            return None;
        }
        let certificate = signed.verify().ok()?;
        let newest = self.newest.as_ref().filter(|_| certificate.account == *account)?;
        let is_listed = newest.lists(signed, &certificate.device) && self.devices.len() < MAX_DEVICES;
        let is_former = newest.revoked.contains(&certificate.device) && self.former.len() < MAX_REVOKED;
        let id = certificate.device;
        let device = Device::new(certificate, signed.clone());
        if is_listed {
            self.devices.push(device);
        } else if is_former {
            self.former.push(device);
        }
        is_listed.then_some(id)
    }

    /// Takes a bundle of a certified device when it is newer. `true` when it was.
    pub(crate) fn learn_bundle(&mut self, signed: &SignedBundle) -> bool {
        let Ok(claimed) = signed.claimed_device() else { return false };
        let Some(device) = self.devices.iter_mut().find(|device| device.id == claimed) else { return false };
        match signed.verify(&device.id) {
            Ok(bundle) if bundle.tickets.is_empty() => device.learn_bundle(signed, bundle),
            // Mailboxes are told to one friend: such a bundle is not for everybody, and would be passed on.
            Ok(bundle) => device.learn_told_place(bundle),
            Err(_) => false,
        }
    }

    /// Everything that we can pass on, from after the record that the other side knows, in frames that are small enough.
    pub(crate) fn payloads(&self, known: Option<(u64, [u8; 32])>) -> Vec<AccountPayload> {
        let mut payloads: Vec<_> = self
            .records_after(known)
            .chunks(MAX_RECORDS)
            .map(|records| AccountPayload { records: records.to_vec(), ..AccountPayload::default() })
            .collect();
        let mut last = payloads.pop().unwrap_or_default();
        let certified = self.devices.iter().chain(&self.former);
        last.certificates = certified.map(|device| device.certificate.clone()).collect();
        last.bundles = self.devices.iter().filter_map(|device| device.bundle().cloned()).collect();
        payloads.push(last);
        payloads
    }

    /// The same in one frame, for somebody who never heard of this account.
    pub(crate) fn introduction(&self) -> AccountPayload {
        let skip = self.chain.len().saturating_sub(MAX_RECORDS);
        let newest = self.chain.get(skip..).unwrap_or_default().to_vec();
        let mut payload = self.payloads(self.known()).pop().unwrap_or_default();
        payload.records = newest;
        payload
    }

    /// What another device of our own account lacks that knows this record: as [`Self::payloads`], and each frame says
    /// whose it is.
    pub(crate) fn shared(&self, known: Option<(u64, [u8; 32])>) -> Vec<AccountPayload> {
        let mut payloads = self.payloads(known);
        for payload in payloads.iter_mut().filter(|payload| payload.records.is_empty()) {
            payload.records.extend(self.chain.last().cloned());
        }
        payloads
    }

    /// The records that the other side lacks: all of them when it knows none, or one that is not in our chain.
    fn records_after(&self, known: Option<(u64, [u8; 32])>) -> &[SignedRecord] {
        let place = known.and_then(|(_, hash)| self.chain.iter().rposition(|record| record.hash() == hash));
        place.map_or(self.chain.as_slice(), |place| self.chain.get(place + 1..).unwrap_or_default())
    }

    /// Whether the newest of these records is an old one of our chain.
    pub(crate) fn is_ahead_of(&self, records: &[SignedRecord]) -> bool {
        records.last().is_some_and(|last| self.chain.last() != Some(last) && self.chain.contains(last))
    }

    /// Whether this is the hash of a record of the chain, or of the one that its first record follows: what a login made
    /// begins with the record that lists it.
    pub(crate) fn holds(&self, hash: &[u8; 32]) -> bool {
        let first = self.chain.first().and_then(|record| record.verify().ok());
        let follows = first.is_some_and(|record| record.prev == Some(*hash));
        follows || self.chain.iter().any(|record| record.hash() == *hash)
    }

    /// The newest record: what we tell its account that we know.
    pub(crate) fn known(&self) -> Option<(u64, [u8; 32])> {
        self.newest.as_ref().map(|newest| (newest.seq, newest.hash.into_array()))
    }

    /// Number of the newest record, and the hash of all that is known: two nodes with the same know the same.
    pub(crate) fn digest(&self) -> Option<(u64, [u8; 32])> {
        let newest = self.newest.as_ref()?;
        let mut hasher = blake3::Hasher::new_derive_key("hobnob/known-account/1");
        hasher.update(newest.hash.as_slice());
        let mut devices: Vec<_> = self.devices.iter().map(|device| (device.id, device.bundle_seq())).collect();
        devices.extend(self.former.iter().map(|device| (device.id, u64::MAX)));
        devices.sort_unstable();
        for (id, bundle_seq) in devices {
            hasher.update(id.as_bytes());
            hasher.update(&bundle_seq.to_be_bytes());
        }
        Some((newest.seq, *hasher.finalize().as_bytes()))
    }

    /// The newest record itself.
    pub(crate) fn newest_record(&self) -> Option<&SignedRecord> {
        self.chain.last()
    }

    /// The device with this id, if the account lists it.
    pub(crate) fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == *id)
    }

    /// Whether the newest record revokes this device.
    pub(crate) fn revokes(&self, id: &DeviceId) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.revoked.contains(id))
    }

    /// How many devices the newest record revokes.
    pub(crate) fn revoked(&self) -> usize {
        self.newest.as_ref().map_or(0, |newest| newest.revoked.len())
    }

    /// The device with this id, listed or revoked.
    pub(crate) fn any_device(&self, id: &DeviceId) -> Option<&Device> {
        self.device(id).or_else(|| self.former.iter().find(|device| device.id == *id))
    }

    /// A session with this device was up then. `true` when it is one of the account's.
    pub(crate) fn saw(&mut self, id: &DeviceId, now_ms: u64) -> bool {
        let device = self.devices.iter_mut().find(|device| device.id == *id);
        device.map(|device| device.seen_ms = Some(now_ms)).is_some()
    }

    /// The device with this Noise key.
    pub(crate) fn device_mut(&mut self, x25519: &[u8; 32]) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| *device.x25519 == *x25519)
    }
}

impl Newest {
    fn lists(&self, certificate: &SignedCertificate, device: &DeviceId) -> bool {
        let hash = certificate.hash();
        self.certificates.iter().any(|listed| **listed == hash) && !self.revoked.contains(device)
    }
}

#[cfg(test)]
mod tests;
