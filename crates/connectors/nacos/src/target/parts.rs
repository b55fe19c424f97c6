//! A service too large for one request is published in parts. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use syncline_model::{Instance, InstanceKey, ServiceKey, ServiceSet};
use syncline_nacos::message as wire;

use crate::convert::registration;

/// Instances that go into one request.
const MOST_INSTANCES: usize = 20_000;

/// Bytes that go into one request: servers take 10 MiB.
const MOST_BYTES: usize = 8 << 20;

/// Bytes of an instance beside its texts, more or less.
const FRAME: usize = 220;

/// The registrations of a service, in as many parts as it takes.
///
/// When there is one part more than before, instances only move into the new
/// one; when there is one part fewer, only out of the last.
pub(super) fn parts(service: &ServiceKey, set: &ServiceSet) -> Vec<Arc<[wire::Instance]>> {
    let instances = set.instances();
    let bytes: usize = instances.iter().map(bytes).sum();
    let count = instances
        .len()
        .div_ceil(MOST_INSTANCES)
        .max(bytes.div_ceil(MOST_BYTES));
    if count <= 1 {
        let all: Arc<[_]> = instances.iter().map(|i| registration(service, i)).collect();
        return if all.is_empty() {
            Vec::new()
        } else {
            vec![all]
        };
    }
    let mut parts = vec![Vec::new(); count];
    for instance in instances {
        parts[part_of(&instance.key, count)].push(registration(service, instance));
    }
    parts.into_iter().map(Arc::from).collect()
}

fn bytes(instance: &Instance) -> usize {
    let metadata = instance.metadata.iter().map(|(k, v)| k.len() + v.len() + 6);
    let key = &instance.key;
    // Address and cluster stand in the id as well.
    FRAME + 2 * (key.host.as_str().len() + key.cluster.as_str().len()) + metadata.sum::<usize>()
}

/// Jump consistent hashing (Lamping and Veach, 2014): of n parts made n + 1,
/// every key stays where it is or moves to the new one.
fn part_of(key: &InstanceKey, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let mut state = hasher.finish();
    let (mut part, mut next) = (0, 0);
    while next < count {
        part = next;
        state = state
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(1);
        let share = (1_u64 << 31) as f64 / ((state >> 33) + 1) as f64;
        next = ((part + 1) as f64 * share) as usize;
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Metadata, Port};

    fn set(count: usize, metadata: usize) -> ServiceSet {
        let metadata = Metadata::from_pairs([("k", "v".repeat(metadata))]);
        let instances = (0..count).map(|n| {
            let host = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
            let mut instance = Instance::new(host.as_str(), Port::new(80).expect("not zero"));
            instance.metadata = metadata.clone();
            instance
        });
        ServiceSet::new(instances.collect())
    }

    fn split(count: usize, metadata: usize) -> Vec<usize> {
        let service = ServiceKey::new("public", "G", "s");
        let parts = parts(&service, &set(count, metadata));
        parts.iter().map(|part| part.len()).collect()
    }

    #[test]
    fn only_large_services_have_parts() {
        assert_eq!(split(0, 0), Vec::<usize>::new());
        assert_eq!(split(1, 0), [1]);
        assert_eq!(split(MOST_INSTANCES, 20), [MOST_INSTANCES]);
        let two = split(MOST_INSTANCES + 1, 20);
        assert_eq!(two.len(), 2);
        assert_eq!(two.iter().sum::<usize>(), MOST_INSTANCES + 1);
        assert!(two.iter().all(|part| *part > MOST_INSTANCES / 3));
        assert_eq!(split(10_000, 1_000).len(), 2, "by bytes");
    }

    #[test]
    fn another_part_moves_keys_only_into_itself() {
        for instance in set(2_000, 0).instances() {
            for count in 1..6 {
                let (before, after) = (
                    part_of(&instance.key, count),
                    part_of(&instance.key, count + 1),
                );
                assert!(after == before || after == count, "{before} to {after}");
            }
        }
    }
}
