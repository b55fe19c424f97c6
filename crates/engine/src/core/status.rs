//! What the core tells about itself: plain values for commands, API and console.

use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Area, TargetReport};
use syncline_model::guard::Hold;
use syncline_model::{EndpointName, InstanceKey, LinkName, Moment, ServiceKey, Truth};

use super::Core;
use super::aside::{Aside, Evacuation};
use super::link::Link;
use super::peers::PeerStatus;
use super::reader::Reader;

/// Everything at a glance.
#[derive(Clone, Debug)]
pub struct Status {
    /// One per endpoint that is read.
    pub endpoints: Vec<EndpointStatus>,
    /// One per link.
    pub links: Vec<LinkStatus>,
    /// The replicas that were heard or looked for.
    pub peers: Vec<PeerStatus>,
    /// What an operator took out of use, in order.
    pub evacuated: Vec<Evacuation>,
}

/// How one registry is doing.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    /// Which one.
    pub endpoint: EndpointName,
    /// Why it does not answer, while it does not.
    pub down: Option<Arc<str>>,
    /// How new services are learnt, where the registry has more than one way.
    pub learns: Option<Arc<str>>,
    /// How the last list ended, area by area; empty before the first.
    pub areas: Vec<Area>,
    /// How long ago everything was last listed whole.
    pub complete_ago: Option<Duration>,
    /// The same, also where that was before the start: what is known is no
    /// older.
    pub last_known_ago: Option<Duration>,
    /// How many services are known.
    pub services: usize,
    /// How many instances are known.
    pub instances: usize,
    /// Instances that make no sense, and services that cannot be read now.
    pub problems: Vec<Problem>,
}

/// What a link is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// Waits for its target to be reached or its source to be read.
    Starting,
    /// Brings the target in step for the first time.
    Syncing,
    /// Everything that may be done is done.
    InStep,
    /// The guard holds losses.
    Held,
    /// Its source cannot be read: the target keeps what it has.
    SourceLost,
    /// An operator stopped it.
    Paused,
    /// It is configured no more, and takes back what it gave.
    Withdrawing,
}

impl LinkState {
    /// The state as commands name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Syncing => "syncing",
            Self::InStep => "in step",
            Self::Held => "held",
            Self::SourceLost => "source lost",
            Self::Paused => "paused",
            Self::Withdrawing => "withdrawing",
        }
    }
}

/// How one link is doing.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// Which one.
    pub link: LinkName,
    /// Where it reads.
    pub from: EndpointName,
    /// Where it writes.
    pub to: EndpointName,
    /// What it is doing.
    pub state: LinkState,
    /// Whether it is configured no more.
    pub retired: bool,
    /// With whose eyes its source is read.
    pub truth: Option<Truth>,
    /// How long ago its source was last read whole.
    pub complete_ago: Option<Duration>,
    /// The same, also where that was before the start: what its target is given
    /// is no older.
    pub last_known_ago: Option<Duration>,
    /// What its target said of itself.
    pub target: Option<TargetReport>,
    /// Services that it gives its target.
    pub services: usize,
    /// Instances that it gives its target.
    pub instances: usize,
    /// Services with a plan or a write under way or waiting.
    pub pending: usize,
    /// Instances that are not copied because a native stands there.
    pub shadowed: usize,
    /// How all of it stands aside, where it does: an operator evacuated it, or
    /// its source stays lost.
    pub aside: Option<Aside>,
    /// What the guard holds.
    pub holds: Vec<HoldStatus>,
    /// Writes that fail, instances that are left out.
    pub problems: Vec<Problem>,
}

/// One hold of the guard.
#[derive(Clone, Debug)]
pub struct HoldStatus {
    /// The hold.
    pub hold: Hold,
    /// How long it has been held.
    pub held_for: Duration,
}

/// Something that an operator should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Which service.
    pub service: ServiceKey,
    /// Which instance, where it is about one.
    pub instance: Option<InstanceKey>,
    /// What is wrong.
    pub what: String,
}

/// How many problems of one endpoint or link are told; the rest is counted by
/// whoever fixes the first ones.
const PROBLEMS_TOLD: usize = 100;

