//! What a rendezvous answered goes to whoever asked.

use hobnob_shared::wire::{ErrorCode, ServerFrame, rendezvous::Status};
use serde_bytes::ByteArray;

use super::{
    Lane, Rendezvous, ServerKey,
    calls::{Answered, Failed, Outcome, Purpose},
};
use crate::{
    Parts,
    command::{Refusal, Reply},
    event::Event,
    own::Adopted,
    step::{Signal, Step},
    view::Fault,
    work::Ticket,
};

impl Parts {
    /// Routes it.
    pub(crate) fn on_served(&mut self, outcome: Outcome, step: &mut Step<'_>) -> Result<(), Fault> {
        let Outcome { server, purpose, answer } = outcome;
        match purpose {
            Purpose::Front(ticket) => self.rendezvous.answer_front(&server, ticket, answer, step),
            Purpose::Status => return self.on_status(server, answer, step),
            Purpose::Errand(id) => return self.on_errand(id, answer, step),
            Purpose::OwnName => return self.on_own_name(&server, answer, step),
            Purpose::Account => return self.on_account_put(&server, &answer, step),
            Purpose::Knocks => return self.on_knocks_answer(server, answer, step),
            Purpose::Presence(ending) => {
                if answer.is_err() {
                    self.presence.on_refused(&server, ending, step);
                }
            }
            Purpose::Mail(asked) => return self.on_mail_answer(server, asked, answer, step),
            Purpose::VaultGet => return self.on_vault(server, answer, step),
            Purpose::Release(ticket) => self.rendezvous.on_release(server, ticket, answer, step),
            Purpose::VaultPut => self.rendezvous.on_vault_put(&server, &answer, step),
            Purpose::Probe => self.rendezvous.on_probed(&server, &answer, step),
            Purpose::Quiet => {}
        }
        Ok(())
    }

    /// A session as our account has begun. Only now it counts: the version fits, and names are signed as before.
    fn on_status(
        &mut self,
        server: ServerKey,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let checked = match answer.map(|answered| *answered.frame) {
            Ok(ServerFrame::Status(status)) => {
                self.rendezvous.check_status(&server, &status, step).map(|()| (status.time_ms, status.generation()))
            }
            Ok(_) => Err(Failed::Unreached("it answers nonsense".to_owned())),
            Err(failed) => Err(failed),
        };
        let (time_ms, generation) = match checked {
            Ok(told) => told,
            Err(failed) => {
                self.rendezvous.distrust(&server, &failed, step);
                return Ok(());
            }
        };
        self.rendezvous.on_reached(&server, step);
        self.rendezvous.tell_misplaced(&server, step);
        self.begin_presence(server, time_ms, step);
        // These first: a device that has just been made may not be known there yet, and would be refused the rest.
        self.rendezvous.ask_own_name(server, step);
        self.rendezvous.put_account(&self.own, step);
        self.rendezvous.ask_knocks(server, step);
        self.mail_reached(server, step);
        self.rendezvous.begin_vault(server, step);
        self.on_generation(server, generation, step)?;
        self.tell_accepted(step)
    }

    /// What the rendezvous shows others under our own name.
    fn on_own_name(
        &mut self,
        server: &ServerKey,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        let is_nameless = matches!(answer, Err(Failed::Refused(ErrorCode::NotFound)));
        let Ok(ServerFrame::Name(answer)) = answer.map(|answered| *answered.frame) else {
            if is_nameless {
                self.rendezvous.set_nameless(server, true);
            }
            return Ok(()); // hidden, or gone, or too many look-ups: nothing to compare
        };
        self.rendezvous.set_nameless(server, false);
        let Some((name, _)) = self.rendezvous.own_name(server) else { return Ok(()) };
        let shown = self.rendezvous.full_name(server, &name);
        let known = match self.rendezvous.check_name(server, &name, &answer) {
            Ok(known) => known,
            Err(failed) => {
                let message = format!("{shown}: {}; others may be shown a wrong key for you", failed.words());
                step.event(Event::Warning { chat: None, message });
                return Ok(());
            }
        };
        if known.binding.account != step.me.account {
            let message = format!(
                "{shown} belongs to another key now: whoever looks you up there finds somebody else; tell your friends, \
                 and ask its operator why"
            );
            step.event(Event::Warning { chat: None, message });
            return Ok(());
        }
        self.rendezvous.compare_name(server, &known, &mut self.people, step)?;
        self.rendezvous.keep_name(server, &known, step);
        let before = self.own.devices().to_vec();
        match self.own.adopt(&answer.account, step) {
            Adopted::Nothing => {}
            Adopted::Moved => {
                self.tell_devices(&before, step);
                step.signal(Signal::Devices(step.me.account));
            }
            Adopted::Revoked => self.on_revoked(step),
            // Said once: it is the same each time that it turns us away.
            Adopted::Unable if self.rendezvous.is_forgotten(server) => {}
            Adopted::Unable => {
                let message = format!(
                    "{shown}: a newer record of your account is there, which does not list this device: {} lists it again, and \
                     /devices shows which others there are",
                    self.rendezvous.login_again(server)
                );
                step.event(Event::Warning { chat: None, message });
            }
            Adopted::WentOn => {
                self.tell_devices(&before, step);
                step.signal(Signal::Devices(step.me.account));
                self.tell_everybody(&self.own.payloads(None), step);
            }
        }
        // Else when that has come.
        if self.rendezvous.is_comparing() { Ok(()) } else { self.tell_lost_devices(step) }
    }

