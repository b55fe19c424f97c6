//! What the registry holds, and the rules by which it changes.
//!
//! The store models what Nacos 2.x models: *clients*, and what each of them
//! publishes. A service is the union of its publishers. A connection is a
//! client; so is an address that keeps itself alive by beats, and so is a link
//! of ours. Nothing is ever written past a client, and so everything that a
//! client brought leaves with it.
//!
//! The store does no I/O, takes no lock and reads no clock: every operation is
//! handed the present [`Moment`], and what should happen outside is left in
//! [`Effects`] for the caller to fetch. No operation walks all services.

mod beat;
mod checks;
mod durable;
mod edit;
mod inspect;
mod names;
mod namespaces;
mod overlay;
mod publish;
mod quota;
mod service;
mod services;
mod snapshot;
mod subscribe;
mod timers;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use syncline_model::instance::Port;
use syncline_model::name::Host;
use syncline_model::{GroupName, LinkName, NamespaceId, ServiceKey, ServiceName};

use crate::intern::Interner;
use crate::moment::Moment;
use crate::settings::{LifeSettings, PushSettings, Settings};

pub(crate) use beat::BeatTimes;
pub(crate) use checks::Probe;
pub(crate) use durable::{Durable, DurableKey, Part};
pub(crate) use edit::{EditError, Override, Patch, ServiceRecord};
pub(crate) use names::Names;
pub(crate) use namespaces::NamespaceRecord;
pub(crate) use overlay::Overlay;
pub(crate) use publish::{PublishError, WrongKind};
pub(crate) use quota::OverQuota;
pub(crate) use service::{CustomIds, Kind, Publication};
pub(crate) use services::ServiceId;
pub(crate) use snapshot::{Clusters, Selection, Snapshot};
pub(crate) use watch::{Matches, NotWatched, Pattern};

use quota::Tallies;
use service::Service;
use services::Services;
use timers::{Timer, Timers};
use watch::Watches;

/// How many services a client that ends leaves at once.
const RETIRED_AT_ONCE: usize = 1000;

/// One client. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ClientId(u64);

/// An address that registered over HTTP. Its beat-held and its persistent
/// registrations are two clients, as in Nacos (`ip:port#true`, `ip:port#false`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Address {
    pub(crate) host: Host,
    pub(crate) port: Port,
    pub(crate) kind: Kind,
}

/// What keeps a client's registrations alive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// An open gRPC connection.
    Connection,
    /// Beats, or nothing if they are persistent.
    Address(Address),
    /// A link of ours.
    Link(LinkName),
    /// Nothing is registered: it only listens, over UDP.
    Listener,
}

impl Holder {
    /// Whether an application is behind it, and not a link.
    fn is_native(&self) -> bool {
        !matches!(self, Self::Link(_))
    }
}

struct Client {
    holder: Holder,
    publishes: BTreeSet<ServiceId>,
    subscribes: BTreeSet<ServiceId>,
    /// How many instances it publishes; not counted for links.
    instances: usize,
}

/// What should happen outside because of what happened inside.
#[derive(Default, Debug)]
pub(crate) struct Effects {
    /// Services whose instances, settings or existence changed.
    pub(crate) changed: Vec<ServiceKey>,
    /// Subscribers that are due a push.
    pub(crate) pushes: Vec<(ServiceKey, Vec<ClientId>)>,
    /// Services that came or went, and who watches for their names.
    pub(crate) names: Vec<(ServiceKey, Vec<ClientId>)>,
}

/// How much there is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) services: usize,
    pub(crate) published_instances: usize,
    pub(crate) subscriptions: usize,
    pub(crate) connections: usize,
    pub(crate) beat_addresses: usize,
    pub(crate) persistent_addresses: usize,
    pub(crate) links: usize,
}

pub(crate) struct Store {
    interner: Arc<Interner>,
    push: PushSettings,
    life: LifeSettings,
    services: Services,
    names: Names,
    /// The namespaces that somebody created.
    created: BTreeMap<NamespaceId, NamespaceRecord>,
    clients: HashMap<ClientId, Client>,
    addresses: HashMap<Address, ClientId>,
    links: HashMap<LinkName, (ClientId, u64)>,
    timers: Timers,
    effects: Effects,
    durable: durable::Changed,
    checks: checks::Checks,
    counts: Counts,
    tallies: Tallies,
    watches: Watches,
    last_client: u64,
    last_revision: u64,
}

