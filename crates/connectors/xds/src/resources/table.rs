//! Resources of one kind, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use xxhash_rust::xxh3::xxh3_64;

/// One resource, encoded.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Resource {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// A hash of its content: the same after a restart, and at every replica.
    pub(crate) version: u64,
    /// Its content.
    pub(crate) body: Bytes,
    /// Whether only who asks for it by name is given it, not who asks for all.
    pub(crate) only_by_name: bool,
}

impl Resource {
    /// Encodes a resource.
    pub(crate) fn new(name: &Arc<str>, content: &impl Message) -> Self {
        let body = Bytes::from(content.encode_to_vec());
        Self {
            name: Arc::clone(name),
            version: xxh3_64(&body),
            body,
            only_by_name: false,
        }
    }

    /// Its version as clients see it.
    pub(crate) fn version_text(&self) -> String {
        format!("{:016x}", self.version)
    }

    /// The same for those alone who ask for it by name.
    pub(crate) fn only_by_name(self) -> Self {
        Self {
            only_by_name: true,
            ..self
        }
    }
}

/// Resources of one kind, in the order of their names.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Table(BTreeMap<Arc<str>, Arc<Resource>>);

impl Table {
    /// The resource of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        self.0.get(name)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.0.values()
    }

    /// Puts a resource in the place of the one of its name.
    pub(super) fn insert(&mut self, resource: Resource) {
        self.0
            .insert(Arc::clone(&resource.name), Arc::new(resource));
    }

    /// Takes a resource away.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}

impl FromIterator<Resource> for Table {
    fn from_iter<I: IntoIterator<Item = Resource>>(resources: I) -> Self {
        let resources = resources.into_iter();
        Self(
            resources
                .map(|resource| (Arc::clone(&resource.name), Arc::new(resource)))
                .collect(),
        )
    }
}
