//! A registry with a truth: what applications registered, what links wrote, and
//! how it answers while faults last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Area, Coverage, ListEnd, Listed, Rejected};
use syncline_model::desire::unmarked;
use syncline_model::{
    Host, Instance, InstanceKey, Moment, NamespaceId, Port, Seen, ServiceKey, ServiceSet, Truth,
    View,
};

use crate::chance::Chance;
use crate::fault::Fault;

/// Who stands where: a key, and the registries that it was in before, a bit each
/// (none for a native).
pub(crate) type Sight = Arc<[(InstanceKey, u8)]>;

/// How far back a stale list looks.
const STALE: Duration = Duration::from_secs(5);

/// What a registry has of one service, as it shows it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) set: Arc<ServiceSet>,
    pub(crate) sight: Sight,
    /// Those of them whose record is enabled: of two at one address one may be.
    enabled: Sight,
}

impl Shown {
    pub(crate) fn nothing() -> Self {
        Self {
            set: ServiceSet::empty(),
            sight: Arc::from([]),
            enabled: Arc::from([]),
        }
    }

    /// Who of it is in use.
    pub(crate) fn in_use(&self) -> Sight {
        let is_used = |key: &InstanceKey| self.set.get(key).iter().any(Instance::in_use);
        let used = self.sight.iter().filter(|(key, _)| is_used(key));
        used.cloned().collect()
    }

    /// The same without some of the instances.
    fn keeping(&self, keeps: impl FnMut(&&Instance) -> bool) -> Self {
        let kept = self.set.instances().iter().filter(keeps).cloned();
        let set = Arc::new(ServiceSet::new(kept.collect()));
        let kept = |sight: &Sight| -> Sight {
            let kept = sight.iter().filter(|(key, _)| !set.get(key).is_empty());
            kept.cloned().collect()
        };
        Self {
            sight: kept(&self.sight),
            enabled: kept(&self.enabled),
            set,
        }
    }
}

/// A copy that a link wrote.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    pub(crate) instance: Instance,
    /// The registries that it was in before, a bit each.
    pub(crate) visited: u8,
}

pub(crate) type Copies = BTreeMap<InstanceKey, Copied>;

/// A list on its way: what it gives, and how it ends.
pub(crate) struct List {
    pub(crate) services: Vec<(Listed, Sight)>,
    pub(crate) end: ListEnd,
}

/// A registry.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    strips_marks: bool,
    natives: BTreeMap<ServiceKey, BTreeMap<InstanceKey, Instance>>,
    /// By service and the place of the link.
    copies: BTreeMap<(ServiceKey, usize), Copies>,
    /// All that was ever native here: a copy may have yielded to it.
    ever_native: BTreeSet<(ServiceKey, Host, Port)>,
    /// All that was ever shown here, and the content of what was native.
    ever_shown: BTreeSet<(ServiceKey, Host, Port)>,
    revisions: BTreeSet<String>,
    /// What it shows now.
    shown: BTreeMap<ServiceKey, Shown>,
    /// What it showed before the last change, and when that was.
    before: BTreeMap<ServiceKey, (Moment, Shown)>,
    /// Until when which fault lasts.
    pub(crate) faults: BTreeMap<Fault, Moment>,
    /// Addresses that lists and pushes cannot make sense of.
    pub(crate) poison: BTreeSet<(ServiceKey, InstanceKey)>,
}

/// What is there.
impl Registry {
    pub(crate) fn new(strips_marks: bool) -> Self {
        Self {
            strips_marks,
            ..Self::default()
        }
    }

    pub(crate) fn register(&mut self, service: &ServiceKey, instance: Instance, now: Moment) {
        let InstanceKey { host, port, .. } = instance.key.clone();
        self.ever_native.insert((service.clone(), host, port));
        let revision = instance.metadata.get("rev").map(str::to_owned);
        self.revisions.extend(revision);
        let natives = self.natives.entry(service.clone()).or_default();
        natives.insert(instance.key.clone(), instance);
        self.changed(service, now);
    }

    pub(crate) fn deregister(&mut self, service: &ServiceKey, key: &InstanceKey, now: Moment) {
        if let Some(natives) = self.natives.get_mut(service) {
            natives.remove(key);
        }
        self.changed(service, now);
    }

    pub(crate) fn natives(&self, service: &ServiceKey) -> impl Iterator<Item = &Instance> {
        let natives = self.natives.get(service).into_iter();
        natives.flat_map(|natives| natives.values())
    }

    pub(crate) fn is_native_at(&self, service: &ServiceKey, key: &InstanceKey) -> bool {
        self.natives(service).any(|n| n.key.same_address(key))
    }

