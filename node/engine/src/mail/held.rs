//! Mail that a carrier did not take: why, and when it is tried again.

use hobnob_shared::{
    id::DeviceId,
    wire::{ErrorCode, ServerFrame},
};

use super::post::{Away, Flight, Why};
use crate::{Parts, command::WaitReason, rendezvous::Failed, step::Step, view::Fault};

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
        let (wait_ms, reason, words) = match answer {
            Err(Failed::Refused(ErrorCode::NotFound)) => {
                self.mail.tickets.drop_mailbox(&to.device, &flight.mailbox, step);
                self.forget_carried(&to.account, to.device, step)?;
                (Some(1), WaitReason::MailboxGone, format!("their mailbox at {host} is gone"))
            }
            Err(Failed::Refused(ErrorCode::Quota)) => {
                let words = format!("their mailbox at {host} is full until they have been there");
                (Some(FULL_WAIT_MS), WaitReason::MailboxFull, words)
            }
            Err(Failed::Refused(ErrorCode::RateLimited { retry_ms })) => {
                let words = format!("{host} takes mail for them more slowly");
                (Some((*retry_ms).clamp(1, FULL_WAIT_MS)), WaitReason::NotTaken, words)
            }
            Err(Failed::Refused(ErrorCode::Expired)) => {
                let words = format!("what {host} would keep for them has expired");
                (Some(FULL_WAIT_MS), WaitReason::NotTaken, words)
            }
            Err(Failed::Refused(code)) => {
                let words = format!("{host} does not take mail for them (code {})", code.number());
                (None, WaitReason::NotTaken, words)
            }
            Err(Failed::Unreached(_) | Failed::Disowned | Failed::Revoked | Failed::Silent) => {
                let words = format!("{host}, which keeps their mail, is not reached");
                (self.elsewhere(to.device, flight), WaitReason::NoRendezvous, words)
            }
            Err(Failed::Unsupported(_)) => {
                let words = format!("{host}, which keeps their mail, speaks another version than we do");
                (self.elsewhere(to.device, flight), WaitReason::NotTaken, words)
            }
            Err(Failed::Untrusted(_)) => {
                let words = format!("whoever answers at {host} is not the rendezvous that they named");
                (self.elsewhere(to.device, flight), WaitReason::NotTaken, words)
            }
            Ok(_) => (None, WaitReason::NotTaken, format!("{host} answers nonsense")),
        };
        let why = Why { reason, words };
        self.hold(to, wait_ms, why, step);
        Ok(())
    }

    /// Without a wait where another carrier may be reached.
    fn elsewhere(&mut self, device: DeviceId, flight: &Flight) -> Option<u64> {
        self.mail.tickets.on_unreached(&device, flight.mailbox).then_some(1)
    }

    pub(super) fn hold(&mut self, to: Away, wait_ms: Option<u64>, why: Why, step: &Step<'_>) {
        let until_ms = self.mail.post.wait(to.device, wait_ms, why, step.now.mono_ms);
        self.mail.post.plan(to.chat, until_ms);
    }
}
