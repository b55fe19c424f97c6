//! From a dirty service to a confirmed write: plan, store, apply.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::Write;
use syncline_model::bugs::Bug;
use syncline_model::guard::{HoldId, Verdict};
use syncline_model::plan::Change;
use syncline_model::{EndpointName, InstanceKey, LinkName, Moment, ServiceKey, ServiceSet};

use super::draft::Decision;
use super::ledger::going;
use super::link::Link;
use super::reader::Known;
use super::service::{LinkService, Writing};
use super::timers::Timer;
use super::{Core, Effect, Happening, Persist, WriteError};

/// The wait before a failed write is tried again, doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// The longest such wait.
const LAST_RETRY: Duration = Duration::from_secs(60);
/// The least wait before what the guard holds is looked at again: looks that
/// fail must not follow one another without a pause.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The least wait after a write that will fail again unless something changes.
const HOPELESS_RETRY: Duration = Duration::from_secs(30);

impl Core {
    /// Plans every dirty service that can be planned now.
    pub(super) fn plan_dirty(&mut self, now: Moment) {
        if !self.started || self.stands_still(now) {
            return;
        }
        self.announce_dirty(now);
        self.plan_all(now);
        for name in self.links.keys().cloned().collect::<Vec<_>>() {
            self.settle(now, &name);
        }
        // Links that are configured no more wait for others to settle.
        self.plan_all(now);
        for name in self.links.keys().cloned().collect::<Vec<_>>() {
            self.tell_filled(&name);
        }
    }

    fn plan_all(&mut self, now: Moment) {
        while let Some((link, service)) = self.dirty.pop_first() {
            self.plan_service(now, &link, &service);
        }
    }

