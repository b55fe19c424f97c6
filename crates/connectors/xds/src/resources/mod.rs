//! All that clients can ask for, made from a snapshot of services.
//!
//! A service is a cluster, the endpoints of that cluster, a virtual host among
//! the routes of all services, and, for gRPC clients, a listener with routes of
//! its own. Resources are encoded once for all clients, and only those of a
//! service that changed are encoded anew.

mod cluster;
mod endpoints;
mod kind;
mod listeners;
mod routes;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_contract::Snapshot;
use syncline_model::{InstanceKey, ServiceKey};

use crate::config::XdsConfig;
use crate::name::{self, Domains};

pub(crate) use endpoints::of_nobody;
pub(crate) use kind::Kind;
pub(crate) use routes::ALL as ALL_ROUTES;
pub(crate) use table::{Resource, Table};

/// All that clients can ask for, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    tables: [Arc<Table>; Kind::ALL.len()],
    clusters: Arc<BTreeMap<ServiceKey, Arc<str>>>,
}

impl Resources {
    /// The resources of a kind.
    pub(crate) fn of(&self, kind: Kind) -> &Arc<Table> {
        &self.tables[kind as usize]
    }

    /// What follows these resources, and what is to be said of it.
    pub(crate) fn next(
        &self,
        snapshot: &Snapshot,
        changed: &[ServiceKey],
        config: &XdsConfig,
    ) -> (Self, Remarks) {
        let same_services =
            self.clusters.len() == snapshot.len() && self.clusters.keys().eq(snapshot.keys());
        let (mut next, mut remarks) = (self.clone(), Remarks::default());
        if !same_services || self.clusters.is_empty() {
            remarks.renamed = next.name_services(snapshot, config);
        }
        remarks.left_out = next.fill_clusters(self, snapshot, changed);
        (next, remarks)
    }

    /// Everything but endpoints: all that goes by which services there are.
    /// Those whose host is not what one would expect, since another has it.
    fn name_services(
        &mut self,
        snapshot: &Snapshot,
        config: &XdsConfig,
    ) -> Vec<(ServiceKey, Arc<str>)> {
        let named = snapshot.keys();
        self.clusters = Arc::new(named.map(|key| (key.clone(), name::cluster(key))).collect());
        let domains = Domains::new(snapshot.keys());
        let hosts = || {
            let hosts = domains.of.iter();
            hosts.filter_map(|(service, domain)| Some((domain, self.clusters.get(*service)?)))
        };
        let clusters = self.clusters.values();
        let clusters: Table = clusters
            .map(|name| cluster::resource(name, config))
            .collect();
        let routes = routes::resources(hosts()).collect();
        let listeners = listeners::resources(config, hosts().map(|(domain, _)| domain)).collect();
        self.put(Kind::Cluster, clusters);
        self.put(Kind::Route, routes);
        self.put(Kind::Listener, listeners);
        domains.renamed
    }

    /// The endpoints of what changed, and of what these resources lack.
    fn fill_clusters(
        &mut self,
        before: &Self,
        snapshot: &Snapshot,
        changed: &[ServiceKey],
    ) -> Vec<(ServiceKey, Vec<InstanceKey>)> {
        let mut left_out = Vec::new();
        let mut table = Table::clone(before.of(Kind::Endpoint));
        for (service, cluster) in before.clusters.iter() {
            if !snapshot.contains_key(service) {
                table.remove(cluster);
            }
        }
        let clusters = Arc::clone(&self.clusters);
        let missing = clusters
            .keys()
            .filter(|key| !before.clusters.contains_key(*key));
        let known = changed
            .iter()
            .filter(|key| before.clusters.contains_key(*key));
        for service in known.chain(missing) {
            if let (Some(cluster), Some(set)) = (clusters.get(service), snapshot.get(service)) {
                let (resource, unusable) = endpoints::resource(cluster, set);
                table.insert(resource);
                left_out.push((service.clone(), unusable.cloned().collect()));
            }
        }
        self.put(Kind::Endpoint, table);
        left_out
    }

    /// An equal table stays the one that it was, so that nobody looks through it.
    fn put(&mut self, kind: Kind, table: Table) {
        let slot = &mut self.tables[kind as usize];
        if **slot != table {
            *slot = Arc::new(table);
        }
    }
}

/// What an operator should know about resources that were made.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    /// Of services that changed the instances that clients are not given, since
    /// their host is a name: Envoy would refuse all of the service.
    pub(crate) left_out: Vec<(ServiceKey, Vec<InstanceKey>)>,
    /// Services whose host is not what one would expect.
    pub(crate) renamed: Vec<(ServiceKey, Arc<str>)>,
}

#[cfg(test)]
mod tests;
