//! What the core asks for, performed on the world with the faults of the moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Hold, Write};
use syncline_engine::core::{Effect, Event, Happening, Persist};
use syncline_model::plan::{Change, Removal};
use syncline_model::{EndpointName, InstanceKey, LinkName, ServiceKey, ServiceSet};

use super::{Fate, Item, Key, World};
use crate::fault::Fault;
use crate::oracle::Oracle;
use crate::oracle::guard::Use;
use crate::oracle::proof::Proofs;

/// How long an approval lets losses of its link through.
pub(super) const APPROVED_FOR: Duration = Duration::from_secs(600);

impl World<'_> {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::List { endpoint } => self.list(&endpoint),
            Effect::Read {
                endpoint, service, ..
            } => self.read(&endpoint, service),
            Effect::Watch { endpoint, listed } => self.watch(&endpoint, &listed),
            Effect::Follow {
                endpoint,
                service,
                follow,
            } => {
                let place = self.setup.endpoint(&endpoint);
                self.count(2, Some(place), service.name.as_str().len() as u64);
                let followers = self.followed.entry((place, service)).or_insert(0);
                *followers += if follow { 1 } else { -1 };
            }
            Effect::Persist(persist) => self.persist(persist),
            Effect::Apply { link, write } => self.apply(&link, write),
            Effect::Tell(line) => {
                self.count(5, None, line.effect.unwrap_or_default());
                self.tell(|| format!("    journal of {}: {line}", line.link));
                let paused = self.paused.contains(&self.setup.link(&line.link));
                if paused && self.running && line.happening == Happening::Intent {
                    self.violates(Oracle::Monitor, format!("{} plans while paused", line.link));
                }
                if let Some(wrong) = self.watch.audit.line(&line) {
                    self.violates(Oracle::Journal, wrong);
                }
            }
            Effect::Settled { link } => self.settled(&link),
            // Whoever serves from a target is no part of these worlds.
            Effect::Filled { .. } | Effect::Resumed { .. } => {}
        }
    }

    /// Notes an effect in the trace, and which faults it meets.
    fn count(&mut self, effect: usize, endpoint: Option<usize>, detail: u64) {
        self.mix(effect as u64 ^ detail.rotate_left(8));
        self.mix(self.now.since_origin().as_nanos() as u64);
        if let Some(endpoint) = endpoint {
            for fault in self.registries[endpoint].faults.keys() {
                self.tally.met[fault.place()][effect] += 1;
            }
        }
        for fault in self.process_faults.keys() {
            self.tally.met[fault.place()][effect] += 1;
        }
    }

    pub(super) fn met(&mut self, fault: Fault, effect: usize) {
        self.tally.met[fault.place()][effect] += 1;
    }

    fn list(&mut self, endpoint: &EndpointName) {
        let place = self.setup.endpoint(endpoint);
        self.count(0, Some(place), place as u64);
        let slow = self.registries[place].has(Fault::Slow);
        let chance = &mut self.chances.lists;
        let list = self.registries[place].list(self.now, chance);
        let mut at = self.now;
        let mut waits = Vec::with_capacity(list.services.len() + 1);
        for _ in 0..=list.services.len() {
            at = at + delay(chance, slow);
            waits.push(at);
        }
        let mut waits = waits.into_iter();
        for (listed, sight) in list.services {
            let Some(at) = waits.next() else { break };
            let (endpoint, service) = (endpoint.clone(), listed.service.clone());
            let registry = &self.registries[place];
            let truth = Some(registry.sense(&service));
            let event = Event::Listed { endpoint, listed };
            let look = Item::Look {
                event,
                endpoint: place,
                service,
                sight,
                truth,
            };
            self.queue_at(at, look);
        }
        let services = self.setup.services.iter();
        let truth = services.map(|service| {
            let sight = self.registries[place].sense(service);
            (service.clone(), sight)
        });
        let ends = Item::ListEnds {
            endpoint: place,
            end: list.end,
            truth: truth.collect(),
        };
        self.queue_at(at, ends);
    }

    /// A watch begins by telling what is, and what is not any more of all that
    /// was listed.
    fn watch(&mut self, endpoint: &EndpointName, listed: &[ServiceKey]) {
        let place = self.setup.endpoint(endpoint);
        self.count(2, Some(place), listed.len() as u64);
        self.watched.insert(place);
        let registry = &self.registries[place];
        let there = |service: &&ServiceKey| !registry.shown(service).set.is_empty();
        let there: Vec<_> = self.setup.services.iter().filter(there).collect();
        let services: BTreeSet<_> = there.into_iter().chain(listed).cloned().collect();
        for service in services {
            self.push(place, &service);
        }
    }

    fn read(&mut self, endpoint: &EndpointName, service: ServiceKey) {
        let place = self.setup.endpoint(endpoint);
        self.count(1, Some(place), place as u64);
        self.watch.proofs.read_begins(place, &service);
        if let Some(lies) = &mut self.watch.lies {
            lies.told.read_begins(place, &service);
            lies.used.read_begins(place, &service);
        }
        let slow = self.registries[place].has(Fault::Slow);
        let chance = &mut self.chances.reads;
        let wait = delay(chance, slow);
        let (view, sight, rejected) = self.registries[place].read(&service, chance);
        let in_use = self.registries[place].shown(&service).in_use();
        let ends = Item::ReadEnds {
            endpoint: place,
            service,
            in_use,
            view,
            rejected,
            sight,
        };
        self.queue_in(wait, ends);
    }

    /// Subscribers are told what a service is now, where anybody subscribes.
    pub(super) fn push(&mut self, endpoint: usize, service: &ServiceKey) {
        let read = self.setup.links.iter().any(|link| link.from == endpoint);
        let place = (endpoint, service.clone());
        let registry = &self.registries[endpoint];
        let followers = self.followed.get(&place).copied();
        let heard = read || followers.is_some_and(|followers| followers > 0);
        let watched = self.running && self.watched.contains(&endpoint);
        if !watched || !heard || registry.has(Fault::PushLost) || registry.has(Fault::Down) {
            return;
        }
        let chance = &mut self.chances.pushes;
        let mut wait = chance.millis(1, 600);
        if registry.has(Fault::PushLate) {
            wait += chance.millis(0, 20_000);
        }
        let twice = registry.has(Fault::PushTwice);
        let after = self.pushed.get(&place).copied().unwrap_or(self.now);
        let at = after.max(self.now + wait);
        self.pushed.insert(place, at);
        for _ in 0..1 + u8::from(twice) {
            let item = match self.setup.old_pushes {
                true => self.pushed_now(endpoint, service),
                false => Item::Push {
                    endpoint,
                    service: service.clone(),
                },
            };
            self.queue_at(at, item);
        }
    }

    fn persist(&mut self, persist: Persist) {
        let place = match &persist {
            Persist::Cache { service, .. }
            | Persist::Intend { service, .. }
            | Persist::Confirm { service, .. }
            | Persist::Window { service, .. } => service.name.as_str().len() as u64,
            Persist::Restart { .. }
            | Persist::Freeze { .. }
            | Persist::Evacuated { .. }
            | Persist::Seen { .. } => 0,
        };
        self.count(3, None, place);
        let awaited = persist.awaited();
        if !self.disk.fails() {
            self.watch.writes.stored(&persist);
        }
        let stored = self.disk.put(persist, self.now);
        if let Some((link, service)) = awaited {
            let result = match stored {
                true => Ok(()),
                false => Err("no space left on the device".into()),
            };
            let event = Event::Stored {
                link,
                service,
                result,
            };
            let wait = self.chances.store.millis(0, 20);
            self.queue_in(wait, Item::Tell(event));
        }
    }

    fn settled(&mut self, link: &LinkName) {
        self.count(6, None, 0);
        let place = self.setup.link(link);
        let Some(file) = self.files.get_mut(&place) else {
            return;
        };
        file.settled = true;
        let waiting = std::mem::take(&mut file.waiting);
        // From now on the file is what was gathered, and nothing else.
        let to = self.setup.links[place].to;
        for service in self.setup.services.clone() {
            let accepted = waiting.get(&service).cloned();
            let accepted = accepted.unwrap_or_else(ServiceSet::empty);
            let write = Write {
                service: service.clone(),
                accepted,
                changes: std::sync::Arc::from([]),
                taken_over: std::sync::Arc::from([]),
            };
            self.check_removals(place, &write);
            self.land(place, &write, Fate::Lands);
            if waiting.contains_key(&service) {
                self.ends(place, service, Ok(()));
            }
        }
        debug_assert!(self.setup.endpoints[to].is_file);
    }

    fn apply(&mut self, name: &LinkName, write: Write) {
        let link = self.setup.link(name);
        let to = self.setup.links[link].to;
        self.count(4, Some(to), write.accepted.fingerprint());
        if !self.setup.endpoints[to].stays_broken {
            self.watch.applied += 1;
            self.watch.stirred = self.now;
        }
        self.tally.writes += u64::from(!write.changes.is_empty());
        self.tell(|| {
            let (service, count) = (&write.service.name, write.accepted.len());
            format!("    {name} writes {service}: {count} stand")
        });
        self.check(link, &write);
        if let Some(file) = self.files.get_mut(&link).filter(|file| !file.settled) {
            file.waiting.insert(write.service, write.accepted);
            return;
        }
        let registry = &self.registries[to];
        let fate = if registry.has(Fault::WriteRefused) || registry.has(Fault::Down) {
            Fate::Refused
        } else if registry.has(Fault::WriteUnheard) {
            Fate::Unheard
        } else if registry.has(Fault::WriteHalved) && !self.setup.endpoints[to].is_file {
            Fate::Halved
        } else {
            Fate::Lands
        };
        let wait = delay(&mut self.chances.writes, registry.has(Fault::WriteSlow));
        let lands = Item::Lands {
            link,
            write,
            fate,
            forgotten: false,
        };
        self.queue_in(wait, lands);
    }

    fn check(&mut self, link: usize, write: &Write) {
        let name = &self.setup.links[link].name;
        let now = self.now;
        if let Some(wrong) = self.watch.audit.applies(name, write) {
            self.violates(Oracle::Journal, wrong);
        }
        if let Some(wrong) = self.watch.writes.applies(name, write, now) {
            self.violates(Oracle::Monitor, wrong);
        }
        self.check_removals(link, write);
        self.check_guard(link, write);
    }

    /// Whatever is not given any more must have been proved to be gone.
    fn check_removals(&mut self, link: usize, write: &Write) {
        let setup = &self.setup.links[link];
        let service = &write.service;
        let whole = matches!(setup.hold, Hold::Connection | Hold::Written);
        // What is written one by one leaves alone what it does not name.
        let mut going: Vec<InstanceKey> = self.registries[setup.to]
            .copies(service, link)
            .filter(|_| whole)
            .map(|copied| copied.instance.key.clone())
            .filter(|key| !self.is_unknown(link, service, key))
            .collect();
        for change in write.changes.iter() {
            if let Change::Remove { instance, because } = change {
                self.tally.removals += 1;
                let yields = matches!(because, Removal::Shadowed(_));
                going.retain(|key| !yields || *key != instance.key);
                let native = self.registries[setup.to].was_native(service, &instance.key);
                if !yields || !native {
                    going.push(instance.key.clone());
                }
            }
        }
        let stays = |key: &InstanceKey| {
            let mut at = write.accepted.matching(key, setup.identity);
            at.next().is_some()
        };
        going.retain(|key| !stays(key));
        for change in write.changes.iter() {
            if let Change::MarkUnavailable { from, .. } = change {
                going.push(from.key.clone());
            }
            if let Change::Remove { instance, because } = change
                && stays(&instance.key)
                && !matches!(because, Removal::Shadowed(_))
            {
                let what = format!("{} removes {} to add it again", setup.name, instance.key);
                self.violates(Oracle::Monitor, what);
            }
        }
        for key in going {
            self.check_gone((link, service, &key));
        }
    }

    /// Whether nothing tells this process of a copy, because the disk lost it.
    fn is_unknown(&self, link: usize, service: &ServiceKey, key: &InstanceKey) -> bool {
        let place = (link, service.clone(), key.clone());
        self.watch.unknown.contains(&place)
    }

    /// Whether the process knows of any of what a link has of a service.
    pub(super) fn knows_any(&self, link: usize, service: &ServiceKey) -> bool {
        let mut copies = self.registries[self.setup.links[link].to].copies(service, link);
        copies.any(|copied| !self.is_unknown(link, service, &copied.instance.key))
    }

    fn check_gone(&mut self, (link, service, key): Key<'_>) {
        let setup = &self.setup.links[link];
        let place = (setup.from, service.clone());
        let not_carried = 1 << setup.from | 1 << setup.to;
        let proves = |proofs: &Proofs| proofs.is_gone(&place, key, setup.identity, not_carried);
        if proves(&self.watch.proofs) {
            return;
        }
        // A registry that claims to be empty proves as much to the core as one that
        // is. Against that the guard stands, for what consumers use, until an
        // operator decides.
        let lies = self.watch.lies.as_ref();
        if lies.is_some_and(|lies| proves(&lies.told)) {
            let moved = || self.is_shown_elsewhere((link, service, key));
            let unused = || lies.is_some_and(|lies| proves(&lies.used));
            if self.is_approved(link, service) || unused() || moved() {
                return;
            }
        }
        let (name, service) = (&setup.name, &service.name);
        let what =
            format!("{name} takes away {key} of {service}, and nothing proves that it is gone");
        let oracle = match self.setup.losses {
            true => Oracle::Monitor,
            false => Oracle::Differential,
        };
        self.violates(oracle, what);
    }

    /// Whether an operator lately let losses of a service through.
    pub(super) fn is_approved(&self, link: usize, service: &ServiceKey) -> bool {
        let approved = self.watch.approved.get(&(link, service.clone()));
        approved.is_some_and(|at| self.now.since(*at) < APPROVED_FOR)
    }

    /// Whether an address was ever shown under another service of a link's source.
    fn is_shown_elsewhere(&self, (link, service, key): Key<'_>) -> bool {
        let source = &self.registries[self.setup.links[link].from];
        let others = self.setup.services.iter().filter(|other| *other != service);
        others.into_iter().any(|other| source.was_shown(other, key))
    }

    /// What the guard would have to hold does not go through.
    fn check_guard(&mut self, link: usize, write: &Write) {
        let setup = &self.setup.links[link];
        let service = &write.service;
        let place = (link, service.clone());
        let before = self.watch.given.insert(place, Arc::clone(&write.accepted));
        let approved = self.is_approved(link, service);
        if !setup.is_guarded || approved || write.changes.is_empty() {
            return;
        }
        let moved = |key: &InstanceKey| self.is_shown_elsewhere((link, service, key));
        let before = before.unwrap_or_else(ServiceSet::empty);
        let used = Use::of(write, &before, setup.identity, moved);
        let over = setup.guard.zero.over;
        let since = self.now.since_origin().saturating_sub(over);
        let since = syncline_model::Moment::after_origin(since);
        let emptied = used.before > 0 && used.after == 0 && used.loses();
        if emptied && !self.watch.emptiness.before(link, service, since) {
            let (name, service) = (&setup.name, &service.name);
            let what = format!("{name} empties {service}, which was not empty for {over:?}");
            return self.violates(Oracle::Monitor, what);
        }
        let held = self
            .watch
            .accepted
            .iter()
            .filter(|((by, _), _)| *by == link);
        let in_use = held.map(|(_, set)| set.in_use() as u64).sum();
        let (name, settings) = (&setup.name, &setup.guard);
        let wrong = self
            .watch
            .losses
            .applies(name, settings, (service, &used), in_use, self.now);
        if let Some(wrong) = wrong {
            self.violates(Oracle::Monitor, wrong);
        }
    }
}

/// Mostly short, sometimes long.
pub(super) fn delay(chance: &mut crate::chance::Chance, slow: bool) -> Duration {
    let longest = match slow {
        true => chance.pick(&[2_000, 10_000]),
        false => chance.pick(&[1, 5, 20, 200, 1_500]),
    };
    chance.millis(0, longest)
}
