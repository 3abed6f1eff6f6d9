//! What comes of an errand: whose a name is, and what follows from that.

use hobnob_shared::{identity::fingerprint, rendezvous::NameAt, text::Note, wire::ErrorCode};

use super::{
    Rendezvous, ServerKey,
    calls::{Answered, Failed},
    errand::{Aim, Errand, Next},
    names::Known,
    refusal,
};
use crate::{
    Parts, around,
    command::{Code, Found, Refusal, Reply},
    friend::People,
    step::Step,
    view::Fault,
};

impl Parts {
    pub(super) fn on_errand(
        &mut self,
        id: u64,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
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
}

impl Rendezvous {
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
}
