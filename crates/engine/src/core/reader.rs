//! What is known of one registry: a view per service, and what is being done
//! to know it better.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Area, Coverage, ListEnd, Purpose, Rejected};
use syncline_model::bugs::Bug;
use syncline_model::merge::{merge, replace};
use syncline_model::{Instance, InstanceKey, Moment, ServiceKey, ServiceSet, Truth, View};

pub(super) use known::Known;

use super::arrivals::Arrivals;
use super::looks::{failed, misread, overtaken, proves_absence, suspicion, with_rejected};
use known::Reading;

/// The wait before a failed read or list is tried again, doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest such wait.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// How long a look at a service that nobody follows is good for.
const LATELY: Duration = Duration::from_secs(30);

/// What is known of one registry.
#[derive(Debug, Default)]
pub(super) struct Reader {
    services: BTreeMap<ServiceKey, Known>,
    /// Which instances came to a service lately, since the first list: only
    /// what came may have moved there.
    arrivals: Arrivals,
    /// What the last list showed of services of which it lacks something that
    /// was there, until a read tells whether that is gone.
    lacking: BTreeMap<ServiceKey, Arc<ServiceSet>>,
    /// Since when the registry has given no sign of life.
    pub(super) silent_since: Option<Moment>,
    /// Reads of single services under way.
    pub(super) reads: usize,
    round: u64,
    /// Lists up to this one began before a standstill.
    stale_round: u64,
    listing: Listing,
    list_failures: u32,
    listed: bool,
    /// How the last list ended; empty before the first.
    pub(super) areas: Vec<Area>,
    /// What has been listed since the start.
    warm: Vec<Area>,
    /// When the last list ended that was complete everywhere.
    pub(super) complete_at: Option<Moment>,
    /// When such a list ended last before the start.
    pub(super) complete_before: Option<Moment>,
    /// Why the registry does not answer, while it does not.
    pub(super) down: Option<Arc<str>>,
    /// How new services are learnt, where it says so.
    pub(super) learns: Option<Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Listing {
    #[default]
    Idle,
    Running {
        since: Moment,
        again: bool,
    },
}

/// What a look at a service means for the rest of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Looked {
    /// The content is not what it was: links have to plan.
    pub(super) changed: bool,
    /// The service has to be read.
    pub(super) read: Option<Purpose>,
    /// The service has to be read again after this wait.
    pub(super) retry: Option<Duration>,
}

impl Reader {
    /// What the store knew of a service.
    pub(super) fn remember(&mut self, service: ServiceKey, set: Arc<ServiceSet>) {
        self.services.insert(service, Known::unseen(set));
    }

    /// What is known of a service.
    pub(super) fn get(&self, service: &ServiceKey) -> Option<&Known> {
        self.services.get(service)
    }

    /// All known services, in order.
    pub(super) fn services(&self) -> impl Iterator<Item = (&ServiceKey, &Known)> {
        self.services.iter()
    }

    /// When a list ended last that was complete everywhere, in this run or before.
    pub(super) fn last_complete(&self) -> Option<Moment> {
        self.complete_at.or(self.complete_before)
    }

    /// Whether a list has gone through since the start, so that what is not
    /// known is not there, as far as the registry shows it to us.
    pub(super) fn listed(&self) -> bool {
        self.listed
    }

    /// Whether a list has ended since the start, well or not.
    pub(super) fn was_listed_or_failed(&self) -> bool {
        self.listed || self.list_failures > 0
    }

    /// Whether it was seen lately what a service is, or that it is not there;
    /// or whether that was tried.
    pub(super) fn was_looked_at(&self, service: &ServiceKey, now: Moment) -> bool {
        let lately = |at: Option<Moment>| at.is_some_and(|at| now.since(at) <= LATELY);
        let tells = |known: &Known| lately(known.seen_at) || known.failures > 0;
        lately(self.complete_at) || self.services.get(service).is_some_and(tells)
    }

