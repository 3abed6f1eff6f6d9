//! The rules of the rendezvous: who has a name, who may leave and take what, what is forgotten when. Pure: no clock, no
//! file, no network, no async. [`Registry::handle`] is the only door; it says in [`Work`] what is to be stored and told.
//!
//! Whoever calls must commit the records first, and only then send the answers.

mod account;
mod arrival;
mod code;
mod intake;
mod knock;
mod leaving;
pub mod limits;
mod mailbox;
mod name;
mod password;
mod presence;
mod proof;
mod recent;
mod register;
mod released;
mod row;
mod serve;
mod session;
mod shares;
mod step;
mod usage;
mod vault;
pub mod view;

use hobnob_shared::{
    identity::DeviceKeys,
    opaque::ServerSetup,
    rendezvous::RegistrationCode,
    wire::{
        payload::Failure,
        rendezvous::{MailWaiting, Registration, ServerFrame},
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

pub use code::{CLOSED, CODE_MS};
pub use limits::Policy;
pub use session::{Caller, Source};

use limits::MINUTE_MS;
use password::Passwords;
use presence::{Presence, Told};
use proof::Proofs;
use recent::Allowance;
use session::Sessions;
use shares::Holder;
use step::{Refusal, Served, Step};
use usage::Counter;
use view::{Fault, Records, TableId, View};

/// Names a session, for as long as the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What comes from outside.
#[derive(Debug)]
pub enum Input {
    /// A handshake is done.
    Opened {
        /// The new session.
        session: SessionId,
        /// Who is there.
        caller: Caller,
        /// From where.
        source: Source,
        /// The hash of the handshake: what is proved inside is bound to it.
        binding: [u8; 32],
    },
    /// A frame came.
    Frame {
        /// In which session.
        session: SessionId,
        /// The frame's id, which its answer repeats.
        id: u32,
        /// The frame.
        frame: ServerFrame,
    },
    /// A session said something at this time that was answered elsewhere.
    Seen(SessionId),
    /// A session ended.
    Closed(SessionId),
    /// The operator made a registration code.
    Code(RegistrationCode),
    /// Time has passed: see [`Registry::next_timeout`].
    Timeout,
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where to.
    pub session: SessionId,
    /// The id of the request.
    pub id: u32,
    /// The answer.
    pub frame: ServerFrame,
}

/// What somebody is told unasked.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Whom.
    pub to: Vec<SessionId>,
    /// What.
    pub frame: ServerFrame,
}

/// What is to be done, in this order.
#[derive(Debug, Default)]
#[must_use]
pub struct Work {
    /// Rows to commit.
    pub records: Records,
    /// Answers to send.
    pub answers: Vec<Answer>,
    /// Notes to send.
    pub notes: Vec<Note>,
    /// Faults of the store, for the log.
    pub faults: Vec<Fault>,
}

/// How much there is, for the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Open sessions.
    pub sessions: u64,
    /// Presence topics, published or watched.
    pub topics: u64,
    /// Registered names.
    pub names: u64,
    /// Bytes that are counted for all accounts.
    pub bytes: u64,
    /// Bytes that all accounts may take; 0 where no rules say so.
    pub room: u64,
}

/// How much of the room for all accounts is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fullness {
    /// Enough.
    #[default]
    Roomy,
    /// Less than a tenth.
    NearlyFull,
    /// Less than a thousandth: mail and registrations are being refused, or will be in a moment.
    Full,
}

impl Totals {
    /// How much of the room for all accounts is left.
    pub fn fullness(&self) -> Fullness {
        match self.room.saturating_sub(self.bytes) {
            _ if self.room == 0 => Fullness::Roomy,
            left if left < self.room / 1000 => Fullness::Full,
            left if left < self.room / 10 => Fullness::NearlyFull,
            _ => Fullness::Roomy,
        }
    }
}

/// All of it. See the module.
#[derive(Debug)]
pub struct Registry {
    keys: DeviceKeys,
    policy: Policy,
    generation: u64,
    rng: ChaCha20Rng,
    sessions: Sessions,
    presence: Presence,
    passwords: Passwords,
    proofs: Proofs,
    lookups: Allowance<session::Looker>,
    senders: knock::Senders,
    intake: intake::Intake,
    /// When something is to be forgotten next; 0 before the first time is known.
    forget_at_ms: u64,
    /// When more of what left is to be removed; 0 before it is known whether anything is, `u64::MAX` when nothing is.
    leave_at_ms: u64,
}

