//! Copies that take no traffic, or less of it, whatever their source says: an
//! operator evacuated them, or their source has been lost for longer than the
//! link is configured to bear.
//!
//! Both are decisions that were made before, so the guard is not asked; and
//! nothing is ever removed by them. They work while the source is down, from
//! what the target was given.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use syncline_contract::Observation;
use syncline_model::ownership::Hop;
use syncline_model::plan::UnavailableAs;
use syncline_model::{
    ClusterName, EndpointName, Instance, LinkName, Moment, Seen, ServiceKey, View, Weight,
};

use super::link::Link;
use super::service::LinkService;
use super::timers::Timer;
use super::{Core, Effect, Happening, Line, Persist};

/// The weight of what others are preferred to: a hundredth of the default, and
/// the least that Nacos takes for more than nothing.
const LAST_WEIGHT: f64 = 0.01;

/// Copies that an operator takes out of use at their targets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Evacuation {
    /// All that a link gives its target.
    Link(LinkName),
    /// All that was first registered at a registry.
    Origin(EndpointName),
    /// All that stands in a cluster at its target.
    Cluster(ClusterName),
}

impl Evacuation {
    /// The name of the link, the registry or the cluster.
    pub fn name(&self) -> &str {
        match self {
            Self::Link(name) => name.as_str(),
            Self::Origin(name) => name.as_str(),
            Self::Cluster(name) => name.as_str(),
        }
    }
}

/// `link:NAME`, `origin:NAME` or `cluster:NAME`.
impl fmt::Display for Evacuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(name) => write!(f, "link:{name}"),
            Self::Origin(name) => write!(f, "origin:{name}"),
            Self::Cluster(name) => write!(f, "cluster:{name}"),
        }
    }
}

/// Text that names nothing to evacuate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` names nothing to evacuate; expected link:NAME, origin:NAME or cluster:NAME")]
pub struct NotAnEvacuation(String);

impl FromStr for Evacuation {
    type Err = NotAnEvacuation;

    fn from_str(text: &str) -> Result<Self, NotAnEvacuation> {
        let bad = || NotAnEvacuation(text.to_owned());
        let (kind, name) = text.split_once(':').ok_or_else(bad)?;
        match kind {
            _ if name.is_empty() => Err(bad()),
            "link" => Ok(Self::Link(name.into())),
            "origin" => Ok(Self::Origin(name.into())),
            "cluster" => Ok(Self::Cluster(name.into())),
            _ => Err(bad()),
        }
    }
}

/// What happens to a link's copies while its source stays lost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum SourceLost {
    /// They stay as they are.
    #[default]
    Keep,
    /// Their weight falls to the least there is, so that others are preferred.
    Deprioritize {
        /// How long the source has to be silent first.
        after: Duration,
    },
    /// They take no traffic.
    MarkUnavailable {
        /// How long the source has to be silent first.
        after: Duration,
    },
}

impl SourceLost {
    fn after(self) -> Option<Duration> {
        match self {
            Self::Keep => None,
            Self::Deprioritize { after } | Self::MarkUnavailable { after } => Some(after),
        }
    }

    /// The setting that says so.
    fn setting(self) -> Option<String> {
        let (policy, after) = match self {
            Self::Keep => return None,
            Self::Deprioritize { after } => ("deprioritize", after),
            Self::MarkUnavailable { after } => ("mark-unavailable", after),
        };
        Some(format!("source_lost: {policy} after {after:?}"))
    }

    fn means(self) -> Option<Aside> {
        match self {
            Self::Keep => None,
            Self::Deprioritize { .. } => Some(Aside::Last),
            Self::MarkUnavailable { .. } => Some(Aside::OutOfUse),
        }
    }
}

/// How a copy stands aside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Aside {
    /// Others are preferred.
    Last,
    /// It takes no traffic.
    OutOfUse,
}

impl Aside {
    /// The same in a few words, for status lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "at the least weight",
            Self::OutOfUse => "out of use",
        }
    }

    fn of(self, instance: &Instance, unavailable: UnavailableAs) -> Instance {
        let mut aside = instance.clone();
        match self {
            Self::Last => {
                let least = Weight::new(LAST_WEIGHT).unwrap_or(Weight::ZERO);
                if aside.weight.get() > least.get() {
                    aside.weight = least;
                }
            }
            Self::OutOfUse => {
                aside.weight = Weight::ZERO;
                if unavailable == UnavailableAs::WeightAndHealth {
                    aside.healthy = Seen::Known(false);
                }
            }
        }
        aside
    }
}

