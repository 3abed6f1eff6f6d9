//! One deadline out of many.

use crate::{Parts, around, step::Step, view::Fault};

impl Parts {
    /// The earliest deadline of any part.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let deadlines = [
            self.own.next_timeout(),
            self.devices.next_timeout(),
            self.share.next_timeout(),
            self.sessions.next_timeout(),
            self.pings.next_timeout(),
            self.reach.next_timeout(),
            self.nearby.next_timeout(),
            self.verifications.next_timeout(),
            self.conversations.next_timeout(),
            self.rendezvous.next_timeout(),
            self.presence.next_timeout(),
            self.mail.next_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Each part looks after its own; nothing is due twice.
    pub(crate) fn on_timeout(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        if self.own.on_timeout(step) {
            self.tell_everybody(&[self.own.bundle()], step);
        }
        self.sessions.on_timeout(step);
        self.pings.on_timeout(step);
        self.reach.on_timeout(&around!(self), &self.sessions, step);
        if self.nearby.is_over(step) {
            self.set_pairing(false, step);
        }
        self.nearby.look_again(&around!(self), &self.sessions, &mut self.reach, step);
        self.on_link_timeout(step);
        self.on_share_timeout(step)?;
        self.verifications.on_timeout(&self.people, &self.sessions, step);
        self.rendezvous.on_timeout(step);
        self.presence.on_timeout(&self.people, step);
        self.post_due(step)?;
        self.sync_vaults(step);
        self.conversations.on_timeout(&around!(self), step)
    }
}
