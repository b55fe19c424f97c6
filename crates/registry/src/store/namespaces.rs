//! Namespaces that somebody created. Nobody has to: one that has services
//! exists as well.

use std::collections::BTreeMap;

use syncline_model::NamespaceId;

use super::{DurableKey, Store};

/// What was said of a namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NamespaceRecord {
    /// What people call it.
    pub(crate) name: String,
    pub(crate) description: Option<String>,
}

impl Store {
    /// Creates a namespace, and says whether there was none; public is always
    /// there. One that has services and was never created is created now.
    pub(crate) fn create_namespace(&mut self, id: &NamespaceId, record: NamespaceRecord) -> bool {
        if self.is_created(id) {
            return false;
        }
        self.set_namespace(id, record);
        true
    }

    /// Says something else of a namespace. One that is not there stays so, as
    /// in Nacos.
    pub(crate) fn update_namespace(&mut self, id: &NamespaceId, record: NamespaceRecord) {
        if self.created.contains_key(id) || self.names.namespaces().contains(id) {
            self.set_namespace(id, record);
        }
    }

    /// Forgets what was said of a namespace. Its services stay, as in Nacos,
    /// and it is there as long as they are.
    pub(crate) fn delete_namespace(&mut self, id: &NamespaceId) {
        if self.created.remove(id).is_some() {
            self.change_durable_key(DurableKey::Namespace(id.clone()));
        }
    }

    /// Whether nobody can create it any more.
    pub(crate) fn is_created(&self, id: &NamespaceId) -> bool {
        id.as_str() == NamespaceId::PUBLIC || self.created.contains_key(id)
    }

    /// All namespaces but public, with what was said of them: those that were
    /// created, and those that have services.
    pub(crate) fn all_namespaces(&self) -> BTreeMap<NamespaceId, Option<NamespaceRecord>> {
        let with_services = self.names.namespaces().into_iter();
        let mut all: BTreeMap<_, _> = with_services.map(|id| (id, None)).collect();
        let created = self.created.iter();
        all.extend(created.map(|(id, record)| (id.clone(), Some(record.clone()))));
        all.remove(&NamespaceId::public());
        all
    }

    pub(super) fn set_namespace(&mut self, id: &NamespaceId, record: NamespaceRecord) {
        self.created.insert(id.clone(), record);
        self.change_durable_key(DurableKey::Namespace(id.clone()));
    }
}
