//! The genuine Java client.

use std::time::Duration;

use syncline_testkit::fault::{Fault, NacosProxy};
use syncline_testkit::java::JavaClient;
use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::run::require_real_servers;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn registers_subscribes_and_lists() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    for (version, client) in [(Version::V1_3_0, "1.4.6"), (Version::V2_1_1, "2.3.2")] {
        let nacos = RealNacos::shared(version).await?;
        let namespace = fresh_name("java");
        let provider = JavaClient::connect_with(client, nacos.addr(), &namespace).await?;
        let consumer = JavaClient::connect_with(client, nacos.addr(), &namespace).await?;
        consumer.subscribe("orders", "shop").await?;
        let metadata = [("zone", "a"), ("@cluster", "hz")];
        provider
            .register("orders", "shop", "10.0.0.1:80".parse()?, 2.5, &metadata)
            .await?;
        provider
            .register("other", "shop", "10.0.0.2:80".parse()?, 1.0, &[])
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
        let listed = consumer.list("orders", "shop").await?;
        assert_eq!(listed, seen.instances);
        assert!(consumer.pushes("other").is_empty());

        let deregister = "deregister orders shop 10.0.0.1 80 hz";
        provider.command(deregister).await?;
        // An SDK shows its subscribers the empty list too.
        consumer
            .await_instances("orders", SOON, <[_]>::is_empty)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn registrations_go_with_the_connection() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let nacos = RealNacos::shared(Version::V2_1_1).await?;
    let proxy = NacosProxy::start(nacos.addr()).await?;
    let namespace = fresh_name("cut");
    let provider = JavaClient::connect(proxy.addr(), &namespace).await?;
    let consumer = JavaClient::connect(nacos.addr(), &namespace).await?;
    consumer.subscribe("orders", "shop").await?;
    provider
        .register("orders", "shop", "10.0.0.1:80".parse()?, 1.0, &[])
        .await?;
    consumer
        .await_instances("orders", SOON, |instances| instances.len() == 1)
        .await?;
    proxy.set(Fault::Reset);
    consumer
        .await_instances("orders", SOON, <[_]>::is_empty)
        .await?;
    proxy.set(Fault::None);
    consumer
        .await_instances("orders", SOON, |instances| instances.len() == 1)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_failing_command_is_an_error() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let nacos = RealNacos::shared(Version::V2_1_1).await?;
    let client = JavaClient::connect(nacos.addr(), "public").await?;
    let error = client.command("dance s g").await.unwrap_err();
    assert!(
        error.to_string().contains("unknown command dance"),
        "{error}"
    );
    Ok(())
}
