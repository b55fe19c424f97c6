//! The thread that writes store and journal, so that no thread of the runtime
//! ever waits for a disk.
//!
//! Batches that wait while one is being written go into the next transaction
//! together, so the price of a sync is shared by all who need one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::error::{StoreError, chain};
use super::{Durability, Store, StoreOp, StoreReader};
use crate::journal::{Journal, JournalEntry, JournalError, Kind};

/// What is written together: the changes to the store in one transaction, the
/// entries of the journal in one piece.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// Changes to the store.
    pub ops: Vec<StoreOp>,
    /// Lines of the journal; written before the changes.
    pub entries: Vec<JournalEntry>,
    /// When both have to be on disk.
    pub durability: Durability,
}

/// Whether what is done is also stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreHealth {
    /// Everything that was accepted is stored.
    Healthy {
        /// How often the store was opened again. When it grows, what was
        /// written before may be gone: all that is held in memory is to be put
        /// again, each link beginning with [`StoreOp::ClearLedger`].
        epoch: u64,
    },
    /// Nothing is stored. Reading and adding go on from memory; nothing may be
    /// removed, because nothing could account for it.
    Degraded {
        /// What failed.
        why: Arc<str>,
    },
}

impl StoreHealth {
    /// Whether removals may be written.
    pub fn allows_removal(&self) -> bool {
        matches!(self, Self::Healthy { .. })
    }
}

