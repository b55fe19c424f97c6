//! What is made of services.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;
use syncline_contract::Snapshot;
use syncline_model::{Instance, Port, Seen, ServiceKey, ServiceSet, Weight};

use super::*;
use crate::proto::resource::lb_endpoint::HealthStatus;
use crate::proto::resource::{
    Cluster, ClusterLoadAssignment, Listener, LocalityLbEndpoints, RouteConfiguration,
};

fn instance(host: &str, weight: f64) -> Instance {
    let mut instance = Instance::new(host, Port::new(80).expect("not zero"));
    instance.weight = Weight::new(weight).expect("legal");
    instance
}

fn of(services: Vec<(&str, Vec<Instance>)>) -> (Resources, Remarks) {
    let services = services.into_iter();
    let snapshot: Snapshot = services
        .map(|(name, instances)| {
            let key = ServiceKey::new("public", "g", name);
            (key, Arc::new(ServiceSet::new(instances)))
        })
        .collect();
    Resources::default().next(&snapshot, &[], &XdsConfig::default())
}

fn read<M: Message + Default>(resources: &Resources, kind: Kind, name: &str) -> M {
    let resource = resources.of(kind).get(name).expect("there");
    M::decode(resource.body.clone()).expect("our own")
}

fn endpoints(instances: Vec<Instance>) -> Vec<LocalityLbEndpoints> {
    let (resources, _) = of(vec![("s", instances)]);
    read::<ClusterLoadAssignment>(&resources, Kind::Endpoint, "public/g/s").endpoints
}

/// Addresses with their weights.
fn weights(localities: &[LocalityLbEndpoints]) -> BTreeMap<String, u32> {
    let endpoints = localities
        .iter()
        .flat_map(|locality| &locality.lb_endpoints);
    let endpoints = endpoints.map(|endpoint| {
        let address = endpoint.endpoint.as_ref().and_then(|e| e.address.as_ref());
        let socket = address
            .and_then(|address| address.socket_address.as_ref())
            .expect("an address");
        let weight = endpoint.load_balancing_weight.expect("a weight").value;
        (socket.address.clone(), weight)
    });
    endpoints.collect()
}

#[test]
fn weights_keep_their_ratio_and_none_becomes_zero() {
    let made = weights(&endpoints(vec![
        instance("10.0.0.1", 0.01),
        instance("10.0.0.2", 0.4),
        instance("10.0.0.3", 1.0),
        instance("10.0.0.4", 1.5),
        instance("10.0.0.5", 10_000.0),
        instance("10.0.0.6", 0.001),
    ]));
    let made: Vec<u32> = made.into_values().collect();
    assert_eq!(made, [1, 40, 100, 150, 1_000_000, 1]);
}

#[test]
fn the_weights_of_a_huge_service_fit_together() {
    let heavy =
        (0..6_000_u32).map(|n| instance(&format!("10.1.{}.{}", n / 250, n % 250), 10_000.0));
    let light = instance("10.0.0.1", 1.0);
    let localities = endpoints(heavy.chain([light]).collect());
    let sum: u64 = weights(&localities).into_values().map(u64::from).sum();
    assert!(sum <= u64::from(u32::MAX), "{sum}");
    assert!(weights(&localities)["10.0.0.1"] >= 1);
}

#[test]
fn who_takes_no_traffic_is_not_offered_and_who_is_sick_is_said_to_be() {
    let mut sick = instance("10.0.0.2", 1.0);
    sick.healthy = Seen::Known(false);
    let mut unknown = instance("10.0.0.3", 1.0);
    unknown.healthy = Seen::Unknown;
    let mut disabled = instance("10.0.0.4", 1.0);
    disabled.enabled = false;
    let drained = instance("10.0.0.5", 0.0);
    let localities = endpoints(vec![
        instance("10.0.0.1", 1.0),
        sick,
        unknown,
        disabled,
        drained,
    ]);
    let health = localities[0]
        .lb_endpoints
        .iter()
        .map(|endpoint| endpoint.health_status());
    assert_eq!(
        health.collect::<Vec<_>>(),
        [
            HealthStatus::Healthy,
            HealthStatus::Unhealthy,
            HealthStatus::Unknown
        ]
    );
    let weight = localities[0]
        .load_balancing_weight
        .expect("gRPC passes by a place without");
    assert_eq!(weight.value, 200);
}

