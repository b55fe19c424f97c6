//! What survives a restart: the cache of what was last seen at each source,
//! and the ledger of what this install wrote at each target.
//!
//! The ledger decides what may be removed, so it is never guessed at: every
//! record and every page bears a checksum, a damaged file is set aside and
//! reported, another install's file and a newer version's are refused, and
//! after a disk failure nothing more is accepted until the file has been opened
//! again.
//!
//! * [`Install`]: the identity under which this install owns anything;
//! * [`Store`]: the file, for one thread that writes;
//! * [`StoreReader`]: for all who read, at the same time;
//! * [`StoreWriter`]: the thread that writes store and journal for everyone,
//!   many batches in one transaction.
//!
//! Nothing here knows what a plan is or when something must be written; and
//! nothing here may be called from a thread of the runtime, except for
//! [`StoreWriter`].

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use redb::WriteTransaction;
use syncline_model::{EndpointName, InstallId, LinkName};

mod codec;
mod error;
mod file;
mod install;
mod key;
mod lock;
mod read;
mod record;
mod window;
mod witness;
mod writer;

#[cfg(test)]
mod tests;

pub use codec::RecordError;
pub use error::StoreError;
pub use file::{Opened, SCHEMA};
pub use install::{Install, InstallError, InstallKey};
pub use key::{CacheKey, LedgerKey};
pub use lock::Claim;
pub use read::{Loaded, StoreReader};
pub use record::{CacheRecord, LedgerEntry, LedgerRecord, LedgerState};
pub use window::{FreezeRecord, WindowRecord, Written};
pub use writer::{Batch, StoreHealth, StoreWriter, WriterOptions};

pub(crate) use error::chain;
pub(crate) use install::to_hex;
pub(crate) use lock::{create_dir, sync_dir};

use file::{
    CACHE, COMMIT_KEY, LEDGER, META, OpenDatabase, OpenFile, REBUILT_KEY, StoreFile, WINDOWS,
};
use key::range_of;
use lock::DirLock;
use read::{BLOB, FREEZE, Slot};
use record::encode_meta;

/// One change to the store.
#[derive(Clone, PartialEq, Debug)]
pub enum StoreOp {
    /// A service was seen whole.
    PutCache(CacheKey, CacheRecord),
    /// A service is no longer of interest.
    DropCache(CacheKey),
    /// An endpoint is no longer of interest.
    ClearCache(EndpointName),
    /// What a link wrote, or is about to write, of a service.
    PutLedger(LedgerKey, LedgerRecord),
    /// A link has nothing left of a service.
    DropLedger(LedgerKey),
    /// A link has nothing left, and its guard knows nothing; or the start of
    /// writing all of it again.
    ClearLedger(LinkName),
    /// What a link's guard knows of a service.
    PutWindow(LedgerKey, WindowRecord),
    /// A link's guard knows nothing of a service any more.
    DropWindow(LedgerKey),
    /// All losses of a link wait.
    PutFreeze(LinkName, FreezeRecord),
    /// They do not any more.
    DropFreeze(LinkName),
    /// A small value of the engine, opaque to the store.
    PutBlob(Arc<str>, Vec<u8>),
    /// A small value is no longer needed.
    DropBlob(Arc<str>),
    /// What a damaged store had owned has been learned again: the next start
    /// reports [`Opened::Existing`].
    RebuildDone,
}

/// When a commit has to be on disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Durability {
    /// With the next commit that is [`Durability::Immediate`]: for what a crash
    /// takes back at the target too, such as additions held by a connection.
    Grouped,
    /// Before the commit returns: for removals, and for writes that outlive
    /// this process.
    Immediate,
}

/// The store, open for the one who writes.
///
/// Everything here blocks; the engine calls it from a [`StoreWriter`].
pub struct Store {
    file: StoreFile,
    slot: Arc<Slot>,
    /// The number of the last commit that had to be on disk.
    commit: u64,
    /// Why nothing is accepted until [`Store::reopen`].
    failed: Option<Arc<str>>,
    /// Held until the store is closed, and dropped after the database.
    _lock: DirLock,
}

