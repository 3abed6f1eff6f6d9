//! Looking a name up, and asking whoever has it to be a friend: a few requests as a guest, over a link of their own, so
//! that nobody can tell who asks about whom.

use std::collections::{BTreeMap, VecDeque};

use hobnob_shared::{
    id::{AccountId, DeviceId},
    noise::mail,
    pow::{Puzzle, Search},
    text::{Note, Username},
    wire::{
        ErrorCode, ServerFrame,
        mail::MailContent,
        rendezvous::{KnockEnvelope, KnockPut, NameGet, Proof, Status},
    },
};
use rand_core::Rng as _;
use serde_bytes::ByteArray;

use super::{
    Lane, Purpose, Rendezvous, ServerKey,
    calls::{Answered, Failed},
    names::Known,
};
use crate::{step::Step, work::Ticket};

/// Hashes that one call of the engine may take: about a millisecond of one core.
const STEPS: u32 = 3_000;
/// Most errands that are known of. A script may look a list of names up; a front end that asks for more is out of order.
const MAX_ERRANDS: usize = 512;
/// Most errands under way. Each has a link of its own; the network layer keeps 16 such links, others among them.
const AT_ONCE: usize = 6;
/// Most look-ups that no person asked for, at all rendezvous together. After a login there may be hundreds of friends to be
/// told of this machine; a rendezvous answers 30 look-ups an hour unless its operator says otherwise, and `/find` is to
/// be among them. What is put off is done when the session is next renewed, within the hour.
const UNASKED_AN_HOUR: usize = 20;
const HOUR_MS: u64 = 3_600_000;
/// How often work is begun anew because the rendezvous wants other work meanwhile.
const MAX_WORK: u8 = 3;

/// What an errand is for.
#[derive(Clone, Debug)]
pub(super) enum Aim {
    /// A person wants to know whose name it is.
    Find(Ticket),
    /// A person wants them for a friend.
    Add(Ticket, Note),
    /// We accepted them, and they may not know.
    Accept(AccountId),
    /// Their account went on without us.
    Learn(AccountId),
    /// Mail to them is to be sealed to a fresh prekey.
    Refresh(AccountId),
}

/// One errand.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) server: ServerKey,
    pub(super) name: Username,
    pub(super) aim: Aim,
    /// Its link is asked for. The others wait until one that is under way is over.
    is_begun: bool,
    /// The newest record of theirs that we hold.
    since: Option<[u8; 32]>,
    status: Option<Status>,
    /// Whose name it is.
    pub(super) known: Option<Known>,
    work: Option<Work>,
    works: u8,
}

