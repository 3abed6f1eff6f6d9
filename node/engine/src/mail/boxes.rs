//! Our mailboxes: one for each friend, and one for our other devices, at each rendezvous where we have a name, made by
//! this device and told to nobody else. Whoever was asked to be a friend has one too, and may write as soon as they
//! accept. Who may leave nothing any more loses theirs.
//!
//! A mailbox outlives a log-out: friends go on leaving mail in it, and after the next login it is ours again.

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
    /// The rendezvous may not have it any more: it was set back, or we had no name there in between.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    doubted: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    rows: BTreeMap<Place, BoxRow>,
    /// What each rendezvous is being told; one at a time, so that nobody is flooded.
    putting: BTreeMap<ServerKey, MailboxId>,
    /// What was not made or deleted when it was tried last.
    failed: BTreeSet<Place>,
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

    /// Every friend, and our other devices together, get a mailbox at every rendezvous; those whom we asked keep theirs, and
    /// nobody else does.
    pub(super) fn plan(&mut self, around: &Around<'_>, rendezvous: &Rendezvous, step: &mut Step<'_>) {
        let is_kept = |account: &AccountId| match *account == around.me {
            true => around.recipients(account).next().is_some(),
            false => around.people.friend(account).is_some_and(FriendRow::is_wanted) || rendezvous.is_asking(account),
        };
        self.named = rendezvous.named().copied().collect();
        for (place, row) in &mut self.rows {
            let is_doomed = row.doomed || !is_kept(&row.account);
            let is_doubted = row.doubted || !self.named.contains(&place.0);
            if (is_doomed, is_doubted) != (row.doomed, row.doubted) {
                (row.doomed, row.doubted) = (is_doomed, is_doubted);
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
    }

    /// Our name there was given up, and the mailboxes with it. Whoever has it again makes them anew under the same numbers:
    /// a friend who has not tried meanwhile need not even be told. Returns who has fewer now.
    pub(super) fn on_released(&mut self, server: &ServerKey, step: &mut Step<'_>) -> BTreeSet<AccountId> {
        let theirs = self.rows.iter_mut().filter(|((at, _), row)| at == server && row.put_ms.is_some());
        let forget = |(place, row): (&Place, &mut BoxRow)| {
            row.put_ms = None;
            step.put::<Rows>(place, row);
            row.account
        };
        theirs.map(forget).collect()
    }

    /// They are of another account than this machine is from now on.
    pub(super) fn forget_all(&mut self, step: &mut Step<'_>) {
        std::mem::take(&mut self.rows).keys().for_each(|place| step.delete::<Rows>(place));
    }

    /// Somebody is asked to be a friend: wherever we have a name they get a mailbox.
    pub(super) fn make_everywhere(&mut self, account: AccountId, rendezvous: &Rendezvous, step: &mut Step<'_>) {
        for server in rendezvous.named() {
            self.make(*server, account, step);
        }
    }

    fn make(&mut self, server: ServerKey, account: AccountId, step: &mut Step<'_>) {
        let is_it = |(at, row): (&Place, &BoxRow)| at.0 == server && row.account == account && !row.doomed;
        if self.rows.iter().any(is_it) {
            return;
        }
        let place = (server, MailboxId::new(step.random()));
        let row = BoxRow { account, token: Token::new(step.random()), put_ms: None, doomed: false, doubted: false };
        step.put::<Rows>(&place, &row);
        self.rows.insert(place, row);
    }

    /// What this rendezvous is to be told next, unless it is being told something.
    pub(super) fn next_put(&mut self, server: &ServerKey, step: &Step<'_>) -> Option<BoxPut> {
        if self.putting.contains_key(server) {
            return None;
        }
        let now = step.now.wall_ms;
        let is_old = |row: &BoxRow| row.put_ms.is_none_or(|at| now.abs_diff(at) >= PUT_AGAIN_MS);
        let is_next =
            |(place, row): &(&Place, &BoxRow)| place.0 == *server && (row.doomed || row.doubted || is_old(row));
        // Somebody may wait for one that is new.
        let ((_, mailbox), row) = self.rows.iter().filter(is_next).min_by_key(|(_, row)| row.put_ms.is_some())?;
        self.putting.insert(*server, *mailbox);
        self.failed.remove(&(*server, *mailbox));
        Some(BoxPut { mailbox: *mailbox, token: (!row.doomed).then(|| Token::new(*row.token.as_bytes())) })
    }

    /// The rendezvous may not know our mailboxes any more.
    pub(super) fn doubt(&mut self, server: &ServerKey, step: &mut Step<'_>) {
        for (place, row) in self.rows.iter_mut().filter(|((at, _), row)| at == server && !row.doubted) {
            row.doubted = true;
            step.put::<Rows>(place, row);
        }
    }

    /// It was told. Who may be told of a mailbox now: of a new one, or of one that may have been gone for a while, so that
    /// whoever tried then has dropped it.
    pub(super) fn on_put(&mut self, server: &ServerKey, step: &mut Step<'_>) -> Option<AccountId> {
        let place = (*server, self.putting.remove(server)?);
        let row = self.rows.get_mut(&place)?;
        if row.doomed {
            self.rows.remove(&place);
            step.delete::<Rows>(&place);
            return None;
        }
        let is_new = row.put_ms.replace(step.now.wall_ms).is_none();
        let was_doubted = std::mem::take(&mut row.doubted);
        step.put::<Rows>(&place, row);
        (is_new || was_doubted).then_some(row.account)
    }

    /// Whether it is being told to delete one, which it may not have any more.
    pub(super) fn is_deleting(&self, server: &ServerKey) -> bool {
        let row = self.putting.get(server).and_then(|mailbox| self.rows.get(&(*server, *mailbox)));
        row.is_some_and(|row| row.doomed)
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
        let is_tried = |place: &Place| self.named.contains(&place.0) && !self.failed.contains(place);
        self.rows.iter().any(|(place, row)| is_new(row) && is_tried(place))
    }

    /// Whether one is being made, for any of `accounts`, anywhere where that can be.
    pub(super) fn is_making_any(&self, accounts: impl Fn(&AccountId) -> bool, rendezvous: &Rendezvous) -> bool {
        let is_new = |row: &BoxRow| accounts(&row.account) && !row.doomed && row.put_ms.is_none();
        let mut new = self.rows.iter().filter(|(place, row)| is_new(row) && !self.failed.contains(place));
        new.any(|((server, _), _)| rendezvous.is_ready(server))
    }

    /// Whose mailbox this is.
    pub(super) fn get(&self, server: &ServerKey, mailbox: &MailboxId) -> Option<&BoxRow> {
        self.rows.get(&(*server, *mailbox))
    }

    /// Where this friend may leave mail for this device: first where it is fetched at once.
    pub(super) fn tickets(&self, account: &AccountId, rendezvous: &Rendezvous) -> Vec<Ticket> {
        let is_theirs = |row: &BoxRow| row.account == *account && !row.doomed && row.put_ms.is_some();
        let mut theirs: Vec<_> = self.rows.iter().filter(|(_, row)| is_theirs(row)).collect();
        theirs.sort_by_key(|((server, _), _)| !self.named.contains(server));
        let ticket = |((server, mailbox), row): (&Place, &BoxRow)| {
            let carrier = rendezvous.address(server)?.to_string();
            Some(Ticket { carrier, mailbox: *mailbox.as_bytes(), token: *row.token.as_bytes() })
        };
        theirs.into_iter().filter_map(ticket).collect()
    }

    /// Whether this friend has, or gets, a mailbox.
    pub(super) fn has(&self, account: &AccountId) -> bool {
        self.rows.values().any(|row| row.account == *account)
    }
}
