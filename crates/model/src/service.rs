//! The immutable set of a service's instances, shared by all who look at it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::instance::{Identity, Instance, InstanceKey, Seen};

/// All instances of one service as one view showed them, sorted by key, with a
/// fingerprint of their content.
///
/// Equal sets have equal fingerprints on every machine, so replicas can compare
/// what they hold by exchanging 8 bytes. Two *unequal* entries with one key may
/// stand side by side: that is what a registry shows when two publishers
/// register the same address with different content.
#[derive(Clone, Debug)]
pub struct ServiceSet {
    instances: Box<[Instance]>,
    fingerprint: u64,
}

impl ServiceSet {
    /// Sorts the instances and drops exact doubles.
    pub fn new(mut instances: Vec<Instance>) -> Self {
        instances.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| content_order(a, b)));
        instances.dedup();
        let fingerprint = fingerprint(&instances);
        Self {
            instances: instances.into_boxed_slice(),
            fingerprint,
        }
    }

    /// A service without instances.
    pub fn empty() -> Arc<Self> {
        Arc::new(Self::new(Vec::new()))
    }

    /// The instances in the order of their keys.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// A hash of all content, the same on every machine and in every version
    /// that uses this format.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// How many instances there are.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// The instances with exactly that key: usually none or one.
    pub fn get(&self, key: &InstanceKey) -> &[Instance] {
        let start = self.instances.partition_point(|i| i.key < *key);
        let end = start + self.instances[start..].partition_point(|i| i.key == *key);
        &self.instances[start..end]
    }

    /// The instances that a registry of that kind takes for this one.
    pub fn matching<'a>(
        &'a self,
        key: &'a InstanceKey,
        identity: Identity,
    ) -> impl Iterator<Item = &'a Instance> {
        // The cluster is the last part of the key, so all instances at one
        // address stand together.
        let start = self
            .instances
            .partition_point(|i| (&i.key.host, i.key.port) < (&key.host, key.port));
        self.instances[start..]
            .iter()
            .take_while(|i| i.key.same_address(key))
            .filter(move |i| i.key.same(key, identity))
    }

    /// How many instances would get traffic.
    pub fn in_use(&self) -> usize {
        self.instances.iter().filter(|i| i.in_use()).count()
    }

    /// The same at a registry that takes those of one identity for one.
    pub fn in_use_as(&self, identity: Identity) -> usize {
        let by_identity = self.instances.chunk_by(|a, b| a.key.same(&b.key, identity));
        let used = |one: &&[Instance]| one.iter().any(Instance::in_use);
        by_identity.filter(used).count()
    }
}

impl PartialEq for ServiceSet {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.instances == other.instances
    }
}

impl Eq for ServiceSet {}

fn content_order(a: &Instance, b: &Instance) -> std::cmp::Ordering {
    let plain = |i: &Instance| (i.weight.get().to_bits(), i.healthy, i.enabled, i.ephemeral);
    plain(a)
        .cmp(&plain(b))
        .then_with(|| a.metadata.cmp(&b.metadata))
}

fn fingerprint(instances: &[Instance]) -> u64 {
    let mut hasher = StableHasher(Xxh3::new());
    for instance in instances {
        hasher.text(instance.key.host.as_str());
        hasher.number(u64::from(instance.key.port.get()));
        hasher.text(instance.key.cluster.as_str());
        hasher.number(instance.weight.get().to_bits());
        hasher.seen(instance.healthy);
        hasher.number(u64::from(instance.enabled));
        hasher.seen(instance.ephemeral);
        hasher.number(instance.metadata.len() as u64);
        for (key, value) in instance.metadata.iter() {
            hasher.text(key);
            hasher.text(value);
        }
    }
    hasher.0.digest()
}

/// Hashes with lengths and a fixed byte order, unlike `Hash`, whose result may
/// change between machines and releases.
struct StableHasher(Xxh3);

impl StableHasher {
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn seen(&mut self, seen: Seen<bool>) {
        self.number(match seen {
            Seen::Known(false) => 0,
            Seen::Known(true) => 1,
            Seen::Unknown => 2,
        });
    }
}

impl Hash for ServiceSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Port, Weight};

    fn instance(host: &str, cluster: &str) -> Instance {
        let mut instance = Instance::new(host, Port::new(80).expect("not zero"));
        instance.key.cluster = cluster.into();
        instance
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        let (a, b) = (instance("10.0.0.1", "x"), instance("10.0.0.2", "x"));
        let one = ServiceSet::new(vec![a.clone(), b.clone()]);
        let two = ServiceSet::new(vec![b, a]);
        assert_eq!(one.fingerprint(), two.fingerprint());
        assert_eq!(one, two);
    }

    #[test]
    fn equal_doubles_collapse_and_unequal_ones_stay() {
        let a = instance("10.0.0.1", "x");
        let mut heavier = a.clone();
        heavier.weight = Weight::new(2.0).expect("legal");
        let set = ServiceSet::new(vec![a.clone(), a.clone(), heavier]);
        assert_eq!(set.len(), 2);
        assert_eq!(set.get(&a.key).len(), 2);
    }

    #[test]
    fn identity_decides_whether_the_cluster_counts() {
        let (x, y) = (instance("10.0.0.1", "x"), instance("10.0.0.1", "y"));
        let set = ServiceSet::new(vec![x.clone(), y, instance("10.0.0.0", "x")]);
        assert_eq!(set.matching(&x.key, Identity::Address).count(), 2);
        assert_eq!(set.matching(&x.key, Identity::AddressAndCluster).count(), 1);
    }
}
