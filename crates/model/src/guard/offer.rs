//! What a plan would do to a service's instances in use.

use xxhash_rust::xxh3::Xxh3;

use crate::bugs::Bug;
use crate::instance::InstanceKey;
use crate::plan::{Change, Plan, Removal};

/// What a plan would do to the instances in use of one service, if nothing
/// were held. An instance is in use when consumers send it traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// How many the target has now.
    pub has: u32,
    /// How many it would be given.
    pub given: u32,
    /// How many of those that go the source now shows under another service
    /// that did not show them before. That is proof of their removal, so they
    /// are not counted as lost.
    pub moved: u32,
    /// Which ones are lost.
    pub lost: LostDigest,
}

impl Offer {
    /// What a plan (made as if all losses passed) would do to a service that
    /// has so many instances in use now.
    ///
    /// `moved` tells whether the source now shows that address, given in the
    /// target's terms, under a service that did not show it before. One that
    /// always did proves nothing: Dubbo registers every interface of a process
    /// at one address. A copy that yields to a native is no loss, and does not
    /// count any more: what is left of ours has to hold out alone.
    ///
    /// `went` tells what was let go of before a death and may not have gone: it
    /// counted then.
    pub fn of_plan(
        has: u32,
        plan: &Plan,
        moved: impl Fn(&InstanceKey) -> bool,
        went: impl Fn(&InstanceKey) -> bool,
    ) -> Self {
        Self::of_changes(has, &plan.changes, moved, went)
    }

    /// What changes would do to a service that has so many instances in use
    /// now; `moved` and `went` as with [`of_plan`](Self::of_plan).
    pub fn of_changes(
        has: u32,
        changes: &[Change],
        moved: impl Fn(&InstanceKey) -> bool,
        went: impl Fn(&InstanceKey) -> bool,
    ) -> Self {
        let mut offer = Self {
            has,
            given: has,
            moved: 0,
            lost: LostDigest::NONE,
        };
        for change in changes {
            if yields(change) {
                offer.has = offer.has.saturating_sub(1);
                offer.given = offer.given.saturating_sub(1);
            }
            let counts = removes(change) || !Bug::OnlyRemovalsCount.is_planted();
            if change.loses_use() && counts {
                offer.given = offer.given.saturating_sub(1);
                if removes(change) && went(change.key()) {
                    offer.has = offer.has.saturating_sub(1);
                } else if removes(change) && moved(change.key()) {
                    offer.moved += 1;
                } else {
                    offer.lost = offer.lost.with(change.key());
                }
            } else if change.gains_use() {
                offer.given = offer.given.saturating_add(1);
            }
        }
        offer
    }
}

fn yields(change: &Change) -> bool {
    matches!(
        change,
        Change::Remove { instance, because: Removal::Shadowed(_) } if instance.in_use()
    )
}

fn removes(change: &Change) -> bool {
    matches!(
        change,
        Change::Remove {
            because: Removal::Absent(_) | Removal::Expired(_),
            ..
        }
    )
}

/// A hash of the instances that are lost, whatever their order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LostDigest(u64);

impl LostDigest {
    /// Nothing is lost.
    pub const NONE: Self = Self(0);

    /// Restores what [`get`](Self::get) gave.
    pub const fn new(digest: u64) -> Self {
        Self(digest)
    }

    /// As a number, the same on every machine.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// With one more instance.
    #[must_use]
    pub fn with(self, instance: &InstanceKey) -> Self {
        let parts = [
            instance.host.as_str().as_bytes(),
            &instance.port.get().to_le_bytes(),
            instance.cluster.as_str().as_bytes(),
        ];
        // A sum does not depend on the order.
        Self(self.0.wrapping_add(stable_hash(&parts)))
    }
}

