//! How many bytes an account takes, and all of them together.

use hobnob_shared::{id::AccountId, wire::ErrorCode};

use super::{
    limits::{DAY_MS, Policy},
    row::table,
    step::{Served, Step},
};

table!(Usage: AccountId => u64);
table!(Counters: [u8; 1] => u64);

/// Which row of [`Counters`].
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Counter {
    /// Bytes of all accounts.
    Bytes = 1,
    /// The last number that mail or a friend request got.
    Number = 2,
    /// Registered names.
    Names = 3,
    /// The highest number of a binding.
    Binding = 4,
}

impl Counter {
    pub(crate) fn get(self, step: &Step<'_>) -> Served<u64> {
        Ok(step.get::<Counters>(&[self as u8])?.unwrap_or(0))
    }

    pub(crate) fn set(self, step: &mut Step<'_>, value: u64) {
        step.put::<Counters>(&[self as u8], &value);
    }
}

/// Counts bytes that are about to be stored; refuses what is over one of the limits.
pub(crate) fn charge(step: &mut Step<'_>, policy: &Policy, account: &AccountId, bytes: u64) -> Served<()> {
    let own = step.get::<Usage>(account)?.unwrap_or(0).saturating_add(bytes);
    let all = Counter::Bytes.get(step)?.saturating_add(bytes);
    if own > policy.account_bytes || all > policy.disk_bytes {
        return Err(ErrorCode::Quota.into());
    }
    step.put::<Usage>(account, &own);
    Counter::Bytes.set(step, all);
    Ok(())
}

/// Counts something that has another size from now on; refuses what would take more than `room` of all accounts together.
pub(crate) fn recount(step: &mut Step<'_>, room: u64, account: &AccountId, (before, after): (u64, u64)) -> Served<()> {
    refund(step, account, before)?;
    let own = step.get::<Usage>(account)?.unwrap_or(0).saturating_add(after);
    let all = Counter::Bytes.get(step)?.saturating_add(after);
    if after > before && all > room {
        return Err(ErrorCode::Quota.into());
    }
    step.put::<Usage>(account, &own);
    Counter::Bytes.set(step, all);
    Ok(())
}

/// Counts bytes that are removed.
pub(crate) fn refund(step: &mut Step<'_>, account: &AccountId, bytes: u64) -> Served<()> {
    let own = step.get::<Usage>(account)?.unwrap_or(0).saturating_sub(bytes);
    let all = Counter::Bytes.get(step)?.saturating_sub(bytes);
    match own {
        0 => step.remove::<Usage>(account),
        own => step.put::<Usage>(account, &own),
    }
    Counter::Bytes.set(step, all);
    Ok(())
}

/// 2025-01-01, in ms since the epoch: a machine that lost its clock shows 1970, or when it was made.
const WRITTEN_MS: u64 = 1_735_689_600_000;

/// Bits of a number below its time.
const BELOW_TIME: u32 = 12;

/// The next number for something that is kept for a while. Numbers only grow, even after the database was restored
/// from a backup, because the time is in them.
pub(crate) fn next_number(step: &mut Step<'_>) -> Served<u64> {
    let number = Counter::Number.get(step)?.saturating_add(1).max(step.now_ms << BELOW_TIME);
    Counter::Number.set(step, number);
    Ok(number)
}

/// The first number that says a time which is not yet, by more than a clock may be set back for a reason: when it was given
/// the clock was ahead. A clock that shows a time before this program was written is not believed itself, and there is none.
pub(crate) fn earliest_ahead(step: &Step<'_>) -> Option<u64> {
    (step.now_ms >= WRITTEN_MS).then(|| number_at(step.now_ms.saturating_add(DAY_MS)))
}

/// The first number of a time.
pub(crate) fn number_at(ms: u64) -> u64 {
    ms << BELOW_TIME
}
