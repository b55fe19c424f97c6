//! Deeds: what applications, operators and faults do.

use std::time::Duration;

use syncline_contract::{Hold, Observation};
use syncline_engine::core::{Core, Event};
use syncline_model::guard::HoldId;
use syncline_model::{InstanceKey, LinkName, Moment, ServiceKey};

use super::{File, Item, Lies, World};
use crate::deed::Deed;
use crate::disk::Image;
use crate::fault::Fault;
use crate::oracle::proof::Proofs;

/// Confirmed within this time, a registration is taken up again at once.
const FRESH: Duration = Duration::from_secs(300);
/// How long a registry that was restarted stays up at least.
const LOADED_FOR: Duration = Duration::from_secs(60);
/// How long beats keep a registration alive after the last one.
const BEATS_LAST: Duration = Duration::from_secs(180);

impl World<'_> {
    pub(super) fn happen(&mut self, deed: &Deed) {
        let setup = self.setup;
        self.tell(|| deed.told(setup));
        let now = self.now;
        match deed {
            Deed::Register {
                registry,
                service,
                instance,
            } => {
                self.registries[*registry].register(service, instance.clone(), now);
                self.changed(*registry, service);
            }
            Deed::Deregister {
                registry,
                service,
                key,
            } => {
                self.registries[*registry].deregister(service, key, now);
                self.changed(*registry, service);
            }
            Deed::Poison {
                registry,
                service,
                key,
            } => {
                let poison = &mut self.registries[*registry].poison;
                poison.insert((service.clone(), key.clone()));
                self.changed(*registry, service);
            }
            Deed::Fault {
                fault,
                registry,
                lasts,
            } => self.go_wrong(*fault, *registry, *lasts),
            Deed::Trigger if self.running => {
                self.queue_in(Duration::ZERO, Item::Tell(Event::Trigger { link: None }))
            }
            Deed::Trigger => {}
            Deed::Decide { approve } => self.decide(*approve, false),
            Deed::Pause { link, lasts } => self.pause(*link, *lasts),
        }
    }

    fn go_wrong(&mut self, fault: Fault, registry: usize, lasts: Duration) {
        let until = self.now + lasts;
        match fault {
            Fault::Crash => {
                if self.running {
                    self.met(fault, 4);
                    self.crash();
                    self.queue_at(until, Item::Start);
                }
                return;
            }
            Fault::Freeze => {
                self.met(fault, 4);
                return self.freeze(until);
            }
            Fault::RecordsLost => self.lose_records(registry),
            Fault::Amnesia => {
                // A server that was just restarted is not restarted again before the
                // guard has looked: longer lies than its own time it cannot tell.
                let before = self.watch.lied.get(&registry);
                if before.is_some_and(|over| self.now < *over + LOADED_FOR) {
                    return;
                }
                self.watch.lied.insert(registry, until);
            }
            _ => {}
        }
        let faults = match fault.is_of_process() {
            true => &mut self.process_faults,
            false => &mut self.registries[registry].faults,
        };
        let lasting = faults.entry(fault).or_insert(until);
        *lasting = until.max(*lasting);
        self.queue_at(until, Item::Heals { registry, fault });
        match fault {
            Fault::DiskFails => {
                self.disk.fail(self.now);
                self.watch.disk_failed = true;
            }
            Fault::Amnesia => self.note_emptiness_of_all(registry),
            Fault::Down => self.observe(registry, Observation::Down("connection refused".into())),
            _ => {}
        }
    }

    /// The process stands still: nothing is told to it, and calls that wait
    /// longer than their deadline have failed when it goes on.
    fn freeze(&mut self, until: Moment) {
        self.frozen = Some(self.frozen.map_or(until, |frozen| frozen.max(until)));
    }

    /// A part of what a link has at a registry vanishes, and the connection
    /// that holds it finds out later.
    fn lose_records(&mut self, registry: usize) {
        for link in 0..self.setup.links.len() {
            if self.setup.links[link].to != registry || self.setup.endpoints[registry].is_file {
                continue;
            }
            for service in self.setup.services.clone() {
                let now = self.now;
                let chance = &mut self.chances.process;
                self.registries[registry].write(&service, link, now, |copies| {
                    copies.retain(|_, _| chance.percent(60));
                });
                self.watch.lost.insert((link, service.clone()));
                let wait = self.chances.process.millis(1_000, 30_000);
                let repair = service.clone();
                self.changed(registry, &service);
                self.queue_in(
                    wait,
                    Item::Repairs {
                        link,
                        service: repair,
                    },
                );
            }
        }
    }

    /// An operator decides on the first hold, or on all.
    pub(super) fn decide(&mut self, approve: bool, all: bool) {
        if !self.running || (self.frozen.is_some() && !all) {
            return;
        }
        let status = self.core.status(self.now);
        let holds = status.links.iter().flat_map(|link| {
            let name = &link.link;
            link.holds
                .iter()
                .map(move |hold| (name.clone(), hold.hold.id))
        });
        let take = if all { usize::MAX } else { 1 };
        let holds: Vec<_> = holds.take(take).collect();
        for (link, hold) in holds {
            if approve {
                self.note_approval(&link, hold);
            }
            self.step(Event::Decide { hold, approve });
        }
    }

    /// What an operator lets through, and no more: losses of one service, or all
    /// that wait while the whole link is frozen.
    fn note_approval(&mut self, link: &LinkName, hold: HoldId) {
        let status = self.core.status(self.now);
        let of_link = status.links.into_iter().filter(|of| of.link == *link);
        let mut holds = of_link.flat_map(|of| of.holds);
        let held = holds.find(|held| held.hold.id == hold);
        let Some(held) = held else { return };
        let services = match held.hold.service {
            Some(service) => vec![service],
            None => {
                self.watch.losses.forget(link);
                self.setup.services.clone()
            }
        };
        let place = self.setup.link(link);
        for service in services {
            self.watch.approved.insert((place, service), self.now);
        }
    }

    fn pause(&mut self, link: usize, lasts: Duration) {
        if self.paused.insert(link) && self.running {
            let name = self.setup.links[link].name.clone();
            self.step(Event::Pause {
                link: name,
                paused: true,
            });
        }
        self.queue_in(lasts, Item::Resumes(link));
    }

    pub(super) fn observe(&mut self, registry: usize, observation: Observation) {
        let endpoint = self.setup.endpoints[registry].name.clone();
        let observed = Event::Observed {
            endpoint,
            observation,
        };
        self.queue_in(Duration::ZERO, Item::Tell(observed));
    }

    /// A registry does not show of a service what it showed before: links that
    /// read it are counted anew, and subscribers are told.
    pub(super) fn changed(&mut self, registry: usize, service: &ServiceKey) {
        self.watch.stirred = self.now;
        self.note_emptiness(registry, service);
        self.push(registry, service);
    }

    pub(super) fn note_emptiness_of_all(&mut self, registry: usize) {
        for service in self.setup.services.clone() {
            self.note_emptiness(registry, &service);
        }
    }

    /// How much links could carry of a service, as far as its registry tells.
    pub(super) fn note_emptiness(&mut self, registry: usize, service: &ServiceKey) {
        for link in 0..self.setup.links.len() {
            let setup = &self.setup.links[link];
            if setup.from == registry || setup.to == registry {
                let in_use = self.offered_in_use(link, service);
                self.watch.emptiness.note(link, service, in_use, self.now);
            }
        }
    }

    /// How many instances in use a link could carry.
    pub(super) fn offered_in_use(&self, link: usize, service: &ServiceKey) -> usize {
        let setup = &self.setup.links[link];
        let source = &self.registries[setup.from];
        if source.has(Fault::Amnesia) {
            return 0;
        }
        let not_carried = 1 << setup.from | 1 << setup.to;
        let target = &self.registries[setup.to];
        let natives = source.natives(service).filter(|i| i.in_use());
        let natives = natives.filter(|i| !target.is_native_at(service, &i.key));
        let natives = natives.filter(|i| source.makes_sense(service, &i.key));
        let natives = natives.count();
        let links = 0..self.setup.links.len();
        let copies = links.flat_map(|by| source.copies(service, by));
        let carried = copies.filter(|c| c.visited & not_carried == 0 && c.instance.in_use());
        let carried = carried.filter(|c| !target.is_native_at(service, &c.instance.key));
        natives + carried.count()
    }
}