impl Registry {
    /// A registry with these secrets. `generation` is told to everybody, and is another one since a backup was restored.
    /// `seed` must be random.
    pub fn new(keys: DeviceKeys, setup: ServerSetup, policy: Policy, generation: u64, seed: [u8; 32]) -> Self {
        let passwords = Passwords::new(setup, &keys);
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self {
            keys,
            policy,
            generation,
            rng,
            sessions: Sessions::default(),
            presence: Presence::default(),
            passwords,
            proofs: Proofs::new(secret),
            lookups: Allowance::new(),
            senders: knock::Senders::new(),
            intake: intake::Intake::new(),
            forget_at_ms: 0,
            leave_at_ms: 0,
        }
    }

    /// Whether a code is of no use now.
    pub fn is_closed(&self) -> bool {
        self.policy.registration == Registration::Closed
    }

    /// Other rules from now on; what is there stays.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Takes one input. What it wants written and told goes behind what is in `work` already.
    pub fn handle(&mut self, input: Input, now_ms: u64, view: &dyn View, work: &mut Work) {
        match input {
            Input::Opened { session, caller, source, binding } => {
                self.sessions.on_opened(session, caller, source, binding);
                self.presence.on_opened(session, Holder { source, account: caller.account() }, now_ms);
                self.on_opened(session, now_ms, view, work);
            }
            Input::Frame { session, id, frame } => self.on_frame(session, id, frame, now_ms, view, work),
            Input::Seen(session) => self.presence.on_frame(session, now_ms),
            Input::Closed(session) => self.on_closed(session),
            Input::Code(code) => self.on_code(&code, now_ms, view, work),
            Input::Timeout => self.on_timeout(now_ms, view, work),
        }
        let mut left = work.records.range((TableId::Leaving, Vec::new())..);
        if left.any(|((table, _), row)| *table == TableId::Leaving && row.is_some()) {
            self.leave_at_ms = self.leave_at_ms.min(now_ms + FORGET_AGAIN_MS);
        }
    }

    /// When [`Input::Timeout`] is needed next.
    pub fn next_timeout(&self) -> u64 {
        let due = self.forget_at_ms.min(self.leave_at_ms);
        self.presence.next_timeout().map_or(due, |presence| presence.min(due))
    }

    /// How much there is.
    pub fn totals(&self, view: &dyn View) -> Result<Totals, Fault> {
        let (sessions, topics) = (self.sessions.len() as u64, self.presence.len() as u64);
        Ok(Totals { sessions, topics, room: self.policy.disk_bytes, ..stored(view)? })
    }

    fn on_opened(&mut self, session: SessionId, now_ms: u64, view: &dyn View, work: &mut Work) {
        let mut step = Step::new(now_ms, view, &mut work.records);
        match self.greet(session, &mut step) {
            Ok(envelopes) => {
                step.keep();
                if let Some(envelopes) = envelopes {
                    let frame = ServerFrame::MailWaiting(MailWaiting { envelopes });
                    work.notes.push(Note { to: vec![session], frame });
                }
            }
            Err(refusal) => work.faults.extend(refusal.fault()),
        }
    }

    /// Notes that a member is here. Says how much mail waits, if any does.
    fn greet(&self, session: SessionId, step: &mut Step<'_>) -> Served<Option<u64>> {
        let Some(session) = self.sessions.get(session) else { return Ok(None) };
        let Some((owner, row)) = session.member(step)? else { return Ok(None) };
        account::touch(step, &owner.0, &row)?;
        Ok(Some(mailbox::waiting(step, &owner)?).filter(|waiting| *waiting > 0))
    }

