//! One instance of a service: who it is, and what is said of it.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::{Arc, LazyLock};

use crate::name::{ClusterName, Host};

/// An instance's port. Port 0 cannot be connected to, so it never gets this far.
pub type Port = NonZeroU16;

/// A value that a view may be unable to tell: the bulk catalog of Nacos 1.x
/// and 2.x has no `ephemeral`, a list under protection has no true health.
///
/// What is unknown is never compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Seen<T> {
    /// The view tells it.
    Known(T),
    /// The view cannot tell.
    Unknown,
}

impl<T: PartialEq + Copy> Seen<T> {
    /// Whether both are known and say different things.
    pub fn differs_from(self, other: Self) -> bool {
        matches!((self, other), (Self::Known(a), Self::Known(b)) if a != b)
    }

    /// The value, or what to take where the view cannot tell.
    pub fn or(self, otherwise: T) -> T {
        match self {
            Self::Known(value) => value,
            Self::Unknown => otherwise,
        }
    }

    /// This value where it is known, else the other.
    pub fn or_seen(self, other: Self) -> Self {
        match self {
            Self::Known(_) => self,
            Self::Unknown => other,
        }
    }
}

/// A weight that a registry can hold: finite and from 0 to 10,000.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Weight(f64);

impl Weight {
    /// The weight of an instance that states none.
    pub const ONE: Self = Self(1.0);
    /// Takes no traffic.
    pub const ZERO: Self = Self(0.0);
    /// The largest weight that Nacos accepts over HTTP.
    pub const MAX: f64 = 10_000.0;

    /// `None` for a weight that is not a number, negative, or too large.
    pub fn new(weight: f64) -> Option<Self> {
        // Adding 0.0 turns -0.0 into 0.0, so that equal weights have equal bits.
        (0.0..=Self::MAX)
            .contains(&weight)
            .then_some(Self(weight + 0.0))
    }

    /// The weight as a number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The product, cut at what a registry can hold.
    pub fn scaled(self, factor: f64) -> Self {
        Self::new((self.0 * factor).clamp(0.0, Self::MAX)).unwrap_or(self)
    }

    /// The sum, cut at what a registry can hold.
    pub fn plus(self, other: Self) -> Self {
        Self((self.0 + other.0).min(Self::MAX))
    }
}

impl Eq for Weight {}

impl PartialOrd<Weight> for f64 {
    fn partial_cmp(&self, other: &Weight) -> Option<std::cmp::Ordering> {
        self.partial_cmp(&other.0)
    }
}

