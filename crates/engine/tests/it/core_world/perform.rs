//! Performing effects, and telling the core what came of them.

use std::time::Duration;

use syncline_contract::{Observation, Write};
use syncline_engine::core::{Effect, Event, Persist, WriteError};
use syncline_model::plan::{Change, Removal, difference};
use syncline_model::{EndpointName, LinkName, Moment, ServiceKey};

use super::registry::{Fate, stands};
use super::told::Sight;
use super::{Chance, Record, World};

/// No test needs more.
const MOST_STEPS: u64 = 200_000;

/// What may be made to wait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    List,
    Read,
    Push,
    Write,
    Store,
}

/// Something on its way to the core.
pub(super) struct Queued {
    pub(super) at: Moment,
    pub(super) kind: Kind,
    number: u64,
    outcome: Outcome,
}

enum Outcome {
    Event(Event),
    /// A look, with who stood where when it was made.
    Sight(Event, Sight),
    /// A write arrives at its target.
    Arrives(LinkName, Write, Fate),
}

impl World {
    /// Steps the core and performs what it asks for.
    pub(super) fn step(&mut self, event: Event) {
        self.stepped += 1;
        if self.stepped > MOST_STEPS {
            let last = &self.log[self.log.len().saturating_sub(10)..];
            panic!("this goes round in circles: {last:#?}");
        }
        for effect in self.core.step(self.now, event) {
            self.perform(effect);
        }
    }

    /// Tells everything that is due now, in the order in which it came.
    pub(crate) fn run(&mut self) {
        while let Some(at) = self.next_due() {
            let queued = self.queue.swap_remove(at);
            self.deliver(queued.outcome);
        }
    }

