//! One link's state: what it gives its target, service by service, and what
//! waits for what.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Area, Coverage, Hold, TargetReport, Unavailable};
use syncline_model::bugs::Bug;
use syncline_model::desire::Rules;
use syncline_model::guard::{Freeze, Guard, Record, Settings};
use syncline_model::plan::{RemovalPolicy, UnavailableAs};
use syncline_model::scope::Scope;
use syncline_model::{
    EndpointName, Identity, Instance, InstanceKey, LinkName, Moment, NamespaceId, ServiceKey,
    ServiceSet, Truth, View,
};

use super::adopt::left_by_others;
use super::aside::SourceLost;
use super::filling::Filling;
use super::pace::Pace;
use super::reader::Reader;
use super::retries::Retries;
use super::service::{LinkService, Writing};
use super::status::HoldStatus;

/// What a link is to do, as configured.
#[derive(Debug)]
pub struct LinkRules {
    /// Its name.
    pub name: LinkName,
    /// Where it reads.
    pub from: EndpointName,
    /// Where it writes.
    pub to: EndpointName,
    /// Whether the target is a registry that can be read, so that natives and
    /// drift are seen.
    pub target_is_read: bool,
    /// What it selects and how that is named at the target.
    pub rules: Rules,
    /// What happens to what went away.
    pub removal: RemovalPolicy,
    /// When a plan removes too much.
    pub guard: Settings,
    /// Whether the target serves consumers from what we hold, so that the last
    /// known good is taken up again however old it is.
    pub serves_last_known: bool,
    /// Whether it follows changes as they come; else it plans only after a
    /// trigger.
    pub realtime: bool,
    /// What happens while its source stays lost.
    pub source_lost: SourceLost,
    /// How long a change of health has to last before the target is told.
    pub health_dwell: Duration,
    /// How many instances it takes away in a second at most, besides ten
    /// seconds' worth that may be saved up.
    pub removals_per_second: NonZeroU32,
    /// Whether it is configured no more, and what it gave is to be withdrawn. It
    /// reads from nowhere then: its source is its target.
    pub retired: bool,
}

/// One link's state.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) rules: LinkRules,
    /// The scope as configured, where it names namespaces by show names, whose
    /// ids the source has to tell.
    by_show_name: Option<Scope>,
    /// What holds a plan that removes too much.
    pub(super) guard: Guard,
    /// How many instances of all services are in use at the target.
    in_use: u64,
    services: BTreeMap<ServiceKey, LinkService>,
    /// Source services whose name differs at the target, by their own name.
    renamed: BTreeMap<ServiceKey, ServiceKey>,
    /// Services that could not be planned yet.
    waiting: BTreeSet<ServiceKey>,
    /// What the target said of itself.
    pub(super) report: Option<TargetReport>,
    /// With whose eyes the whole scope was read, once it was.
    pub(super) truth: Option<Truth>,
    /// When the whole scope was last read.
    whole_at: Option<Moment>,
    /// Whether everything that the first list showed has been planned.
    pub(super) settled: bool,
    /// How far its target is filled.
    pub(super) filling: Filling,
    pub(super) paused: bool,
    /// The first and the last list of the source that answer triggers, by their
    /// numbers.
    awaits: Option<(u64, u64)>,
    /// Whether plans may be made now, for a link that is not realtime.
    open: bool,
    /// Services at the target whose source services are known and not selected.
    deselected: BTreeSet<ServiceKey>,
    /// Whether its source has been silent for longer than it bears.
    pub(super) lost: bool,
    /// Whether something stood aside in this run, so that what it gave may be
    /// written without its source.
    pub(super) from_memory: bool,
    /// How many writes are under way.
    under_way: usize,
    /// How many of them wait for the store.
    storing: usize,
    /// How fast it may take away.
    pub(super) pace: Pace,
    /// Services with removals that wait for their turn.
    pub(super) removing: BTreeSet<ServiceKey>,
    /// How often it may try again what failed.
    pub(super) retries: Retries,
    /// Services that failed and wait for their turn.
    pub(super) retrying: BTreeSet<ServiceKey>,
}

