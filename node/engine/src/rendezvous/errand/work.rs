//! A friend request: sealed to the devices of whoever has the name, and sent with the work that it costs.

use hobnob_shared::{
    id::{AccountId, DeviceId},
    noise::mail,
    pow::{Puzzle, Search},
    wire::{
        ErrorCode, ServerFrame,
        mail::MailContent,
        rendezvous::{KnockEnvelope, KnockPut, Proof},
    },
};
use rand_core::Rng as _;

use super::{
    super::{Lane, Purpose, Rendezvous, calls::Failed},
    Next,
};
use crate::step::Step;

/// Hashes that one call of the engine may take: about a millisecond of one core.
const STEPS: u32 = 3_000;
/// How often work is begun anew because the rendezvous wants other work meanwhile.
const MAX_WORK: u8 = 3;

/// A friend request that waits for its proof of work.
#[derive(Debug)]
pub(super) struct Work {
    puzzle: Puzzle,
    challenge: [u8; 16],
    from: u64,
    account: AccountId,
    envelopes: Vec<(DeviceId, KnockEnvelope)>,
    pub(super) is_sent: bool,
}

impl Rendezvous {
    /// Seals the friend request to each device of whoever has the name, and begins to work for it.
    /// The first of `contents` that there is room for is what is said.
    pub(in crate::rendezvous) fn prepare(
        &mut self,
        id: u64,
        contents: &[MailContent],
        step: &mut Step<'_>,
    ) -> Result<(), Failed> {
        let Some(errand) = self.errands.running.get(&id) else { return Ok(()) };
        let (Some(known), Some(status)) = (&errand.known, &errand.status) else { return Ok(()) };
        let (account, bits, challenge) = (known.binding.account, status.knock_bits, status.challenge);
        let mut envelopes = Vec::new();
        // Where it is our own account, what is sealed to this device would only lie there.
        for device in known.row.devices.iter().filter(|device| device.id != step.me.device) {
            let usable = |prekey: &hobnob_shared::identity::Prekey| prekey.expiry_ms > step.now.wall_ms;
            let Some(prekey) = device.prekeys().into_iter().filter(usable).max_by_key(|prekey| prekey.id) else {
                continue;
            };
            envelopes.extend(seal(contents, &device.id, &prekey, step).map(|envelope| (device.id, envelope)));
        }
        if envelopes.is_empty() {
            return Err(Failed::Refused(ErrorCode::Expired));
        }
        let puzzle = puzzle(&account, &envelopes, bits, challenge)?;
        let from = step.rng.next_u64();
        self.change(id, |errand| {
            errand.work = Some(Work { puzzle, challenge, from, account, envelopes, is_sent: false });
        });
        self.errands.plan(step.now.mono_ms);
        Ok(())
    }

    pub(super) fn work_again(
        &mut self,
        id: u64,
        bits: u8,
        challenge: [u8; 16],
        step: &mut Step<'_>,
    ) -> Result<Next, Failed> {
        let from = step.rng.next_u64();
        let Some(errand) = self.errands.running.get_mut(&id) else { return Ok(Next::On) };
        errand.works += 1;
        match &mut errand.work {
            Some(work) if errand.works <= MAX_WORK => {
                work.puzzle = puzzle(&work.account, &work.envelopes, bits, challenge)?;
                (work.challenge, work.from, work.is_sent) = (challenge, from, false);
                self.errands.plan(step.now.mono_ms);
                Ok(Next::On)
            }
            _ => Err(Failed::Refused(ErrorCode::Pow { bits, challenge })),
        }
    }

    /// A slice of work for one of them.
    pub(in crate::rendezvous) fn work(&mut self, step: &mut Step<'_>) {
        if self.errands.due_ms.is_some_and(|due| due <= step.now.mono_ms) {
            self.work_a_slice(step);
            self.errands.plan(step.now.mono_ms);
        }
    }

    fn work_a_slice(&mut self, step: &mut Step<'_>) {
        let working = self.errands.running.iter_mut().find_map(|(id, errand)| {
            let work = errand.work.as_mut().filter(|work| !work.is_sent)?;
            Some((*id, errand.server, work))
        });
        let Some((id, server, work)) = working else { return };
        match work.puzzle.search(work.from, STEPS) {
            Search::From(next) => work.from = next,
            Search::Found(nonce) => {
                work.is_sent = true;
                let proof = Proof::Pow { challenge: work.challenge, nonce };
                let put = KnockPut { account: work.account, envelopes: work.envelopes.clone(), proof };
                self.ask(server, Lane::Errand(id), ServerFrame::KnockPut(put), Purpose::Errand(id), step);
            }
        }
    }
}

fn puzzle(
    account: &AccountId,
    envelopes: &[(DeviceId, KnockEnvelope)],
    bits: u8,
    challenge: [u8; 16],
) -> Result<Puzzle, Failed> {
    let subject = KnockPut::digest(account, envelopes);
    Puzzle::new(challenge, bits, subject)
        .ok_or_else(|| Failed::Untrusted(format!("it wants {bits} bits of work, which no honest rendezvous does")))
}

fn seal(
    contents: &[MailContent],
    to: &DeviceId,
    prekey: &hobnob_shared::identity::Prekey,
    step: &mut Step<'_>,
) -> Option<KnockEnvelope> {
    for content in contents {
        match mail::seal_knock(content, to, prekey, &step.me.keys, step.rng) {
            Err(mail::MailError::TooLarge(_)) => {}
            sealed => {
                return sealed.inspect_err(|error| tracing::debug!(%error, "a friend request cannot be sealed")).ok();
            }
        }
    }
    None
}