/// Dying and starting.
impl World<'_> {
    /// Dies without a word: what connections held is gone, and what waited to
    /// be told is lost.
    pub(super) fn crash(&mut self) {
        self.running = false;
        self.frozen = None;
        self.process += 1;
        let setup = self.setup;
        self.core = Core::new(setup.links.iter().map(|link| setup.rules(link)));
        self.watched.clear();
        self.followed.clear();
        self.pushed.clear();
        self.files.clear();
        self.watch.proofs = Proofs::default();
        self.watch.lies = setup.lies().then(Lies::default);
        self.watch.audit = Default::default();
        let forgets = self.process_faults.contains_key(&Fault::DiskForgets);
        let lacks = forgets || self.watch.disk_failed;
        if lacks {
            self.watch.order.forget(|_| true);
        }
        if let Some(since) = self.disk.lacks_since(forgets, self.now) {
            self.watch.losses.forget_losses_since(since);
            self.watch.disk_lacks = true;
        }
        self.disk.crash(forgets, self.now);
        // What was on its way to a target arrives or not.
        let chance = &mut self.chances.process;
        self.queue.retain(|_, queued| match queued.item {
            Item::Lands { .. } => chance.percent(50),
            _ => queued.process.is_none(),
        });
        for queued in self.queue.values_mut().filter(|_| lacks) {
            if let Item::Lands { forgotten, .. } = &mut queued.item {
                *forgotten = true;
            }
        }
        for (place, link) in setup.links.iter().enumerate() {
            match link.hold {
                Hold::Connection => {
                    let gone = self.registries[link.to].drop_copies(place, self.now);
                    gone.iter()
                        .for_each(|service| self.changed(link.to, service));
                }
                Hold::Beat => {
                    let process = self.process;
                    self.queue_in(
                        BEATS_LAST,
                        Item::BeatsEnd {
                            link: place,
                            process,
                        },
                    );
                }
                Hold::Persistent | Hold::Written => {}
            }
        }
    }

    /// What stands at targets and was never put on disk, because the disk did not
    /// take or keep it: nobody knows of it any more.
    fn note_unknown(&mut self, image: &Image) {
        self.watch.unknown.clear();
        if !self.watch.disk_lacks {
            return;
        }
        for (place, link) in self.setup.links.iter().enumerate() {
            for service in &self.setup.services {
                let record = image.ledger.get(&(link.name.clone(), service.clone()));
                let is_known = |key: &InstanceKey| {
                    record.is_some_and(|record| {
                        let going = record.going.iter().any(|going| going.key == *key);
                        going || !record.set.get(key).is_empty()
                    })
                };
                let copies = self.registries[link.to].copies(service, place);
                let keys = copies.map(|copied| copied.instance.key.clone());
                let unknown = keys.filter(|key| !is_known(key));
                let unknown = unknown.map(|key| (place, service.clone(), key));
                self.watch.unknown.extend(unknown);
            }
        }
    }

    /// Starts with what is on disk, as the shell does.
    pub(super) fn start(&mut self) {
        if self.running {
            return;
        }
        self.tell(|| "the process starts".to_owned());
        let image = self.disk.crash(false, self.now).clone();
        self.note_unknown(&image);
        for ((endpoint, service), set) in image.cache {
            self.step(Event::Remembered {
                endpoint,
                service,
                set,
            });
        }
        for ((link, service), record) in image.ledger {
            let confirmed = record.confirmed;
            let fresh = confirmed.is_some_and(|at| self.now.since(at) <= FRESH);
            self.step(Event::Held {
                link,
                service,
                set: record.set,
                going: record.going,
                fresh,
                confirmed: confirmed.is_some(),
            });
        }
        for link in &self.setup.links {
            let windows = image.windows.iter().filter(|((of, _), _)| *of == link.name);
            let records = windows.map(|((_, service), record)| (service.clone(), record.clone()));
            self.step(Event::Guarded {
                link: link.name.clone(),
                freeze: image.freezes.get(&link.name).copied(),
                records: records.collect(),
            });
        }
        self.running = true;
        self.step(Event::Started);
        for (place, link) in self.setup.links.iter().enumerate() {
            if self.setup.endpoints[link.to].is_file {
                self.files.insert(place, File::default());
            }
            let wait = self.chances.process.millis(0, 2_000);
            self.queue_in(wait, Item::Described(place));
        }
        for link in self.paused.clone() {
            let link = self.setup.links[link].name.clone();
            self.step(Event::Pause { link, paused: true });
        }
    }
}
