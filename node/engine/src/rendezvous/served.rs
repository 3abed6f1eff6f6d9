//! What a rendezvous answered goes to whoever asked.

use hobnob_shared::{
    identity::fingerprint,
    rendezvous::NameAt,
    text::Note,
    wire::{ErrorCode, ServerFrame, rendezvous::Status},
};
use serde_bytes::ByteArray;

use super::{
    Lane, Rendezvous, ServerKey,
    calls::{Answered, Failed, Outcome, Purpose},
    errand::{Aim, Errand, Next},
    names::Known,
    refusal,
};
use crate::{
    Parts, around,
    command::{Code, Found, Refusal, Reply},
    event::Event,
    friend::People,
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

    fn on_errand(&mut self, id: u64, answer: Result<Answered, Failed>, step: &mut Step<'_>) -> Result<(), Fault> {
        self.carry_on(id, answer, step)?;
        if self.rendezvous.errands.get(id).is_none() {
            self.rendezvous.leave_errand(id, step);
            self.rendezvous.begin_errands(step);
        }
        Ok(())
    }

    fn carry_on(&mut self, id: u64, answer: Result<Answered, Failed>, step: &mut Step<'_>) -> Result<(), Fault> {
        let went = match self.rendezvous.advance(id, answer, step) {
            Ok(Next::On) => return Ok(()),
            Ok(Next::Known) => self.on_key_known(id, step)?,
            Ok(Next::Stored) => return self.on_stored(id, step),
            Err(failed) => Err(failed),
        };
        self.end_errand(id, went, step)
    }

    /// An errand that failed is over.
    pub(super) fn end_errand(&mut self, id: u64, went: Result<(), Failed>, step: &mut Step<'_>) -> Result<(), Fault> {
        if let Err(failed) = went
            && let Some(errand) = self.rendezvous.errands.take(id)
        {
            if let Aim::Learn(account) = &errand.aim {
                self.warn_gap(account, step);
            }
            if let (Aim::Accept(account), Failed::Refused(ErrorCode::NotFound)) = (&errand.aim, &failed) {
                self.rendezvous.errands.on_absent(*account, step.now.mono_ms);
            }
            if let Aim::Add(..) = errand.aim {
                // A mailbox that was made for whom it was to ask is of no use.
                self.mail.on_people_changed();
            }
            self.rendezvous.give_up(errand, &failed, step);
        }
        Ok(())
    }

    /// It is known whose name it is.
    fn on_key_known(&mut self, id: u64, step: &mut Step<'_>) -> Result<Result<(), Failed>, Fault> {
        let Some(Errand { server, aim, known: Some(known), .. }) = self.rendezvous.errands.get(id) else {
            return Ok(Ok(()));
        };
        let (server, aim, known) = (*server, aim.clone(), known.clone());
        self.rendezvous.compare_name(&server, &known, &mut self.people, step)?;
        let account = known.binding.account;
        Ok(match aim {
            Aim::Find(ticket) => {
                if account == step.me.account {
                    // Restored from recovery words, we may know nothing of what our account became.
                    self.refresh(&account, &known.row.introduction(), step);
                }
                let found = self.found(&server, &known, step);
                step.reply(ticket, found.ok_or_else(|| Refusal::new(Code::NotFound, "that rendezvous is gone")));
                self.rendezvous.errands.take(id);
                Ok(())
            }
            Aim::Add(..) => self.ask_by_name(id, step),
            Aim::Accept(to) if to == account => {
                self.refresh(&account, &known.row.introduction(), step);
                let mut content = self.rendezvous.letter(&server, &account, Note::default(), &self.own, step);
                self.enclose_places(&account, &mut content, step);
                let contents = self.shortened(&account, content, step);
                self.rendezvous.prepare(id, &contents, step)
            }
            Aim::Learn(of) if of == account => {
                self.rendezvous.errands.take(id);
                self.on_gap_answered(&account, &known.row.introduction(), step);
                Ok(())
            }
            Aim::Refresh(of) if of == account => {
                self.rendezvous.errands.take(id);
                self.refresh(&account, &known.row.introduction(), step);
                Ok(())
            }
            Aim::Accept(_) | Aim::Learn(_) | Aim::Refresh(_) => {
                Err(Failed::Untrusted("the name is somebody else's now".to_owned()))
            }
        })
    }

    fn found(&self, server: &ServerKey, known: &Known, step: &Step<'_>) -> Option<Reply> {
        let account = known.binding.account;
        let nick = known.row.newest.as_ref()?.nick.clone();
        Some(Reply::Found(Box::new(Found {
            name: known.binding.name.clone(),
            server: self.rendezvous.servers.get(server)?.address.clone(),
            called: self.rendezvous.host(server),
            account,
            nick,
            fingerprint: fingerprint(&account),
            devices: known.row.devices.len(),
            friend: self.people.friend(&account).map(|row| row.handle.clone()),
            is_me: account == step.me.account,
        })))
    }

    /// The rendezvous has stored our request.
    fn on_stored(&mut self, id: u64, step: &mut Step<'_>) -> Result<(), Fault> {
        let Some(Errand { server, aim, known: Some(known), .. }) = self.rendezvous.errands.take(id) else {
            return Ok(());
        };
        let account = known.binding.account;
        match aim {
            Aim::Find(_) | Aim::Learn(_) | Aim::Refresh(_) => {}
            Aim::Add(ticket, note) => {
                self.rendezvous.keep_name(&server, &known, step);
                let at = NameAt { name: known.binding.name.clone(), server };
                self.befriend(&account, &known.row.introduction(), at, note, step)?;
                let queued = self.conversations.queued(&account, &around!(self));
                let view = People::view(&account, &around!(self), queued);
                step.reply(ticket, Ok(view.map_or(Reply::Done, |friend| Reply::Friend(Box::new(friend)))));
            }
            Aim::Accept(to) => self.on_told(&to, step),
        }
        Ok(())
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

    /// Nothing comes of an errand. Whoever waits for it is told; that we accepted somebody is told another time.
    fn give_up(&mut self, errand: Errand, failed: &Failed, step: &mut Step<'_>) {
        let name = self.full_name(&errand.server, &errand.name);
        let refusal = match failed {
            Failed::Refused(code @ ErrorCode::NotFound) => Refusal {
                said: Some(*code),
                ..Refusal::new(Code::NotFound, format!("nobody is found as {name}; a name must be typed exactly"))
            },
            Failed::Refused(ErrorCode::Expired) => {
                let message = format!("{name} cannot be asked now: no device of theirs has left a key for it");
                Refusal::new(Code::NotFound, message)
            }
            Failed::Refused(code @ ErrorCode::Quota) => Refusal {
                said: Some(*code),
                ..Refusal::new(Code::Limited, format!("too many requests wait for {name} already; try again tomorrow"))
            },
            Failed::Refused(code @ ErrorCode::RateLimited { retry_ms }) => {
                let (host, when) = (self.host(&errand.server), refusal::later(*retry_ms));
                let message = format!("too many look-ups at {host}; it takes the next one {when}");
                Refusal { said: Some(*code), ..Refusal::new(Code::Limited, message) }
            }
            Failed::Refused(_)
            | Failed::Disowned
            | Failed::Revoked
            | Failed::Unreached(_)
            | Failed::Untrusted(_)
            | Failed::Unsupported(_)
            | Failed::Silent => self.refusal(&errand.server, failed),
        };
        match errand.aim {
            Aim::Find(ticket) | Aim::Add(ticket, _) => step.reply(ticket, Err(refusal)),
            Aim::Accept(_) => tracing::debug!(%refusal, "not told that we accepted"),
            Aim::Learn(_) | Aim::Refresh(_) => tracing::debug!(%refusal, "not told what a friend's account became"),
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
