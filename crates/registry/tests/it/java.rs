//! Genuine Java clients of both generations: 1.4 over HTTP, 2.x over gRPC.

use std::time::Duration;

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