    /// A link is settled once what its first list showed has been planned. A
    /// link that is not realtime has then done what it was triggered for.
    fn settle(&mut self, now: Moment, name: &LinkName) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        let source = &self.readers[&link.rules.from];
        let heard = !self.awaits_first_word(name);
        let planned = heard && link.is_open() && self.sees_all(link) && source.listed();
        // What is written whole would lack what waits for the store.
        let waits = link.is_storing() && !Bug::EarlyFile.is_planted();
        let planned = planned && (link.settled || !waits);
        let quiet = source.is_quiet();
        if planned && !link.settled {
            self.take_up_written(now, name);
            self.effects.push(Effect::Settled { link: name.clone() });
            self.open_retired();
        }
        if let Some(link) = self.links.get_mut(name).filter(|_| planned) {
            link.settled = true;
            // A removal may still be being confirmed.
            if quiet {
                link.close_unless_realtime();
            }
        }
    }

    /// Whether a service cannot be planned now; it is again as soon as it can.
    fn is_put_off(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) -> bool {
        let link = self.links.get(name);
        let Some(state) = link.and_then(|link| link.service(service)) else {
            return true;
        };
        if state.writing.is_some() {
            self.update_service(name, service, |state| {
                if let Some(writing) = &mut state.writing
                    && !Bug::DropsEvents.is_planted()
                {
                    writing.again = true;
                }
            });
            self.overlook(now, name, service);
            return true;
        }
        if self.awaits_first_word(name) {
            // All services are dirty again once it was heard.
            return true;
        }
        if let Some(moment) = state.not_before.filter(|moment| *moment > now) {
            self.timers
                .set(Timer::Plan(name.clone(), service.clone()), moment);
            self.overlook(now, name, service);
            return true;
        }
        self.waits_for_its_turn(now, name, service)
    }

    fn plan_service(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) {
        if self.is_put_off(now, name, service) {
            return;
        }
        let Some(link) = self.links.get(name) else {
            return;
        };
        let Some(state) = link.service(service) else {
            return;
        };
        // What was begun is brought to an end, also after the trigger's time.
        let open = link.is_open() || (state.due && !link.paused);
        let draft = match open && self.sees_all(link) && self.others_have_begun(link) {
            true => self.draft(now, link, service),
            false => None,
        };
        let waits = draft.is_none() || self.waits_for_list(link, service);
        let Some(draft) = draft.or_else(|| self.draft_of_yielding(now, link, service)) else {
            self.take_up_or_wait(now, name, service);
            return;
        };
        if draft.adds() && self.looks_first(now, name, service) {
            // The look may end after the trigger's time.
            self.update_service(name, service, |state| state.due = true);
            self.take_up_or_wait(now, name, service);
            return;
        }
        if let Some(link) = self.links.get_mut(name) {
            match waits {
                true => link.wait(service.clone()),
                false => link.waited(service),
            }
            if let Some(state) = link.service_mut(service) {
                state.let_go.seen(draft.seen());
            }
            let frozen = link.guard.freeze().is_some();
            let decision = draft.judged(service, &mut link.guard);
            if frozen && link.guard.freeze().is_none() {
                // What waited only because the link was frozen waits no more.
                let held = link.services().filter(|(_, state)| state.hold.is_some());
                let held = held.map(|(service, _)| (name.clone(), service.clone()));
                self.dirty.extend(held);
            }
            self.carry_out(now, name, service, decision);
        }
    }

    /// Whether all that a plan looks at has been seen.
    pub(super) fn sees_all(&self, link: &Link) -> bool {
        let natives_known = !link.rules.target_is_read || self.readers[&link.rules.to].listed();
        link.report.is_some() && natives_known
    }

    /// Whether a service of which the target has nothing of ours has to be read
    /// there before it is given anything: no push tells of natives in a service
    /// that nobody follows. A read that failed has told all that it can.
    fn looks_first(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) -> bool {
        let unknown = |link: &&Link| {
            let known = |state: &LinkService| state.followed || state.gives();
            link.rules.target_is_read && !link.service(service).is_some_and(known)
        };
        let Some(link) = self.links.get(name).filter(unknown) else {
            return false;
        };
        let endpoint = link.rules.to.clone();
        let Some(reader) = self.readers.get_mut(&endpoint) else {
            return false;
        };
        if reader.was_looked_at(service, now) {
            return false;
        }
        if !reader.get(service).is_some_and(Known::is_being_read) {
            let looked = reader.hint(service, now);
            self.looked(now, &endpoint, service, looked);
        }
        true
    }

    /// A service that cannot be planned yet: what the ledger confirmed lately
    /// is taken up again at once, until that succeeds; the rest waits.
    fn take_up_or_wait(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        link.wait(service.clone());
        if link.report.is_none() || link.paused {
            return;
        }
        if link.service(service).is_some_and(|state| state.fresh) {
            self.take_up(now, name, service);
        }
    }

    /// What is written whole would lack what could not be planned yet, so all
    /// that it had before is taken up, however old.
    fn take_up_written(&mut self, now: Moment, name: &LinkName) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        if !link.writes_lists() {
            return;
        }
        let services: Vec<_> = link
            .services()
            .map(|(service, _)| service.clone())
            .collect();
        for service in services {
            self.take_up(now, name, &service);
        }
    }

    /// Gives the target again what it was given before the start, unless that
    /// was done or is being done.
    fn take_up(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let idle =
            |state: &&LinkService| !state.live && state.writing.is_none() && !state.held.is_empty();
        let Some(state) = link.service(service).filter(idle) else {
            return;
        };
        let held = Arc::clone(&state.held);
        self.writes += 1;
        let effect = self.writes;
        let writing = Writing {
            effect,
            accepted: Arc::clone(&held),
            changes: Arc::from([]),
            stored: true,
            again: false,
        };
        link.begin(service, writing);
        self.tell_take_up(name, service, effect, held.len());
        self.count_call(now, name, service);
        self.apply(name, service, held, Arc::from([]));
        self.follow_what_matters(name, service);
    }

    fn carry_out(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        decision: Decision,
    ) {
        self.note_verdict(now, name, service, &decision);
        let asks = !decision.rechecks.is_empty();
        for ((endpoint, service), at) in decision.rechecks {
            self.timers.set(Timer::Read(endpoint, service), at.max(now));
        }
        let (plan, later) = self.paced(now, name, service, decision.plan);
        if let Some(moment) = plan.wake {
            self.timers
                .set(Timer::Plan(name.clone(), service.clone()), moment);
        }
        self.tell_shadowed(name, service, &plan.shadowed);
        self.tell_left_out(name, service, &decision.left_out);
        self.tell_flips(now, name, service, &plan.flips);
        let Some(state) = self
            .links
            .get_mut(name)
            .and_then(|link| link.service_mut(service))
        else {
            return;
        };
        if decision.whole {
            state.still_leaves(plan.changes.iter().chain(&later.removals));
        }
        state.let_through = decision.let_through;
        state.let_through_later = later.let_through;
        state.missing = plan.missing;
        state.stays_missing(&later.removals);
        state.flips = plan.flips;
        state.shadowed = plan.shadowed;
        state.left_out = decision.left_out;
        state.not_before = None;
        // Whatever was begun ends with a view that tells all.
        state.due = !decision.whole && (state.due || asks);
        state.keeps_marks |= decision.keeps_marks;
        let lives = state.live || Bug::NothingTakenUp.is_planted();
        if !plan.changes.is_empty() || !lives {
            self.write(now, name, service, plan.accepted, plan.changes);
        }
        self.follow_what_matters(name, service);
        if let Some(link) = self.links.get_mut(name) {
            link.drop_if_idle(service);
        }
    }

    pub(super) fn write(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        accepted: Arc<ServiceSet>,
        changes: Vec<Change>,
    ) {
        self.writes += 1;
        let effect = self.writes;
        self.tell_intents(name, service, effect, &changes);
        self.count_call(now, name, service);
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let target = link.rules.to.clone();
        let durable = link.remembers_additions();
        let Some(state) = link.service_mut(service) else {
            return;
        };
        let waits =
            |change: &Change| (durable || !adds(change)) && !state.on_disk.contains(change.key());
        let before_write = match changes.is_empty() {
            true => durable,
            false => changes.iter().any(waits) && !Bug::WriteFirst.is_planted(),
        };
        state.on_disk.clear();
        state.on_record = false;
        let changes: Arc<[Change]> = changes.into();
        let going = going(state, &accepted);
        let writing = Writing {
            effect,
            accepted: Arc::clone(&accepted),
            changes: Arc::clone(&changes),
            stored: !before_write,
            again: false,
        };
        link.begin(service, writing);
        if changes.is_empty() {
            self.tell_take_up(name, service, effect, accepted.len());
        }
        self.effects.push(Effect::Persist(Persist::Intend {
            link: name.clone(),
            target,
            service: service.clone(),
            accepted: Arc::clone(&accepted),
            going,
            before_write,
        }));
        if !before_write {
            self.apply(name, service, accepted, changes);
        }
    }

    fn apply(
        &mut self,
        link: &LinkName,
        service: &ServiceKey,
        accepted: Arc<ServiceSet>,
        changes: Arc<[Change]>,
    ) {
        let state = self.links.get(link).and_then(|link| link.service(service));
        let taken_over = state.map_or(&[][..], |state| &state.taking_over);
        self.effects.push(Effect::Apply {
            link: link.clone(),
            write: Write {
                service: service.clone(),
                accepted,
                changes,
                taken_over: taken_over.into(),
            },
        });
    }

    /// What is written is watched at the target by name, so that a native
    /// registration is noticed at once, and so is what gave way to one, so that
    /// its leaving is.
    fn follow_what_matters(&mut self, name: &LinkName, service: &ServiceKey) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let endpoint = link.rules.to.clone();
        let read = link.rules.target_is_read;
        let Some(state) = link.service_mut(service) else {
            return;
        };
        let follow = state.gives() || !state.shadowed.is_empty();
        if read && state.followed != follow {
            state.followed = follow;
            self.effects.push(Effect::Follow {
                endpoint,
                service: service.clone(),
                follow,
            });
        }
    }

    /// What a write intends is on disk, or cannot be put there: then nothing
    /// is removed, since what goes has to be remembered first.
    pub(super) fn stored(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        result: Result<(), Arc<str>>,
    ) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let Some(mut writing) = link.end_if(service, |writing| !writing.stored) else {
            return;
        };
        // What happened meanwhile may speak against taking anything away.
        let planned_anew = writing.again && !writing.changes.iter().all(adds);
        if let Some(state) = link.service_mut(service).filter(|_| planned_anew) {
            // What was begun goes on, also after the trigger's time.
            state.due = true;
            state.stays_missing(&writing.changes);
            if result.is_ok() {
                let changed = writing.changes.iter().map(|change| change.key().clone());
                state.on_disk = changed.collect();
            }
        }
        if let Err(what) = result {
            self.not_stored(now, name, service, writing, what);
        } else if planned_anew {
            self.tell_dropped(name, service, writing.effect);
            self.give_turns_back(name, &writing.changes);
            self.dirty.insert((name.clone(), service.clone()));
        } else {
            let (accepted, changes) = (writing.accepted.clone(), writing.changes.clone());
            writing.stored = true;
            link.begin(service, writing);
            self.apply(name, service, accepted, changes);
        }
    }

    /// The store takes nothing. What a connection holds may be added without
    /// it; the rest waits.
    fn not_stored(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        writing: Writing,
        what: Arc<str>,
    ) {
        let error = WriteError {
            what,
            retry_after: None,
            hopeless: false,
        };
        self.put_off(now, name, service, &writing, &error);
        let durable = self.links.get(name).is_none_or(Link::remembers_additions);
        let held = self.update_service(name, service, |state| Arc::clone(&state.held));
        let (accepted, changes) = additions(&held.unwrap_or_else(ServiceSet::empty), &writing);
        if !durable && !changes.is_empty() {
            self.write(now, name, service, accepted, changes);
        }
        if writing.again {
            self.dirty.insert((name.clone(), service.clone()));
        }
    }

    /// A write ended.
    pub(super) fn applied(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        result: Result<(), WriteError>,
    ) {
        let link = self.links.get_mut(name);
        let Some(writing) = link.and_then(|link| link.end_if(service, |_| true)) else {
            return;
        };
        let again = writing.again;
        match result {
            Ok(()) => self.confirmed(now, name, service, writing),
            Err(_) if Bug::UnheardIsDone.is_planted() => {
                self.confirmed(now, name, service, writing);
            }
            Err(error) => self.failed(now, name, service, writing, &error),
        }
        if again {
            self.dirty.insert((name.clone(), service.clone()));
        }
    }

    fn confirmed(&mut self, now: Moment, name: &LinkName, service: &ServiceKey, writing: Writing) {
        let held = writing.accepted;
        self.count_success(now, name, service);
        self.tell_confirmed(name, service, &writing.changes, writing.effect, held.len());
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let read = link.rules.target_is_read;
        let says_so = writing.changes.is_empty() && link.ledger_says_so(service);
        let taken_up = link.confirm(service, Arc::clone(&held));
        if let Some(state) = link.service_mut(service).filter(|_| read) {
            state.former.confirmed(&writing.changes, now);
        }
        let target = link.rules.to.clone();
        self.tell_readers(&target, service, &writing.changes);
        self.follow_what_matters(name, service);
        if taken_up {
            self.taken_up(now, name);
        }
        if let Some(link) = self.links.get_mut(name) {
            link.drop_if_idle(service);
        }
        if !says_so {
            self.note_confirmed(name, target, service, held);
        }
    }

    /// Copies went from a registry: whoever reads it may take for native now
    /// what stands there still.
    fn tell_readers(&mut self, target: &EndpointName, service: &ServiceKey, changes: &[Change]) {
        if !changes.iter().any(|c| matches!(c, Change::Remove { .. })) {
            return;
        }
        for link in self.links.values().filter(|l| l.rules.from == *target) {
            let theirs = link.target_of(service).clone();
            self.dirty.insert((link.rules.name.clone(), theirs));
        }
    }

    /// A write failed, and nobody knows how far it came: the target may hold
    /// all that it was given before and all that it was to be given.
    fn failed(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        writing: Writing,
        error: &WriteError,
    ) {
        if let Some(link) = self.links.get_mut(name) {
            if !Bug::FailedIsUndone.is_planted() {
                link.doubt(service, &writing.accepted);
            }
            if let Some(state) = link.service_mut(service) {
                state.former.failed(&writing.changes);
            }
        }
        self.put_off(now, name, service, &writing, error);
    }

    /// Tells of a failure, and tries again later.
    fn put_off(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        writing: &Writing,
        error: &WriteError,
    ) {
        let (effect, what) = (writing.effect, &*error.what);
        self.tell_effect(name, service, Happening::Failed, effect, what);
        let wait = self.update_service(name, service, |state| {
            state.stays_missing(&writing.changes);
            state.failures = state.failures.saturating_add(1);
            state.failure = Some(Arc::clone(&error.what));
            state.hopeless = error.hopeless;
            let wait = retry_wait(name, service, state.failures, error);
            state.not_before = Some(now + wait);
            wait
        });
        self.count_failure(now, name, error);
        if let Some(wait) = wait.filter(|_| !Bug::NoRetry.is_planted()) {
            let timer = Timer::Plan(name.clone(), service.clone());
            self.timers.set(timer, now + wait);
        }
    }

    /// An operator decides on a hold: the services it is about are planned
    /// again.
    pub(super) fn decide(&mut self, hold: HoldId, approve: bool) {
        let mut decided = Vec::new();
        for link in self.links.values_mut() {
            let services = match approve {
                true => link.guard.approve(hold),
                false => link.guard.deny(hold),
            };
            // A hold belongs to one link; the others know none of that name.
            decided.extend(services.ok().map(|found| (link.rules.name.clone(), found)));
        }
        self.heed_decisions(decided, hold, approve);
    }

    /// Services of which an operator decided something are planned again.
    pub(super) fn heed_decisions(
        &mut self,
        decided: Vec<(LinkName, Vec<ServiceKey>)>,
        hold: HoldId,
        approve: bool,
    ) {
        for (name, services) in decided {
            self.tell_decided(&name, &services, hold, approve);
            self.dirty
                .extend(services.into_iter().map(|service| (name.clone(), service)));
        }
    }

    fn update_service<T>(
        &mut self,
        name: &LinkName,
        service: &ServiceKey,
        update: impl FnOnce(&mut LinkService) -> T,
    ) -> Option<T> {
        let link = self.links.get_mut(name)?;
        link.service_mut(service).map(update)
    }

    /// A hold asks for another look in time, and is told once.
    fn note_verdict(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        decision: &Decision,
    ) {
        let hold = match &decision.verdict {
            Verdict::Hold(hold) => Some(hold),
            Verdict::Pass => None,
        };
        if let Some(wait) = hold.and_then(|hold| hold.needs.next_view_after()) {
            let timer = Timer::Confirm(name.clone(), service.clone());
            self.timers.set(timer, now + wait.max(LOOK_AGAIN));
        }
        let id = hold.map(|hold| hold.id);
        let before = self.update_service(name, service, |state| {
            std::mem::replace(&mut state.hold, id)
        });
        let Some(link) = self.links.get(name) else {
            return;
        };
        let line = match (before.flatten(), hold) {
            (before, Some(hold)) if before != Some(hold.id) => {
                link.held_line(service, hold, &decision.kept)
            }
            (Some(before), None) => {
                let goes = decision.plan.changes.iter().any(Change::loses_use);
                link.released_line(service, before, goes)
            }
            _ => return,
        };
        self.effects.push(Effect::Tell(Box::new(line)));
    }
}

