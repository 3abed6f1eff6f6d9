//! Where mail for the devices of our friends, and for our other ones, may be left, and what it is sealed to: each device's
//! own signed word.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use hobnob_shared::{
    id::{AccountId, DeviceId, MailboxId},
    identity::{Bundle, Prekey, SignedBundle, Ticket},
    rendezvous::Address,
    vault::DeviceMail,
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

/// A device that no session reaches is told our mailboxes and prekey again after this long: they must know one whose
/// secret half we still have, and have nothing else to know it from.
const TELL_AGAIN_MS: u64 = 7 * 24 * 3_600_000;

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
    /// What its carrier told of itself then: another number when it was restored from a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// When it was last told our own mailboxes, prekey and presence, in ms since the epoch.
    #[serde(default)]
    told_ms: Option<u64>,
    /// When it was last asked for what we lack, in ms since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_ms: Option<u64>,
    /// A vault told it, and not the device itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hearsay: bool,
}

impl TicketRow {
    /// Where our mail is.
    fn carrier(&self) -> Option<Address> {
        let used = self.used?;
        let ticket = self.tickets.iter().find(|ticket| ticket.mailbox == *used.as_bytes())?;
        Address::parse(&ticket.carrier).ok()
    }

    fn is_at(&self, carrier: &[u8; 32]) -> bool {
        self.carrier().is_some_and(|at| at.x25519() == carrier)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    rows: BTreeMap<DeviceId, TicketRow>,
    /// Mailboxes whose carrier was not reached when it was tried last: others come first.
    unreached: BTreeSet<MailboxId>,
    /// Mailboxes came or went since the vault was compared last.
    moved: bool,
}

/// What a bundle says that was not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// Nothing.
    Nothing,
    /// Other mailboxes, or other keys.
    News,
    /// Mailboxes of a device of which none was known.
    First,
    /// The mailbox that our mail is in is none of theirs any more.
    Moved,
}

