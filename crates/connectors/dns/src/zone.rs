//! The zone: which names there are, and what they stand for.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use syncline_model::{GroupName, NamespaceId, ServiceKey};

use crate::label::{escaped, hashed};
use crate::name::{Name, labels, parent};
use crate::records::{Records, address_of};

/// How long labels are at most: names of instances fit into a name then, below
/// any zone that a configuration may name.
const SERVICE: usize = 62;
const GROUP: usize = 40;

/// The nameserver where none is configured. It is the label of no service.
pub(crate) const NAMESERVER: &str = "ns--1";

/// All services by their names relative to the zone.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    nodes: HashMap<Box<[u8]>, Node>,
    services: HashMap<ServiceKey, Entry>,
    /// The services that want each name: more than one where they differ in
    /// case alone.
    wanted: HashMap<Name, BTreeSet<ServiceKey>>,
    serial: u32,
}

/// What stands at a name.
#[derive(Debug, Default)]
struct Node {
    meaning: Option<(Meaning, ServiceKey)>,
    /// How many names stand right below it.
    below: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    Service,
    /// A service with its namespace, below which its instances stand.
    WholeName,
    /// `_service._tcp`.
    Srv,
}

/// A service of the zone.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `service.group.namespace`, relative to the zone.
    pub(crate) name: Name,
    pub(crate) records: Arc<Records>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// The zone itself.
    Apex,
    /// Who answers for it.
    Nameserver,
    /// A service: addresses, and instances as SRV.
    Service(&'a Entry),
    /// A service, as SRV alone.
    Srv(&'a Entry),
    /// One instance of a service.
    Instance(IpAddr),
    /// Nothing, and there are names below it.
    Between,
    /// Nothing, nor anything below it.
    Missing,
}

/// What is to be known of the names of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Remark {
    /// Another service, which differs in case alone, has its name.
    Displaced {
        service: ServiceKey,
        by: ServiceKey,
        instead: Name,
    },
    /// No name can be made of it.
    Nameless(ServiceKey),
}

impl Zone {
    /// An empty zone, whose versions count from there.
    pub(crate) fn new(serial: u32) -> Self {
        Self {
            serial,
            ..Self::default()
        }
    }

    /// The number of its version.
    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    /// Gives a service its records, or takes it out.
    pub(crate) fn set(
        &mut self,
        service: &ServiceKey,
        records: Option<Arc<Records>>,
    ) -> Vec<Remark> {
        let Some(name) = whole_name(service, false) else {
            return match records {
                Some(_) => vec![Remark::Nameless(service.clone())],
                None => Vec::new(),
            };
        };
        let known = self.services.get(service).map(|entry| entry.name.clone());
        match (records, known) {
            (None, None) => Vec::new(),
            (Some(records), Some(name)) => {
                self.serial = self.serial.wrapping_add(1);
                let entry = Entry { name, records };
                self.services.insert(service.clone(), entry);
                Vec::new()
            }
            (records, _) => {
                self.serial = self.serial.wrapping_add(1);
                self.join_or_leave(service, name, records)
            }
        }
    }

    /// A service comes or goes, and with it whoever wants the same name may get
    /// another.
    fn join_or_leave(
        &mut self,
        service: &ServiceKey,
        name: Name,
        records: Option<Arc<Records>>,
    ) -> Vec<Remark> {
        let mut wanting = self.wanted.remove(&name).unwrap_or_default();
        for other in &wanting {
            self.remove_names(other);
        }
        match records {
            Some(records) => {
                wanting.insert(service.clone());
                let name = name.clone();
                let entry = Entry { name, records };
                self.services.insert(service.clone(), entry);
            }
            None => {
                wanting.remove(service);
                self.services.remove(service);
            }
        }
        let remarks = self.share(&wanting);
        if !wanting.is_empty() {
            self.wanted.insert(name, wanting);
        }
        remarks
    }

    /// Gives each of the services that want one name a name: the first has it,
    /// the others have one with a hash.
    fn share(&mut self, wanting: &BTreeSet<ServiceKey>) -> Vec<Remark> {
        // Who is written as DNS has it should not lose its name to others.
        let Some(first) = wanting.iter().min_by_key(|key| (capitals(key), *key)) else {
            return Vec::new();
        };
        let mut remarks = Vec::new();
        for service in wanting {
            let exact = service != first;
            let name = whole_name(service, exact);
            let (Some(name), Some(entry)) = (name, self.services.get_mut(service)) else {
                continue;
            };
            entry.name = name.clone();
            self.add_names(service, &name);
            if exact {
                remarks.push(Remark::Displaced {
                    service: service.clone(),
                    by: first.clone(),
                    instead: name,
                });
            }
        }
        remarks
    }

    fn add_names(&mut self, service: &ServiceKey, whole: &Name) {
        for (name, meaning) in names(service, whole) {
            self.node(name.as_bytes()).meaning = Some((meaning, service.clone()));
        }
    }

