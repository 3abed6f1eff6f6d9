//! What an account says of itself: its newest record, certificates, bundles; and when it was last here.

use std::collections::BTreeSet;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::{AccountRecord, SignedBundle, SignedCertificate, SignedRecord, past},
    limits::{MAX_DEVICES, MAX_PAST_RECORDS, MAX_PUBLIC_BUNDLE_BYTES},
    text::Username,
    wire::{AccountPayload, ErrorCode},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{
    knock, leaving,
    limits::{DAY_MS, FORGET_ROWS, NAME_BYTES, Policy, ROW_BYTES, SILENT_DAYS},
    name,
    row::{Key as _, table},
    step::{Served, Step, encode},
    usage::{charge, earliest_ahead, recount, refund},
    vault,
    view::Fault,
};

/// A registered account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccountRow {
    #[serde(rename = "n")]
    pub(crate) name: Username,
    #[serde(rename = "r")]
    record: SignedRecord,
    #[serde(rename = "s")]
    seq: u64,
    /// What the record says, so that it need not be verified again: hashes of certificates, and who is revoked.
    #[serde(rename = "d")]
    devices: Vec<ByteArray<32>>,
    #[serde(rename = "x")]
    revoked: Vec<DeviceId>,
    #[serde(rename = "c")]
    certificates: Vec<SignedCertificate>,
    /// Day of the last session, since the epoch.
    #[serde(rename = "t")]
    seen_day: u32,
    /// Bytes that are counted for this row and the name. It is true when the row is written, which is once a day at least.
    #[serde(rename = "b", default = "counted_once")]
    counted: u64,
}

/// What was counted for each account before it was counted what it takes.
fn counted_once() -> u64 {
    2 * ROW_BYTES
}

table!(Accounts: AccountId => AccountRow);
table!(Bundles: (AccountId, DeviceId) => SignedBundle);
table!(Past: (AccountId, u64) => SignedRecord);
table!(LastSeen: (u32, AccountId) => ());

impl AccountRow {
    /// Whether the account stands by a device.
    pub(crate) fn lists(&self, certificate_hash: &[u8; 32], device: &DeviceId) -> bool {
        self.devices.iter().any(|hash| **hash == *certificate_hash) && !self.revoked.contains(device)
    }

    /// The devices that showed their certificates, which are those that strangers hear of.
    pub(crate) fn known_devices(&self) -> BTreeSet<DeviceId> {
        // They were verified when they came.
        self.certificates.iter().filter_map(|signed| signed.claimed_device().ok()).collect()
    }

    /// Record and certificates: what everybody may see.
    fn payload(&self) -> AccountPayload {
        let (records, certificates) = (vec![self.record.clone()], self.certificates.clone());
        AccountPayload { records, certificates, bundles: Vec::new() }
    }
}

/// The account, if it is registered here.
pub(crate) fn get(step: &Step<'_>, account: &AccountId) -> Served<Option<AccountRow>> {
    Ok(step.get::<Accounts>(account)?)
}

/// The account that a name is of. Both rows are written together.
pub(crate) fn named(step: &Step<'_>, account: &AccountId) -> Served<AccountRow> {
    get(step, account)?.ok_or_else(|| Fault::Damaged("a name's account is missing".into()).into())
}

/// The same with the bundles of its devices: what a stranger needs to write to it.
pub(crate) fn public(step: &Step<'_>, account: &AccountId, row: &AccountRow) -> Served<AccountPayload> {
    let bundles = step.under::<Bundles>(account, MAX_DEVICES)?;
    Ok(AccountPayload { bundles: bundles.into_iter().map(|(_, bundle)| bundle).collect(), ..row.payload() })
}

