//! What arrives at targets, and what consumers see of it at every moment.

use syncline_contract::{Hold, Write};
use syncline_engine::core::WriteError;
use syncline_model::plan::Change;
use syncline_model::{EndpointName, Identity, Instance, InstanceKey, ServiceKey};

use super::perform::{APPROVED_FOR, delay};
use super::{Fate, Item, World};
use crate::oracle::Oracle;
use crate::registry::{Copied, Copies};

/// What is done to one copy.
enum Step {
    Put(Copied),
    Remove(InstanceKey),
}

impl Step {
    /// Makes it at a registry that tells instances apart in that way: what it takes
    /// for one, it has once.
    fn make(self, copies: &mut Copies, identity: Identity) {
        match self {
            Self::Put(copied) => {
                let key = copied.instance.key.clone();
                copies.retain(|other, _| !other.same(&key, identity));
                copies.insert(key, copied);
            }
            Self::Remove(key) => drop(copies.remove(&key)),
        }
    }
}

impl World<'_> {
    /// A write arrives.
    pub(super) fn land(&mut self, link: usize, write: &Write, fate: Fate) {
        if fate == Fate::Refused {
            return;
        }
        let setup = &self.setup.links[link];
        let (service, to, now) = (&write.service, setup.to, self.now);
        let identity = setup.identity;
        let before = self.registries[to].shown(service);
        let known = self.knows_any(link, service);
        let mut least = before.set.in_use();
        let steps = self.steps_of(link, write);
        let lands = match fate {
            Fate::Halved => steps.len() / 2,
            _ => steps.len(),
        };
        let whole = fate != Fate::Halved;
        let one_by_one = matches!(setup.hold, Hold::Beat | Hold::Persistent);
        if one_by_one || !whole {
            for step in steps.into_iter().take(lands) {
                self.registries[to].write(service, link, now, |copies| step.make(copies, identity));
                least = least.min(self.registries[to].shown(service).set.in_use());
            }
        } else {
            self.registries[to].write(service, link, now, |copies| {
                let steps = steps.into_iter();
                steps.for_each(|step| step.make(copies, identity));
                copies.retain(|key, _| !write.accepted.get(key).is_empty());
            });
        }
        for given in write.accepted.instances() {
            let place = (link, service.clone(), given.key.clone());
            self.watch.unknown.remove(&place);
        }
        let place = (link, service.clone());
        // A connection puts back all of what it was given last.
        self.watch
            .accepted
            .insert(place.clone(), write.accepted.clone());
        if whole {
            self.kept_alive.insert(place.clone(), self.process);
        }
        let after = self.registries[to].shown(service);
        least = least.min(after.set.in_use());
        if known {
            self.check_emptied(link, write, before.set.in_use(), least);
        }
        if whole {
            self.watch.lost.remove(&place);
        }
        self.check_order(link, service);
        match after.set != before.set {
            true => self.changed(to, service),
            // Two copies may look like one.
            false => self.note_emptiness(to, service),
        }
    }

    /// What a write does to what a link has at its target, one thing after
    /// another: what comes or changes first, and then what goes.
    fn steps_of(&self, link: usize, write: &Write) -> Vec<Step> {
        let setup = &self.setup.links[link];
        let service = &write.service;
        let marking = self.setup.marking(setup);
        let visited = |instance: &Instance| {
            let path = marking.path_of_written(service, instance);
            let place = |name: &EndpointName| self.setup.endpoint(name);
            path.hops()
                .fold(0, |bits, hop| bits | 1 << place(&hop.endpoint))
        };
        let uses = write.accepted.instances().iter().filter(|i| i.in_use());
        let others = write.accepted.instances().iter().filter(|i| !i.in_use());
        let there: Vec<&Copied> = self.registries[setup.to].copies(service, link).collect();
        let stands = |instance: &Instance| there.iter().any(|c| c.instance == *instance);
        let comes = uses
            .chain(others)
            .filter(|instance| !stands(instance))
            .map(|instance| {
                Step::Put(Copied {
                    visited: visited(instance),
                    instance: instance.clone(),
                })
            });
        let keys = write.changes.iter().filter_map(|change| match change {
            Change::Add(_) => None,
            Change::Update { from, .. } | Change::MarkUnavailable { from, .. } => Some(&from.key),
            Change::Remove { instance, .. } => Some(&instance.key),
        });
        let goes = |key: &&InstanceKey| write.accepted.get(key).is_empty();
        let gone = keys.filter(goes).cloned().map(Step::Remove);
        comes.chain(gone).collect()
    }

    /// Nobody may see a service empty that never was.
    fn check_emptied(&mut self, link: usize, write: &Write, before: usize, least: usize) {
        let (setup, service) = (&self.setup.links[link], &write.service);
        let window = self.now.since_origin().saturating_sub(APPROVED_FOR);
        let window = syncline_model::Moment::after_origin(window);
        let was_empty = self.watch.emptiness.since(link, service, window);
        let yielded = self.registries[setup.to].was_ever_native(service);
        let approved = self.is_approved(link, service);
        let offers = self.offered_in_use(link, service) > 0;
        let lost = self.watch.lost.contains(&(link, service.clone()));
        let excused = was_empty || yielded || approved || lost;
        if before > 0 && least == 0 && offers && !excused {
            let (name, service) = (&setup.name, &service.name);
            let what = format!("{name} leaves nothing of {service} in use, which never was empty");
            self.violates(Oracle::Monitor, what);
        }
    }

    /// What is copied from where it is native never goes back in time.
    fn check_order(&mut self, link: usize, service: &ServiceKey) {
        let setup = &self.setup.links[link];
        let source = &self.registries[setup.from];
        let copies = self.registries[setup.to].copies(service, link);
        let direct = copies.filter(|copied| source.registered(&copied.instance));
        let mut wrong = None;
        for copied in direct {
            let by = (&setup.name, setup.from);
            let lands = self.watch.order.lands(by, service, &copied.instance);
            wrong = wrong.or(lands);
        }
        if let Some(wrong) = wrong {
            self.violates(Oracle::Order, wrong);
        }
    }

    /// The core is told how a write ended, a while later.
    pub(super) fn ends(
        &mut self,
        link: usize,
        service: ServiceKey,
        result: Result<(), WriteError>,
    ) {
        let wait = delay(&mut self.chances.writes, false);
        let applied = Item::Applied {
            link,
            service,
            result,
        };
        self.queue_in(wait, applied);
    }
}