impl Store {
    /// Claims the state directory and opens the store in it, making both where
    /// they are missing. A damaged file is set aside under a name that bears
    /// the claim's start, and the store begins anew.
    ///
    /// # Errors
    /// When another daemon has the directory, when the store is another
    /// install's or a newer version's, and when the disk fails.
    pub fn open(
        dir: &Path,
        install: &InstallId,
        claim: &Claim,
    ) -> Result<(Self, Opened), StoreError> {
        let plain: OpenDatabase = Box::new(|builder, path| builder.create(path));
        Self::open_on(dir, install, claim, plain)
    }

    fn open_on(
        dir: &Path,
        install: &InstallId,
        claim: &Claim,
        open: OpenDatabase,
    ) -> Result<(Self, Opened), StoreError> {
        let lock = DirLock::claim(dir, claim)?;
        let file = StoreFile::new(dir, install.clone(), open);
        let OpenFile {
            database,
            opened,
            commit,
        } = file.open(claim.started_at_ms)?;
        let store = Self {
            file,
            slot: Arc::new(Slot::new(Some(database))),
            commit,
            failed: None,
            _lock: lock,
        };
        Ok((store, opened))
    }

    /// A view for those who only read. It outlives reopening, and finds the
    /// store closed when it is closed.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(self.slot.clone())
    }

    /// Why the store accepts nothing at present: an earlier write or sync
    /// failed, and what it left on disk is not known before the file has been
    /// opened again.
    pub fn failure(&self) -> Option<&Arc<str>> {
        self.failed.as_ref()
    }

    /// Applies all changes, in order, in one transaction: all or none of them
    /// are there after a crash.
    ///
    /// # Errors
    /// When the disk is full or fails. The store then refuses everything until
    /// [`Store::reopen`] succeeds, and what failed has to be put again.
    pub fn commit<'a>(
        &mut self,
        ops: impl IntoIterator<Item = &'a StoreOp>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        if let Some(why) = &self.failed {
            return Err(StoreError::Degraded { why: why.clone() });
        }
        let result = self.try_commit(ops, durability);
        match &result {
            Ok(()) if durability == Durability::Immediate => {
                self.commit += 1;
                self.file.witness(self.commit);
            }
            Ok(()) => {}
            Err(error) => self.failed = Some(error.chain()),
        }
        result
    }

    /// Brings every grouped commit to disk.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.commit([], Durability::Immediate)
    }

    /// Closes the file and opens it again after a failure, verifying it whole
    /// and writing to it once. A failed sync is never tried again on the handle
    /// that it failed on: the system may have dropped what it could not write.
    ///
    /// Grouped commits that were not on disk yet are gone, so all that the
    /// engine holds in memory has to be put again afterwards.
    ///
    /// # Errors
    /// As long as the disk is full or fails; the store stays out of service.
    pub fn reopen(&mut self, at_ms: u64) -> Result<Opened, StoreError> {
        let reopening: Arc<str> = "it could not be opened again".into();
        let why = self.failed.get_or_insert(reopening).clone();
        if let Some(database) = self.slot.write().take()
            && let Err(error) = database.close()
        {
            tracing::debug!(%error, "the failed store did not close cleanly");
        }
        let file = self.file.open(at_ms)?;
        *self.slot.write() = Some(file.database);
        self.commit = file.commit;
        self.failed = None;
        self.flush().inspect_err(|_| self.failed = Some(why))?;
        Ok(file.opened)
    }

    /// Brings everything to disk and lets go of file and directory.
    ///
    /// # Errors
    /// When the disk is full or fails; what was immediate is on disk anyway.
    pub fn close(mut self) -> Result<(), StoreError> {
        let flushed = match &self.failed {
            Some(why) => Err(StoreError::Degraded { why: why.clone() }),
            None => self.flush(),
        };
        let Some(database) = self.slot.write().take() else {
            return flushed;
        };
        let closed = database
            .close()
            .map_err(|error| StoreError::database("closing the store", error));
        flushed.and(closed)
    }

    /// The database panicked over what it found: nothing is accepted before it
    /// has been verified anew.
    fn broken_by_panic(&mut self) -> StoreError {
        let error = StoreError::Corrupt {
            doing: "writing the store".into(),
            why: "the database panicked".to_owned(),
        };
        self.failed = Some(error.chain());
        error
    }

    fn try_commit<'a>(
        &self,
        ops: impl IntoIterator<Item = &'a StoreOp>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let write = || -> Result<_, redb::Error> {
            let mut transaction = match &*self.slot.read() {
                Some(database) => database.begin_write()?,
                None => return Err(redb::Error::DatabaseClosed),
            };
            match durability {
                Durability::Grouped => transaction.set_durability(redb::Durability::None)?,
                // Two phases: once it is on disk, no damage to it can pass for
                // a commit that never ended, and bring back the one before.
                Durability::Immediate => transaction.set_two_phase_commit(true),
            }
            apply(&transaction, ops)?;
            if durability == Durability::Immediate {
                let commit = (self.commit + 1).to_le_bytes();
                let mut meta = transaction.open_table(META)?;
                meta.insert(COMMIT_KEY, encode_meta(COMMIT_KEY, &commit).as_slice())?;
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| StoreError::database("writing the store", error))
    }
}

