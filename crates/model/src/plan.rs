//! The changes that would make one service of a target right.
//!
//! Planning is a pure function: the same inputs give the same plan, byte for
//! byte, whether the daemon asks or `syncline plan`. It looks at four things:
//! what should be there (a [`View`], so that a doubtful one cannot remove),
//! what this link gave the target before, who else stands there, and the
//! policy for what went away.

mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::bugs::Bug;
use crate::instance::{Identity, Instance, InstanceKey, Port, Seen, Weight};
use crate::name::Host;
use crate::service::ServiceSet;
use crate::time::Moment;
use crate::view::{Absence, View};

pub use change::{Change, Removal, difference};

use change::{given_healthy, is_told_apart};

/// What happens to an instance that went away at the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemovalPolicy {
    /// It is removed after the grace.
    Delete {
        /// How long it has to be gone first.
        grace: Duration,
    },
    /// It takes no traffic after the grace, and is removed later or never.
    MarkUnavailable {
        /// How long it has to be gone first.
        grace: Duration,
        /// How long after it went it is removed; `None` for never.
        expire_after: Option<Duration>,
    },
    /// It stays as it was.
    Keep,
}

/// How a target is told that an instance takes no traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnavailableAs {
    /// Weight 0 and unhealthy.
    WeightAndHealth,
    /// Weight 0 alone.
    Weight,
}

/// Whether losses may go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Losses {
    /// As the policy says.
    Pass,
    /// The guard holds them: what is in use stays as it is, additions go on.
    Held,
}

/// Since when instances have been gone, for grace and expiry.
pub type Missing = BTreeMap<InstanceKey, Moment>;

/// Since when the source has told another health of instances than the target
/// was given.
pub type Flips = BTreeMap<InstanceKey, Moment>;

/// Host and port of what applications register natively at the target, and how
/// that stands to a copy of ours.
pub type Natives = BTreeMap<(Host, Port), Standing>;

/// How a native stands to a copy of ours at the same address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Standing {
    /// Both are shown: ours has to be taken away.
    Beside,
    /// Only the native is shown: it took the place of ours (Nacos 2.x takes
    /// HTTP registrations of one address for one), and whoever took ours away
    /// would take the native's.
    Instead,
    /// Another link of ours gives the same: what one of them takes away by
    /// address is taken from both.
    OtherLink,
}

/// What a plan for one service of one target is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// What should be there, in the target's terms; what the target takes for
    /// one instance is in it once.
    pub desired: &'a View,
    /// What this link gave the target before.
    pub held: &'a ServiceSet,
    /// Who registers natively at the target, in any cluster of the service.
    pub natives: &'a Natives,
    /// Since when held instances have been gone.
    pub missing: &'a Missing,
    /// How the target tells instances apart.
    pub identity: Identity,
    /// What happens to what went away.
    pub policy: RemovalPolicy,
    /// How the target is told that an instance takes no traffic.
    pub unavailable: UnavailableAs,
    /// Whether the guard holds losses.
    pub losses: Losses,
    /// Since when the source has told another health than the target was given.
    pub flips: &'a Flips,
    /// How long a change of health has to last before the target is told.
    pub dwell: Duration,
    /// Now.
    pub now: Moment,
}

/// What would make one service of a target right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// All that this link gives the target for the service.
    pub accepted: Arc<ServiceSet>,
    /// How that differs from what it gave before: additions first.
    pub changes: Vec<Change>,
    /// Since when instances have been gone, for the next plan.
    pub missing: Missing,
    /// Instances that are not copied because a native stands there.
    pub shadowed: Vec<InstanceKey>,
    /// Since when the source has told another health than the target was given,
    /// for the next plan.
    pub flips: Flips,
    /// When to plan again though nothing happened: a grace, an expiry or a
    /// dwell time ends.
    pub wake: Option<Moment>,
}

impl Plan {
    /// The same plan with the first so many of its removals; those that are
    /// left for later come besides, and what they would take away stays.
    #[must_use]
    pub fn with_removals(mut self, most: usize) -> (Self, Vec<Change>) {
        let mut left = most;
        let mut later = Vec::new();
        self.changes.retain(|change| {
            let waits = change.is_removal() && left == 0;
            if waits {
                later.push(change.clone());
            } else if change.is_removal() {
                left -= 1;
            }
            !waits
        });
        if later.is_empty() {
            return (self, later);
        }
        let marked: BTreeSet<&InstanceKey> = later.iter().map(Change::key).collect();
        let staying = later.iter().filter_map(Change::before).cloned();
        let accepted = self.accepted.instances().iter();
        let accepted = accepted.filter(|instance| !marked.contains(&instance.key));
        let accepted = accepted.cloned().chain(staying).collect();
        self.accepted = Arc::new(ServiceSet::new(accepted));
        (self, later)
    }

    /// The same plan, telling why what is absent is: `why` is asked with each
    /// instance that goes, and the proof that it is not wanted.
    #[must_use]
    pub fn explained(mut self, why: impl Fn(&Instance, Absence) -> Removal) -> Self {
        for change in &mut self.changes {
            if let Change::Remove { instance, because } = change
                && let Removal::Absent(proof) = *because
            {
                *because = why(instance, proof);
            }
        }
        self
    }

