//! What an evacuation concerns, told before it is one and while it is.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::{EndpointName, InstanceKey, LinkName, ServiceKey};

use super::Core;
use super::aside::{Asides, Evacuation};
use super::link::Link;

/// What an evacuation concerns, as of now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvacuationPreview {
    /// What is, or would be, taken out of use.
    pub what: Evacuation,
    /// Whether it is out of use.
    pub evacuated: bool,
    /// The links with copies that it concerns, in order.
    pub links: Vec<EvacuatedLink>,
    /// The names that there are of the kind, in order.
    pub known: Vec<String>,
}

/// What an evacuation concerns of one link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvacuatedLink {
    /// Which link.
    pub link: LinkName,
    /// Where it reads.
    pub from: EndpointName,
    /// Where it writes, and where the copies stand.
    pub to: EndpointName,
    /// How many services have such copies.
    pub services: usize,
    /// How many copies there are.
    pub instances: usize,
    /// Services that have nothing in use at the target besides these copies.
    pub emptied: Vec<ServiceKey>,
    /// Whether the target stays as an earlier run left it until the source has
    /// been listed: it takes whole lists, and none is known for certain yet.
    pub deferred: bool,
}

impl EvacuationPreview {
    /// Whether what is named exists, so that it can be evacuated or restored.
    pub fn is_known(&self) -> bool {
        let name = self.what.name();
        self.evacuated || !self.links.is_empty() || self.known.iter().any(|known| known == name)
    }
}

/// The copies that an evacuation concerns, by where they stand.
type Copies<'a> = BTreeMap<(&'a EndpointName, &'a ServiceKey), BTreeSet<&'a InstanceKey>>;

impl Core {
    /// What an evacuation concerns. It is asked of what the targets were given,
    /// so that no source is needed.
    pub fn evacuation(&self, what: &Evacuation) -> EvacuationPreview {
        let mut copies = Copies::new();
        for link in self.links.values() {
            let asides = Asides::none(link).with(what);
            for (service, state) in link.services() {
                let held = state.held.instances().iter();
                let mut concerned = held.filter(|copy| asides.of(service, copy).is_some());
                if let Some(first) = concerned.next() {
                    let place = copies.entry((&link.rules.to, service)).or_default();
                    place.extend(
                        std::iter::once(first)
                            .chain(concerned)
                            .map(|copy| &copy.key),
                    );
                }
            }
        }
        EvacuationPreview {
            what: what.clone(),
            evacuated: self.evacuated.contains(what),
            links: self
                .links
                .values()
                .filter_map(|link| self.evacuated_link(link, &copies))
                .collect(),
            known: self.known_of(what),
        }
    }

    fn evacuated_link(&self, link: &Link, copies: &Copies<'_>) -> Option<EvacuatedLink> {
        let to = &link.rules.to;
        let mut told = EvacuatedLink {
            link: link.rules.name.clone(),
            from: link.rules.from.clone(),
            to: to.clone(),
            services: 0,
            instances: 0,
            emptied: Vec::new(),
            deferred: link.writes_lists() && !link.settled,
        };
        for (service, state) in link.services() {
            let Some(concerned) = copies.get(&(to, service)) else {
                continue;
            };
            let held = state.held.instances().iter();
            let count = held.filter(|copy| concerned.contains(&copy.key)).count();
            told.services += usize::from(count > 0);
            told.instances += count;
            let looked = self.readers.get(to).and_then(|reader| reader.get(service));
            let there = looked.map_or(&state.held, |known| &known.last);
            let others = there.instances().iter();
            let mut others = others.filter(|other| !concerned.contains(&other.key));
            if count > 0 && !others.any(|other| other.in_use()) {
                told.emptied.push(service.clone());
            }
        }
        (told.instances > 0).then_some(told)
    }

    /// The names of what could be evacuated besides.
    fn known_of(&self, what: &Evacuation) -> Vec<String> {
        let links = self.links.values();
        let names: BTreeSet<&str> = match what {
            Evacuation::Link(_) => self.links.keys().map(LinkName::as_str).collect(),
            Evacuation::Origin(_) => links.map(|link| link.rules.from.as_str()).collect(),
            Evacuation::Cluster(_) => links
                .flat_map(Link::services)
                .flat_map(|(_, state)| state.held.instances())
                .map(|copy| copy.key.cluster.as_str())
                .collect(),
        };
        names.into_iter().map(str::to_owned).collect()
    }
}
