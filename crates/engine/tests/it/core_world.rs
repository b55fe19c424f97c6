//! A small world around the core: registries with a truth, a disk, and a clock
//! that the test moves. Every effect is performed, and what came of it becomes
//! an event, at once unless the test wants it otherwise.

mod peer;
mod perform;
mod registry;
mod setup;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Observation, TargetReport, Unavailable};
use syncline_engine::core::{
    Core, Evacuation, Event, Fill, LinkAdoption, LinkPreview, LinkStatus, LinkVerification,
    PeerSettings,
};
use syncline_model::adoption::Wish;
use syncline_model::desire::unmarked;
use syncline_model::guard::{Freeze, Record as GuardRecord};
use syncline_model::{EndpointName, Instance, LinkName, Moment, ServiceKey, ServiceSet};

pub(crate) use peer::replica;
pub(crate) use perform::Kind;
pub(crate) use registry::{Answer, Fate, Registry};
pub(crate) use setup::{LinkSetup, at, instance, link, seconds, service, text};

use perform::Queued;
use told::Told;

/// Confirmed within this time, a registration is taken up again at once.
const FRESH: Duration = Duration::from_secs(300);

/// What is on disk.
#[derive(Debug, Default)]
struct Disk {
    cache: BTreeMap<(EndpointName, ServiceKey), Arc<ServiceSet>>,
    ledger: BTreeMap<(LinkName, ServiceKey), Record>,
    /// What the guards know.
    windows: BTreeMap<(LinkName, ServiceKey), GuardRecord>,
    freezes: BTreeMap<LinkName, Freeze>,
    evacuated: Vec<Evacuation>,
    /// When each registry was last listed whole.
    seen: BTreeMap<EndpointName, Moment>,
    fails: bool,
}

/// What a link gave its target.
#[derive(Clone, Debug)]
struct Record {
    set: Arc<ServiceSet>,
    /// What an unconfirmed write was to take away or to change.
    going: Vec<Instance>,
    /// When the target confirmed it.
    confirmed: Option<Moment>,
}

/// Everything around a core.
pub(crate) struct World {
    core: Core,
    links: Vec<LinkSetup>,
    /// How it takes replicas, where it has any.
    peers: Option<PeerSettings>,
    registries: BTreeMap<EndpointName, Registry>,
    disk: Disk,
    running: bool,
    pub(crate) now: Moment,
    queue: Vec<Queued>,
    queued: u64,
    stepped: u64,
    withheld: BTreeSet<Kind>,
    /// Makes delays, losses and doubles; without it everything is prompt.
    pub(crate) chance: Option<Chance>,
    /// How many links follow each service.
    followed: BTreeMap<(EndpointName, ServiceKey), usize>,
    watched: BTreeSet<EndpointName>,
    /// How far each link has filled its target since the start.
    filled: BTreeMap<LinkName, Fill>,
    /// Links that gave their lists again since the start.
    resumed: BTreeSet<LinkName>,
    told: Told,
    /// What was done, a line each.
    log: Vec<String>,
    /// What the journal was told, a line each.
    journal: Vec<String>,
}

/// A world with these links that has not begun yet.
pub(crate) fn world(links: impl IntoIterator<Item = LinkSetup>) -> World {
    let links: Vec<LinkSetup> = links.into_iter().collect();
    let names = links.iter().flat_map(|l| [l.from.clone(), l.to.clone()]);
    World {
        core: Core::new(links.iter().map(LinkSetup::rules)),
        peers: None,
        registries: names.map(|name| (name, Registry::default())).collect(),
        links,
        disk: Disk::default(),
        running: false,
        now: at(1000),
        queue: Vec::new(),
        queued: 0,
        stepped: 0,
        withheld: BTreeSet::new(),
        chance: None,
        followed: BTreeMap::new(),
        watched: BTreeSet::new(),
        filled: BTreeMap::new(),
        resumed: BTreeSet::new(),
        told: Told::default(),
        log: Vec::new(),
        journal: Vec::new(),
    }
}

/// What a test does.
impl World {
    /// Begins, or begins again, with what is on disk.
    pub(crate) fn start(&mut self) {
        self.begin();
        for link in self.links.clone() {
            self.describe(link.name.as_str());
        }
    }

