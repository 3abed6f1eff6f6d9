//! The inbox: people who ask to be friends, until the person decides.

use std::ops::ControlFlow;

use hobnob_shared::{
    id::{AccountId, InviteId},
    text::{Nickname, Note, Username},
};
use serde::{Deserialize, Serialize};

use super::People;
use crate::{
    account::Accounts,
    command::{Code, Refusal, Request, RequestKind},
    event::Event,
    row::Table,
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// Most requests that wait for a decision. More are turned away: a flood costs the person one screen.
pub(crate) const MAX_REQUESTS: usize = 20;

/// Number (ascending with time) → request.
#[derive(Debug)]
pub(crate) struct Requests;

impl Table for Requests {
    const ID: TableId = TableId::Requests;
    type Key = u64;
    type Value = RequestRow;
}

/// Somebody who waits for our decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RequestRow {
    pub(crate) account: AccountId,
    pub(crate) source: Source,
    pub(crate) nick: Nickname,
    pub(crate) note: Note,
    pub(crate) received_ms: u64,
    /// They said so themselves; an introduction alone does not mean it.
    pub(crate) they_accepted: bool,
}

/// How they came to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// By an invite of ours.
    Invite(InviteId),
    /// In pairing mode.
    Nearby,
    /// Through this friend.
    Introduction(AccountId),
    /// By our name at the rendezvous on this host.
    Name(Username, String),
}

impl People {
    pub(super) fn load_requests(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        step.scan::<Requests>(&[], Order::Ascending, |number, row| {
            self.requests.insert(number, row);
            ControlFlow::Continue(())
        })
    }

    /// The inbox, oldest first.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.values().enumerate().map(|(index, row)| self.request_view(index + 1, row)).collect()
    }

    fn request_view(&self, number: usize, row: &RequestRow) -> Request {
        let kind = match &row.source {
            Source::Invite(_) => RequestKind::Invite,
            Source::Nearby => RequestKind::Nearby,
            Source::Introduction(by) => RequestKind::Introduction { by: self.handle(by) },
            Source::Name(name, server) => RequestKind::Name { name: name.clone(), server: server.clone() },
        };
        Request {
            number,
            kind,
            nick: row.nick.clone(),
            account: row.account,
            note: row.note.clone(),
            received_ms: row.received_ms,
        }
    }

    /// The request of this account.
    pub(crate) fn request_of(&self, account: &AccountId) -> Option<&RequestRow> {
        self.requests.values().find(|row| row.account == *account)
    }

    /// How many introductions by this friend wait.
    pub(crate) fn introduced_by(&self, by: &AccountId) -> usize {
        self.requests.values().filter(|row| row.source == Source::Introduction(*by)).count()
    }

    /// Somebody asks. A second request of the same account only confirms the first. `false`: the inbox is full.
    pub(crate) fn ask(&mut self, row: RequestRow, step: &mut Step<'_>) -> bool {
        let existing = self.requests.iter_mut().find(|(_, held)| held.account == row.account);
        if let Some((number, held)) = existing {
            held.they_accepted |= row.they_accepted;
            step.put::<Requests>(number, held);
            return true;
        }
        if self.is_inbox_full(&row.account) {
            return false;
        }
        let number = self.requests.last_key_value().map_or(1, |(number, _)| number + 1);
        step.put::<Requests>(&number, &row);
        if let Some(known) = self.accounts.get(&row.account) {
            step.put::<Accounts>(&row.account, known);
        }
        step.event(Event::FriendRequested(self.request_view(self.requests.len() + 1, &row)));
        self.requests.insert(number, row);
        true
    }

    /// Takes the request at this position (from 1) out of the inbox.
    pub(crate) fn decide(&mut self, position: usize, step: &mut Step<'_>) -> Result<RequestRow, Refusal> {
        let found =
            position.checked_sub(1).and_then(|index| self.requests.iter().nth(index)).map(|(number, _)| *number);
        let row = found.and_then(|number| {
            step.delete::<Requests>(&number);
            self.requests.remove(&number)
        });
        row.ok_or_else(|| {
            let message = match self.requests.len() {
                0 => "no request is waiting".to_owned(),
                1 => format!("there is no request {position}; only 1 is waiting (/requests shows it)"),
                many => format!("there is no request {position}; 1 to {many} are waiting (/requests lists them)"),
            };
            Refusal::new(Code::NotFound, message)
        })
    }

    /// The request of this account is answered by other means.
    pub(crate) fn drop_request(&mut self, account: &AccountId, step: &mut Step<'_>) -> Option<RequestRow> {
        let number = *self.requests.iter().find(|(_, row)| row.account == *account)?.0;
        step.delete::<Requests>(&number);
        self.requests.remove(&number)
    }

    /// Whether a request of this account would be turned away.
    pub(crate) fn is_inbox_full(&self, account: &AccountId) -> bool {
        self.request_of(account).is_none() && self.requests.len() >= MAX_REQUESTS
    }
}