/// Whether a change takes nothing away.
fn adds(change: &Change) -> bool {
    matches!(change, Change::Add(_) | Change::Update { .. })
}

/// The part of a write that takes nothing away.
fn additions(held: &ServiceSet, writing: &Writing) -> (Arc<ServiceSet>, Vec<Change>) {
    let (added, taken): (Vec<Change>, Vec<Change>) =
        writing.changes.iter().cloned().partition(adds);
    let taken: BTreeSet<&InstanceKey> = taken.iter().map(Change::key).collect();
    let given = writing.accepted.instances().iter();
    let given = given.filter(|instance| !taken.contains(&instance.key));
    let kept = held.instances().iter();
    let kept = kept.filter(|instance| taken.contains(&instance.key));
    let both = given.chain(kept).cloned().collect();
    (Arc::new(ServiceSet::new(both)), added)
}

/// Full jitter without a random number: links and services spread by their
/// names, and the same service waits differently each time.
fn retry_wait(
    link: &LinkName,
    service: &ServiceKey,
    failures: u32,
    error: &WriteError,
) -> Duration {
    if Bug::NoBackoff.is_planted() {
        return Duration::ZERO;
    }
    let cap = FIRST_RETRY
        .saturating_mul(1 << failures.saturating_sub(1).min(7))
        .min(LAST_RETRY);
    let seed = xxhash_rust::xxh3::xxh3_64_with_seed(
        format!("{link}/{service}").as_bytes(),
        u64::from(failures),
    );
    let share = (seed >> 11) as f64 / (1u64 << 53) as f64;
    let least = match error.hopeless {
        true => HOPELESS_RETRY,
        false => FIRST_RETRY / 4,
    };
    least
        .max(cap.mul_f64(share))
        .max(error.retry_after.unwrap_or_default())
}