impl Store {
    pub(crate) fn new(settings: &Settings, interner: Arc<Interner>) -> Self {
        Self {
            interner,
            push: settings.push.clone(),
            life: settings.life.clone(),
            services: Services::default(),
            names: Names::default(),
            created: BTreeMap::new(),
            clients: HashMap::new(),
            addresses: HashMap::new(),
            links: HashMap::new(),
            timers: Timers::default(),
            effects: Effects::default(),
            durable: durable::Changed::default(),
            checks: checks::Checks::new(settings.checks.clone()),
            counts: Counts::default(),
            tallies: Tallies::new(settings.limits.quotas.clone()),
            watches: Watches::new(settings.limits.watches.clone()),
            last_client: 0,
            last_revision: 0,
        }
    }

    /// Lets time pass: everything that became due happens.
    pub(crate) fn advance(&mut self, now: Moment) {
        while let Some((at, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::Beat(service, client) => self.check_beat(service, client, at, now),
                Timer::Check(service, client) => self.check_due(service, client, at),
                Timer::Empty(service) => self.forget_empty(service, at, now),
                Timer::Overrides(service) => self.forget_overrides(service, now),
                Timer::Push(service) => self.push_due(service, at, now),
                Timer::Welcome(service, client) => self.welcome(service, client),
                Timer::Names => self.names_due(at),
            }
        }
    }

