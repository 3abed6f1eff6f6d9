//! Mail to friends whom only a vault told of: what the vault holds of their mailboxes, and what a machine that has never met
//! them makes of it. Theirs is the last word: whatever a device says itself replaces what a vault says of it.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    identity::Prekey,
    limits::{MAX_DEVICES, PREKEY_KEEP_MS},
    vault::{DeviceMail, FriendMail},
    wire::AccountPayload,
};

use super::post::{Away, CROWDED_MS, Why};
use crate::{Parts, account::Device, around, command::WaitReason, rendezvous::LookUp, step::Step, view::Fault};

/// A letter that cannot be sealed to a fresh prekey yet is looked at again after this long, when there may be look-ups left.
const NO_LOOK_UPS_MS: u64 = 3_600_000;

impl Parts {
    /// What mail to a friend needs, for a vault; `None` where no device of theirs has told of a mailbox.
    pub(crate) fn mail_for_vault(&self, account: &AccountId, step: &Step<'_>) -> Option<FriendMail> {
        let known = self.people.account(account).filter(|_| self.people.syncs(account))?;
        let devices: Vec<_> = known.devices.iter().take(MAX_DEVICES).map(|it| self.device_mail(it, step)).collect();
        let record = known.newest_record()?.clone();
        devices.iter().any(|device| device.seq > 0).then_some(FriendMail { record, devices })
    }

    fn device_mail(&self, device: &Device, step: &Step<'_>) -> DeviceMail {
        let (seq, tickets) = self.mail.tickets.told(&device.id).map_or((0, &[][..]), |told| told);
        let prekey = if tickets.is_empty() { None } else { self.newest_prekey(device, step.now.wall_ms) };
        DeviceMail {
            certificate: device.certificate.clone(),
            seq,
            tickets: tickets.to_vec(),
            prekeys: prekey.into_iter().collect(),
        }
    }

    /// Takes what a vault says of a friend's mailboxes. Who they are it says only where nothing is known of them.
    pub(crate) fn adopt_mail(
        &mut self,
        account: &AccountId,
        mail: &FriendMail,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        if !self.people.syncs(account) {
            return Ok(());
        }
        if self.people.account(account).is_none_or(|known| known.newest.is_none()) {
            let records = vec![mail.record.clone()];
            let certificates = mail.devices.iter().map(|device| device.certificate.clone()).collect();
            let payload = AccountPayload { records, certificates, bundles: Vec::new() };
            self.learn_account(account, &payload, None, step);
        }
        for told in &mail.devices {
            let device = told.certificate.claimed_device().ok().filter(|device| self.people.lists(account, device));
            if let Some(device) = device {
                let learned = self.mail.tickets.adopt(account, &device, told, step);
                self.on_learned(account, &device, learned, step)?;
            }
        }
        Ok(())
    }

    /// Before the first letter to a device of which only a vault told, whoever has the friend's name is looked up: the
    /// vault's prekey may be old, and they may have other machines by now. `true`: nothing goes yet.
    pub(super) fn looks_up_first(&mut self, to: Away, has_entries: bool, step: &mut Step<'_>) -> bool {
        if !self.mail.tickets.is_hearsay(&to.device) {
            return false;
        }
        let is_fresh = self.has_fresh_prekey(to, step);
        if is_fresh && !has_entries {
            return false;
        }
        match self.refresh_by_name(&to.account, step) {
            LookUp::Running => {
                self.mail.post.plan(to.chat, step.now.mono_ms + CROWDED_MS);
                true
            }
            LookUp::PutOff if !is_fresh => {
                let words =
                    "the key that mail to them is sealed with may be too old; their name is looked up within the hour";
                self.hold(to, Some(NO_LOOK_UPS_MS), Why::new(WaitReason::NotTaken, words), step);
                true
            }
            LookUp::PutOff | LookUp::Over => false,
        }
    }

    /// Before a letter that holds nothing but who this machine is: its mailbox for them is to be in it. `true`: they get it
    /// when that is there.
    pub(super) fn has_no_box_yet(&self, to: Away) -> bool {
        let boxes = &self.mail.boxes;
        let is_coming = self.rendezvous.has_name() && !boxes.has(&to.account);
        self.mail.tickets.untold_hearsay().any(|(_, device)| *device == to.device)
            && (is_coming || boxes.is_making(&to.account))
    }

    /// The process ends soon: friends of whom only a vault told are told of this machine now.
    pub(crate) fn hurry_cards(&mut self, now_ms: u64) {
        self.mail.is_ending = true;
        let chats: Vec<u32> =
            self.untold().filter_map(|(account, _)| Some(self.conversations.chat_of(account)?.number)).collect();
        chats.into_iter().for_each(|chat| self.mail.post.plan(chat, now_ms));
    }

    /// Whether some are being told, or are to be as soon as that can be done.
    pub(crate) fn is_telling_cards(&self) -> bool {
        let boxes = &self.mail.boxes;
        let can_be = |account: &AccountId| !boxes.is_making(account) || boxes.is_making_any(|_| true, &self.rendezvous);
        let has_failed = |device: &DeviceId| self.mail.post.waits.contains_key(device);
        self.untold().any(|(account, device)| can_be(account) && !has_failed(device))
    }

    /// Devices of friends that no session reaches and that were not told of this machine, of which only a vault told.
    fn untold(&self) -> impl Iterator<Item = (&AccountId, &DeviceId)> {
        let is_away = |account: &AccountId, device: &Device| !self.sessions.has_device(account, &device.x25519);
        self.mail.tickets.untold_hearsay().filter(move |(account, id)| {
            let device = self.people.account(account).and_then(|known| known.device(id));
            self.people.syncs(account) && device.is_some_and(|device| is_away(account, device))
        })
    }

    /// Whether what is sealed to the newest prekey of a device can be opened whenever it is fetched: a prekey lives 30
    /// days, and one that is older than 8 may have been replaced so long ago that its secret half goes before the mail does.
    fn has_fresh_prekey(&self, to: Away, step: &Step<'_>) -> bool {
        let now = step.now.wall_ms;
        let around = around!(self);
        let device = around.account(&to.account).and_then(|known| known.device(&to.device));
        let prekey = device.and_then(|device| self.newest_prekey(device, now));
        prekey.is_some_and(|prekey| prekey.expiry_ms >= now.saturating_add(PREKEY_KEEP_MS))
    }

    /// The newest prekey of a device that is not over, from its public bundle or from what it told us alone.
    pub(super) fn newest_prekey(&self, device: &Device, now_ms: u64) -> Option<Prekey> {
        let told = self.mail.tickets.prekeys(&device.id).iter().cloned();
        let usable = |prekey: &Prekey| prekey.expiry_ms > now_ms;
        device.prekeys().into_iter().chain(told).filter(usable).max_by_key(|prekey| prekey.id)
    }
}