impl Tickets {
    pub(super) fn load(step: &Step<'_>) -> Result<Self, Fault> {
        let mut tickets = Self::default();
        step.scan::<Rows>(&[], Order::Ascending, |device, row| {
            tickets.rows.insert(device, row);
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
        let known = self.rows.get(device);
        // Over a session an older number is a clock that was set back.
        if !is_live && known.is_some_and(|row| bundle.seq <= row.seq) {
            return Learned::Nothing;
        }
        // A session begins with both sides telling it.
        let told_ms = if is_live { Some(step.now.wall_ms) } else { known.and_then(|row| row.told_ms) };
        let Bundle { seq, tickets, prekeys, .. } = bundle;
        let row = TicketRow {
            account: *account,
            seq,
            tickets,
            prekeys,
            used: None,
            generation: None,
            told_ms,
            asked_ms: None,
            hearsay: false,
        };
        self.replace(device, row, step)
    }

    /// Takes what a vault says of a listed device of `account`, if it is newer than what is known.
    pub(super) fn adopt(
        &mut self,
        account: &AccountId,
        device: &DeviceId,
        told: &DeviceMail,
        step: &mut Step<'_>,
    ) -> Learned {
        let known = self.rows.get(device);
        let is_news = !told.tickets.is_empty() && known.is_none_or(|row| row.seq < told.seq);
        if !is_news {
            return Learned::Nothing;
        }
        let told_ms = known.and_then(|row| row.told_ms);
        let DeviceMail { seq, tickets, prekeys, .. } = told.clone();
        let row = TicketRow {
            account: *account,
            seq,
            tickets,
            prekeys,
            used: None,
            generation: None,
            told_ms,
            asked_ms: None,
            hearsay: true,
        };
        self.replace(device, row, step)
    }

    fn replace(&mut self, device: &DeviceId, mut row: TicketRow, step: &mut Step<'_>) -> Learned {
        let known = self.rows.get(device);
        let has_same_boxes = known.is_some_and(|known| known.tickets == row.tickets);
        let is_same = has_same_boxes && known.is_some_and(|known| known.prekeys == row.prekeys);
        let is_first = known.is_none();
        let used = known.and_then(|known| known.used);
        let kept = used.filter(|used| row.tickets.iter().any(|ticket| ticket.mailbox == *used.as_bytes()));
        (row.used, row.generation) = (kept, known.and_then(|known| known.generation));
        row.asked_ms = known.and_then(|known| known.asked_ms);
        self.moved |= !has_same_boxes;
        step.put::<Rows>(device, &row);
        self.rows.insert(*device, row);
        match (used == kept, is_same) {
            _ if is_first => Learned::First,
            (false, _) => Learned::Moved,
            (true, false) => Learned::News,
            (true, true) => Learned::Nothing,
        }
    }

    /// Forgets the devices of those who are no friends any more, and those that are not ours any more.
    pub(super) fn prune(&mut self, around: &Around<'_>, step: &mut Step<'_>) {
        self.rows.retain(|device, row| {
            let is_ours = row.account == around.me && around.own.lists(device);
            let stays = is_ours || around.people.friend(&row.account).is_some_and(FriendRow::is_mutual);
            if !stays {
                step.delete::<Rows>(device);
            }
            stays
        });
    }

    /// Whether mailboxes came or went since this was asked last.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// What this device, or a vault, said last: number and mailboxes.
    pub(super) fn told(&self, device: &DeviceId) -> Option<(u64, &[Ticket])> {
        self.rows.get(device).map(|row| (row.seq, row.tickets.as_slice()))
    }

    /// Whether only a vault told of this device.
    pub(super) fn is_hearsay(&self, device: &DeviceId) -> bool {
        self.rows.get(device).is_some_and(|row| row.hearsay)
    }

    /// Those with a mailbox that were not told of this machine.
    pub(super) fn untold_hearsay(&self) -> impl Iterator<Item = (&AccountId, &DeviceId)> {
        let is_untold = |row: &TicketRow| row.hearsay && row.told_ms.is_none() && !row.tickets.is_empty();
        let untold = self.rows.iter().filter(move |(_, row)| is_untold(row));
        untold.map(|(device, row)| (&row.account, device))
    }

    /// The mailbox that mail for this device goes to: the one that holds some already, else the first; but none whose
    /// carrier is not reached, while there is another.
    pub(super) fn choose(&self, device: &DeviceId) -> Option<(Address, &Ticket)> {
        let row = self.rows.get(device)?;
        let usable = row.tickets.iter().filter_map(|ticket| Some((Address::parse(&ticket.carrier).ok()?, ticket)));
        usable.min_by_key(|(_, ticket)| {
            let mailbox = MailboxId::new(ticket.mailbox);
            (self.unreached.contains(&mailbox), row.used != Some(mailbox))
        })
    }

    /// Whether our mail is in another mailbox than this one.
    pub(super) fn is_elsewhere(&self, device: &DeviceId, mailbox: &MailboxId) -> bool {
        self.rows.get(device).and_then(|row| row.used).is_some_and(|used| used != *mailbox)
    }

    /// The carrier of this mailbox is not reached. `true`: there is another one that may be.
    pub(super) fn on_unreached(&mut self, device: &DeviceId, mailbox: MailboxId) -> bool {
        self.unreached.insert(mailbox);
        let Some(row) = self.rows.get(device) else { return false };
        let theirs: Vec<_> = row.tickets.iter().map(|ticket| MailboxId::new(ticket.mailbox)).collect();
        let has_another = theirs.iter().any(|mailbox| !self.unreached.contains(mailbox));
        if !has_another {
            // All of them are tried again, after a while.
            theirs.iter().for_each(|mailbox| {
                self.unreached.remove(mailbox);
            });
        }
        has_another
    }

    /// Devices whose mail is at this carrier, as far as we know.
    pub(super) fn at(&self, carrier: &[u8; 32]) -> Vec<(AccountId, DeviceId)> {
        let there = self.rows.iter().filter(|(_, row)| row.is_at(carrier));
        there.map(|(device, row)| (row.account, *device)).collect()
    }

    /// Where our mail for this device is.
    pub(super) fn carrier(&self, device: &DeviceId) -> Option<Address> {
        self.rows.get(device)?.carrier()
    }

    /// A carrier tells what it is. Devices whose mail there was left when it was another one: it is gone.
    pub(super) fn on_generation(
        &mut self,
        carrier: &[u8; 32],
        told: u64,
        step: &mut Step<'_>,
    ) -> Vec<(AccountId, DeviceId)> {
        let is_news = |row: &TicketRow| row.generation != Some(told) && row.is_at(carrier);
        let mut gone = Vec::new();
        for (device, row) in self.rows.iter_mut().filter(|(_, row)| is_news(row)) {
            if row.generation.replace(told).is_some() {
                gone.push((row.account, *device));
            }
            step.put::<Rows>(device, row);
        }
        gone
    }

    /// The prekeys that this device told us, besides those of its public bundle.
    pub(super) fn prekeys(&self, device: &DeviceId) -> &[Prekey] {
        self.rows.get(device).map_or(&[], |row| row.prekeys.as_slice())
    }

    /// Devices of this account whose mailboxes we know.
    pub(super) fn devices(&self, account: &AccountId) -> Vec<DeviceId> {
        let theirs = self.rows.iter().filter(|(_, row)| row.account == *account && !row.tickets.is_empty());
        theirs.map(|(device, _)| *device).collect()
    }

    /// Whether this device is to be told our mailboxes and prekey, if it can be.
    pub(super) fn is_untold(&self, device: &DeviceId, now_ms: u64) -> bool {
        let is_old = |at: u64| now_ms.abs_diff(at) >= TELL_AGAIN_MS;
        self.rows.get(device).is_some_and(|row| row.told_ms.is_none_or(is_old))
    }

    /// All devices are to be told anew.
    pub(super) fn forget_told(&mut self, step: &mut Step<'_>) {
        for (device, row) in &mut self.rows {
            row.told_ms = None;
            step.put::<Rows>(device, row);
        }
    }

    /// When it was last asked by mail for what we lack.
    pub(super) fn asked_ms(&self, device: &DeviceId) -> Option<u64> {
        self.rows.get(device)?.asked_ms
    }

    /// It was asked.
    pub(super) fn on_asked(&mut self, device: &DeviceId, step: &mut Step<'_>) {
        if let Some(row) = self.rows.get_mut(device) {
            row.asked_ms = Some(step.now.wall_ms);
            step.put::<Rows>(device, row);
        }
    }

    /// A session with it is up, over which it hears of whatever is new.
    pub(super) fn on_met(&mut self, device: &DeviceId, step: &mut Step<'_>) {
        if self.is_untold(device, step.now.wall_ms) {
            self.on_told(device, step);
        }
    }

    /// It was told.
    pub(super) fn on_told(&mut self, device: &DeviceId, step: &mut Step<'_>) {
        if let Some(row) = self.rows.get_mut(device) {
            row.told_ms = Some(step.now.wall_ms);
            step.put::<Rows>(device, row);
        }
    }

    /// Our mail is in this mailbox, whose carrier has told this of itself.
    pub(super) fn on_used(
        &mut self,
        device: &DeviceId,
        mailbox: MailboxId,
        generation: Option<u64>,
        step: &mut Step<'_>,
    ) {
        let Some(row) = self.rows.get_mut(device).filter(|row| row.used != Some(mailbox)) else { return };
        (row.used, row.generation) = (Some(mailbox), generation);
        step.put::<Rows>(device, row);
    }

    /// The carrier does not have this mailbox: another one is used, until they tell anew.
    pub(super) fn drop_mailbox(&mut self, device: &DeviceId, mailbox: &MailboxId, step: &mut Step<'_>) {
        if let Some(row) = self.rows.get_mut(device) {
            row.tickets.retain(|ticket| ticket.mailbox != *mailbox.as_bytes());
            row.used = row.used.filter(|used| used != mailbox);
            self.moved = true;
            step.put::<Rows>(device, row);
        }
    }
}
