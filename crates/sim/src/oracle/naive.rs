//! What every registry should show, as a set comprehension over truth and links.
//!
//! An instance that an application registers somewhere stands at every registry
//! to which links lead from there, unless an application registers at that
//! address there, or on the way.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::desire::unmarked;
use syncline_model::plan::RemovalPolicy;
use syncline_model::{Host, Instance, InstanceKey, Port, Seen, ServiceKey, ServiceSet};

use crate::deed::Content;
use crate::registry::Registry;
use crate::setup::{LinkSetup, Setup};

type Address = (Host, Port);

/// What should be shown at one place, by address.
#[derive(Debug, Default)]
struct Expected {
    /// What may stand there; several only where applications of several
    /// registries say different things of one address.
    contents: Vec<Instance>,
    /// Whether nothing has to stand there, because it came through what is
    /// broken.
    optional: bool,
}

/// What is wrong at rest, if anything is.
pub(crate) fn disagreement(setup: &Setup, registries: &[Registry]) -> Option<String> {
    let healthy = |place: &usize| !setup.endpoints[*place].stays_broken;
    let places = (0..registries.len()).filter(healthy);
    places
        .flat_map(|place| setup.services.iter().map(move |service| (place, service)))
        .find_map(|(place, service)| differs(setup, registries, place, service))
}

fn differs(
    setup: &Setup,
    registries: &[Registry],
    place: usize,
    service: &ServiceKey,
) -> Option<String> {
    let expected = expected(setup, registries, place, service);
    let name = &setup.endpoints[place].name;
    let shown = registries[place].shown(service);
    let mut there = BTreeSet::new();
    for instance in shown.set.instances() {
        let address = address(&instance.key);
        if is_nonsense(registries, service, &instance.key) {
            continue;
        }
        let allowed = expected.get(&address);
        let right = allowed.is_some_and(|e| e.contents.iter().any(|i| same(i, instance)));
        there.insert(address);
        if !right && !may_linger(setup, registries, (place, service), instance) {
            let content = Content(instance);
            let should = match allowed {
                Some(expected) => told(&expected.contents),
                None => "nothing".to_owned(),
            };
            let service = &service.name;
            return Some(format!(
                "{name} shows {content} of {service} where {should} should stand"
            ));
        }
    }
    let missing = |(address, e): &(&Address, &Expected)| !e.optional && !there.contains(address);
    let (_, missing) = expected.iter().find(missing)?;
    let (service, contents) = (&service.name, told(&missing.contents));
    Some(format!("{name} lacks {contents} of {service}"))
}

fn expected(
    setup: &Setup,
    registries: &[Registry],
    place: usize,
    service: &ServiceKey,
) -> BTreeMap<Address, Expected> {
    let mut expected: BTreeMap<Address, Expected> = BTreeMap::new();
    for (origin, registry) in registries.iter().enumerate() {
        for native in registry.natives(service) {
            let ways = Ways {
                setup,
                registries,
                service,
                native,
            };
            let Some(healthy) = ways.lead(origin, place, 1 << origin) else {
                continue;
            };
            let at = expected.entry(address(&native.key)).or_default();
            at.contents.push(native.clone());
            at.optional |= !healthy || is_nonsense(registries, service, &native.key);
        }
    }
    expected
}

struct Ways<'a> {
    setup: &'a Setup,
    registries: &'a [Registry],
    service: &'a ServiceKey,
    native: &'a Instance,
}

impl Ways<'_> {
    /// Whether any way leads from one registry to another, and whether none of
    /// those that do touches what is broken.
    fn lead(&self, from: usize, to: usize, visited: u8) -> Option<bool> {
        let healthy = !self.setup.endpoints[from].stays_broken;
        if from == to {
            return Some(healthy);
        }
        let mut found = None;
        for link in self.setup.links.iter().filter(|link| link.from == from) {
            let next = link.to;
            let blocked = visited & (1 << next) != 0
                || self.registries[next].is_native_at(self.service, &self.native.key);
            if blocked {
                continue;
            }
            if let Some(way) = self.lead(next, to, visited | 1 << next) {
                found = Some(found.unwrap_or(true) && way && healthy);
            }
        }
        found
    }
}