    /// What the rendezvous says to our account's newest record and this device's bundle.
    fn on_account_put(
        &mut self,
        server: &ServerKey,
        answer: &Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        match answer {
            Ok(_) if self.rendezvous.is_ready(server) => self.rendezvous.on_known(server, step),
            // The session has ended since, perhaps because the name was given up right after.
            Ok(_) => {}
            Err(
                Failed::Unreached(_) | Failed::Untrusted(_) | Failed::Unsupported(_) | Failed::Silent | Failed::Revoked,
            ) => {}
            Err(Failed::Disowned | Failed::Refused(ErrorCode::Denied)) => return self.on_denied(server, step),
            Err(Failed::Refused(ErrorCode::Conflict)) => {
                let host = self.rendezvous.host(server);
                let message = format!(
                    "{host} holds another history of your account than this node: a copy of this profile may be in use \
                     elsewhere"
                );
                step.event(Event::Warning { chat: None, message });
            }
            // Another device of ours has told it more than this one knows.
            Err(Failed::Refused(ErrorCode::Stale { .. })) => self.rendezvous.ask_own_name(*server, step),
            Err(Failed::Refused(code)) => tracing::debug!(?code, "a rendezvous does not take our account"),
        }
        Ok(())
    }

    /// It does not know this device. Where it does not know our name either, our mailboxes are gone there.
    fn on_denied(&mut self, server: &ServerKey, step: &mut Step<'_>) -> Result<(), Fault> {
        let was_forgotten = self.rendezvous.is_forgotten(server);
        self.rendezvous.on_forgotten(server);
        self.rendezvous.distrust(server, &Failed::closed(ErrorCode::Denied), step);
        match self.rendezvous.lost_name(server) {
            Some(_) if !was_forgotten => self.mail_lost(server, step),
            Some(_) | None => Ok(()),
        }
    }
}

impl Rendezvous {
    fn answer_front(&self, server: &ServerKey, ticket: Ticket, answer: Result<Answered, Failed>, step: &mut Step<'_>) {
        let reply = answer.map(|Answered { frame, session }| Reply::Answered { frame, session });
        step.reply(ticket, reply.map_err(|failed| self.refusal(server, &failed)));
    }

    /// What came of it, in words that name the host.
    pub(super) fn refusal(&self, server: &ServerKey, failed: &Failed) -> Refusal {
        let is_denied = *failed == Failed::Refused(ErrorCode::Denied);
        let failed = if is_denied && self.is_forgotten(server) { &Failed::Disowned } else { failed };
        let (host, refusal) = (self.host(server), failed.refusal(&self.host(server)));
        match (failed, self.lost_name(server)) {
            (Failed::Disowned, Some(lost)) if self.is_forgotten(server) => {
                Refusal { message: format!("{host} {lost}"), ..refusal }
            }
            _ => refusal,
        }
    }

    pub(super) fn ask_own_name(&mut self, server: ServerKey, step: &mut Step<'_>) {
        if let Some((name, _)) = self.own_name(&server) {
            let request = ServerFrame::NameGet(hobnob_shared::wire::rendezvous::NameGet { name, since: None });
            self.ask(server, Lane::Account, request, Purpose::OwnName, step);
        }
    }

    /// Whether it is one that we can talk to, and the one that we know.
    pub(super) fn check_status(
        &mut self,
        server: &ServerKey,
        status: &Status,
        step: &mut Step<'_>,
    ) -> Result<(), Failed> {
        status.check_versions().map_err(Failed::Unsupported)?;
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
        if let (Failed::Untrusted(_), true) = (why, self.servers.get(server).is_some()) {
            let message = format!("{}: {}", self.host(server), why.words());
            step.event(Event::Warning { chat: None, message });
        }
        for link in self.links_of(server, Lane::Account) {
            self.end(link, Some(why.clone()), step);
        }
        self.tell(server, step);
    }
}
