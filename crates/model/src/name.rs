//! Names, one type each, so that mixing two is a compile error.
//!
//! Names repeat a hundred thousand times in a large registry, so all are
//! shared: cloning one copies a pointer.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;

macro_rules! shared_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name as it is; what a registry accepts is its own rule.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text itself.
            pub fn shared(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

shared_name! {
    /// A Nacos namespace id (strong isolation). The public namespace is
    /// `public` everywhere in Syncline, also where a server says `""`.
    NamespaceId
}
shared_name! {
    /// A Nacos group (weak isolation).
    GroupName
}
shared_name! {
    /// A service name without its group.
    ServiceName
}
shared_name! {
    /// A Nacos cluster: a part of one service.
    ClusterName
}
shared_name! {
    /// A configured registry or consumer.
    EndpointName
}
shared_name! {
    /// One configured route from a source to a target.
    LinkName
}
shared_name! {
    /// One installation of Syncline: a daemon and its replicas.
    InstallId
}

impl NamespaceId {
    /// The id of the namespace that every registry has.
    pub const PUBLIC: &'static str = "public";

    /// The namespace that every registry has.
    pub fn public() -> Self {
        Self::from(Self::PUBLIC)
    }

    /// The id as a server wrote it: 1.x and 2.x list the public namespace as `""`.
    pub fn from_wire(id: &str) -> Self {
        if id.is_empty() {
            Self::public()
        } else {
            Self::from(id)
        }
    }
}

impl GroupName {
    /// The group of services registered without one.
    pub const DEFAULT: &'static str = "DEFAULT_GROUP";
}

impl ClusterName {
    /// The cluster of instances registered without one.
    pub const DEFAULT: &'static str = "DEFAULT";
}

/// The host part of an instance's address: an IPv4 or IPv6 address or, since
/// Nacos allows it, a host name. Short ones are stored in place.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(CompactString);

impl Host {
    /// Takes the host as it is.
    pub fn new(host: &str) -> Self {
        Self(CompactString::new(host))
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Host {
    fn from(host: &str) -> Self {
        Self::new(host)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A service within one registry.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Strong isolation.
    pub namespace: NamespaceId,
    /// Weak isolation.
    pub group: GroupName,
    /// The name within the group.
    pub name: ServiceName,
}

impl ServiceKey {
    /// Names a service.
    pub fn new(
        namespace: impl Into<NamespaceId>,
        group: impl Into<GroupName>,
        name: impl Into<ServiceName>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            group: group.into(),
            name: name.into(),
        }
    }

    /// The form in which Nacos HTTP names a service: `group@@name`.
    pub fn grouped(&self) -> String {
        format!("{}@@{}", self.group, self.name)
    }
}

/// `namespace/group/name`, for people.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.group, self.name)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
