//! Bringing what was just seen of a service together with what was known.

use std::sync::Arc;

use crate::instance::{Identity, Instance, Seen};
use crate::service::ServiceSet;
use crate::view::Truth;

/// What a new look at a service makes of what was known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merged {
    /// What was just seen, completed by what only the former look could tell,
    /// and by the instances that the new look does not show.
    pub set: Arc<ServiceSet>,
    /// Whether instances that were known are not shown any more. They are still
    /// in the set: their absence has to be confirmed first.
    pub missing: bool,
    /// What is in the set that the new look should show and does not.
    pub unshown: Vec<Instance>,
}

/// Takes additions and changes over at once and keeps what is not shown.
///
/// A consumer's view is not expected to show an instance that is disabled, so
/// that one is kept without being missed. Where several publishers gave a key
/// and fewer entries are shown of it, one of them may have gone.
pub fn merge(known: &ServiceSet, seen: &ServiceSet, truth: Truth) -> Merged {
    let mut instances = completed(known, seen);
    let (mut missing, mut unshown) = (false, Vec::new());
    for of_one_key in known.instances().chunk_by(|a, b| a.key == b.key) {
        let shown = seen.get(&of_one_key[0].key);
        let fewer = of_one_key.len().saturating_sub(shown.len());
        if fewer == 0 {
            continue;
        }
        let is_shown = |old: &Instance| shown.iter().any(|new| !new.content_differs(old));
        for old in of_one_key.iter().filter(|old| !is_shown(old)).take(fewer) {
            if old.enabled || truth == Truth::Raw {
                missing = true;
                unshown.push(old.clone());
            }
            instances.push(old.clone());
        }
    }
    Merged {
        set: Arc::new(ServiceSet::new(instances)),
        missing,
        unshown,
    }
}

/// Takes a confirmed look as it is: what it does not show is gone. Only fields
/// that it cannot tell are taken from what was known.
pub fn replace(known: &ServiceSet, seen: &Arc<ServiceSet>) -> Arc<ServiceSet> {
    let tells_all = |i: &Instance| i.healthy != Seen::Unknown && i.ephemeral != Seen::Unknown;
    if seen.instances().iter().all(tells_all) {
        return Arc::clone(seen);
    }
    Arc::new(ServiceSet::new(completed(known, seen)))
}

fn completed(known: &ServiceSet, seen: &ServiceSet) -> Vec<Instance> {
    let complete = |new: &Instance| {
        let mut instance = new.clone();
        let old = known.matching(&new.key, Identity::AddressAndCluster).next();
        if let Some(old) = old {
            instance.healthy = new.healthy.or_seen(old.healthy);
            instance.ephemeral = new.ephemeral.or_seen(old.ephemeral);
        }
        instance
    };
    seen.instances().iter().map(complete).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Port;

    fn instance(last: u8) -> Instance {
        Instance::new(
            format!("10.0.0.{last}").as_str(),
            Port::new(80).expect("not zero"),
        )
    }

    fn set(instances: Vec<Instance>) -> Arc<ServiceSet> {
        Arc::new(ServiceSet::new(instances))
    }

    #[test]
    fn what_a_push_does_not_show_is_missed_but_kept() {
        let known = set(vec![instance(1), instance(2)]);
        let merged = merge(&known, &set(vec![instance(1)]), Truth::Consumer);
        assert!(merged.missing);
        assert_eq!(merged.set.len(), 2);
    }

    #[test]
    fn one_of_two_publishers_of_a_key_is_missed() {
        let mut other = instance(1);
        other.metadata = other.metadata.with("of", "another");
        let known = set(vec![instance(1), other.clone()]);
        let merged = merge(&known, &set(vec![other]), Truth::Raw);
        assert!(merged.missing);
        assert_eq!(merged.unshown, [instance(1)]);
        assert_eq!(merged.set.len(), 2);
    }

    #[test]
    fn a_disabled_instance_is_not_missed_in_a_consumers_view() {
        let mut disabled = instance(2);
        disabled.enabled = false;
        let known = set(vec![instance(1), disabled]);
        let seen = set(vec![instance(1)]);
        assert!(!merge(&known, &seen, Truth::Consumer).missing);
        assert!(merge(&known, &seen, Truth::Raw).missing);
    }

    #[test]
    fn unknown_fields_keep_their_last_known_value() {
        let mut sick = instance(1);
        sick.healthy = Seen::Known(false);
        let mut protected = instance(1);
        protected.healthy = Seen::Unknown;
        let (known, seen) = (set(vec![sick]), set(vec![protected]));
        let merged = merge(&known, &seen, Truth::Consumer);
        assert_eq!(merged.set.instances()[0].healthy, Seen::Known(false));
        assert_eq!(
            replace(&known, &seen).instances()[0].healthy,
            Seen::Known(false)
        );
    }
}
