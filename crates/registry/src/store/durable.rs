//! What of the store outlives the process: what was registered to stay, and
//! what operators set.
//!
//! The store only remembers *which* parts are not saved yet. Whoever saves them
//! takes them as they then stand, so a part that changed a hundred times is
//! written once, and nothing can pile up.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use syncline_model::name::Host;
use syncline_model::{Instance, InstanceKey, NamespaceId, Port, ServiceKey};

use super::edit::{Override, ServiceRecord};
use super::service::{Publication, Published, Service};
use super::timers::Timer;
use super::{Address, ClientId, Kind, NamespaceRecord, ServiceId, Store, WrongKind};
use crate::moment::Moment;

/// Names what is saved and restored in one piece.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum DurableKey {
    /// A namespace that was created.
    Namespace(NamespaceId),
    /// A part of a service.
    Service(ServiceKey, Part),
}

impl fmt::Display for DurableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(id) => id.fmt(f),
            Self::Service(key, _) => key.fmt(f),
        }
    }
}

/// The durable parts of a service, in the order in which they are restored.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Part {
    /// Its kind, and what was set for it.
    Settings,
    /// What was set for one instance.
    Override(InstanceKey),
    /// What one address registered to stay.
    Instance(Host, Port),
}

/// What a durable part holds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Durable {
    Namespace(NamespaceRecord),
    Settings {
        kind: Option<Kind>,
        record: Option<Arc<ServiceRecord>>,
    },
    Override(Override),
    Instance {
        instance: Box<Instance>,
        /// The id that its publisher chose.
        id: Option<Arc<str>>,
    },
}

/// What is to be saved, up to a revision.
#[derive(Debug)]
pub(crate) struct Unsaved {
    pub(crate) revision: u64,
    /// The parts as they stand; `None` for those that are no more.
    pub(crate) parts: Vec<(DurableKey, Option<Durable>)>,
}

/// Why a part cannot be put back.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// It contradicts the service's kind.
    #[error(transparent)]
    WrongKind(#[from] WrongKind),
    /// It is not what its key names.
    #[error("a part stands under the key of another")]
    Misplaced,
}

/// Which parts changed since they were last taken.
#[derive(Default)]
pub(super) struct Changed {
    /// Whether anybody saves anything.
    watched: bool,
    keys: BTreeSet<DurableKey>,
    revision: u64,
}

impl Service {
    /// The part in which a publication of this service is saved.
    pub(super) fn durable_part(&self, publication: &Publication) -> Option<Part> {
        match (self.kind, &publication.published) {
            (Some(Kind::Persistent), Published::One(instance)) => {
                let key = &instance.key;
                Some(Part::Instance(key.host.clone(), key.port))
            }
            _ => None,
        }
    }

    /// Whether there is anything of the service itself to save.
    pub(super) fn has_durable_settings(&self) -> bool {
        self.record.is_some() || self.kind == Some(Kind::Persistent)
    }
}

impl Store {
    /// Remembers from now on what changes of the durable parts.
    pub(crate) fn watch_durable(&mut self) {
        self.durable.watched = true;
    }

    /// Grows with every change of a durable part.
    pub(crate) fn durable_revision(&self) -> u64 {
        self.durable.revision
    }

    /// Takes what changed since the last call.
    pub(crate) fn take_unsaved(&mut self) -> Unsaved {
        let keys = std::mem::take(&mut self.durable.keys);
        let part = |key: DurableKey| {
            let durable = self.durable_part(&key);
            (key, durable)
        };
        Unsaved {
            revision: self.durable.revision,
            parts: keys.into_iter().map(part).collect(),
        }
    }

    /// Takes back what could not be saved.
    pub(crate) fn not_saved(&mut self, unsaved: Unsaved) {
        let keys = unsaved.parts.into_iter().map(|(key, _)| key);
        self.durable.keys.extend(keys);
    }

    /// Takes note that a durable part changed.
    pub(super) fn change_durable(&mut self, service: &ServiceKey, part: Part) {
        if self.durable.watched {
            self.change_durable_key(DurableKey::Service(service.clone(), part));
        }
    }

    /// The same of anything that is saved.
    pub(super) fn change_durable_key(&mut self, key: DurableKey) {
        if self.durable.watched {
            self.durable.revision += 1;
            self.durable.keys.insert(key);
        }
    }

