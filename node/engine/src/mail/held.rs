//! Mail that a carrier did not take: why, when it is tried again, and what the person is told meanwhile.

use hobnob_shared::{
    id::DeviceId,
    wire::{ErrorCode, ServerFrame},
};

use super::post::{Away, Flight};
use crate::{
    Parts,
    command::{DeliveryState, Queued},
    rendezvous::Failed,
    step::Step,
    view::Fault,
};

/// A full mailbox is tried again after this long: its owner may have been there.
const FULL_WAIT_MS: u64 = 3_600_000;

impl Parts {
    pub(super) fn on_not_kept(
        &mut self,
        to: Away,
        flight: &Flight,
        answer: &Result<ServerFrame, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        if flight.has_receipt {
            self.mail.owed.undo(to.chat, to.device);
        }
        let host = &flight.host;
        let (wait_ms, why) = match answer {
            Err(Failed::Refused(ErrorCode::NotFound)) => {
                self.mail.tickets.drop_mailbox(&to.device, &flight.mailbox, step);
                self.forget_carried(&to.account, to.device, step)?;
                (Some(1), format!("their mailbox at {host} is gone; it goes out when they connect"))
            }
            Err(Failed::Refused(ErrorCode::Quota)) => {
                (Some(FULL_WAIT_MS), format!("their mailbox at {host} is full until they have been there"))
            }
            Err(Failed::Refused(ErrorCode::RateLimited { retry_ms })) => {
                (Some((*retry_ms).clamp(1, FULL_WAIT_MS)), format!("{host} takes mail for them more slowly"))
            }
            Err(Failed::Refused(ErrorCode::Expired)) => {
                (Some(FULL_WAIT_MS), format!("what {host} would keep for them has expired"))
            }
            Err(Failed::Refused(code)) => {
                (None, format!("{host} does not take mail for them (code {})", code.number()))
            }
            Err(Failed::Unreached(_) | Failed::Disowned | Failed::Revoked | Failed::Silent) => {
                (self.elsewhere(to.device, flight), format!("{host}, which keeps their mail, is not reached"))
            }
            Err(Failed::Unsupported(_)) => (
                self.elsewhere(to.device, flight),
                format!("{host}, which keeps their mail, speaks another version than we do"),
            ),
            Err(Failed::Untrusted(_)) => (
                self.elsewhere(to.device, flight),
                format!("whoever answers at {host} is not the rendezvous that they named"),
            ),
            Ok(_) => (None, format!("{host} answers nonsense")),
        };
        self.hold(to, wait_ms, why, step);
        Ok(())
    }

    /// Without a wait where another carrier may be reached.
    fn elsewhere(&mut self, device: DeviceId, flight: &Flight) -> Option<u64> {
        self.mail.tickets.on_unreached(&device, flight.mailbox).then_some(1)
    }

    pub(super) fn hold(&mut self, to: Away, wait_ms: Option<u64>, why: String, step: &Step<'_>) {
        let until_ms = self.mail.post.wait(to.device, wait_ms, why, step.now.mono_ms);
        self.mail.post.plan(to.chat, until_ms);
    }

    /// What a carrier does, or does not do, for a message in the outbox.
    pub(crate) fn say_why_it_waits(&self, queued: &mut Queued) {
        let handle = &queued.message.chat;
        let Ok(account) = self.people.find(handle) else { return };
        if !self.people.syncs(&account) || !self.sessions.of(&account).is_empty() {
            return;
        }
        let state = queued.message.delivery.map(|delivery| delivery.state);
        if state >= Some(DeliveryState::Delivered) {
            return; // one of their devices has it, and it is said which ones lack it
        }
        let mut whys = self.people.devices(&account).iter().filter_map(|device| self.mail.post.waits.get(&device.id));
        match whys.next() {
            _ if state == Some(DeliveryState::Stored) => {
                queued.why = format!("kept for {handle} at a rendezvous until they are there");
            }
            Some(wait) => queued.why = format!("{handle} is not reachable, and {}", wait.why),
            None => {}
        }
    }
}