impl Link {
    pub(super) fn new(rules: LinkRules) -> Self {
        Self {
            open: rules.realtime,
            by_show_name: rules
                .rules
                .scope
                .needs_show_names()
                .then(|| rules.rules.scope.clone()),
            guard: Guard::new(rules.name.clone(), rules.guard),
            in_use: 0,
            pace: Pace::new(rules.removals_per_second),
            removing: BTreeSet::new(),
            retries: Retries::new(),
            retrying: BTreeSet::new(),
            rules,
            services: BTreeMap::new(),
            renamed: BTreeMap::new(),
            waiting: BTreeSet::new(),
            report: None,
            truth: None,
            whole_at: None,
            settled: false,
            filling: Filling::default(),
            paused: false,
            awaits: Some((0, 0)),
            deselected: BTreeSet::new(),
            lost: false,
            from_memory: false,
            under_way: 0,
            storing: 0,
        }
    }

    pub(super) fn described(&mut self, report: TargetReport) {
        self.report = Some(report);
    }

    /// Whether the configuration alone says that the target is to have nothing
    /// of a service, so that no look at the source is needed.
    pub(super) fn is_unwanted(&self, service: &ServiceKey) -> bool {
        if self.rules.retired {
            return true;
        }
        let state = self.services.get(service);
        let Rules { scope, mapping, .. } = &self.rules.rules;
        // A namespace by its show name is not known before the source tells it.
        self.by_show_name.is_none()
            && state.is_some_and(|state| state.from.is_empty())
            && (self.deselected.contains(service)
                || (mapping.is_identity() && !scope.selects(service)))
    }

    /// Whether it is configured no more and nothing of what it gave is left.
    pub(super) fn has_withdrawn(&self) -> bool {
        self.rules.retired && !self.services.values().any(LinkService::gives)
    }

    /// What the guard knew before the start. A loss of what the ledger does not
    /// know any more waits for nothing.
    pub(super) fn restore_guard(
        &mut self,
        freeze: Option<Freeze>,
        records: Vec<(ServiceKey, Record)>,
    ) {
        let services = &self.services;
        let records = records.into_iter().map(|(service, mut record)| {
            if !services.contains_key(&service) {
                record.pending = None;
            }
            (service, record)
        });
        let (name, settings) = (self.rules.name.clone(), self.rules.guard);
        self.guard = Guard::restored(name, settings, freeze, records);
        for hold in self.guard.holds() {
            let state = hold
                .service
                .and_then(|service| self.services.get_mut(&service));
            if let Some(state) = state {
                state.hold = Some(hold.id);
            }
        }
    }

    /// Every service is planned, also where the link waits for a trigger.
    pub(super) fn all_due(&mut self) {
        for state in self.services.values_mut() {
            state.due = true;
        }
    }

    pub(super) fn identity(&self) -> Identity {
        self.report
            .as_ref()
            .map_or(Identity::AddressAndCluster, |report| report.identity)
    }

    pub(super) fn unavailable(&self) -> UnavailableAs {
        match self.report.as_ref().map(|report| report.unavailable) {
            Some(Unavailable::Weight) => UnavailableAs::Weight,
            Some(Unavailable::WeightAndHealth) | None => UnavailableAs::WeightAndHealth,
        }
    }

    /// Whether its target takes whole lists, as a file.
    pub(super) fn writes_lists(&self) -> bool {
        let hold = self.report.as_ref().map(|report| report.hold);
        hold == Some(Hold::Written)
    }

    /// Whether an addition has to be on disk before it is written.
    pub(super) fn remembers_additions(&self) -> bool {
        let report = self.report.as_ref();
        report.is_some_and(|report| report.hold.needs_durable_additions())
    }

    /// Whether any write waits for the store.
    pub(super) fn is_storing(&self) -> bool {
        self.storing > 0
    }

    pub(super) fn services(&self) -> impl Iterator<Item = (&ServiceKey, &LinkService)> {
        self.services.iter()
    }

    pub(super) fn service(&self, service: &ServiceKey) -> Option<&LinkService> {
        self.services.get(service)
    }

    pub(super) fn service_mut(&mut self, service: &ServiceKey) -> Option<&mut LinkService> {
        self.services.get_mut(service)
    }

    pub(super) fn has(&self, service: &ServiceKey) -> bool {
        self.services.contains_key(service)
    }