/// The records that follow the one with this hash, for whoever knows it: its owner told them that one, and tells friends
/// the others too.
pub(crate) fn add_since(
    step: &Step<'_>,
    account: &AccountId,
    since: &[u8; 32],
    payload: &mut AccountPayload,
) -> Served<()> {
    let before: Vec<_> = past_of(step, account)?.into_iter().map(|(_, record)| record).collect();
    if let Some(place) = before.iter().position(|record| record.hash() == *since) {
        payload.records.splice(..0, before.into_iter().skip(place + 1));
    }
    Ok(())
}

/// What a device that was never here needs to go on from: as in [`AccountRow::payload`], with the records before.
pub(crate) fn whole(step: &Step<'_>, account: &AccountId, row: &AccountRow) -> Served<AccountPayload> {
    let mut payload = row.payload();
    let before = past_of(step, account)?;
    payload.records.splice(..0, before.into_iter().map(|(_, record)| record));
    Ok(payload)
}

/// A newly registered account. The payload must hold a record of it.
pub(crate) fn register(
    step: &mut Step<'_>,
    policy: &Policy,
    account: &AccountId,
    name: Username,
    payload: AccountPayload,
) -> Served<()> {
    let (signed, record) = newest(account, &payload)?.ok_or(ErrorCode::Malformed)?;
    let seen_day = day(step.now_ms);
    let row = AccountRow {
        name,
        record: signed.clone(),
        seq: 0,
        devices: Vec::new(),
        revoked: Vec::new(),
        certificates: Vec::new(),
        seen_day,
        counted: 0,
    };
    step.put::<LastSeen>(&(seen_day, *account), &());
    apply(step, policy, account, row, Some((signed, record)), payload)
}

/// Takes what an account says of itself anew. What is older than what is there changes nothing.
pub(crate) fn update(step: &mut Step<'_>, policy: &Policy, account: &AccountId, payload: AccountPayload) -> Served<()> {
    let row = get(step, account)?.ok_or(ErrorCode::Denied)?;
    let newer = match newest(account, &payload)? {
        Some((_, record)) if record.seq < row.seq => return Err(ErrorCode::Stale { seq: row.seq }.into()),
        Some((signed, record)) if record.seq == row.seq => {
            if signed.hash() != row.record.hash() {
                return Err(ErrorCode::Conflict.into());
            }
            None
        }
        newer => newer,
    };
    apply(step, policy, account, row, newer, payload)
}

/// Whether a payload holds a newer record than is here, and that one stands by a device.
pub(crate) fn admits(
    step: &Step<'_>,
    account: &AccountId,
    payload: &AccountPayload,
    (certificate, device): (&[u8; 32], &DeviceId),
) -> Served<bool> {
    let Some(row) = get(step, account)? else { return Ok(false) };
    let newer = newest(account, payload)?.map(|(_, record)| record).filter(|record| record.seq > row.seq);
    Ok(newer.is_some_and(|record| {
        record.devices.contains(certificate) && record.revoked.iter().all(|(revoked, _)| revoked != device)
    }))
}

/// That an account was here today.
pub(crate) fn touch(step: &mut Step<'_>, account: &AccountId, row: &AccountRow) -> Served<()> {
    let today = day(step.now_ms);
    // A day that is not yet is of a clock that was ahead: see [`earliest_ahead`].
    let is_ahead = earliest_ahead(step).is_some() && row.seen_day > today + 1;
    if row.seen_day < today || is_ahead {
        step.remove::<LastSeen>(&(row.seen_day, *account));
        step.put::<LastSeen>(&(today, *account), &());
        store(step, u64::MAX, account, AccountRow { seen_day: today, ..row.clone() })?;
    }
    Ok(())
}

/// Removes an account and all that is kept for it; of its mail some, and the rest later.
pub(crate) fn release(step: &mut Step<'_>, account: &AccountId) -> Served<()> {
    let row = get(step, account)?.ok_or(ErrorCode::Denied)?;
    for device in row.known_devices() {
        remove_bundle(step, account, &device)?;
    }
    for (key, record) in past_of(step, account)? {
        remove_past(step, account, &key, &record)?;
    }
    // A device may have had mailboxes here without ever having shown its certificate to us.
    leaving::begin_all(step, account)?;
    knock::delete_all(step, account)?;
    vault::remove(step, account)?;
    name::remove(step, &row.name)?;
    refund(step, account, row.counted)?;
    step.remove::<LastSeen>(&(row.seen_day, *account));
    step.remove::<Accounts>(account);
    Ok(())
}