    /// Whether enough was seen since the start for a service to lose something:
    /// its area was listed whole, or as far as we may, and then it was read.
    pub(super) fn is_warm(&self, service: &ServiceKey) -> bool {
        if Bug::ColdRemoval.is_planted() {
            return true;
        }
        let was_read = || self.services.get(service).is_some_and(|k| k.was_read);
        self.complete_at.is_some()
            || self
                .warm
                .iter()
                .any(|area| area.holds(service) && (area.coverage.doubt().is_none() || was_read()))
    }

    /// Whether only a read of a service is missing for it to be warm.
    pub(super) fn is_warm_but_for_a_read(&self, service: &ServiceKey) -> bool {
        !self.is_warm(service) && self.warm.iter().any(|area| area.holds(service))
    }

    /// Why the last list could not be read, where a part of it could not.
    pub(super) fn failing(&self) -> Option<&Arc<str>> {
        self.areas.iter().find_map(|area| match &area.coverage {
            Coverage::Failed(why) => Some(why),
            _ => None,
        })
    }

    /// The registry shows a sign of life: what failed before is worth another
    /// look soon.
    pub(super) fn lives(&mut self) -> bool {
        self.list_failures = 0;
        self.failing().is_some()
    }

    /// The number of the next list that begins.
    pub(super) fn next_round(&self) -> u64 {
        self.round + 1
    }

    /// A standstill is over: what was seen and asked for before proves nothing
    /// until it is seen again.
    pub(super) fn distrust(&mut self) {
        self.stale_round = self.round;
        for known in self.services.values_mut() {
            known.stale = true;
            if let Reading::Running { stale, .. } = &mut known.reading {
                *stale = true;
            }
        }
    }

    /// Asks for a list; true when it has to be started now.
    pub(super) fn want_list(&mut self, now: Moment) -> bool {
        match &mut self.listing {
            Listing::Idle => {
                self.listing = Listing::Running {
                    since: now,
                    again: false,
                };
                self.round += 1;
                true
            }
            Listing::Running { again, .. } => {
                *again = true;
                false
            }
        }
    }

    /// A look at a service by list or push: additions and changes count at
    /// once; what is not shown any more has to be confirmed by a read.
    pub(super) fn look(
        &mut self,
        service: &ServiceKey,
        view: View,
        rejected: Vec<Rejected>,
        listed: bool,
        now: Moment,
    ) -> Looked {
        if !rejected.is_empty() && Bug::PoisonSpoils.is_planted() {
            return Looked::default();
        }
        // How old a push is, nothing tells.
        let from = match self.listing {
            Listing::Running { since, .. } if listed => Some(since),
            _ => None,
        };
        let known = self
            .services
            .entry(service.clone())
            .or_insert_with(|| Known::unseen(ServiceSet::empty()));
        if listed {
            known.round = self.round;
        } else {
            known.fresh = self.round;
        }
        let is_new_list = listed && self.round > self.stale_round;
        known.note_meanwhile(&view);
        known.rejected = rejected;
        let Some((truth, seen)) = view.complete() else {
            return Self::doubt(known, view);
        };
        known.failures = 0;
        if known.view.complete().is_some() && **seen == *known.last {
            known.seen_at = Some(now);
            known.unshown = ServiceSet::new(Vec::new());
            // What is being read because of it is proved by that.
            known.stale &= !is_new_list || known.is_being_read();
            if let Some(from) = from {
                known.shown_from(from);
            }
            return Looked::default();
        }
        let seen = with_rejected(&known.newest(&known.last), seen, &known.rejected);
        let mut merged = merge(&known.last, &seen, truth);
        if listed && Bug::ListProvesAbsence.is_planted() {
            merged.set = Arc::clone(&seen);
            merged.missing = false;
        }
        if listed && known.fresh == self.round && merged.set != known.last {
            // A push or a read came while the list was on its way, and may be
            // the newer of the two: a read tells. Until then nothing is proved.
            let was_proved = std::mem::replace(&mut known.confirmed, false);
            return Looked {
                changed: was_proved,
                read: known.want_read(known.purpose(), now),
                ..Looked::default()
            };
        }
        let read = match (merged.missing, listed) {
            // A list goes to its end first, so that all that it lacks is
            // counted before the first of it is proved.
            (true, true) => {
                self.lacking.insert(service.clone(), Arc::clone(&seen));
                None
            }
            (true, false) => known.want_read(Purpose::ConfirmRemoval, now),
            (false, _) => None,
        };
        let before = Arc::clone(&known.last);
        known.unshown = ServiceSet::new(merged.unshown);
        let changed = if merged.missing && known.seen_at.is_none() {
            // What only the store remembers is not shown to links before a
            // read has confirmed or denied it.
            known.last = merged.set;
            false
        } else {
            known.seen_at = Some(now);
            let changed = known.show(truth, merged.set);
            known.confirmed &= listed || !changed;
            known.stale &= !is_new_list || merged.missing || known.is_being_read();
            known.told_by_read &= !changed && !merged.missing;
            match from {
                Some(from) => known.shown_from(from),
                None => known.pushed(&before),
            }
            changed
        };
        let after = Arc::clone(&known.last);
        self.note_arrivals(service, &before, &after, now);
        Looked {
            changed,
            read,
            retry: None,
        }
    }

