//! A registry with a truth: what applications registered and what links wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Area, Coverage, ListEnd, Listed, Write};
use syncline_model::desire::unmarked;
use syncline_model::plan::Change;
use syncline_model::{
    Host, Identity, Instance, InstanceKey, LinkName, Port, ServiceKey, ServiceSet, Truth, View,
};

/// How a question is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Answer {
    #[default]
    Whole,
    Partial,
    Suspect,
    Fails,
}

/// What becomes of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Fate {
    #[default]
    Lands,
    /// It does not land, and that is told.
    Refused,
    /// It does not land, and a rest of this length is asked for.
    Throttled(Duration),
    /// It lands, and a failure is told.
    Unheard,
    /// The first half of it lands, and a failure is told.
    Halved,
}

type Instances = BTreeMap<InstanceKey, Instance>;

/// A registry.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    natives: BTreeMap<ServiceKey, Instances>,
    copies: BTreeMap<(LinkName, ServiceKey), Instances>,
    /// All that was ever native here: a copy may have yielded to it.
    ever_native: BTreeSet<(ServiceKey, Host, Port)>,
    pub(crate) lists: Answer,
    pub(crate) reads: Answer,
    pub(crate) writes: Fate,
    /// Ends no write.
    pub(crate) hangs: bool,
    /// Whoever registered here still keeps it alive.
    pub(crate) keeps_alive: bool,
    /// Its clients may be on their way back, so that absence proves nothing.
    pub(crate) returning: bool,
    /// Pushes nothing.
    pub(crate) silent: bool,
    /// Loses the marks of copies.
    pub(crate) strips_marks: bool,
    /// Is told changes one by one, and not whole sets.
    pub(crate) additive: bool,
    /// Left out of lists, though they are there.
    pub(crate) hidden: BTreeSet<ServiceKey>,
    /// Which part of it cannot be listed whole.
    pub(crate) doubtful: BTreeMap<syncline_model::NamespaceId, Answer>,
}

impl Registry {
    pub(crate) fn register(&mut self, service: &ServiceKey, instance: Instance) {
        let InstanceKey { host, port, .. } = instance.key.clone();
        self.ever_native.insert((service.clone(), host, port));
        let natives = self.natives.entry(service.clone()).or_default();
        natives.insert(instance.key.clone(), instance);
    }

    pub(crate) fn deregister(&mut self, service: &ServiceKey, key: &InstanceKey) {
        if let Some(natives) = self.natives.get_mut(service) {
            natives.remove(key);
            if natives.is_empty() {
                self.natives.remove(service);
            }
        }
    }

    pub(crate) fn natives(&self, service: &ServiceKey) -> impl Iterator<Item = &Instance> {
        self.natives
            .get(service)
            .into_iter()
            .flat_map(|i| i.values())
    }

    pub(crate) fn was_native(&self, service: &ServiceKey, key: &InstanceKey) -> bool {
        let key = (service.clone(), key.host.clone(), key.port);
        self.ever_native.contains(&key)
    }

    /// What a link wrote.
    pub(crate) fn copies(&self, link: &LinkName, service: &ServiceKey) -> Vec<Instance> {
        let copies = self.copies.get(&(link.clone(), service.clone()));
        copies
            .into_iter()
            .flat_map(|i| i.values())
            .cloned()
            .collect()
    }

    /// All that is shown of a service, with the link that wrote it.
    pub(crate) fn shown(&self, service: &ServiceKey) -> Vec<(Option<&LinkName>, Instance)> {
        let copies = self.copies.iter().filter(|((_, s), _)| s == service);
        let copies = copies.flat_map(|((link, _), copies)| {
            copies
                .values()
                .map(move |copy| (Some(link), self.seen(copy)))
        });
        let natives = self.natives(service).map(|native| (None, native.clone()));
        natives.chain(copies).collect()
    }

    fn seen(&self, copy: &Instance) -> Instance {
        let mut seen = copy.clone();
        if self.strips_marks {
            seen.metadata = unmarked(&copy.metadata);
        }
        seen
    }

    pub(crate) fn services(&self) -> BTreeSet<ServiceKey> {
        let written = self.copies.iter().filter(|(_, copies)| !copies.is_empty());
        let written = written.map(|((_, service), _)| service);
        self.natives.keys().chain(written).cloned().collect()
    }

    fn set(&self, service: &ServiceKey) -> Arc<ServiceSet> {
        let shown = self.shown(service).into_iter().map(|(_, i)| i);
        Arc::new(ServiceSet::new(shown.collect()))
    }