/// Removes some of the accounts that nobody used for two years. The others go a minute later: there is time.
pub(crate) fn expire(step: &mut Step<'_>) -> Served<bool> {
    let end = day(step.now_ms).saturating_sub(SILENT_DAYS).to_bytes();
    // Each is a piece of work: only a few at a time.
    for ((seen_day, account), ()) in step.whole_between::<LastSeen>(&[], Some(&end), FORGET_ROWS / 64)? {
        if get(step, &account)?.is_some() {
            release(step, &account)?;
        }
        step.remove::<LastSeen>(&(seen_day, account));
    }
    Ok(false)
}

/// The newest record of a payload, if it has any; it must be of this account and well signed.
fn newest(account: &AccountId, payload: &AccountPayload) -> Served<Option<(SignedRecord, AccountRecord)>> {
    let Some(signed) = payload.records.last() else { return Ok(None) };
    let record = signed.verify().map_err(|_| ErrorCode::Malformed)?;
    if record.account != *account {
        return Err(ErrorCode::Denied.into());
    }
    Ok(Some((signed.clone(), record)))
}

fn apply(
    step: &mut Step<'_>,
    policy: &Policy,
    account: &AccountId,
    mut row: AccountRow,
    newer: Option<(SignedRecord, AccountRecord)>,
    payload: AccountPayload,
) -> Served<()> {
    let mut room = policy.disk_bytes;
    if let Some((signed, record)) = newer {
        if record.revoked.len() > row.revoked.len() {
            // That a device is cut off counts, however full the disk is.
            room = u64::MAX;
        }
        let before = std::mem::replace(&mut row.record, signed);
        let known: Vec<_> = payload.records.iter().chain([&before]).cloned().collect();
        keep_past(step, policy, account, (&row.record, record.seq), known)?;
        row.seq = record.seq;
        row.devices = record.devices.iter().copied().map(ByteArray::new).collect();
        row.revoked = record.revoked.iter().map(|(device, _)| *device).collect();
    }
    let before = std::mem::take(&mut row.certificates);
    let before = before.into_iter().map(|signed| (signed, true));
    for (signed, is_verified) in before.chain(payload.certificates.into_iter().map(|signed| (signed, false))) {
        if row.certificates.contains(&signed) {
            continue;
        }
        let device = if is_verified { claimed(&signed)? } else { verified(account, &signed)? };
        if !row.lists(&signed.hash(), &device) {
            remove_device(step, account, &device)?;
        } else if row.certificates.len() < MAX_DEVICES {
            row.certificates.push(signed);
        }
    }
    let devices = row.known_devices();
    for bundle in payload.bundles {
        put_bundle(step, policy, account, &devices, bundle)?;
    }
    store(step, room, account, row)
}

/// Writes the row, and counts what it takes, in the place of what it took. It takes 40 KiB at most, and an account that is
/// full of mail can still say which devices it has; only the room that all accounts have together bounds it.
fn store(step: &mut Step<'_>, room: u64, account: &AccountId, mut row: AccountRow) -> Served<()> {
    let bytes = encode(&row).len() as u64 + ROW_BYTES + NAME_BYTES;
    recount(step, room, account, (row.counted, bytes))?;
    row.counted = bytes;
    step.put::<Accounts>(account, &row);
    Ok(())
}

/// The device of a certificate that was verified when it came: a device list is told often, and its signatures are the
/// dearest of all that a frame can ask for.
fn claimed(signed: &SignedCertificate) -> Served<DeviceId> {
    signed.claimed_device().map_err(|_| ErrorCode::Malformed.into())
}

