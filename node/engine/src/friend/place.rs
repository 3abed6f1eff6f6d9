//! Where people are: whom to dial for a friend, and at which addresses.

use hobnob_shared::id::AccountId;

use super::{InviteUse, People, Place};
use crate::{
    account::{Accounts, Device},
    reach::Target,
    step::Step,
    work::TransportId,
};

impl People {
    /// Every device that we want a session with, for this account.
    pub(crate) fn targets(&self, account: &AccountId) -> Vec<Target> {
        let Some(row) = self.friends.get(account).filter(|row| row.is_wanted()) else { return Vec::new() };
        // A link comes first: it may lead to a device that we do not know yet, or to somebody who removed us.
        let invite = row.invite.as_ref().filter(|invite| invite.dead.is_none());
        let by_invite = invite.map(|invite| Target::Invite {
            account: *account,
            x25519: invite.x25519.into_array(),
            id: invite.id,
            token: invite.token.clone(),
        });
        let is_other = |device: &&Device| invite.is_none_or(|invite| invite.x25519 != device.x25519);
        let may_know_us = row.they_accepted || invite.is_none();
        let devices = self.devices(account).iter().filter(|_| may_know_us).filter(is_other);
        let by_key = devices.map(|it| Target::Device { account: *account, x25519: it.x25519.into_array() });
        let is_new = |place: &&Place| !self.devices(account).iter().any(|device| device.x25519 == place.x25519);
        let by_vault = row.places.iter().filter(is_new);
        let by_vault = by_vault.map(|it| Target::Device { account: *account, x25519: it.x25519.into_array() });
        by_invite.into_iter().chain(by_key).chain(by_vault).collect()
    }

    /// The device that an invite led to is known and certified: the invite has done its work.
    pub(crate) fn spend_invite(&mut self, account: &AccountId, step: &mut Step<'_>) {
        let invite = self.friends.get(account).and_then(|row| row.invite.as_ref()).filter(|invite| invite.served);
        let Some(x25519) = invite.map(|invite| invite.x25519.into_array()) else {
            return;
        };
        if self.devices(account).iter().any(|device| *device.x25519 == x25519) {
            self.change(account, step, |row| row.invite = None);
        }
    }

    /// The invite that we use for this account was refused. It is not tried again.
    pub(crate) fn bury_invite(&mut self, account: &AccountId, why: &str, step: &mut Step<'_>) {
        self.change(account, step, |row| {
            if let Some(invite) = &mut row.invite {
                invite.dead = Some(why.to_owned());
            }
        });
    }

    /// The invite that we used for this account, if it was refused.
    pub(crate) fn refused_invite(&self, account: &AccountId) -> Option<&InviteUse> {
        self.friends.get(account)?.invite.as_ref().filter(|invite| invite.dead.is_some())
    }

    /// Whether this transport is that of a friend.
    pub(crate) fn has_transport(&self, transport: &TransportId) -> bool {
        let wanted = self.friends.iter().filter(|(_, row)| row.is_wanted());
        let mut devices = wanted.flat_map(|(account, _)| self.devices(account));
        devices.any(|device| device.transport().as_ref() == Some(transport))
    }

    /// The transport of a device, and its addresses, best first.
    pub(crate) fn where_is(&self, account: &AccountId, x25519: &[u8; 32]) -> (Option<TransportId>, Vec<String>) {
        let device = self.devices(account).iter().find(|device| *device.x25519 == *x25519);
        let transport = device.and_then(Device::transport);
        let mut addresses = device.map(Device::addresses).unwrap_or_default();
        let invite = self.friends.get(account).and_then(|row| row.invite.as_ref());
        let row = self.friends.get(account);
        let places = row.into_iter().flat_map(|row| &row.places).filter(|place| *place.x25519 == *x25519);
        let by_vault = places.flat_map(|place| &place.addresses);
        let by_invite = invite.filter(|invite| *invite.x25519 == *x25519);
        for address in by_invite.iter().flat_map(|invite| &invite.addresses).chain(by_vault) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        (transport, addresses)
    }

    /// It answered there.
    pub(crate) fn learn_address(&mut self, account: &AccountId, x25519: &[u8; 32], address: &str, step: &mut Step<'_>) {
        let Some(row) = self.accounts.get_mut(account) else { return };
        if row.device_mut(x25519).is_some_and(|device| device.learn_address(address))
            && self.friends.contains_key(account)
        {
            step.put::<Accounts>(account, row);
        }
    }
}