    pub(crate) fn was_native(&self, service: &ServiceKey, key: &InstanceKey) -> bool {
        let key = (service.clone(), key.host.clone(), key.port);
        self.ever_native.contains(&key)
    }

    /// Whether anything was ever shown at an address of a service.
    pub(crate) fn was_shown(&self, service: &ServiceKey, key: &InstanceKey) -> bool {
        let key = (service.clone(), key.host.clone(), key.port);
        self.ever_shown.contains(&key)
    }

    /// Whether an application ever registered this content here.
    pub(crate) fn registered(&self, instance: &Instance) -> bool {
        let revision = instance.metadata.get("rev");
        revision.is_some_and(|revision| self.revisions.contains(revision))
    }

    /// Whether any application ever registered at a service.
    pub(crate) fn was_ever_native(&self, service: &ServiceKey) -> bool {
        self.natives.contains_key(service)
    }

    pub(crate) fn copies(
        &self,
        service: &ServiceKey,
        link: usize,
    ) -> impl Iterator<Item = &Copied> {
        let copies = self.copies.get(&(service.clone(), link)).into_iter();
        copies.flat_map(|copies| copies.values())
    }

    /// Changes what a link has there.
    pub(crate) fn write(
        &mut self,
        service: &ServiceKey,
        link: usize,
        now: Moment,
        write: impl FnOnce(&mut Copies),
    ) {
        write(self.copies.entry((service.clone(), link)).or_default());
        self.changed(service, now);
    }

    /// What a link has there is gone, in every service; these are they.
    pub(crate) fn drop_copies(&mut self, link: usize, now: Moment) -> Vec<ServiceKey> {
        let mine = self.copies.keys().filter(|(_, by)| *by == link);
        let services: Vec<ServiceKey> = mine.map(|(service, _)| service.clone()).collect();
        for service in &services {
            self.copies.remove(&(service.clone(), link));
            self.changed(service, now);
        }
        services
    }

    /// What is there of a service.
    pub(crate) fn shown(&self, service: &ServiceKey) -> Shown {
        let shown = self.shown.get(service).cloned();
        shown.unwrap_or_else(Shown::nothing)
    }

    /// Who stands there of a service, as far as anybody can make sense of it.
    pub(crate) fn sense(&self, service: &ServiceKey) -> Sight {
        let shown = self.shown(service);
        self.sensible(service, shown).0.sight
    }

    fn changed(&mut self, service: &ServiceKey, now: Moment) {
        let mut sight = Vec::new();
        let mut instances = Vec::new();
        for native in self.natives(service) {
            sight.push((native.key.clone(), 0));
            instances.push(native.clone());
        }
        let of_service = (service.clone(), 0)..=(service.clone(), usize::MAX);
        for copied in self.copies.range(of_service).flat_map(|(_, c)| c.values()) {
            sight.push((copied.instance.key.clone(), copied.visited));
            let mut instance = copied.instance.clone();
            if self.strips_marks {
                instance.metadata = unmarked(&instance.metadata);
            }
            instances.push(instance);
        }
        let places = instances.iter().map(|i| &i.key);
        let places = places.map(|key| (service.clone(), key.host.clone(), key.port));
        self.ever_shown.extend(places);
        let is_enabled = |(_, instance): &(_, &Instance)| instance.enabled;
        let enabled = sight.iter().zip(&instances).filter(is_enabled);
        let shown = Shown {
            enabled: enabled.map(|(seen, _)| seen.clone()).collect(),
            sight: sight.into(),
            set: Arc::new(ServiceSet::new(instances)),
        };
        let before = self.shown.insert(service.clone(), shown);
        let before = before.unwrap_or_else(Shown::nothing);
        self.before.insert(service.clone(), (now, before));
    }
}