    /// What the ledger says the target was given before the start, and what may
    /// still be there of what it was given before that.
    pub(super) fn remember(
        &mut self,
        service: ServiceKey,
        given: Arc<ServiceSet>,
        going: Vec<Instance>,
        fresh: bool,
    ) {
        let marks = self.marks();
        let state = self
            .services
            .entry(service)
            .or_insert_with(LinkService::new);
        let changes = |old: &Instance| !given.get(&old.key).is_empty();
        state.taking_over = left_by_others(&given, &going, marks);
        state.taken_over = state.taking_over.iter().map(|i| i.key.clone()).collect();
        let (changing, leaving): (Vec<_>, Vec<_>) = going.into_iter().partition(changes);
        state.former.may_stand(&changing);
        state.leaving = leaving.iter().map(|i| i.key.clone()).collect();
        let held = match leaving.is_empty() {
            true => given,
            false => {
                let given = given.instances().iter().cloned();
                Arc::new(ServiceSet::new(given.chain(leaving).collect()))
            }
        };
        self.in_use += held.in_use() as u64;
        state.held = held;
        state.live = false;
        state.fresh = fresh || self.rules.serves_last_known;
    }

    /// Whether the ledger need not be told again of what was taken up: it is
    /// taken up at each start, however long ago that was.
    pub(super) fn ledger_says_so(&self, service: &ServiceKey) -> bool {
        let state = self.service(service);
        self.rules.serves_last_known && state.is_some_and(|state| state.on_record)
    }

    /// How many services are taken up again without waiting for a view.
    pub(super) fn to_take_up(&self) -> usize {
        let fresh = self.services.values().filter(|state| state.fresh);
        fresh.count()
    }

    /// The target confirmed what it was given; whether that was to be taken up
    /// again.
    pub(super) fn confirm(&mut self, service: &ServiceKey, held: Arc<ServiceSet>) -> bool {
        let Some(state) = self.services.get_mut(service) else {
            return false;
        };
        self.in_use = self.in_use + held.in_use() as u64 - state.held.in_use() as u64;
        let fresh = state.fresh;
        state.confirm(held);
        fresh
    }

    /// Nothing but this is remembered of what a service was given before the
    /// start.
    pub(super) fn hold_only(&mut self, service: &ServiceKey, kept: Arc<ServiceSet>) {
        let Some(state) = self.services.get_mut(service) else {
            return;
        };
        self.in_use = self.in_use + kept.in_use() as u64 - state.held.in_use() as u64;
        state.held = kept;
        state.on_record = false;
    }

    /// A write of a service begins; it is the only one of that service.
    pub(super) fn begin(&mut self, service: &ServiceKey, writing: Writing) {
        self.end_if(service, |_| true);
        if let Some(state) = self.services.get_mut(service) {
            self.under_way += 1;
            self.storing += usize::from(!writing.stored);
            state.writing = Some(writing);
        }
    }

    /// The write of a service ends, if it is one of these.
    pub(super) fn end_if(
        &mut self,
        service: &ServiceKey,
        ends: impl FnOnce(&Writing) -> bool,
    ) -> Option<Writing> {
        let state = self.services.get_mut(service)?;
        let writing = state.writing.take_if(|writing| ends(writing))?;
        self.under_way -= 1;
        self.storing -= usize::from(!writing.stored);
        Some(writing)
    }

