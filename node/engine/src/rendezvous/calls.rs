//! What is asked of a rendezvous, and who waits for the answer.

use std::collections::BTreeMap;

use hobnob_shared::wire::{ErrorCode, ServerFrame, rendezvous::PresenceToken};

use super::{Lane, ServerKey};
use crate::{
    mail::Asked,
    work::{LinkId, Ticket},
};

/// Whoever asks waits at most this long: dialling, the handshake and the answer are in it.
pub(super) const CALL_TIMEOUT_MS: u64 = 15_000;
/// Most requests that wait at a time. More are refused: a front end that asks so much is out of order.
const MAX_CALLS: usize = 1024;

/// Names a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallId(u64);

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// A front end, about this request.
    Front(Ticket),
    /// The first request of every session as our account.
    Status,
    /// The errand with this number.
    Errand(u64),
    /// What others are shown under our name.
    OwnName,
    /// Our record and this device's bundle go there.
    Account,
    /// Friend requests that wait.
    Knocks,
    /// Our presence, or whom we watch; with what has to end of it.
    Presence(Option<PresenceToken>),
    /// Mail.
    Mail(Asked),
    /// The vault as it is there.
    VaultGet,
    /// A newer vault goes there.
    VaultPut,
    /// Whether it proves its key at a place that somebody named.
    Probe,
    /// The vault, for its key: our name is to be given up, for this request.
    Release(Ticket),
    /// Nobody needs the answer.
    Quiet,
}

impl Purpose {
    /// Whether it brings what lay at the rendezvous when a session began.
    fn fetches(&self) -> bool {
        match self {
            Self::Status
            | Self::OwnName
            | Self::Account
            | Self::Knocks
            | Self::Presence(_)
            | Self::VaultGet
            | Self::Mail(Asked::Get) => true,
            Self::Front(_)
            | Self::Errand(_)
            | Self::Mail(Asked::Put | Asked::Ack | Asked::Deposit(_) | Asked::Carrier(..))
            | Self::VaultPut
            | Self::Probe
            | Self::Release(_)
            | Self::Quiet => false,
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) server: ServerKey,
    pub(crate) purpose: Purpose,
    pub(crate) answer: Result<Answered, Failed>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) frame: Box<ServerFrame>,
    /// The handshake hash of the session that it came over.
    pub(crate) session: [u8; 32],
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The rendezvous refuses.
    Refused(ErrorCode),
    /// It is not reached, or left before it answered; in words.
    Unreached(String),
    /// It ended the session: this device is none of an account that it knows.
    Disowned,
    /// Nothing is asked as this device any more: our account has revoked it.
    Revoked,
    /// It is not the one that we know, in words.
    Untrusted(String),
    /// It speaks no version of the protocol that we do, in words.
    Unsupported(String),
    /// Nothing came in time.
    Silent,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) server: ServerKey,
    pub(super) lane: Lane,
    pub(super) request: ServerFrame,
    pub(super) purpose: Purpose,
    until_ms: u64,
    /// Over which link it went out.
    pub(super) over: Option<LinkId>,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Calls {
    waiting: BTreeMap<CallId, Call>,
    next: u64,
}

impl Calls {
    /// A new one. `None`: too many wait.
    pub(super) fn add(
        &mut self,
        server: ServerKey,
        lane: Lane,
        request: ServerFrame,
        purpose: Purpose,
        now_ms: u64,
    ) -> Option<CallId> {
        if self.waiting.len() >= MAX_CALLS {
            return None;
        }
        let id = CallId(self.next);
        self.next += 1;
        let until_ms = now_ms + CALL_TIMEOUT_MS;
        self.waiting.insert(id, Call { server, lane, request, purpose, until_ms, over: None });
        Some(id)
    }

    pub(super) fn take(&mut self, id: CallId) -> Option<Call> {
        self.waiting.remove(&id)
    }

    pub(super) fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.waiting.get_mut(&id)
    }

    /// Those of a lane that have not gone out yet, oldest first.
    pub(super) fn unsent(&self, server: &ServerKey, lane: Lane) -> Vec<CallId> {
        let is_it = |call: &Call| call.server == *server && call.lane == lane && call.over.is_none();
        self.waiting.iter().filter(|(_, call)| is_it(call)).map(|(id, _)| *id).collect()
    }

    /// Whether something that lies there is still being asked for.
    pub(super) fn is_fetching(&self, server: &ServerKey) -> bool {
        self.waiting.values().any(|call| call.server == *server && call.purpose.fetches())
    }

    /// Whether it is not known yet what a place is worth that somebody named.
    pub(super) fn is_probing(&self) -> bool {
        self.waiting.values().any(|call| matches!(call.purpose, Purpose::Probe))
    }

    /// Those that have waited long enough.
    pub(super) fn over(&self, now_ms: u64) -> Vec<CallId> {
        self.waiting.iter().filter(|(_, call)| call.until_ms <= now_ms).map(|(id, _)| *id).collect()
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.waiting.values().map(|call| call.until_ms).min()
    }
}
