//! New devices of friends, on their way to the person. Mail and our own devices may bring word of one that was revoked since:
//! before the person hears of it, what else lies at the rendezvous is taken in, and what is being asked is answered.

use hobnob_shared::id::{AccountId, DeviceId};

use crate::{Parts, account::AccountRow, event::Event, step::Step};

/// Those that the person is not told of yet. No more of them than devices of friends.
#[derive(Debug, Default)]
pub(crate) struct NewDevices(Vec<(AccountId, DeviceId)>);

impl Parts {
    /// A friend has a device that we did not know. `is_live`: a device of theirs says so over a session, and knows best.
    pub(crate) fn on_new_device(&mut self, account: AccountId, device: DeviceId, is_live: bool, step: &mut Step<'_>) {
        if is_live {
            self.tell_new_device(&account, &device, step);
        } else {
            self.new_devices.0.push((account, device));
        }
    }

    /// At the end of a batch: tells of those of which nothing more is to be heard now.
    pub(crate) fn tell_new_devices(&mut self, step: &mut Step<'_>) {
        for (account, device) in std::mem::take(&mut self.new_devices.0) {
            if self.is_looked_up(&account) || !self.rendezvous.is_caught_up() {
                self.new_devices.0.push((account, device));
            } else {
                self.tell_new_device(&account, &device, step);
            }
        }
    }

    /// Of one that is gone again there is nothing to tell.
    fn tell_new_device(&self, account: &AccountId, device: &DeviceId, step: &mut Step<'_>) {
        let known = self.people.account(account).filter(|_| self.people.friend(account).is_some());
        if let Some(listed) = known.and_then(|known: &AccountRow| known.device(device)) {
            let (chat, device_name) = (self.people.handle(account), listed.name.as_str().to_owned());
            step.event(Event::FriendNewDevice { chat, device_name, device: *device });
        }
    }
}
