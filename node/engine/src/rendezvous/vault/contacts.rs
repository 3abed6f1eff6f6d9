//! Friends as a vault holds them: ours, united with what is in it.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::AccountId,
    limits::{MAX_ADDRESSES, MAX_DEVICES},
    text::Note,
    vault::{Contact, FriendMail, Reach, Rest},
};
use serde_bytes::ByteArray;

use crate::{
    Parts,
    account::Device,
    friend::{FriendRow, People, Place},
    step::{News, Signal, Step},
};

/// A prekey in a vault is replaced when it is of another week than the newest: it may be used for 8 days after it was made
/// without being looked up (see [`crate::mail`]).
const WEEK_MS: u64 = 7 * 86_400_000;

impl Parts {
    /// Friends, and those whom we blocked, as a vault holds them.
    pub(super) fn contacts(&self, step: &Step<'_>) -> Vec<Contact> {
        let kept = |row: &FriendRow| !row.removed && (row.blocked || row.is_mutual());
        let kept = self.people.friends().filter(|(_, row)| kept(row));
        let contact = |(account, row): (&AccountId, &FriendRow)| {
            let mut devices = places(self.people.devices(account));
            if devices.is_empty() {
                devices = row.places.iter().map(Place::reach).collect();
            }
            Contact {
                account: *account,
                handle: row.handle.clone(),
                verified: row.verified,
                blocked: row.blocked,
                devices,
                name: row.name.clone(),
                height: self.conversations.height_of(account),
                mail: self.mail_for_vault(account, step),
                rest: Rest::default(),
            }
        };
        kept.map(contact).collect()
    }

    /// When this friend was there last, or something was said to or by them, in ms since the epoch.
    pub(super) fn heard_ms(&self, account: &AccountId) -> u64 {
        let seen = self.people.friend(account).and_then(|row| row.last_seen_ms);
        seen.max(self.conversations.active_ms(account)).unwrap_or(0)
    }
}

/// Ours count, and theirs where we know nothing of the person. Whom we removed is gone.
pub(super) fn unite(ours: Vec<Contact>, theirs: &[Contact], people: &People) -> Vec<Contact> {
    let mut united: BTreeMap<AccountId, Contact> =
        theirs.iter().map(|contact| (contact.account, contact.clone())).collect();
    united.retain(|account, _| people.friend(account).is_none_or(|row| !row.removed));
    for mut contact in ours {
        if let Some(before) = united.get(&contact.account) {
            contact.rest.clone_from(&before.rest);
            contact.name = contact.name.or_else(|| before.name.clone());
            contact.height = contact.height.max(before.height);
            contact.mail = unite_mail(contact.mail.take(), before.mail.clone());
        }
        united.insert(contact.account, contact);
    }
    united.into_values().collect()
}

/// Whose record is newer says which devices there are, and of each the newer bundle counts; ours, where they are the same.
fn unite_mail(ours: Option<FriendMail>, theirs: Option<FriendMail>) -> Option<FriendMail> {
    let (ours, theirs) = match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours, theirs),
        (ours, theirs) => return ours.or(theirs),
    };
    let seq = |mail: &FriendMail| mail.record.verify().map_or(0, |record| record.seq);
    let is_newer = ours.record != theirs.record && seq(&theirs) > seq(&ours);
    let (mut united, others) = if is_newer { (theirs, ours) } else { (ours, theirs) };
    for device in &mut united.devices {
        let Some(other) = others.devices.iter().find(|other| other.certificate == device.certificate) else { continue };
        if other.seq > device.seq || (is_newer && other.seq == device.seq) {
            (device.seq, device.tickets) = (other.seq, other.tickets.clone());
        }
        let prekeys = device.prekeys.iter().chain(&other.prekeys);
        device.prekeys = prekeys.max_by_key(|prekey| prekey.id).cloned().into_iter().collect();
    }
    Some(united)
}

/// Contacts without what changes too often for a vault to be written for it: every session tells a bundle with another
/// number, and every day one with another prekey, of which only the week counts.
pub(super) fn lasting(contacts: &[Contact]) -> Vec<Contact> {
    let mut contacts = contacts.to_vec();
    for device in contacts.iter_mut().filter_map(|contact| contact.mail.as_mut()).flat_map(|mail| &mut mail.devices) {
        let prekeys = std::mem::take(&mut device.prekeys);
        device.seq = prekeys.iter().map(|prekey| prekey.expiry_ms / WEEK_MS).max().unwrap_or(0);
    }
    contacts
}

/// A friend of another machine of ours: they accepted our account, which this machine is as well.
pub(super) fn adopt_contact(contact: Contact, people: &mut People, step: &mut Step<'_>) {
    let Contact { account, handle, verified, blocked, devices, name, .. } = contact;
    people.add(account, Note::default(), true, step);
    people.change(&account, step, |row| {
        (row.verified, row.blocked) = (verified, blocked);
        row.places = devices.into_iter().map(Place::from).collect();
        row.name = name;
    });
    // Somebody else may be called so here; then they keep the name that they got.
    let _ = people.rename(&account, &handle, step);
    step.signal(Signal::Friendship(account));
    step.signal(Signal::News(account, News::Added));
}

/// Where these devices say that they are.
pub(super) fn places(devices: &[Device]) -> Vec<Reach> {
    let reach = |device: &Device| {
        let mut addresses = device.told_addresses().to_vec();
        addresses.truncate(MAX_ADDRESSES);
        Reach { x25519: device.x25519.into_array(), addresses }
    };
    devices.iter().take(MAX_DEVICES).map(reach).collect()
}

impl Place {
    fn reach(&self) -> Reach {
        Reach { x25519: self.x25519.into_array(), addresses: self.addresses.clone() }
    }
}

impl From<Reach> for Place {
    fn from(reach: Reach) -> Self {
        Self { x25519: ByteArray::new(reach.x25519), addresses: reach.addresses }
    }
}
