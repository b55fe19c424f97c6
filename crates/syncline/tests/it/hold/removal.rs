//! Removal policies at real targets.

use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::run;

use super::instance;
use crate::daemon::application::Application;
use crate::daemon::process::Setup;
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service};
use crate::daemon::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_hold_for_what_a_connection_holds() -> anyhow::Result<()> {
    let dimmed = |i: Instance| i.weighing(0.0).sick();
    policies_hold(Version::V2_2_4, "connection", dimmed).await
}

/// 1.x knows the health of what lives by beats from the beats alone, so that
/// weight 0 has to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_hold_for_what_lives_by_beats_at_1_3_0() -> anyhow::Result<()> {
    policies_hold(Version::V1_3_0, "beat", |i| i.weighing(0.0)).await
}

async fn policies_hold(
    version: Version,
    hold: &str,
    dimmed: fn(Instance) -> Instance,
) -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(version).await?;
    let target = Nacos::real(server);
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let namespace = fresh_name("policies");
    let orders = Service::new(&namespace, "DEFAULT_GROUP", "orders");
    application
        .put_all(&orders, &[instance(1), instance(2)])
        .await?;
    let link = |name: &str, removal: &str| {
        format!(
            "  - {{ name: {name}, from: source, to: target, select: {{ namespaces: [{namespace}] }}, \
             map: {{ group: {name} }}, removal: {removal} }}\n"
        )
    };
    let mut daemon = Setup::new()?.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  target: {{ kind: nacos, servers: [\"{}\"], hold: {hold} }}
links:
{}{}{}{}",
        source.nacos.http,
        target.http,
        link("deleted", "{ policy: delete, grace: 1s }"),
        link("marked", "{ policy: mark-unavailable }"),
        link("expired", "{ policy: mark-unavailable, expire_after: 3s }"),
        link("kept", "{ policy: keep }"),
    ))?;
    let policies = ["deleted", "marked", "expired", "kept"];
    let services = policies.map(|policy| Service::new(&namespace, policy, "orders"));
    let consumer = Subscriber::of(target, &services)?;
    daemon.in_step().await?;
    for service in &services {
        consumer
            .sees_exactly(service, &[instance(1), instance(2)])
            .await?;
    }

    application.remove(&orders, &instance(2).address).await?;
    let [deleted, marked, expired, kept] = &services;
    consumer
        .sees_exactly(marked, &[instance(1), dimmed(instance(2))])
        .await?;
    consumer.sees_exactly(deleted, &[instance(1)]).await?;
    consumer.sees_exactly(expired, &[instance(1)]).await?;
    consumer
        .sees_exactly(kept, &[instance(1), instance(2)])
        .await?;

    application.put(&orders, &instance(2)).await?;
    for service in &services {
        consumer
            .sees_exactly(service, &[instance(1), instance(2)])
            .await?;
    }
    Ok(())
}