    /// A read of one service ended: what it does not show is gone.
    pub(super) fn read(
        &mut self,
        service: &ServiceKey,
        view: View,
        rejected: Vec<Rejected>,
        now: Moment,
    ) -> Looked {
        let view = match self.services.get(service).is_some_and(Known::is_read_stale) {
            true => misread(view).doubted("it was asked for before a standstill"),
            false => misread(view),
        };
        let suspicion = suspicion(&self.areas, service);
        let Some(known) = self.services.get_mut(service) else {
            return Looked::default();
        };
        let view = match (suspicion, view.complete()) {
            (Some(why), Some((truth, seen)))
                if seen.is_empty() || merge(&known.last, seen, truth).missing =>
            {
                view.doubted(why)
            }
            _ => view,
        };
        if view.complete().is_some() {
            self.lacking.remove(service);
        }
        known.fresh = self.round;
        let before = Arc::clone(&known.last);
        let reading = std::mem::replace(&mut known.reading, Reading::Idle);
        let (since, mut again, meanwhile) = match reading {
            Reading::Running {
                since,
                again,
                meanwhile,
                ..
            } => (since, again, meanwhile),
            Reading::Idle => (now, None, None),
        };
        // A view has no place for them; what a list told still stands then.
        if !rejected.is_empty() {
            known.rejected = rejected;
        }
        let mut looked = match view.complete() {
            Some((truth, seen)) => {
                known.failures = 0;
                known.was_read = true;
                known.seen_at = Some(now);
                let seen = with_rejected(&known.newest(&known.last), seen, &known.rejected);
                let set = replace(&known.last, &seen);
                let (set, overtaken) = overtaken(set, meanwhile.as_ref(), &known.last);
                known.read_from(since, &seen, &set);
                if overtaken {
                    again = Some(Purpose::ConfirmRemoval);
                }
                // What was not proved before is now.
                let was_proved = known.confirmed && known.told_by_read && !known.stale;
                let proved = !overtaken && !was_proved;
                known.confirmed = !overtaken;
                known.told_by_read = !overtaken;
                known.stale = false;
                let changed = known.show(truth, set) || proved;
                // A read is worth its own truth, also when that is less than before.
                known.view = View::Complete(truth, Arc::clone(&known.last));
                Looked {
                    changed,
                    ..Looked::default()
                }
            }
            None => {
                let last = Arc::clone(&known.last);
                let set = |set: &Arc<_>| overtaken(Arc::clone(set), meanwhile.as_ref(), &last).0;
                Self::doubt(known, view.map(set))
            }
        };
        if let Some(purpose) = again {
            looked.read = known.want_read(purpose, now);
            looked.retry = None;
        }
        let after = Arc::clone(&known.last);
        self.note_arrivals(service, &before, &after, now);
        looked
    }

