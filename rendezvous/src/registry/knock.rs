//! Sealed friend requests that wait for an account: one envelope for each of its devices, which each takes out its own. With
//! the last one the request is gone.
//!
//! A full queue refuses nobody: whoever sends has to be told the same whether somebody takes requests out or not, and one
//! who sends many must not keep the first of another one out. So one more takes the place of the oldest that a device has
//! seen, for a device that never comes back must not fill the queue; where none has, of the oldest of whoever has most.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_shared::{
    id::{AccountId, DeviceId},
    limits::{MAIL_TTL_MS, MAX_PENDING_KNOCKS},
    wire::{
        ErrorCode,
        rendezvous::{KnockEnvelope, KnockItem, Knocks},
    },
};

use super::{
    account,
    limits::{FORGET_ROWS, MAX_REMEMBERED, Policy, ROW_BYTES, SITE_SHARE},
    mailbox::Owner,
    recent::Recent,
    row::{Key as _, table},
    session::Source,
    step::{Refusal, Served, Step},
    usage::{charge, earliest_ahead, next_number, number_at, refund},
};

/// Envelopes of one request, by device. One that was taken out is empty, as none is that is left.
type Envelopes = Vec<(DeviceId, KnockEnvelope)>;

table!(KnockRows: (AccountId, u64) => Envelopes, Knocks);
table!(KnockTimes: (u64, AccountId) => ());

/// Who left a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) source: Source,
    /// Whose session it was, if a member's.
    pub(crate) account: Option<AccountId>,
}

/// Who left which of the requests that wait, by its number. Only in memory: where somebody came from is nobody's business
/// later, and no backup's. A request whose sender is not known counts as the only one of theirs.
#[derive(Debug)]
pub(crate) struct Senders(Recent<u64, Sender>);

/// What several requests can have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    Source(Source),
    Site(Source),
    Account(AccountId),
}

impl Senders {
    pub(crate) fn new() -> Self {
        Self(Recent::new(MAX_REMEMBERED))
    }

    /// Which of these, oldest first, makes room for one of this sender.
    fn surplus(&self, waiting: &[u64], sender: Sender) -> Option<u64> {
        let known = |number: &u64| self.0.get(number).map(|(_, sender)| *sender);
        let mut counts = BTreeMap::<Share, usize>::new();
        for share in waiting.iter().filter_map(known).chain([sender]).flat_map(Sender::shares) {
            *counts.entry(share).or_default() += 1;
        }
        let weight = |share| {
            let count = counts.get(&share).copied().unwrap_or(0);
            if matches!(share, Share::Site(_)) { count / SITE_SHARE } else { count }
        };
        let weight_of =
            |number: &u64| known(number).into_iter().flat_map(Sender::shares).map(weight).max().unwrap_or(1);
        // Of several equal ones, `max_by_key` takes the last.
        waiting.iter().rev().max_by_key(|number| weight_of(number)).copied()
    }
}

impl Sender {
    fn shares(self) -> impl Iterator<Item = Share> {
        let site = self.source.site().map(Share::Site);
        [Share::Source(self.source)].into_iter().chain(site).chain(self.account.map(Share::Account))
    }
}

/// Leaves one. The account must be registered here, and the proof checked.
pub(crate) fn deposit(
    step: &mut Step<'_>,
    policy: &Policy,
    account: &AccountId,
    envelopes: &Envelopes,
    (sender, senders): (Sender, &mut Senders),
) -> Served<()> {
    if envelopes.is_empty() || envelopes.iter().any(is_taken) {
        return Err(ErrorCode::Malformed.into());
    }
    let waiting = step.under::<KnockRows>(account, MAX_PENDING_KNOCKS)?;
    if waiting.len() == MAX_PENDING_KNOCKS {
        let seen = waiting.iter().find(|(_, envelopes)| envelopes.iter().any(is_taken)).map(|((_, number), _)| *number);
        let waiting: Vec<_> = waiting.into_iter().map(|((_, number), _)| number).collect();
        if let Some(number) = seen.or_else(|| senders.surplus(&waiting, sender)) {
            take_out(step, account, number)?;
        }
    }
    charge(step, policy, account, bytes(envelopes))?;
    let number = number(step, account)?;
    senders.0.forget_before(step.now_ms.saturating_sub(MAIL_TTL_MS));
    senders.0.set(number, step.now_ms, sender);
    step.put::<KnockRows>(&(*account, number), envelopes);
    step.put::<KnockTimes>(&(number, *account), &());
    Ok(())
}

