//! Who registered what in the embedded registries, for the control API.

use syncline_admin::{Registries, api};
use syncline_model::ownership::{Hop, Signer};
use syncline_model::{Instance, ServiceKey};
use syncline_registry::{Origin, Publisher};

use super::ServedRegistry;

/// The embedded registries of a daemon, as operators look into them.
pub(super) struct Looking {
    pub(super) registries: Vec<ServedRegistry>,
    /// Reads the marks of copies that came farther than from the next registry.
    pub(super) signer: Signer,
}

impl Looking {
    fn served(&self, name: &str) -> Option<&ServedRegistry> {
        let mut registries = self.registries.iter();
        registries.find(|served| served.endpoint.as_str() == name)
    }

    /// The registry where a copy's application registered it, where its mark
    /// tells.
    fn origin(&self, service: &ServiceKey, copy: &Instance) -> Option<String> {
        let mark = self.signer.read(service, copy);
        let Hop { install, endpoint } = mark.path()?.origin();
        Some(match install == self.signer.install() {
            true => endpoint.to_string(),
            false => format!("{endpoint} of {install}"),
        })
    }

    fn told(
        &self,
        registry: &ServedRegistry,
        service: &ServiceKey,
        publisher: &Publisher,
    ) -> Vec<api::InstanceOrigin> {
        let (by, link) = match &publisher.origin {
            Origin::Connection => ("connection", None),
            Origin::Beat => ("beat", None),
            Origin::Persistent => ("persistent", None),
            Origin::Link(name) => ("link", Some(name.to_string())),
        };
        let origin = |instance: &Instance| match publisher.origin.is_native() {
            true => registry.endpoint.to_string(),
            false => self.origin(service, instance).unwrap_or_default(),
        };
        let instances = publisher.published.instances().iter();
        let told = instances.map(|instance| api::InstanceOrigin {
            address: instance.key.address(),
            cluster: instance.key.cluster.to_string(),
            by: by.to_owned(),
            client: publisher.client.clone(),
            agent: publisher.agent.clone(),
            link: link.clone(),
            origin: origin(instance),
        });
        told.collect()
    }
}

impl Registries for Looking {
    fn names(&self) -> Vec<String> {
        let registries = self.registries.iter();
        registries
            .map(|served| served.endpoint.to_string())
            .collect()
    }

    fn services(&self, registry: &str) -> Option<Box<dyn Iterator<Item = ServiceKey> + '_>> {
        let registry = &self.served(registry)?.registry;
        let namespaces = registry.namespaces().into_iter();
        let services = namespaces.flat_map(|namespace| registry.services(&namespace));
        Some(Box::new(services))
    }

    fn origins(&self, registry: &str, service: &ServiceKey) -> Vec<api::InstanceOrigin> {
        let Some(served) = self.served(registry) else {
            return Vec::new();
        };
        let publishers = served.registry.publishers(service);
        let told = publishers.iter();
        let mut told: Vec<_> = told.flat_map(|it| self.told(served, service, it)).collect();
        told.sort_by(|a, b| {
            (&a.address, &a.cluster, &a.client).cmp(&(&b.address, &b.cluster, &b.client))
        });
        told
    }
}