    /// Whether anything is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.under_way > 0
    }

    /// Forgets a service of which nothing is left to remember.
    pub(super) fn drop_if_idle(&mut self, service: &ServiceKey) {
        if self.services.get(service).is_some_and(LinkService::is_idle) {
            self.services.remove(service);
        }
    }

    /// A write of this set failed: the target may hold it, besides all that it
    /// held before, and none of it is known to be there.
    pub(super) fn doubt(&mut self, service: &ServiceKey, accepted: &ServiceSet) {
        let Some(state) = self.services.get(service) else {
            return;
        };
        let before = Arc::clone(&state.held);
        let kept = before.instances().iter();
        let kept = kept.filter(|instance| accepted.get(&instance.key).is_empty());
        let both = accepted.instances().iter().chain(kept).cloned();
        self.hold_unseen(service, Arc::new(ServiceSet::new(both.collect())));
    }

    /// The target may hold this of a service, and none of it is known to be held
    /// by this run.
    pub(super) fn hold_unseen(&mut self, service: &ServiceKey, held: Arc<ServiceSet>) {
        if let Some(state) = self.services.get_mut(service) {
            self.in_use = self.in_use + held.in_use() as u64 - state.held.in_use() as u64;
            state.held = held;
            state.live = false;
            state.on_record = false;
        }
    }

    /// The target was listed, from that moment on: what its looks do not show any
    /// more is forgotten.
    pub(super) fn target_listed(&mut self, reader: &Reader, since: Moment) {
        for (service, state) in &mut self.services {
            if !state.former.is_empty() {
                let known = reader.get(service);
                let looked_at =
                    |key: &InstanceKey| known.map_or(since, |known| known.looked_at(key));
                state.former.prune(looked_at);
            }
        }
        self.services.retain(|_, state| !state.is_idle());
    }

    /// Whether copies carry a mark.
    pub(super) fn marks(&self) -> bool {
        let marking = self.rules.rules.marking.as_ref();
        marking.is_some_and(|marking| marking.marks)
    }

    /// Whether the mark of an instance says that this install wrote it.
    pub(super) fn is_marked_as_ours(&self, service: &ServiceKey, instance: &Instance) -> bool {
        let marking = self.rules.rules.marking.as_ref();
        marking.is_some_and(|marking| marking.is_ours(service, instance))
    }

    /// How many instances of all services are in use at the target.
    pub(super) fn in_use(&self) -> u64 {
        self.in_use
    }

    /// The source told which namespace has which show name; whether that changed
    /// what the link selects.
    pub(super) fn resolve(&mut self, show_names: &[(NamespaceId, String)]) -> bool {
        let Some(configured) = self
            .by_show_name
            .as_ref()
            .filter(|_| !show_names.is_empty())
        else {
            return false;
        };
        let scope = configured.resolve(show_names).scope;
        let changed = scope != self.rules.rules.scope;
        self.rules.rules.scope = scope;
        changed
    }

    /// A source service is there: where it belongs at the target, if it is in
    /// the link's scope.
    pub(super) fn contribute(&mut self, source: &ServiceKey) -> Option<ServiceKey> {
        if self.rules.retired {
            return None;
        }
        if !self.rules.rules.scope.selects(source) {
            let target = self.rules.rules.mapping.map_service(source);
            if self.services.contains_key(&target) {
                self.deselected.insert(target);
            }
            return None;
        }
        let target = match self.renamed.get(source) {
            Some(target) => target.clone(),
            None => {
                let target = self.rules.rules.mapping.map_service(source);
                if target != *source {
                    self.renamed.insert(source.clone(), target.clone());
                }
                target
            }
        };
        self.services
            .entry(target.clone())
            .or_insert_with(LinkService::new)
            .from
            .insert(source.clone());
        Some(target)
    }

    /// A source service has been gone for long and is forgotten.
    pub(super) fn uncontribute(&mut self, source: &ServiceKey) {
        let target = self
            .renamed
            .remove(source)
            .unwrap_or_else(|| source.clone());
        if let Some(state) = self.services.get_mut(&target) {
            state.from.remove(source);
        }
        self.drop_if_idle(&target);
    }

    /// Whether the target holds anything of the service that a source service is
    /// part of.
    pub(super) fn holds_of(&self, source: &ServiceKey) -> bool {
        let state = self.services.get(self.target_of(source));
        state.is_some_and(LinkService::gives)
    }

    /// The service at the target that a source service is part of, where it is
    /// part of any.
    pub(super) fn target_of<'a>(&'a self, source: &'a ServiceKey) -> &'a ServiceKey {
        self.renamed.get(source).unwrap_or(source)
    }

    /// The service at the target that a source service is part of, where the
    /// guard holds losses of it or was told that there may be some.
    pub(super) fn held_target(&self, source: &ServiceKey) -> Option<ServiceKey> {
        let target = self.target_of(source);
        let state = self.services.get(target)?;
        let record = self.guard.record(target);
        let waits = record.is_some_and(|record| record.pending.is_some());
        (state.hold.is_some() || waits).then(|| target.clone())
    }

    /// Whether something of a source service is on its way out, so that it has
    /// to be known again when the service changes.
    pub(super) fn is_losing(&self, source: &ServiceKey) -> bool {
        self.services
            .get(self.target_of(source))
            .is_some_and(|state| {
                !state.missing.is_empty() || state.hold.is_some() || state.failure.is_some()
            })
    }

    /// Whether a source service makes up one of the target.
    pub(super) fn is_made_of(&self, source: &ServiceKey) -> bool {
        let state = self.services.get(self.target_of(source));
        state.is_some_and(|state| state.from.contains(source))
    }

    /// Services that the target was given and whose source would be called the same,
    /// though nothing is remembered of it.
    pub(super) fn unremembered(&self) -> impl Iterator<Item = &ServiceKey> {
        let knows_names = self.rules.rules.mapping.is_identity() && self.by_show_name.is_none();
        let services = self.services.iter().filter(move |_| knows_names);
        let unremembered = services.filter(|(service, state)| {
            state.from.is_empty() && self.rules.rules.scope.selects(service)
        });
        unremembered.map(|(service, _)| service)
    }

    /// The source services that make up a service of the target.
    pub(super) fn sources(&self, service: &ServiceKey) -> Vec<ServiceKey> {
        self.services
            .get(service)
            .map(|state| state.from.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// The source was listed for the so-manieth time: whether the whole scope
    /// could be read.
    pub(super) fn source_listed(&mut self, reader: &Reader, round: u64, now: Moment) {
        let scope = &self.rules.rules.scope;
        let is_mine = |area: &&Area| {
            let (namespace, group) = (area.namespace.as_ref(), area.group.as_ref());
            namespace.is_none_or(|n| scope.selects_namespace(n))
                && group.is_none_or(|g| scope.selects_group(g))
        };
        let mine: Vec<&Coverage> = (reader.areas.iter().filter(is_mine))
            .map(|area| &area.coverage)
            .collect();
        let truths = mine.iter().map(|coverage| match coverage {
            Coverage::Complete(truth) => Some(*truth),
            Coverage::Partial(_) | Coverage::Suspect(_) | Coverage::Failed(_) => None,
        });
        let truths: Option<Vec<Truth>> = truths.collect();
        self.truth = truths.and_then(|truths| truths.into_iter().min());
        if self.truth.is_some() {
            self.whole_at = Some(now);
        }
        let failed = |coverage: &&Coverage| matches!(coverage, Coverage::Failed(_));
        let answers = match mine.is_empty() {
            true => !reader.areas.is_empty(),
            false => !mine.iter().all(failed),
        };
        if let Some((_, last)) = self.awaits.filter(|(first, _)| answers && round >= *first) {
            self.awaits = (round < last).then_some((round + 1, last));
            self.open = true;
        }
    }

    /// An empty complete view, where the whole scope was read, and when it was:
    /// the proof for services that no source service makes up any more.
    pub(super) fn nothing_there(&self) -> Option<(View, Moment)> {
        let view = View::Complete(self.truth?, ServiceSet::empty());
        Some((view, self.whole_at?))
    }

    /// A standstill is over: the last list proves nothing any more.
    pub(super) fn distrust(&mut self) {
        self.whole_at = None;
    }

    /// Held services that no source service makes up.
    pub(super) fn orphans(&mut self) -> impl Iterator<Item = (&ServiceKey, &mut LinkService)> {
        let services = self.services.iter_mut();
        services.filter(|(_, state)| state.from.is_empty())
    }

    /// Somebody asks for a look: a list that began before does not answer it.
    pub(super) fn triggered(&mut self, next_round: u64) {
        let (first, _) = self.awaits.unwrap_or((next_round, next_round));
        self.awaits = Some((first, next_round));
    }

    /// Whether plans may be made now, as far as the strategy goes.
    pub(super) fn is_open(&self) -> bool {
        let paused = self.paused && !Bug::PauseGoesOn.is_planted();
        !paused && self.open
    }

    /// Whether what a trigger let through is not all planned yet.
    pub(super) fn is_looking(&self) -> bool {
        self.open && !self.rules.realtime
    }

    /// Everything that a trigger let through has been planned.
    pub(super) fn close_unless_realtime(&mut self) {
        self.open = self.rules.realtime;
    }

    pub(super) fn wait(&mut self, service: ServiceKey) {
        self.waiting.insert(service);
    }

    /// A service waits no more: its turn came.
    pub(super) fn waited(&mut self, service: &ServiceKey) {
        self.waiting.remove(service);
    }

    /// Whether a service could not be planned yet.
    pub(super) fn is_waiting(&self, service: &ServiceKey) -> bool {
        self.waiting.contains(service)
    }

    pub(super) fn take_waiting(&mut self) -> BTreeSet<ServiceKey> {
        std::mem::take(&mut self.waiting)
    }

    /// Services with a write under way or waiting for something.
    pub(super) fn pending(&self) -> usize {
        let waits = |state: &&LinkService| state.writing.is_some() || state.not_before.is_some();
        // What waits for a trigger is not behind.
        let waiting = match self.rules.realtime {
            true => self.waiting.len(),
            false => 0,
        };
        let removing = |service: &&ServiceKey| !self.waiting.contains(*service);
        let removing = self.removing.iter().filter(removing).count();
        waiting + removing + self.services.values().filter(waits).count()
    }

    pub(super) fn holds(&self, now: Moment) -> Vec<HoldStatus> {
        self.guard
            .holds()
            .map(|hold| HoldStatus {
                held_for: now.since(hold.since),
                hold,
            })
            .collect()
    }
}
