//! The names of the services that exist, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_model::{GroupName, NamespaceId, ServiceKey, ServiceName};

/// Names by namespace. A namespace exists while it has services.
#[derive(Default)]
pub(crate) struct Names {
    namespaces: BTreeMap<NamespaceId, Namespace>,
    len: usize,
}

#[derive(Default)]
struct Namespace {
    names: BTreeSet<(GroupName, ServiceName)>,
    /// The names as last asked for; names change rarely and are asked for
    /// often.
    listing: Option<Arc<[(GroupName, ServiceName)]>>,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, key: &ServiceKey) {
        let namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        if namespace
            .names
            .insert((key.group.clone(), key.name.clone()))
        {
            namespace.listing = None;
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, key: &ServiceKey) {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        if namespace
            .names
            .remove(&(key.group.clone(), key.name.clone()))
        {
            namespace.listing = None;
            self.len -= 1;
        }
        if namespace.names.is_empty() {
            self.namespaces.remove(&key.namespace);
        }
    }

    pub(super) fn namespaces(&self) -> Vec<NamespaceId> {
        self.namespaces.keys().cloned().collect()
    }

    pub(super) fn listing(&mut self, namespace: &NamespaceId) -> Arc<[(GroupName, ServiceName)]> {
        let Some(namespace) = self.namespaces.get_mut(namespace) else {
            return Arc::new([]);
        };
        let names = &namespace.names;
        namespace
            .listing
            .get_or_insert_with(|| names.iter().cloned().collect())
            .clone()
    }

    /// The part of a listing that belongs to one group.
    pub(crate) fn of_group<'a>(
        listing: &'a [(GroupName, ServiceName)],
        group: &GroupName,
    ) -> &'a [(GroupName, ServiceName)] {
        let start = listing.partition_point(|(g, _)| g < group);
        let end = start + listing[start..].partition_point(|(g, _)| g == group);
        &listing[start..end]
    }
}