    fn next_due(&self) -> Option<usize> {
        let due = |queued: &Queued| queued.at <= self.now && !self.withheld.contains(&queued.kind);
        let queue = self.queue.iter().enumerate().filter(|(_, q)| due(q));
        let (at, _) = queue.min_by_key(|(_, queued)| (queued.at, queued.number))?;
        Some(at)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Queued> {
        let withheld = |queued: &&Queued| !self.withheld.contains(&queued.kind);
        self.queue.iter().filter(withheld)
    }

    fn deliver(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Event(event) => {
                if let Event::ListEnded { endpoint, end } = &event {
                    let coverages = end.areas.iter().map(|area| &area.coverage);
                    self.told.list_ends(endpoint, coverages);
                }
                self.step(event);
            }
            Outcome::Sight(event, sight) => {
                match &event {
                    Event::Listed { endpoint, listed } => {
                        self.told.look(endpoint, &listed.service, &sight);
                    }
                    Event::Observed {
                        endpoint,
                        observation: Observation::Content { service, .. },
                    } => self.told.look(endpoint, service, &sight),
                    Event::Read {
                        endpoint,
                        service,
                        view,
                        ..
                    } => {
                        let complete = view.complete().is_some();
                        self.told.read_ends(endpoint, service, (&sight, complete));
                    }
                    _ => {}
                }
                self.step(event);
            }
            Outcome::Arrives(link, write, fate) => {
                let result = self.arrive(&link, &write, fate);
                let service = write.service;
                self.step(Event::Applied {
                    link,
                    service,
                    result,
                });
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::List { endpoint } => {
                self.log.push(format!("list {endpoint}"));
                self.list(&endpoint);
            }
            Effect::Read {
                endpoint,
                service,
                purpose,
            } => {
                self.log
                    .push(format!("{purpose:?} {endpoint} {}", service.name));
                self.told.read_begins(&endpoint, &service);
                let view = self.registries[&endpoint].read(&service);
                let sight = match view.seen() {
                    Some(seen) if !seen.is_empty() => self.sight(&endpoint, &service),
                    _ => Sight::new(),
                };
                let read = Event::Read {
                    endpoint,
                    service,
                    view,
                    rejected: Vec::new(),
                };
                self.queue(Kind::Read, Outcome::Sight(read, sight));
            }
            Effect::Watch { endpoint, listed } => {
                assert!(self.watched.insert(endpoint.clone()), "asked for once");
                let there = self.registries[&endpoint].services();
                for service in &there {
                    self.push(&endpoint, service);
                }
                for service in listed.iter().filter(|s| !there.contains(*s)) {
                    let gone = Event::Observed {
                        endpoint: endpoint.clone(),
                        observation: Observation::Look(service.clone()),
                    };
                    self.queue(Kind::Push, Outcome::Event(gone));
                }
            }
            Effect::Follow {
                endpoint,
                service,
                follow,
            } => {
                let place = (endpoint, service);
                let writers = self.links.iter().filter(|link| link.to == place.0);
                let most = writers.count();
                let followers = self.followed.entry(place).or_default();
                match follow {
                    true => *followers += 1,
                    false => *followers -= 1,
                }
                assert!(*followers <= most, "one link follows a service once");
            }
            Effect::Persist(persist) => self.persist(persist),
            Effect::Apply { link, write } => self.apply(link, write),
            Effect::Tell(line) => self.journal.push(line.to_string()),
            Effect::Resumed { link } => drop(self.resumed.insert(link)),
            Effect::Settled { link } => self.log.push(format!("settled {link}")),
            Effect::Filled { link, with } => drop(self.filled.insert(link, with)),
        }
    }

    fn list(&mut self, endpoint: &EndpointName) {
        let (listed, end) = self.registries[endpoint].list();
        for listed in listed {
            let sight = self.sight(endpoint, &listed.service);
            let endpoint = endpoint.clone();
            let event = Event::Listed { endpoint, listed };
            self.queue(Kind::List, Outcome::Sight(event, sight));
        }
        let endpoint = endpoint.clone();
        let ended = Outcome::Event(Event::ListEnded { endpoint, end });
        // A list ends when all of it has come.
        let last = self.queue.iter().filter(|q| q.kind == Kind::List);
        let last = last.map(|q| q.at).max().unwrap_or(self.now);
        self.queue_at(last, Kind::List, ended);
    }

    /// Subscribers are told what a service is now, where somebody subscribes.
    pub(super) fn push(&mut self, endpoint: &EndpointName, service: &ServiceKey) {
        let read = self.links.iter().any(|link| link.from == *endpoint);
        let followers = self.followed.get(&(endpoint.clone(), service.clone()));
        let follows = followers.is_some_and(|followers| *followers > 0);
        let watched = self.running && self.watched.contains(endpoint);
        if !watched || self.registries[endpoint].silent || !(read || follows) {
            return;
        }
        // Some are lost and some come twice.
        let copies = match &mut self.chance {
            Some(chance) => chance.of_these(&[0, 1, 1, 1, 2]),
            None => 1,
        };
        for _ in 0..copies {
            let content = Observation::Content {
                service: service.clone(),
                view: self.registries[endpoint].pushed(service),
                rejected: Vec::new(),
            };
            let observed = Event::Observed {
                endpoint: endpoint.clone(),
                observation: content,
            };
            let mut sight = self.sight(endpoint, service);
            if let Event::Observed {
                observation: Observation::Content { view, .. },
                ..
            } = &observed
            {
                let seen = view.seen().expect("a push shows something");
                sight.retain(|(key, _), _| !seen.get(key).is_empty());
            }
            self.queue(Kind::Push, Outcome::Sight(observed, sight));
        }
    }

    fn sight(&self, endpoint: &EndpointName, service: &ServiceKey) -> Sight {
        let shown = self.registries[endpoint].shown(service).into_iter();
        shown
            .map(|(by, i)| ((i.key.clone(), by.cloned()), i))
            .collect()
    }

    fn apply(&mut self, link: LinkName, write: Write) {
        let name = &write.service.name;
        if write.changes.is_empty() {
            let count = write.accepted.len();
            self.log.push(format!("{link} {name}: again, {count} held"));
        }
        for change in write.changes.iter() {
            self.log.push(format!("{link} {name}: {}", told(change)));
        }
        self.check_removals(&link, &write);
        let target = &self.registries[&self.link(&link).to];
        let fate = target.writes;
        if target.hangs {
            return;
        }
        let arrives_late = self.chance.as_mut().is_none_or(|c| c.percent(50));
        if arrives_late {
            self.queue(Kind::Write, Outcome::Arrives(link, write, fate));
        } else {
            let result = self.arrive(&link, &write, fate);
            let service = write.service;
            let applied = Event::Applied {
                link,
                service,
                result,
            };
            self.queue(Kind::Write, Outcome::Event(applied));
        }
    }

    fn arrive(&mut self, link: &LinkName, write: &Write, fate: Fate) -> Result<(), WriteError> {
        let to = self.link(link).to.clone();
        let target = self.registries.get_mut(&to).expect("has a target");
        let before = target.copies(link, &write.service);
        let told = target.take(link, write, fate);
        if before != target.copies(link, &write.service) {
            self.push(&to, &write.service);
        }
        match told {
            true => Ok(()),
            false => Err(WriteError {
                what: "timed out".into(),
                retry_after: match fate {
                    Fate::Throttled(rest) => Some(rest),
                    _ => None,
                },
                hopeless: false,
            }),
        }
    }

    /// Whatever is not given any more must have been proved to be gone.
    fn check_removals(&self, link: &LinkName, write: &Write) {
        let setup = self.link(link);
        let target = &self.registries[&setup.to];
        for copy in target.copies(link, &write.service) {
            let key = &copy.key;
            let yields = write.changes.iter().any(|change| {
                matches!(change, Change::Remove { instance, because: Removal::Shadowed(_) } if instance.key == *key)
            });
            let justified = stands(&write.accepted, key, setup.identity)
                || (yields && target.was_native(&write.service, key))
                || super::peer::is_left(write, key)
                || setup.retired
                || self.told.is_gone(setup, &write.service, key);
            assert!(
                justified,
                "{link} removes {key} of {}, and nothing proves that it is gone",
                write.service
            );
        }
    }

    fn persist(&mut self, persist: Persist) {
        let awaited = persist.awaited();
        if !self.disk.fails {
            match persist {
                Persist::Restart { link } => self.disk.ledger.retain(|(l, _), _| *l != link),
                Persist::Window {
                    link,
                    service,
                    record,
                    ..
                } => match record {
                    Some(record) => drop(self.disk.windows.insert((link, service), *record)),
                    None => drop(self.disk.windows.remove(&(link, service))),
                },
                Persist::Freeze { link, freeze, .. } => match freeze {
                    Some(freeze) => drop(self.disk.freezes.insert(link, freeze)),
                    None => drop(self.disk.freezes.remove(&link)),
                },
                Persist::Evacuated { what } => self.disk.evacuated = what,
                Persist::Seen { endpoint } => drop(self.disk.seen.insert(endpoint, self.now)),
                Persist::Cache {
                    endpoint,
                    service,
                    set,
                    ..
                } => match set.is_empty() {
                    true => drop(self.disk.cache.remove(&(endpoint, service))),
                    false => drop(self.disk.cache.insert((endpoint, service), set)),
                },
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
                    self.disk.ledger.insert((link, service), record);
                }
                Persist::Confirm {
                    link,
                    service,
                    held,
                    ..
                } => match held.is_empty() {
                    true => drop(self.disk.ledger.remove(&(link, service))),
                    false => {
                        let record = Record {
                            set: held,
                            going: Vec::new(),
                            confirmed: Some(self.now),
                        };
                        drop(self.disk.ledger.insert((link, service), record));
                    }
                },
            }
        }
        if let Some((link, service)) = awaited {
            let result = match self.disk.fails {
                true => Err("no space left on the device".into()),
                false => Ok(()),
            };
            let stored = Event::Stored {
                link,
                service,
                result,
            };
            self.queue(Kind::Store, Outcome::Event(stored));
        }
    }

    fn queue(&mut self, kind: Kind, outcome: Outcome) {
        let delay = self.chance.as_mut().map_or(Duration::ZERO, delay);
        self.queue_at(self.now + delay, kind, outcome);
    }

    fn queue_at(&mut self, at: Moment, kind: Kind, outcome: Outcome) {
        self.queued += 1;
        self.queue.push(Queued {
            at,
            kind,
            number: self.queued,
            outcome,
        });
    }
}

/// Mostly short, sometimes long.
fn delay(chance: &mut Chance) -> Duration {
    let longest = chance.of_these(&[1, 20, 200, 2_000]);
    Duration::from_millis(chance.below(longest))
}

fn told(change: &Change) -> String {
    let key = change.key();
    match change {
        Change::Add(added) => format!("add {}", super::bare(added)),
        Change::Update { from, to } => format!("update {key}, {}", difference(from, to)),
        Change::MarkUnavailable { .. } => format!("mark {key} unavailable"),
        Change::Remove { because, .. } => format!("remove {key}, {because}"),
    }
}
