//! Which service is meant.

use std::fmt;
use std::sync::Arc;

/// A service's full name. Cheap to clone; clones share their text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceRef {
    /// The namespace id, `public` for the default one. Never blank: over gRPC
    /// that is another namespace.
    pub namespace: Arc<str>,
    /// The group.
    pub group: Arc<str>,
    /// The name, without its group.
    pub name: Arc<str>,
}

impl ServiceRef {
    /// Names a service.
    pub fn new(
        namespace: impl Into<Arc<str>>,
        group: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            group: group.into(),
            name: name.into(),
        }
    }

    /// The group and name as Nacos joins them: `GROUP@@name`.
    pub fn grouped(&self) -> String {
        format!("{}@@{}", self.group, self.name)
    }

    /// Reads the key of a fuzzy watch: `namespace@@group@@name`.
    pub(super) fn from_key(key: &str) -> Option<Self> {
        let mut parts = key.splitn(3, "@@");
        let (namespace, group, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self::new(namespace, group, name))
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@@{}", self.namespace, self.group, self.name)
    }
}
