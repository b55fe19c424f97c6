//! One service: who publishes it, who listens, and how it looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_model::{Instance, InstanceKey, ServiceKey, ServiceSet};

use super::ClientId;
use super::beat::Beat;
use super::edit::{Override, ServiceRecord};
use super::snapshot::{Clusters, Content, Snapshot};
use crate::moment::Moment;

/// Up to so many publishers a service keeps no room for more.
const FEW_PUBLISHERS: usize = 8;

/// Whether a service's registrations end with their publishers. From 2.0 on
/// a service is one or the other, whoever comes first decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Ephemeral,
    Persistent,
}

impl Kind {
    pub(crate) fn of(ephemeral: bool) -> Self {
        if ephemeral {
            Self::Ephemeral
        } else {
            Self::Persistent
        }
    }

    pub(crate) fn is_ephemeral(self) -> bool {
        self == Self::Ephemeral
    }
}

/// Instance ids that publishers chose themselves. All others are derived from
/// the instance.
pub(crate) type CustomIds = BTreeMap<InstanceKey, Arc<str>>;

/// What one client publishes of one service.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Publication {
    pub(crate) published: Published,
    pub(crate) ids: Option<Arc<CustomIds>>,
}

/// One instance, or a whole set. Sets are shared with whoever made them: a
/// service with one publisher is shown as that publisher's very set.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Published {
    One(Box<Instance>),
    Set(Arc<ServiceSet>),
}

impl Publication {
    pub(crate) fn one(instance: Instance, id: Option<Arc<str>>) -> Self {
        let ids = id.map(|id| Arc::new(CustomIds::from([(instance.key.clone(), id)])));
        Self {
            published: Published::One(Box::new(instance)),
            ids,
        }
    }

    pub(crate) fn set(set: Arc<ServiceSet>, ids: CustomIds) -> Self {
        Self {
            published: Published::Set(set),
            ids: (!ids.is_empty()).then(|| Arc::new(ids)),
        }
    }

    pub(crate) fn instances(&self) -> &[Instance] {
        match &self.published {
            Published::One(instance) => std::slice::from_ref(instance),
            Published::Set(set) => set.instances(),
        }
    }

    pub(crate) fn to_set(&self) -> Arc<ServiceSet> {
        match &self.published {
            Published::One(instance) => Arc::new(ServiceSet::new(vec![(**instance).clone()])),
            Published::Set(set) => set.clone(),
        }
    }
}

pub(super) struct Publisher {
    pub(super) client: ClientId,
    pub(super) publication: Publication,
    /// Set where the registration lives by beats.
    pub(super) beat: Option<Beat>,
}

/// Who listens to a service. Most services of a large registry have nobody, so
/// this stands apart.
#[derive(Default)]
pub(super) struct Audience {
    pub(super) subscribers: BTreeMap<ClientId, Clusters>,
    /// When they hear of a change.
    pub(super) due: Option<Moment>,
    /// They hear of none before this moment.
    pub(super) earliest: Moment,
    /// What was pushed last; an equal set is not pushed again.
    pub(super) content: Option<Content>,
}

pub(super) struct Service {
    pub(super) key: ServiceKey,
    /// Whether it exists for readers. A name that is only subscribed to, or
    /// only has a publisher's past, does not.
    pub(super) listed: bool,
    /// `None` while only links publish it: they take no side.
    pub(super) kind: Option<Kind>,
    /// Whether it counts as one that clients brought.
    pub(super) counted: bool,
    /// How many instances clients publish.
    pub(super) native_instances: u32,
    /// In the order of their clients.
    pub(super) publishers: Vec<Publisher>,
    /// There while anybody listens.
    pub(super) audience: Option<Box<Audience>>,
    /// What was set for the service itself.
    pub(super) record: Option<Arc<ServiceRecord>>,
    /// What was set for instances over their publishers' heads.
    pub(super) overrides: BTreeMap<InstanceKey, Override>,
    /// Since when nobody publishes it.
    pub(super) empty_since: Option<Moment>,
    /// The moment of the timer that looks whether it still is.
    pub(super) empty_check: Option<Moment>,
    revision: u64,
    stamp: Moment,
    snapshot: Option<Arc<Snapshot>>,
}

impl Service {
    pub(super) fn new(key: ServiceKey) -> Self {
        Self {
            key,
            listed: false,
            kind: None,
            counted: false,
            native_instances: 0,
            publishers: Vec::new(),
            audience: None,
            record: None,
            overrides: BTreeMap::new(),
            empty_since: None,
            empty_check: None,
            revision: 0,
            stamp: Moment::default(),
            snapshot: None,
        }
    }