    /// The node of a name. One that is new counts at the one above it, which may
    /// be new as well.
    fn node(&mut self, name: &[u8]) -> &mut Node {
        if !self.nodes.contains_key(name)
            && let Some(above) = parent(name).filter(|above| !above.is_empty())
        {
            self.node(above).below += 1;
        }
        self.nodes.entry(name.into()).or_default()
    }

    fn remove_names(&mut self, service: &ServiceKey) {
        let Some(entry) = self.services.get(service) else {
            return;
        };
        for (name, _) in names(service, &entry.name.clone()) {
            if let Some(node) = self.nodes.get_mut(name.as_bytes()) {
                node.meaning = None;
            }
            self.prune(name.as_bytes());
        }
    }

    /// Removes a name that stands for nothing any more, and those above it that
    /// only led to it.
    fn prune(&mut self, name: &[u8]) {
        let mut at = name;
        loop {
            let empty = |node: &Node| node.meaning.is_none() && node.below == 0;
            if !self.nodes.get(at).is_some_and(empty) {
                return;
            }
            self.nodes.remove(at);
            let Some(above) = parent(at).filter(|above| !above.is_empty()) else {
                return;
            };
            if let Some(node) = self.nodes.get_mut(above) {
                node.below -= 1;
            }
            at = above;
        }
    }

    /// What a name relative to the zone stands for.
    pub(crate) fn find(&self, name: &[u8]) -> Found<'_> {
        if name.is_empty() {
            return Found::Apex;
        }
        if let Some(node) = self.nodes.get(name) {
            let meaning = node.meaning.as_ref();
            let known = meaning.and_then(|(meaning, key)| Some((meaning, self.services.get(key)?)));
            return match known {
                Some((Meaning::Srv, entry)) => Found::Srv(entry),
                Some((_, entry)) => Found::Service(entry),
                None => Found::Between,
            };
        }
        if name[1..] == *NAMESERVER.as_bytes() {
            return Found::Nameserver;
        }
        self.instance(name).map_or(Found::Missing, Found::Instance)
    }

    /// The instance that stands at a name.
    fn instance(&self, name: &[u8]) -> Option<IpAddr> {
        let address = address_of(labels(name).next()?)?;
        let (meaning, service) = self.nodes.get(parent(name)?)?.meaning.as_ref()?;
        let entry = self.services.get(service)?;
        (*meaning == Meaning::WholeName && entry.records.has(address)).then_some(address)
    }

    /// How many services there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.services.len()
    }
}

/// How far a service is from how DNS writes it. The default group, whose name
/// is left out, is not.
fn capitals(service: &ServiceKey) -> usize {
    let group = service.group.as_str();
    let group = if group == GroupName::DEFAULT {
        ""
    } else {
        group
    };
    let parts = [service.name.as_str(), group, service.namespace.as_str()];
    let bytes = parts.into_iter().flat_map(str::bytes);
    bytes.filter(u8::is_ascii_uppercase).count()
}

/// `service.group.namespace`; `exact` for the name that no other service wants.
fn whole_name(service: &ServiceKey, exact: bool) -> Option<Name> {
    let group = escaped(service.group.as_str(), GROUP)?;
    let namespace = escaped(service.namespace.as_str(), GROUP)?;
    let name = escaped(service.name.as_str(), SERVICE)?;
    let name = match exact {
        true => hashed(service.name.as_str(), &service.to_string(), SERVICE),
        false => name,
    };
    Some(Name::of([name, group, namespace]))
}

