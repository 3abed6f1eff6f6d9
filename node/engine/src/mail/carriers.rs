//! What carriers tell of themselves. One that was restored from a backup has lost what was left there since, and is another
//! one from then on, by its own word: whatever of ours was there and did not arrive is left again.
//!
//! Where we have a name, every session with it begins with that word. Elsewhere it is asked as a guest, over the link over
//! which the mail goes.

use std::collections::BTreeMap;

use hobnob_shared::{
    id::{AccountId, DeviceId},
    wire::ServerFrame,
};

use super::{
    Asked,
    post::{Away, MAX_WAIT_MS},
};
use crate::{
    Parts,
    rendezvous::{Failed, Lane, Purpose, ServerKey},
    step::Step,
    view::Fault,
};

/// A carrier that has mail of ours is asked again after this long: as often as a session as our account is renewed, which
/// tells the same.
const ASK_AGAIN_MS: u64 = 3_600_000;

/// A carrier that is another one each time it is asked would have all mail left again and again. Nobody restores more often;
/// what it tells meanwhile counts after this long.
const LEAVE_AGAIN_MS: u64 = 3_600_000;

/// What was heard since the start.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    told: BTreeMap<ServerKey, u64>,
    /// When the carrier of each device's mail was asked last, in `mono_ms`.
    asked: BTreeMap<DeviceId, u64>,
    /// When mail was left again at each, in `mono_ms`.
    left_again: BTreeMap<ServerKey, u64>,
}

impl Carriers {
    pub(super) fn told(&self, server: &ServerKey) -> Option<u64> {
        self.told.get(server).copied()
    }
}

impl Parts {
    /// A carrier told what it is. One of an older version tells nothing, and nothing follows from that.
    pub(crate) fn on_carrier(
        &mut self,
        server: &ServerKey,
        generation: Option<u64>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Some(told) = generation else { return Ok(()) };
        let carriers = &mut self.mail.carriers;
        carriers.told.insert(*server, told);
        let now = step.now.mono_ms;
        if carriers.left_again.get(server).is_some_and(|at| now - at < LEAVE_AGAIN_MS) {
            return Ok(());
        }
        let gone = self.mail.tickets.on_generation(server, told, step);
        if !gone.is_empty() {
            self.mail.carriers.left_again.insert(*server, now);
        }
        for (account, device) in gone {
            self.leave_again(&account, device, step)?;
        }
        Ok(())
    }

    /// Whatever a carrier had for this device may be gone, and what is under way there does not make up for it.
    pub(super) fn leave_again(
        &mut self,
        account: &AccountId,
        device: DeviceId,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        if let Some(flight) = self.mail.post.flights.get_mut(&device) {
            flight.marks.clear();
        }
        self.forget_carried(account, device, step)?;
        self.mail_instead(account, step);
        Ok(())
    }

    /// Mail for this device is kept somewhere: whether it still is, is asked now and then.
    pub(super) fn watch_carrier(&mut self, to: Away, step: &mut Step<'_>) {
        let Some(address) = self.mail.tickets.carrier(&to.device) else { return };
        let now = step.now.mono_ms;
        let is_asked = self.mail.carriers.asked.get(&to.device).is_some_and(|at| now - at < ASK_AGAIN_MS);
        let server = self.rendezvous.meet(&address);
        if !is_asked && self.rendezvous.own_name(&server).is_none() {
            let lane = self.mail.post.lane(to.device);
            self.ask_carrier(to, server, lane, step);
        }
    }

    /// Asks it, unless it says so itself.
    pub(super) fn ask_carrier(&mut self, to: Away, server: ServerKey, lane: Lane, step: &mut Step<'_>) {
        if self.rendezvous.own_name(&server).is_some() {
            return;
        }
        let now = step.now.mono_ms;
        self.mail.carriers.asked.insert(to.device, now);
        self.mail.post.plan(to.chat, now + ASK_AGAIN_MS);
        let purpose = Purpose::Mail(Asked::Carrier(to.chat, to.device));
        self.rendezvous.ask(server, lane, ServerFrame::StatusGet, purpose, step);
    }

    pub(super) fn on_carrier_answer(
        &mut self,
        server: &ServerKey,
        (chat, device): (u32, DeviceId),
        answer: &Result<ServerFrame, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let Ok(ServerFrame::Status(status)) = answer else {
            self.mail.carriers.asked.remove(&device);
            self.mail.post.plan(chat, step.now.mono_ms + MAX_WAIT_MS);
            return Ok(());
        };
        self.on_carrier(server, status.generation(), step)
    }
}