    /// The same plan, with some of what is accepted given as something else,
    /// such as out of use. `as_what` says as what; what it does not name stays
    /// as planned, and whatever goes still goes.
    #[must_use]
    pub fn given_as(
        mut self,
        held: &ServiceSet,
        identity: Identity,
        as_what: impl Fn(&Instance) -> Option<Instance>,
    ) -> Self {
        let planned = self.accepted.instances();
        let renamed = planned.iter().filter_map(as_what);
        let given: BTreeMap<InstanceKey, Instance> =
            renamed.map(|to| (to.key.clone(), to)).collect();
        if given.is_empty() {
            return self;
        }
        let given_now = |planned: &Instance| given.get(&planned.key).unwrap_or(planned).clone();
        let accepted = planned.iter().map(given_now).collect();
        let stays = |change: &Change| matches!(change, Change::Add(_) | Change::Update { .. });
        self.changes
            .retain(|change| !stays(change) || !given.contains_key(change.key()));
        let marks = |change: &&Change| matches!(change, Change::MarkUnavailable { .. });
        let marked: BTreeSet<InstanceKey> = (self.changes.iter().filter(marks))
            .map(|change| change.key().clone())
            .collect();
        let others = given.into_values().filter(|to| !marked.contains(&to.key));
        for to in others {
            let before = held.matching(&to.key, identity).next().cloned();
            match before {
                None => self.changes.push(Change::Add(to)),
                Some(from) if is_told_apart(&from, &to) => {
                    self.changes.push(Change::Update { from, to });
                }
                Some(_) => {}
            }
        }
        self.accepted = Arc::new(ServiceSet::new(accepted));
        self.changes.sort_by_key(Change::turn);
        self
    }
}

/// Plans one service.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    Planner {
        inputs,
        accepted: Vec::new(),
        changes: Vec::new(),
        missing: Missing::new(),
        shadowed: Vec::new(),
        flips: Flips::new(),
        wake: None,
    }
    .plan()
}

/// How what is held is told apart.
fn identity_of_held(inputs: &Inputs<'_>) -> Identity {
    match Bug::MoveIsRemoval.is_planted() {
        true => Identity::AddressAndCluster,
        false => inputs.identity,
    }
}

struct Planner<'a> {
    inputs: &'a Inputs<'a>,
    accepted: Vec<Instance>,
    changes: Vec<Change>,
    missing: Missing,
    shadowed: Vec<InstanceKey>,
    flips: Flips,
    wake: Option<Moment>,
}

