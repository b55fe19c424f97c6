//! Fuzzy watch of Nacos 3: who wants to hear of names that come and go.
//!
//! A name is there for watchers while the service has instances, or was made
//! by an operator. Each pattern remembers which names its watchers know, so a
//! name is told once, whatever happens to the service meanwhile.

mod pattern;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use syncline_model::{GroupName, ServiceKey, ServiceName};

use super::service::Service;
use super::timers::Timer;
use super::{ClientId, Store};
use crate::moment::Moment;
use crate::settings::WatchLimits;

pub(crate) use pattern::Pattern;

/// Why a watch does not stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NotWatched {
    /// So many patterns are watched already.
    TooManyPatterns,
    /// The connection ended meanwhile.
    Disconnected,
}

/// What of a namespace has to be looked through for a pattern.
pub(crate) type Unread = Arc<[(GroupName, ServiceName)]>;

/// What a pattern matches.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Matches {
    pub(crate) names: BTreeSet<ServiceKey>,
    /// Whether there may be more, which are not told.
    pub(crate) full: bool,
}

/// The patterns that are watched.
pub(super) struct Watches {
    limits: WatchLimits,
    patterns: HashMap<Arc<str>, Watched>,
    /// Services that changed since watchers were last told.
    changed: HashSet<ServiceKey>,
    /// When they are told.
    due: Option<Moment>,
}

struct Watched {
    pattern: Pattern,
    watchers: BTreeSet<ClientId>,
    matches: BTreeSet<ServiceKey>,
    /// Whether all names were looked through, so that `matches` lacks none.
    whole: bool,
}

impl Watches {
    pub(super) fn new(limits: WatchLimits) -> Self {
        Self {
            limits,
            patterns: HashMap::new(),
            changed: HashSet::new(),
            due: None,
        }
    }

    /// Forgets a client, and the patterns that nobody else watches.
    pub(super) fn forget(&mut self, client: ClientId) {
        self.patterns.retain(|_, watched| {
            watched.watchers.remove(&client);
            !watched.watchers.is_empty()
        });
    }

    /// Takes note of whether a service is there; gives those who do not know
    /// that yet.
    fn take(&mut self, key: &ServiceKey, is_there: bool) -> BTreeSet<ClientId> {
        let mut told = BTreeSet::new();
        let most = self.limits.matches;
        let watched = self.patterns.values_mut();
        for watched in watched.filter(|watched| watched.pattern.matches(key)) {
            let full = watched.matches.len() >= most;
            let news = if !is_there {
                watched.matches.remove(key)
            } else {
                !full && watched.matches.insert(key.clone())
            };
            // There may be names for which there was no room.
            watched.whole &= !full;
            if news {
                told.extend(&watched.watchers);
            }
        }
        told
    }
}

impl Store {
    /// Lets a client hear of the names that match a pattern. Whoever calls
    /// looks through what is given, if anything is, without holding up others,
    /// and hands what matches to [`Store::list_watched`].
    pub(crate) fn watch_names(
        &mut self,
        client: ClientId,
        pattern: &Pattern,
    ) -> Result<Option<Unread>, NotWatched> {
        if !self.clients.contains_key(&client) {
            return Err(NotWatched::Disconnected);
        }
        let Watches {
            limits, patterns, ..
        } = &mut self.watches;
        if !patterns.contains_key(pattern.text()) && patterns.len() >= limits.patterns {
            return Err(NotWatched::TooManyPatterns);
        }
        let watched = patterns.entry(pattern.text().clone());
        let watched = watched.or_insert_with(|| Watched {
            pattern: pattern.clone(),
            watchers: BTreeSet::new(),
            matches: BTreeSet::new(),
            whole: false,
        });
        watched.watchers.insert(client);
        let whole = watched.whole;
        Ok((!whole).then(|| self.names.listing(pattern.namespace())))
    }

    /// Takes the names that match a pattern, of which those count that are
    /// still there.
    pub(crate) fn list_watched(&mut self, pattern: &Pattern, found: Vec<ServiceKey>) {
        let most = self.watches.limits.matches;
        let Some(mut watched) = self.watches.patterns.remove(pattern.text()) else {
            return;
        };
        for key in found {
            if watched.matches.len() >= most {
                break;
            }
            if self.is_there(&key) {
                watched.matches.insert(key);
            }
        }
        watched.whole = true;
        self.watches
            .patterns
            .insert(pattern.text().clone(), watched);
    }

    /// What a pattern matches, while anybody watches it.
    pub(crate) fn watched(&self, pattern: &str) -> Matches {
        let most = self.watches.limits.matches;
        let watched = self.watches.patterns.get(pattern);
        watched.map_or_else(Matches::default, |watched| Matches {
            names: watched.matches.clone(),
            full: watched.matches.len() >= most,
        })
    }

    /// Ends a client's watch of a pattern.
    pub(crate) fn unwatch_names(&mut self, client: ClientId, pattern: &Pattern) {
        let patterns = &mut self.watches.patterns;
        if let Some(watched) = patterns.get_mut(pattern.text()) {
            watched.watchers.remove(&client);
            if watched.watchers.is_empty() {
                patterns.remove(pattern.text());
            }
        }
    }

    /// Whether a name is there for a client; `None` if it watches no pattern
    /// that could tell.
    pub(crate) fn watched_name(&self, client: ClientId, key: &ServiceKey) -> Option<bool> {
        let most = self.watches.limits.matches;
        let watched = self.watches.patterns.values();
        let watched = watched.filter(|it| it.watchers.contains(&client) && it.pattern.matches(key));
        let told = watched.filter_map(|watched| {
            let is_there = watched.matches.contains(key);
            // A full pattern does not know what it lacks.
            (is_there || watched.matches.len() < most).then_some(is_there)
        });
        told.reduce(|one, other| one || other)
    }

    /// Plans to look whether a service that changed came or went.
    pub(super) fn plan_names(&mut self, key: &ServiceKey, now: Moment) {
        let watches = &mut self.watches;
        if watches.patterns.is_empty() {
            return;
        }
        watches.changed.insert(key.clone());
        if watches.due.is_none() {
            let due = now.after(self.push.delay);
            watches.due = Some(due);
            self.timers.add(due, Timer::Names);
        }
    }

    /// Tells watchers which services came and went.
    pub(super) fn names_due(&mut self, at: Moment) {
        if self.watches.due != Some(at) {
            return;
        }
        self.watches.due = None;
        for key in std::mem::take(&mut self.watches.changed) {
            let is_there = self.is_there(&key);
            let watchers = self.watches.take(&key, is_there);
            if !watchers.is_empty() {
                let watchers = watchers.into_iter().collect();
                self.effects.names.push((key, watchers));
            }
        }
    }

    /// Whether a service is there for those who watch names.
    fn is_there(&self, key: &ServiceKey) -> bool {
        let service = self.services.find(key).and_then(|id| self.services.get(id));
        service.is_some_and(Service::has_name)
    }
}
