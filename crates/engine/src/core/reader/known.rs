//! What is known of one service of a registry, and what is being done to know it
//! better.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_contract::{Purpose, Rejected};
use syncline_model::merge::merge;
use syncline_model::{Instance, InstanceKey, Moment, ServiceSet, Truth, View};

/// What is known of one service.
#[derive(Debug)]
pub(in crate::core) struct Known {
    /// The last look.
    pub(in crate::core) view: View,
    /// What the last looks together say is there. Unlike the view, it also
    /// stands while a look failed, and from the store before the first look.
    pub(in crate::core) last: Arc<ServiceSet>,
    /// Instances of the last look that make no sense.
    pub(in crate::core) rejected: Vec<Rejected>,
    /// When the last complete look was had.
    pub(in crate::core) seen_at: Option<Moment>,
    /// When the newest complete read or list began: what it shows stood there then
    /// or later, and may have gone since.
    pub(super) looked_from: Option<Moment>,
    /// Where it is a push that told otherwise since, which may be older than that.
    pub(super) pushed: BTreeSet<InstanceKey>,
    /// What the newest look of all did not show, and that is not proved gone.
    pub(in crate::core) unshown: ServiceSet,
    /// Whether a complete read has told the same since anything else told anything
    /// new.
    pub(super) told_by_read: bool,
    /// Whether a complete read of it has ended since the start.
    pub(super) was_read: bool,
    /// Whether no push changed it since it was last read or listed, so that what
    /// it does not show is gone.
    pub(super) confirmed: bool,
    /// Whether it was last seen before a standstill.
    pub(super) stale: bool,
    /// The round of the last list that showed it.
    pub(super) round: u64,
    /// The round in which it was last pushed or read.
    pub(super) fresh: u64,
    pub(super) reading: Reading,
    pub(super) failures: u32,
}

/// Whether it is being read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    Idle,
    Running {
        since: Moment,
        /// Why it has to be read once more.
        again: Option<Purpose>,
        /// What a list or a push showed since it began.
        meanwhile: Option<Arc<ServiceSet>>,
        /// Whether it began before a standstill.
        stale: bool,
    },
}

impl Known {
    /// A service that nobody has looked at in this run, and what is remembered of
    /// it.
    pub(super) fn unseen(last: Arc<ServiceSet>) -> Self {
        Self {
            view: View::Failed("not read since the start".into()),
            last,
            rejected: Vec::new(),
            seen_at: None,
            looked_from: None,
            pushed: BTreeSet::new(),
            unshown: ServiceSet::new(Vec::new()),
            told_by_read: false,
            was_read: false,
            confirmed: true,
            stale: false,
            round: 0,
            fresh: 0,
            reading: Reading::Idle,
            failures: 0,
        }
    }

    /// What may be said of the service now; `None` while nothing was seen of it
    /// in this run. A look that failed leaves what was seen before, without the
    /// power to remove anything.
    pub(in crate::core) fn shown(&self) -> Option<View> {
        match (&self.view, self.seen_at) {
            (View::Failed(_), None) => None,
            (View::Failed(why), Some(_)) => {
                Some(View::Partial(self.newest(&self.last), why.clone()))
            }
            // What was proved gone before may be what comes back next.
            (View::Complete(_, set), _) if !self.confirmed => Some(View::Partial(
                self.newest(set),
                "it changed since it was last read".into(),
            )),
            (View::Complete(_, set), _) if self.stale => Some(View::Partial(
                self.newest(set),
                "it was last read before a standstill".into(),
            )),
            (view, _) => Some(view.map(|set| self.newest(set))),
        }
    }

    /// From which moment on what stands at a place was seen there: an answer may
    /// be as old as the question. What only a push told, or the last look did not
    /// show, may be as old as the run.
    pub(in crate::core) fn looked_at(&self, key: &InstanceKey) -> Moment {
        let is_old = self.pushed.contains(key) || !self.unshown.get(key).is_empty();
        let shown = self.looked_from.filter(|_| !is_old);
        shown.unwrap_or(Moment::ORIGIN)
    }

    /// What is known without what the newest look did not show at places where it
    /// showed something else: of those two the one that was shown is newer.
    pub(in crate::core) fn newest(&self, set: &Arc<ServiceSet>) -> Arc<ServiceSet> {
        if self.unshown.is_empty() {
            return Arc::clone(set);
        }
        let unshown = |key: &InstanceKey| self.unshown.get(key);
        let is_shown = |instance: &Instance| !unshown(&instance.key).contains(instance);
        let shown = |key: &InstanceKey| set.get(key).iter().any(is_shown);
        let stands = |instance: &&Instance| is_shown(instance) || !shown(&instance.key);
        let newest: Vec<_> = set.instances().iter().filter(stands).cloned().collect();
        match newest.len() == set.len() {
            true => Arc::clone(set),
            false => Arc::new(ServiceSet::new(newest)),
        }
    }

