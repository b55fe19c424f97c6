//! One change of one instance, and what allows it.

use std::fmt;

use super::Standing;
use crate::instance::{Instance, InstanceKey};
use crate::view::Absence;

/// One step towards the accepted set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The instance is new at the target.
    Add(Instance),
    /// The instance stays and its content changes, in place.
    Update {
        /// What the target was given before.
        from: Instance,
        /// What it is given now.
        to: Instance,
    },
    /// The instance went away at the source and stays, without traffic.
    MarkUnavailable {
        /// What the target was given before.
        from: Instance,
        /// What it is given now.
        to: Instance,
        /// Proof that it went away.
        proof: Absence,
    },
    /// The instance goes.
    Remove {
        /// What the target was given before.
        instance: Instance,
        /// What allows it.
        because: Removal,
    },
}

impl Change {
    /// Which instance changes.
    pub fn key(&self) -> &InstanceKey {
        match self {
            Self::Add(instance) | Self::Remove { instance, .. } => &instance.key,
            Self::Update { to, .. } | Self::MarkUnavailable { to, .. } => &to.key,
        }
    }

    /// What the target was given before, where it was given anything.
    pub fn before(&self) -> Option<&Instance> {
        match self {
            Self::Add(_) => None,
            Self::Update { from, .. } | Self::MarkUnavailable { from, .. } => Some(from),
            Self::Remove { instance, .. } => Some(instance),
        }
    }

    /// The kind as one word, for metrics, logs and the journal.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Update { .. } => "update",
            Self::MarkUnavailable { .. } => "mark-unavailable",
            Self::Remove { .. } => "remove",
        }
    }

    /// Make before break: what comes is written before what goes.
    pub(super) fn turn(&self) -> u8 {
        match self {
            Self::Add(_) => 0,
            Self::Update { .. } => 1,
            Self::MarkUnavailable { .. } => 2,
            Self::Remove { .. } => 3,
        }
    }

    /// Whether it takes away what went away at the source, at once or by
    /// leaving it without traffic. What yields to a native is not taken away.
    pub fn is_removal(&self) -> bool {
        match self {
            Self::Add(_) | Self::Update { .. } => false,
            Self::MarkUnavailable { .. } => true,
            Self::Remove { because, .. } => !matches!(because, Removal::Shadowed(_)),
        }
    }

    /// Whether a consumer gains an instance that it can use.
    pub fn gains_use(&self) -> bool {
        match self {
            Self::Add(instance) => instance.in_use(),
            Self::Update { from, to } => !from.in_use() && to.in_use(),
            Self::MarkUnavailable { .. } | Self::Remove { .. } => false,
        }
    }

    /// Whether a consumer loses an instance that it could use.
    pub fn loses_use(&self) -> bool {
        match self {
            Self::Add(_) => false,
            Self::Update { from, to } | Self::MarkUnavailable { from, to, .. } => {
                from.in_use() && !to.in_use()
            }
            // A shadowed copy is replaced by the native itself.
            Self::Remove { instance, because } => {
                instance.in_use() && !matches!(because, Removal::Shadowed(_))
            }
        }
    }
}

/// What allows a removal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Removal {
    /// A complete view does not show it.
    Absent(Absence),
    /// An application registers natively where our copy stands.
    Shadowed(Standing),
    /// It was kept for a while after it went away, and that is over.
    Expired(Absence),
    /// We cannot see the source, and a replica that can does not hold it.
    LeftToReplica,
    /// The source has it, and the link does not select it any more.
    LeftScope(Absence),
    /// The link is not configured any more.
    LinkRemoved(Absence),
}

/// The cause as the journal tells it.
impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(proof) => write!(f, "gone from the source ({})", proof.truth()),
            Self::Shadowed(Standing::OtherLink) => f.write_str("given by another link now"),
            Self::Shadowed(_) => f.write_str("registered natively at the target"),
            Self::Expired(proof) => write!(
                f,
                "unavailable for longer than expire_after ({})",
                proof.truth()
            ),
            Self::LeftToReplica => {
                f.write_str("let go: a replica that sees the source does not hold it")
            }
            Self::LeftScope(_) => f.write_str("left the scope of the link"),
            Self::LinkRemoved(_) => f.write_str("its link was removed from the configuration"),
        }
    }
}

/// What changed from one content to the other, for people:
/// `weight 1 → 5, healthy → unhealthy, zone=a → b`.
pub fn difference(from: &Instance, to: &Instance) -> String {
    let mut parts = Vec::new();
    if from.key.cluster != to.key.cluster {
        parts.push(format!("cluster {} → {}", from.key.cluster, to.key.cluster));
    }
    if from.weight != to.weight {
        parts.push(format!("weight {} → {}", from.weight, to.weight));
    }
    if given_healthy(from) != given_healthy(to) {
        parts.push(match given_healthy(to) {
            true => "unhealthy → healthy".to_owned(),
            false => "healthy → unhealthy".to_owned(),
        });
    }
    if from.enabled != to.enabled {
        parts.push(match to.enabled {
            true => "disabled → enabled".to_owned(),
            false => "enabled → disabled".to_owned(),
        });
    }
    for (key, old) in from.metadata.iter() {
        match to.metadata.get(key) {
            Some(new) if new == old => {}
            Some(new) => parts.push(format!("{key}={old} → {new}")),
            None => parts.push(format!("{key}={old} dropped")),
        }
    }
    for (key, new) in to.metadata.iter() {
        if from.metadata.get(key).is_none() {
            parts.push(format!("{key}={new} set"));
        }
    }
    parts.join(", ")
}

/// What consumers are told of an instance's health: one whose health nobody
/// knows is given to them as healthy, or they would be left without it.
pub(super) fn given_healthy(instance: &Instance) -> bool {
    instance.healthy.or(true)
}

/// Whether giving a target the one in place of the other makes a difference to
/// consumers.
pub(super) fn is_told_apart(given: &Instance, now: &Instance) -> bool {
    given.key != now.key || given.content_differs(now) || given_healthy(given) != given_healthy(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Metadata, Port, Seen, Weight};

    #[test]
    fn a_difference_names_every_field_that_differs() {
        let mut before = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        before.metadata = Metadata::from_pairs([("zone", "a"), ("v", "1")]);
        let mut after = before.clone();
        after.key.cluster = "east".into();
        after.weight = Weight::new(2.5).expect("legal");
        after.healthy = Seen::Known(false);
        after.enabled = false;
        after.metadata = Metadata::from_pairs([("zone", "b"), ("new", "x")]);
        assert_eq!(
            difference(&before, &after),
            "cluster DEFAULT → east, weight 1 → 2.5, healthy → unhealthy, enabled → disabled, \
             v=1 dropped, zone=a → b, new=x set"
        );
        after.healthy = Seen::Unknown;
        assert!(!difference(&before, &after).contains("healthy"));
    }
}
