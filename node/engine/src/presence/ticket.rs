//! Where presence is at a rendezvous: our own secret, and what friends' devices told us of theirs.

use std::{collections::BTreeMap, ops::ControlFlow};

use hobnob_shared::{
    Token,
    id::{AccountId, DeviceId, TopicId},
    presence::{PresenceSecret, PresenceTicket},
    wire::{SignedTicket, TicketLetter, rendezvous::PresenceToken},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    row::{Slot, Table},
    step::Step,
    tables::TableId,
    view::{Fault, Order},
};

/// A device of a friend.
pub(super) type Spot = (AccountId, DeviceId);

#[derive(Debug)]
struct OwnTopic;

impl Table for OwnTopic {
    const ID: TableId = TableId::Profile;
    type Key = Slot<5>;
    type Value = OwnSecret;
}

#[derive(Debug, Serialize, Deserialize)]
struct OwnSecret {
    secret: Token<32>,
    time_ms: u64,
}

#[derive(Debug)]
struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::PresenceTickets;
    type Key = Spot;
    type Value = Row;
}

/// What passed between us and a device of a friend.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Row {
    /// Where its presence is, and since when.
    theirs: Option<(PresenceTicket, u64)>,
    /// Which of ours it was told.
    told_ms: Option<u64>,
}

/// All tickets.
#[derive(Debug)]
pub(super) struct Tickets {
    secret: PresenceSecret,
    /// When it was made; no two have the same.
    time_ms: u64,
    rows: BTreeMap<Spot, Row>,
}

impl Tickets {
    /// A copy that was restored has a secret of its own: the one in it may have been told to somebody since removed.
    pub(super) fn load(is_restored: bool, step: &mut Step<'_>) -> Result<Self, Fault> {
        let stored = step.get::<OwnTopic>(&Slot)?;
        let mut tickets = match &stored {
            Some(OwnSecret { secret, time_ms }) => Self {
                secret: PresenceSecret::from_bytes(&Zeroizing::new(*secret.as_bytes())),
                time_ms: *time_ms,
                rows: BTreeMap::new(),
            },
            None => Self { secret: PresenceSecret::generate(step.rng), time_ms: 0, rows: BTreeMap::new() },
        };
        if stored.is_none() || is_restored {
            tickets.replace(step);
        }
        step.scan::<Rows>(&[], Order::Ascending, |spot, row| {
            tickets.rows.insert(spot, row);
            ControlFlow::Continue(())
        })?;
        Ok(tickets)
    }

    pub(super) fn secret(&self) -> &PresenceSecret {
        &self.secret
    }

    /// Another secret from now on. What published the old one is needed once more, to end it.
    pub(super) fn replace(&mut self, step: &mut Step<'_>) -> PresenceToken {
        let old = self.secret.token();
        self.secret = PresenceSecret::generate(step.rng);
        self.time_ms = step.now.wall_ms.max(self.time_ms + 1);
        let secret = Token::new(*self.secret.to_bytes());
        step.put::<OwnTopic>(&Slot, &OwnSecret { secret, time_ms: self.time_ms });
        old
    }

    /// Ours, for this device of a friend.
    pub(super) fn hand_out(&mut self, to: Spot, step: &mut Step<'_>) -> SignedTicket {
        let row = self.rows.entry(to).or_default();
        if row.told_ms.replace(self.time_ms) != Some(self.time_ms) {
            step.put::<Rows>(&to, row);
        }
        let letter = TicketLetter { device: step.me.device, ticket: self.secret.ticket(), time_ms: self.time_ms };
        letter.sign(&step.me.keys)
    }

    /// Takes one of a friend. A device that says it itself is believed; else only a newer one counts.
    pub(super) fn take(
        &mut self,
        account: AccountId,
        letter: TicketLetter,
        is_live: bool,
        step: &mut Step<'_>,
    ) -> bool {
        let spot = (account, letter.device);
        let row = self.rows.entry(spot).or_default();
        let is_news = row
            .theirs
            .as_ref()
            .is_none_or(|(ticket, since)| *ticket != letter.ticket && (is_live || *since < letter.time_ms));
        if is_news {
            row.theirs = Some((letter.ticket, letter.time_ms));
            step.put::<Rows>(&spot, row);
        }
        is_news
    }

    /// Devices of this account that may not see us any more. `true`: one of them has the ticket that counts now.
    pub(super) fn forget(
        &mut self,
        account: &AccountId,
        is_gone: impl Fn(&DeviceId) -> bool,
        step: &mut Step<'_>,
    ) -> bool {
        let mut knows = false;
        let gone: Vec<_> = self.of(account).map(|(spot, _)| *spot).filter(|(_, device)| is_gone(device)).collect();
        for spot in gone {
            knows |= self.rows.remove(&spot).is_some_and(|row| row.told_ms == Some(self.time_ms));
            step.delete::<Rows>(&spot);
        }
        knows
    }

    /// Which devices say that this topic is theirs, with what opens it. Somebody may say so of another friend's.
    pub(super) fn find(&self, topic: &TopicId) -> Vec<(Spot, PresenceTicket)> {
        let all = self.rows.iter().filter_map(|(spot, row)| Some((*spot, row.theirs.as_ref()?.0.clone())));
        all.filter(|(_, ticket)| ticket.topic() == topic).collect()
    }

    /// Every topic of a friend.
    pub(super) fn topics(&self) -> impl Iterator<Item = TopicId> {
        self.rows.values().filter_map(|row| row.theirs.as_ref()).map(|(ticket, _)| *ticket.topic())
    }

    fn of(&self, account: &AccountId) -> impl Iterator<Item = (&Spot, &Row)> {
        let account = *account;
        self.rows.range((account, DeviceId::new([0; 32]))..).take_while(move |((owner, _), _)| *owner == account)
    }
}
