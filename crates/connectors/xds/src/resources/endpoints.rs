//! A service's instances as the endpoints of its cluster.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use syncline_model::{Instance, InstanceKey, Port, Seen, ServiceSet, Weight};

use super::Resource;
use crate::proto::resource::lb_endpoint::HealthStatus;
use crate::proto::resource::{
    Address, ClusterLoadAssignment, Endpoint, LbEndpoint, Locality, LocalityLbEndpoints,
    SocketAddress, UInt32Value,
};

/// A Nacos weight of 1 as an integer, so that the smallest weight that Nacos
/// knows, 0.01, is one.
const ONE: f64 = 100.0;

/// The most that weights of a service add up to: Envoy and gRPC refuse a sum
/// that does not fit 32 bits.
const LARGEST_SUM: f64 = u32::MAX as f64 / 2.0;

/// The endpoints of a service, and the instances that cannot be among them,
/// since their host is a name.
///
/// A disabled instance, or one of weight 0, is not among them either: Envoy
/// lets requests under way end, and would otherwise turn to them in a panic.
pub(super) fn resource<'a>(
    cluster: &Arc<str>,
    set: &'a ServiceSet,
) -> (Resource, impl Iterator<Item = &'a InstanceKey> + use<'a>) {
    let takes_traffic = |instance: &&Instance| instance.enabled && instance.weight > Weight::ZERO;
    let offered = set.instances().iter().filter(takes_traffic);
    let mut by_address: HashMap<(IpAddr, Port), &Instance> = HashMap::new();
    for instance in offered {
        let Ok(ip) = instance.key.host.as_str().parse() else {
            continue;
        };
        let place = by_address.entry((ip, instance.key.port));
        let known = place.or_insert(instance);
        if rank(instance) > rank(known) {
            *known = instance;
        }
    }
    let assignment = assignment(cluster, by_address);
    let unusable = set.instances().iter().map(|instance| &instance.key);
    let unusable = unusable.filter(|key| key.host.as_str().parse::<IpAddr>().is_err());
    (Resource::new(cluster, &assignment), unusable)
}

/// The endpoints of a service that does not exist: a whole list without it is
/// proof that it has none.
pub(crate) fn of_nobody(cluster: &Arc<str>) -> Resource {
    let assignment = ClusterLoadAssignment {
        cluster_name: cluster.to_string(),
        endpoints: Vec::new(),
    };
    Resource::new(cluster, &assignment)
}

/// Which of two registrations of one address stands: an address that is listed
/// twice is refused by gRPC clients, with all others.
fn rank(instance: &Instance) -> (bool, f64) {
    (instance.healthy.or(true), instance.weight.get())
}

fn assignment(
    cluster: &Arc<str>,
    by_address: HashMap<(IpAddr, Port), &Instance>,
) -> ClusterLoadAssignment {
    let sum: f64 = by_address
        .values()
        .map(|instance| instance.weight.get())
        .sum();
    let scale = ONE.min(LARGEST_SUM / sum);
    let mut addresses: Vec<_> = by_address.into_iter().collect();
    addresses.sort_by_key(|(address, _)| *address);
    let mut localities: BTreeMap<&str, Vec<LbEndpoint>> = BTreeMap::new();
    for ((ip, port), instance) in addresses {
        let zone = localities.entry(instance.key.cluster.as_str()).or_default();
        zone.push(endpoint(ip, port, instance, scale));
    }
    ClusterLoadAssignment {
        cluster_name: cluster.to_string(),
        endpoints: localities.into_iter().map(locality).collect(),
    }
}

fn endpoint(ip: IpAddr, port: Port, instance: &Instance, scale: f64) -> LbEndpoint {
    let health = match instance.healthy {
        Seen::Known(true) => HealthStatus::Healthy,
        Seen::Known(false) => HealthStatus::Unhealthy,
        Seen::Unknown => HealthStatus::Unknown,
    };
    // The scale keeps it in range; a weight that is not zero never becomes so.
    let weight = (instance.weight.get() * scale).round().max(1.0) as u32;
    LbEndpoint {
        endpoint: Some(Endpoint {
            address: Some(address(ip, port.get())),
        }),
        health_status: health.into(),
        load_balancing_weight: Some(UInt32Value { value: weight }),
    }
}

/// A Nacos cluster: Envoy and gRPC call the place of endpoints a zone. gRPC
/// passes by a place without a weight, and chooses among places by it.
fn locality((cluster, lb_endpoints): (&str, Vec<LbEndpoint>)) -> LocalityLbEndpoints {
    let usable = |endpoint: &&LbEndpoint| endpoint.health_status() != HealthStatus::Unhealthy;
    let weights = lb_endpoints.iter().filter(usable);
    let weights = weights.filter_map(|endpoint| endpoint.load_balancing_weight);
    let sum = weights.fold(0_u32, |sum, weight| sum.saturating_add(weight.value));
    LocalityLbEndpoints {
        locality: Some(Locality {
            region: String::new(),
            zone: cluster.to_owned(),
        }),
        lb_endpoints,
        load_balancing_weight: Some(UInt32Value { value: sum.max(1) }),
    }
}

/// An address that Envoy connects or listens to.
pub(super) fn address(ip: IpAddr, port: u16) -> Address {
    Address {
        socket_address: Some(SocketAddress {
            address: ip.to_string(),
            port_value: u32::from(port),
        }),
    }
}