#[test]
fn a_nacos_cluster_is_a_zone() {
    let mut elsewhere = instance("10.0.0.2", 1.0);
    elsewhere.key.cluster = "hz".into();
    let localities = endpoints(vec![instance("10.0.0.1", 1.0), elsewhere]);
    let zones = localities
        .iter()
        .map(|l| l.locality.clone().unwrap_or_default().zone);
    assert_eq!(zones.collect::<Vec<_>>(), ["DEFAULT", "hz"]);
}

#[test]
fn an_address_is_listed_once_and_as_its_better_registration() {
    let mut sick = instance("::1", 9.0);
    sick.healthy = Seen::Known(false);
    let mut same = instance("0:0:0:0:0:0:0:1", 2.0);
    same.key.cluster = "hz".into();
    let made = weights(&endpoints(vec![sick, same]));
    assert_eq!(made, BTreeMap::from([("::1".to_owned(), 200)]));
}

#[test]
fn a_host_name_spoils_no_other_instance() {
    let instances = vec![instance("host.example", 1.0), instance("10.0.0.1", 1.0)];
    let (resources, remarks) = of(vec![("s", instances)]);
    let made: ClusterLoadAssignment = read(&resources, Kind::Endpoint, "public/g/s");
    assert_eq!(
        weights(&made.endpoints).into_keys().collect::<Vec<_>>(),
        ["10.0.0.1"]
    );
    let left_out: Vec<&InstanceKey> = remarks.left_out.iter().flat_map(|(_, keys)| keys).collect();
    assert_eq!(left_out.len(), 1);
    assert_eq!(left_out[0].host.as_str(), "host.example");
}

#[test]
fn names_refer_to_each_other() {
    let (resources, _) = of(vec![("a:b", vec![instance("10.0.0.1", 1.0)])]);
    let (name, host) = ("public/g/a%3ab", "a~3ab.g.public");
    let cluster: Cluster = read(&resources, Kind::Cluster, name);
    assert_eq!(cluster.name, name);
    let listener: Listener = read(&resources, Kind::Listener, host);
    assert_eq!((&*listener.name, listener.address), (host, None));
    for (routes, domain) in [(&**ALL_ROUTES, host), (host, "*")] {
        let routes: RouteConfiguration = read(&resources, Kind::Route, routes);
        assert_eq!(routes.virtual_hosts[0].domains, [domain]);
        let to = routes.virtual_hosts[0].routes[0].route.clone();
        assert_eq!(to.expect("a route").cluster, name);
    }
    assert!(
        resources.of(Kind::Listener).get(&ALL_ROUTES).is_none(),
        "nobody asked for one"
    );
}

#[test]
fn a_change_of_instances_touches_one_resource() {
    let key = |name: &str| ServiceKey::new("public", "g", name);
    let set = |host: &str| Arc::new(ServiceSet::new(vec![instance(host, 1.0)]));
    let mut snapshot = Snapshot::from([(key("a"), set("10.0.0.1")), (key("b"), set("10.0.0.1"))]);
    let config = XdsConfig::default();
    let (before, _) = Resources::default().next(&snapshot, &[], &config);
    snapshot.insert(key("b"), set("10.0.0.2"));
    let (after, _) = before.next(&snapshot, &[key("b")], &config);
    for kind in [Kind::Cluster, Kind::Listener, Kind::Route] {
        assert!(Arc::ptr_eq(before.of(kind), after.of(kind)), "{kind:?}");
    }
    let of = |resources: &Resources, name: &str| resources.of(Kind::Endpoint).get(name).cloned();
    assert_eq!(of(&before, "public/g/a"), of(&after, "public/g/a"));
    assert_ne!(of(&before, "public/g/b"), of(&after, "public/g/b"));
    snapshot.remove(&key("a"));
    let (gone, _) = after.next(&snapshot, &[key("a")], &config);
    assert!(
        Kind::ALL
            .into_iter()
            .all(|kind| gone.of(kind).get("public/g/a").is_none())
    );
    assert_eq!(gone.of(Kind::Endpoint).iter().count(), 1);
}
