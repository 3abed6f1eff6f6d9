//! A name of ours that is gone while a session is up: another machine of ours has given it up.

use hobnob_shared::wire::ErrorCode;

use super::{Lane, Rendezvous, calls::Failed};
use crate::{step::Step, work::LinkId};

impl Rendezvous {
    /// The rendezvous ends a session. If it has let us in as a device of our account, and denies that now, front ends are
    /// told at once, not when the next attempt has failed.
    pub(super) fn on_close(&mut self, link: LinkId, code: ErrorCode, step: &mut Step<'_>) {
        let was_ours = |session: &&super::Session| session.lane == Lane::Account && session.is_ready;
        let server = self.sessions.get(&link).filter(was_ours).map(|session| session.server);
        let given_up = server.filter(|_| code == ErrorCode::Denied);
        if let Some(server) = &given_up {
            self.on_forgotten(server);
        }
        self.end(link, Some(Failed::closed(code)), step);
        if let Some(server) = &given_up {
            self.tell(server, step);
        }
    }
}