impl Core {
    /// Everything at a glance, as of now.
    pub fn status(&self, now: Moment) -> Status {
        Status {
            endpoints: self
                .readers
                .iter()
                .map(|(name, reader)| endpoint_status(name, reader, now))
                .collect(),
            links: self
                .links
                .values()
                .filter(|link| !link.has_withdrawn())
                .map(|link| self.link_status(link, now))
                .collect(),
            peers: self.peer_status(now),
            evacuated: self.evacuated.iter().cloned().collect(),
        }
    }

    /// How long ago what each link gives its target was last known to be true;
    /// `None` while its source is heard, and where it was never known.
    pub fn ages(&self, now: Moment) -> Vec<(LinkName, Option<Duration>)> {
        let age = |link: &Link| {
            let source = &self.readers[&link.rules.from];
            let is_heard = source.complete_at.is_some() && !is_lost(source);
            let known = source.last_complete().filter(|_| !is_heard);
            known.map(|at| now.since(at))
        };
        let links = self.links.values();
        links
            .map(|link| (link.rules.name.clone(), age(link)))
            .collect()
    }

    fn link_status(&self, link: &Link, now: Moment) -> LinkStatus {
        let rules = &link.rules;
        let source = &self.readers[&rules.from];
        let dirty = self
            .dirty
            .range((rules.name.clone(), first_service())..)
            .take_while(|(name, _)| *name == rules.name)
            .count();
        let pending = dirty + link.pending();
        let holds = link.holds(now);
        LinkStatus {
            link: rules.name.clone(),
            from: rules.from.clone(),
            to: rules.to.clone(),
            state: state(link, source, pending, &holds),
            retired: rules.retired,
            truth: link.truth,
            complete_ago: source.complete_at.map(|at| now.since(at)),
            last_known_ago: source.last_complete().map(|at| now.since(at)),
            target: link.report.clone(),
            services: link.services().filter(|(_, s)| !s.held.is_empty()).count(),
            instances: link.services().map(|(_, s)| s.held.len()).sum(),
            pending,
            shadowed: link.services().map(|(_, s)| s.shadowed.len()).sum(),
            aside: self.asides(link).whole(),
            holds,
            problems: link
                .services()
                .flat_map(|(service, state)| state.problems(service))
                .take(PROBLEMS_TOLD)
                .collect(),
        }
    }
}

fn state(link: &Link, source: &Reader, pending: usize, holds: &[HoldStatus]) -> LinkState {
    if link.paused {
        LinkState::Paused
    } else if is_lost(source) {
        LinkState::SourceLost
    } else if link.report.is_none() || !link.settled {
        LinkState::Starting
    } else if !holds.is_empty() && (pending == 0 || link.rules.retired) {
        LinkState::Held
    } else if link.rules.retired {
        LinkState::Withdrawing
    } else if pending > 0 || link.is_looking() {
        LinkState::Syncing
    } else {
        LinkState::InStep
    }
}

fn is_lost(source: &Reader) -> bool {
    source.down.is_some() || source.failing().is_some()
}

fn endpoint_status(name: &EndpointName, reader: &Reader, now: Moment) -> EndpointStatus {
    let mut problems = Vec::new();
    let mut instances = 0;
    for (service, known) in reader.services() {
        instances += known.last.len();
        let doubt = known.view.doubt().map(|why| why.to_string());
        let rejected = known
            .rejected
            .iter()
            .map(|rejected| format!("{}: {}", rejected.what, rejected.why));
        problems.extend(doubt.into_iter().chain(rejected).map(|what| Problem {
            service: service.clone(),
            instance: None,
            what,
        }));
    }
    problems.truncate(PROBLEMS_TOLD);
    EndpointStatus {
        endpoint: name.clone(),
        down: reader.down.clone(),
        learns: reader.learns.clone(),
        areas: reader.areas.clone(),
        complete_ago: reader.complete_at.map(|at| now.since(at)),
        last_known_ago: reader.last_complete().map(|at| now.since(at)),
        services: reader.services().count(),
        instances,
        problems,
    }
}

/// A key that sorts before every service.
fn first_service() -> ServiceKey {
    ServiceKey::new("", "", "")
}
