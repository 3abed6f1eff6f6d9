//! Sealed friend requests that wait for an account: one envelope for each of its devices, and whichever answers first
//! takes the request out for all.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    limits::{MAIL_TTL_MS, MAX_PENDING_KNOCKS},
    wire::{
        ErrorCode,
        rendezvous::{KnockEnvelope, KnockItem, Knocks},
    },
};

use super::{
    limits::{FORGET_ROWS, Policy, ROW_BYTES},
    row::{Key as _, table},
    step::{Refusal, Served, Step},
    usage::{charge, earliest_ahead, next_number, number_at, refund},
};

/// Envelopes of one request, by device.
type Envelopes = Vec<(DeviceId, KnockEnvelope)>;

table!(KnockRows: (AccountId, u64) => Envelopes, Knocks);
table!(KnockTimes: (u64, AccountId) => ());

/// Leaves one. The account must be registered here, and the proof checked.
pub(crate) fn deposit(step: &mut Step<'_>, policy: &Policy, account: &AccountId, envelopes: &Envelopes) -> Served<()> {
    if envelopes.is_empty() || envelopes.iter().any(|(_, envelope)| envelope.as_bytes().is_empty()) {
        return Err(ErrorCode::Malformed.into());
    }
    if step.under::<KnockRows>(account, MAX_PENDING_KNOCKS)?.len() == MAX_PENDING_KNOCKS {
        return Err(ErrorCode::Quota.into());
    }
    charge(step, policy, account, bytes(envelopes))?;
    let number = number(step, account)?;
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

/// Those that wait and that this device can open, oldest first.
pub(crate) fn fetch(step: &Step<'_>, account: &AccountId, device: &DeviceId) -> Served<Knocks> {
    let rows = step.under::<KnockRows>(account, MAX_PENDING_KNOCKS)?;
    let of_device = rows.into_iter().filter_map(|((_, number), envelopes)| {
        let (_, envelope) = envelopes.into_iter().find(|(to, _)| to == device)?;
        Some(KnockItem { number, envelope })
    });
    Ok(Knocks { items: of_device.collect() })
}

/// The account has these; they are deleted.
pub(crate) fn acknowledge(step: &mut Step<'_>, account: &AccountId, numbers: &[u64]) -> Served<()> {
    numbers.iter().try_for_each(|number| take_out(step, account, *number))
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

fn bytes(envelopes: &Envelopes) -> u64 {
    envelopes.iter().map(|(_, envelope)| envelope.as_bytes().len() as u64 + 64).sum::<u64>() + ROW_BYTES
}