/// A friend request that waits for its proof of work.
#[derive(Debug)]
struct Work {
    puzzle: Puzzle,
    challenge: [u8; 16],
    from: u64,
    account: AccountId,
    envelopes: Vec<(DeviceId, KnockEnvelope)>,
    is_sent: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Errands {
    running: BTreeMap<u64, Errand>,
    next: u64,
    /// When the next slice of work is due.
    due_ms: Option<u64>,
    /// When those of the last hour began that no person asked for.
    unasked: VecDeque<u64>,
    /// When nobody was found under the name of a friend, in `mono_ms`. No more of them than friends.
    absent: BTreeMap<AccountId, u64>,
}

/// What an answer leads to.
#[derive(Debug)]
pub(super) enum Next {
    /// The errand goes on.
    On,
    /// The name is known; whoever began it decides.
    Known,
    /// The friend request is stored there.
    Stored,
}

impl Errands {
    pub(super) fn get(&self, id: u64) -> Option<&Errand> {
        self.running.get(&id)
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Errand> {
        self.running.remove(&id)
    }

    /// Whether the person asks this account to be a friend.
    pub(super) fn is_asking(&self, account: &AccountId) -> bool {
        self.asking().any(|(_, known, _)| known.binding.account == *account)
    }

    /// Requests that wait for a mailbox to tell of, and whom they are for.
    pub(super) fn waiting(&self) -> Vec<(u64, AccountId)> {
        let waiting = self.asking().filter(|(.., errand)| errand.work.is_none());
        waiting.map(|(id, known, _)| (id, known.binding.account)).collect()
    }

    fn asking(&self) -> impl Iterator<Item = (u64, &Known, &Errand)> {
        let adds = self.running.iter().filter(|(_, errand)| matches!(errand.aim, Aim::Add(..)));
        adds.filter_map(|(id, errand)| Some((*id, errand.known.as_ref()?, errand)))
    }

    /// Whether we are telling this account already that we accepted it.
    pub(super) fn is_accepting(&self, account: &AccountId) -> bool {
        self.running.values().any(|errand| matches!(errand.aim, Aim::Accept(to) if to == *account))
    }

    /// Nobody has their name there, or it is hidden.
    pub(super) fn on_absent(&mut self, account: AccountId, now_ms: u64) {
        self.absent.insert(account, now_ms);
    }

    /// When that was found out.
    pub(super) fn absent_ms(&self, account: &AccountId) -> Option<u64> {
        self.absent.get(account).copied()
    }

    /// Whether we are asking for what we missed of this account.
    pub(super) fn is_learning(&self, account: &AccountId) -> bool {
        self.running.values().any(|errand| matches!(errand.aim, Aim::Learn(of) if of == *account))
    }

    /// Whether we are asking what is said of this account now.
    pub(super) fn is_refreshing(&self, account: &AccountId) -> bool {
        self.running.values().any(|errand| matches!(errand.aim, Aim::Refresh(of) if of == *account))
    }

    /// The oldest that waits, if one more may begin.
    fn next_to_begin(&self) -> Option<u64> {
        let begun = self.running.values().filter(|errand| errand.is_begun).count();
        let waits = self.running.iter().find(|(_, errand)| !errand.is_begun);
        waits.filter(|_| begun < AT_ONCE).map(|(id, _)| *id)
    }

    /// Whether there is room for another one; it counts then.
    fn admits(&mut self, aim: &Aim, now_ms: u64) -> bool {
        if self.running.len() >= MAX_ERRANDS {
            return false;
        }
        match aim {
            Aim::Find(_) | Aim::Add(..) => true,
            Aim::Accept(_) | Aim::Learn(_) | Aim::Refresh(_) => {
                self.unasked.retain(|at| now_ms.saturating_sub(*at) < HOUR_MS);
                let is_free = self.unasked.len() < UNASKED_AN_HOUR;
                if is_free {
                    self.unasked.push_back(now_ms);
                }
                is_free
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.due_ms
    }

    /// While there is work, a slice of it is due every millisecond.
    fn plan(&mut self, now_ms: u64) {
        let is_working = |errand: &Errand| errand.work.as_ref().is_some_and(|work| !work.is_sent);
        self.due_ms = self.running.values().any(is_working).then_some(now_ms + 1);
    }
}

impl Rendezvous {
    /// Whether friends are being told of us.
    pub(crate) fn is_telling(&self) -> bool {
        let is_told = |errand: &Errand| matches!(errand.aim, Aim::Accept(_)) && self.is_ready(&errand.server);
        self.errands.running.values().any(is_told)
    }

    /// Whether somebody is being asked to be a friend.
    pub(crate) fn is_asking(&self, account: &AccountId) -> bool {
        self.errands.is_asking(account)
    }

    /// Begins one; whoever has the name is known up to the record with the hash `since`. `false`: too many are under way.
    pub(super) fn run(
        &mut self,
        server: ServerKey,
        name: Username,
        aim: Aim,
        since: Option<[u8; 32]>,
        step: &mut Step<'_>,
    ) -> bool {
        if !self.errands.admits(&aim, step.now.mono_ms) {
            return false;
        }
        let id = self.errands.next;
        self.errands.next += 1;
        let errand =
            Errand { server, name, aim, is_begun: false, since, status: None, known: None, work: None, works: 0 };
        self.errands.running.insert(id, errand);
        self.begin_errands(step);
        true
    }

    /// Begins those that waited, as far as there is room.
    pub(super) fn begin_errands(&mut self, step: &mut Step<'_>) {
        while let Some(id) = self.errands.next_to_begin() {
            let Some(errand) = self.errands.running.get_mut(&id) else { return };
            errand.is_begun = true;
            let server = errand.server;
            self.ask(server, Lane::Errand(id), ServerFrame::StatusGet, Purpose::Errand(id), step);
        }
    }

    /// Ends the link of an errand that is over, so that the next one may have it.
    pub(super) fn leave_errand(&mut self, id: u64, step: &mut Step<'_>) {
        let is_its = |session: &super::session::Session| session.lane == Lane::Errand(id);
        let links = self.sessions.iter().filter(|(_, session)| is_its(session)).map(|(link, _)| *link);
        for link in links.collect::<Vec<_>>() {
            self.leave(link, step);
        }
    }

    /// An answer of an errand's session.
    pub(super) fn advance(
        &mut self,
        id: u64,
        answer: Result<Answered, Failed>,
        step: &mut Step<'_>,
    ) -> Result<Next, Failed> {
        let Some(errand) = self.errands.running.get(&id) else { return Ok(Next::On) };
        let (server, get) =
            (errand.server, NameGet { name: errand.name.clone(), since: errand.since.map(ByteArray::new) });
        let is_sent = errand.work.as_ref().is_some_and(|work| work.is_sent);
        match answer.map(|answered| *answered.frame) {
            Ok(ServerFrame::Status(status)) => {
                self.check_status(&server, &status, step)?;
                self.change(id, |errand| errand.status = Some(status));
                self.ask(server, Lane::Errand(id), ServerFrame::NameGet(get), Purpose::Errand(id), step);
                Ok(Next::On)
            }
            Ok(ServerFrame::Name(answer)) => {
                let known = self.check_name(&server, &get.name, &answer)?;
                self.change(id, |errand| errand.known = Some(known));
                Ok(Next::Known)
            }
            // To anything but the request itself it says nothing.
            Ok(ServerFrame::Done) if is_sent => Ok(Next::Stored),
            Ok(_) => Err(Failed::Unreached("it answers nonsense".to_owned())),
            Err(Failed::Refused(ErrorCode::Pow { bits, challenge })) => self.work_again(id, bits, challenge, step),
            Err(failed) => Err(failed),
        }
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Errand)) {
        if let Some(errand) = self.errands.running.get_mut(&id) {
            change(errand);
        }
    }

    /// Seals the friend request to each device of whoever has the name, and begins to work for it.
    /// The first of `contents` that there is room for is what is said.
    pub(super) fn prepare(&mut self, id: u64, contents: &[MailContent], step: &mut Step<'_>) -> Result<(), Failed> {
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

    fn work_again(&mut self, id: u64, bits: u8, challenge: [u8; 16], step: &mut Step<'_>) -> Result<Next, Failed> {
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
    pub(super) fn work(&mut self, step: &mut Step<'_>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_person_asked_for_leaves_room_for_what_they_ask() {
        let mut errands = Errands::default();
        let accept = Aim::Accept(AccountId::new([1; 32]));
        let admitted = (0..100).filter(|ms| errands.admits(&accept, 1_000 + ms)).count();
        assert_eq!(admitted, UNASKED_AN_HOUR);
        assert!(!errands.admits(&Aim::Learn(AccountId::new([2; 32])), HOUR_MS));
        assert!(errands.admits(&Aim::Find(Ticket(1)), HOUR_MS));
        assert!(errands.admits(&accept, 1_000 + HOUR_MS), "the first of them is an hour old");
    }
}
