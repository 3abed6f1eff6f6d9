//! Giving our name at a rendezvous up. It takes the account's key, which is in the vault: a device that opens it proves
//! that it is more than a linked one.

use hobnob_shared::{
    identity::OwnerProof,
    rendezvous::Address,
    wire::{ServerFrame, rendezvous::NameSet},
};

use super::{
    Lane, Purpose, Rendezvous, ServerKey,
    calls::{Answered, Failed},
};
use crate::{
    command::{Code, Refusal},
    step::{Answer, Step, Stop},
    work::Ticket,
};

impl Rendezvous {
    /// Asks for the vault first.
    pub(super) fn release(&mut self, ticket: Ticket, server: &Address, step: &mut Step<'_>) -> Answer {
        let (key, row) = self.servers.find(Some(server))?;
        if row.account.is_none() {
            let message = format!("you have no name at {}", self.servers.called(&key));
            return Err(Stop::refuse(Code::Conflict, message));
        }
        self.ask(key, Lane::Account, ServerFrame::VaultGet, Purpose::Release(ticket), step);
        Ok(None)
    }

    /// The vault, as it is there: the proof counts in the session that it came over.
    pub(super) fn on_release(
        &mut self,
        server: ServerKey,
        ticket: Ticket,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) {
        let proof = match &answer {
            Ok(answered) => self.prove_by_vault(&server, answered),
            Err(failed) => Err(self.refusal(&server, failed)),
        };
        match proof {
            Ok(proof) => {
                let request = ServerFrame::NameSet(NameSet::Release(Some(proof)));
                self.ask(server, Lane::Account, request, Purpose::Front(ticket), step);
            }
            Err(refusal) => step.reply(ticket, Err(refusal)),
        }
    }

    fn prove_by_vault(&self, server: &ServerKey, answered: &Answered) -> Result<OwnerProof, Refusal> {
        let own = self.servers.get(server).and_then(|row| row.account.as_ref());
        let content = match (&*answered.frame, own) {
            (ServerFrame::Vault(vault), Some(own)) => {
                own.key().and_then(|key| key.open(&vault.vault, &own.name, vault.seq).ok())
            }
            _ => None,
        };
        content.map(|content| content.account.prove_over(&answered.session)).ok_or_else(|| {
            let (host, name) = (self.host(server), self.login_again(server));
            let message = format!(
                "the vault at {host} does not open here, and the account's key in it is wanted to give the name up: {name} with \
                 the newest password, or set a new one with /register, then /unregister again. Nothing was changed"
            );
            Refusal::new(Code::Login, message)
        })
    }
}
