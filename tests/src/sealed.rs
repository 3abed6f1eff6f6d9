//! The encrypted store on a disk that loses power: of what was not synced, some is gone, some is there, some is torn.

use std::sync::Arc;

use hobnob_engine::work::Records;
use hobnob_store::{Incarnation, Snapshot, Store, StoreKey, shaky::ShakyDisk};
use zeroize::Zeroizing;

/// A database while a node runs; always the disk that it lies on.
#[derive(Debug)]
pub struct Sealed {
    disk: ShakyDisk,
    /// `None` while there is no power.
    store: Option<Store>,
}

impl Sealed {
    /// An empty database.
    pub fn create() -> Self {
        let disk = ShakyDisk::default();
        let store = Store::create_on(Arc::new(disk.clone()), &key()).expect("an empty database");
        Self { disk, store: Some(store) }
    }

    /// Opens what is on the disk, unless it is open.
    pub fn open(&mut self) -> Result<&mut Store, hobnob_store::OpenError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open_on(Arc::new(self.disk.clone()), &key())?,
        };
        Ok(self.store.insert(store))
    }

    /// Whether the engine must begin new logs.
    pub fn is_fresh(&mut self) -> bool {
        self.opened().incarnation_hint() == Incarnation::Fresh
    }

    /// What is stored now.
    pub fn view(&mut self) -> Snapshot {
        self.opened().view().expect("what is stored can be read")
    }

    /// Stores all of `records`; `false` when the power went meanwhile.
    pub fn commit(&mut self, records: &Records) -> bool {
        self.opened().commit(records).is_ok()
    }

    /// The power goes after so many more writes and syncs.
    pub fn cut_after(&self, changes: u64) {
        self.disk.cut_after(changes);
    }

    /// The power goes now, if it has not gone yet. What survives of what was not synced follows from `seed`.
    pub fn lose_power(&mut self, seed: u64) {
        self.disk.cut_after(0);
        self.store = None;
        self.disk = self.disk.after_power_cut(seed);
    }

    fn opened(&mut self) -> &mut Store {
        self.store.as_mut().expect("a node that is down does not read or write")
    }
}

/// Every world's key; what it protects is tested elsewhere.
fn key() -> StoreKey {
    StoreKey::new(Zeroizing::new([1; 32]))
}
