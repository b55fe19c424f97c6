//! A seed's world around the core: virtual time, one thread, no clock.
//!
//! Whatever the core asks for is performed on registries, files and a disk with
//! the faults that last at that moment; what comes of it is queued and told to
//! the core later. Oracles look at every step.

mod deliver;
mod happen;
mod land;
mod perform;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_contract::{ListEnd, Rejected, Write};
use syncline_engine::core::{Core, Event, WriteError};
use syncline_model::{InstanceKey, Moment, ServiceKey, ServiceSet, View};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::chance::Chance;
use crate::deed::Timed;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::oracle::audit::Audit;
use crate::oracle::guard::{Emptiness, Losses};
use crate::oracle::naive;
use crate::oracle::order::Order;
use crate::oracle::proof::Proofs;
use crate::oracle::writes::Writes;
use crate::oracle::{Oracle, Violation};
use crate::registry::{Registry, Sight};
use crate::setup::Setup;
use crate::tally::Tally;
use crate::workload::BEGINNING;

pub use rest::CONVERGES_WITHIN;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What must not be and was.
    pub violation: Option<Violation>,
    /// What was counted.
    pub tally: Tally,
    /// A hash of all that the core asked for, and when.
    pub trace: u64,
    /// What happened, a line each, where that was asked for.
    pub story: Vec<String>,
    /// What every endpoint shows in the end, as a hash.
    pub shown: u64,
}

/// How a run is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// Tell what happens.
    pub told: bool,
    /// Kill the process after so many steps of the core, and start it again.
    pub crash_after: Option<u64>,
}

/// Runs a world from its beginning to its rest.
pub fn run(setup: &Setup, deeds: &[Timed], run: Run) -> Ended {
    let mut world = World::new(setup, deeds, run);
    world.live();
    world.rest();
    world.ended()
}

struct World<'a> {
    setup: &'a Setup,
    run: Run,
    now: Moment,
    deeds: &'a [Timed],
    next_deed: usize,
    core: Core,
    /// How often the process was started.
    process: u64,
    running: bool,
    /// Until when the process stands still.
    frozen: Option<Moment>,
    registries: Vec<Registry>,
    files: BTreeMap<usize, File>,
    disk: Disk,
    process_faults: BTreeMap<Fault, Moment>,
    paused: BTreeSet<usize>,
    queue: BTreeMap<(Moment, u64), Queued>,
    queued: u64,
    /// Which process last kept what a link gave alive.
    kept_alive: BTreeMap<(usize, ServiceKey), u64>,
    /// Where subscriptions have begun.
    watched: BTreeSet<usize>,
    /// How many links follow a service at their target.
    followed: BTreeMap<(usize, ServiceKey), i32>,
    /// Pushes of one service do not overtake one another.
    pushed: BTreeMap<(usize, ServiceKey), Moment>,
    chances: Chances,
    watch: Watch,
    violation: Option<Violation>,
    tally: Tally,
    core_steps: u64,
    trace: u64,
    story: Vec<String>,
}

/// Where the parts of the world draw from.
struct Chances {
    lists: Chance,
    reads: Chance,
    pushes: Chance,
    writes: Chance,
    store: Chance,
    process: Chance,
}

/// What the oracles know.
#[derive(Default)]
struct Watch {
    proofs: Proofs,
    audit: Audit,
    writes: Writes,
    emptiness: Emptiness,
    losses: Losses,
    order: Order,
    /// What is watched besides where registries lie.
    lies: Option<Lies>,
    /// When an operator last let losses of a service through.
    approved: BTreeMap<(usize, ServiceKey), Moment>,
    /// What each link was last to give, whether or not it arrived.
    given: BTreeMap<(usize, ServiceKey), Arc<ServiceSet>>,
    /// What arrived of each link, so that it can be put there again.
    accepted: BTreeMap<(usize, ServiceKey), Arc<ServiceSet>>,
    /// Whether the store ever took nothing.
    disk_failed: bool,
    /// Whether a process ever died of which the disk did not take or keep all.
    disk_lacks: bool,
    /// Copies of which this process cannot know, since nothing on disk told it.
    unknown: BTreeSet<(usize, ServiceKey, InstanceKey)>,
    /// Until when registries told everybody that they are empty.
    lied: BTreeMap<usize, Moment>,
    /// Where a target lost a part of what a link gave it.
    lost: BTreeSet<(usize, ServiceKey)>,
    /// How many writes there were to what is not broken for good.
    applied: u64,
    /// When something was last written or shown otherwise.
    stirred: Moment,
}

