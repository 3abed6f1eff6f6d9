//! Where somebody is, a friend or another device of ours: what reach asks for either alike.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    text::Handle,
};

use crate::{
    Around,
    account::{AccountRow, Device},
    reach::Target,
    work::TransportId,
};

impl<'a> Around<'a> {
    /// Everything known of an account, ours too.
    pub(crate) fn account(&self, account: &AccountId) -> Option<&'a AccountRow> {
        if *account == self.me { Some(self.own.row()) } else { self.people.account(account) }
    }

    /// How an account is called: a friend's name, or `@me`.
    pub(crate) fn handle(&self, account: &AccountId) -> Handle {
        let ours = || Handle::parse("me").ok();
        let own = (*account == self.me).then(ours).flatten();
        own.unwrap_or_else(|| self.people.handle(account))
    }

    /// Every device that we want a session with, for this account. A device that was revoked wants none.
    pub(crate) fn targets(&self, account: &AccountId) -> Vec<Target> {
        if self.own.row().revokes(&self.device) {
            return Vec::new();
        }
        if *account != self.me {
            return self.people.targets(account);
        }
        let others = self.own.devices().iter().filter(|device| device.id != self.device);
        others.map(|device| Target::Device { account: *account, x25519: device.x25519.into_array() }).collect()
    }

    /// The transport of a device, and its addresses, best first.
    pub(crate) fn where_is(&self, account: &AccountId, x25519: &[u8; 32]) -> (Option<TransportId>, Vec<String>) {
        if *account != self.me {
            return self.people.where_is(account, x25519);
        }
        let device = self.own.devices().iter().find(|device| *device.x25519 == *x25519);
        (device.and_then(Device::transport), device.map(Device::addresses).unwrap_or_default())
    }

    /// Whether messages may flow to this device now: of a friend, nothing in doubt, or another one of ours.
    pub(crate) fn syncs(&self, account: &AccountId, device: &DeviceId) -> bool {
        if *account == self.me {
            return *device != self.device && self.own.lists(device);
        }
        self.people.syncs(account) && self.people.lists(account, device)
    }

    /// Devices that what we write is for: a friend's, nothing in doubt, or our other ones.
    pub(crate) fn recipients(&self, account: &AccountId) -> impl Iterator<Item = &'a Device> {
        let devices = self.account(account).map_or(&[][..], |row| row.devices.as_slice());
        let (around, account) = (*self, *account);
        devices.iter().filter(move |device| around.syncs(&account, &device.id))
    }

    /// Whether this transport is that of a friend, or of a device of ours.
    pub(crate) fn has_transport(&self, transport: &TransportId) -> bool {
        let is_it = |device: &Device| device.transport().as_ref() == Some(transport);
        self.people.has_transport(transport) || self.own.devices().iter().any(is_it)
    }
}
