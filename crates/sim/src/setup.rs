//! What one seed's world is made of: registries, links between them, and which
//! faults exist at all.

use std::num::NonZeroU32;
use std::time::Duration;

use syncline_contract::Hold;
use syncline_engine::core::{LinkRules, SourceLost};
use syncline_model::desire::{HealthPolicy, Marking, Rules};
use syncline_model::guard::{Confirmation, Percent, Settings};
use syncline_model::mapping::{Mapping, Rules as MappingRules};
use syncline_model::plan::RemovalPolicy;
use syncline_model::{EndpointName, Identity, LinkName, Scope, ServiceKey, Signer};

use crate::chance::Chance;
use crate::fault::Fault;
use crate::graph;

/// What is asked of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Everything heals in the end, and everything has to converge.
    Safety,
    /// Some registries stay broken for good; all that does not need them has to
    /// converge.
    Liveness,
}

/// One seed's world before anything happens in it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What all is drawn from.
    pub seed: u64,
    /// Events and effects after which everything heals.
    pub steps: u64,
    /// What is asked of it.
    pub mode: Mode,
    /// The registries, and the files at the end.
    pub endpoints: Vec<EndpointSetup>,
    /// The links.
    pub links: Vec<LinkSetup>,
    /// The services that applications register.
    pub services: Vec<ServiceKey>,
    /// Which faults exist in this world; a kind that is named twice is drawn
    /// twice as often.
    pub faults: Vec<Fault>,
    /// How many of a hundred deeds are faults.
    pub fault_share: u64,
    /// Whether anything truly goes away: an instance leaves or loses its use.
    pub losses: bool,
    /// Whether a push may carry what is older than what was read meanwhile.
    pub old_pushes: bool,
}

/// A registry or a file.
#[derive(Clone, Debug)]
pub struct EndpointSetup {
    /// What links call it.
    pub name: EndpointName,
    /// Whether it is a file: written whole, and never read.
    pub is_file: bool,
    /// Whether it loses the marks of copies.
    pub strips_marks: bool,
    /// Whether it is in our own process, where copies need no marks.
    pub is_embedded: bool,
    /// Whether it stays broken in the end.
    pub stays_broken: bool,
}

/// A link; it can be built again after a crash.
#[derive(Clone, Debug)]
pub struct LinkSetup {
    /// Its name.
    pub name: LinkName,
    /// The place of the endpoint that it reads.
    pub from: usize,
    /// The place of the endpoint that it writes.
    pub to: usize,
    /// How its copies stay alive.
    pub hold: Hold,
    /// How its target tells instances apart.
    pub identity: Identity,
    /// What becomes of what went away.
    pub removal: RemovalPolicy,
    /// When its losses wait.
    pub guard: Settings,
    /// Whether the guard lets nothing through at once.
    pub is_guarded: bool,
    /// Whether it follows changes as they come.
    pub realtime: bool,
    /// How long a change of health has to last.
    pub health_dwell: Duration,
    /// How fast it may take away.
    pub removals_per_second: NonZeroU32,
}

impl Setup {
    /// Draws the world of a seed.
    pub fn draw(seed: u64, steps: u64) -> Self {
        let mut chance = Chance::of(seed, "setup");
        let mode = match chance.percent(25) {
            true => Mode::Liveness,
            false => Mode::Safety,
        };
        let guarded = chance.percent(40);
        let (mut endpoints, routes) = graph::draw(&mut chance);
        let strips = chance.percent(30);
        for endpoint in &mut endpoints {
            endpoint.strips_marks = strips && !endpoint.is_file && chance.percent(60);
            endpoint.is_embedded = !endpoint.is_file && chance.percent(12);
            endpoint.stays_broken = mode == Mode::Liveness && chance.percent(25);
        }
        let links = routes
            .iter()
            .map(|route| draw_link(&mut chance, &endpoints, &routes, *route, guarded))
            .collect();
        let services = SERVICES[..2 + chance.index(3)]
            .iter()
            .map(|(namespace, name)| ServiceKey::new(*namespace, "DEFAULT_GROUP", *name))
            .collect();
        let existing = chance.pick(&[0, 15, 40, 80]);
        let mut faults: Vec<Fault> = Vec::new();
        for fault in Fault::ALL {
            // What lies to everybody at once is what the guard is there for.
            let possible = guarded || fault != Fault::Amnesia;
            if chance.percent(existing) && possible {
                faults.push(fault);
            }
        }
        Self {
            seed,
            steps,
            mode,
            endpoints,
            links,
            services,
            fault_share: chance.pick(&[5, 20, 40, 60]),
            faults,
            losses: !chance.percent(15),
            old_pushes: chance.percent(20),
        }
    }

    /// Whether any registry may claim that it is empty.
    pub fn lies(&self) -> bool {
        self.faults.contains(&Fault::Amnesia)
    }

    /// Whether what is shown may be what was there before.
    pub fn shows_the_past(&self) -> bool {
        self.old_pushes || self.faults.contains(&Fault::ListStale)
    }

