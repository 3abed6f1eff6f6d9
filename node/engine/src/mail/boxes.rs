//! Our mailboxes: one for each friend, and one for our other devices, at each rendezvous where we have a name, made by
//! this device and told to nobody else. Who may leave nothing any more loses theirs.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use hobnob_shared::{
    Token,
    id::{AccountId, MailboxId},
    identity::Ticket,
    wire::rendezvous::BoxPut,
};
use serde::{Deserialize, Serialize};

use crate::{
    Around,
    friend::FriendRow,
    rendezvous::{Rendezvous, ServerKey},
    row::Table,
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// A rendezvous may have been restored from a backup that does not know a mailbox: it is told of each again when a
/// session begins, but not twice in so long.
const PUT_AGAIN_MS: u64 = 3_600_000;

/// (Key of a rendezvous, mailbox) → whose it is.
#[derive(Debug)]
struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::Mailboxes;
    type Key = Place;
    type Value = BoxRow;
}

type Place = (ServerKey, MailboxId);

/// A mailbox of this device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BoxRow {
    /// The friend who may leave mail there.
    pub(super) account: AccountId,
    token: Token<16>,
    /// When the rendezvous said that it has it, in ms since the epoch.
    put_ms: Option<u64>,
    /// It is to be deleted there.
    pub(super) doomed: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    rows: BTreeMap<Place, BoxRow>,
    /// What each rendezvous is being told; one at a time, so that nobody is flooded.
    putting: BTreeMap<ServerKey, MailboxId>,
    /// What was not made or deleted when it was tried last.
    failed: BTreeSet<Place>,
    /// Those of a rendezvous that was set back, which is told of them again at once.
    doubted: BTreeSet<Place>,
    /// Where we had a name when it was looked at last.
    named: Vec<ServerKey>,
}

impl Boxes {
    pub(super) fn load(step: &Step<'_>) -> Result<Self, Fault> {
        let mut boxes = Self::default();
        step.scan::<Rows>(&[], Order::Ascending, |place, row| {
            boxes.rows.insert(place, row);
            ControlFlow::Continue(())
        })?;
        Ok(boxes)
    }

    /// Whether we have names elsewhere than when [`Self::plan`] looked last.
    pub(super) fn moved(&self, rendezvous: &Rendezvous) -> bool {
        !rendezvous.named().eq(self.named.iter())
    }

    /// Every friend, and our other devices together, get a mailbox at every rendezvous, and nobody else keeps one. Returns who has fewer now.
    pub(super) fn plan(
        &mut self,
        around: &Around<'_>,
        rendezvous: &Rendezvous,
        step: &mut Step<'_>,
    ) -> BTreeSet<AccountId> {
        let is_kept = |account: &AccountId| match *account == around.me {
            true => around.recipients(account).next().is_some(),
            false => around.people.friend(account).is_some_and(FriendRow::is_mutual),
        };
        self.named = rendezvous.named().copied().collect();
        let mut fewer = BTreeSet::new();
        let gone = self.rows.iter().filter(|((server, _), _)| !self.named.contains(server));
        for (place, account) in gone.map(|(place, row)| (*place, row.account)).collect::<Vec<_>>() {
            self.rows.remove(&place);
            step.delete::<Rows>(&place);
            fewer.insert(account);
        }
        for (place, row) in &mut self.rows {
            if !row.doomed && !is_kept(&row.account) {
                row.doomed = true;
                step.put::<Rows>(place, row);
            }
        }
        for server in self.named.clone() {
            let friends = around.people.friends().map(|(account, _)| *account);
            let friends = friends.filter(|account| around.people.syncs(account));
            for account in friends.chain(is_kept(&around.me).then_some(around.me)) {
                self.make(server, account, step);
            }
        }
        fewer
    }

    fn make(&mut self, server: ServerKey, account: AccountId, step: &mut Step<'_>) {
        let is_it = |(at, row): (&Place, &BoxRow)| at.0 == server && row.account == account && !row.doomed;
        if self.rows.iter().any(is_it) {
            return;
        }
        let place = (server, MailboxId::new(step.random()));
        let row = BoxRow { account, token: Token::new(step.random()), put_ms: None, doomed: false };
        step.put::<Rows>(&place, &row);
        self.rows.insert(place, row);
    }

