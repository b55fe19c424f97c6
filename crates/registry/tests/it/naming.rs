//! Registering, subscribing and being told, over gRPC.

use syncline_nacos::grpc::{ErrorClass, ServiceRef};
use syncline_nacos::message::ability;
use syncline_testkit::eventually;

use crate::server::{PATIENCE, Server, addresses, instance, pushed};

fn orders() -> ServiceRef {
    ServiceRef::new("public", "DEFAULT_GROUP", "orders")
}

#[tokio::test]
async fn a_subscriber_sees_instances_come_change_and_go() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (publisher, _publisher_events) = server.connect().await?;
    let (subscriber, mut events) = server.connect().await?;
    let first = subscriber.subscribe(&orders(), "").await?;
    assert!(first.hosts.items.is_empty());

    publisher.register(&orders(), instance("10.0.0.1")).await?;
    let seen = pushed(&mut events, |info| !info.hosts.items.is_empty()).await?;
    assert_eq!(addresses(&seen), ["10.0.0.1:8080"]);
    assert_eq!(
        (seen.name.as_str(), seen.group_name.as_str()),
        ("orders", "DEFAULT_GROUP")
    );
    let shown = &seen.hosts.items[0];
    assert_eq!(shown.service_name, "DEFAULT_GROUP@@orders");
    assert_eq!(
        shown.instance_id.as_deref(),
        Some("10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@orders")
    );

    let mut heavier = instance("10.0.0.1");
    heavier.weight = 2.5;
    heavier.metadata.insert("zone".into(), "a".into());
    publisher.register(&orders(), heavier).await?;
    let seen = pushed(&mut events, |info| info.hosts.items[0].weight == 2.5).await?;
    assert_eq!(seen.hosts.items[0].metadata["zone"], "a");
    let before = seen.last_ref_time;

    publisher
        .deregister(&orders(), instance("10.0.0.1"))
        .await?;
    let seen = pushed(&mut events, |info| info.hosts.items.is_empty()).await?;
    assert!(seen.last_ref_time > before);
    server.stop().await
}

#[tokio::test]
async fn a_batch_is_a_whole_set_and_clusters_select_from_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (publisher, _events) = server.connect().await?;
    let (all, mut all_events) = server.connect().await?;
    let (some, mut some_events) = server.connect().await?;
    all.subscribe(&orders(), "").await?;
    some.subscribe(&orders(), "c1,c2").await?;

    let mut batch: Vec<_> = (1..=5).map(|n| instance(&format!("10.0.0.{n}"))).collect();
    batch[1].cluster_name = "c1".into();
    batch[2].cluster_name = "c2".into();
    batch[3].enabled = false;
    publisher.batch_register(&orders(), &batch).await?;
    let seen = pushed(&mut all_events, |info| info.hosts.items.len() == 4).await?;
    assert!(!addresses(&seen).contains(&"10.0.0.4:8080".to_owned()));
    let seen = pushed(&mut some_events, |info| info.hosts.items.len() == 2).await?;
    assert_eq!(addresses(&seen), ["10.0.0.2:8080", "10.0.0.3:8080"]);
    assert_eq!(seen.clusters, "c1,c2");

    publisher.batch_register(&orders(), &batch[..1]).await?;
    let seen = pushed(&mut all_events, |info| info.hosts.items.len() == 1).await?;
    assert_eq!(addresses(&seen), ["10.0.0.1:8080"]);
    pushed(&mut some_events, |info| info.hosts.items.is_empty()).await?;

    let queried = some.query(&orders(), "").await?;
    assert_eq!(addresses(&queried), ["10.0.0.1:8080"]);
    let page = some.list_services("public", "DEFAULT_GROUP", 1, 10).await?;
    assert_eq!(
        (page.count, page.service_names),
        (1, vec!["orders".to_owned()])
    );
    server.stop().await
}

