//! Where mail for the devices of our friends, and for our other ones, may be left, and what it is sealed to: each device's own signed word.

use std::{collections::BTreeMap, ops::ControlFlow};

use hobnob_shared::{
    id::{AccountId, DeviceId, MailboxId},
    identity::{Prekey, SignedBundle, Ticket},
    rendezvous::Address,
};
use serde::{Deserialize, Serialize};

use crate::{
    Around,
    friend::FriendRow,
    row::Table,
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// Device of a friend → where its mail goes.
#[derive(Debug)]
struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::MailTickets;
    type Key = DeviceId;
    type Value = TicketRow;
}

/// Where mail for a friend's device goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TicketRow {
    account: AccountId,
    /// The number of the bundle that said it.
    seq: u64,
    tickets: Vec<Ticket>,
    prekeys: Vec<Prekey>,
    /// The mailbox that our mail is in.
    used: Option<MailboxId>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Tickets(BTreeMap<DeviceId, TicketRow>);

/// What a bundle says that was not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// Nothing.
    Nothing,
    /// Other mailboxes, or other keys.
    News,
    /// The mailbox that our mail is in is none of theirs any more.
    Moved,
}

impl Tickets {
    pub(super) fn load(step: &Step<'_>) -> Result<Self, Fault> {
        let mut tickets = Self::default();
        step.scan::<Rows>(&[], Order::Ascending, |device, row| {
            tickets.0.insert(device, row);
            ControlFlow::Continue(())
        })?;
        Ok(tickets)
    }

    /// Takes what a certified device of `account` says. Over a session it is the truth of the moment; what comes by
    /// mail may be older than what is known.
    pub(super) fn learn(
        &mut self,
        account: &AccountId,
        device: &DeviceId,
        signed: &SignedBundle,
        is_live: bool,
        step: &mut Step<'_>,
    ) -> Learned {
        let Ok(bundle) = signed.verify(device) else { return Learned::Nothing };
        let known = self.0.get(device);
        if known.is_some_and(|row| bundle.seq < row.seq || bundle.seq == row.seq && !is_live) {
            return Learned::Nothing;
        }
        let is_same = known.is_some_and(|row| row.tickets == bundle.tickets && row.prekeys == bundle.prekeys);
        let used = known.and_then(|row| row.used);
        let kept = used.filter(|used| bundle.tickets.iter().any(|ticket| ticket.mailbox == *used.as_bytes()));
        let row = TicketRow {
            account: *account,
            seq: bundle.seq,
            tickets: bundle.tickets,
            prekeys: bundle.prekeys,
            used: kept,
        };
        step.put::<Rows>(device, &row);
        self.0.insert(*device, row);
        match (used == kept, is_same) {
            (false, _) => Learned::Moved,
            (true, false) => Learned::News,
            (true, true) => Learned::Nothing,
        }
    }

    /// Forgets the devices of those who are no friends any more, and those that are not ours any more.
    pub(super) fn prune(&mut self, around: &Around<'_>, step: &mut Step<'_>) {
        self.0.retain(|device, row| {
            let is_ours = row.account == around.me && around.own.lists(device);
            let stays = is_ours || around.people.friend(&row.account).is_some_and(FriendRow::is_mutual);
            if !stays {
                step.delete::<Rows>(device);
            }
            stays
        });
    }

    /// The mailbox that mail for this device goes to: the one that holds some already, else the first.
    pub(super) fn choose(&self, device: &DeviceId) -> Option<(Address, &Ticket)> {
        let row = self.0.get(device)?;
        let usable = |ticket: &&Ticket| Address::parse(&ticket.carrier).is_ok();
        let is_used = |ticket: &&Ticket| row.used.is_some_and(|used| *used.as_bytes() == ticket.mailbox);
        let chosen = row.tickets.iter().filter(usable).find(is_used).or_else(|| row.tickets.iter().find(usable))?;
        Some((Address::parse(&chosen.carrier).ok()?, chosen))
    }

    /// The prekeys that this device told us, besides those of its public bundle.
    pub(super) fn prekeys(&self, device: &DeviceId) -> &[Prekey] {
        self.0.get(device).map_or(&[], |row| row.prekeys.as_slice())
    }

    /// Devices of this account whose mailboxes we know.
    pub(super) fn devices(&self, account: &AccountId) -> Vec<DeviceId> {
        let theirs = self.0.iter().filter(|(_, row)| row.account == *account && !row.tickets.is_empty());
        theirs.map(|(device, _)| *device).collect()
    }

    /// Our mail is in this mailbox.
    pub(super) fn on_used(&mut self, device: &DeviceId, mailbox: MailboxId, step: &mut Step<'_>) {
        if let Some(row) = self.0.get_mut(device).filter(|row| row.used != Some(mailbox)) {
            row.used = Some(mailbox);
            step.put::<Rows>(device, row);
        }
    }

    /// The carrier does not have this mailbox: another one is used, until they tell anew.
    pub(super) fn drop_mailbox(&mut self, device: &DeviceId, mailbox: &MailboxId, step: &mut Step<'_>) {
        if let Some(row) = self.0.get_mut(device) {
            row.tickets.retain(|ticket| ticket.mailbox != *mailbox.as_bytes());
            row.used = row.used.filter(|used| used != mailbox);
            step.put::<Rows>(device, row);
        }
    }
}