    /// Begins without having reached any target.
    pub(crate) fn begin(&mut self) {
        self.filled.clear();
        self.resumed.clear();
        for (endpoint, at) in self.disk.seen.clone() {
            self.step(Event::SeenBefore { endpoint, at });
        }
        for ((endpoint, service), set) in self.disk.cache.clone() {
            self.step(Event::Remembered {
                endpoint,
                service,
                set,
            });
        }
        for ((link, service), record) in self.disk.ledger.clone() {
            let fresh = record
                .confirmed
                .is_some_and(|at| self.now.since(at) <= FRESH);
            self.step(Event::Held {
                link,
                service,
                set: record.set,
                going: record.going,
                fresh,
                confirmed: record.confirmed.is_some(),
            });
        }
        for name in self
            .links
            .iter()
            .map(|l| l.name.clone())
            .collect::<Vec<_>>()
        {
            let windows = self.disk.windows.iter().filter(|((l, _), _)| *l == name);
            self.step(Event::Guarded {
                records: windows
                    .map(|((_, service), record)| (service.clone(), record.clone()))
                    .collect(),
                freeze: self.disk.freezes.get(&name).copied(),
                link: name,
            });
        }
        for what in self.disk.evacuated.clone() {
            self.step(Event::Evacuate { what, on: true });
        }
        self.running = true;
        self.step(Event::Started);
        self.run();
    }

    /// A link's target is reached.
    pub(crate) fn describe(&mut self, link: &str) {
        let setup = self.link(&link.into()).clone();
        let report = TargetReport {
            product: "a registry".to_owned(),
            identity: setup.identity,
            hold: setup.hold,
            unavailable: Unavailable::WeightAndHealth,
            advice: Vec::new(),
        };
        self.step(Event::Described {
            link: setup.name,
            report,
        });
        self.run();
    }

    /// Dies without a word: what connections held is gone, and what waited to
    /// be told is lost.
    pub(crate) fn crash(&mut self) {
        self.running = false;
        self.renew();
        self.queue.clear();
        self.followed.clear();
        self.watched.clear();
        self.told = Told::default();
        for link in &self.links {
            if !link.hold.needs_durable_additions() && link.target_is_read {
                let target = self.registries.get_mut(&link.to).expect("has a target");
                target.drop_copies(&link.name);
            }
        }
    }

    /// Starts again after a death, with other links.
    pub(crate) fn start_with(&mut self, links: impl IntoIterator<Item = LinkSetup>) {
        self.crash();
        self.links = links.into_iter().collect();
        self.renew();
        let names = self
            .links
            .iter()
            .flat_map(|l| [l.from.clone(), l.to.clone()]);
        for name in names {
            self.registries.entry(name).or_default();
        }
        self.start();
    }

    pub(crate) fn registry(&mut self, name: &str) -> &mut Registry {
        self.registries.get_mut(name).expect("a link names it")
    }

    /// An application registers, or registers again with other content.
    pub(crate) fn register(&mut self, registry: &str, name: &str, registered: &str) {
        let service = service(name);
        let registered = instance(registered);
        self.registry(registry).register(&service, registered);
        self.push(&registry.into(), &service);
        self.run();
    }

    /// Somebody else publishes an instance, with what it carries.
    pub(crate) fn publish(&mut self, registry: &str, name: &str, published: Instance) {
        let service = service(name);
        self.registry(registry).register(&service, published);
        self.push(&registry.into(), &service);
        self.run();
    }

    /// An application leaves.
    pub(crate) fn deregister(&mut self, registry: &str, name: &str, left: &str) {
        let service = service(name);
        self.registry(registry)
            .deregister(&service, &instance(left).key);
        self.push(&registry.into(), &service);
        self.run();
    }

    /// Whether the store takes anything.
    pub(crate) fn disk_fails(&mut self, fails: bool) {
        self.disk.fails = fails;
    }

    /// Links look at everything.
    pub(crate) fn trigger(&mut self) {
        self.tell(Event::Trigger { link: None });
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.step(event);
        self.run();
    }

    pub(crate) fn observe(&mut self, registry: &str, observation: Observation) {
        let endpoint = registry.into();
        self.tell(Event::Observed {
            endpoint,
            observation,
        });
    }

