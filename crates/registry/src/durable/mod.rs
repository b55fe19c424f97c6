//! What survives the end of the process: persistent instances, and what
//! operators set for services, clusters and instances.
//!
//! The store names what changed; a thread of its own takes the latest of all
//! that and brings it to disk in one transaction, so that no thread of the
//! runtime ever waits for a disk and the price of a sync is shared by all who
//! need one. Whoever has to be sure waits for the revision.
//!
//! A change is seen in the registry before it is on disk. Who made it is told
//! "ok" only after; who is told of a failure knows that the change may be lost
//! with the process, and repeats it. It is also tried again here until it is on
//! disk.

mod file;
mod record;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::intern::Interner;
use crate::moment::Moment;
use crate::store::Store;

pub use file::FolderError;
use file::PartsFile;
pub(crate) use file::{OpenDatabase, on_disk};

/// How long after a failure, and after each vain attempt, the disk is tried
/// again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long anybody waits for the disk.
const SAVED_WITHIN: Duration = Duration::from_secs(10);

/// A change is not known to be on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NotSaved {
    #[error("not saved: {0}")]
    Failed(Arc<str>),
    #[error("not saved: the disk does not answer")]
    Late,
    #[error("not saved: nothing is saved any more")]
    Ended,
}

/// How far the disk has come.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The last revision of the store's durable parts that is on disk.
    saved: u64,
    /// Why what came later is not.
    failure: Option<Arc<str>>,
}

/// The thread that saves what changes. Dropped, it saves the rest and lets go
/// of the folder.
pub(crate) struct Saver {
    wake: Option<SyncSender<()>>,
    progress: watch::Receiver<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Saver {
    /// Claims a folder, puts all that is kept there into the store, and saves
    /// from then on what changes of it. Blocks.
    pub(crate) fn start(
        folder: &Path,
        store: Arc<Mutex<Store>>,
        interner: &Interner,
        now: Moment,
        open: OpenDatabase,
    ) -> Result<Self, FolderError> {
        let file = PartsFile::open(folder, open)?;
        let parts = file.load(interner)?;
        let count = parts.len();
        {
            let mut store = store.lock();
            for (key, durable) in parts {
                let named = key.to_string();
                let restored = store.restore(key, durable, now);
                restored.map_err(|error| file.contradicted(&format!("{named}: {error}")))?;
            }
            store.watch_durable();
        }
        tracing::debug!(folder = %folder.display(), parts = count, "restored");
        let (wake, wakes) = sync_channel(1);
        let (progress, watched) = watch::channel(Progress::default());
        let thread = SaverThread {
            store,
            file,
            wakes,
            progress,
        };
        let thread = thread::Builder::new()
            .name("syncline-registry".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| FolderError::Io {
                doing: "starting the thread that writes",
                path: folder.to_owned(),
                source: Arc::new(error),
            })?;
        Ok(Self {
            wake: Some(wake),
            progress: watched,
            thread: Some(thread),
        })
    }

    /// Says that something is to be saved.
    pub(crate) fn wake(&self) {
        if let Some(wake) = &self.wake {
            // Full is as good: it is awake already.
            wake.try_send(()).ok();
        }
    }

    /// Waits until a revision of the store's durable parts is on disk.
    pub(crate) async fn saved(&self, revision: u64) -> Result<(), NotSaved> {
        let mut progress = self.progress.clone();
        let known = |progress: &Progress| progress.saved >= revision || progress.failure.is_some();
        let reached = tokio::time::timeout(SAVED_WITHIN, progress.wait_for(known)).await;
        let progress = reached
            .map_err(|_| NotSaved::Late)?
            .map_err(|_| NotSaved::Ended)?;
        match &progress.failure {
            Some(why) if progress.saved < revision => Err(NotSaved::Failed(why.clone())),
            _ => Ok(()),
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.wake.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that saves the registry's durable parts panicked");
        }
    }
}

struct SaverThread {
    store: Arc<Mutex<Store>>,
    file: PartsFile,
    wakes: Receiver<()>,
    progress: watch::Sender<Progress>,
}

impl SaverThread {
    fn run(mut self) {
        while self.wakes.recv().is_ok() {
            while !self.save() {
                if !self.pause() {
                    break;
                }
            }
        }
        self.save();
    }

    /// Waits until the disk is to be tried again; `false` when the registry
    /// ends meanwhile.
    fn pause(&self) -> bool {
        let until = Instant::now() + RETRY_AFTER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.wakes.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Brings to disk what changed, and says whether it is there.
    fn save(&mut self) -> bool {
        let unsaved = self.store.lock().take_unsaved();
        let written = match unsaved.parts.is_empty() {
            true => Ok(()),
            false => self.file.write(&unsaved.parts),
        };
        match written {
            Ok(()) => {
                self.progress.send_modify(|progress| {
                    if progress.failure.take().is_some() {
                        tracing::info!("the registry's durable parts are on disk again");
                    }
                    progress.saved = unsaved.revision;
                });
                true
            }
            Err(error) => {
                let why: Arc<str> = error.chain().into();
                self.store.lock().not_saved(unsaved);
                self.progress.send_modify(|progress| {
                    if progress.failure.is_none() {
                        tracing::error!(%why, "the registry's durable parts are not saved");
                    }
                    progress.failure = Some(why);
                });
                false
            }
        }
    }
}
