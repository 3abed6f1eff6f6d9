//! A rendezvous that says itself that it was set back. Where it does not, only an older vault shows it: see `vault.rs`.

use super::{Rendezvous, ServerKey};
use crate::{Parts, event::Event, step::Step, view::Fault};

/// That a rendezvous was set back is said, and mail left there again, at most this often: it may be another one at each
/// session, and then shows an older vault too.
const SAY_AGAIN_MS: u64 = 3_600_000;

impl Rendezvous {
    /// Whether that it was set back is to be said and acted on; it counts then.
    pub(super) fn takes_set_back(&mut self, server: &ServerKey, now_ms: u64) -> bool {
        let Some(it) = self.tries.get_mut(server) else { return false };
        let is_new = it.set_back_ms.is_none_or(|at| now_ms - at >= SAY_AGAIN_MS);
        if is_new {
            it.set_back_ms = Some(now_ms);
        }
        is_new
    }
}

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
        // What is not taken now is seen again at a later session.
        if before.is_some() && !self.rendezvous.takes_set_back(&server, step.now.mono_ms) {
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
