//! The database and whether it takes what it is given.

use hobnob_engine::{tables::TableId, work::Records};
use hobnob_store::{CommitError, Snapshot, Store};

use crate::api::DiskGate;

/// The first try after a refusal, and the longest wait between two.
const FIRST_WAIT_MS: u64 = 500;
const LONGEST_WAIT_MS: u64 = 30_000;

/// A person who asks for something to be saved makes us try again, but not more often than this.
const ASKED_WAIT_MS: u64 = 250;

/// What a disk must take before it counts as well: as much as a good batch needs.
const PROBE_BYTES: usize = 256 * 1024;

/// A row that only probes write. The engine's own keys of this table begin with a letter.
const PROBE_KEY: &[u8] = b"\0probe";

/// The database of the profile.
#[derive(Debug)]
pub(super) struct Disk {
    store: Store,
    gate: Option<DiskGate>,
    refusing: Option<Refusing>,
}

/// The disk refuses.
#[derive(Clone, Copy, Debug)]
struct Refusing {
    tried_ms: u64,
    wait_ms: u64,
}

impl Disk {
    pub(super) fn new(store: Store, gate: Option<DiskGate>) -> Self {
        Self { store, gate, refusing: None }
    }

    /// What is stored now.
    pub(super) fn view(&mut self) -> Result<Snapshot, String> {
        self.store.view().map_err(|fault| fault.to_string())
    }

    /// Stores all of `records`, or none.
    pub(super) fn commit(&mut self, records: &Records) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        if let Some(DiskGate(gate)) = &self.gate {
            gate()?;
        }
        self.store.commit(records).map_err(|error| told(&error))
    }

    /// Whether nothing can be saved for now.
    pub(super) fn is_refusing(&self) -> bool {
        self.refusing.is_some()
    }

    /// A commit failed. `true` if the last one did not.
    pub(super) fn on_refusal(&mut self, now_ms: u64) -> bool {
        let wait_ms = self.refusing.map_or(FIRST_WAIT_MS, |before| (before.wait_ms * 2).min(LONGEST_WAIT_MS));
        self.refusing.replace(Refusing { tried_ms: now_ms, wait_ms }).is_none()
    }

    /// When to try again, in `mono_ms`.
    pub(super) fn next_try(&self) -> Option<u64> {
        self.refusing.map(|refusing| refusing.tried_ms.saturating_add(refusing.wait_ms))
    }

    /// Whether a try is due; somebody who asks for it makes it due sooner.
    pub(super) fn is_try_due(&self, now_ms: u64, asked: bool) -> bool {
        self.refusing.is_some_and(|refusing| {
            let wait_ms = if asked { refusing.wait_ms.min(ASKED_WAIT_MS) } else { refusing.wait_ms };
            now_ms >= refusing.tried_ms.saturating_add(wait_ms)
        })
    }

    /// Tries whether a batch would be taken, with rows that are removed again.
    pub(super) fn probe(&mut self) -> Result<(), String> {
        let key = (TableId::Profile, PROBE_KEY.to_vec());
        self.commit(&Records::from([(key.clone(), Some(vec![0; PROBE_BYTES]))]))?;
        self.commit(&Records::from([(key, None)]))
    }

    /// The disk takes again.
    pub(super) fn on_well(&mut self) {
        self.refusing = None;
    }
}

/// The error with what lies behind it.
fn told(error: &CommitError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