/// All names of a service: the whole one, and those without the defaults; each
/// as it is and as `_service._tcp`.
fn names(service: &ServiceKey, whole: &Name) -> Vec<(Name, Meaning)> {
    let parts: Vec<String> = labels(whole.as_bytes())
        .map(|label| String::from_utf8_lossy(label).into_owned())
        .collect();
    let public = service.namespace.as_str() == NamespaceId::PUBLIC;
    let default = public && service.group.as_str() == GroupName::DEFAULT;
    let shortest = match (public, default) {
        (_, true) => 1,
        (true, false) => 2,
        (false, false) => 3,
    };
    let mut names = Vec::new();
    for length in shortest..=parts.len() {
        let meaning = match length {
            3 => Meaning::WholeName,
            _ => Meaning::Service,
        };
        names.push((Name::of(&parts[..length]), meaning));
        let marked = [format!("_{}", parts[0]), "_tcp".to_owned()];
        let srv = marked.iter().chain(&parts[1..length]);
        names.push((Name::of(srv), Meaning::Srv));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use syncline_model::{Instance, Port, ServiceSet};

    fn at(host: &str) -> Option<Arc<Records>> {
        let instance = Instance::new(host, Port::new(80).expect("not zero"));
        Some(Arc::new(Records::of([&ServiceSet::new(vec![instance])])))
    }

    /// What stands at a name, in a word: the last byte of a service's address.
    fn told(zone: &Zone, name: &str) -> String {
        let name = match name {
            "" => Name::default(),
            name => Name::of(name.split('.')),
        };
        let last = |entry: &Entry| entry.records.v4(0).next().map_or(0, |v4| v4.octets()[3]);
        match zone.find(name.as_bytes()) {
            Found::Service(entry) => format!("service {}", last(entry)),
            Found::Srv(entry) => format!("srv {}", last(entry)),
            Found::Instance(address) => format!("instance {address}"),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    #[test]
    fn defaults_may_be_left_out() {
        let mut zone = Zone::new(1);
        for (key, host) in [
            (
                ServiceKey::new("public", "DEFAULT_GROUP", "order"),
                "10.0.0.1",
            ),
            (ServiceKey::new("public", "trade", "order"), "10.0.0.2"),
            (
                ServiceKey::new("prod", "DEFAULT_GROUP", "order"),
                "10.0.0.3",
            ),
        ] {
            assert_eq!(zone.set(&key, at(host)), []);
        }
        for (name, expected) in [
            ("", "apex"),
            ("ns--1", "nameserver"),
            ("order", "service 1"),
            ("ORDER", "service 1"),
            ("order.default_group", "service 1"),
            ("order.default_group.public", "service 1"),
            ("_order._tcp", "srv 1"),
            ("_order._tcp.default_group.public", "srv 1"),
            ("order.trade", "service 2"),
            ("order.trade.public", "service 2"),
            ("_order._tcp.trade", "srv 2"),
            ("order.default_group.prod", "service 3"),
            ("order.prod", "missing"),
            ("10-0-0-1.order.default_group.public", "instance 10.0.0.1"),
            ("10-0-0-2.order.default_group.public", "missing"),
            ("10-0-0-1.order", "missing"),
            ("10-0-0-1._order._tcp", "missing"),
            ("trade", "between"),
            ("_tcp", "between"),
            ("public", "between"),
            ("_tcp.trade.public", "between"),
            ("x.order", "missing"),
            ("nothing", "missing"),
        ] {
            assert_eq!(told(&zone, name), expected, "{name}");
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_are_all_served_and_told() {
        let mut zone = Zone::new(1);
        let key = |name: &str| ServiceKey::new("public", "DEFAULT_GROUP", name);
        let (lower, mixed, upper) = (key("order"), key("Order"), key("ORDER"));
        assert_eq!(zone.set(&upper, at("10.0.0.1")), []);
        assert_eq!(told(&zone, "order"), "service 1");
        let remarks = zone.set(&mixed, at("10.0.0.2"));
        assert_eq!(told(&zone, "order"), "service 2");
        let [
            Remark::Displaced {
                service,
                by,
                instead,
            },
        ] = &remarks[..]
        else {
            panic!("{remarks:?}");
        };
        assert_eq!((service, by), (&upper, &mixed));
        let instead = instead.to_string();
        assert!(instead.starts_with("order--h"), "{instead}");
        assert_eq!(told(&zone, instead.trim_end_matches('.')), "service 1");
        assert_eq!(zone.set(&lower, at("10.0.0.3")).len(), 2);
        assert_eq!(told(&zone, "order"), "service 3");
        zone.set(&lower, None);
        zone.set(&mixed, None);
        assert_eq!(told(&zone, "order"), "service 1");
        assert_eq!(told(&zone, instead.trim_end_matches('.')), "missing");
    }

    #[test]
    fn what_has_no_name_is_told_and_nothing_else_suffers() {
        let mut zone = Zone::new(1);
        let nameless = ServiceKey::new("public", "", "order");
        assert_eq!(
            zone.set(&nameless, at("10.0.0.1")),
            [Remark::Nameless(nameless.clone())]
        );
        assert_eq!(zone.set(&nameless, None), []);
        assert_eq!(zone.len(), 0);
    }

    #[test]
    fn each_change_is_a_new_version() {
        let mut zone = Zone::new(u32::MAX);
        let key = ServiceKey::new("public", "g", "s");
        zone.set(&key, None);
        assert_eq!(zone.serial(), u32::MAX);
        zone.set(&key, at("10.0.0.1"));
        zone.set(&key, at("10.0.0.2"));
        assert_eq!(zone.serial(), 1);
        assert_eq!(told(&zone, "s.g"), "service 2");
    }

    proptest! {
        #[test]
        fn what_came_and_went_leaves_no_name(
            steps in prop::collection::vec(("[abAB:]{1,2}", "[gG]|DEFAULT_GROUP", "public|n", any::<bool>()), 1..40)
        ) {
            let mut zone = Zone::new(1);
            let mut there = BTreeSet::new();
            for (name, group, namespace, comes) in steps {
                let key = ServiceKey::new(&*namespace, &*group, &*name);
                zone.set(&key, at("10.0.0.1").filter(|_| comes));
                match comes {
                    true => there.insert(key),
                    false => there.remove(&key),
                };
            }
            prop_assert_eq!(zone.len(), there.len());
            let names: BTreeSet<_> = zone.services.values().map(|e| e.name.clone()).collect();
            prop_assert_eq!(names.len(), there.len(), "each service has a name of its own");
            for name in names {
                prop_assert!(matches!(zone.find(name.as_bytes()), Found::Service(_)));
            }
            for key in there {
                zone.set(&key, None);
            }
            prop_assert!(zone.nodes.is_empty() && zone.wanted.is_empty());
        }
    }
}
