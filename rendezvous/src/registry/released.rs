//! What becomes of the sessions of an account when its name is given up.

use hobnob_shared::{
    id::AccountId,
    wire::{ErrorCode, payload::Close, rendezvous::ServerFrame},
};

use super::{Note, Registry, SessionId};

impl Registry {
    /// Nobody of the account shows themselves here any more, and whoever watches one is told at once. Its other sessions
    /// end, so that those devices do not take the name for theirs; `by` knows.
    pub(super) fn on_released(&mut self, account: &AccountId, by: SessionId, notes: &mut Vec<Note>) {
        let sessions = self.sessions.of_account(account);
        for session in &sessions {
            notes.extend(self.presence.withdraw_all(*session).into_iter().map(Note::from));
        }
        let to: Vec<_> = sessions.into_iter().filter(|session| *session != by).collect();
        if !to.is_empty() {
            notes.push(Note { to, frame: ServerFrame::Close(Close { code: ErrorCode::Denied }) });
        }
    }
}