    /// A list or a read that began at a moment showed all that is known.
    pub(super) fn shown_from(&mut self, from: Moment) {
        if self.looked_from.is_none_or(|before| before <= from) {
            self.looked_from = Some(from);
            self.pushed.clear();
        }
    }

    /// A push told this, which was not known before.
    pub(super) fn pushed(&mut self, before: &ServiceSet) {
        for instance in self.last.instances() {
            let is_known = before.get(&instance.key).contains(instance);
            if !is_known {
                self.pushed.insert(instance.key.clone());
            }
        }
    }

    /// A read that began at a moment showed this, and what came meanwhile made that
    /// of it.
    pub(super) fn read_from(&mut self, from: Moment, read: &ServiceSet, known: &ServiceSet) {
        // A list that began later told more of what it showed.
        let later = self.looked_from.filter(|before| *before > from);
        let is_told = |instance: &&Instance| match later {
            Some(_) => {
                !self.pushed.contains(&instance.key)
                    && self.last.get(&instance.key).contains(instance)
            }
            None => {
                let mut read = read.get(&instance.key).iter();
                read.any(|read| !read.content_differs(instance))
            }
        };
        let untold = known.instances().iter().filter(|i| !is_told(i));
        self.pushed = untold.map(|instance| instance.key.clone()).collect();
        self.looked_from = later.or(Some(from));
        self.unshown = ServiceSet::new(Vec::new());
    }

    /// Whether a read of it is under way.
    pub(in crate::core) fn is_being_read(&self) -> bool {
        self.reading != Reading::Idle
    }

    /// Whether the read of it that is under way began before a standstill.
    pub(super) fn is_read_stale(&self) -> bool {
        matches!(self.reading, Reading::Running { stale: true, .. })
    }

    /// Whether a push changed it, or it was last seen before a standstill, and
    /// nobody is reading what that means for the rest.
    pub(in crate::core) fn is_unproved(&self) -> bool {
        let is_proved = self.confirmed && !self.stale;
        !is_proved && self.view.complete().is_some() && !self.is_being_read()
    }

    /// Whether all that was there and is not shown was proved to be gone. A push
    /// that changes something else takes nothing from that: what it does not show
    /// either has not come back into use.
    pub(in crate::core) fn shows_all(&self) -> bool {
        self.view.complete().is_some() && self.unshown.is_empty() && !self.stale
    }

    /// Whether a list or a push told of it last, and no read has told the same.
    pub(in crate::core) fn is_untold(&self) -> bool {
        !self.told_by_read && self.view.complete().is_some()
    }

    /// Whether it is known to be gone, and nobody is looking whether it came
    /// back.
    pub(super) fn is_gone(&self) -> bool {
        self.last.is_empty() && self.view.complete().is_some() && !self.is_being_read()
    }

    /// Takes over what was seen; whether that says anything new.
    pub(super) fn show(&mut self, truth: Truth, set: Arc<ServiceSet>) -> bool {
        // A consumer's push may not lower what raw eyes told before: the set
        // is completed from them, so the better truth stands.
        let truth = match self.view {
            View::Complete(before, _) => before.max(truth),
            _ => truth,
        };
        let changed = self.view.complete().is_none() || *self.last != *set;
        self.view = View::Complete(truth, Arc::clone(&set));
        self.last = set;
        changed
    }

    /// Remembers what was shown while a read is under way, which may be older.
    pub(super) fn note_meanwhile(&mut self, view: &View) {
        if let Reading::Running { meanwhile, .. } = &mut self.reading
            && let Some(seen) = view.seen()
        {
            *meanwhile = Some(match meanwhile {
                Some(before) => merge(before, seen, Truth::Consumer).set,
                None => Arc::clone(seen),
            });
        }
    }

    /// What a read of it is for: whatever has instances may turn out to have
    /// lost some, and that takes a confirmation.
    pub(super) fn purpose(&self) -> Purpose {
        match self.last.is_empty() {
            true => Purpose::Refresh,
            false => Purpose::ConfirmRemoval,
        }
    }

    pub(super) fn want_read(&mut self, purpose: Purpose, now: Moment) -> Option<Purpose> {
        match &mut self.reading {
            Reading::Idle => {
                self.reading = Reading::Running {
                    since: now,
                    again: None,
                    meanwhile: None,
                    stale: false,
                };
                Some(purpose)
            }
            Reading::Running { again, .. } => {
                // A confirmation is the stronger wish.
                if *again != Some(Purpose::ConfirmRemoval) {
                    *again = Some(purpose);
                }
                None
            }
        }
    }
}
