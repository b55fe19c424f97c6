//! The registry from within the process, as links and embedders use it.

use std::sync::Arc;

use syncline_model::{Instance, NamespaceId, Port, ServiceKey, ServiceSet};
use syncline_nacos::grpc::ServiceRef;
use syncline_registry::{Origin, Registry, Settings};
use syncline_testkit::eventually;

use crate::server::{PATIENCE, Server, addresses, instance, pushed};

fn set(hosts: &[&str]) -> Arc<ServiceSet> {
    let port = Port::new(8080).expect("not zero");
    let instances = hosts.iter().map(|host| Instance::new(*host, port));
    Arc::new(ServiceSet::new(instances.collect()))
}

#[tokio::test]
async fn what_a_link_publishes_stands_beside_what_clients_register() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let service = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    let orders = ServiceRef::new("public", "DEFAULT_GROUP", "orders");
    let (client, mut events) = server.connect().await?;
    client.subscribe(&orders, "").await?;

    let link = server.registry.link_client(&"hz".into());
    link.publish(&service, set(&["10.0.0.1", "10.0.0.2"]));
    let seen = pushed(&mut events, |info| info.hosts.items.len() == 2).await?;
    assert_eq!(addresses(&seen), ["10.0.0.1:8080", "10.0.0.2:8080"]);

    client.register(&orders, instance("10.0.0.9")).await?;
    assert_eq!(server.registry.natives(&service), set(&["10.0.0.9"]));
    let all = set(&["10.0.0.1", "10.0.0.2", "10.0.0.9"]);
    assert_eq!(server.registry.snapshot(&service), all);
    let mut origins: Vec<Origin> = server
        .registry
        .publications(&service)
        .into_iter()
        .map(|(origin, _)| origin)
        .collect();
    origins.sort_by_key(Origin::is_native);
    assert_eq!(origins, [Origin::Link("hz".into()), Origin::Connection]);

    drop(link);
    pushed(&mut events, |info| addresses(info) == ["10.0.0.9:8080"]).await?;
    server.stop().await
}

#[tokio::test]
async fn a_link_that_keeps_is_taken_over() {
    let registry = Registry::new(Settings::default());
    let service = ServiceKey::new("public", "G", "s");
    let link = registry.link_client(&"hz".into());
    link.publish(&service, set(&["10.0.0.1"]));
    link.keep();
    assert_eq!(registry.snapshot(&service).len(), 1);
    let next = registry.link_client(&"hz".into());
    next.withdraw(&service);
    assert!(registry.snapshot(&service).is_empty());
}

#[tokio::test]
async fn changes_tell_each_service_once_however_late_they_are_read() {
    let registry = Registry::new(Settings::default());
    let mut changes = registry.changes();
    let mut unread = registry.changes();
    let link = registry.link_client(&"hz".into());
    let services: Vec<ServiceKey> = (0..50)
        .map(|n| ServiceKey::new("public", "G", format!("s{n:02}")))
        .collect();
    for round in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        for service in &services {
            link.publish(service, set(&[round]));
        }
    }
    let mut told = changes.next().await;
    told.sort();
    assert_eq!(told, services);
    assert!(changes.take().is_empty());

    link.publish(&services[7], set(&["10.0.0.3"]));
    assert!(changes.take().is_empty(), "the same again is no change");
    link.withdraw(&services[7]);
    assert_eq!(changes.next().await, [services[7].clone()]);
    assert_eq!(unread.take().len(), services.len());
}

#[tokio::test]
async fn services_are_listed_in_order_while_they_change() {
    let registry = Registry::new(Settings::default());
    let link = registry.link_client(&"hz".into());
    for n in (0..30).rev() {
        let group = if n % 2 == 0 { "A" } else { "B" };
        let key = ServiceKey::new("dev", group, format!("s{n:02}"));
        link.publish(&key, set(&["10.0.0.1"]));
    }
    let dev = NamespaceId::from("dev");
    let listed = registry.services(&dev);
    assert_eq!(listed.len(), 30);
    link.publish(&ServiceKey::new("dev", "A", "new"), set(&["10.0.0.1"]));
    let listed: Vec<ServiceKey> = listed.collect();
    assert!(listed.is_sorted());
    assert_eq!(
        listed.len(),
        30,
        "a listing does not change while it is read"
    );
    assert_eq!(registry.services(&dev).len(), 31);
    assert_eq!(registry.namespaces(), [dev]);
}

#[tokio::test]
async fn changes_of_clients_are_told_too() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut changes = server.registry.changes();
    let (client, _events) = server.connect().await?;
    let orders = ServiceRef::new("public", "DEFAULT_GROUP", "orders");
    client.register(&orders, instance("10.0.0.1")).await?;
    let service = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    assert_eq!(changes.next().await, std::slice::from_ref(&service));
    client.close().await;
    assert_eq!(changes.next().await, [service]);
    eventually(PATIENCE, || async {
        server.registry.figures().published_instances == 0
    })
    .await;
    server.stop().await
}
