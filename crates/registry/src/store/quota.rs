//! How much clients may bring. What links publish is not counted: that is the
//! operator's own doing.

use std::collections::HashMap;

use syncline_model::{NamespaceId, ServiceKey};

use super::{ClientId, ServiceId, Store};
use crate::settings::Quotas;

/// More than may be. What was there before stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no more than {most} {what} are allowed")]
pub(crate) struct OverQuota {
    most: usize,
    what: String,
}

/// What there is of clients' in each namespace, where that is limited.
pub(super) struct Tallies {
    quotas: Quotas,
    namespaces: HashMap<NamespaceId, Tally>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    services: usize,
    instances: usize,
}

impl Tallies {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            namespaces: HashMap::new(),
        }
    }

    /// Whether nothing is limited, and so nothing counted.
    fn is_off(&self) -> bool {
        self.quotas == Quotas::default()
    }

    fn of(&self, namespace: &NamespaceId) -> Tally {
        self.namespaces.get(namespace).copied().unwrap_or_default()
    }

    fn change(&mut self, namespace: &NamespaceId, change: impl FnOnce(&mut Tally)) {
        let quotas = &self.quotas;
        if quotas.services_per_namespace.is_none() && quotas.instances_per_namespace.is_none() {
            return;
        }
        let tally = self.namespaces.entry(namespace.clone()).or_default();
        change(tally);
        if tally.services == 0 && tally.instances == 0 {
            self.namespaces.remove(namespace);
        }
    }
}

impl Store {
    /// Whether a client (`None` for one that is not there yet) may publish so
    /// many instances of a service. Less than before is always allowed.
    pub(super) fn admits(
        &self,
        client: Option<ClientId>,
        key: &ServiceKey,
        wanted: usize,
    ) -> Result<(), OverQuota> {
        let quotas = &self.tallies.quotas;
        if self.tallies.is_off() {
            return Ok(());
        }
        let service = self.services.find(key).and_then(|id| self.services.get(id));
        if !service.is_some_and(|service| service.counted) {
            self.admits_service(key)?;
        }
        let before = client
            .and_then(|client| service?.publisher(client))
            .map_or(0, |publisher| publisher.publication.instances().len());
        let more = wanted.saturating_sub(before);
        if more == 0 {
            return Ok(());
        }
        let namespace = &key.namespace;
        within(
            quotas.instances_per_namespace,
            self.tallies.of(namespace).instances + more,
            || format!("instances of clients in namespace {namespace}"),
        )?;
        within(
            quotas.instances_per_service,
            service.map_or(0, |service| service.native_instances as usize) + more,
            || format!("instances of clients of service {}", key.grouped()),
        )?;
        let own = client.and_then(|client| self.clients.get(&client));
        within(
            quotas.instances_per_client,
            own.map_or(0, |client| client.instances) + more,
            || "instances of one client".to_owned(),
        )
    }

    /// Whether clients may bring one more service.
    pub(super) fn admits_service(&self, key: &ServiceKey) -> Result<(), OverQuota> {
        let namespace = &key.namespace;
        within(
            self.tallies.quotas.services_per_namespace,
            self.tallies.of(namespace).services + 1,
            || format!("services of clients in namespace {namespace}"),
        )
    }

    /// Whether a client may subscribe to a service.
    pub(super) fn admits_subscription(
        &self,
        client: ClientId,
        key: &ServiceKey,
    ) -> Result<(), OverQuota> {
        let most = self.tallies.quotas.subscriptions_per_client;
        let Some(client) = self.clients.get(&client).filter(|_| most.is_some()) else {
            return Ok(());
        };
        let known = self.services.find(key);
        if known.is_some_and(|id| client.subscribes.contains(&id)) {
            return Ok(());
        }
        within(most, client.subscribes.len() + 1, || {
            "subscriptions of one client".to_owned()
        })
    }

    /// Takes note that clients brought a service.
    pub(super) fn count_service(&mut self, id: ServiceId) {
        if self.tallies.is_off() {
            return;
        }
        if let Some(service) = self.services.get_mut(id)
            && !service.counted
        {
            service.counted = true;
            let namespace = &service.key.namespace;
            self.tallies.change(namespace, |tally| tally.services += 1);
        }
    }

    /// Takes note that a service is gone.
    pub(super) fn discount_service(&mut self, id: ServiceId) {
        if let Some(service) = self.services.get_mut(id)
            && service.counted
        {
            service.counted = false;
            let namespace = &service.key.namespace;
            self.tallies.change(namespace, |tally| tally.services -= 1);
        }
    }

    /// Takes note that clients publish `after` instances of a service in place
    /// of `before`.
    pub(super) fn count_instances(
        &mut self,
        id: ServiceId,
        client: ClientId,
        before: usize,
        after: usize,
    ) {
        if self.tallies.is_off() {
            return;
        }
        let moved = |count: usize| (count + after).saturating_sub(before);
        if let Some(client) = self.clients.get_mut(&client) {
            client.instances = moved(client.instances);
        }
        if let Some(service) = self.services.get_mut(id) {
            let natives = moved(service.native_instances as usize);
            service.native_instances = u32::try_from(natives).unwrap_or(u32::MAX);
            let namespace = &service.key.namespace;
            self.tallies.change(namespace, |tally| {
                tally.instances = moved(tally.instances);
            });
        }
    }
}

fn within(
    most: Option<usize>,
    wanted: usize,
    what: impl FnOnce() -> String,
) -> Result<(), OverQuota> {
    match most {
        Some(most) if wanted > most => Err(OverQuota { most, what: what() }),
        _ => Ok(()),
    }
}
