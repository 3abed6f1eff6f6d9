//! What front ends ask of rendezvous.

use hobnob_shared::{rendezvous::Address, text::Username};

use super::{Rendezvous, ServerKey, servers::OwnName};
use crate::{
    Parts,
    command::{Code, Command, Refusal, Reply, ServerState, ServerView},
    event::Event,
    step::{Answer, Step, Stop},
    work::Ticket,
};

impl Parts {
    /// Carries one of them out.
    pub(crate) fn server_command(&mut self, _ticket: Ticket, command: Command, step: &mut Step<'_>) -> Answer {
        match command {
            Command::SetRendezvous { address, used: true } => self.rendezvous.begin(&address, step),
            Command::SetRendezvous { address, used: false } => self.rendezvous.forget(&address, step),
            Command::Servers => Ok(Some(Reply::Servers(self.rendezvous.views()))),
            Command::MyAccount => Ok(Some(Reply::MyAccount(Box::new(self.own.introduction())))),
            Command::Registered { server, name, binding, vault_key, vault_seq } => {
                let account = OwnName { name, binding: *binding, vault_key, vault_seq };
                self.rendezvous.register(&server, account, step)
            }
            Command::LoggedOut { server } => self.rendezvous.log_out(&server, step),
            _ => Err(Stop::refuse(Code::Unsupported, "not understood")),
        }
    }
}

impl Rendezvous {
    fn begin(&mut self, address: &Address, step: &mut Step<'_>) -> Answer {
        self.servers.add(address, step)?;
        self.tell(address.x25519(), step);
        Ok(Some(Reply::Done))
    }

    fn forget(&mut self, address: &Address, step: &mut Step<'_>) -> Answer {
        self.servers.remove(address, step)?;
        Ok(Some(Reply::Done))
    }

    /// We have a name there. Another name of ours there is replaced: an account has one.
    fn register(&mut self, server: &Address, account: OwnName, step: &mut Step<'_>) -> Answer {
        let (key, _) = self.servers.find(Some(server))?;
        self.servers.change(&key, step, |row| row.account = Some(account));
        self.tell(&key, step);
        Ok(Some(Reply::Done))
    }

    fn log_out(&mut self, server: &Address, step: &mut Step<'_>) -> Answer {
        let (key, row) = self.servers.find(Some(server))?;
        if row.account.is_none() {
            let message = format!("you have no name at {}", row.address.host());
            return Err(Refusal::new(Code::Conflict, message).into());
        }
        self.servers.change(&key, step, |row| row.account = None);
        self.tell(&key, step);
        Ok(Some(Reply::Done))
    }

    /// Shows front ends how it goes with a rendezvous.
    pub(super) fn tell(&self, server: &ServerKey, step: &mut Step<'_>) {
        if let Some(view) = self.view(server) {
            step.event(Event::ServerChanged(Box::new(view)));
        }
    }

    /// All that we use.
    pub(crate) fn views(&self) -> Vec<ServerView> {
        self.servers.all().filter_map(|(key, _)| self.view(key)).collect()
    }

    fn view(&self, server: &ServerKey) -> Option<ServerView> {
        let row = self.servers.get(server)?;
        let name: Option<Username> = row.account.as_ref().map(|account| account.name.clone());
        let address = row.address.clone();
        Some(ServerView { address, name, state: ServerState::Idle, last_error: None, retry_ms: None })
    }
}
