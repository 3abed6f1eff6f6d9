//! What each rendezvous is to know of us: our newest record, our certificates, this device's bundle with a prekey.

use hobnob_shared::{identity::Prekey, wire::ServerFrame};

use super::{Lane, Purpose, Rendezvous};
use crate::{
    Parts,
    own::{Own, Stamp},
    step::Step,
    view::Fault,
};

impl Parts {
    /// At the end of a batch: whatever changed goes where we have a name.
    pub(crate) fn publish(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        if !self.rendezvous.has_name() {
            return Ok(());
        }
        self.note_changes(step);
        let is_new = self.rendezvous.prekeys.renew(step)?;
        if is_new {
            self.tell_prekey(step);
        }
        if is_new || !self.own.has_prekey() {
            let prekey = self.rendezvous.prekeys.current().cloned();
            if self.own.set_prekey(prekey, step) {
                self.tell_everybody(&[self.own.bundle()], step);
            }
        }
        self.rendezvous.put_account(&self.own, step);
        Ok(())
    }
}

impl Rendezvous {
    /// Whether we have a name anywhere.
    pub(crate) fn has_name(&self) -> bool {
        !self.tries.is_empty()
    }

    /// The prekey that a node which starts again goes on with.
    pub(crate) fn prekey(&self) -> Option<&Prekey> {
        self.prekeys.current().filter(|_| self.has_name())
    }

    pub(super) fn put_account(&mut self, own: &Own, step: &mut Step<'_>) {
        let stamp: Stamp = own.stamp(step);
        let ready =
            self.sessions.values().filter(|it| it.lane == Lane::Account && it.is_ready && it.published != Some(stamp));
        for server in ready.map(|session| session.server).collect::<Vec<_>>() {
            for session in self.sessions.values_mut().filter(|it| it.server == server && it.lane == Lane::Account) {
                session.published = Some(stamp);
            }
            let payload = own.public(step);
            self.ask(server, Lane::Account, ServerFrame::AccountPut(payload), Purpose::Account, step);
        }
    }
}