/// The device of a certificate that this account signed.
fn verified(account: &AccountId, signed: &SignedCertificate) -> Served<DeviceId> {
    let certificate = signed.verify().map_err(|_| ErrorCode::Malformed)?;
    if certificate.account == *account { Ok(certificate.device) } else { Err(ErrorCode::Denied.into()) }
}

/// Takes a device's bundle, which strangers will be given: no tickets in it, and newer than the one before.
fn put_bundle(
    step: &mut Step<'_>,
    policy: &Policy,
    account: &AccountId,
    devices: &BTreeSet<DeviceId>,
    signed: SignedBundle,
) -> Served<()> {
    if signed.bytes.len() > MAX_PUBLIC_BUNDLE_BYTES {
        return Err(ErrorCode::TooLarge.into());
    }
    let device = signed.claimed_device().map_err(|_| ErrorCode::Malformed)?;
    if !devices.contains(&device) {
        return Err(ErrorCode::Denied.into());
    }
    let bundle = signed.verify(&device).map_err(|_| ErrorCode::Malformed)?;
    if !bundle.tickets.is_empty() {
        return Err(ErrorCode::Malformed.into());
    }
    if let Some(before) = step.get::<Bundles>(&(*account, device))? {
        let seq = before.verify(&device).map_or(0, |before| before.seq);
        if bundle.seq < seq {
            return Err(ErrorCode::Stale { seq }.into());
        }
        refund(step, account, before.bytes.len() as u64 + ROW_BYTES)?;
    }
    charge(step, policy, account, signed.bytes.len() as u64 + ROW_BYTES)?;
    step.put::<Bundles>(&(*account, device), &signed);
    Ok(())
}

type PastKey = (AccountId, u64);

/// The records before the newest one, oldest first.
fn past_of(step: &Step<'_>, account: &AccountId) -> Served<Vec<(PastKey, SignedRecord)>> {
    Ok(step.under::<Past>(account, MAX_PAST_RECORDS)?)
}

/// Keeps what leads up to the newest record, as far as there is room.
fn keep_past(
    step: &mut Step<'_>,
    policy: &Policy,
    account: &AccountId,
    (newest, seq): (&SignedRecord, u64),
    mut known: Vec<SignedRecord>,
) -> Served<()> {
    for (key, record) in past_of(step, account)? {
        remove_past(step, account, &key, &record)?;
        known.push(record);
    }
    for (number, record) in (0..seq).rev().zip(past(newest, &known).into_iter().rev()) {
        if charge(step, policy, account, record.bytes.len() as u64 + ROW_BYTES).is_err() {
            // The newest record counts, whatever is left of an account's room.
            break;
        }
        step.put::<Past>(&(*account, number), &record);
    }
    Ok(())
}

fn remove_past(step: &mut Step<'_>, account: &AccountId, key: &PastKey, record: &SignedRecord) -> Served<()> {
    refund(step, account, record.bytes.len() as u64 + ROW_BYTES)?;
    step.remove::<Past>(key);
    Ok(())
}

/// Removes what is kept for a device that does not count any more.
fn remove_device(step: &mut Step<'_>, account: &AccountId, device: &DeviceId) -> Served<()> {
    remove_bundle(step, account, device)?;
    leaving::begin(step, &(*account, *device))
}

fn remove_bundle(step: &mut Step<'_>, account: &AccountId, device: &DeviceId) -> Served<()> {
    if let Some(bundle) = step.get::<Bundles>(&(*account, *device))? {
        refund(step, account, bundle.bytes.len() as u64 + ROW_BYTES)?;
        step.remove::<Bundles>(&(*account, *device));
    }
    Ok(())
}

/// The day of a time, since the epoch.
fn day(ms: u64) -> u32 {
    u32::try_from(ms / DAY_MS).unwrap_or(u32::MAX)
}
