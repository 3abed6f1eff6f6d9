//! What front ends ask of rendezvous.

use hobnob_shared::{identity::VerifyingKey, rendezvous::Address, text::Username, wire::ServerFrame};

use super::{Lane, Purpose, Rendezvous, ServerKey, calls::Failed, errand::Aim, servers::OwnName};
use crate::{
    Parts,
    command::{Code, Command, Refusal, Reply, ServerState, ServerView},
    event::Event,
    step::{Answer, Step, Stop},
    work::Ticket,
};

impl Parts {
    /// Carries one of them out.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other commands go to other parts")]
    pub(crate) fn server_command(&mut self, ticket: Ticket, command: Command, step: &mut Step<'_>) -> Answer {
        match command {
            Command::SetRendezvous { address, used: true } => self.rendezvous.begin(&address, step),
            Command::SetRendezvous { address, used: false } => self.rendezvous.forget(&address, step),
            Command::Servers => Ok(Some(Reply::Servers(self.rendezvous.views(step)))),
            Command::Ask { server, guest, request } => {
                self.rendezvous.on_ask(ticket, server.as_deref(), guest, *request, step)
            }
            Command::MyAccount => Ok(Some(Reply::MyAccount(Box::new(self.own.public(step))))),
            Command::Registered { server, name, binding, vault_key, vault_seq } => {
                let account = OwnName {
                    name,
                    binding: *binding,
                    vault_key: Some(vault_key),
                    vault_seq,
                    is_merged: false,
                    keeper: None,
                    is_proved: false,
                };
                self.rendezvous.register(&server, account, step)
            }
            Command::GiveUpName { server } => self.rendezvous.release(ticket, &server, step),
            Command::LoggedOut { server, released } => self.log_out(&server, released, step),
            Command::Find { name, server } => self.rendezvous.look_up(server.as_deref(), name, Aim::Find(ticket), step),
            Command::AddName { name, server, note } => {
                self.rendezvous.look_up(server.as_deref(), name, Aim::Add(ticket, note), step)
            }
            _ => Err(Stop::refuse(Code::Internal, "this command went to the wrong part")),
        }
    }

    fn log_out(&mut self, server: &Address, released: bool, step: &mut Step<'_>) -> Answer {
        self.end_presence(*server.x25519(), step);
        let answer = self.rendezvous.log_out(server, step)?;
        if released {
            self.mail_released(server.x25519(), step);
        }
        Ok(answer)
    }
}

impl Rendezvous {
    fn begin(&mut self, address: &Address, step: &mut Step<'_>) -> Answer {
        self.servers.add(address)?;
        self.refresh(address.x25519(), step);
        self.tell(address.x25519(), step);
        self.probe(*address.x25519(), step);
        Ok(Some(Reply::Done))
    }

    fn forget(&mut self, address: &Address, step: &mut Step<'_>) -> Answer {
        self.servers.remove(address, step)?;
        self.refresh(address.x25519(), step);
        Ok(Some(Reply::Done))
    }

    fn look_up(&mut self, server: Option<&Address>, name: Username, aim: Aim, step: &mut Step<'_>) -> Answer {
        let (key, _) = self.servers.find(server)?;
        if !self.run(key, name, aim, None, step) {
            return Err(Stop::refuse(Code::Limited, "too many names are being looked up; wait for their answers"));
        }
        Ok(None)
    }

    fn on_ask(
        &mut self,
        ticket: Ticket,
        server: Option<&Address>,
        guest: bool,
        request: ServerFrame,
        step: &mut Step<'_>,
    ) -> Answer {
        let (key, row) = self.servers.find(server)?;
        if !guest && row.account.is_none() {
            let place = self.servers.called(&key);
            let message = format!("you have no name at {place}; /register NAME@{place} or /login NAME@{place} first");
            return Err(Stop::refuse(Code::Login, message));
        }
        let lane = if guest { Lane::Front } else { Lane::Account };
        self.ask(key, lane, request, Purpose::Front(ticket), step);
        Ok(None)
    }

    /// We have a name there. Another name of ours there is replaced: an account has one.
    fn register(&mut self, server: &Address, account: OwnName, step: &mut Step<'_>) -> Answer {
        let (key, row) = self.servers.find(Some(server))?;
        let signing_key = row.signing_key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
        let bound = signing_key.and_then(|key| account.binding.verify(&key).ok());
        if signing_key.is_some()
            && bound.is_none_or(|bound| bound.account != step.me.account || bound.name != account.name)
        {
            let message =
                format!("{} has not signed that this name is yours; nothing was changed", self.servers.called(&key));
            return Err(Stop::refuse(Code::Untrusted, message));
        }
        let keeper = row.account.as_ref().and_then(|before| before.keeper.clone());
        self.servers.change(&key, step, |row| row.account = Some(OwnName { keeper, ..account }));
        self.set_shut(&key);
        // What it said of the name before is out of date.
        self.on_known(&key, step);
        self.refresh(&key, step);
        if self.is_ready(&key) {
            // Logged in again: the vault may have another key.
            self.begin_vault(key, step);
        }
        self.tell(&key, step);
        Ok(Some(Reply::Done))
    }

    fn log_out(&mut self, server: &Address, step: &mut Step<'_>) -> Answer {
        let (key, row) = self.servers.find(Some(server))?;
        if row.account.is_none() {
            let message = format!("you have no name at {}", self.servers.called(&key));
            return Err(Refusal::new(Code::Conflict, message).into());
        }
        self.servers.change(&key, step, |row| row.account = None);
        self.refresh(&key, step);
        self.tell(&key, step);
        Ok(Some(Reply::Done))
    }

    /// This machine is a device of another account from now on: names of the old one are not its.
    pub(crate) fn forget_names(&mut self, step: &mut Step<'_>) {
        let named = self.servers.all().filter(|(_, row)| row.account.is_some()).map(|(key, _)| *key);
        for key in named.collect::<Vec<ServerKey>>() {
            self.servers.change(&key, step, |row| row.account = None);
        }
    }

    /// Shows front ends how it goes with a rendezvous, once.
    pub(super) fn tell(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        if self.is_news(server)
            && let Some(view) = self.view(server, step)
        {
            step.event(Event::ServerChanged(Box::new(view)));
        }
    }

    /// All that we use.
    pub(crate) fn views(&self, step: &Step<'_>) -> Vec<ServerView> {
        self.servers.all().filter_map(|(key, _)| self.view(key, step)).collect()
    }

    fn view(&self, server: &ServerKey, step: &Step<'_>) -> Option<ServerView> {
        let row = self.servers.get(server)?;
        let name: Option<Username> = row.account.as_ref().map(|account| account.name.clone());
        let (it, state) = (self.tries.get(server), self.state(server));
        let revoked = || (self.is_revoked && row.account.is_some()).then(|| Failed::Revoked.words());
        Some(ServerView {
            address: row.address.clone(),
            called: self.servers.called(server),
            name,
            state,
            last_error: it.and_then(|it| it.last_error.clone()).or_else(revoked),
            retry_ms: it.filter(|_| state == ServerState::Waiting).and_then(|it| it.retry_ms(step.now.mono_ms)),
            opens_vault: row.account.as_ref().is_some_and(|own| own.vault_key.is_some()),
            is_forgotten: self.is_forgotten(server),
        })
    }
}
