//! What the operator wants of the database that takes long: backups and checks. Each has a thread of its own, which reads
//! what is committed when it begins, and the hub goes on serving.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use crate::store::{Image, Secrets, Snapshot, Store, Target, write_backup};

/// The work in progress: one at a time, for each keeps pages of the file from being used again.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    is_busy: Arc<AtomicBool>,
    backup: Option<JoinHandle<()>>,
}

impl Aside {
    /// Writes a backup.
    pub(crate) fn back_up(
        &mut self,
        store: &mut Store,
        target: Target,
        secrets: Vec<Secrets>,
        done: oneshot::Sender<Result<(), String>>,
    ) {
        let dir = store.dir().to_owned();
        let thread = self.start(store, done, move |snapshot, _| {
            write_backup(snapshot, &secrets, &dir, &target).map_err(|error| error.to_string())
        });
        // One that was refused leaves the one in progress.
        self.backup = thread.or(self.backup.take());
    }

    /// Says whether all pages are whole. Where they are not, they may only have been overwritten meanwhile: see
    /// [`check`].
    pub(crate) fn check(&self, store: &mut Store, done: oneshot::Sender<Result<bool, String>>) {
        // It makes nothing that would have to be taken away, so nobody waits for its end.
        drop(self.start(store, done, |_, image| Ok(image.check().is_ok())));
    }

    /// Waits until a backup that is being written has ended, which is soon when the database was closed, and has taken
    /// away what it wrote.
    pub(crate) fn end(&mut self) {
        // A thread that panicked has told nobody that it succeeded.
        self.backup.take().map(JoinHandle::join);
    }

    fn start<T: Send + 'static>(
        &self,
        store: &mut Store,
        done: oneshot::Sender<Result<T, String>>,
        work: impl FnOnce(&Snapshot, Image) -> Result<T, String> + Send + 'static,
    ) -> Option<JoinHandle<()>> {
        // Whoever asked may have stopped waiting, here and below.
        let begun = match begin(store, &self.is_busy) {
            Ok(begun) => begun,
            Err(why) => {
                let _ = done.send(Err(why));
                return None;
            }
        };
        let (snapshot, image, busy) = begun;
        let work = move || {
            let told = work(&snapshot, image);
            drop((snapshot, busy));
            let _ = done.send(told);
        };
        // Where no thread can be made, whoever asked hears that nobody answers.
        thread::Builder::new().name("aside".into()).spawn(work).ok()
    }
}

/// Set for as long as this lives, however the thread ends.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Checks the pages while nothing changes: the hub waits for it.
pub(crate) fn check(store: &Store) -> Result<bool, String> {
    store.image().and_then(Image::check).map(|()| true).map_err(|error| error.to_string())
}

fn begin(store: &mut Store, is_busy: &Arc<AtomicBool>) -> Result<(Snapshot, Image, Busy), String> {
    if is_busy.swap(true, Ordering::Acquire) {
        return Err("another backup or check is in progress; ask again when it is done".into());
    }
    let busy = Busy(is_busy.clone());
    let snapshot = store.view().map_err(|fault| fault.to_string())?;
    let image = store.image().map_err(|error| error.to_string())?;
    Ok((snapshot, image, busy))
}