/// How it answers.
impl Registry {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains_key(&fault)
    }

    /// A read of one service: what is told, what stands there in truth, and what
    /// makes no sense.
    pub(crate) fn read(
        &self,
        service: &ServiceKey,
        chance: &mut Chance,
    ) -> (View, Sight, Vec<Rejected>) {
        let there = self.shown(service).sight;
        let (shown, mut rejected) = self.sensible(service, self.shown(service));
        let mut part = || {
            let keep = chance.below(60);
            shown.keeping(|_| chance.percent(keep)).set
        };
        let view = if self.has(Fault::ReadFails) || self.has(Fault::Down) {
            View::Failed("timed out".into())
        } else if self.has(Fault::ReadPartial) {
            View::Partial(part(), "half of it could not be read".into())
        } else if self.has(Fault::ReadSuspect) {
            View::Suspect(part(), "members disagree".into())
        } else if self.has(Fault::Amnesia) {
            View::Complete(Truth::Raw, ServiceSet::empty())
        } else {
            View::Complete(Truth::Raw, Arc::clone(&shown.set))
        };
        if view.seen().is_none() || self.has(Fault::Amnesia) {
            rejected.clear();
        }
        (view, there, rejected)
    }

    /// What subscribers are shown: a consumer's view.
    pub(crate) fn push(&self, service: &ServiceKey) -> (View, Sight, Vec<Rejected>) {
        if self.has(Fault::Amnesia) {
            let nothing = View::Complete(Truth::Consumer, ServiceSet::empty());
            return (nothing, Arc::from([]), Vec::new());
        }
        let (shown, rejected) = self.sensible(service, self.shown(service));
        let enabled = shown.keeping(|instance| instance.enabled);
        let set = match self.has(Fault::PushProtected) {
            false => enabled.set,
            true => {
                let mut instances = enabled.set.instances().to_vec();
                instances.iter_mut().for_each(|i| i.healthy = Seen::Unknown);
                Arc::new(ServiceSet::new(instances))
            }
        };
        (
            View::Complete(Truth::Consumer, set),
            enabled.enabled,
            rejected,
        )
    }

    /// A list of everything.
    pub(crate) fn list(&self, now: Moment, chance: &mut Chance) -> List {
        if self.has(Fault::ListFails) || self.has(Fault::Down) {
            let coverage = Coverage::Failed("connection refused".into());
            return List {
                services: Vec::new(),
                end: ListEnd::of(vec![area(None, coverage)]),
            };
        }
        let coverage = if self.has(Fault::ListPartial) {
            Coverage::Partial("not permitted".into())
        } else if self.has(Fault::ListSuspect) {
            Coverage::Suspect("the servers are others than before".into())
        } else {
            Coverage::Complete(Truth::Raw)
        };
        let lacks = self.has(Fault::ListLoses) || coverage.doubt().is_some();
        let mut services = Vec::new();
        for service in self.shown.keys() {
            let shown = self.listed(service, now, chance);
            let (shown, rejected) = self.sensible(service, shown);
            let is_empty = shown.set.is_empty() && rejected.is_empty();
            if is_empty || self.has(Fault::Amnesia) || (lacks && chance.percent(50)) {
                continue;
            }
            let listed = Listed {
                service: service.clone(),
                view: View::Complete(Truth::Raw, shown.set),
                rejected,
            };
            services.push((listed, shown.sight));
        }
        let namespaces = self.shown.keys().map(|service| service.namespace.clone());
        let namespaces: BTreeSet<_> = namespaces.chain(["public".into()]).collect();
        let areas = namespaces.into_iter().map(|namespace| {
            let coverage = coverage.clone();
            area(Some(namespace), coverage)
        });
        List {
            services,
            end: ListEnd::of(areas.collect()),
        }
    }

    fn listed(&self, service: &ServiceKey, now: Moment, chance: &mut Chance) -> Shown {
        let shown = self.shown(service);
        if self.has(Fault::ListStale)
            && let Some((changed, before)) = self.before.get(service)
            && now.since(*changed) < STALE
        {
            return before.clone();
        }
        if self.has(Fault::ListShort) && chance.percent(60) {
            return shown.keeping(|_| chance.percent(50));
        }
        shown
    }

    /// Whether anybody can make sense of what stands at an address.
    pub(crate) fn makes_sense(&self, service: &ServiceKey, key: &InstanceKey) -> bool {
        let mut poison = self.poison.iter();
        !poison.any(|(of, bad)| of == service && bad.same_address(key))
    }

    /// What makes sense of what is shown, and what does not.
    fn sensible(&self, service: &ServiceKey, shown: Shown) -> (Shown, Vec<Rejected>) {
        let is_poison = |key: &InstanceKey| !self.makes_sense(service, key);
        if !shown.set.instances().iter().any(|i| is_poison(&i.key)) {
            return (shown, Vec::new());
        }
        let bad = shown.set.instances().iter().filter(|i| is_poison(&i.key));
        let rejected = bad.map(|instance| Rejected {
            what: instance.key.address(),
            why: "its metadata is no text".to_owned(),
        });
        let rejected = rejected.collect();
        (shown.keeping(|i| !is_poison(&i.key)), rejected)
    }
}

fn area(namespace: Option<NamespaceId>, coverage: Coverage) -> Area {
    Area {
        namespace,
        group: None,
        coverage,
    }
}