/// What was proved where registries claim that they are empty.
#[derive(Default)]
struct Lies {
    /// As `proofs`, of what answers told and not of what was true.
    told: Proofs,
    /// As `proofs`, of what is in use alone.
    used: Proofs,
}

/// A file at the end of a link: nothing is rendered before the list is whole.
#[derive(Default)]
struct File {
    settled: bool,
    waiting: BTreeMap<ServiceKey, Arc<ServiceSet>>,
}

/// Something on its way.
struct Queued {
    /// The process that it is for; it is lost when that has died.
    process: Option<u64>,
    item: Item,
}

enum Item {
    /// The process starts.
    Start,
    /// A target is reached.
    Described(usize),
    /// Something is told to the core.
    Tell(Event),
    /// A look that was made before.
    Look {
        event: Event,
        endpoint: usize,
        service: ServiceKey,
        sight: Sight,
        /// Where it is of a list, what was there in truth and makes sense.
        truth: Option<Sight>,
    },
    /// A push is about to leave its registry.
    Push {
        endpoint: usize,
        service: ServiceKey,
    },
    ListEnds {
        endpoint: usize,
        end: ListEnd,
        truth: Vec<(ServiceKey, Sight)>,
    },
    ReadEnds {
        endpoint: usize,
        service: ServiceKey,
        view: View,
        rejected: Vec<Rejected>,
        /// What was there in truth, and of that what was in use.
        sight: Sight,
        in_use: Sight,
    },
    /// A write arrives at its target.
    Lands {
        link: usize,
        write: Write,
        fate: Fate,
        /// Whether it is of a process of which the disk did not keep all.
        forgotten: bool,
    },
    /// A write ends.
    Applied {
        link: usize,
        service: ServiceKey,
        result: Result<(), WriteError>,
    },
    /// A fault is over.
    Heals { registry: usize, fault: Fault },
    /// A link goes on.
    Resumes(usize),
    /// A connection notices that what it holds is gone, and puts it back.
    Repairs { link: usize, service: ServiceKey },
    /// What nobody has kept alive since the process died is gone.
    BeatsEnd { link: usize, process: u64 },
}

/// What becomes of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Lands,
    Refused,
    Unheard,
    Halved,
}

impl<'a> World<'a> {
    fn new(setup: &'a Setup, deeds: &'a [Timed], run: Run) -> Self {
        let chance = |name| Chance::of(setup.seed, name);
        let endpoints = setup.endpoints.iter();
        let registries = endpoints.map(|endpoint| Registry::new(endpoint.strips_marks));
        Self {
            run,
            now: BEGINNING,
            deeds,
            next_deed: 0,
            core: Core::new(setup.links.iter().map(|link| setup.rules(link))),
            process: 0,
            running: false,
            frozen: None,
            registries: registries.collect(),
            files: BTreeMap::new(),
            disk: Disk::default(),
            process_faults: BTreeMap::new(),
            paused: BTreeSet::new(),
            queue: BTreeMap::new(),
            queued: 0,
            kept_alive: BTreeMap::new(),
            watched: BTreeSet::new(),
            followed: BTreeMap::new(),
            pushed: BTreeMap::new(),
            chances: Chances {
                lists: chance("lists"),
                reads: chance("reads"),
                pushes: chance("pushes"),
                writes: chance("writes"),
                store: chance("store"),
                process: chance("process"),
            },
            watch: Watch {
                lies: setup.lies().then(Lies::default),
                ..Watch::default()
            },
            violation: None,
            tally: Tally {
                seeds: 1,
                ..Tally::default()
            },
            core_steps: 0,
            trace: 0,
            story: Vec::new(),
            setup,
        }
    }

