//! Handshakes in progress, by where they come from: whoever begins many and ends none takes their own places only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{door::decrement, limits::Shared};
use crate::registry::Source;

/// How many places each source has taken. It holds nothing of a source without a handshake.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    limits: Shared,
    taken: Arc<Mutex<HashMap<Source, usize>>>,
}

/// One handshake's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    source: Source,
    taken: Arc<Mutex<HashMap<Source, usize>>>,
}

impl Places {
    pub(crate) fn new(limits: Shared) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// A place, where this source has one left.
    pub(crate) fn take(&self, source: Source) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = taken.get(&source).copied().unwrap_or(0);
        if of_source >= self.limits.get().handshakes_per_source {
            return None;
        }
        taken.insert(source, of_source + 1);
        Some(Place { source, taken: self.taken.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        decrement(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner), &self.source);
    }
}
