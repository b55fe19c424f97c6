//! That nothing goes back to what was said before (O3): what an application said
//! last of itself is never followed, at a target, by what it said earlier, unless
//! the core was told the earlier one later. Who is shown the past cannot know
//! better.

use std::collections::BTreeMap;

use syncline_model::{Instance, InstanceKey, LinkName, Moment, ServiceKey, ServiceSet};

/// Applications number what they say of themselves.
type Revision = u64;

/// An instance of a registry.
type Place = (usize, ServiceKey, InstanceKey);

/// What was told and what landed, by its revision.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// When the core was told what, first and last.
    told: BTreeMap<Place, BTreeMap<Revision, (Moment, Moment)>>,
    /// The highest revision that a link's target has.
    landed: BTreeMap<(LinkName, ServiceKey, InstanceKey), Revision>,
}

impl Order {
    /// The core is shown what a registry has of a service.
    pub(crate) fn told(
        &mut self,
        endpoint: usize,
        service: &ServiceKey,
        set: &ServiceSet,
        now: Moment,
    ) {
        for instance in set.instances() {
            let Some(revision) = revision(instance) else {
                continue;
            };
            let place = (endpoint, service.clone(), instance.key.clone());
            let told = self.told.entry(place).or_default();
            let told = told.entry(revision).or_insert((now, now));
            told.1 = now;
        }
    }

    /// What is on disk of these links is older than what was written, and the process
    /// died.
    pub(crate) fn forget(&mut self, of: impl Fn(&LinkName) -> bool) {
        self.landed.retain(|(link, _, _), _| !of(link));
    }

    /// A write of what stands natively at the link's source landed; what is wrong
    /// with it.
    pub(crate) fn lands(
        &mut self,
        (link, source): (&LinkName, usize),
        service: &ServiceKey,
        instance: &Instance,
    ) -> Option<String> {
        let revision = revision(instance)?;
        let landed = (link.clone(), service.clone(), instance.key.clone());
        let before = *self.landed.get(&landed).unwrap_or(&revision);
        self.landed.insert(landed, revision);
        if revision >= before || self.was_told_later((source, service, instance), before) {
            return None;
        }
        let (key, service) = (&instance.key, &service.name);
        Some(format!(
            "{link} puts {key} of {service} back from revision {before} to {revision}"
        ))
    }

    /// Whether the core was told a revision after it was told a later one.
    fn was_told_later(
        &self,
        (source, service, instance): (usize, &ServiceKey, &Instance),
        later: Revision,
    ) -> bool {
        let place = (source, service.clone(), instance.key.clone());
        let Some(told) = self.told.get(&place) else {
            return false;
        };
        let this = revision(instance).and_then(|revision| told.get(&revision));
        match (this, told.get(&later)) {
            (Some((_, last)), Some((first, _))) => last >= first,
            _ => false,
        }
    }
}

fn revision(instance: &Instance) -> Option<Revision> {
    instance.metadata.get("rev")?.parse().ok()
}