    /// Somebody knows of a service that nobody has shown in this run: a list that
    /// lacks it does not prove that it is gone.
    pub(super) fn expect(&mut self, service: &ServiceKey) {
        self.services
            .entry(service.clone())
            .or_insert_with(|| Known::unseen(ServiceSet::empty()));
    }

    /// Asks for one more complete look at a service; true when a read has to be
    /// started now.
    pub(super) fn want_confirmation(&mut self, service: &ServiceKey, now: Moment) -> bool {
        let known = self.services.get_mut(service);
        known.is_some_and(|known| known.want_read(Purpose::ConfirmRemoval, now).is_some())
    }

    /// Services of which the last list lacks something that was there, and no
    /// read has told yet whether it is gone.
    pub(super) fn lacking(&self) -> impl Iterator<Item = &ServiceKey> {
        self.lacking.keys()
    }

    /// What a service is if all is gone that the last list lacks; `None` where
    /// nothing is to be proved.
    pub(super) fn if_gone(&self, service: &ServiceKey) -> Option<View> {
        let shown = self.lacking.get(service)?;
        Some(View::Complete(Truth::Raw, Arc::clone(shown)))
    }

    /// Whether nothing is being listed or read.
    pub(super) fn is_quiet(&self) -> bool {
        self.listing == Listing::Idle && self.reads == 0
    }

    /// Whether an instance that left these services came to another one lately
    /// and is shown there.
    ///
    /// It has to have come: Dubbo registers every interface of a process at one
    /// address, and losing one of them is no move. What came to both lately is
    /// a process that started, and did not move either.
    pub(super) fn moved(
        &self,
        left: &BTreeSet<ServiceKey>,
        key: &InstanceKey,
        now: Moment,
    ) -> bool {
        let shows = |service: &ServiceKey| {
            self.services.get(service).is_some_and(|known| {
                known
                    .last
                    .instances()
                    .iter()
                    .any(|i| i.key.same_address(key))
            })
        };
        if Bug::StandsElsewhere.is_planted() {
            let mut others = self.services.keys().filter(|s| !left.contains(s));
            return others.any(shows);
        }
        let came_to = || self.arrivals.at(key, now);
        came_to().all(|service| !left.contains(service)) && came_to().any(shows)
    }

    fn note_arrivals(
        &mut self,
        service: &ServiceKey,
        before: &Arc<ServiceSet>,
        after: &Arc<ServiceSet>,
        now: Moment,
    ) {
        if Arc::ptr_eq(before, after) || !self.listed {
            return;
        }
        for instance in before.instances() {
            if after.get(&instance.key).is_empty() {
                self.arrivals.left(&instance.key, service, now);
            }
        }
        let came = |i: &&Instance| before.get(&i.key).is_empty();
        for instance in after.instances().iter().filter(came) {
            self.arrivals.came(&instance.key, service, now);
        }
    }

    /// Somebody hints that a service is not what it was.
    pub(super) fn hint(&mut self, service: &ServiceKey, now: Moment) -> Looked {
        let known = self
            .services
            .entry(service.clone())
            .or_insert_with(|| Known::unseen(ServiceSet::empty()));
        Looked {
            read: known.want_read(known.purpose(), now),
            ..Looked::default()
        }
    }

    /// A failed look is tried again, since what is not shown might be gone.
    pub(super) fn retry(&mut self, service: &ServiceKey, now: Moment) -> Looked {
        let Some(known) = self.services.get_mut(service) else {
            return Looked::default();
        };
        Looked {
            read: known.want_read(Purpose::ConfirmRemoval, now),
            ..Looked::default()
        }
    }

    fn doubt(known: &mut Known, view: View) -> Looked {
        let before = known.shown();
        known.failures = known.failures.saturating_add(1);
        if let Some(seen) = view.seen() {
            // What it shows counts, and is not to be forgotten with the doubt.
            known.last = merge(&known.last, seen, Truth::Raw).set;
        }
        known.view = view;
        Looked {
            // What is there counts. That nothing may be removed for now links
            // see when they plan for another reason.
            changed: shows_more(before.as_ref(), known.shown().as_ref()),
            read: None,
            retry: Some(backoff(known.failures)),
        }
    }

