//! The oracle of removals: what the core was told, apart from the core.
//!
//! A copy may go when a complete read that began after the last look which
//! showed the instance does not show it, or shows it outside of the link's
//! scope, or when an application stands in its place.

use std::collections::{BTreeMap, BTreeSet};

use syncline_contract::Coverage;
use syncline_model::{EndpointName, Instance, InstanceKey, LinkName, ServiceKey};

use super::setup::LinkSetup;

/// What stands where, by key and the link that wrote it.
pub(crate) type Sight = BTreeMap<(InstanceKey, Option<LinkName>), Instance>;
type Place = (EndpointName, ServiceKey);

/// What the core was told of all services since it was started.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What no read has denied since it was shown last.
    present: BTreeMap<Place, Sight>,
    /// What was shown since a read began that has not ended.
    reading: BTreeMap<Place, Sight>,
    /// Services of which a complete read has ended.
    read: BTreeSet<Place>,
    /// Registries that were listed whole.
    whole: BTreeSet<EndpointName>,
}

impl Told {
    pub(crate) fn read_begins(&mut self, endpoint: &EndpointName, service: &ServiceKey) {
        let place = (endpoint.clone(), service.clone());
        self.reading.insert(place, Sight::new());
    }

    /// A list or a push showed these.
    pub(crate) fn look(&mut self, endpoint: &EndpointName, service: &ServiceKey, sight: &Sight) {
        let place = (endpoint.clone(), service.clone());
        if let Some(reading) = self.reading.get_mut(&place) {
            reading.clone_from(sight);
        }
        self.present.entry(place).or_default().extend(sight.clone());
    }

    /// A read showed these.
    pub(crate) fn read_ends(
        &mut self,
        endpoint: &EndpointName,
        service: &ServiceKey,
        (sight, complete): (&Sight, bool),
    ) {
        let place = (endpoint.clone(), service.clone());
        let meanwhile = self.reading.remove(&place).unwrap_or_default();
        let present = self.present.entry(place.clone()).or_default();
        if complete {
            *present = meanwhile;
            self.read.insert(place);
        }
        present.extend(sight.clone());
    }

    pub(crate) fn list_ends<'a>(
        &mut self,
        endpoint: &EndpointName,
        coverages: impl IntoIterator<Item = &'a Coverage>,
    ) {
        let mut coverages = coverages.into_iter();
        if coverages.all(|coverage| matches!(coverage, Coverage::Complete(_))) {
            self.whole.insert(endpoint.clone());
        }
    }

    /// Whether it was proved that the link's source does not have the instance
    /// any more, or only what the link does not carry: a copy of what the target
    /// itself has, or what is outside of its scope.
    pub(crate) fn is_gone(
        &self,
        link: &LinkSetup,
        service: &ServiceKey,
        key: &InstanceKey,
    ) -> bool {
        let place = (link.from.clone(), service.clone());
        let looked = self.read.contains(&place) || self.whole.contains(&link.from);
        let back = format!("{}-{}", link.to, link.from);
        let carried = |((shown, by), instance): (&(InstanceKey, Option<LinkName>), &Instance)| {
            shown == key
                && by.as_ref().is_none_or(|by| by.as_str() != back)
                && link.scope.admits(service, instance).unwrap_or(true)
        };
        let mut sight = self.present.get(&place).into_iter().flatten();
        looked && !sight.any(carried)
    }
}