impl Drop for Store {
    /// Readers may live on; the file must not stay open with them when the
    /// directory is let go of.
    fn drop(&mut self) {
        self.slot.write().take();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("commit", &self.commit)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

fn apply<'a>(
    transaction: &WriteTransaction,
    ops: impl IntoIterator<Item = &'a StoreOp>,
) -> Result<(), redb::Error> {
    let mut cache = transaction.open_table(CACHE)?;
    let mut ledger = transaction.open_table(LEDGER)?;
    let mut windows = transaction.open_table(WINDOWS)?;
    let mut meta = transaction.open_table(META)?;
    for op in ops {
        match op {
            StoreOp::PutCache(key, record) => {
                let key = key.bytes();
                cache.insert(key.as_slice(), record.encode(&key).as_slice())?;
            }
            StoreOp::DropCache(key) => drop(cache.remove(key.bytes().as_slice())?),
            StoreOp::ClearCache(endpoint) => {
                let keys = range_of(endpoint.as_str());
                cache.retain_in::<&[u8], _>(keys.start.as_slice()..&keys.end, |_, _| false)?;
            }
            StoreOp::PutLedger(key, record) => {
                let key = key.bytes();
                ledger.insert(key.as_slice(), record.encode(&key).as_slice())?;
            }
            StoreOp::DropLedger(key) => drop(ledger.remove(key.bytes().as_slice())?),
            StoreOp::ClearLedger(link) => {
                let keys = range_of(link.as_str());
                ledger.retain_in::<&[u8], _>(keys.start.as_slice()..&keys.end, |_, _| false)?;
                windows.retain_in::<&[u8], _>(keys.start.as_slice()..&keys.end, |_, _| false)?;
            }
            StoreOp::PutWindow(key, record) => {
                let key = key.bytes();
                windows.insert(key.as_slice(), record.encode(&key).as_slice())?;
            }
            StoreOp::DropWindow(key) => drop(windows.remove(key.bytes().as_slice())?),
            StoreOp::PutFreeze(link, record) => {
                let key = format!("{FREEZE}{link}");
                meta.insert(key.as_str(), record.encode(key.as_bytes()).as_slice())?;
            }
            StoreOp::DropFreeze(link) => drop(meta.remove(format!("{FREEZE}{link}").as_str())?),
            StoreOp::PutBlob(name, value) => {
                let key = format!("{BLOB}{name}");
                meta.insert(key.as_str(), encode_meta(&key, value).as_slice())?;
            }
            StoreOp::DropBlob(name) => drop(meta.remove(format!("{BLOB}{name}").as_str())?),
            StoreOp::RebuildDone => drop(meta.remove(REBUILT_KEY)?),
        }
    }
    Ok(())
}