/// How the writer works.
#[derive(Clone)]
pub struct WriterOptions {
    /// How many batches may wait; whoever brings one more waits with it.
    pub queue: usize,
    /// How long a grouped batch may wait for the disk.
    pub flush_after: Duration,
    /// How long after a failure, and after each vain attempt, store and journal
    /// are opened again.
    pub reopen_after: Duration,
    /// The wall clock, in milliseconds since the Unix epoch, to name and date
    /// what a reopening makes.
    pub wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl WriterOptions {
    /// 256 batches, a second until grouped ones are on disk, three until a
    /// failure is looked at again.
    pub fn new(wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self {
            queue: 256,
            flush_after: Duration::from_secs(1),
            reopen_after: Duration::from_secs(3),
            wall_ms,
        }
    }
}

/// As many waiting batches as go into one transaction.
const MAX_GROUP: usize = 1024;

type Answer = oneshot::Sender<Result<(), StoreError>>;

enum Request {
    Write {
        batch: Batch,
        answer: Answer,
        _place: OwnedSemaphorePermit,
    },
    Close(Answer),
}

/// The way to the thread that writes.
///
/// Dropped without [`StoreWriter::close`], it still writes everything that was
/// accepted, but nobody learns whether that worked.
pub struct StoreWriter {
    requests: Sender<Request>,
    places: Arc<Semaphore>,
    health: watch::Receiver<StoreHealth>,
    reader: StoreReader,
}

impl StoreWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        store: Store,
        journal: Journal,
        options: WriterOptions,
    ) -> Result<Self, StoreError> {
        let (requests, inbox) = channel();
        let (health, watched) = watch::channel(StoreHealth::Healthy { epoch: 0 });
        let reader = store.reader();
        let places = Arc::new(Semaphore::new(options.queue.max(1)));
        let thread = WriterThread {
            store,
            journal,
            inbox,
            health,
            options,
            flush_at: None,
            reopen_at: None,
            epoch: 0,
            lost_entries: 0,
        };
        thread::Builder::new()
            .name("syncline-store".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| StoreError::io("starting the store's thread", error))?;
        Ok(Self {
            requests,
            places,
            health: watched,
            reader,
        })
    }

    /// Brings a batch, waiting for a place in the queue, and gives what tells
    /// when it is written.
    ///
    /// # Errors
    /// When the writer is closed.
    pub async fn submit(
        &self,
        batch: Batch,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let request = Request::Write {
            batch,
            answer,
            _place: place,
        };
        self.requests
            .send(request)
            .map_err(|_| StoreError::Closed)?;
        Ok(answered)
    }

    /// Brings a batch and waits until it is written: an immediate one is then
    /// on disk.
    ///
    /// # Errors
    /// When store or journal fail or have failed, or the writer is closed. What
    /// was in the batch is then not known to be stored.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let answered = self.submit(batch).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Whether what is done is also stored, now and from now on.
    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.clone()
    }

    /// For those who only read; not from a thread of the runtime.
    pub fn reader(&self) -> StoreReader {
        self.reader.clone()
    }

    /// Writes what was accepted, closes store and journal, and lets go of the
    /// state directory.
    ///
    /// # Errors
    /// When store or journal fail or have failed.
    pub async fn close(self) -> Result<(), StoreError> {
        self.places.close();
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(Request::Close(answer))
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

struct WriterThread {
    store: Store,
    journal: Journal,
    inbox: Receiver<Request>,
    health: watch::Sender<StoreHealth>,
    options: WriterOptions,
    /// When grouped commits have to be brought to disk.
    flush_at: Option<Instant>,
    /// When what failed is opened again.
    reopen_at: Option<Instant>,
    epoch: u64,
    /// Entries that could not be written since the journal failed.
    lost_entries: u64,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            match self.receive() {
                Ok(Request::Write { batch, answer, .. }) => {
                    let (group, closing) = self.group(batch, answer);
                    self.write(group);
                    if let Some(answer) = closing {
                        return self.close(Some(answer));
                    }
                }
                Ok(Request::Close(answer)) => return self.close(Some(answer)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.close(None),
            }
            self.flush_when_due();
            self.reopen_when_due();
        }
    }

    fn receive(&self) -> Result<Request, RecvTimeoutError> {
        let due = [self.flush_at, self.reopen_at].into_iter().flatten().min();
        match due {
            Some(at) => self
                .inbox
                .recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self
                .inbox
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// The batch and all that wait behind it.
    fn group(&self, batch: Batch, answer: Answer) -> (Group, Option<Answer>) {
        let mut group = Group::new(batch, answer);
        while group.answers.len() < MAX_GROUP {
            match self.inbox.try_recv() {
                Ok(Request::Write { batch, answer, .. }) => group.add(batch, answer),
                Ok(Request::Close(answer)) => return (group, Some(answer)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    fn write(&mut self, group: Group) {
        let journalled = self.write_journal(&group);
        let stored = self.write_store(&group.ops, group.durability);
        let result = journalled.and(stored);
        if group.durability == Durability::Immediate && result.is_ok() {
            self.flush_at = None;
        } else {
            // After a failure too: the half that was written is to last.
            self.flush_at
                .get_or_insert_with(|| Instant::now() + self.options.flush_after);
        }
        self.report_health();
        for answer in group.answers {
            // Whoever does not wait for the answer does not need it.
            answer.send(result.clone()).ok();
        }
    }

    fn write_journal(&mut self, group: &Group) -> Result<(), StoreError> {
        let written = self.journal.append(&group.entries).map(drop);
        if written.is_err() {
            self.lost_entries += group.entries.len() as u64;
        }
        let synced = match group.durability {
            Durability::Immediate => written.and_then(|()| self.journal.sync()),
            Durability::Grouped => written,
        };
        synced.map_err(StoreError::from)
    }

    fn write_store(&mut self, ops: &[StoreOp], durability: Durability) -> Result<(), StoreError> {
        let store = &mut self.store;
        let commit = AssertUnwindSafe(|| store.commit(ops, durability));
        // Damage that came after the file was verified can make the database
        // panic; that must cost the file, not the thread.
        catch_unwind(commit).unwrap_or_else(|_| Err(self.store.broken_by_panic()))
    }

    fn flush_when_due(&mut self) {
        if self.flush_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.flush_at = None;
        if let Err(error) = self.flush() {
            tracing::warn!(
                error = chain(&error),
                "grouped writes did not reach the disk"
            );
        }
        self.report_health();
    }

    /// Brings to disk what can still be brought there.
    fn flush(&mut self) -> Result<(), StoreError> {
        let synced = match self.journal.failure() {
            Some(_) => Ok(()),
            None => self.journal.sync().map_err(StoreError::from),
        };
        let stored = match self.store.failure() {
            Some(_) => Ok(()),
            None => self.write_store(&[], Durability::Immediate),
        };
        synced.and(stored)
    }

    fn reopen_when_due(&mut self) {
        if self.reopen_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.reopen_at = None;
        let at_ms = (self.options.wall_ms)();
        if let Err(error) = self.reopen(at_ms) {
            tracing::warn!(
                error = chain(&error),
                "store and journal stay out of service"
            );
        }
        self.report_health();
    }

    fn reopen(&mut self, at_ms: u64) -> Result<(), StoreError> {
        if self.store.failure().is_some() {
            let opened = self.store.reopen(at_ms)?;
            self.epoch += 1;
            tracing::info!(?opened, "the store is in service again");
        }
        if self.journal.failure().is_some() {
            let recovery = self.journal.reopen(at_ms)?;
            tracing::info!(?recovery, "the journal is in service again");
        }
        if self.lost_entries > 0 {
            let mut gap = JournalEntry::new(at_ms, Kind::Gap);
            gap.note = Some(format!(
                "up to {} lines are missing here: they could not be written",
                self.lost_entries
            ));
            self.journal.append(&[gap])?;
            self.journal.sync()?;
            self.lost_entries = 0;
        }
        Ok(())
    }

    fn report_health(&mut self) {
        let failure = self.store.failure().or(self.journal.failure()).cloned();
        let health = match failure {
            Some(why) => {
                self.reopen_at
                    .get_or_insert_with(|| Instant::now() + self.options.reopen_after);
                StoreHealth::Degraded { why }
            }
            None => StoreHealth::Healthy { epoch: self.epoch },
        };
        self.health.send_if_modified(|current| {
            let changed = *current != health;
            *current = health;
            changed
        });
    }

    fn close(mut self, answer: Option<Answer>) {
        let synced = self.journal.sync().map_err(StoreError::from);
        let result = synced.and(self.store.close());
        match answer {
            Some(answer) => {
                // Whoever does not wait for the answer does not need it.
                answer.send(result).ok();
            }
            None => {
                if let Err(error) = result {
                    tracing::warn!(error = chain(&error), "the store was not closed cleanly");
                }
            }
        }
    }
}

/// Batches that are written together.
struct Group {
    ops: Vec<StoreOp>,
    entries: Vec<JournalEntry>,
    durability: Durability,
    answers: Vec<Answer>,
}

impl Group {
    fn new(batch: Batch, answer: Answer) -> Self {
        Self {
            ops: batch.ops,
            entries: batch.entries,
            durability: batch.durability,
            answers: vec![answer],
        }
    }

    fn add(&mut self, batch: Batch, answer: Answer) {
        self.ops.extend(batch.ops);
        self.entries.extend(batch.entries);
        self.durability = self.durability.max(batch.durability);
        self.answers.push(answer);
    }
}

impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}