    /// Takes note that what a client publishes changed, if it is durable.
    pub(super) fn change_publication(&mut self, id: ServiceId, client: ClientId) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        let publisher = service.publisher(client);
        let part = publisher.and_then(|publisher| service.durable_part(&publisher.publication));
        if let Some(part) = part {
            let key = service.key.clone();
            self.change_durable(&key, part);
        }
    }

    /// A durable part as it stands.
    fn durable_part(&self, key: &DurableKey) -> Option<Durable> {
        let (service, part) = match key {
            DurableKey::Namespace(id) => {
                return self.created.get(id).cloned().map(Durable::Namespace);
            }
            DurableKey::Service(key, part) => (self.services.get(self.services.find(key)?)?, part),
        };
        match part {
            Part::Settings => {
                (service.listed && service.has_durable_settings()).then(|| Durable::Settings {
                    kind: service.kind,
                    record: service.record.clone(),
                })
            }
            Part::Override(instance) => {
                let set = service.overrides.get(instance)?;
                Some(Durable::Override(Override {
                    gone_since: None,
                    ..set.clone()
                }))
            }
            Part::Instance(host, port) => {
                let client = self.addresses.get(&persistent(host, *port))?;
                let publication = &service.publisher(*client)?.publication;
                let Published::One(instance) = &publication.published else {
                    return None;
                };
                let ids = publication.ids.as_ref();
                Some(Durable::Instance {
                    instance: instance.clone(),
                    id: ids.and_then(|ids| ids.get(&instance.key).cloned()),
                })
            }
        }
    }

    /// Puts back a part that was saved. Parts come in the order of their keys,
    /// before anything else happens.
    ///
    /// Nobody can tell how long the process was away: whatever waits for its
    /// instance waits anew.
    pub(crate) fn restore(
        &mut self,
        key: DurableKey,
        durable: Durable,
        now: Moment,
    ) -> Result<(), RestoreError> {
        let (service, part) = match (key, durable) {
            (DurableKey::Service(service, part), durable) => (service, (part, durable)),
            (DurableKey::Namespace(id), Durable::Namespace(record)) => {
                self.set_namespace(&id, record);
                return Ok(());
            }
            (DurableKey::Namespace(_), _) => return Err(RestoreError::Misplaced),
        };
        match part {
            (Part::Settings, Durable::Settings { kind, record }) => {
                let id = self.service(&service);
                if let Some(service) = self.services.get_mut(id) {
                    service.kind = kind;
                    service.record = record;
                }
                self.watch_empty(id, now);
                self.count_service(id);
                self.list(id);
                self.touch(id, now);
            }
            (Part::Override(instance), Durable::Override(set)) => {
                let id = self.service(&service);
                if let Some(service) = self.services.get_mut(id) {
                    let gone_since = Some(now);
                    let set = Override { gone_since, ..set };
                    service.overrides.insert(instance, set);
                }
                let at = now.after(self.life.empty_kept);
                self.timers.add(at, Timer::Overrides(id));
                self.watch_empty(id, now);
                self.list(id);
                self.touch(id, now);
            }
            (Part::Instance(host, port), Durable::Instance { instance, id }) => {
                let publication = Publication::one(*instance, id);
                let address = persistent(&host, port);
                self.put_address(&address, &service, publication, now)?;
            }
            _ => return Err(RestoreError::Misplaced),
        }
        Ok(())
    }

    /// All durable parts as they stand.
    #[cfg(test)]
    pub(crate) fn durable(&mut self) -> std::collections::BTreeMap<DurableKey, Durable> {
        let created = self.created.keys().cloned();
        let mut keys: Vec<DurableKey> = created.map(DurableKey::Namespace).collect();
        for namespace in self.namespaces() {
            for (group, name) in self.names(&namespace).iter().cloned() {
                let service = ServiceKey::new(namespace.clone(), group, name);
                let found = self.services.find(&service);
                let found = found.and_then(|id| self.services.get(id));
                let mut parts = vec![Part::Settings];
                if let Some(found) = found {
                    parts.extend(found.overrides.keys().cloned().map(Part::Override));
                    let publishers = found.publishers.iter();
                    parts.extend(publishers.filter_map(|p| found.durable_part(&p.publication)));
                }
                let key = |part| DurableKey::Service(service.clone(), part);
                keys.extend(parts.into_iter().map(key));
            }
        }
        let part = |key: DurableKey| Some((key.clone(), self.durable_part(&key)?));
        keys.into_iter().filter_map(part).collect()
    }
}

fn persistent(host: &Host, port: Port) -> Address {
    Address {
        host: host.clone(),
        port,
        kind: Kind::Persistent,
    }
}