    fn on_frame(
        &mut self,
        session: SessionId,
        id: u32,
        frame: ServerFrame,
        now_ms: u64,
        view: &dyn View,
        work: &mut Work,
    ) {
        self.presence.on_frame(session, now_ms);
        let wants_answer = frame.wants_answer();
        let mut step = Step::new(now_ms, view, &mut work.records);
        let mut notes = Vec::new();
        let served = self.serve(session, frame, &mut step, &mut notes);
        work.faults.append(&mut step.passed());
        let frame = match served {
            Ok(Some(answer)) => {
                step.keep();
                work.notes.append(&mut notes);
                answer
            }
            Ok(None) => return,
            Err(refusal) => {
                let code = refusal.code();
                work.faults.extend(refusal.fault());
                if !wants_answer {
                    return;
                }
                ServerFrame::Error(Failure { code, of: id })
            }
        };
        work.answers.push(Answer { session, id, frame });
    }

    fn on_closed(&mut self, session: SessionId) {
        self.sessions.on_closed(session);
        self.presence.on_closed(session);
    }

    fn on_code(&mut self, code: &RegistrationCode, now_ms: u64, view: &dyn View, work: &mut Work) {
        let mut step = Step::new(now_ms, view, &mut work.records);
        code::add(&mut step, code);
        step.keep();
    }

    fn on_timeout(&mut self, now_ms: u64, view: &dyn View, work: &mut Work) {
        work.notes.extend(self.presence.on_timeout(now_ms).into_iter().map(Note::from));
        if self.leave_at_ms <= now_ms {
            self.on_leaving(now_ms, view, work);
        }
        if self.forget_at_ms == 0 {
            self.forget_at_ms = now_ms + SETTLE_MS;
        }
        if now_ms < self.forget_at_ms {
            return;
        }
        let mut has_more = false;
        for forget in [arrival::set_right, mailbox::expire, knock::expire, code::expire, account::expire] {
            // What is damaged in one keeps none of the others from going on.
            let mut step = Step::new(now_ms, view, &mut work.records);
            let forgotten = forget(&mut step);
            work.faults.append(&mut step.passed());
            match forgotten {
                Ok(more) => {
                    step.keep();
                    has_more |= more;
                }
                Err(refusal) => work.faults.extend(refusal.fault()),
            }
        }
        // A backlog goes in rounds, with requests between them.
        self.forget_at_ms = now_ms + if has_more { FORGET_AGAIN_MS } else { MINUTE_MS };
    }

    /// Removes more of what left. It is nobody's whatever the time is, so the clock need not be right.
    fn on_leaving(&mut self, now_ms: u64, view: &dyn View, work: &mut Work) {
        let mut step = Step::new(now_ms, view, &mut work.records);
        let gone = leaving::go_on(&mut step);
        work.faults.append(&mut step.passed());
        self.leave_at_ms = match gone {
            Ok(has_more) => {
                step.keep();
                if has_more { now_ms + FORGET_AGAIN_MS } else { u64::MAX }
            }
            Err(refusal) => {
                work.faults.extend(refusal.fault());
                now_ms + MINUTE_MS
            }
        };
    }
}

/// How much is stored; what is only in memory is none.
pub fn stored(view: &dyn View) -> Result<Totals, Fault> {
    let mut none = Records::new();
    let step = Step::new(0, view, &mut none);
    let count = |counter: Counter| match counter.get(&step) {
        Ok(count) => Ok(count),
        Err(Refusal::Fault(fault)) => Err(fault),
        Err(Refusal::Code(_)) => Ok(0),
    };
    Ok(Totals { names: count(Counter::Names)?, bytes: count(Counter::Bytes)?, ..Totals::default() })
}

/// What makes a registration code good, for when no server runs.
pub fn code_records(code: &RegistrationCode, now_ms: u64) -> Records {
    let (view, mut records) = (view::MemoryView::default(), Records::new());
    let mut step = Step::new(now_ms, &view, &mut records);
    code::add(&mut step, code);
    step.keep();
    records
}

/// Nothing is forgotten so soon after the start, in ms: a machine that starts with a clock years ahead would take all mail
/// and all names for old, and somebody may see it and set it in an hour.
const SETTLE_MS: u64 = limits::HOUR_MS;

/// Between two rounds of forgetting when there is more, in ms: 256 rows each make 5,000 a second.
const FORGET_AGAIN_MS: u64 = 50;

impl From<Told> for Note {
    fn from(told: Told) -> Self {
        Self { to: told.to, frame: ServerFrame::PresenceNote(told.note) }
    }
}