/// What of one link stands aside.
pub(super) struct Asides<'a> {
    link: &'a Link,
    /// All of it.
    whole: Option<Aside>,
    /// Who said so of all of it, where that was an operator.
    evacuated: Option<&'a Evacuation>,
    clusters: Vec<&'a ClusterName>,
    origins: Vec<(Hop, &'a EndpointName)>,
}

impl<'a> Asides<'a> {
    /// Nothing does yet.
    pub(super) fn none(link: &'a Link) -> Self {
        Self {
            link,
            whole: None,
            evacuated: None,
            clusters: Vec::new(),
            origins: Vec::new(),
        }
    }

    /// Besides what did so far, what an evacuation concerns.
    pub(super) fn with(mut self, evacuation: &'a Evacuation) -> Self {
        let rules = &self.link.rules;
        match evacuation {
            Evacuation::Link(name) if *name == rules.name => self.out_of_use(evacuation),
            Evacuation::Origin(name) if *name == rules.from => self.out_of_use(evacuation),
            Evacuation::Origin(name) => {
                let marking = rules.rules.marking.as_ref();
                let hop = marking.map(|marking| marking.signer.hop(name));
                self.origins.extend(hop.map(|hop| (hop, name)));
            }
            Evacuation::Cluster(name) => self.clusters.push(name),
            Evacuation::Link(_) => {}
        }
        self
    }

    fn out_of_use(&mut self, evacuation: &'a Evacuation) {
        self.whole = Some(Aside::OutOfUse);
        self.evacuated = Some(evacuation);
    }
}

impl Asides<'_> {
    /// Whether nothing does.
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_none() && self.clusters.is_empty() && self.origins.is_empty()
    }

    /// How all of the link stands aside, if it does.
    pub(super) fn whole(&self) -> Option<Aside> {
        self.whole
    }

    /// What a copy is given as, where it stands aside.
    pub(super) fn of(&self, service: &ServiceKey, copy: &Instance) -> Option<Instance> {
        let evacuated =
            self.clusters.contains(&&copy.key.cluster) || self.origin_of(service, copy).is_some();
        let aside = match evacuated {
            true => Some(Aside::OutOfUse),
            false => self.whole,
        };
        aside.map(|aside| aside.of(copy, self.link.unavailable()))
    }

    /// Why a copy is given as it is, where that is because it stands aside.
    pub(super) fn rule(&self, service: &ServiceKey, given: &Instance) -> Option<String> {
        if self.of(service, given).as_ref() != Some(given) {
            return None;
        }
        let cluster = &given.key.cluster;
        let evacuated = |what: String| Some(format!("evacuated: {what}"));
        match (self.evacuated, self.origin_of(service, given)) {
            (Some(whole), _) => evacuated(whole.to_string()),
            (None, Some(origin)) => evacuated(format!("origin:{origin}")),
            (None, None) if self.clusters.contains(&cluster) => {
                evacuated(format!("cluster:{cluster}"))
            }
            (None, None) => self.link.rules.source_lost.setting(),
        }
    }

    /// The evacuated registry that a copy was first registered in.
    fn origin_of(&self, service: &ServiceKey, copy: &Instance) -> Option<&EndpointName> {
        if self.origins.is_empty() {
            return None;
        }
        let marking = self.link.rules.rules.marking.as_ref();
        let path = marking.and_then(|marking| marking.path_of(service, copy))?;
        let mut origins = self.origins.iter();
        let origin = origins.find(|(hop, _)| hop == path.origin());
        origin.map(|(_, name)| *name)
    }
}

impl Core {
    /// What of a link stands aside now.
    pub(super) fn asides<'a>(&'a self, link: &'a Link) -> Asides<'a> {
        let lost = Asides {
            whole: link.lost.then(|| link.rules.source_lost.means()).flatten(),
            ..Asides::none(link)
        };
        self.evacuated.iter().fold(lost, Asides::with)
    }

    /// An operator takes copies out of use, or ends that.
    pub(super) fn evacuate(&mut self, what: Evacuation, on: bool) {
        let changed = match on {
            true => self.evacuated.insert(what.clone()),
            false => self.evacuated.remove(&what),
        };
        if !changed {
            return;
        }
        if self.started {
            self.effects.push(Effect::Persist(Persist::Evacuated {
                what: self.evacuated.iter().cloned().collect(),
            }));
        }
        let happening = match on {
            true => Happening::Evacuated,
            false => Happening::Restored,
        };
        let concerns = |link: &Link| match &what {
            Evacuation::Link(name) => *name == link.rules.name,
            Evacuation::Origin(_) | Evacuation::Cluster(_) => true,
        };
        let links = self.links.values_mut().filter(|link| concerns(link));
        let names: Vec<LinkName> = links
            .map(|link| {
                link.from_memory = true;
                link.rules.name.clone()
            })
            .collect();
        for name in names {
            if self.started {
                let line = Line::new(&name, happening, what.to_string());
                self.effects.push(Effect::Tell(Box::new(line)));
            }
            self.mark_all_due(&name);
        }
    }