#[tokio::test]
async fn what_a_connection_registered_leaves_with_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (one, one_events) = server.connect().await?;
    let (two, _two_events) = server.connect().await?;
    let (subscriber, mut events) = server.connect().await?;
    subscriber.subscribe(&orders(), "").await?;
    one.register(&orders(), instance("10.0.0.1")).await?;
    two.register(&orders(), instance("10.0.0.2")).await?;
    pushed(&mut events, |info| info.hosts.items.len() == 2).await?;

    one.close().await;
    drop(one_events);
    let seen = pushed(&mut events, |info| info.hosts.items.len() == 1).await?;
    assert_eq!(addresses(&seen), ["10.0.0.2:8080"]);
    // Clients end their connections by dropping them, too.
    drop((two, _two_events));
    pushed(&mut events, |info| info.hosts.items.is_empty()).await?;
    eventually(PATIENCE, || async {
        server.registry.figures().connections == 1
    })
    .await;
    server.stop().await
}

#[tokio::test]
async fn persistent_instances_outlive_their_connection() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (publisher, _events) = server.connect().await?;
    assert!(publisher.is_able(ability::PERSISTENT_INSTANCE_BY_GRPC));
    let mut persistent = instance("10.0.0.1");
    persistent.ephemeral = Some(false);
    publisher
        .persistent_register(&orders(), persistent.clone())
        .await?;
    let refused = publisher.register(&orders(), instance("10.0.0.2")).await;
    let refused = refused.expect_err("the service is persistent");
    assert_eq!(refused.class(), ErrorClass::InvalidParam);
    publisher.close().await;
    eventually(PATIENCE, || async {
        server.registry.figures().connections == 0
    })
    .await;

    let (other, _other_events) = server.connect().await?;
    let seen = other.query(&orders(), "").await?;
    assert_eq!(seen.hosts.items[0].ephemeral, Some(false));
    other.persistent_deregister(&orders(), persistent).await?;
    assert!(other.query(&orders(), "").await?.hosts.items.is_empty());
    server.stop().await
}

#[tokio::test]
async fn instances_that_cannot_be_are_refused_with_a_reason() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (publisher, _events) = server.connect().await?;
    let mut zero = instance("10.0.0.1");
    zero.port = 0;
    let mut beyond = instance("10.0.0.1");
    beyond.port = 70_000;
    let mut heavy = instance("10.0.0.1");
    heavy.weight = f64::NAN;
    let mut nowhere = instance("10.0.0.1");
    nowhere.cluster_name = "a b".into();
    let nobody = instance(" ");
    let reasons = [
        "port 0",
        "between 0 and 65535",
        "weights range",
        "clusterName",
        "'ip'",
    ];
    for (bad, reason) in [zero, beyond, heavy, nowhere, nobody]
        .into_iter()
        .zip(reasons)
    {
        let refused = publisher.register(&orders(), bad.clone()).await;
        let refused = refused.expect_err(reason);
        assert_eq!(refused.class(), ErrorClass::InvalidParam);
        let text = format!("{:#}", anyhow::Error::from(refused));
        assert!(text.contains(reason), "{text}");
        if reason != "clusterName" {
            let good = instance("10.0.0.2");
            let refused = publisher.batch_register(&orders(), &[good, bad]).await;
            refused.expect_err(reason);
        }
    }
    assert!(publisher.query(&orders(), "").await?.hosts.items.is_empty());
    server.stop().await
}

#[tokio::test]
async fn namespaces_and_groups_are_apart() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (client, _events) = server.connect().await?;
    let places = [
        ("public", "DEFAULT_GROUP"),
        ("public", "G2"),
        ("dev", "DEFAULT_GROUP"),
        ("dev", "G2"),
    ];
    for (n, (namespace, group)) in places.iter().enumerate() {
        let service = ServiceRef::new(*namespace, *group, "orders");
        client
            .register(&service, instance(&format!("10.0.0.{n}")))
            .await?;
    }
    for (n, (namespace, group)) in places.iter().enumerate() {
        let service = ServiceRef::new(*namespace, *group, "orders");
        let seen = client.query(&service, "").await?;
        assert_eq!(addresses(&seen), [format!("10.0.0.{n}:8080")]);
    }
    server.stop().await
}
