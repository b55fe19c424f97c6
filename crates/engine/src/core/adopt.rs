//! What a link may take over of what already stands at its target, and taking
//! it over.

use std::sync::Arc;

use syncline_contract::Hold;
use syncline_model::adoption::{Obstacle, Publisher, Wish, may_adopt};
use syncline_model::{
    EndpointName, Instance, InstanceKey, LinkName, MARK_KEY, ServiceKey, ServiceSet,
};

use super::link::Link;
use super::reader::Reader;
use super::service::LinkService;
use super::{Core, Effect, Happening, Line, Persist};

/// What one link could take over.
#[derive(Clone, Debug)]
pub struct LinkAdoption {
    /// Which link.
    pub link: LinkName,
    /// Where it reads.
    pub from: EndpointName,
    /// Where it writes.
    pub to: EndpointName,
    /// Whether something is being read right now.
    pub reading: bool,
    /// What stands at the target and is not ours, and belongs to the link or
    /// bears the mark of a copy, in the order of services and addresses.
    pub candidates: Vec<Candidate>,
}

/// Something that stands at a target and could be taken over.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// The service at the target.
    pub service: ServiceKey,
    /// What stands there.
    pub instance: Instance,
    /// Who put it there.
    pub by: Publisher,
    /// Why it is not taken over, where it is not.
    pub obstacle: Option<Obstacle>,
}

/// What an operator takes over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adoption {
    /// By which link.
    pub link: LinkName,
    /// How far the wish goes.
    pub wish: Wish,
    /// Which instances; those that may not be taken over any more are left.
    pub instances: Vec<(ServiceKey, InstanceKey)>,
}

impl Core {
    /// What every link could take over, as far as both sides have been read.
    pub fn adoptions(&self, wish: Wish) -> Vec<LinkAdoption> {
        let links = self.links.values();
        let links = links.filter(|link| link.rules.target_is_read && !link.rules.retired);
        links.map(|link| self.adoptions_of(link, wish)).collect()
    }

    fn adoptions_of(&self, link: &Link, wish: Wish) -> LinkAdoption {
        let (source, target) = (
            &self.readers[&link.rules.from],
            &self.readers[&link.rules.to],
        );
        let services = target.services().flat_map(|(service, known)| {
            let shown = known.last.instances().iter();
            let others = shown.filter(move |shown| !self.is_ours(link, service, shown));
            others.filter_map(move |shown| self.candidate(link, (service, shown), wish))
        });
        LinkAdoption {
            link: link.rules.name.clone(),
            from: link.rules.from.clone(),
            to: link.rules.to.clone(),
            reading: !(source.is_quiet() && target.is_quiet()),
            candidates: services.collect(),
        }
    }

    /// Whether one of our links gave the target what stands there, by the
    /// ledger or by its mark.
    fn is_ours(&self, link: &Link, service: &ServiceKey, shown: &Instance) -> bool {
        shown.metadata.get(MARK_KEY).is_some()
            || self.is_claimed(&link.rules.to, service, shown)
            || link.took_over(service, shown)
    }

    /// What stands at a target, if it belongs to the link or bears the mark of a
    /// copy.
    fn candidate(
        &self,
        link: &Link,
        (service, shown): (&ServiceKey, &Instance),
        wish: Wish,
    ) -> Option<Candidate> {
        let by = Publisher::of(shown);
        let state = link.service(service);
        let desired = state.and_then(|state| self.last_desired(link, state));
        let wanted = desired.as_ref().and_then(|set| {
            let mut there = set.instances().iter();
            there.find(|wanted| wanted.key.same_address(&shown.key))
        });
        if wanted.is_none() && (by == Publisher::Unknown || !may_come_from(link, service)) {
            return None;
        }
        let persistent = link.report.as_ref().map(|report| report.hold) == Some(Hold::Persistent);
        let source = &self.readers[&link.rules.from];
        let obstacle = match state {
            _ if !knows(source, state) => Some(Obstacle::Unread),
            Some(state) if state.writing.is_some() => Some(Obstacle::Busy),
            _ => may_adopt(shown, wanted, persistent, wish).err(),
        };
        Some(Candidate {
            service: service.clone(),
            instance: shown.clone(),
            by,
            obstacle,
        })
    }