    /// When [`Store::advance`] has something to do next.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.timers.next_due()
    }

    /// What happened since the last call.
    pub(crate) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            services: self.names.len(),
            ..self.counts
        }
    }

    /// The service as it stands, if it exists.
    pub(crate) fn snapshot(&mut self, key: &ServiceKey) -> Option<Arc<Snapshot>> {
        let id = self.services.find(key)?;
        let service = self.services.get_mut(id)?;
        service.listed.then(|| service.snapshot())
    }

    /// Who publishes a service, and what.
    pub(crate) fn publications(
        &self,
        key: &ServiceKey,
    ) -> impl Iterator<Item = (ClientId, &Holder, &Publication)> {
        let service = self.services.find(key).and_then(|id| self.services.get(id));
        let publishers = service.map_or(&[][..], |service| &service.publishers);
        publishers.iter().filter_map(|publisher| {
            let client = self.clients.get(&publisher.client)?;
            Some((publisher.client, &client.holder, &publisher.publication))
        })
    }

    /// The names of a namespace's services in order. Shared with whoever asked
    /// before, so that paging through it holds no lock.
    pub(crate) fn names(&mut self, namespace: &NamespaceId) -> Arc<[(GroupName, ServiceName)]> {
        self.names.listing(namespace)
    }

    /// The namespaces that have services.
    pub(crate) fn namespaces(&self) -> Vec<NamespaceId> {
        self.names.namespaces()
    }

    /// The key as the store spells it, so that equal names are one allocation.
    pub(crate) fn shared_key(&self, key: ServiceKey) -> ServiceKey {
        self.services.shared_key(key)
    }

    /// The client of an open connection.
    pub(crate) fn connect(&mut self) -> ClientId {
        self.counts.connections += 1;
        self.add_client(Holder::Connection)
    }

    /// The client of an address, made where there was none.
    fn address(&mut self, address: &Address) -> ClientId {
        if let Some(client) = self.addresses.get(address) {
            return *client;
        }
        *match address.kind {
            Kind::Ephemeral => &mut self.counts.beat_addresses,
            Kind::Persistent => &mut self.counts.persistent_addresses,
        } += 1;
        let client = self.add_client(Holder::Address(address.clone()));
        self.addresses.insert(address.clone(), client);
        client
    }

    /// The client of a link, made where there was none. The generation is that
    /// of the handle to it: only the latest handle may close it.
    pub(crate) fn open_link(&mut self, name: &LinkName, generation: u64) -> ClientId {
        if let Some((client, latest)) = self.links.get_mut(name) {
            *latest = generation.max(*latest);
            return *client;
        }
        self.counts.links += 1;
        let client = self.add_client(Holder::Link(name.clone()));
        self.links.insert(name.clone(), (client, generation));
        client
    }

    /// Ends a link's client, unless a later handle took it over; a part at a
    /// time, as [`Store::retire`] does.
    pub(crate) fn close_link(&mut self, name: &LinkName, generation: u64, now: Moment) -> bool {
        match self.links.get(name) {
            Some(&(client, latest)) if latest == generation => self.retire(client, now),
            _ => false,
        }
    }

    /// The client of a subscription over UDP, which has nothing else.
    pub(crate) fn listen(&mut self, key: &ServiceKey, clusters: Clusters) -> ClientId {
        let client = self.add_client(Holder::Listener);
        self.add_subscriber(client, key, clusters);
        client
    }

    fn add_client(&mut self, holder: Holder) -> ClientId {
        self.last_client += 1;
        let id = ClientId(self.last_client);
        let client = Client {
            holder,
            publishes: BTreeSet::new(),
            subscribes: BTreeSet::new(),
            instances: 0,
        };
        self.clients.insert(id, client);
        id
    }

    /// Ends a client, a part at a time so that others get their turn, and says
    /// whether anything is left to do.
    pub(crate) fn retire(&mut self, id: ClientId, now: Moment) -> bool {
        let Some(client) = self.clients.get(&id) else {
            return false;
        };
        if client.publishes.len() <= RETIRED_AT_ONCE {
            self.disconnect(id, now);
            return false;
        }
        let part: Vec<ServiceId> = client
            .publishes
            .iter()
            .take(RETIRED_AT_ONCE)
            .copied()
            .collect();
        for service in part {
            self.withdraw_from(service, id, now);
        }
        true
    }

    /// Ends a client; all that it published and subscribed to goes with it.
    fn disconnect(&mut self, id: ClientId, now: Moment) {
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        match &client.holder {
            Holder::Connection => self.counts.connections -= 1,
            Holder::Address(address) => {
                *match address.kind {
                    Kind::Ephemeral => &mut self.counts.beat_addresses,
                    Kind::Persistent => &mut self.counts.persistent_addresses,
                } -= 1;
                self.addresses.remove(address);
            }
            Holder::Link(name) => {
                self.counts.links -= 1;
                self.links.remove(name);
            }
            Holder::Listener => {}
        }
        self.watches.forget(id);
        for service in client.subscribes {
            self.remove_subscriber(service, id);
        }
        let is_native = client.holder.is_native();
        for service in client.publishes {
            self.remove_publisher(service, id, is_native, now);
        }
    }

    /// Marks a service as changed.
    fn touch(&mut self, id: ServiceId, now: Moment) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        self.last_revision += 1;
        service.touch(self.last_revision, now);
        let key = service.key.clone();
        self.plan_names(&key, now);
        self.effects.changed.push(key);
        self.plan_push(id, now);
    }

    /// The service of that name, made where there was none. It is not listed
    /// until somebody publishes or creates it: subscribing makes no service.
    fn service(&mut self, key: &ServiceKey) -> ServiceId {
        match self.services.find(key) {
            Some(id) => id,
            None => {
                let key = ServiceKey {
                    namespace: NamespaceId::new(self.interner.text(key.namespace.as_str())),
                    group: GroupName::new(self.interner.text(key.group.as_str())),
                    name: key.name.clone(),
                };
                self.services.insert(Service::new(key))
            }
        }
    }

    fn list(&mut self, id: ServiceId) {
        if let Some(service) = self.services.get_mut(id)
            && !service.listed
        {
            service.listed = true;
            self.names.insert(&service.key);
        }
    }

    /// Forgets a service that nobody publishes, and with it its kind and its
    /// settings. Subscriptions stay, as in Nacos.
    fn unlist(&mut self, id: ServiceId) {
        self.discount_service(id);
        if let Some(service) = self.services.get_mut(id) {
            let mut parts = Vec::new();
            parts.extend(service.has_durable_settings().then_some(Part::Settings));
            parts.extend(service.overrides.keys().cloned().map(Part::Override));
            service.forget();
            let key = service.key.clone();
            self.names.remove(&key);
            for part in parts {
                self.change_durable(&key, part);
            }
            // The time is not known here; this is due at once.
            self.plan_names(&key, Moment::default());
            self.effects.changed.push(key);
        }
        self.drop_unused(id);
    }

    fn drop_unused(&mut self, id: ServiceId) {
        if self.services.get(id).is_some_and(Service::is_unused) {
            self.services.remove(id);
        }
    }
}
