//! Friends as a vault holds them: ours, united with what is in it.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::AccountId,
    limits::{MAX_ADDRESSES, MAX_DEVICES},
    text::Note,
    vault::{Contact, Reach, Rest},
};
use serde_bytes::ByteArray;

use crate::{
    Parts,
    account::Device,
    friend::{FriendRow, People, Place},
    step::{News, Signal, Step},
};

impl Parts {
    /// Friends, and those whom we blocked, as a vault holds them.
    pub(super) fn contacts(&self) -> Vec<Contact> {
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
                rest: Rest::default(),
            }
        };
        kept.map(contact).collect()
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
        }
        united.insert(contact.account, contact);
    }
    united.into_values().collect()
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
