//! What a link that cannot see its source lets go of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::Hold;
use syncline_model::plan::{Change, Removal};
use syncline_model::{Instance, InstanceKey, LinkName, Moment, ServiceKey, ServiceSet, View};

use super::{FRESH, PeerAnswer, PeerDifference, content_digest};
use crate::core::link::Link;
use crate::core::service::LinkService;
use crate::core::{Core, Effect, Persist};

/// What was let go of, and when: a look from before does not bring it back.
#[derive(Debug, Default)]
pub(in crate::core) struct LetGo(BTreeMap<InstanceKey, Moment>);

impl LetGo {
    pub(in crate::core) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A view without what was let go of since it was seen.
    pub(in crate::core) fn hide(
        &self,
        view: View,
        seen: Option<Moment>,
        held: &ServiceSet,
    ) -> View {
        if self.is_empty() {
            return view;
        }
        // What is held is not hidden: it would look as if it were proved gone.
        let hides = |i: &Instance| {
            let gone_at = self.0.get(&i.key).filter(|_| held.get(&i.key).is_empty());
            gone_at.is_some_and(|at| seen.is_none_or(|seen| seen <= *at))
        };
        view.map(|set| {
            let shown = set.instances().iter().filter(|i| !hides(i));
            Arc::new(ServiceSet::new(shown.cloned().collect()))
        })
    }

    /// Lets go of these now; what is kept.
    fn leave(&mut self, now: Moment, held: &ServiceSet, these: &[Instance]) -> Arc<ServiceSet> {
        let keys = these.iter().map(|i| (i.key.clone(), now));
        self.0.extend(keys);
        let kept = held.instances().iter().filter(|i| !these.contains(i));
        Arc::new(ServiceSet::new(kept.cloned().collect()))
    }

    /// The source was seen whole: what it shows now counts.
    pub(in crate::core) fn seen(&mut self, seen: Option<Moment>) {
        if let Some(seen) = seen {
            self.0.retain(|_, at| *at >= seen);
        }
    }
}

/// What we hold of a service and the replica does not hold like that.
pub(super) fn unlike<'a>(
    link: &'a Link,
    difference: &PeerDifference,
) -> impl Iterator<Item = &'a Instance> {
    let theirs: BTreeMap<&InstanceKey, u64> = difference
        .instances
        .iter()
        .map(|(key, digest)| (key, *digest))
        .collect();
    let state = link.service(&difference.service);
    let held = state.map_or(&[][..], |state| state.held.instances());
    let alike = |ours: &Instance| theirs.get(&ours.key) == Some(&content_digest(ours));
    let unlike: Vec<&Instance> = held.iter().filter(|ours| !alike(ours)).collect();
    unlike.into_iter()
}

impl Core {
    /// A replica said where it differs, which took so long.
    pub(super) fn let_go_of_differences(
        &mut self,
        now: Moment,
        name: &LinkName,
        answer: &PeerAnswer,
        took: Duration,
    ) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        if !self.is_cut_off(now, link) || !self.knows_better(link, answer, took) {
            return;
        }
        let leave: Vec<(ServiceKey, Vec<Instance>)> = answer
            .differences
            .iter()
            .map(|difference| {
                let given_up = self.given_up(link, difference);
                (difference.service.clone(), given_up)
            })
            .filter(|(_, given_up)| !given_up.is_empty())
            .collect();
        for (service, instances) in leave {
            self.let_go(now, name, &service, instances);
        }
    }

    /// Whether a link has not seen its source for so long that others may know
    /// better.
    pub(super) fn is_cut_off(&self, now: Moment, link: &Link) -> bool {
        let Some(settings) = &self.peers.settings else {
            return false;
        };
        let Some((first, _)) = self.peers.stock else {
            return false;
        };
        let hold = link.report.as_ref().map(|report| report.hold);
        let near = self.peers.sights.get(&link.rules.name);
        let near = near.and_then(|sight| sight.near).unwrap_or(first);
        // Only what a connection holds is ours alone: a record that both
        // replicas write would go for both.
        hold == Some(Hold::Connection)
            && link.rules.realtime
            && !link.paused
            && now.since(near) >= settings.let_go_after
    }

    /// Whether what a replica does not hold is gone.
    pub(super) fn knows_better(&self, link: &Link, answer: &PeerAnswer, took: Duration) -> bool {
        let unseen = answer.unseen_for.map(|age| age + took);
        answer.rules == self.peers.rules_of(&link.rules.name)
            && unseen.is_some_and(|unseen| unseen <= FRESH)
    }

    /// What we hold of a service and a replica that knows better does not.
    fn given_up(&self, link: &Link, difference: &PeerDifference) -> Vec<Instance> {
        let service = &difference.service;
        let idle = |state: &&LinkService| state.writing.is_none();
        let Some(state) = link.service(service).filter(idle) else {
            return Vec::new();
        };
        if !difference.settled {
            return Vec::new();
        }
        let theirs: BTreeMap<&InstanceKey, u64> = difference
            .instances
            .iter()
            .map(|(key, digest)| (key, *digest))
            .collect();
        let held = state.held.instances().iter();
        held.filter(|ours| match theirs.get(&ours.key) {
            None => difference.whole,
            Some(digest) if *digest == content_digest(ours) => false,
            Some(digest) => self.stands_beside(link, service, ours, *digest),
        })
        .cloned()
        .collect()
    }

    /// Whether the target shows the replica's copy of an instance that we hold
    /// with other content.
    fn stands_beside(
        &self,
        link: &Link,
        service: &ServiceKey,
        ours: &Instance,
        theirs: u64,
    ) -> bool {
        let known = self.readers.get(&link.rules.to);
        let known = known.filter(|_| link.rules.target_is_read);
        let Some(known) = known.and_then(|reader| reader.get(service)) else {
            return false;
        };
        let mut shown = known.last.get(&ours.key).iter();
        shown.any(|shown| content_digest(shown) == theirs)
    }

    fn let_go(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        instances: Vec<Instance>,
    ) {
        let link = self.links.get_mut(name);
        let Some(state) = link.and_then(|link| link.service_mut(service)) else {
            return;
        };
        let kept = state.let_go.leave(now, &state.held, &instances);
        self.write(now, name, service, kept, left_to_replica(instances));
    }

    /// What died with the process before is not taken up again.
    pub(super) fn forget(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        instances: Vec<Instance>,
    ) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let target = link.rules.to.clone();
        let Some(state) = link.service_mut(service) else {
            return;
        };
        let kept = state.let_go.leave(now, &state.held, &instances);
        // Nothing of it is left to take up.
        let given_up = kept.is_empty() && std::mem::take(&mut state.fresh);
        link.hold_only(service, Arc::clone(&kept));
        self.writes += 1;
        let (effect, changes) = (self.writes, left_to_replica(instances));
        self.tell_intents(name, service, effect, &changes);
        self.tell_confirmed(name, service, &changes, effect, kept.len());
        self.effects.push(Effect::Persist(Persist::Confirm {
            link: name.clone(),
            target,
            service: service.clone(),
            held: kept,
        }));
        if given_up {
            self.taken_up(now, name);
        }
    }
}

fn left_to_replica(instances: Vec<Instance>) -> Vec<Change> {
    let left = instances.into_iter().map(|instance| Change::Remove {
        instance,
        because: Removal::LeftToReplica,
    });
    left.collect()
}
