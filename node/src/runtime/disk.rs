//! The database and whether it takes what it is given.

use hobnob_engine::{tables::TableId, view::Fault, work::Records};
use hobnob_store::{CommitError, Snapshot, Store};

use crate::api::DiskGate;

/// The first try after a refusal, the longest wait between two, and how soon a person who asks for something to be saved
/// makes us try again.
const FULL: Pace = Pace { first_ms: 500, longest_ms: 30_000, asked_ms: 250 };

/// A damaged page does not heal: each try only brings links up and down again.
const UNREADABLE: Pace = Pace { first_ms: 5_000, longest_ms: 3_600_000, asked_ms: 5_000 };

/// Trouble that comes back within this time, or within its last wait, is the same trouble.
const CALM_MS: u64 = 60_000;

/// What a disk must take before it counts as well: as much as a good batch needs.
const PROBE_BYTES: usize = 256 * 1024;

/// A row that only probes write. The engine's own keys of this table begin with a letter.
const PROBE_KEY: &[u8] = b"\0probe";

/// Why nothing of a batch happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The disk does not take it.
    #[error("{0}")]
    Refused(String),
    /// What is stored cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl Trouble {
    fn pace(&self) -> Pace {
        match self {
            Self::Refused(_) => FULL,
            Self::Unreadable(_) => UNREADABLE,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Unreadable(fault.to_string())
    }
}

/// How often to try again.
#[derive(Clone, Copy, Debug)]
struct Pace {
    first_ms: u64,
    longest_ms: u64,
    asked_ms: u64,
}

/// The database of the profile.
#[derive(Debug)]
pub(super) struct Disk {
    store: Store,
    gate: Option<DiskGate>,
    refusing: Option<Refusing>,
    /// The last wait, and when it was over.
    before: Option<(u64, u64)>,
}

/// The disk refuses.
#[derive(Clone, Debug)]
struct Refusing {
    trouble: Trouble,
    tried_ms: u64,
    wait_ms: u64,
}

impl Disk {
    pub(super) fn new(store: Store, gate: Option<DiskGate>) -> Self {
        Self { store, gate, refusing: None, before: None }
    }

    /// Another database in the place of this one.
    pub(super) fn replace(&mut self, store: Store) {
        self.store = store;
    }

    /// What is stored now.
    pub(super) fn view(&mut self) -> Result<Snapshot, Trouble> {
        Ok(self.store.view()?)
    }

    /// Stores all of `records`, or none.
    pub(super) fn commit(&mut self, records: &Records) -> Result<(), Trouble> {
        if records.is_empty() {
            return Ok(());
        }
        if let Some(DiskGate(gate)) = &self.gate {
            gate().map_err(Trouble::Refused)?;
        }
        self.store.commit(records).map_err(|error| told(&error))
    }

    /// Whether nothing can be saved for now.
    pub(super) fn is_refusing(&self) -> bool {
        self.refusing.is_some()
    }

    /// What is wrong now.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.refusing.as_ref().map(|refusing| &refusing.trouble)
    }

    /// A batch failed. `true` if the last one did not.
    pub(super) fn on_refusal(&mut self, trouble: Trouble, now_ms: u64) -> bool {
        let pace = trouble.pace();
        let recent = self.before.filter(|(wait_ms, well_ms)| now_ms.saturating_sub(*well_ms) < (*wait_ms).max(CALM_MS));
        let last_ms = self.refusing.as_ref().map(|refusing| refusing.wait_ms);
        // A disk that was full may fill again at once; trying that costs little.
        let again_ms = recent.map(|(wait_ms, _)| wait_ms).filter(|_| matches!(trouble, Trouble::Unreadable(_)));
        let wait_ms =
            last_ms.or(again_ms).map_or(pace.first_ms, |last| (last * 2).clamp(pace.first_ms, pace.longest_ms));
        self.refusing.replace(Refusing { trouble, tried_ms: now_ms, wait_ms }).is_none()
    }

    /// When to try again, in `mono_ms`.
    pub(super) fn next_try(&self) -> Option<u64> {
        self.refusing.as_ref().map(|refusing| refusing.tried_ms.saturating_add(refusing.wait_ms))
    }

    /// Whether a try is due; somebody who asks for it makes it due sooner.
    pub(super) fn is_try_due(&self, now_ms: u64, asked: bool) -> bool {
        self.refusing.as_ref().is_some_and(|refusing| {
            let wait_ms = if asked { refusing.wait_ms.min(refusing.trouble.pace().asked_ms) } else { refusing.wait_ms };
            now_ms >= refusing.tried_ms.saturating_add(wait_ms)
        })
    }

    /// Tries whether a batch would be taken, with rows that are removed again.
    pub(super) fn probe(&mut self) -> Result<(), Trouble> {
        let key = (TableId::Profile, PROBE_KEY.to_vec());
        self.commit(&Records::from([(key.clone(), Some(vec![0; PROBE_BYTES]))]))?;
        self.commit(&Records::from([(key, None)]))
    }

    /// The disk takes again.
    pub(super) fn on_well(&mut self, now_ms: u64) {
        self.before = self.refusing.take().map(|refusing| (refusing.wait_ms, now_ms)).or(self.before);
    }
}

/// The error with what lies behind it.
fn told(error: &CommitError) -> Trouble {
    let why = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match error {
        CommitError::Full | CommitError::Io(_) => Trouble::Refused(why),
        CommitError::Damaged { .. } => Trouble::Unreadable(why),
    }
}
