//! A rendezvous that says itself that it was set back. Where it does not, only an older vault shows it: see `vault.rs`.

use super::ServerKey;
use crate::{Parts, event::Event, step::Step, view::Fault};

impl Parts {
    /// Compares with the generation that it told last. Another one is told to the person, once, and what we left there is
    /// in doubt. A rendezvous that tells none has an older program, and nothing follows from that.
    pub(super) fn on_generation(
        &mut self,
        server: ServerKey,
        told: Option<u64>,
        step: &mut Step<'_>,
    ) -> Result<(), Fault> {
        self.on_carrier(&server, told, step)?;
        let before = self.rendezvous.servers.get(&server).and_then(|row| row.generation);
        if told.is_none() || told == before {
            return Ok(());
        }
        self.rendezvous.servers.change(&server, step, |row| row.generation = told);
        if before.is_none() {
            return Ok(());
        }
        let message = format!(
            "{} was set back from a backup: what came there after the backup is gone, and what this machine knows is \
             written there again (friends and history here are safe)",
            self.rendezvous.host(&server)
        );
        step.event(Event::Warning { chat: None, message });
        self.mail_set_back(server, step)
    }
}
