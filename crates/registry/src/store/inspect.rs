//! What operators may look at: the clients, and what each of them does.

use syncline_model::{Instance, ServiceKey};

use super::snapshot::Clusters;
use super::{ClientId, Holder, Store};

impl Store {
    /// Who is subscribed to a service, and to which of its clusters.
    pub(crate) fn subscribers(&self, key: &ServiceKey) -> Vec<(ClientId, Clusters)> {
        let service = self.services.find(key).and_then(|id| self.services.get(id));
        let audience = service.and_then(|service| service.audience.as_ref());
        let subscribers = audience.into_iter().flat_map(|a| &a.subscribers);
        subscribers
            .map(|(client, clusters)| (*client, clusters.clone()))
            .collect()
    }

    /// All clients.
    pub(crate) fn clients(&self) -> impl Iterator<Item = (ClientId, &Holder)> {
        let clients = self.clients.iter();
        clients.map(|(id, client)| (*id, &client.holder))
    }

    /// The services that a client publishes, each with its first instance.
    pub(crate) fn published_by(&self, client: ClientId) -> Vec<(ServiceKey, Instance)> {
        let published = self.clients.get(&client).into_iter();
        let published = published.flat_map(|client| &client.publishes);
        let services = published.filter_map(|id| self.services.get(*id));
        services
            .filter_map(|service| {
                let publisher = service.publisher(client)?;
                let first = publisher.publication.instances().first()?;
                Some((service.key.clone(), first.clone()))
            })
            .collect()
    }

    /// The services that a client is subscribed to.
    pub(crate) fn subscribed_by(&self, client: ClientId) -> Vec<ServiceKey> {
        let subscribed = self.clients.get(&client).into_iter();
        let subscribed = subscribed.flat_map(|client| &client.subscribes);
        let services = subscribed.filter_map(|id| self.services.get(*id));
        services.map(|service| service.key.clone()).collect()
    }

    /// Who publishes a service, each with its first instance.
    pub(crate) fn publishers(&self, key: &ServiceKey) -> Vec<(ClientId, Holder, Instance)> {
        let service = self.services.find(key).and_then(|id| self.services.get(id));
        let publishers = service.into_iter().flat_map(|service| &service.publishers);
        publishers
            .filter_map(|publisher| {
                let holder = self.clients.get(&publisher.client)?.holder.clone();
                let first = publisher.publication.instances().first()?.clone();
                Some((publisher.client, holder, first))
            })
            .collect()
    }
}
