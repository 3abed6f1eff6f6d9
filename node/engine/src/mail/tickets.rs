//! Where mail for the devices of our friends may be left, and what it is sealed to: each device's own signed word.

use std::{collections::BTreeMap, ops::ControlFlow};

use hobnob_shared::{
    id::{AccountId, DeviceId, MailboxId},
    identity::{Prekey, SignedBundle, Ticket},
    rendezvous::Address,
};
use serde::{Deserialize, Serialize};

use crate::{
    friend::{FriendRow, People},
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
    /// When it was last told our own mailboxes, prekey and presence, in ms since the epoch.
    #[serde(default)]
    told_ms: Option<u64>,
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
        // Over a session an older number is a clock that was set back.
        if !is_live && known.is_some_and(|row| bundle.seq <= row.seq) {
            return Learned::Nothing;
        }
        let is_same = known.is_some_and(|row| row.tickets == bundle.tickets && row.prekeys == bundle.prekeys);
        let used = known.and_then(|row| row.used);
        // A session begins with both sides telling it.
        let told_ms = if is_live { Some(step.now.wall_ms) } else { known.and_then(|row| row.told_ms) };
        let kept = used.filter(|used| bundle.tickets.iter().any(|ticket| ticket.mailbox == *used.as_bytes()));
        let row = TicketRow {
            account: *account,
            seq: bundle.seq,
            tickets: bundle.tickets,
            prekeys: bundle.prekeys,
            used: kept,
            told_ms,
        };
        step.put::<Rows>(device, &row);
        self.0.insert(*device, row);
        match (used == kept, is_same) {
            (false, _) => Learned::Moved,
            (true, false) => Learned::News,
            (true, true) => Learned::Nothing,
        }
    }

    /// Forgets the devices of those who are no friends any more.
    pub(super) fn prune(&mut self, people: &People, step: &mut Step<'_>) {
        self.0.retain(|device, row| {
            let stays = people.friend(&row.account).is_some_and(FriendRow::is_mutual);
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

    /// Whether this device is to be told our mailboxes and prekey, if it can be.
    pub(super) fn is_untold(&self, device: &DeviceId, now_ms: u64) -> bool {
        let is_old = |at: u64| now_ms.abs_diff(at) >= TELL_AGAIN_MS;
        self.0.get(device).is_some_and(|row| row.told_ms.is_none_or(is_old))
    }

    /// All devices are to be told anew.
    pub(super) fn forget_told(&mut self, step: &mut Step<'_>) {
        for (device, row) in &mut self.0 {
            row.told_ms = None;
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
        if let Some(row) = self.0.get_mut(device) {
            row.told_ms = Some(step.now.wall_ms);
            step.put::<Rows>(device, row);
        }
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