    /// Takes note of a change.
    ///
    /// The stamp is what clients get as `lastRefTime`. It grows with every
    /// change, also within one millisecond, because the Go SDK ignores a push
    /// whose time is not later than the last one's.
    pub(super) fn touch(&mut self, revision: u64, now: Moment) {
        self.revision = revision;
        self.stamp = self.stamp.max(now).next();
        self.snapshot = None;
    }

    pub(super) fn is_unused(&self) -> bool {
        !self.listed && self.publishers.is_empty() && self.audience.is_none()
    }

    /// Whether there is the service for those who watch names: it has
    /// instances, or an operator made it.
    pub(super) fn has_name(&self) -> bool {
        let publishes = |publisher: &Publisher| !publisher.publication.instances().is_empty();
        self.listed && (self.record.is_some() || self.publishers.iter().any(publishes))
    }

    /// Ends the service for readers.
    pub(super) fn forget(&mut self) {
        self.listed = false;
        self.kind = None;
        self.record = None;
        self.overrides.clear();
        self.empty_since = None;
        self.snapshot = None;
    }

    fn position(&self, client: ClientId) -> Result<usize, usize> {
        self.publishers
            .binary_search_by_key(&client, |publisher| publisher.client)
    }

    pub(super) fn publisher(&self, client: ClientId) -> Option<&Publisher> {
        self.position(client).ok().map(|at| &self.publishers[at])
    }

    pub(super) fn publisher_mut(&mut self, client: ClientId) -> Option<&mut Publisher> {
        match self.position(client) {
            Ok(at) => Some(&mut self.publishers[at]),
            Err(_) => None,
        }
    }

    /// Puts a publisher in place, and gives back the one that stood there.
    pub(super) fn set_publisher(&mut self, publisher: Publisher) -> Option<Publisher> {
        match self.position(publisher.client) {
            Ok(at) => Some(std::mem::replace(&mut self.publishers[at], publisher)),
            Err(at) => {
                // Most services have one publisher, and room for more is dear.
                if self.publishers.len() < FEW_PUBLISHERS {
                    self.publishers.reserve_exact(1);
                }
                self.publishers.insert(at, publisher);
                None
            }
        }
    }

    pub(super) fn take_publisher(&mut self, client: ClientId) -> Option<Publisher> {
        self.position(client)
            .ok()
            .map(|at| self.publishers.remove(at))
    }

    pub(super) fn publishes(&self, key: &InstanceKey) -> bool {
        self.publishers.iter().any(|publisher| {
            let instances = publisher.publication.instances();
            instances.iter().any(|instance| instance.key == *key)
        })
    }

    /// How the service looks now; computed once for each change, and not
    /// before somebody looks.
    pub(super) fn snapshot(&mut self) -> Arc<Snapshot> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.clone();
        }
        let set = self.union();
        let ephemeral = match self.kind {
            Some(kind) => kind.is_ephemeral(),
            None => set.instances().first().is_none_or(|i| i.ephemeral.or(true)),
        };
        let snapshot = Arc::new(Snapshot {
            key: self.key.clone(),
            set,
            ids: self.ids(),
            ephemeral,
            record: self.record.clone(),
            revision: self.revision,
            stamp: self.stamp,
        });
        // Somebody is about to see this, so subscribers have to hear of
        // whatever differs from it, even of a return to what they heard last.
        if let Some(audience) = &mut self.audience
            && audience.content != Some(snapshot.content())
        {
            audience.content = None;
        }
        self.snapshot = Some(snapshot.clone());
        snapshot
    }

    /// Equal entries of several publishers are one; unequal ones stand side by
    /// side.
    fn union(&self) -> Arc<ServiceSet> {
        if let [publisher] = &self.publishers[..]
            && let Published::Set(set) = &publisher.publication.published
            && self.overrides.is_empty()
        {
            return set.clone();
        }
        let mut instances: Vec<Instance> = self
            .publishers
            .iter()
            .flat_map(|publisher| publisher.publication.instances())
            .cloned()
            .collect();
        for instance in &mut instances {
            if let Some(set) = self.overrides.get(&instance.key) {
                set.apply(instance);
            }
        }
        Arc::new(ServiceSet::new(instances))
    }

    fn ids(&self) -> Option<Arc<CustomIds>> {
        let ids = |publisher: &Publisher| publisher.publication.ids.clone();
        let mut all = self.publishers.iter().filter_map(ids);
        let mut merged = all.next()?;
        for more in all {
            let merged = Arc::make_mut(&mut merged);
            merged.extend(more.iter().map(|(key, id)| (key.clone(), id.clone())));
        }
        Some(merged)
    }
}
