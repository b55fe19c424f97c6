//! What has to be written over HTTP, instance by instance. Pure.

use std::collections::{BTreeMap, BTreeSet};

use syncline_contract::Write;
use syncline_model::plan::{Change, Removal, Standing};
use syncline_model::{Identity, Instance, InstanceKey};

/// The writes that make a service hold what is accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Instances to register, new ones and those that change.
    pub(super) writes: Vec<Instance>,
    /// Instances to deregister after that.
    pub(super) removals: Vec<Instance>,
    /// Instances whose place a native took: they are gone already, and what
    /// would remove them would remove the native.
    pub(super) yielded: Vec<InstanceKey>,
    /// Instances that cannot be held beside another one: the server takes both
    /// for the same.
    pub(super) clashes: Vec<InstanceKey>,
}

/// Compares what is accepted with what is held, as far as this process knows.
///
/// An instance that a change names is written even if it is held: the change
/// may be there because the server lost it. After a restart nothing is known to
/// be held, so everything is written and only what changes name is removed.
pub(super) fn difference(
    write: &Write,
    held: &BTreeMap<InstanceKey, Instance>,
    identity: Identity,
) -> Difference {
    let named: BTreeSet<&InstanceKey> = write.changes.iter().map(Change::key).collect();
    let mut difference = Difference::default();
    let mut wanted: Vec<&Instance> = Vec::new();
    for instance in write.accepted.instances() {
        if wanted
            .iter()
            .rev()
            .any(|w| w.key.same(&instance.key, identity))
        {
            difference.clashes.push(instance.key.clone());
            continue;
        }
        wanted.push(instance);
        if held.get(&instance.key) != Some(instance) || named.contains(&instance.key) {
            difference.writes.push(instance.clone());
        }
    }
    let removed = write.changes.iter().filter_map(|change| match change {
        Change::Remove { instance, .. } => Some(instance),
        Change::Add(_) | Change::Update { .. } | Change::MarkUnavailable { .. } => None,
    });
    let yielded = write.changes.iter().filter_map(|change| match change {
        Change::Remove {
            instance,
            because: Removal::Shadowed(Standing::Instead | Standing::OtherLink),
        } => Some(&instance.key),
        _ => None,
    });
    difference.yielded = yielded.cloned().collect();
    let mut gone: BTreeMap<&InstanceKey, &Instance> = BTreeMap::new();
    gone.extend(held.values().chain(removed).map(|i| (&i.key, i)));
    // What the server takes for one that stays was moved by its registration;
    // removing it would remove the other.
    gone.retain(|key, _| {
        let at = wanted.partition_point(|w| (&w.key.host, w.key.port) < (&key.host, key.port));
        let same_address = wanted[at..].iter().take_while(|w| w.key.same_address(key));
        !same_address.into_iter().any(|w| w.key.same(key, identity))
    });
    gone.retain(|key, _| !difference.yielded.contains(key));
    difference.removals = gone.into_values().cloned().collect();
    difference
}