    /// Does all deeds, until they are done or enough steps were made.
    fn live(&mut self) {
        let beginning = |timed: &&Timed| timed.at == BEGINNING;
        for timed in self.deeds.iter().take_while(beginning) {
            self.next_deed += 1;
            self.happen(&timed.deed);
        }
        self.start();
        while self.violation.is_none() && self.tally.steps < self.setup.steps {
            let Some(timed) = self.deeds.get(self.next_deed) else {
                break;
            };
            if !self.go_on(timed.at) {
                self.now = timed.at;
                self.next_deed += 1;
                self.happen(&timed.deed);
            }
        }
    }

    /// Does the next thing that is due until then; whether there was any.
    fn go_on(&mut self, until: Moment) -> bool {
        let wake = self.core.next_wake().filter(|_| self.running);
        let wake = match (wake, self.frozen) {
            (Some(wake), Some(frozen)) => Some(wake.max(frozen)),
            (wake, _) => wake,
        };
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        if let Some(wake) = wake
            && wake <= until
            && queued.is_none_or(|queued| wake < queued)
        {
            self.now = self.now.max(wake);
            self.thaw();
            self.step(Event::Tick);
            return true;
        }
        if queued.is_none_or(|queued| queued > until) {
            return false;
        }
        let Some(((at, _), queued)) = self.queue.pop_first() else {
            return false;
        };
        self.now = self.now.max(at);
        self.thaw();
        self.deliver(queued);
        true
    }

    /// The process goes on, and notices that it stood still before it hears of
    /// anything.
    fn thaw(&mut self) {
        if self.frozen.is_some_and(|until| until <= self.now) {
            self.frozen = None;
            if self.running {
                self.step(Event::StoodStill);
            }
        }
    }

    /// Tells the core something and performs what it asks for.
    fn step(&mut self, event: Event) {
        if self.violation.is_some() {
            return;
        }
        self.tally.steps += 1;
        self.core_steps += 1;
        for effect in self.core.step(self.now, event) {
            self.tally.steps += 1;
            self.perform(effect);
        }
        if self.run.crash_after == Some(self.core_steps) {
            self.crash();
            self.queue_in(std::time::Duration::from_secs(1), Item::Start);
        }
    }

    fn queue_in(&mut self, wait: std::time::Duration, item: Item) {
        self.queue_at(self.now + wait, item);
    }

    fn queue_at(&mut self, at: Moment, item: Item) {
        let process = item.is_for_process().then_some(self.process);
        self.queued += 1;
        let queued = Queued { process, item };
        self.queue.insert((at, self.queued), queued);
    }

    fn violates(&mut self, oracle: Oracle, what: String) {
        if self.violation.is_none() {
            self.tell(|| format!("!! {what}"));
            self.violation = Some(Violation {
                oracle,
                at: self.now,
                step: self.tally.steps,
                what,
            });
        }
    }

    /// Adds a line to the story, where anybody listens.
    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.run.told {
            let at = self.now.since(BEGINNING).as_secs_f64();
            self.story.push(format!("{at:10.3}  {}", line()));
        }
    }

    fn mix(&mut self, value: u64) {
        self.trace = xxh3_64_with_seed(&value.to_le_bytes(), self.trace);
    }

    fn ended(self) -> Ended {
        let mut shown = 0;
        for (place, registry) in self.registries.iter().enumerate() {
            for service in &self.setup.services {
                let set = naive::fingerprint(&registry.shown(service).set);
                shown = xxh3_64_with_seed(&set.to_le_bytes(), shown ^ place as u64);
            }
        }
        Ended {
            violation: self.violation,
            tally: self.tally,
            trace: self.trace,
            story: self.story,
            shown,
        }
    }
}

impl Item {
    fn is_for_process(&self) -> bool {
        match self {
            Self::Described(_)
            | Self::Tell(_)
            | Self::Look { .. }
            | Self::Push { .. }
            | Self::ListEnds { .. }
            | Self::ReadEnds { .. }
            | Self::Applied { .. }
            | Self::Repairs { .. } => true,
            Self::Start
            | Self::Lands { .. }
            | Self::Heals { .. }
            | Self::Resumes(_)
            | Self::BeatsEnd { .. } => false,
        }
    }
}

/// An instance of a link's target.
type Key<'k> = (usize, &'k ServiceKey, &'k InstanceKey);