    /// All services of a link are planned again, also where it waits for a
    /// trigger.
    fn mark_all_due(&mut self, name: &LinkName) {
        if let Some(link) = self.links.get_mut(name) {
            link.all_due();
        }
        self.mark_all_dirty(name);
    }

    /// Takes a sign of life of a registry, or the lack of one, from what a watch
    /// saw of it.
    pub(super) fn note_life(&mut self, now: Moment, endpoint: &EndpointName, seen: &Observation) {
        match seen {
            Observation::Up | Observation::Content { .. } => self.source_heard(endpoint),
            Observation::Down(_) => self.source_silent(now, endpoint),
            Observation::Look(_) | Observation::LookAtAll | Observation::Learns(_) => {}
        }
    }

    /// A registry gives no sign of life.
    pub(super) fn source_silent(&mut self, now: Moment, endpoint: &EndpointName) {
        let Some(reader) = self.readers.get_mut(endpoint) else {
            return;
        };
        if reader.silent_since.is_some() {
            return;
        }
        reader.silent_since = Some(now);
        for link in self.links.values().filter(|l| l.rules.from == *endpoint) {
            if let Some(after) = link.rules.source_lost.after() {
                let timer = Timer::SourceLost(link.rules.name.clone());
                self.timers.set(timer, now + after);
            }
        }
    }

    /// A registry gave a sign of life.
    pub(super) fn source_heard(&mut self, endpoint: &EndpointName) {
        let Some(reader) = self.readers.get_mut(endpoint) else {
            return;
        };
        if reader.silent_since.take().is_some() {
            for link in self.links.values().filter(|l| l.rules.from == *endpoint) {
                let timer = Timer::SourceLost(link.rules.name.clone());
                self.timers.clear(&timer);
            }
        }
    }

    /// A source has been silent for as long as the link bears.
    pub(super) fn source_stays_lost(&mut self, name: &LinkName) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let (Some(after), Some(aside)) = (
            link.rules.source_lost.after(),
            link.rules.source_lost.means(),
        ) else {
            return;
        };
        link.lost = true;
        link.from_memory = true;
        let from = link.rules.from.clone();
        let detail = format!(
            "silent for {} s: its copies are {}",
            after.as_secs(),
            aside.as_str()
        );
        let mut line = Line::new(name, Happening::SourceLost, detail);
        line.endpoint = Some(from);
        self.effects.push(Effect::Tell(Box::new(line)));
        self.mark_all_due(name);
    }

    /// The source of a link was read again: its copies are what it says.
    pub(super) fn source_is_back(&mut self, name: &LinkName) {
        let back = |link: &mut Link| std::mem::take(&mut link.lost);
        if self.links.get_mut(name).is_some_and(back) {
            self.mark_all_due(name);
        }
    }

    /// What a link gave its target, with what the source said of it last:
    /// whatever stands aside, or does not any more, is written from this while
    /// the source cannot be read. Nothing comes or goes by it.
    pub(super) fn remembered_view(
        &self,
        link: &Link,
        state: &LinkService,
        service: &ServiceKey,
    ) -> Option<View> {
        if !link.from_memory || state.held.is_empty() {
            return None;
        }
        let remembered = self.last_desired(link, state);
        let identity = link.identity();
        let said = |held: &Instance| {
            let said = remembered
                .iter()
                .flat_map(|set| set.matching(&held.key, identity));
            said.into_iter().next().unwrap_or(held).clone()
        };
        let held = state.held.instances().iter().map(said).collect();
        let why = format!("{service} was not read since the start");
        Some(View::Partial(
            std::sync::Arc::new(syncline_model::ServiceSet::new(held)),
            why.into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evacuation_is_written_as_it_is_read() {
        for text in ["link:hz-to-sh", "origin:hangzhou", "cluster:a:b"] {
            let parsed: Evacuation = text.parse().expect("names one");
            assert_eq!(parsed.to_string(), text);
        }
        for bad in ["", "hz-to-sh", "link:", "service:x"] {
            assert!(bad.parse::<Evacuation>().is_err(), "{bad}");
        }
    }
}