    /// An operator takes over what stands at a link's target.
    pub(super) fn adopt(&mut self, adoption: &Adoption) {
        let Some(link) = self.links.get(&adoption.link) else {
            return;
        };
        let wished = |candidate: &Candidate| {
            let mut instances = adoption.instances.iter();
            instances.any(|(service, key)| {
                *service == candidate.service && *key == candidate.instance.key
            })
        };
        let found = self.adoptions_of(link, adoption.wish).candidates;
        let adopted = found
            .into_iter()
            .filter(|candidate| candidate.obstacle.is_none() && wished(candidate));
        for candidate in adopted.collect::<Vec<_>>() {
            self.adopt_one(&adoption.link, candidate);
        }
    }

    fn adopt_one(&mut self, name: &LinkName, candidate: Candidate) {
        let Candidate {
            service,
            instance,
            by,
            ..
        } = candidate;
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let Some(held) = link.adopt(&service, instance.clone()) else {
            return;
        };
        let target = link.rules.to.clone();
        // A restart before the next write must not take it for a native again.
        self.effects.push(Effect::Persist(Persist::Intend {
            link: name.clone(),
            target: target.clone(),
            service: service.clone(),
            accepted: held,
            going: Vec::new(),
            before_write: false,
        }));
        let detail = match by {
            Publisher::NacosSync => "left by nacos-sync",
            Publisher::Unknown => "registered by nobody that we know",
        };
        let mut line = Line::new(name, Happening::Adopted, detail).about(&service);
        line.endpoint = Some(target);
        line.instance = Some(instance.key);
        line.rule = Some("syncline adopt".to_owned());
        self.effects.push(Effect::Tell(Box::new(line)));
        self.due(name.clone(), service);
    }
}

impl Link {
    /// Whether an instance is one that this link took over and that its former
    /// publisher still keeps beside ours.
    pub(super) fn took_over(&self, service: &ServiceKey, shown: &Instance) -> bool {
        let state = self.service(service);
        let taken = state.is_some_and(|state| state.taken_over.contains(&shown.key));
        taken && Publisher::of(shown) != Publisher::Unknown
    }

    /// Takes an instance that stands at the target for given by this link; what
    /// it has given of the service then. It is written again, since nobody but
    /// its former publisher keeps it there.
    fn adopt(&mut self, service: &ServiceKey, instance: Instance) -> Option<Arc<ServiceSet>> {
        let state = self.service_mut(service)?;
        let held = state.held.instances().iter().cloned();
        let held = Arc::new(ServiceSet::new(held.chain([instance.clone()]).collect()));
        state.taken_over.insert(instance.key.clone());
        state.taking_over.push(instance);
        self.hold_unseen(service, Arc::clone(&held));
        Some(held)
    }
}

/// What a link had taken over and not written as its own when it died: the
/// ledger has it as it stood, with another's mark and none of ours.
pub(super) fn left_by_others(given: &ServiceSet, going: &[Instance], marks: bool) -> Vec<Instance> {
    let is_left = |instance: &&Instance| {
        marks
            && instance.metadata.get(MARK_KEY).is_none()
            && Publisher::of(instance) != Publisher::Unknown
    };
    let all = given.instances().iter().chain(going);
    all.filter(is_left).cloned().collect()
}

/// Whether the source was seen in this run, so that what it shows counts.
fn knows(source: &Reader, state: Option<&LinkService>) -> bool {
    source.listed() && state.is_none_or(|state| state.from.iter().all(|from| source.is_warm(from)))
}

/// Whether a link could have written a service of its target; under a mapping
/// nobody knows where it would have come from.
fn may_come_from(link: &Link, service: &ServiceKey) -> bool {
    let rules = &link.rules.rules;
    rules.mapping.is_identity() && rules.scope.selects(service)
}
