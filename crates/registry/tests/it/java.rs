//! Genuine Java clients of both generations: 1.4 over HTTP, 2.x over gRPC.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use syncline_model::{Instance, Port, ServiceKey, ServiceSet, Weight};
use syncline_testkit::eventually;
use syncline_testkit::java::JavaClient;
use syncline_testkit::run::require_real_servers;

use crate::server::Server;

/// A 1.4 client polls every 10 s.
const SOON: Duration = Duration::from_secs(40);

#[tokio::test]
async fn they_register_subscribe_and_are_told() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    for version in ["1.4.6", "2.3.2"] {
        let server = Server::start().await?;
        let mut provider = JavaClient::connect_with(version, server.http, "dev").await?;
        let consumer = JavaClient::connect_with(version, server.http, "dev").await?;
        consumer.subscribe("orders", "shop").await?;
        let metadata = [("zone", "a"), ("@cluster", "hz")];
        provider
            .register("orders", "shop", "10.0.0.1:80".parse()?, 2.5, &metadata)
            .await?;
        let seen = consumer
            .await_instances("orders", SOON, |instances| instances.len() == 1)
            .await?;
        let instance = &seen.instances[0];
        assert_eq!(
            (instance.ip.as_str(), instance.port, instance.weight),
            ("10.0.0.1", 80, 2.5)
        );
        assert_eq!(
            (
                instance.cluster.as_str(),
                instance.metadata["zone"].as_str()
            ),
            ("hz", "a")
        );
        assert_eq!(consumer.list("orders", "shop").await?, seen.instances);

        provider
            .register("orders", "shop", "10.0.0.1:80".parse()?, 5.0, &metadata)
            .await?;
        consumer
            .await_instances("orders", SOON, |instances| {
                instances.len() == 1 && instances[0].weight == 5.0
            })
            .await?;

        provider
            .command("deregister orders shop 10.0.0.1 80 hz")
            .await?;
        consumer
            .await_instances("orders", SOON, <[_]>::is_empty)
            .await?;

        provider
            .register("orders", "shop", "10.0.0.2:80".parse()?, 1.0, &[])
            .await?;
        consumer
            .await_instances("orders", SOON, |instances| instances.len() == 1)
            .await?;
        if version.starts_with('2') {
            // What a connection holds goes with the process.
            provider.kill()?;
            consumer
                .await_instances("orders", SOON, <[_]>::is_empty)
                .await?;
        }
        server.stop().await?;
    }
    Ok(())
}

/// What the client sees while no request reaches the server, it was pushed. A
/// poll may come in between all the same; then it is tried again.
#[tokio::test]
async fn a_1_4_client_is_told_by_push() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let server = Server::start().await?;
    let requests = || server.registry.figures().http_requests;
    let orders = ServiceKey::new("dev", "shop", "orders");
    let link = server.registry.link_client(&"provider".into());
    let port = Port::new(80).context("port 0")?;
    let instance = |weight: f64| {
        let mut instance = Instance::new("10.0.0.1", port);
        instance.weight = Weight::new(weight).context("no weight")?;
        anyhow::Ok(instance)
    };
    let consumer = JavaClient::connect_with("1.4.6", server.http, "dev").await?;
    consumer.subscribe("orders", "shop").await?;

    let mut pushed = [false; 3];
    for _ in 0..5 {
        let steps = [vec![instance(1.0)?], vec![instance(2.0)?], vec![]];
        for (step, wanted) in steps.into_iter().enumerate() {
            let before = requests();
            link.publish(&orders, Arc::new(ServiceSet::new(wanted.clone())));
            consumer
                .await_instances("orders", SOON, |seen| {
                    seen.len() == wanted.len()
                        && seen
                            .iter()
                            .zip(&wanted)
                            .all(|(seen, wanted)| seen.weight == wanted.weight.get())
                })
                .await?;
            pushed[step] |= requests() == before;
        }
        if pushed == [true; 3] {
            break;
        }
    }
    assert_eq!(pushed, [true; 3], "added, changed, removed by push");
    let figures = || server.registry.figures();
    eventually(SOON, || async { figures().acknowledged > 0 }).await;
    server.stop().await
}
