//! What becomes of sessions that are nobody's any more: of an account whose name is given up, and of a device that its
//! account stands by no more.

use hobnob_shared::{
    id::AccountId,
    wire::{AccountPayload, ErrorCode, payload::Close, rendezvous::ServerFrame},
};

use super::{
    Note, Registry, SessionId,
    account::{self, AccountRow},
    session::Caller,
    step::{Served, Step},
};

impl Registry {
    /// Nobody of the account shows themselves here any more, and whoever watches one is told at once. Its other sessions
    /// end, so that those devices do not take the name for theirs; `by` knows.
    pub(super) fn on_released(&mut self, account: &AccountId, by: SessionId, notes: &mut Vec<Note>) {
        let sessions = self.sessions.of_account(account);
        self.end_all(&sessions, notes);
        let others = sessions.into_iter().filter(|session| *session != by);
        notes.extend(closing(others.collect()));
    }

    /// Takes what an account says of itself.
    pub(super) fn update_account(
        &mut self,
        id: SessionId,
        step: &mut Step<'_>,
        payload: AccountPayload,
        notes: &mut Vec<Note>,
    ) -> Served<()> {
        let account = self.session(id)?.publisher(step, &payload)?;
        let before = account::get(step, &account)?.ok_or(ErrorCode::Denied)?;
        account::update(step, &self.policy, &account, payload)?;
        self.on_updated(&account, &before, step, notes)
    }

    /// An account has said which devices it has. The sessions of those that it stood by before and does so no more end: one
    /// that is not revoked but not known yet may be about to say so itself.
    pub(super) fn on_updated(
        &mut self,
        account: &AccountId,
        before: &AccountRow,
        step: &Step<'_>,
        notes: &mut Vec<Note>,
    ) -> Served<()> {
        let now = account::named(step, account)?;
        let mut dropped = self.sessions.of_account(account);
        dropped.retain(|session| match self.sessions.get(*session).map(|session| session.caller) {
            Some(Caller::Device { device, certificate, .. }) => {
                before.lists(&certificate, &device) && !now.lists(&certificate, &device)
            }
            Some(Caller::Guest) | None => false,
        });
        self.end_all(&dropped, notes);
        notes.extend(closing(dropped));
        Ok(())
    }

    /// What these publish ends, and they are told of nobody any more.
    fn end_all(&mut self, sessions: &[SessionId], notes: &mut Vec<Note>) {
        for session in sessions {
            notes.extend(self.presence.leave_all(*session).into_iter().map(Note::from));
        }
    }
}

/// Ends these, if there are any.
fn closing(to: Vec<SessionId>) -> Option<Note> {
    let frame = ServerFrame::Close(Close { code: ErrorCode::Denied });
    Some(Note { to, frame }).filter(|note| !note.to.is_empty())
}