    /// What this rendezvous is to be told next, unless it is being told something.
    pub(super) fn next_put(&mut self, server: &ServerKey, step: &Step<'_>) -> Option<BoxPut> {
        if self.putting.contains_key(server) {
            return None;
        }
        let now = step.now.wall_ms;
        let is_due = |row: &BoxRow| row.doomed || row.put_ms.is_none_or(|at| now.abs_diff(at) >= PUT_AGAIN_MS);
        let is_next =
            |(place, row): &(&Place, &BoxRow)| place.0 == *server && (is_due(row) || self.doubted.contains(place));
        let ((_, mailbox), row) = self.rows.iter().find(is_next)?;
        self.putting.insert(*server, *mailbox);
        self.failed.remove(&(*server, *mailbox));
        Some(BoxPut { mailbox: *mailbox, token: (!row.doomed).then(|| Token::new(*row.token.as_bytes())) })
    }

    /// The rendezvous may not know our mailboxes any more.
    pub(super) fn doubt(&mut self, server: &ServerKey) {
        self.doubted.extend(self.rows.keys().filter(|(at, _)| at == server));
    }

    /// It was told. Who may be told of a mailbox now, if it is a new one.
    pub(super) fn on_put(&mut self, server: &ServerKey, step: &mut Step<'_>) -> Option<AccountId> {
        let place = (*server, self.putting.remove(server)?);
        self.doubted.remove(&place);
        let row = self.rows.get_mut(&place)?;
        if row.doomed {
            self.rows.remove(&place);
            step.delete::<Rows>(&place);
            return None;
        }
        let is_new = row.put_ms.replace(step.now.wall_ms).is_none();
        step.put::<Rows>(&place, row);
        is_new.then_some(row.account)
    }

    /// It was not told, and is told at the next session. Who may wait for the mailbox.
    pub(super) fn on_put_failed(&mut self, server: &ServerKey) -> Option<AccountId> {
        let place = (*server, self.putting.remove(server)?);
        self.failed.insert(place);
        self.rows.get(&place).map(|row| row.account)
    }

    /// Whether a mailbox for this friend is not there yet, and was not refused.
    pub(super) fn is_making(&self, account: &AccountId) -> bool {
        let is_new = |row: &BoxRow| row.account == *account && !row.doomed && row.put_ms.is_none();
        self.rows.iter().any(|(place, row)| is_new(row) && !self.failed.contains(place))
    }

    /// Whether one is being made anywhere where that can be.
    pub(super) fn is_making_any(&self, rendezvous: &Rendezvous) -> bool {
        let is_new = |row: &BoxRow| !row.doomed && row.put_ms.is_none();
        let mut new = self.rows.iter().filter(|(place, row)| is_new(row) && !self.failed.contains(place));
        new.any(|((server, _), _)| rendezvous.is_ready(server))
    }

    /// Whose mailbox this is.
    pub(super) fn get(&self, server: &ServerKey, mailbox: &MailboxId) -> Option<&BoxRow> {
        self.rows.get(&(*server, *mailbox))
    }

    /// Where this friend may leave mail for this device.
    pub(super) fn tickets(&self, account: &AccountId, rendezvous: &Rendezvous) -> Vec<Ticket> {
        let theirs = self.rows.iter().filter(|(_, row)| row.account == *account && !row.doomed && row.put_ms.is_some());
        let ticket = |((server, mailbox), row): (&Place, &BoxRow)| {
            let carrier = rendezvous.address(server)?.to_string();
            Some(Ticket { carrier, mailbox: *mailbox.as_bytes(), token: *row.token.as_bytes() })
        };
        theirs.filter_map(ticket).collect()
    }

    /// Whether this friend has, or gets, a mailbox.
    pub(super) fn has(&self, account: &AccountId) -> bool {
        self.rows.values().any(|row| row.account == *account)
    }
}