/// A number for the next one of an account. They are named one by one when they are taken out, so after the clock was ahead
/// they may say the right time at once.
fn number(step: &mut Step<'_>, account: &AccountId) -> Served<u64> {
    let number = next_number(step)?;
    if earliest_ahead(step).is_none_or(|ahead| number < ahead) {
        return Ok(number);
    }
    let mut number = number_at(step.now_ms);
    while step.get::<KnockRows>(&(*account, number))?.is_some() {
        number += 1;
    }
    Ok(number)
}

/// Those that this device can open and has not taken out, oldest first.
pub(crate) fn fetch(step: &Step<'_>, account: &AccountId, device: &DeviceId) -> Served<Knocks> {
    let rows = step.under::<KnockRows>(account, MAX_PENDING_KNOCKS)?;
    let of_device = rows.into_iter().filter_map(|((_, number), envelopes)| {
        let (_, envelope) = envelopes.into_iter().find(|left| left.0 == *device && !is_taken(left))?;
        Some(KnockItem { number, envelope })
    });
    Ok(Knocks { items: of_device.collect() })
}

/// The device has these: its envelopes are deleted, and a request of which no device of the account has one left.
pub(crate) fn acknowledge(step: &mut Step<'_>, owner: &Owner, numbers: &[u64]) -> Served<()> {
    let (account, _) = owner;
    let known = account::get(step, account)?.map(|row| row.known_devices()).unwrap_or_default();
    numbers.iter().try_for_each(|number| take_envelope(step, owner, &known, *number))
}

fn take_envelope(
    step: &mut Step<'_>,
    (account, device): &Owner,
    known: &BTreeSet<DeviceId>,
    number: u64,
) -> Served<()> {
    let Some(mut envelopes) = step.get::<KnockRows>(&(*account, number))? else { return Ok(()) };
    let before = bytes(&envelopes);
    for (_, envelope) in envelopes.iter_mut().filter(|(to, _)| to == device) {
        *envelope = KnockEnvelope::default();
    }
    // One for a device that was cut off since would never be taken out.
    if envelopes.iter().all(|left| is_taken(left) || !known.contains(&left.0)) {
        return take_out(step, account, number);
    }
    refund(step, account, before.saturating_sub(bytes(&envelopes)))?;
    step.put::<KnockRows>(&(*account, number), &envelopes);
    Ok(())
}

fn is_taken((_, envelope): &(DeviceId, KnockEnvelope)) -> bool {
    envelope.as_bytes().is_empty()
}

/// Removes all of an account.
pub(crate) fn delete_all(step: &mut Step<'_>, account: &AccountId) -> Served<()> {
    for ((_, number), _) in step.under::<KnockRows>(account, MAX_PENDING_KNOCKS)? {
        take_out(step, account, number)?;
    }
    Ok(())
}

/// Removes some of those that are too old. Says whether there may be more.
pub(crate) fn expire(step: &mut Step<'_>) -> Served<bool> {
    let end = number_at(step.now_ms.saturating_sub(MAIL_TTL_MS)).to_bytes();
    let old = step.whole_between::<KnockTimes>(&[], Some(&end), FORGET_ROWS)?;
    let more = old.len() == FORGET_ROWS;
    for ((number, account), ()) in old {
        match take_out(step, &account, number) {
            Err(Refusal::Fault(fault)) => {
                step.pass_over(fault);
                step.remove::<KnockTimes>(&(number, account));
            }
            taken => taken?,
        }
    }
    Ok(more)
}

fn take_out(step: &mut Step<'_>, account: &AccountId, number: u64) -> Served<()> {
    if let Some(envelopes) = step.get::<KnockRows>(&(*account, number))? {
        refund(step, account, bytes(&envelopes))?;
        step.remove::<KnockRows>(&(*account, number));
    }
    step.remove::<KnockTimes>(&(number, *account));
    Ok(())
}

/// What a request counts for: less with each envelope that is taken out.
pub(crate) fn bytes(envelopes: &Envelopes) -> u64 {
    envelopes.iter().map(|(_, envelope)| envelope.as_bytes().len() as u64 + 64).sum::<u64>() + ROW_BYTES
}
