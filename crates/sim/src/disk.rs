//! Cache and ledger on a disk that fails, and that forgets what was not synced.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_engine::core::Persist;
use syncline_model::guard::{Freeze, Record as GuardRecord};
use syncline_model::{EndpointName, Instance, LinkName, Moment, ServiceKey, ServiceSet};

/// How long what nobody waits for may stay unsynced.
const SYNC_WITHIN: Duration = Duration::from_secs(1);

/// What was on disk when the process started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) cache: BTreeMap<(EndpointName, ServiceKey), Arc<ServiceSet>>,
    pub(crate) ledger: BTreeMap<(LinkName, ServiceKey), Record>,
    /// What the guards know.
    pub(crate) windows: BTreeMap<(LinkName, ServiceKey), GuardRecord>,
    pub(crate) freezes: BTreeMap<LinkName, Freeze>,
}

/// What a link may have given its target.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) set: Arc<ServiceSet>,
    /// What an unconfirmed write was to take away or to change.
    pub(crate) going: Vec<Instance>,
    /// When the target confirmed it.
    pub(crate) confirmed: Option<Moment>,
}

/// The disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    synced: Image,
    unsynced: Vec<(Moment, Persist)>,
    /// Since when it has taken nothing that the process would not put again.
    fails_since: Option<Moment>,
}

impl Disk {
    /// Takes what is to be stored; whether it could.
    pub(crate) fn put(&mut self, persist: Persist, now: Moment) -> bool {
        if self.fails() {
            return false;
        }
        let waited_for = persist.awaited().is_some();
        self.unsynced.push((now, persist));
        let due = |at: Moment| waited_for || now.since(at) >= SYNC_WITHIN;
        let synced = self.unsynced.iter().take_while(|(at, _)| due(*at)).count();
        for (at, persist) in self.unsynced.drain(..synced) {
            self.synced.take(persist, at);
        }
        true
    }

    /// It takes nothing from now on.
    pub(crate) fn fail(&mut self, now: Moment) {
        self.fails_since.get_or_insert(now);
    }

    /// It takes everything again.
    pub(crate) fn heal(&mut self) {
        self.fails_since = None;
    }

    pub(crate) fn fails(&self) -> bool {
        self.fails_since.is_some()
    }

    /// Since when what a process that dies now was told is not on disk, if any of
    /// it is not.
    pub(crate) fn lacks_since(&self, forgets: bool, now: Moment) -> Option<Moment> {
        let unsynced = self.unsynced.iter().map(|(at, _)| *at);
        let lost = unsynced.filter(|at| forgets && now.since(*at) < SYNC_WITHIN);
        lost.chain(self.fails_since).min()
    }

    /// What a process that dies now leaves behind.
    pub(crate) fn crash(&mut self, forgets: bool, now: Moment) -> &Image {
        let unsynced = std::mem::take(&mut self.unsynced);
        let is_kept = |at: Moment| !forgets || now.since(at) >= SYNC_WITHIN;
        for (at, persist) in unsynced.into_iter().filter(|(at, _)| is_kept(*at)) {
            self.synced.take(persist, at);
        }
        &self.synced
    }
}

impl Image {
    fn take(&mut self, persist: Persist, at: Moment) {
        match persist {
            Persist::Restart { link } => self.ledger.retain(|(l, _), _| *l != link),
            Persist::Cache {
                endpoint,
                service,
                set,
                ..
            } => {
                if set.is_empty() {
                    self.cache.remove(&(endpoint, service));
                } else {
                    self.cache.insert((endpoint, service), set);
                }
            }
            Persist::Intend {
                link,
                service,
                accepted,
                going,
                ..
            } => {
                let record = Record {
                    set: accepted,
                    going,
                    confirmed: None,
                };
                self.ledger.insert((link, service), record);
            }
            Persist::Confirm {
                link,
                service,
                held,
                ..
            } => {
                if held.is_empty() {
                    self.ledger.remove(&(link, service));
                } else {
                    let record = Record {
                        set: held,
                        going: Vec::new(),
                        confirmed: Some(at),
                    };
                    self.ledger.insert((link, service), record);
                }
            }
            Persist::Window {
                link,
                service,
                record,
                ..
            } => match record {
                Some(record) => drop(self.windows.insert((link, service), *record)),
                None => drop(self.windows.remove(&(link, service))),
            },
            Persist::Freeze { link, freeze, .. } => match freeze {
                Some(freeze) => drop(self.freezes.insert(link, freeze)),
                None => drop(self.freezes.remove(&link)),
            },
            // No operator evacuates anything in these worlds.
            Persist::Evacuated { .. } => {}
            // It changes nothing but what operators are told.
            Persist::Seen { .. } => {}
        }
    }
}
