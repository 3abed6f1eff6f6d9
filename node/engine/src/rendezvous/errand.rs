//! Looking a name up, and asking whoever has it to be a friend: a few requests as a guest, over a link of their own, so
//! that nobody can tell who asks about whom.
//!
//! But for one case: all guests behind an address share what a rendezvous looks up for them, so a stranger there can use it
//! up. Where a look-up is refused for that, our account asks, which has look-ups of its own. The rendezvous learns then that
//! our account asks for this name, and one that wants to learn it can refuse every guest. The friend request that may
//! follow is a guest's all the same.

mod work;

use std::collections::{BTreeMap, VecDeque};

use hobnob_shared::{
    id::AccountId,
    text::{Note, Username},
    wire::{
        ErrorCode, ServerFrame,
        rendezvous::{NameGet, Status},
    },
};
use serde_bytes::ByteArray;

use self::work::Work;
use super::{
    Lane, Purpose, Rendezvous, ServerKey,
    calls::{Answered, Failed},
    names::Known,
};
use crate::{step::Step, work::Ticket};

/// Most errands that are known of. A script may look a list of names up; a front end that asks for more is out of order.
const MAX_ERRANDS: usize = 512;
/// Most errands under way. Each has a link of its own; the network layer keeps 16 such links, others among them.
const AT_ONCE: usize = 6;
/// Most look-ups that no person asked for, at all rendezvous together. After a login there may be hundreds of friends to be
/// told of this machine; a rendezvous answers 30 look-ups of an account an hour unless its operator says otherwise, which are
/// all that there are where strangers use up what guests have, and `/find` is to be among them. What is put off is done when the session is next renewed, within the hour.
const UNASKED_AN_HOUR: usize = 20;
const HOUR_MS: u64 = 3_600_000;

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
    /// How long guests have to wait for a look-up, in ms: our account asks in their place.
    guests_wait_ms: Option<u64>,
    /// Whose name it is.
    pub(super) known: Option<Known>,
    work: Option<Work>,
    works: u8,
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
        let errand = Errand {
            server,
            name,
            aim,
            is_begun: false,
            since,
            status: None,
            guests_wait_ms: None,
            known: None,
            work: None,
            works: 0,
        };
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
            Err(Failed::Refused(ErrorCode::RateLimited { retry_ms })) => self.ask_as_ourselves(id, get, retry_ms, step),
            Err(failed) => Err(failed),
        }
    }

    /// Guests are to wait for their next look-up: our account asks, if it can and has not yet. If it is to wait too, the
    /// person is told the shorter time.
    fn ask_as_ourselves(&mut self, id: u64, get: NameGet, retry_ms: u64, step: &mut Step<'_>) -> Result<Next, Failed> {
        let Some(errand) = self.errands.running.get(&id) else { return Ok(Next::On) };
        let (server, before) = (errand.server, errand.guests_wait_ms);
        let is_looking_up = errand.status.is_some() && errand.known.is_none();
        if !is_looking_up || before.is_some() || !self.is_ready(&server) {
            let retry_ms = before.unwrap_or(retry_ms).min(retry_ms);
            return Err(Failed::Refused(ErrorCode::RateLimited { retry_ms }));
        }
        self.change(id, |errand| errand.guests_wait_ms = Some(retry_ms));
        self.ask(server, Lane::Account, ServerFrame::NameGet(get), Purpose::Errand(id), step);
        Ok(Next::On)
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Errand)) {
        if let Some(errand) = self.errands.running.get_mut(&id) {
            change(errand);
        }
    }
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
