//! What a rendezvous answered goes to whoever asked.

use hobnob_shared::wire::{ServerFrame, rendezvous::Status};
use serde_bytes::ByteArray;

use super::{
    Lane, Rendezvous, ServerKey,
    calls::{Answered, Failed, Outcome, Purpose},
};
use crate::{
    Parts,
    command::{Refusal, Reply},
    event::Event,
    step::Step,
    view::Fault,
    work::Ticket,
};

/// The version of the protocol that we speak.
const VERSION: u8 = 1;

impl Parts {
    /// Routes it.
    pub(crate) fn on_served(&mut self, outcome: Outcome, step: &mut Step<'_>) -> Result<(), Fault> {
        let Outcome { server, purpose, answer } = outcome;
        match purpose {
            Purpose::Front(ticket) => self.rendezvous.answer_front(&server, ticket, answer, step),
            Purpose::Status => self.rendezvous.on_status(&server, answer, step),
        }
        Ok(())
    }
}

impl Rendezvous {
    fn answer_front(&self, server: &ServerKey, ticket: Ticket, answer: Result<Answered, Failed>, step: &mut Step<'_>) {
        let reply = answer.map(|Answered { frame, session }| Reply::Answered { frame, session });
        step.reply(ticket, reply.map_err(|failed| self.refusal(server, &failed)));
    }

    /// What came of it, in words that name the host.
    pub(super) fn refusal(&self, server: &ServerKey, failed: &Failed) -> Refusal {
        let host = self.servers.get(server).map_or("the rendezvous", |row| row.address.host());
        failed.refusal(host)
    }

    /// A session as our account has begun. Only now it counts: the version fits, and names are signed as before.
    fn on_status(&mut self, server: &ServerKey, answer: Result<Answered, Failed>, step: &mut Step<'_>) {
        let status = match answer.map(|answered| *answered.frame) {
            Ok(ServerFrame::Status(status)) => status,
            Ok(_) => return self.distrust(server, &Failed::Unreached("it answers nonsense".to_owned()), step),
            Err(failed) => {
                tracing::debug!(?failed, "a rendezvous does not say what it is");
                return;
            }
        };
        match self.check_status(server, &status, step) {
            Ok(()) => self.on_reached(server, step),
            Err(failed) => self.distrust(server, &failed, step),
        }
    }

    /// Whether it is one that we can talk to, and the one that we know.
    pub(super) fn check_status(
        &mut self,
        server: &ServerKey,
        status: &Status,
        step: &mut Step<'_>,
    ) -> Result<(), Failed> {
        let (oldest, newest) = status.versions;
        if !(oldest..=newest).contains(&VERSION) {
            let which = if newest < VERSION { "its operator should update it" } else { "update hobnob" };
            let words =
                format!("it speaks versions {oldest} to {newest} of the protocol, and we speak {VERSION}: {which}");
            return Err(Failed::Unreached(words));
        }
        let Some(row) = self.servers.get(server) else {
            return Err(Failed::Unreached("it is not used any more".to_owned()));
        };
        match &row.signing_key {
            Some(pinned) if **pinned == status.signing_key => Ok(()),
            Some(_) => {
                let message =
                    "it signs names with another key than before; ask its operator why, and take it away and \
                               set it anew only if that is right"
                        .to_owned();
                Err(Failed::Untrusted(message))
            }
            None => {
                let key = ByteArray::new(status.signing_key);
                self.servers.change(server, step, |row| row.signing_key = Some(key));
                Ok(())
            }
        }
    }

    /// Ends our account's session with a rendezvous that is not what it should be, and says so once.
    fn distrust(&mut self, server: &ServerKey, why: &Failed, step: &mut Step<'_>) {
        if let (Failed::Untrusted(_), Some(row)) = (why, self.servers.get(server)) {
            let message = format!("{}: {}", row.address.host(), why.words());
            step.event(Event::Warning { chat: None, message });
        }
        for link in self.links_of(server, Lane::Account) {
            self.end(link, Some(why.clone()), step);
        }
        self.tell(server, step);
    }
}
