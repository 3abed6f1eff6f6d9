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
    row::{Slot, Table},
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// Most requests that wait for a decision. More are turned away: a flood costs the person one screen.
pub(crate) const MAX_REQUESTS: usize = 20;

/// The number that it was shown with (ascending with time) → request.
#[derive(Debug)]
pub(crate) struct Requests;

impl Table for Requests {
    const ID: TableId = TableId::Requests;
    type Key = u64;
    type Value = RequestRow;
}

/// The last number that was given. While anybody waits none is given twice: what the person reads on the screen and types
/// means the one whom it was shown with. When nobody waits counting begins at 1 again.
#[derive(Debug)]
struct LastNumber;

impl Table for LastNumber {
    const ID: TableId = TableId::Profile;
    type Key = Slot<4>;
    type Value = u64;
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
    /// When they wrote their last request by name, as they say, in ms since the epoch; else 0.
    #[serde(default)]
    pub(crate) asked_ms: u64,
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
        })?;
        let highest = self.requests.last_key_value().map_or(0, |(number, _)| *number);
        match step.get::<LastNumber>(&Slot)? {
            Some(last) => self.last_request = last.max(highest),
            None if highest > 0 => self.number_by_place(step),
            None => {}
        }
        Ok(())
    }

    /// The database is of a program that showed each with its place: that is its number from now on.
    fn number_by_place(&mut self, step: &mut Step<'_>) {
        let rows = std::mem::take(&mut self.requests);
        rows.keys().for_each(|number| step.delete::<Requests>(number));
        self.requests = (1..).zip(rows.into_values()).collect();
        self.requests.iter().for_each(|(number, row)| step.put::<Requests>(number, row));
        self.last_request = self.requests.len() as u64;
        step.put::<LastNumber>(&Slot, &self.last_request);
    }

    /// The inbox, oldest first.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.iter().map(|(number, row)| self.request_view(*number, row)).collect()
    }

    fn request_view(&self, number: u64, row: &RequestRow) -> Request {
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
            held.asked_ms = held.asked_ms.max(row.asked_ms);
            step.put::<Requests>(number, held);
            return true;
        }
        if self.is_inbox_full(&row.account) {
            return false;
        }
        let number = if self.requests.is_empty() { 1 } else { self.last_request + 1 };
        self.last_request = number;
        step.put::<LastNumber>(&Slot, &number);
        step.put::<Requests>(&number, &row);
        if let Some(known) = self.accounts.get(&row.account) {
            step.put::<Accounts>(&row.account, known);
        }
        step.event(Event::FriendRequested(self.request_view(number, &row)));
        self.requests.insert(number, row);
        true
    }

    /// Takes the request with this number out of the inbox.
    pub(crate) fn decide(&mut self, number: u64, step: &mut Step<'_>) -> Result<RequestRow, Refusal> {
        let row = self.requests.remove(&number).ok_or_else(|| {
            let waiting = self.waiting();
            let message = match number {
                _ if self.requests.is_empty() => waiting,
                1.. if number <= self.last_request => format!("{number} is decided already; {waiting} (/requests)"),
                _ => format!("there is no request {number}; {waiting} (/requests)"),
            };
            Refusal::new(Code::NotFound, message)
        })?;
        step.delete::<Requests>(&number);
        Ok(row)
    }

    /// Which numbers wait, in words.
    fn waiting(&self) -> String {
        let numbers: Vec<_> = self.requests.keys().map(u64::to_string).collect();
        match numbers.as_slice() {
            [] => "no request is waiting".to_owned(),
            [one] => format!("{one} waits"),
            [before @ .., last] => format!("{} and {last} wait", before.join(", ")),
        }
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
