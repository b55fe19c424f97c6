//! From what the core wants on disk to records and journal lines.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use syncline_model::ownership::MARK_KEY;
use syncline_model::plan::Change;
use syncline_model::{Instance, LinkName, Moment, ServiceKey, ServiceSet};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::{Event, Happening, Line, Persist};
use crate::journal::{Cause, Change as ChangeKind, Content, JournalEntry, Kind};
use crate::store::{
    Batch, CacheKey, CacheRecord, Durability, FreezeRecord, LedgerEntry, LedgerKey, LedgerRecord,
    LedgerState, StoreError, StoreHealth, StoreOp, StoreWriter, WindowRecord, Written,
};

/// The store's name for what an operator took out of use.
pub(super) const EVACUATED: &str = "evacuated";

/// The store's names for when registries were last listed whole begin like this;
/// the registry's name follows.
pub(super) const SEEN: &str = "seen/";

/// The store's name for when we last held what the ledger says.
pub(super) const LIVED: &str = "lived";

/// How often it is noted that we live. Copies that nobody changes are confirmed
/// once, and held for as long as we live.
pub(super) const LIVES_EVERY: Duration = Duration::from_secs(60);

/// The wall clock, in milliseconds since the Unix epoch.
pub(super) fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// Gathers what one step wants on disk and hands it over in one batch.
pub(super) struct Storing {
    writer: Arc<StoreWriter>,
    events: mpsc::Sender<Event>,
    tasks: TaskTracker,
    ops: Vec<StoreOp>,
    entries: Vec<JournalEntry>,
    awaited: Vec<(LinkName, ServiceKey)>,
    /// Whether an operator's word is among it, which is not to be forgotten.
    urgent: bool,
    /// Operators who are told that it was done once it is on disk.
    told: Vec<oneshot::Sender<()>>,
    /// Whether the store was damaged and what it had is being learned again.
    rebuilding: bool,
    /// Whether we hold what the ledger says: we took it up, or planned it.
    holds: bool,
}

