//! Asking whoever has a name to be a friend. The request tells of a mailbox too, so that they can write as soon as they
//! accept, while we are away.

use hobnob_shared::{
    id::AccountId,
    rendezvous::{Address, NameAt},
    text::{Note, Username},
    wire::{
        AccountPayload,
        mail::{KnockLetter, MailContent, SignedKnock},
    },
};

use super::{
    Rendezvous, ServerKey,
    calls::Failed,
    errand::{Aim, Errand},
    knock::learn,
    names::Known,
    servers::ServerRow,
};
use crate::{
    Parts,
    command::{Code, Refusal, Standing},
    own::Own,
    step::Step,
    view::Fault,
};

impl Parts {
    /// It is known whom the person asks: the request goes out once there is a mailbox to tell of, or none to wait for.
    pub(super) fn ask_by_name(&mut self, id: u64, step: &mut Step<'_>) -> Result<(), Failed> {
        let Some(Errand { server, aim: Aim::Add(ticket, _), known: Some(known), .. }) = self.rendezvous.errands.get(id)
        else {
            return Ok(());
        };
        let (server, ticket, account) = (*server, *ticket, known.binding.account);
        if let Err(refusal) = self.may_ask(&server, known, step) {
            step.reply(ticket, Err(refusal));
            self.rendezvous.errands.take(id);
            return Ok(());
        }
        if self.make_box(&account, step) { Ok(()) } else { self.ask_person(id, step) }
    }

    /// A mailbox was made, or was not (`is_over`), and no other one may be.
    pub(crate) fn ask_waiting(&mut self, is_over: bool, step: &mut Step<'_>) -> Result<(), Fault> {
        for (id, account) in self.rendezvous.errands.waiting() {
            if is_over || !self.mail.is_making_for(&account, &self.rendezvous) {
                let went = self.ask_person(id, step);
                self.end_errand(id, went, step)?;
            }
        }
        Ok(())
    }

    fn ask_person(&mut self, id: u64, step: &mut Step<'_>) -> Result<(), Failed> {
        let Some(Errand { server, aim: Aim::Add(_, note), known: Some(known), .. }) = self.rendezvous.errands.get(id)
        else {
            return Ok(());
        };
        let (server, account, note) = (*server, known.binding.account, note.clone());
        let mut content = self.rendezvous.letter(&server, &account, note, &self.own, step);
        self.enclose_mailbox(&account, &mut content, step);
        let contents = self.shortened(&account, content, step);
        self.rendezvous.prepare(id, &contents, step)
    }

    /// A request whole, and without what there may be no room for: where our presence is, then where we are and all mailboxes
    /// but one, then the keys for mail, then all that is told of this device.
    pub(super) fn shortened(&self, account: &AccountId, whole: MailContent, step: &Step<'_>) -> Vec<MailContent> {
        let absent = MailContent { presence: None, ..whole.clone() };
        let with = |bundles| {
            let account = AccountPayload { bundles, ..absent.account.clone() };
            MailContent { account, ..absent.clone() }
        };
        let slim = self.slim_bundles_for(account, step).into_iter().flatten().map(|bundle| with(vec![bundle]));
        [whole, absent.clone()].into_iter().chain(slim).chain([with(Vec::new())]).collect()
    }

    /// Whether this is somebody to ask; if not, why, and what to do.
    fn may_ask(&self, server: &ServerKey, known: &Known, step: &Step<'_>) -> Result<(), Refusal> {
        let account = known.binding.account;
        let name = self.rendezvous.full_name(server, &known.binding.name);
        let handle = self.people.handle(&account);
        let message = match self.people.standing(&account) {
            _ if account == step.me.account => format!("{name} is you"),
            Some(Standing::Friend) => format!("{name} is a friend already: {handle}"),
            Some(Standing::Blocked) => format!("{name} is {handle}, who is blocked; /unblock {handle} first"),
            // Asking again does no harm: the first request may be gone.
            Some(Standing::Pending | Standing::Removed) | None => return Ok(()),
        };
        Err(Refusal::new(Code::Conflict, message))
    }

    /// A request by name leads to a friend who waits for their answer.
    pub(super) fn befriend(
        &mut self,
        account: &AccountId,
        payload: &AccountPayload,
        at: NameAt,
        note: Note,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        learn(&mut self.people, account, payload, step);
        let request = self.people.drop_request(account, step);
        let was_asked = request.is_some_and(|request| request.they_accepted);
        self.people.add(*account, note, was_asked, step);
        self.people.change(account, step, |row| row.name.replace(at.clone()) != Some(at));
        if was_asked {
            self.learn_asked(account, step)?;
        }
        self.on_told(account, step);
        self.people_changed(account, was_asked, step);
        Ok(())
    }
}

impl Rendezvous {
    /// What we tell them: who we are, and where we can be answered.
    pub(super) fn letter(
        &self,
        server: &ServerKey,
        to: &AccountId,
        note: Note,
        own: &Own,
        step: &Step<'_>,
    ) -> MailContent {
        let name = self.servers.get(server).and_then(ServerRow::own_name).or_else(|| self.first_name());
        let knock = Some(knock(to, note, name, own, step));
        MailContent { account: own.card(step), knock, ..MailContent::default() }
    }

    /// What mail tells those who may not know that we accept them.
    pub(crate) fn acceptance(&self, to: &AccountId, own: &Own, step: &Step<'_>) -> SignedKnock {
        knock(to, Note::default(), self.first_name(), own, step)
    }

    fn first_name(&self) -> Option<(Username, Address)> {
        self.servers.all().find_map(|(_, row)| row.own_name())
    }
}

fn knock(to: &AccountId, note: Note, name: Option<(Username, Address)>, own: &Own, step: &Step<'_>) -> SignedKnock {
    let letter = KnockLetter {
        from: step.me.account,
        device: step.me.device,
        to: *to,
        nick: own.nick(step),
        note,
        name,
        time_ms: step.now.wall_ms,
    };
    letter.sign(&step.me.keys)
}