    /// What subscribers are shown.
    pub(crate) fn pushed(&self, service: &ServiceKey) -> View {
        let shown = self.shown(service).into_iter().map(|(_, i)| i);
        let enabled = shown.filter(|instance| instance.enabled);
        let set = Arc::new(ServiceSet::new(enabled.collect()));
        View::Complete(Truth::Consumer, set)
    }

    pub(crate) fn read(&self, service: &ServiceKey) -> View {
        let set = self.set(service);
        match self.reads {
            Answer::Whole if self.returning => View::Partial(set, "they come back".into()),
            Answer::Whole => View::Complete(Truth::Raw, set),
            Answer::Partial => View::Partial(ServiceSet::empty(), "half of it".into()),
            Answer::Suspect => View::Suspect(ServiceSet::empty(), "members disagree".into()),
            Answer::Fails => View::Failed("timed out".into()),
        }
    }

    /// A list: what it gives, and how it ends.
    pub(crate) fn list(&self) -> (Vec<Listed>, ListEnd) {
        let shows = |service: &ServiceKey| {
            let answer = self.doubtful.get(&service.namespace).unwrap_or(&self.lists);
            !self.hidden.contains(service) && *answer != Answer::Fails
        };
        let listed = self.services().into_iter().filter(shows);
        let listed = listed.map(|service| Listed {
            view: View::Complete(Truth::Raw, self.set(&service)),
            service,
            rejected: Vec::new(),
        });
        let mut areas: Vec<Area> = (self.services().into_iter())
            .map(|service| service.namespace)
            .chain(["public".into()])
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|namespace| Area {
                group: None,
                coverage: coverage(self.doubtful.get(&namespace).unwrap_or(&self.lists)),
                namespace: Some(namespace),
            })
            .collect();
        let all = match self.lists {
            Answer::Whole if self.returning => Some(Answer::Partial),
            Answer::Fails => Some(Answer::Fails),
            _ => None,
        };
        if let Some(all) = all {
            areas = vec![Area {
                namespace: None,
                group: None,
                coverage: coverage(&all),
            }];
        }
        (listed.collect(), ListEnd::of(areas))
    }

    /// Takes a write as its fate is; whether success is told.
    pub(crate) fn take(&mut self, link: &LinkName, write: &Write, fate: Fate) -> bool {
        let copies = (self.copies)
            .entry((link.clone(), write.service.clone()))
            .or_default();
        let lands = match fate {
            Fate::Lands | Fate::Unheard => write.changes.len(),
            Fate::Halved => write.changes.len() / 2,
            Fate::Refused | Fate::Throttled(_) => return false,
        };
        if self.additive || fate == Fate::Halved {
            write.changes[..lands].iter().for_each(|c| make(copies, c));
            if lands == write.changes.len() {
                // What stays is registered again, and what is not named stays.
                copies.extend(by_key(&write.accepted));
            }
        } else {
            *copies = by_key(&write.accepted).collect();
        }
        if fate == Fate::Lands && !self.keeps_alive {
            for left in write.taken_over.iter() {
                self.deregister(&write.service, &left.key);
            }
        }
        fate == Fate::Lands
    }

    /// The connections of these links are gone, and so is what they held.
    pub(crate) fn drop_copies(&mut self, link: &LinkName) {
        self.copies.retain(|(by, _), _| by != link);
    }
}

fn by_key(set: &ServiceSet) -> impl Iterator<Item = (InstanceKey, Instance)> {
    let instances = set.instances().iter();
    instances.map(|i| (i.key.clone(), i.clone()))
}

fn make(copies: &mut Instances, change: &Change) {
    match change {
        Change::Add(added) => {
            copies.insert(added.key.clone(), added.clone());
        }
        Change::Update { from, to } | Change::MarkUnavailable { from, to, .. } => {
            copies.remove(&from.key);
            copies.insert(to.key.clone(), to.clone());
        }
        Change::Remove { instance, .. } => {
            copies.remove(&instance.key);
        }
    }
}

fn coverage(answer: &Answer) -> Coverage {
    match answer {
        Answer::Whole => Coverage::Complete(Truth::Raw),
        Answer::Partial => Coverage::Partial("not permitted".into()),
        Answer::Suspect => Coverage::Suspect("the servers are others than before".into()),
        Answer::Fails => Coverage::Failed("connection refused".into()),
    }
}

/// Whether a set has an instance in the place of a key.
pub(crate) fn stands(set: &ServiceSet, key: &InstanceKey, identity: Identity) -> bool {
    set.matching(key, identity).next().is_some()
}
