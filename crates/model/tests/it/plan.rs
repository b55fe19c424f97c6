//! Plans for any held set, view, natives, policy and time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use syncline_model::plan::{
    Flips, Inputs, Losses, Missing, Natives, Plan, Removal, RemovalPolicy, Standing, UnavailableAs,
    plan,
};
use syncline_model::{
    Change, Identity, Instance, InstanceKey, Metadata, Moment, Port, Seen, ServiceSet, Truth, View,
    Weight,
};

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
struct Case {
    desired: View,
    held: Arc<ServiceSet>,
    natives: Natives,
    missing: Missing,
    identity: Identity,
    policy: RemovalPolicy,
    unavailable: UnavailableAs,
    losses: Losses,
    now: Moment,
}

impl Case {
    fn plan(&self) -> Plan {
        plan(&Inputs {
            desired: &self.desired,
            held: &self.held,
            natives: &self.natives,
            missing: &self.missing,
            identity: self.identity,
            policy: self.policy,
            unavailable: self.unavailable,
            losses: self.losses,
            flips: &Flips::new(),
            dwell: Duration::ZERO,
            now: self.now,
        })
    }

    /// The same case after its plan was carried out.
    fn after(&self, planned: &Plan) -> Self {
        Self {
            held: Arc::clone(&planned.accepted),
            missing: planned.missing.clone(),
            ..self.clone()
        }
    }

    fn is_native(&self, key: &InstanceKey) -> bool {
        self.natives.contains_key(&(key.host.clone(), key.port))
    }
}

fn seen() -> impl Strategy<Value = Seen<bool>> {
    select(vec![Seen::Known(true), Seen::Known(false), Seen::Unknown])
}

fn keys() -> Vec<InstanceKey> {
    let mut keys = Vec::new();
    for host in 1..=4 {
        for port in [80, 81] {
            for cluster in ["DEFAULT", "east"] {
                keys.push(InstanceKey {
                    host: format!("10.0.0.{host}").as_str().into(),
                    port: Port::new(port).expect("not zero"),
                    cluster: cluster.into(),
                });
            }
        }
    }
    keys
}

/// Some instances, each once to a registry of that kind, in any order.
fn instances(identity: Identity) -> impl Strategy<Value = Vec<Instance>> {
    let content = (
        select(vec![0.0, 1.0, 5.0]),
        seen(),
        prop::bool::weighted(0.8),
        seen(),
        select(vec![None, Some("1"), Some("2")]),
    );
    let some = subsequence(keys(), 0..=8).prop_shuffle();
    (some, proptest::collection::vec(content, 8)).prop_map(move |(keys, contents)| {
        let mut instances: Vec<Instance> = Vec::new();
        for (key, (weight, healthy, enabled, ephemeral, version)) in keys.into_iter().zip(contents)
        {
            if instances.iter().any(|i| i.key.same(&key, identity)) {
                continue;
            }
            instances.push(Instance {
                key,
                weight: Weight::new(weight).expect("legal"),
                healthy,
                enabled,
                ephemeral,
                metadata: Metadata::from_pairs(version.map(|v| ("version", v))),
            });
        }
        instances
    })
}

fn set(identity: Identity) -> impl Strategy<Value = Arc<ServiceSet>> {
    instances(identity).prop_map(|instances| Arc::new(ServiceSet::new(instances)))
}

fn view(identity: Identity) -> impl Strategy<Value = View> {
    let doubt: Arc<str> = "page 2".into();
    (set(identity), 0..6).prop_map(move |(set, kind)| match kind {
        0 => View::Partial(set, doubt.clone()),
        1 => View::Suspect(set, doubt.clone()),
        2 => View::Failed(doubt.clone()),
        3 => View::Complete(Truth::Consumer, set),
        _ => View::Complete(Truth::Raw, set),
    })
}