impl Storing {
    pub(super) fn new(
        writer: Arc<StoreWriter>,
        (rebuilding, holds): (bool, bool),
        events: mpsc::Sender<Event>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            rebuilding,
            holds,
            writer,
            events,
            tasks,
            ops: Vec::new(),
            // Numbers of effects begin anew with each run.
            entries: vec![JournalEntry::new(wall_ms(), Kind::Started)],
            awaited: Vec::new(),
            urgent: false,
            told: Vec::new(),
        }
    }

    pub(super) fn persist(&mut self, persist: Persist) {
        let now = wall_ms();
        match persist {
            Persist::Restart { link } => self.ops.push(StoreOp::ClearLedger(link)),
            Persist::Cache {
                endpoint,
                service,
                truth,
                set,
            } => {
                let key = CacheKey { endpoint, service };
                self.ops.push(if set.is_empty() {
                    StoreOp::DropCache(key)
                } else {
                    let seen_at_ms = now;
                    StoreOp::PutCache(
                        key,
                        CacheRecord {
                            truth,
                            seen_at_ms,
                            set,
                        },
                    )
                });
            }
            Persist::Intend {
                link,
                target,
                service,
                accepted,
                going,
                before_write,
            } => {
                let going = (&going[..], LedgerState::Removing);
                let entries = ledger_entries(&accepted, LedgerState::Intended, going, now);
                let record = LedgerRecord {
                    target,
                    instances: entries,
                    confirmed_at_ms: None,
                };
                if before_write {
                    self.awaited.push((link.clone(), service.clone()));
                }
                let key = LedgerKey { link, service };
                self.ops.push(StoreOp::PutLedger(key, record));
            }
            Persist::Window {
                link,
                service,
                record,
                at,
            } => {
                let key = LedgerKey { link, service };
                self.ops.push(match record {
                    Some(record) => {
                        let written = written(at, now);
                        let record = *record;
                        StoreOp::PutWindow(key, WindowRecord { written, record })
                    }
                    None => StoreOp::DropWindow(key),
                });
            }
            Persist::Freeze { link, freeze, at } => self.ops.push(match freeze {
                Some(freeze) => {
                    let written = written(at, now);
                    StoreOp::PutFreeze(link, FreezeRecord { written, freeze })
                }
                None => StoreOp::DropFreeze(link),
            }),
            Persist::Evacuated { what } => {
                let names: Vec<String> = what.iter().map(ToString::to_string).collect();
                let names = names.join("\n").into_bytes();
                self.urgent = true;
                self.ops.push(StoreOp::PutBlob(EVACUATED.into(), names));
            }
            Persist::Seen { endpoint } => {
                let name = format!("{SEEN}{endpoint}");
                let now = now.to_string().into_bytes();
                self.ops.push(StoreOp::PutBlob(name.into(), now));
            }
            Persist::Confirm {
                link,
                target,
                service,
                held,
            } => {
                let key = LedgerKey { link, service };
                self.ops.push(if held.is_empty() {
                    StoreOp::DropLedger(key)
                } else {
                    let none = (&[][..], LedgerState::Removing);
                    let record = LedgerRecord {
                        target,
                        instances: ledger_entries(&held, LedgerState::Confirmed, none, now),
                        confirmed_at_ms: Some(now),
                    };
                    StoreOp::PutLedger(key, record)
                });
            }
        }
    }

    /// Every link has planned what its first list showed: what a damaged store
    /// had is known again.
    pub(super) fn settled(&mut self) {
        self.holds = true;
        if std::mem::take(&mut self.rebuilding) {
            self.ops.push(StoreOp::RebuildDone);
        }
    }

    /// Notes that we live, and hold what the ledger says.
    pub(super) fn lives(&mut self) {
        if self.holds {
            let now = wall_ms().to_string().into_bytes();
            self.ops.push(StoreOp::PutBlob(LIVED.into(), now));
        }
    }

    pub(super) fn tell(&mut self, line: Line) {
        self.entries.push(entry(line));
    }

    /// Tells an operator that what they said was done, once whatever it put on
    /// disk is there.
    pub(super) fn acknowledge(&mut self, done: oneshot::Sender<()>) {
        if self.ops.is_empty() {
            // Whoever asked may have gone away, which is nobody's loss.
            done.send(()).ok();
            return;
        }
        self.urgent = true;
        self.told.push(done);
    }

    /// Hands over what was gathered. What has to be on disk before a write is
    /// answered by [`Event::Stored`].
    pub(super) async fn flush(&mut self) {
        if self.ops.is_empty() && self.entries.is_empty() {
            return;
        }
        let awaited = std::mem::take(&mut self.awaited);
        let urgent = std::mem::take(&mut self.urgent) || !awaited.is_empty();
        let batch = Batch {
            ops: std::mem::take(&mut self.ops),
            entries: std::mem::take(&mut self.entries),
            durability: match urgent {
                true => Durability::Immediate,
                false => Durability::Grouped,
            },
        };
        let told = std::mem::take(&mut self.told);
        let events = self.events.clone();
        match self.writer.submit(batch).await {
            Ok(answer) => {
                self.tasks.spawn(async move {
                    let answered = answer.await;
                    tell_done(told);
                    match (answered, awaited.is_empty()) {
                        (Ok(Err(error)), true) => {
                            tracing::warn!("{}", crate::store::chain(&error));
                        }
                        (_, true) => {}
                        (answered, false) => {
                            let result = answered.unwrap_or(Err(StoreError::Closed));
                            report(&events, awaited, result).await;
                        }
                    }
                });
            }
            Err(error) => {
                tell_done(told);
                report(&events, awaited, Err(error)).await;
            }
        }
    }
}

impl Storing {
    /// Writes what was handed over and closes the state directory.
    pub(super) async fn close(mut self) {
        self.entries
            .push(JournalEntry::new(wall_ms(), Kind::Stopped));
        self.flush().await;
        match Arc::try_unwrap(self.writer) {
            Ok(writer) => {
                if let Err(error) = writer.close().await {
                    tracing::error!("{}", crate::store::chain(&error));
                }
            }
            // Somebody still reads; the last one to leave closes it.
            Err(shared) => drop(shared),
        }
    }
}

