//! Several instances that become one at the target.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::instance::{Identity, Instance, InstanceKey};
use crate::name::ClusterName;

/// What to do where several instances become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnCollision {
    /// They stand behind one gateway: the one has the weights of all that are
    /// in use, and is in use as long as any of them is.
    Add,
    /// Unless all are equal, something is wrong: the first that is in use stands,
    /// or the first of all, and the others are reported.
    Report,
}

/// Instances that would have to be one at the target but differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Collision {
    /// The one that stands.
    pub kept: Instance,
    /// Those that do not, in order.
    pub left_out: Vec<Instance>,
}

/// Makes instances of one service with one identity one. The result depends on
/// the order of what is given, and on nothing else.
pub fn merge(
    instances: Vec<Instance>,
    identity: Identity,
    on_collision: OnCollision,
) -> (Vec<Instance>, Vec<Collision>) {
    if !collide(&instances, identity) {
        return (instances, Vec::new());
    }
    let mut merged = Vec::with_capacity(instances.len());
    let mut collisions = Vec::new();
    for group in groups(instances, identity) {
        match on_collision {
            OnCollision::Add => merged.extend(sum(group)),
            OnCollision::Report => {
                // Consumers of the source use one of them, and so may ours.
                let in_use = group.iter().position(Instance::in_use);
                let kept = group[in_use.unwrap_or_default()].clone();
                let others = group.into_iter().filter(|other| *other != kept);
                let left_out: Vec<Instance> = others.collect();
                if !left_out.is_empty() {
                    let kept = kept.clone();
                    collisions.push(Collision { kept, left_out });
                }
                merged.push(kept);
            }
        }
    }
    (merged, collisions)
}

/// Whether any two instances become one.
pub(super) fn collide(instances: &[Instance], identity: Identity) -> bool {
    let sorted = instances.is_sorted_by(|a, b| a.key <= b.key);
    if sorted {
        // The cluster is the last part of the key, so what may collide stands
        // side by side.
        return instances
            .windows(2)
            .any(|pair| pair[0].key.same(&pair[1].key, identity));
    }
    let mut keys: Vec<_> = instances.iter().map(|i| part(&i.key, identity)).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// The part of a key that counts at the target.
fn part(key: &InstanceKey, identity: Identity) -> InstanceKey {
    let mut part = key.clone();
    if identity == Identity::Address {
        part.cluster = ClusterName::from(ClusterName::DEFAULT);
    }
    part
}

/// Groups of one identity, in the order in which their first members came.
fn groups(instances: Vec<Instance>, identity: Identity) -> Vec<Vec<Instance>> {
    let mut places: HashMap<InstanceKey, usize> = HashMap::new();
    let mut groups: Vec<Vec<Instance>> = Vec::new();
    for instance in instances {
        match places.entry(part(&instance.key, identity)) {
            Entry::Occupied(place) => groups[*place.get()].push(instance),
            Entry::Vacant(place) => {
                place.insert(groups.len());
                groups.push(vec![instance]);
            }
        }
    }
    groups
}

/// The first that is in use, with the weights of all that are; the first of all
/// where none is.
fn sum(group: Vec<Instance>) -> Option<Instance> {
    let in_use = || group.iter().filter(|instance| instance.in_use());
    let mut sum = in_use().next().or(group.first())?.clone();
    if let Some(weight) = in_use().map(|i| i.weight).reduce(|a, b| a.plus(b)) {
        sum.weight = weight;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Metadata, Port, Seen, Weight};

    fn instance(host: &str, cluster: &str, weight: f64) -> Instance {
        let mut instance = Instance::new(host, Port::new(80).expect("not zero"));
        instance.key.cluster = cluster.into();
        instance.weight = Weight::new(weight).expect("legal");
        instance
    }

    const FULL: Identity = Identity::AddressAndCluster;

    #[test]
    fn what_does_not_collide_stays_in_its_order() {
        let given = vec![instance("b", "x", 1.0), instance("a", "x", 1.0)];
        let (merged, collisions) = merge(given.clone(), FULL, OnCollision::Report);
        assert_eq!((merged, collisions.len()), (given, 0));
    }

    #[test]
    fn equal_ones_become_one_without_a_word() {
        let one = instance("a", "x", 1.0);
        let other = instance("b", "x", 1.0);
        let given = vec![one.clone(), other.clone(), one.clone()];
        let (merged, collisions) = merge(given, FULL, OnCollision::Report);
        assert_eq!(merged, [one, other]);
        assert!(collisions.is_empty());
    }

    #[test]
    fn of_unequal_ones_the_first_stands_and_the_others_are_reported() {
        let (first, second) = (instance("a", "x", 1.0), instance("a", "x", 2.0));
        let given = vec![first.clone(), second.clone(), first.clone()];
        let (merged, collisions) = merge(given, FULL, OnCollision::Report);
        assert_eq!(merged, std::slice::from_ref(&first));
        let left_out = vec![second];
        assert_eq!(
            collisions,
            [Collision {
                kept: first,
                left_out
            }]
        );
    }

    #[test]
    fn of_unequal_ones_one_that_is_in_use_stands() {
        let mut sick = instance("a", "x", 1.0);
        sick.healthy = Seen::Known(false);
        let used = instance("a", "x", 2.0);
        let given = vec![sick.clone(), used.clone()];
        let (merged, collisions) = merge(given, FULL, OnCollision::Report);
        assert_eq!(merged, [used]);
        assert_eq!(collisions[0].left_out, [sick]);
    }

    #[test]
    fn the_cluster_counts_only_where_it_identifies() {
        let given = vec![instance("a", "x", 1.0), instance("a", "y", 1.0)];
        let (merged, _) = merge(given.clone(), FULL, OnCollision::Report);
        assert_eq!(merged, given);
        let (merged, collisions) = merge(given.clone(), Identity::Address, OnCollision::Report);
        assert_eq!(merged, given[..1]);
        assert_eq!(collisions.len(), 1);
    }

    #[test]
    fn behind_a_gateway_the_weights_in_use_add_up() {
        let mut sick = instance("gw", "x", 4.0);
        sick.healthy = Seen::Known(false);
        let mut tagged = instance("gw", "x", 2.0);
        tagged.metadata = Metadata::from_pairs([("v", "2")]);
        let given = vec![
            sick.clone(),
            tagged.clone(),
            instance("gw", "x", 0.5),
            instance("gw", "x", 0.5),
        ];
        let (merged, collisions) = merge(given, FULL, OnCollision::Add);
        tagged.weight = Weight::new(3.0).expect("legal");
        assert_eq!(merged, [tagged]);
        assert!(collisions.is_empty());
        let (merged, _) = merge(vec![sick.clone(), sick.clone()], FULL, OnCollision::Add);
        assert_eq!(merged, [sick], "none is in use");
    }
}