/// Whether what should not be there may be there all the same: a link gave it, and
/// keeps what went away, or cannot tell what went away behind a broken registry.
fn may_linger(
    setup: &Setup,
    registries: &[Registry],
    (place, service): (usize, &ServiceKey),
    shown: &Instance,
) -> bool {
    let keeps = |removal| match removal {
        RemovalPolicy::Keep => true,
        RemovalPolicy::MarkUnavailable { expire_after, .. } => expire_after.is_none(),
        RemovalPolicy::Delete { .. } => false,
    };
    let mut links = setup.links.iter().enumerate();
    links.any(|(by, link)| {
        let mut copies = registries[place].copies(service, by);
        let gave = link.to == place && copies.any(|copied| same(&copied.instance, shown));
        let went = || !carries(setup, registries, link, (service, &shown.key));
        gave && (is_fed_by_broken(setup, link.from) || (keeps(link.removal) && went()))
    })
}

/// Whether a link has to carry something that stands at a key.
fn carries(
    setup: &Setup,
    registries: &[Registry],
    link: &LinkSetup,
    (service, key): (&ServiceKey, &InstanceKey),
) -> bool {
    let origins = registries.iter().enumerate();
    let mut natives = origins.flat_map(|(origin, registry)| {
        let natives = registry.natives(service);
        natives.map(move |native| (origin, native))
    });
    natives.any(|(origin, native)| {
        let ways = Ways {
            setup,
            registries,
            service,
            native,
        };
        let visited = 1 << origin | 1 << link.to;
        let stops = origin == link.to || registries[link.to].is_native_at(service, key);
        native.key == *key && !stops && ways.lead(origin, link.from, visited).is_some()
    })
}

/// Whether anything comes to a registry from one that stays broken.
fn is_fed_by_broken(setup: &Setup, place: usize) -> bool {
    let mut fed = 1_u8 << place;
    for _ in &setup.endpoints {
        for link in &setup.links {
            if fed & 1 << link.to != 0 {
                fed |= 1 << link.from;
            }
        }
    }
    let mut endpoints = setup.endpoints.iter().enumerate();
    endpoints.any(|(place, endpoint)| endpoint.stays_broken && fed & 1 << place != 0)
}

/// Whether any registry cannot make sense of what stands there: then nobody
/// knows what should.
fn is_nonsense(registries: &[Registry], service: &ServiceKey, key: &InstanceKey) -> bool {
    let mut poison = registries.iter().flat_map(|registry| &registry.poison);
    poison.any(|(of, bad)| of == service && bad.same_address(key))
}

fn address(key: &InstanceKey) -> Address {
    (key.host.clone(), key.port)
}

/// Whether two are the same to a consumer.
fn same(a: &Instance, b: &Instance) -> bool {
    a.key == b.key
        && a.weight == b.weight
        && a.enabled == b.enabled
        && a.healthy.or(true) == b.healthy.or(true)
        && unmarked(&a.metadata) == unmarked(&b.metadata)
}

/// What consumers see of a set, as a hash: marks are nothing to them.
pub(crate) fn fingerprint(set: &ServiceSet) -> u64 {
    let bare = set.instances().iter().map(|instance| Instance {
        metadata: unmarked(&instance.metadata),
        healthy: Seen::Known(instance.healthy.or(true)),
        ephemeral: Seen::Unknown,
        ..instance.clone()
    });
    ServiceSet::new(bare.collect()).fingerprint()
}

fn told(instances: &[Instance]) -> String {
    let told: Vec<String> = instances.iter().map(|i| Content(i).to_string()).collect();
    told.join(" or ")
}
