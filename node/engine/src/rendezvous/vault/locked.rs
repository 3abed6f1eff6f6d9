//! A vault that does not open with our key: another device of ours may have told what does, or tells it soon.

use hobnob_shared::{Token, wire::rendezvous::Vault};

use super::super::{Rendezvous, ServerKey, servers::OwnName};
use crate::{Parts, event::Event, step::Step, view::Fault};

/// A vault that does not open is told to the person after so long: by then a device of ours that is on, of which the
/// rendezvous may have told only now, has been dialled, and has told its key.
const LOCKED_MS: u64 = 20_000;

impl Parts {
    /// The vault does not open with our key. What another device of ours told may open it; or there is one that we have
    /// not heard of, whose account the rendezvous knows.
    pub(super) fn on_locked(
        &mut self,
        server: ServerKey,
        own: &OwnName,
        (vault, session): (&Vault, &[u8; 32]),
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        self.rendezvous.set_shut(&server);
        if let Some((key, content)) = self.rendezvous.open_told(&server, own, vault) {
            let vault_key = Token::new(*key.to_bytes());
            self.rendezvous.servers.change(&server, step, |row| {
                if let Some(account) = &mut row.account {
                    account.vault_key = Some(vault_key);
                }
            });
            self.rendezvous.say_another_password(&server, own, step);
            return self.merge_vault(server, own, &key, (vault, session), content, step);
        }
        if vault.seq < own.vault_seq {
            self.rendezvous.warn_password_set_back(&server, own, vault.seq, step);
            return self.mail_set_back(server, step);
        }
        self.rendezvous.ask_own_name(server, step);
        self.rendezvous.give_locked_up(&server, own, step);
        Ok(())
    }
}

impl Rendezvous {
    /// The person is told in a while, unless another device of ours mends it.
    fn give_locked_up(&mut self, server: &ServerKey, own: &OwnName, step: &mut Step<'_>) {
        let Some(it) = self.tries.get_mut(server) else { return };
        (it.vault.is_busy, it.vault.is_given_up) = (false, true);
        let wait_ms = if own.keeper.is_some() { LOCKED_MS } else { 0 };
        it.vault.warn_ms = Some(step.now.mono_ms + wait_ms);
    }

    /// Whoever did not change it should know.
    fn say_another_password(&self, server: &ServerKey, own: &OwnName, step: &mut Step<'_>) {
        let message = format!(
            "the password of {} is another one now: on another machine of yours it was changed, or the name was given up and \
             taken anew; this one goes on with it. Was it not you? /devices, and /device revoke there",
            self.full_name(server, &own.name)
        );
        step.event(Event::Warning { chat: None, message });
    }

    pub(super) fn warn_locked(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono_ms;
        let due =
            self.tries.iter_mut().filter_map(|(server, it)| it.vault.warn_ms.take_if(|at| *at <= now).map(|_| *server));
        for server in due.collect::<Vec<_>>() {
            let host = self.host(&server);
            let name = self.own_name(&server).map_or_else(|| "NAME".to_owned(), |(name, _)| name.to_string());
            let message = format!(
                "the vault at {host} does not open here: the password was changed, on another machine or here just before \
                 hobnob was cut off, or the rendezvous lies. A machine of yours that has the new password mends it when it \
                 meets this one; /login {name} with the new password mends it at once (friends and history here are safe)"
            );
            step.event(Event::Warning { chat: None, message });
        }
    }
}
