//! How a link of ours publishes.

use std::sync::Arc;

use syncline_model::{LinkName, ServiceKey, ServiceSet};

use crate::registry::Registry;
use crate::store::ClientId;

/// A link as one more client of the registry, beside those that applications
/// are. It replaces nobody's registrations: what it publishes stands beside
/// them, and equal instances show once.
///
/// Dropping it withdraws all that it published, unless [`LinkClient::keep`] was
/// called or another client of the same link took over.
pub struct LinkClient {
    registry: Registry,
    name: LinkName,
    client: ClientId,
    generation: u64,
    keeps: bool,
}

impl LinkClient {
    pub(crate) fn open(registry: Registry, name: LinkName, generation: u64) -> Self {
        let client = registry.act(|store, _| store.open_link(&name, generation));
        Self {
            registry,
            name,
            client,
            generation,
            keeps: false,
        }
    }

    /// The link's name.
    pub fn name(&self) -> &LinkName {
        &self.name
    }

    /// Publishes all that the link has of a service, in place of what it
    /// published before. The set is shared, not copied.
    pub fn publish(&self, service: &ServiceKey, set: Arc<ServiceSet>) {
        self.registry.act(|store, now| {
            store.publish_link(self.client, service, set, now);
        });
    }

    /// Withdraws what the link published of a service.
    pub fn withdraw(&self, service: &ServiceKey) {
        self.registry.act(|store, now| {
            store.withdraw(self.client, service, now);
        });
    }

    /// Ends the client, and leaves what it published for the link's next
    /// client to take over.
    pub fn keep(mut self) {
        self.keeps = true;
    }
}

impl Drop for LinkClient {
    fn drop(&mut self) {
        if !self.keeps {
            while self
                .registry
                .act(|store, now| store.close_link(&self.name, self.generation, now))
            {}
        }
    }
}
