//! What may be sent to a target now, and what waits for its turn: removals go
//! gradually, retries have a budget, and a target that asks for a rest has it.

use syncline_model::guard::Offer;
use syncline_model::plan::{Change, Plan};
use syncline_model::{LinkName, Moment, ServiceKey};

use super::draft::LetThrough;
use super::service::LinkService;
use super::timers::Timer;
use super::{Core, WriteError};

/// Removals that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Later {
    pub(super) removals: Vec<Change>,
    /// The losses of use among them, which the guard has let through.
    pub(super) let_through: Option<LetThrough>,
}

impl Core {
    /// Leaves in a plan as many removals as may go now. The others are planned
    /// again when it is their turn, from what is known by then.
    pub(super) fn paced(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        plan: Plan,
    ) -> (Plan, Later) {
        let Some(link) = self.links.get_mut(name) else {
            return (plan, Later::default());
        };
        let removals = plan.changes.iter().filter(|change| change.is_removal());
        let wanted = removals.count();
        let taken = match wanted {
            0 => 0,
            _ => link.pace.take(now, wanted),
        };
        if taken == wanted {
            link.removing.remove(service);
            return (plan, Later::default());
        }
        link.removing.insert(service.clone());
        let turn = link.pace.next(now);
        self.timers.set(Timer::Removals(name.clone()), turn);
        let (plan, removals) = plan.with_removals(taken);
        let let_through = self.let_through_later(now, name, service, &removals);
        let later = Later {
            removals,
            let_through,
        };
        (plan, later)
    }

    /// The losses among removals that wait: when their turn comes, the guard
    /// does not count them again.
    fn let_through_later(
        &self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        removals: &[Change],
    ) -> Option<LetThrough> {
        let link = self.links.get(name)?;
        let state = link.service(service)?;
        let moved = |key: &_| self.has_moved(now, link, state, key);
        let count = u32::try_from(removals.len()).unwrap_or(u32::MAX);
        let went = |key: &_| state.leaving.contains(key);
        let offer = Offer::of_changes(count, removals, moved, went);
        let lost = removals.iter().filter(|change| change.loses_use());
        LetThrough::of(&offer, lost.map(|change| change.key().clone()).collect())
    }

    /// Removals that had their turn did not go after all.
    pub(super) fn give_turns_back(&mut self, name: &LinkName, changes: &[Change]) {
        if let Some(link) = self.links.get_mut(name) {
            let removals = changes.iter().filter(|change| change.is_removal());
            link.pace.give_back(removals.count());
        }
    }

    /// It is the turn of some removals that waited.
    pub(super) fn let_removals_go(&mut self, now: Moment, name: &LinkName) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let turns = link.pace.available(now);
        let mut going = Vec::new();
        while going.len() < turns
            && let Some(service) = link.removing.pop_first()
        {
            going.push(service);
        }
        if !link.removing.is_empty() {
            let turn = link.pace.next(now);
            self.timers.set(Timer::Removals(name.clone()), turn);
        }
        for service in going {
            self.due(name.clone(), service);
        }
    }

    /// Whether a service has to wait before anything of it is sent: its target
    /// asked for a rest, or the retries have used up their budget.
    pub(super) fn waits_for_its_turn(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
    ) -> bool {
        let Some(link) = self.links.get_mut(name) else {
            return false;
        };
        if let Some(until) = link.retries.rests(now) {
            if let Some(state) = link.service_mut(service) {
                state.not_before = Some(until);
            }
            let timer = Timer::Plan(name.clone(), service.clone());
            self.timers.set(timer, until);
            return true;
        }
        let is_retried = link.service(service).is_some_and(LinkService::is_retried);
        if !is_retried || link.retries.available(now) > 0 {
            link.retrying.remove(service);
            return false;
        }
        link.retrying.insert(service.clone());
        let turn = link.retries.next(now);
        self.timers.set(Timer::Retries(name.clone()), turn);
        true
    }

    /// It is the turn of some services that failed.
    pub(super) fn let_retries_go(&mut self, now: Moment, name: &LinkName) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let turns = link.retries.available(now);
        let mut going = Vec::new();
        while going.len() < turns
            && let Some(service) = link.retrying.pop_first()
        {
            going.push(service);
        }
        for service in going {
            self.due(name.clone(), service);
        }
        self.wait_for_retries(now, name);
    }

    /// Whoever waits for a retry still has its turn some time, also if those
    /// before it find nothing to do.
    fn wait_for_retries(&mut self, now: Moment, name: &LinkName) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        if !link.retrying.is_empty() {
            let turn = link.retries.next(now).max(now + super::retries::FREE_EVERY);
            self.timers.set(Timer::Retries(name.clone()), turn);
        }
    }

    /// A call to the target begins.
    pub(super) fn count_call(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) {
        if let Some(link) = self.links.get_mut(name) {
            match link.service(service).is_some_and(LinkService::is_retried) {
                true => link.retries.retried(now),
                false => link.retries.called(),
            }
        }
    }

    /// A call went well; asked before that is noted of its service.
    pub(super) fn count_success(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        if link.service(service).is_some_and(LinkService::is_retried) {
            link.retries.went_well();
            if !link.retrying.is_empty() {
                self.timers.set(Timer::Retries(name.clone()), now);
            }
        }
    }

    /// A call failed, and may have been answered with the wish for a rest.
    pub(super) fn count_failure(&mut self, now: Moment, name: &LinkName, error: &WriteError) {
        if let Some(wait) = error.retry_after
            && let Some(link) = self.links.get_mut(name)
        {
            link.retries.rest(now, wait);
        }
    }
}