    /// What is of that kind waits until it is let go.
    pub(crate) fn withhold(&mut self, kind: Kind) {
        self.withheld.insert(kind);
    }

    pub(crate) fn let_go(&mut self, kind: Kind) {
        self.withheld.remove(&kind);
        self.run();
    }

    /// What waits of that kind never comes.
    pub(crate) fn lose(&mut self, kind: Kind) {
        self.withheld.remove(&kind);
        self.queue.retain(|queued| queued.kind != kind);
    }

    /// Lets time go by, with all that happens in it.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let queued = self.waiting().map(|queued| queued.at).min();
            let next = [queued, self.core.next_wake()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if self.core.next_wake().is_some_and(|wake| wake <= self.now) {
                self.step(Event::Tick);
            }
            self.run();
        }
        self.now = until;
    }
}

/// What a test looks at.
impl World {
    /// What consumers of a registry see of a service, without marks.
    pub(crate) fn shown(&self, registry: &str, name: &str) -> Vec<String> {
        let shown = self.registries[registry].shown(&service(name));
        let mut shown: Vec<String> = shown.iter().map(|(_, i)| bare(i)).collect();
        shown.sort();
        shown
    }

    /// What a link wrote of a service, without marks.
    pub(crate) fn copies(&self, link: &str, name: &str) -> Vec<String> {
        let link: LinkName = link.into();
        let target = &self.registries[&self.link(&link).to];
        let copies = target.copies(&link, &service(name));
        copies.iter().map(bare).collect()
    }

    /// Whether a registry is watched.
    pub(crate) fn watches(&self, registry: &str) -> bool {
        self.watched.contains(registry)
    }

    /// What was done since the last time this was asked.
    pub(crate) fn done(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// What was written since the last time this was asked.
    pub(crate) fn written(&mut self) -> Vec<String> {
        let done = self.done().into_iter();
        done.filter(|line| line.contains(": ")).collect()
    }

    /// What the journal was told since the last time this was asked.
    pub(crate) fn journal(&mut self) -> Vec<String> {
        std::mem::take(&mut self.journal)
    }

    pub(crate) fn status(&self, link: &str) -> LinkStatus {
        let status = self.core.status(self.now);
        let mut links = status.links.into_iter();
        links
            .find(|status| status.link.as_str() == link)
            .expect("a link of that name")
    }

    /// Whether a link has given its list again since the start.
    pub(crate) fn resumed(&self, link: &str) -> bool {
        self.resumed.contains(link)
    }

    /// How far a link has filled its target since the start.
    pub(crate) fn filled(&self, link: &str) -> Option<Fill> {
        self.filled.get(link).copied()
    }

    /// How long ago the ledger says that a link's target confirmed a service.
    pub(crate) fn confirmed_ago(&self, link: &str, name: &str) -> Option<Duration> {
        let record = self.disk.ledger.get(&(link.into(), service(name)))?;
        record.confirmed.map(|at| self.now.since(at))
    }

    /// What a link would write now.
    pub(crate) fn preview(&self, link: &str) -> LinkPreview {
        let mut previews = self.core.preview(self.now).into_iter();
        previews
            .find(|preview| preview.link.as_str() == link)
            .expect("a link of that name")
    }

    /// What links could take over.
    pub(crate) fn adoptions(&self, wish: Wish) -> Vec<LinkAdoption> {
        self.core.adoptions(wish)
    }

    /// What all sides say.
    pub(crate) fn verify(&self) -> Vec<LinkVerification> {
        self.core.verify(self.now)
    }

    /// A core that knows nothing yet.
    fn renew(&mut self) {
        let core = Core::new(self.links.iter().map(LinkSetup::rules));
        self.core = match &self.peers {
            Some(settings) => core.with_peers(settings.clone()),
            None => core,
        };
    }

    fn link(&self, name: &LinkName) -> &LinkSetup {
        let mut links = self.links.iter();
        links
            .find(|link| link.name == *name)
            .expect("a link of that name")
    }
}

/// The text of an instance without the mark it may carry.
fn bare(instance: &Instance) -> String {
    text(&Instance {
        metadata: unmarked(&instance.metadata),
        ..instance.clone()
    })
}

/// Chance that is the same in every run with the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below a bound (the SplitMix64 generator).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// True in so many of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn of_these<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.below(these.len() as u64) as usize]
    }
}