impl Difference {
    /// What may go now: an instance that moves has to be in its new place first.
    pub(super) fn removals_after(&mut self, failed: &[InstanceKey]) -> Vec<Instance> {
        let mut removals = std::mem::take(&mut self.removals);
        removals.retain(|gone| !failed.iter().any(|key| key.same_address(&gone.key)));
        removals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use syncline_model::{Port, ServiceKey, ServiceSet, Weight};

    fn instance(host: &str, cluster: &str) -> Instance {
        let mut instance = Instance::new(host, Port::new(80).expect("not zero"));
        instance.key.cluster = cluster.into();
        instance
    }

    fn write(accepted: Vec<Instance>, changes: Vec<Change>) -> Write {
        Write {
            service: ServiceKey::new("public", "G", "s"),
            accepted: Arc::new(ServiceSet::new(accepted)),
            changes: changes.into(),
            taken_over: Arc::from([]),
        }
    }

    fn held(instances: &[Instance]) -> BTreeMap<InstanceKey, Instance> {
        instances
            .iter()
            .map(|i| (i.key.clone(), i.clone()))
            .collect()
    }

    fn hosts(instances: &[Instance]) -> Vec<String> {
        instances.iter().map(|i| i.key.to_string()).collect()
    }

    #[test]
    fn only_what_differs_is_written() {
        let (a, b, c) = (instance("a", "x"), instance("b", "x"), instance("c", "x"));
        let mut heavier = b.clone();
        heavier.weight = Weight::new(2.0).expect("legal");
        let found = difference(
            &write(vec![a.clone(), heavier.clone()], vec![]),
            &held(&[a, b, c]),
            Identity::AddressAndCluster,
        );
        assert_eq!(found.writes, [heavier]);
        assert_eq!(hosts(&found.removals), ["c:80@x"]);
    }

    #[test]
    fn what_a_change_names_is_written_though_it_is_held() {
        let a = instance("a", "x");
        let again = write(vec![a.clone()], vec![Change::Add(a.clone())]);
        let found = difference(&again, &held(std::slice::from_ref(&a)), Identity::Address);
        assert_eq!(found.writes, [a]);
    }

    #[test]
    fn after_a_restart_changes_say_what_to_remove() {
        let (a, b) = (instance("a", "x"), instance("b", "x"));
        let gone = Change::Remove {
            instance: b,
            because: Removal::Shadowed(Standing::Beside),
        };
        let found = difference(&write(vec![a], vec![gone]), &held(&[]), Identity::Address);
        assert_eq!(hosts(&found.writes), ["a:80@x"]);
        assert_eq!(hosts(&found.removals), ["b:80@x"]);
    }

    #[test]
    fn what_a_native_took_the_place_of_is_let_go_without_a_removal() {
        let (a, b) = (instance("a", "x"), instance("b", "x"));
        let gone = Change::Remove {
            instance: b.clone(),
            because: Removal::Shadowed(Standing::Instead),
        };
        let found = difference(
            &write(vec![a.clone()], vec![gone]),
            &held(&[a, b.clone()]),
            Identity::Address,
        );
        assert_eq!(found.removals, []);
        assert_eq!(found.yielded, [b.key]);
    }

    #[test]
    fn a_move_between_clusters_is_a_removal_only_where_the_cluster_counts() {
        let (old, new) = (instance("a", "x"), instance("a", "y"));
        let move_it = write(vec![new], vec![]);
        let moved = difference(
            &move_it,
            &held(std::slice::from_ref(&old)),
            Identity::Address,
        );
        assert_eq!(
            (hosts(&moved.writes), moved.removals.len()),
            (vec!["a:80@y".into()], 0)
        );
        let replaced = difference(&move_it, &held(&[old]), Identity::AddressAndCluster);
        assert_eq!(hosts(&replaced.removals), ["a:80@x"]);
    }

    #[test]
    fn what_moves_stays_until_it_has_arrived() {
        let (old, new, other) = (instance("a", "x"), instance("a", "y"), instance("b", "x"));
        let move_it = write(vec![new.clone()], vec![]);
        let both = held(&[old, other]);
        let mut found = difference(&move_it, &both, Identity::AddressAndCluster);
        assert_eq!(hosts(&found.removals_after(&[new.key])), ["b:80@x"]);
    }

    #[test]
    fn two_that_the_server_takes_for_one_clash() {
        let both = write(vec![instance("a", "x"), instance("a", "y")], vec![]);
        let found = difference(&both, &held(&[]), Identity::Address);
        assert_eq!(hosts(&found.writes), ["a:80@x"]);
        assert_eq!(found.clashes.len(), 1);
        let apart = difference(&both, &held(&[]), Identity::AddressAndCluster);
        assert_eq!((apart.writes.len(), apart.clashes.len()), (2, 0));
    }
}
