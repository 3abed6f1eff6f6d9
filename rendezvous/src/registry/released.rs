//! What the sessions of an account have to do with it when its name is given up.

use hobnob_shared::id::AccountId;

use super::{Note, Registry};

impl Registry {
    /// Nobody of the account shows themselves here any more, and whoever watches one is told at once.
    pub(super) fn on_released(&mut self, account: &AccountId, notes: &mut Vec<Note>) {
        for session in self.sessions.of_account(account) {
            notes.extend(self.presence.withdraw_all(session).into_iter().map(Note::from));
        }
    }
}