    /// The place of an endpoint.
    pub fn endpoint(&self, name: &EndpointName) -> usize {
        let mut endpoints = self.endpoints.iter();
        endpoints.position(|e| e.name == *name).unwrap_or_default()
    }

    /// The place of a link.
    pub fn link(&self, name: &LinkName) -> usize {
        let mut links = self.links.iter();
        links.position(|l| l.name == *name).unwrap_or_default()
    }

    /// A link as the core is told of it.
    pub fn rules(&self, link: &LinkSetup) -> LinkRules {
        let (from, to) = (&self.endpoints[link.from], &self.endpoints[link.to]);
        let marking = self.marking(link);
        LinkRules {
            name: link.name.clone(),
            from: from.name.clone(),
            to: to.name.clone(),
            target_is_read: !to.is_file,
            rules: Rules {
                scope: Scope::everything(),
                mapping: identity(from.name.clone()),
                health: HealthPolicy::Copy,
                marking: (!to.is_file).then_some(marking),
            },
            removal: link.removal,
            guard: link.guard,
            serves_last_known: to.is_embedded,
            realtime: link.realtime,
            source_lost: SourceLost::Keep,
            health_dwell: link.health_dwell,
            removals_per_second: link.removals_per_second,
            retired: false,
        }
    }

    /// How a link's copies are marked.
    pub fn marking(&self, link: &LinkSetup) -> Marking {
        let signer = signer();
        Marking {
            from: signer.hop(&self.endpoints[link.from].name),
            to: signer.hop(&self.endpoints[link.to].name),
            signer,
            marks: !self.endpoints[link.to].is_embedded,
        }
    }
}

const SERVICES: [(&str, &str); 4] = [
    ("public", "orders"),
    ("team", "stock"),
    ("public", "users"),
    ("team", "carts"),
];

/// The key of the only install.
const KEY: &[u8] = b"a key of some length";

fn signer() -> Signer {
    match Signer::new("install".into(), KEY) {
        Ok(signer) => signer,
        Err(_) => unreachable!("the key is long enough"),
    }
}

fn identity(source: EndpointName) -> Mapping {
    match Mapping::new(source, MappingRules::identity()) {
        Ok(mapping) => mapping,
        Err(_) => unreachable!("the identity sets no mark"),
    }
}

fn draw_link(
    chance: &mut Chance,
    endpoints: &[EndpointSetup],
    routes: &[(usize, usize)],
    (from, to): (usize, usize),
    guarded: bool,
) -> LinkSetup {
    let target = &endpoints[to];
    // What never goes is told apart only where nobody copies it on.
    let is_leaf = !routes.iter().any(|(from, _)| *from == to);
    let removal = match chance.below(10) {
        0 => RemovalPolicy::Delete {
            grace: Duration::from_secs(chance.pick(&[5, 45])),
        },
        1 if is_leaf => RemovalPolicy::MarkUnavailable {
            grace: Duration::from_secs(chance.pick(&[0, 10])),
            expire_after: chance.pick(&[None, Some(Duration::from_secs(90))]),
        },
        2 if is_leaf => RemovalPolicy::Keep,
        _ => RemovalPolicy::Delete {
            grace: Duration::ZERO,
        },
    };
    LinkSetup {
        name: format!("{}-{}", endpoints[from].name, target.name)
            .as_str()
            .into(),
        from,
        to,
        hold: match target.is_file {
            true => Hold::Written,
            false => chance.pick(&[Hold::Connection, Hold::Beat, Hold::Persistent]),
        },
        identity: match chance.percent(75) {
            true => Identity::AddressAndCluster,
            false => Identity::Address,
        },
        removal,
        guard: match guarded {
            true => small_guard(chance),
            false => no_guard(),
        },
        is_guarded: guarded,
        realtime: chance.percent(85),
        health_dwell: Duration::ZERO,
        removals_per_second: NonZeroU32::MIN,
    }
}

/// The guard with its rules as they are by default, and with numbers that a
/// small world can reach.
fn small_guard(chance: &mut Chance) -> Settings {
    let mut settings = Settings::default();
    settings.link_share.at_least = chance.pick(&[4, 6, 20]);
    settings.link_share.above = percent(chance.pick(&[15, 30]));
    settings.zero_services.more_than = chance.pick(&[1, 2, 10]);
    settings
}

/// Lets every loss through at once.
fn no_guard() -> Settings {
    let zero = Confirmation {
        views: 1,
        over: Duration::ZERO,
    };
    let mut settings = Settings {
        zero,
        ..Settings::default()
    };
    settings.service_share.above = percent(100);
    settings.link_share.above = percent(100);
    settings.zero_services.more_than = u32::MAX;
    settings
}

fn percent(percent: u8) -> Percent {
    match Percent::new(percent) {
        Some(percent) => percent,
        None => unreachable!("not more than the whole"),
    }
}