fn policy() -> impl Strategy<Value = RemovalPolicy> {
    let wait = || select(vec![0, 10, 60]).prop_map(Duration::from_secs);
    prop_oneof![
        wait().prop_map(|grace| RemovalPolicy::Delete { grace }),
        (wait(), proptest::option::of(wait())).prop_map(|(grace, expire_after)| {
            RemovalPolicy::MarkUnavailable {
                grace,
                expire_after,
            }
        }),
        Just(RemovalPolicy::Keep),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    select(vec![Identity::Address, Identity::AddressAndCluster]).prop_flat_map(|identity| {
        let natives = subsequence(keys(), 0..=3);
        let gone_since = proptest::collection::vec(0..120_u64, 16);
        (
            (view(identity), set(identity), natives, gone_since),
            (policy(), any::<bool>(), any::<bool>()),
        )
            .prop_map(move |(given, (policy, by_weight, held_back))| {
                let (desired, held, natives, gone_since) = given;
                let ages = held.instances().iter().zip(gone_since);
                Case {
                    missing: ages
                        .filter(|(_, since)| since % 3 == 0)
                        .map(|(i, since)| (i.key.clone(), at(since)))
                        .collect(),
                    natives: natives
                        .into_iter()
                        .map(|k| ((k.host, k.port), Standing::Beside))
                        .collect(),
                    desired,
                    held,
                    identity,
                    policy,
                    unavailable: match by_weight {
                        true => UnavailableAs::Weight,
                        false => UnavailableAs::WeightAndHealth,
                    },
                    losses: match held_back {
                        true => Losses::Held,
                        false => Losses::Pass,
                    },
                    now: at(120),
                }
            })
    })
}

fn at(seconds: u64) -> Moment {
    Moment::after_origin(Duration::from_secs(seconds))
}

/// What the target has after the changes were made one by one.
fn made(held: &ServiceSet, changes: &[Change]) -> BTreeMap<InstanceKey, Instance> {
    let held = held.instances().iter();
    let mut made: BTreeMap<_, _> = held.map(|i| (i.key.clone(), i.clone())).collect();
    for change in changes {
        match change {
            Change::Add(added) => {
                let before = made.insert(added.key.clone(), added.clone());
                assert_eq!(before, None, "what is added was not there");
            }
            Change::Update { from, to } | Change::MarkUnavailable { from, to, .. } => {
                assert_eq!(made.remove(&from.key).as_ref(), Some(from));
                made.insert(to.key.clone(), to.clone());
            }
            Change::Remove { instance, .. } => {
                assert_eq!(made.remove(&instance.key).as_ref(), Some(instance));
            }
        }
    }
    made
}

fn rank(change: &Change) -> u8 {
    match change {
        Change::Add(_) => 0,
        Change::Update { .. } => 1,
        Change::MarkUnavailable { .. } => 2,
        Change::Remove { .. } => 3,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(case in cases()) {
        let planned = case.plan();
        let again = case.after(&planned).plan();
        prop_assert_eq!(&again.changes, &[]);
        prop_assert_eq!(again.accepted, planned.accepted);
        prop_assert_eq!(again.missing, planned.missing);
        prop_assert_eq!(again.shadowed, planned.shadowed);
        prop_assert_eq!(again.wake, planned.wake);
    }

    #[test]
    fn the_changes_lead_from_what_was_held_to_what_is_accepted(case in cases()) {
        let planned = case.plan();
        let made = made(&case.held, &planned.changes);
        let accepted = planned.accepted.instances();
        prop_assert!(made.keys().eq(accepted.iter().map(|i| &i.key)));
        for instance in accepted {
            prop_assert!(!made[&instance.key].content_differs(instance));
            let told = made[&instance.key].healthy.or(true);
            prop_assert_eq!(told, instance.healthy.or(true));
        }
    }

    #[test]
    fn nothing_is_touched_that_is_neither_ours_nor_wanted(case in cases()) {
        let planned = case.plan();
        let wanted = case.desired.seen().map(|set| set.instances()).unwrap_or_default();
        for change in &planned.changes {
            let (held, given) = match change {
                Change::Add(added) => (None, Some(added)),
                Change::Update { from, to } | Change::MarkUnavailable { from, to, .. } => {
                    (Some(from), Some(to))
                }
                Change::Remove { instance, .. } => (Some(instance), None),
            };
            if let Some(held) = held {
                prop_assert!(case.held.get(&held.key).contains(held));
            }
            if let Some(given) = given {
                let known = wanted.iter().chain(case.held.instances());
                prop_assert!(known.into_iter().any(|i| i.key == given.key));
                prop_assert!(!case.is_native(&given.key), "{} is somebody else's", given.key);
            }
        }
        prop_assert!(planned.accepted.instances().iter().all(|i| !case.is_native(&i.key)));
        prop_assert!(planned.shadowed.iter().all(|key| case.is_native(key)));
    }

    #[test]
    fn a_view_that_is_not_complete_takes_nothing_away(case in cases()) {
        let case = Case { desired: case.desired.clone().doubted("members disagree"), ..case };
        let planned = case.plan();
        for change in &planned.changes {
            let allowed = match change {
                Change::Add(_) | Change::Update { .. } => true,
                Change::MarkUnavailable { .. } => false,
                Change::Remove { because, .. } => matches!(because, Removal::Shadowed(_)),
            };
            prop_assert!(allowed, "{change:?}");
        }
        for held in case.held.instances().iter().filter(|i| !case.is_native(&i.key)) {
            prop_assert_eq!(planned.accepted.matching(&held.key, case.identity).count(), 1);
        }
    }

    #[test]
    fn a_whole_view_without_grace_is_what_the_target_gets(
        wanted in set(Identity::AddressAndCluster),
        case in cases(),
    ) {
        let case = Case {
            policy: RemovalPolicy::Delete { grace: Duration::ZERO },
            losses: Losses::Pass,
            desired: View::Complete(Truth::Raw, wanted.clone()),
            identity: Identity::AddressAndCluster,
            ..case
        };
        let planned = case.plan();
        let wanted: BTreeSet<_> = wanted
            .instances()
            .iter()
            .map(|i| &i.key)
            .filter(|key| !case.is_native(key))
            .collect();
        prop_assert!(planned.accepted.instances().iter().map(|i| &i.key).eq(wanted));
        prop_assert!(planned.missing.is_empty());
        prop_assert_eq!(planned.wake, None);
    }

    #[test]
    fn the_same_inputs_give_the_same_plan(
        (identity, one, two) in select(vec![Identity::Address, Identity::AddressAndCluster])
            .prop_flat_map(|identity| (Just(identity), instances(identity)))
            .prop_flat_map(|(identity, some)| {
                (Just(identity), Just(some.clone()), Just(some).prop_shuffle())
            }),
        case in cases(),
    ) {
        let with = |instances: Vec<Instance>| Case {
            desired: View::Complete(Truth::Raw, Arc::new(ServiceSet::new(instances))),
            identity,
            held: ServiceSet::empty(),
            missing: Missing::new(),
            ..case.clone()
        };
        prop_assert_eq!(format!("{:?}", with(one).plan()), format!("{:?}", with(two).plan()));
        prop_assert_eq!(format!("{:?}", case.plan()), format!("{:?}", case.plan()));
    }

    #[test]
    fn what_comes_is_before_what_goes(case in cases()) {
        let planned = case.plan();
        prop_assert!(planned.changes.is_sorted_by_key(rank));
    }

    #[test]
    fn where_losses_are_held_no_change_loses_use(case in cases()) {
        let case = Case { losses: Losses::Held, ..case };
        let planned = case.plan();
        prop_assert!(!planned.changes.iter().any(Change::loses_use));
        // Everything else goes on: what is added is added all the same.
        let passing = Case { losses: Losses::Pass, ..case.clone() }.plan();
        let added = |plan: &Plan| -> Vec<InstanceKey> {
            let adds = plan.changes.iter().filter(|c| matches!(c, Change::Add(_)));
            adds.map(|c| c.key().clone()).collect()
        };
        prop_assert_eq!(added(&planned), added(&passing));
    }

    #[test]
    fn nothing_is_due_before_the_moment_that_the_plan_names(case in cases()) {
        let planned = case.plan();
        let mut later = case.after(&planned);
        later.now = match planned.wake {
            Some(wake) => {
                prop_assert!(wake > case.now);
                Moment::after_origin(wake.since_origin() - Duration::from_nanos(1))
            }
            None => at(1_000_000),
        };
        prop_assert_eq!(&later.plan().changes, &[]);
        if let (RemovalPolicy::Delete { .. }, Losses::Pass, Some(wake)) =
            (case.policy, case.losses, planned.wake)
        {
            later.now = wake;
            prop_assert_ne!(&later.plan().changes, &[]);
        }
    }

    #[test]
    fn some_removals_go_now_and_the_others_leave_everything_as_it_was(
        case in cases(),
        most in 0_usize..4,
    ) {
        let whole = case.plan();
        let count = |plan: &Plan| plan.changes.iter().filter(|c| c.is_removal()).count();
        let (some, later) = whole.clone().with_removals(most);
        prop_assert_eq!(count(&some), count(&whole).min(most));
        prop_assert_eq!(count(&some) + later.len(), count(&whole));
        let mut after = case.after(&some);
        for change in &later {
            let before = change.before().expect("what is removed was there");
            prop_assert!(some.accepted.instances().contains(before));
            after.missing.entry(change.key().clone()).or_insert(Moment::ORIGIN);
        }
        prop_assert_eq!(after.plan().accepted, whole.accepted);
    }
}