/// Tells the core when the store was opened again after a failure, and the
/// operator when it fails.
pub(super) async fn watch_health(
    mut health: watch::Receiver<StoreHealth>,
    events: mpsc::Sender<Event>,
    cancel: CancellationToken,
) {
    while let Some(Ok(())) = cancel.run_until_cancelled(health.changed()).await {
        let state = health.borrow_and_update().clone();
        match state {
            StoreHealth::Degraded { why } => {
                tracing::error!("nothing is stored and nothing will be removed: {why}");
            }
            StoreHealth::Healthy { .. } => {
                tracing::info!("the store is open again");
                if events.send(Event::StoreReopened).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A word that could not be put on disk holds as long as we run.
fn tell_done(told: Vec<oneshot::Sender<()>>) {
    for done in told {
        done.send(()).ok();
    }
}

async fn report(
    events: &mpsc::Sender<Event>,
    awaited: Vec<(LinkName, ServiceKey)>,
    result: Result<(), StoreError>,
) {
    let result = result.map_err(|error| Arc::from(crate::store::chain(&error)));
    for (link, service) in awaited {
        let stored = Event::Stored {
            link,
            service,
            result: result.clone(),
        };
        if events.send(stored).await.is_err() {
            return;
        }
    }
}

fn written(at: Moment, at_ms: u64) -> Written {
    Written { at_ms, at }
}

fn ledger_entries(
    set: &ServiceSet,
    state: LedgerState,
    (going, going_state): (&[Instance], LedgerState),
    since_ms: u64,
) -> Vec<LedgerEntry> {
    let entry = |instance: &Instance, state| LedgerEntry {
        instance: instance.clone(),
        state,
        since_ms,
        origin: instance.metadata.get(MARK_KEY).unwrap_or_default().into(),
    };
    let staying = set.instances().iter().map(|i| entry(i, state));
    staying
        .chain(going.iter().map(|i| entry(i, going_state)))
        .collect()
}

fn entry(line: Line) -> JournalEntry {
    let mut entry = JournalEntry::new(wall_ms(), kind(line.happening));
    entry.link = Some(line.link.to_string());
    entry.endpoint = line.endpoint.map(|endpoint| endpoint.to_string());
    entry.service = line.service.as_ref().map(Into::into);
    entry.source_service = line.source_service.as_ref().map(Into::into);
    entry.instance = line.instance.map(|instance| instance.to_string());
    entry.hold = line.hold.map(|hold| hold.to_string());
    entry.kept = line.kept.iter().map(ToString::to_string).collect();
    entry.effect = line.effect;
    entry.note = (!line.detail.is_empty()).then_some(line.detail);
    let cause = Cause {
        source: line.source.map(|source| source.to_string()),
        view: line.truth.map(|truth| truth.to_string()),
        revision: None,
        rule: line.rule,
    };
    entry.cause = (cause != Cause::default()).then_some(cause);
    if let Some(change) = line.change {
        describe(&mut entry, &change);
    }
    entry
}

fn describe(entry: &mut JournalEntry, change: &Change) {
    let (kind, before, after) = match change {
        Change::Add(instance) => (ChangeKind::Add, None, Some(instance)),
        Change::Update { from, to } => (ChangeKind::Update, Some(from), Some(to)),
        Change::MarkUnavailable { from, to, .. } => (ChangeKind::Mark, Some(from), Some(to)),
        Change::Remove { instance, .. } => (ChangeKind::Remove, Some(instance), None),
    };
    entry.change = Some(kind);
    entry.before = before.map(Content::from);
    entry.after = after.map(Content::from);
}

fn kind(happening: Happening) -> Kind {
    match happening {
        Happening::Intent => Kind::Intent,
        Happening::TakeUp => Kind::TakeUp,
        Happening::Applied | Happening::TakenUp => Kind::Applied,
        Happening::Failed => Kind::Failed,
        Happening::Dropped => Kind::Dropped,
        Happening::Held => Kind::Held,
        Happening::Released => Kind::Released,
        Happening::Approved => Kind::Approved,
        Happening::Denied => Kind::Denied,
        Happening::Shadowed => Kind::Shadowed,
        Happening::Unshadowed => Kind::Unshadowed,
        Happening::Quarantined => Kind::Quarantined,
        Happening::SourceLost => Kind::SourceLost,
        Happening::SourceFound => Kind::SourceFound,
        Happening::Paused => Kind::Paused,
        Happening::Resumed => Kind::Resumed,
        Happening::Evacuated => Kind::Evacuated,
        Happening::Restored => Kind::Restored,
        Happening::Flipped => Kind::Flipped,
        Happening::Adopted => Kind::Adopted,
    }
}
