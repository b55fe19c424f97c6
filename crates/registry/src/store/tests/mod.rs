//! The store's rules, with time handed in.

mod beats;
mod checks;
mod durable;
mod merge;
mod names;
mod operators;
mod pushes;
mod quotas;

use std::sync::Arc;
use std::time::Duration;

use syncline_model::{
    ClusterName, Instance, InstanceKey, Metadata, Port, Seen, ServiceKey, ServiceSet, Weight,
};

use super::*;
use crate::checks::{Checker, ClusterRecord};
use crate::settings::Settings;

/// A store and a clock that only moves when told to.
struct World {
    store: Store,
    now: Moment,
}

impl World {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        Self {
            store: Store::new(&settings, Arc::new(Interner::new())),
            now: Moment::from_unix_millis(1_000_000),
        }
    }

    /// Lets time pass; timers fire in between, each at its moment.
    fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while let Some(due) = self.store.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.store.advance(self.now);
        }
        self.now = end;
    }

    fn pass_seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn connection(&mut self) -> ClientId {
        self.store.connect()
    }

    fn publish(&mut self, client: ClientId, instance: Instance) {
        let publication = Publication::one(instance, None);
        self.store
            .publish(client, &service(), publication, self.now)
            .expect("the service is ephemeral");
    }

    fn publish_batch(&mut self, client: ClientId, instances: Vec<Instance>) {
        let set = Arc::new(ServiceSet::new(instances));
        let publication = Publication::set(set, CustomIds::new());
        self.store
            .publish(client, &service(), publication, self.now)
            .expect("the service is ephemeral");
    }

    fn register(&mut self, instance: Instance) {
        let address = address(&instance.key, Kind::Ephemeral);
        let publication = Publication::one(instance, None);
        self.store
            .publish_address(&address, &service(), publication, self.now)
            .expect("the service is ephemeral");
    }

    fn set(&mut self) -> Arc<ServiceSet> {
        self.store
            .snapshot(&service())
            .map_or_else(ServiceSet::empty, |snapshot| snapshot.set.clone())
    }

    /// How many subscribers were due a push since the last call.
    fn pushes(&mut self) -> usize {
        let effects = self.store.take_effects();
        effects
            .pushes
            .iter()
            .map(|(_, clients)| clients.len())
            .sum()
    }
}

fn service() -> ServiceKey {
    named("orders")
}

fn named(name: &str) -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", name)
}

fn instance(host: &str) -> Instance {
    Instance::new(host, Port::new(8080).expect("not zero"))
}

fn weighing(host: &str, weight: f64) -> Instance {
    let weight = Weight::new(weight).expect("a legal weight");
    Instance {
        weight,
        ..instance(host)
    }
}

fn saying(host: &str, metadata: &[(&str, &str)]) -> Instance {
    let metadata = Metadata::from_pairs(metadata.iter().copied());
    Instance {
        metadata,
        ..instance(host)
    }
}

fn address(key: &InstanceKey, kind: Kind) -> Address {
    Address {
        host: key.host.clone(),
        port: key.port,
        kind,
    }
}

fn set(protect_threshold: f64, metadata: Metadata) -> ServiceRecord {
    ServiceRecord {
        protect_threshold,
        metadata,
        ..ServiceRecord::default()
    }
}

fn checked_by(checker: Checker) -> ClusterRecord {
    ClusterRecord {
        checker,
        ..ClusterRecord::default()
    }
}

fn all(clusters: &str) -> Clusters {
    Clusters::new(clusters)
}