    /// A list ended: what belongs to a complete area and was not listed is to
    /// be confirmed gone.
    pub(super) fn end_list(&mut self, end: ListEnd, now: Moment) -> EndedList {
        let (since, again) = match std::mem::take(&mut self.listing) {
            Listing::Running { since, again } => (since, again),
            Listing::Idle => (now, false),
        };
        let mut ended = EndedList {
            round: self.round,
            since,
            again,
            ..EndedList::default()
        };
        for (service, known) in &mut self.services {
            let unlisted = known.round < self.round;
            if unlisted && let Some(why) = suspicion(&end.areas, service) {
                // What was taken for proof before is none any more.
                known.view = known.view.clone().doubted(why);
            }
            if unlisted && end.areas.iter().any(|area| proves_absence(area, service)) {
                if known.is_gone() {
                    ended.forget.push(service.clone());
                    continue;
                }
                self.lacking.insert(service.clone(), ServiceSet::empty());
            }
            if !Bug::NoRelist.is_planted()
                && self.lacking.contains_key(service)
                && let Some(purpose) = known.want_read(Purpose::ConfirmRemoval, now)
            {
                ended.read.push((service.clone(), purpose));
            }
        }
        ended.whole = end.areas.iter().all(|a| a.coverage.doubt().is_none());
        if ended.whole {
            self.complete_at = Some(now);
        }
        let has_failed = end.areas.is_empty() || end.areas.iter().any(failed);
        self.listed |= !has_failed;
        self.warm_up(&end.areas);
        self.list_failures = if has_failed {
            self.list_failures + 1
        } else {
            0
        };
        ended.retry = has_failed.then(|| backoff(self.list_failures));
        self.areas = end.areas;
        ended
    }

    fn warm_up(&mut self, areas: &[Area]) {
        for area in areas.iter().filter(|area| !failed(area)) {
            let same = |w: &Area| w.namespace == area.namespace && w.group == area.group;
            match self.warm.iter_mut().find(|warm| same(warm)) {
                Some(warm) if area.coverage.doubt().is_none() => *warm = area.clone(),
                Some(_) => {}
                None => self.warm.push(area.clone()),
            }
        }
    }

    /// Drops a service that is gone and that nobody needs any more.
    pub(super) fn forget(&mut self, service: &ServiceKey) {
        self.services.remove(service);
        self.lacking.remove(service);
    }
}

/// What follows from a list that ended.
#[derive(Debug, Default)]
pub(super) struct EndedList {
    /// The list's number.
    pub(super) round: u64,
    /// When it began.
    pub(super) since: Moment,
    /// Services whose absence has to be confirmed.
    pub(super) read: Vec<(ServiceKey, Purpose)>,
    /// Services that are known to be gone and were not seen again.
    pub(super) forget: Vec<ServiceKey>,
    /// Somebody asked for another list meanwhile.
    pub(super) again: bool,
    /// It was complete everywhere.
    pub(super) whole: bool,
    /// A part could not be read: list again after this wait.
    pub(super) retry: Option<Duration>,
}

/// Whether a look shows instances, or content, that an earlier one did not.
fn shows_more(before: Option<&View>, after: Option<&View>) -> bool {
    let Some(after) = after.and_then(View::seen) else {
        return false;
    };
    let before = before.and_then(View::seen);
    let is_new = |instance: &Instance| {
        let known = before.map_or(&[][..], |before| before.get(&instance.key));
        known.iter().all(|known| known.content_differs(instance))
    };
    before.is_none_or(|before| !Arc::ptr_eq(before, after)) && after.instances().iter().any(is_new)
}

fn backoff(failures: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << failures.saturating_sub(1).min(5))
        .min(LAST_RETRY)
}
