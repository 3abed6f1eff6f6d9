//! Keys that others seal mail and friend requests to while we are away.
//!
//! One a day while the node runs; our bundle names the newest. A node that was away for longer goes on with the old one
//! until it is back, so what was sealed meanwhile can be opened. The secret half is erased when it has been replaced for
//! so long that no rendezvous still holds anything sealed to it. How long that is, is counted day by day: a clock that is set
//! years ahead would erase at once what friends seal to.

use std::ops::ControlFlow;

use hobnob_shared::{
    Token,
    identity::Prekey,
    limits::{PREKEY_KEEP_MS, PREKEY_ROTATE_MS},
    noise::mail::{self, Opened, PrekeyPair},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    row::Table,
    step::Step,
    tables::TableId,
    view::{Fault, Order},
    work::Now,
};

/// Others may use a prekey for so long, if they know of no newer one: as long as the bundle that names it.
const LIFE_MS: u64 = 30 * 24 * 3_600_000;

/// The longest time between two counts that the clock is believed. Nobody who was away for longer finds mail sealed before
/// that: it waits for 14 days; and a clock that was set is mostly years off.
const MAX_AWAY_MS: u64 = 30 * 24 * 3_600_000;

/// Number → the secret half.
#[derive(Debug)]
struct Rows;

impl Table for Rows {
    const ID: TableId = TableId::Prekeys;
    type Key = u32;
    type Value = PrekeyRow;
}

/// A prekey of this device.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PrekeyRow {
    created_ms: u64,
    expiry_ms: u64,
    replaced_ms: Option<u64>,
    /// How long it has been replaced, as far as that was counted.
    #[serde(default)]
    age_ms: u64,
    /// What the clock showed when it was counted last.
    #[serde(default)]
    counted_ms: Option<u64>,
    secret: Token<{ PrekeyPair::SECRET_BYTES }>,
}

/// The newest one.
#[derive(Debug, Default)]
pub(crate) struct Prekeys {
    current: Option<(PrekeyRow, Prekey)>,
    /// When the next one is wanted, in `mono_ms`.
    due_ms: Option<u64>,
    /// When ages were counted last, in `mono_ms`.
    counted_ms: Option<u64>,
}

impl PrekeyRow {
    fn pair(&self, id: u32) -> PrekeyPair {
        PrekeyPair::from_secret(id, self.expiry_ms, &Zeroizing::new(*self.secret.as_bytes()))
    }

    /// Counts on what passed since the last count: what the clock says, where that can be, and what this process has run.
    fn count(self, since_ms: u64, ran_ms: u64, now_ms: u64) -> Self {
        let away = now_ms.checked_sub(self.counted_ms.unwrap_or(since_ms)).filter(|away| *away <= MAX_AWAY_MS);
        let age_ms = self.age_ms.saturating_add(away.unwrap_or_default().max(ran_ms));
        Self { age_ms, counted_ms: Some(now_ms), ..self }
    }
}

impl Prekeys {
    pub(super) fn load(step: &mut Step<'_>) -> Result<Self, Fault> {
        let mut current = None;
        step.scan::<Rows>(&[], Order::Descending, |id, row| {
            let public = row.pair(id).public();
            current = Some((row, public));
            ControlFlow::Break(())
        })?;
        Ok(Self { current, due_ms: None, counted_ms: None })
    }

    /// Makes a new one when the newest is a day old, and erases what is of no more use. `true`: there is a new one.
    pub(crate) fn renew(&mut self, step: &mut Step<'_>) -> Result<bool, Fault> {
        let now = step.now.wall_ms;
        // A clock that was set by more than a day counts as well, at once: others may take the old one for expired.
        let age = self.current.as_ref().map_or(u64::MAX, |(row, _)| now.abs_diff(row.created_ms));
        if age < PREKEY_ROTATE_MS {
            self.due_ms = Some(step.now.mono_ms + PREKEY_ROTATE_MS - age);
            if self.counted_ms.is_none() {
                self.count(step)?;
            }
            return Ok(false);
        }
        self.count(step)?;
        let last = self.current.take();
        if let Some((mut row, public)) = last.clone() {
            (row.replaced_ms, row.counted_ms) = (Some(now), Some(now));
            step.put::<Rows>(&public.id, &row);
        }
        // The time, so that a number is not used twice when the database was lost.
        let seconds = u32::try_from(now / 1000).unwrap_or(u32::MAX);
        let id = last.map_or(seconds, |(_, public)| seconds.max(public.id.saturating_add(1)));
        let pair = PrekeyPair::generate(id, now.saturating_add(LIFE_MS), step.rng);
        let row = PrekeyRow {
            created_ms: now,
            expiry_ms: now.saturating_add(LIFE_MS),
            replaced_ms: None,
            age_ms: 0,
            counted_ms: None,
            secret: Token::new(*pair.secret()),
        };
        step.put::<Rows>(&id, &row);
        self.current = Some((row, pair.public()));
        self.due_ms = Some(step.now.mono_ms + PREKEY_ROTATE_MS);
        Ok(true)
    }

    /// Counts how long each has been replaced, and erases what is of no more use.
    fn count(&mut self, step: &mut Step<'_>) -> Result<(), Fault> {
        let Now { mono_ms, wall_ms } = step.now;
        let ran_ms = self.counted_ms.replace(mono_ms).map_or(0, |at| mono_ms.saturating_sub(at));
        let mut counted = Vec::new();
        step.scan::<Rows>(&[], Order::Ascending, |id, row| {
            if let Some(since) = row.replaced_ms {
                counted.push((id, row.count(since, ran_ms, wall_ms)));
            }
            ControlFlow::Continue(())
        })?;
        for (id, row) in counted {
            if row.age_ms >= PREKEY_KEEP_MS { step.delete::<Rows>(&id) } else { step.put::<Rows>(&id, &row) }
        }
        Ok(())
    }

    /// The one that our bundle names.
    pub(crate) fn current(&self) -> Option<&Prekey> {
        self.current.as_ref().map(|(_, public)| public)
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.due_ms
    }
}

/// Opens what was sealed to a prekey of ours; `None` when it cannot be opened, or makes no sense.
pub(crate) fn open(envelope: &[u8], step: &Step<'_>) -> Result<Option<Opened>, Fault> {
    let Ok(id) = mail::prekey_of(envelope) else { return Ok(None) };
    let row = step.get::<Rows>(&id)?;
    let opened = row.map(|row| row.pair(id).open(envelope, &step.me.device));
    Ok(opened.and_then(|opened| opened.inspect_err(|error| tracing::debug!(%error, "an envelope does not open")).ok()))
}