impl Planner<'_> {
    fn plan(mut self) -> Plan {
        if let Some(desired) = self.inputs.desired.seen() {
            for wanted in desired.instances() {
                self.want(wanted);
            }
        }
        for held in self.inputs.held.instances() {
            self.part_with(held);
        }
        let accepted = ServiceSet::new(self.accepted);
        let identity = identity_of_held(self.inputs);
        // After a failed write both of what it changed and what it changed it to may
        // be held: what the target takes for one stays or goes as one.
        self.changes.retain(|change| match change {
            Change::Remove {
                instance,
                because: Removal::Absent(_) | Removal::Expired(_),
            } => accepted.matching(&instance.key, identity).next().is_none(),
            _ => true,
        });
        self.changes.sort_by_key(Change::turn);
        Plan {
            accepted: Arc::new(accepted),
            changes: self.changes,
            missing: self.missing,
            shadowed: self.shadowed,
            flips: self.flips,
            wake: self.wake,
        }
    }

    /// Decides on an instance that should be there.
    fn want(&mut self, wanted: &Instance) {
        if self.native_at(&wanted.key).is_some() {
            self.shadowed.push(wanted.key.clone());
            return;
        }
        let held = self
            .inputs
            .held
            .matching(&wanted.key, self.inputs.identity)
            .next();
        match held {
            None => {
                self.changes.push(Change::Add(wanted.clone()));
                self.accepted.push(wanted.clone());
            }
            Some(held) => self.update(held, wanted),
        }
    }

    fn update(&mut self, held: &Instance, wanted: &Instance) {
        let mut to = wanted.clone();
        if !self.was_marked(held, wanted) {
            to.healthy = wanted.healthy.or_seen(held.healthy);
            self.dwell(held, &mut to);
        }
        to.ephemeral = wanted.ephemeral.or_seen(held.ephemeral);
        let loses = held.in_use() && !to.in_use();
        if loses && self.inputs.losses == Losses::Held {
            self.accepted.push(held.clone());
            return;
        }
        if is_told_apart(held, &to) && !Bug::KeysOnly.is_planted() {
            self.changes.push(Change::Update {
                from: held.clone(),
                to: to.clone(),
            });
        }
        self.accepted.push(to);
    }

    /// A change of health that has not lasted for long is not passed on yet.
    fn dwell(&mut self, held: &Instance, to: &mut Instance) {
        let dwell = self.inputs.dwell;
        if dwell.is_zero() || given_healthy(held) == given_healthy(to) {
            return;
        }
        let now = self.inputs.now;
        let since = *self.inputs.flips.get(&held.key).unwrap_or(&now);
        // Also while it is passed on: a write may fail.
        self.flips.insert(held.key.clone(), since);
        if now.since(since) < dwell {
            to.healthy = held.healthy;
            self.wake_at(since + dwell);
        }
    }

    /// Decides on an instance that this link gave the target and that is not
    /// wanted any more.
    fn part_with(&mut self, held: &Instance) {
        if let Some(standing) = self.native_at(&held.key) {
            self.changes.push(Change::Remove {
                instance: held.clone(),
                because: Removal::Shadowed(standing),
            });
            return;
        }
        let identity = identity_of_held(self.inputs);
        let wanted = self
            .inputs
            .desired
            .seen()
            .is_some_and(|desired| desired.matching(&held.key, identity).next().is_some());
        if wanted {
            return;
        }
        match self.inputs.desired.absence(&held.key, identity) {
            Some(proof) => self.let_go(held, proof),
            // Not shown by a view that may not show everything: it stays, and
            // so do the moments since which it has been gone or flipped.
            None => {
                if let Some(since) = self.inputs.missing.get(&held.key) {
                    self.missing.insert(held.key.clone(), *since);
                }
                if let Some(since) = self.inputs.flips.get(&held.key) {
                    self.flips.insert(held.key.clone(), *since);
                }
                self.accepted.push(held.clone());
            }
        }
    }

    fn let_go(&mut self, held: &Instance, proof: Absence) {
        let now = self.inputs.now;
        let since = *self.inputs.missing.get(&held.key).unwrap_or(&now);
        self.missing.insert(held.key.clone(), since);
        let gone_for = |wait: Duration| now.since(since) >= wait;
        let losses_held = self.inputs.losses == Losses::Held && held.in_use();
        match self.inputs.policy {
            RemovalPolicy::Keep => self.accepted.push(held.clone()),
            RemovalPolicy::Delete { grace } | RemovalPolicy::MarkUnavailable { grace, .. }
                if !gone_for(grace) =>
            {
                self.wake_at(since + grace);
                self.accepted.push(held.clone());
            }
            _ if losses_held => self.accepted.push(held.clone()),
            RemovalPolicy::Delete { .. } => self.remove(held, Removal::Absent(proof)),
            RemovalPolicy::MarkUnavailable {
                expire_after: Some(wait),
                ..
            } if gone_for(wait) => self.remove(held, Removal::Expired(proof)),
            RemovalPolicy::MarkUnavailable { expire_after, .. } => {
                if let Some(wait) = expire_after {
                    self.wake_at(since + wait);
                }
                self.mark_unavailable(held, proof);
            }
        }
    }

    fn remove(&mut self, held: &Instance, because: Removal) {
        self.missing.remove(&held.key);
        self.changes.push(Change::Remove {
            instance: held.clone(),
            because,
        });
    }

    fn mark_unavailable(&mut self, held: &Instance, proof: Absence) {
        let mut to = held.clone();
        to.weight = Weight::ZERO;
        if self.inputs.unavailable == UnavailableAs::WeightAndHealth {
            to.healthy = Seen::Known(false);
        }
        if is_told_apart(held, &to) {
            self.changes.push(Change::MarkUnavailable {
                from: held.clone(),
                to: to.clone(),
                proof,
            });
        }
        self.accepted.push(to);
    }

    /// Whether an instance looks as it does because it was marked unavailable:
    /// then its health is nothing that the source told.
    fn was_marked(&self, held: &Instance, wanted: &Instance) -> bool {
        held.weight == Weight::ZERO
            && (self.inputs.missing.contains_key(&held.key) || wanted.weight != Weight::ZERO)
    }

    fn native_at(&self, key: &InstanceKey) -> Option<Standing> {
        let natives = self.inputs.natives;
        if natives.is_empty() {
            return None;
        }
        natives.get(&(key.host.clone(), key.port)).copied()
    }

    fn wake_at(&mut self, moment: Moment) {
        self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A move that was written and not confirmed leaves both in doubt.
    #[test]
    fn what_a_target_takes_for_one_is_not_removed_while_it_stays() {
        let port = Port::new(80).expect("not zero");
        let before = Instance::new("10.0.0.1", port);
        let mut moved = before.clone();
        moved.key.cluster = "east".into();
        moved.enabled = false;
        let held = ServiceSet::new(vec![before.clone(), moved]);
        let planned = plan(&Inputs {
            desired: &View::Complete(crate::view::Truth::Raw, ServiceSet::empty()),
            held: &held,
            natives: &Natives::new(),
            missing: &Missing::new(),
            flips: &Flips::new(),
            dwell: Duration::ZERO,
            identity: Identity::Address,
            policy: RemovalPolicy::Delete {
                grace: Duration::ZERO,
            },
            unavailable: UnavailableAs::WeightAndHealth,
            losses: Losses::Held,
            now: Moment::ORIGIN,
        });
        assert_eq!(planned.changes, []);
        assert_eq!(planned.accepted.instances(), [before]);
    }
}
