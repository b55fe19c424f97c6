//! How old is what links publish, where it only stands because it was known
//! before.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::RwLock;
use syncline_model::{LinkName, ServiceKey};

use crate::moment::Moment;
use crate::registry::{Origin, Registry};

/// When links whose source is away last knew what they publish.
#[derive(Default)]
pub(crate) struct Ages(RwLock<BTreeMap<LinkName, Moment>>);

impl Registry {
    /// Tells how long ago what a link publishes was last known to be true;
    /// `None` while its source tells of changes. HTTP lists of its services say
    /// so in a header.
    pub fn tell_age(&self, link: &LinkName, known_ago: Option<Duration>) {
        let mut ages = self.inner.ages.0.write();
        match known_ago {
            Some(ago) => drop(ages.insert(link.clone(), self.inner.clock.now().before(ago))),
            None => drop(ages.remove(link)),
        }
    }

    /// How long ago all of what links publish of a service was known to be true;
    /// `None` where it is up to date.
    pub(crate) fn age_of(&self, service: &ServiceKey) -> Option<Duration> {
        if self.inner.ages.0.read().is_empty() {
            return None;
        }
        let publications = self.publications(service);
        let ages = self.inner.ages.0.read();
        let known = publications.iter().filter_map(|(origin, _)| match origin {
            Origin::Link(link) => ages.get(link).copied(),
            _ => None,
        });
        Some(self.inner.clock.now().since(known.min()?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use syncline_model::{Instance, Port, ServiceSet};

    use super::*;
    use crate::settings::Settings;

    #[tokio::test(start_paused = true)]
    async fn what_a_link_with_its_source_away_publishes_ages_and_nothing_else_does() {
        let registry = Registry::new(Settings::default());
        let orders = |name| ServiceKey::new("public", "DEFAULT_GROUP", name);
        let port = Port::new(80).expect("not zero");
        let set = Arc::new(ServiceSet::new(vec![Instance::new("10.0.0.1", port)]));
        let (away, heard) = ("away".into(), "heard".into());
        let links = [registry.link_client(&away), registry.link_client(&heard)];
        for (link, service) in links.iter().zip(["old", "new"]) {
            link.publish(&orders(service), set.clone());
            link.publish(&orders("both"), set.clone());
        }
        registry.tell_age(&away, Some(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(5)).await;
        let age = Some(Duration::from_secs(65));
        for (service, age) in [("old", age), ("both", age), ("new", None), ("none", None)] {
            assert_eq!(registry.age_of(&orders(service)), age, "{service}");
        }
        registry.tell_age(&away, None);
        assert_eq!(registry.age_of(&orders("old")), None);
    }
}
