//! One service's records: what of its instances DNS can say.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use syncline_model::{Host, Instance, Port, ServiceSet};

use crate::name::Name;

/// What the weight 1 of Nacos is in an SRV record: fine enough for 0.01, and
/// what HAProxy, which divides by 256, takes for 1.
const UNIT: f64 = 256.0;

/// What a service answers with: its instances that are in use, in a stable
/// order. Those that are disabled, known to be unhealthy or without weight are
/// not among them.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Records {
    v4: Rotation<Ipv4Addr>,
    v6: Rotation<Ipv6Addr>,
    services: Rotation<Srv>,
    /// Hosts that are neither an address nor a name that DNS holds.
    pub(crate) strange: Vec<Host>,
}

/// An SRV record.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Srv {
    pub(crate) weight: u16,
    pub(crate) port: Port,
    pub(crate) target: Target,
}

/// Where an instance is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Target {
    /// At an address, which has a name of its own below the service's.
    Address(IpAddr),
    /// At a host that others know. It has no A record here: a name can have one
    /// CNAME and nothing beside it.
    Host(Name),
}

impl Records {
    /// The records of all that links give for one service.
    pub(crate) fn of<'a>(sets: impl IntoIterator<Item = &'a ServiceSet>) -> Self {
        let mut weights: BTreeMap<(Target, Port), f64> = BTreeMap::new();
        let mut strange = Vec::new();
        let instances = sets.into_iter().flat_map(ServiceSet::instances);
        for instance in instances.filter(|instance| instance.in_use()) {
            let Some(target) = target(instance) else {
                strange.push(instance.key.host.clone());
                continue;
            };
            let weight = weights.entry((target, instance.key.port)).or_default();
            *weight += instance.weight.get();
        }
        let most = weights.values().copied().fold(0.0, f64::max);
        let unit = UNIT.min(f64::from(u16::MAX) / most);
        let services: Vec<Srv> = weights
            .into_iter()
            .map(|((target, port), weight)| Srv {
                // The product is between 0 and 65535.
                weight: ((weight * unit).round() as u16).max(1),
                port,
                target,
            })
            .collect();
        let mut hosts: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for srv in &services {
            if let Target::Address(address) = srv.target {
                *hosts.entry(address).or_default() += u64::from(srv.weight);
            }
        }
        let v4 = hosts.iter().filter_map(|(host, weight)| match host {
            IpAddr::V4(address) => Some((*address, *weight)),
            IpAddr::V6(_) => None,
        });
        let v6 = hosts.iter().filter_map(|(host, weight)| match host {
            IpAddr::V6(address) => Some((*address, *weight)),
            IpAddr::V4(_) => None,
        });
        Self {
            v4: v4.collect(),
            v6: v6.collect(),
            services: services
                .into_iter()
                .map(|srv| (srv.clone(), u64::from(srv.weight)))
                .collect(),
            strange,
        }
    }

    /// Its IPv4 addresses, beginning with one that weight and seed choose.
    pub(crate) fn v4(&self, seed: u64) -> impl Iterator<Item = Ipv4Addr> {
        self.v4.from(seed).copied()
    }

    /// The same with IPv6.
    pub(crate) fn v6(&self, seed: u64) -> impl Iterator<Item = Ipv6Addr> {
        self.v6.from(seed).copied()
    }

    /// The same with its instances.
    pub(crate) fn services(&self, seed: u64) -> impl Iterator<Item = &Srv> {
        self.services.from(seed)
    }

    /// Whether one of its instances is at an address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.items.binary_search(&address).is_ok(),
            IpAddr::V6(address) => self.v6.items.binary_search(&address).is_ok(),
        }
    }
}

fn target(instance: &Instance) -> Option<Target> {
    let host = instance.key.host.as_str();
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Target::Address(address.to_canonical()));
    }
    // What ends in a number is an address that somebody mistyped.
    let last = host.trim_end_matches('.').rsplit('.').next()?;
    let numeric = last.bytes().all(|b| b.is_ascii_digit());
    let name = Name::parse(host).filter(|_| !numeric)?;
    Some(Target::Host(name))
}

/// The label that an address has below its service.
pub(crate) fn label_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string().replace('.', "-"),
        IpAddr::V6(address) => {
            let segments = address.segments();
            segments.map(|segment| format!("{segment:x}")).join("-")
        }
    }
}

/// The address that a label stands for.
pub(crate) fn address_of(label: &[u8]) -> Option<IpAddr> {
    let label = std::str::from_utf8(label).ok()?;
    let address: IpAddr = match label.split('-').count() {
        4 => label.replace('-', ".").parse().ok()?,
        8 => label.replace('-', ":").parse().ok()?,
        _ => return None,
    };
    // One name for one address: no leading zeros, nothing left out.
    (label_of(address) == label).then_some(address)
}

/// Items in a stable order that are told beginning anywhere, heavier ones first
/// more often.
#[derive(Clone, PartialEq, Debug)]
struct Rotation<T> {
    items: Box<[T]>,
    /// The sum of the weights up to each item, with it.
    sums: Box<[u64]>,
}

impl<T> Default for Rotation<T> {
    fn default() -> Self {
        Self::from_iter([])
    }
}