/// A hash that is the same on every machine, in every release.
pub(super) fn stable_hash(parts: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::instance::{Identity, Instance, Port, Seen, Weight};
    use crate::plan::{
        Flips, Inputs, Losses, Missing, Natives, RemovalPolicy, Standing, UnavailableAs, plan,
    };
    use crate::service::ServiceSet;
    use crate::time::Moment;
    use crate::view::{Truth, View};

    fn instance(last: u8) -> Instance {
        Instance::new(
            format!("10.0.0.{last}").as_str(),
            Port::new(80).expect("not zero"),
        )
    }

    fn offer(held: Vec<Instance>, desired: Vec<Instance>, natives: Natives, moved: &[u8]) -> Offer {
        let held = ServiceSet::new(held);
        let plan = plan(&Inputs {
            desired: &View::Complete(Truth::Raw, Arc::new(ServiceSet::new(desired))),
            held: &held,
            natives: &natives,
            missing: &Missing::new(),
            identity: Identity::AddressAndCluster,
            policy: RemovalPolicy::Delete {
                grace: Duration::ZERO,
            },
            unavailable: UnavailableAs::WeightAndHealth,
            losses: Losses::Pass,
            flips: &Flips::new(),
            dwell: Duration::ZERO,
            now: Moment::ORIGIN,
        });
        let has = u32::try_from(held.in_use()).expect("few");
        let moved = |key: &InstanceKey| moved.iter().any(|last| instance(*last).key == *key);
        Offer::of_plan(has, &plan, moved, |_| false)
    }

    #[test]
    fn every_loss_of_use_counts_alike() {
        let sick = |change: &dyn Fn(&mut Instance)| {
            let mut sick = instance(1);
            change(&mut sick);
            offer(
                vec![instance(1), instance(2)],
                vec![sick, instance(2)],
                Natives::new(),
                &[],
            )
        };
        let gone = offer(
            vec![instance(1), instance(2)],
            vec![instance(2)],
            Natives::new(),
            &[],
        );
        assert_eq!((gone.has, gone.given, gone.moved), (2, 1, 0));
        assert_eq!(gone, sick(&|i| i.healthy = Seen::Known(false)));
        assert_eq!(gone, sick(&|i| i.enabled = false));
        assert_eq!(gone, sick(&|i| i.weight = Weight::ZERO));
        let same = sick(&|i| i.metadata = i.metadata.with("a", "b"));
        assert_eq!((same.given, same.lost), (2, LostDigest::NONE));
    }

    #[test]
    fn what_comes_into_use_is_given() {
        let mut idle = instance(1);
        idle.enabled = false;
        let offer = offer(
            vec![idle],
            vec![instance(1), instance(2)],
            Natives::new(),
            &[],
        );
        assert_eq!((offer.has, offer.given), (0, 2));
    }

    #[test]
    fn what_moved_is_not_lost() {
        let held = || vec![instance(1), instance(2), instance(3)];
        let moved = offer(held(), vec![instance(3)], Natives::new(), &[1, 3]);
        assert_eq!((moved.has, moved.given, moved.moved), (3, 1, 1));
        assert_eq!(moved.lost, LostDigest::NONE.with(&instance(2).key));
    }

    #[test]
    fn what_is_still_here_has_not_moved() {
        let mut sick = instance(1);
        sick.healthy = Seen::Known(false);
        let offer = offer(vec![instance(1)], vec![sick], Natives::new(), &[1]);
        assert_eq!((offer.given, offer.moved), (0, 0));
    }

    #[test]
    fn yielding_to_a_native_is_no_loss() {
        let native = instance(1);
        let natives =
            Natives::from([((native.key.host.clone(), native.key.port), Standing::Beside)]);
        let yields = |held, desired| offer(held, desired, natives.clone(), &[]);
        let one = yields(vec![native.clone()], vec![native.clone()]);
        assert_eq!((one.has, one.given, one.lost), (0, 0, LostDigest::NONE));
        // The other one is all that is left of ours.
        let other = yields(vec![native, instance(2)], vec![]);
        assert_eq!((other.has, other.given), (1, 0));
        assert_eq!(other.lost, LostDigest::NONE.with(&instance(2).key));
    }

    #[test]
    fn a_digest_does_not_depend_on_the_order() {
        let (a, b) = (instance(1).key, instance(2).key);
        let both = LostDigest::NONE.with(&a).with(&b);
        assert_eq!(both, LostDigest::NONE.with(&b).with(&a));
        assert_ne!(both, LostDigest::NONE.with(&a));
    }
}