impl PartialEq<Weight> for f64 {
    fn eq(&self, other: &Weight) -> bool {
        *self == other.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An instance's metadata: text pairs, sorted by key, each key once.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metadata(Arc<[(Arc<str>, Arc<str>)]>);

impl Metadata {
    /// No pairs; all empty metadata share one allocation.
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Metadata> = LazyLock::new(|| Metadata(Arc::from([])));
        EMPTY.clone()
    }

    /// Sorts the pairs; of pairs with the same key the last one stands.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        if pairs.is_empty() {
            return Self::empty();
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        // `dedup_by` keeps the first of equals, so the later value is moved into it.
        pairs.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                std::mem::swap(later, first);
            }
            same
        });
        Self(pairs.into())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .binary_search_by(|(k, _)| (**k).cmp(key))
            .ok()
            .map(|at| &*self.0[at].1)
    }

    /// The pairs in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }

    /// The pairs with their shared text, in the order of their keys.
    pub fn pairs(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.0
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same pairs with one set.
    pub fn with(&self, key: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        let added = (key.into(), value.into());
        Self::from_pairs(self.0.iter().cloned().chain([added]))
    }

    /// The same pairs without one; the same allocation where it was not there.
    pub fn without(&self, key: &str) -> Self {
        if self.get(key).is_none() {
            return self.clone();
        }
        Self::from_pairs(self.0.iter().filter(|(k, _)| &**k != key).cloned())
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Which fields tell two instances of one service apart at a registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Identity {
    /// Nacos 1.x and everything over gRPC: host, port and cluster.
    AddressAndCluster,
    /// Nacos 2.x over HTTP and persistent instances: host and port. A change of
    /// cluster is a move.
    Address,
}

/// What identifies an instance within its service.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InstanceKey {
    /// Address or host name.
    pub host: Host,
    /// TCP port.
    pub port: Port,
    /// The cluster within the service.
    pub cluster: ClusterName,
}

impl InstanceKey {
    /// Whether both are the same instance to a registry of that kind.
    pub fn same(&self, other: &Self, identity: Identity) -> bool {
        self.same_address(other) && (identity == Identity::Address || self.cluster == other.cluster)
    }

    /// Whether both answer at the same host and port, whatever their cluster.
    pub fn same_address(&self, other: &Self) -> bool {
        self.port == other.port && self.host == other.host
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn address(&self) -> String {
        if self.host.as_str().contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// `host:port`, followed by the cluster where it is not the default one.
impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())?;
        if self.cluster.as_str() != ClusterName::DEFAULT {
            write!(f, "@{}", self.cluster)?;
        }
        Ok(())
    }
}

/// One instance as a view showed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Who it is.
    pub key: InstanceKey,
    /// Its share of the traffic.
    pub weight: Weight,
    /// Whether the registry takes it for healthy.
    pub healthy: Seen<bool>,
    /// Whether it is in rotation; a consumer's view shows only those that are.
    pub enabled: bool,
    /// Whether its registration ends with its publisher.
    pub ephemeral: Seen<bool>,
    /// What its publisher says of it.
    pub metadata: Metadata,
}

impl Instance {
    /// An instance as Nacos registers it when only the address is given.
    pub fn new(host: impl Into<Host>, port: Port) -> Self {
        Self {
            key: InstanceKey {
                host: host.into(),
                port,
                cluster: ClusterName::from(ClusterName::DEFAULT),
            },
            weight: Weight::ONE,
            healthy: Seen::Known(true),
            enabled: true,
            ephemeral: Seen::Known(true),
            metadata: Metadata::empty(),
        }
    }

    /// Whether a consumer would send traffic to it: enabled, weighted, and not
    /// known to be unhealthy. Losing this counts like a removal.
    pub fn in_use(&self) -> bool {
        self.enabled && self.weight > Weight::ZERO && self.healthy.or(true)
    }

    /// Whether its content differs from another's, as far as both are known.
    /// Ephemeral or persistent is not content: it follows from the target.
    pub fn content_differs(&self, other: &Self) -> bool {
        self.weight != other.weight
            || self.enabled != other.enabled
            || self.healthy.differs_from(other.healthy)
            || self.metadata != other.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_no_registry_can_hold_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, -0.1, 10_000.1] {
            assert_eq!(Weight::new(bad), None, "{bad}");
        }
        assert_eq!(Weight::new(-0.0), Some(Weight::ZERO));
        assert_eq!(Weight::new(10_000.0).map(Weight::get), Some(10_000.0));
    }

    #[test]
    fn metadata_is_sorted_and_the_last_of_equal_keys_stands() {
        let metadata = Metadata::from_pairs([("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(
            metadata.iter().collect::<Vec<_>>(),
            [("a", "2"), ("b", "3")]
        );
        assert_eq!(metadata.get("b"), Some("3"));
        assert_eq!(metadata.without("a").len(), 1);
        assert_eq!(metadata.with("a", "9").get("a"), Some("9"));
    }

    #[test]
    fn what_is_unknown_is_never_a_difference() {
        let known = Seen::Known(true);
        assert!(!known.differs_from(Seen::Unknown));
        assert!(!Seen::Unknown.differs_from(known));
        assert!(known.differs_from(Seen::Known(false)));
    }
}