impl<T> FromIterator<(T, u64)> for Rotation<T> {
    fn from_iter<I: IntoIterator<Item = (T, u64)>>(items: I) -> Self {
        let mut sum = 0;
        let with_sum = |(item, weight): (T, u64)| {
            sum += weight;
            (item, sum)
        };
        let (items, sums): (Vec<T>, Vec<u64>) = items.into_iter().map(with_sum).unzip();
        Self {
            items: items.into(),
            sums: sums.into(),
        }
    }
}

impl<T> Rotation<T> {
    fn from(&self, seed: u64) -> impl Iterator<Item = &T> {
        let whole = self.sums.last().map_or(1, |sum| (*sum).max(1));
        let first = self.sums.partition_point(|sum| *sum <= seed % whole);
        let (before, after) = self.items.split_at(first.min(self.items.len()));
        after.iter().chain(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Seen, Weight};

    fn instance(host: &str, port: u16, weight: f64) -> Instance {
        let mut instance = Instance::new(host, Port::new(port).expect("not zero"));
        instance.weight = Weight::new(weight).expect("legal");
        instance
    }

    fn records(instances: Vec<Instance>) -> Records {
        Records::of([&ServiceSet::new(instances)])
    }

    fn weights(weights: &[f64]) -> Vec<u16> {
        let of = |(port, weight): (usize, &f64)| instance("10.0.0.1", port as u16 + 1, *weight);
        let records = records(weights.iter().enumerate().map(of).collect());
        records.services(0).map(|srv| srv.weight).collect()
    }

    #[test]
    fn weights_keep_their_ratio_and_never_vanish() {
        assert_eq!(weights(&[1.0, 0.4, 1.5]), [256, 102, 384]);
        assert_eq!(weights(&[0.001]), [1]);
        assert_eq!(weights(&[10_000.0, 1.0, 5_000.0]), [65_535, 7, 32_768]);
        assert!(weights(&[0.0]).is_empty());
    }

    #[test]
    fn what_takes_no_traffic_has_no_record() {
        let mut sick = instance("10.0.0.2", 80, 1.0);
        sick.healthy = Seen::Known(false);
        let mut off = instance("10.0.0.3", 80, 1.0);
        off.enabled = false;
        let mut doubtful = instance("10.0.0.4", 80, 1.0);
        doubtful.healthy = Seen::Unknown;
        let all = vec![sick, off, doubtful, instance("10.0.0.5", 80, 0.0)];
        let records = records(all);
        assert_eq!(
            records.v4(0).collect::<Vec<_>>(),
            [Ipv4Addr::new(10, 0, 0, 4)]
        );
        assert_eq!(records.services(0).count(), 1);
    }

    #[test]
    fn one_address_with_two_ports_is_one_a_and_two_srv() {
        let mut twice = instance("10.0.0.1", 80, 1.0);
        twice.key.cluster = "other".into();
        let all = vec![
            instance("10.0.0.1", 80, 1.0),
            instance("10.0.0.1", 81, 1.0),
            twice,
        ];
        let records = records(all);
        assert_eq!(records.v4(0).count(), 1);
        let told = |srv: &Srv| (srv.port.get(), srv.weight);
        assert_eq!(
            records.services(0).map(told).collect::<Vec<_>>(),
            [(80, 512), (81, 256)]
        );
    }

    #[test]
    fn hosts_have_srv_alone_and_strange_ones_nothing() {
        let hosts = [
            "db.example.com",
            "::ffff:10.0.0.1",
            "fe80::1%eth0",
            "10.0.0.300",
            "订",
        ];
        let records = records(hosts.map(|host| instance(host, 80, 1.0)).into());
        assert_eq!(
            records.v4(0).collect::<Vec<_>>(),
            [Ipv4Addr::new(10, 0, 0, 1)]
        );
        assert_eq!(records.v6(0).count(), 0);
        let targets: Vec<_> = records.services(0).map(|srv| srv.target.clone()).collect();
        let address = Target::Address(IpAddr::from([10, 0, 0, 1]));
        let host = Name::parse("db.example.com").map(Target::Host);
        assert_eq!(
            targets,
            [Some(address), host].map(|target| target.expect("a target"))
        );
        assert_eq!(records.strange.len(), 3);
    }

    #[test]
    fn heavier_ones_come_first_more_often() {
        let records = records(vec![
            instance("10.0.0.1", 80, 3.0),
            instance("10.0.0.2", 80, 1.0),
        ]);
        let first = |seed| records.v4(seed).next().expect("two").octets()[3];
        let ones = (0..1024).filter(|seed| first(*seed) == 1).count();
        assert_eq!(ones, 768);
        assert!((0..1024).all(|seed| records.v4(seed).count() == 2));
    }

    #[test]
    fn labels_of_addresses_read_back() {
        for text in ["10.0.0.1", "::1", "2001:db8::ff"] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(address_of(label_of(address).as_bytes()), Some(address));
        }
        for label in [
            "10-0-0-01",
            "1-2-3",
            "10-0-0-256",
            "0-0-0-0-0-0-0-00001",
            "--1",
        ] {
            assert_eq!(address_of(label.as_bytes()), None, "{label}");
        }
    }
}
