//! Who took how much of the room for all accounts lately, by where they come from: one machine must not fill it.

use hobnob_shared::wire::ErrorCode;

use super::{
    limits::{Policy, SITE_SOURCES},
    recent::Allowance,
    session::Source,
    step::Served,
};

/// KiB of mail, mailboxes, friend requests and new accounts, by who brought them. What is taken out again is not given back: it is a speed.
#[derive(Debug)]
pub(crate) struct Intake(Allowance<Source>);

impl Intake {
    pub(crate) fn new() -> Self {
        Self(Allowance::new())
    }

    /// Whether there is room for so much from there, or how long to wait for it.
    pub(crate) fn check(&self, policy: &Policy, source: Source, kib: u64, now_ms: u64) -> Served<()> {
        let waits = places(policy, source).map(|(place, per_hour)| self.0.wait_for(&place, (kib, per_hour), now_ms));
        match waits.max() {
            None | Some(0) => Ok(()),
            Some(retry_ms) => Err(ErrorCode::RateLimited { retry_ms }.into()),
        }
    }

    /// So much was stored.
    pub(crate) fn count(&mut self, policy: &Policy, source: Source, kib: u64, now_ms: u64) {
        for (place, per_hour) in places(policy, source) {
            self.0.count_more(place, (kib, per_hour), now_ms);
        }
    }
}

fn places(policy: &Policy, source: Source) -> impl Iterator<Item = (Source, u32)> + use<> {
    let per_hour = policy.source_kib();
    let site = source.site().map(|site| (site, per_hour.saturating_mul(SITE_SOURCES)));
    [(source, per_hour)].into_iter().chain(site)
}
