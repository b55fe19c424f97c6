//! Killed in the middle of writing, again and again: every instance is there
//! once in the end, what went meanwhile is gone, and others' are untouched.

use std::time::Duration;

use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::{eventually, run};

use super::{instance, native};
use crate::daemon::PATIENCE;
use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service, same};
use crate::real::copy;

const SERVICES: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_while_persistent_instances_are_written_leave_nothing_behind() -> anyhow::Result<()>
{
    crashes_leave_nothing_behind(Version::V2_2_4, "persistent").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_while_beats_are_begun_leave_nothing_behind() -> anyhow::Result<()> {
    crashes_leave_nothing_behind(Version::V2_0_3, "beat").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_while_1_3_0_is_written_leave_nothing_behind() -> anyhow::Result<()> {
    crashes_leave_nothing_behind(Version::V1_3_0, "beat").await
}

async fn crashes_leave_nothing_behind(version: Version, hold: &str) -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(version).await?;
    server.elected().await?;
    let target = Nacos::real(server);
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let namespace = fresh_name("crash");
    let services: Vec<_> = (0..SERVICES)
        .map(|n| Service::new(&namespace, "G_TRADE", &format!("service-{n}")))
        .collect();
    for service in &services {
        application
            .put_all(service, &[instance(1), instance(2), instance(3)])
            .await?;
    }
    match hold {
        "persistent" => target.persist(&services[0], &native()).await?,
        _ => target.register(&services[0], &native()).await?,
    }
    let select = format!("select: {{ namespaces: [{namespace}] }}");
    let mut daemon = Setup::new()?.run(&copy(source.nacos.http, target.http, hold, &select))?;
    for (round, service) in services.iter().enumerate().take(5) {
        dies_in_the_middle(&mut daemon, target, &namespace, (round + 1) * 15).await?;
        // Each time something changes that the next run has to find out.
        application
            .put(service, &instance(2).with("round", &round.to_string()))
            .await?;
        application.remove(service, &instance(3).address).await?;
        daemon.restart()?;
    }
    daemon.in_step().await?;
    for service in &services {
        let wanted = application.all(service);
        eventually(PATIENCE, || async {
            let raw = target.raw(service).await.unwrap_or_default();
            let ours: Vec<Instance> = raw
                .iter()
                .filter(|i| i.address != native().address)
                .cloned()
                .collect();
            same(&ours, &wanted)
        })
        .await;
    }
    let first = target.raw(&services[0]).await?;
    assert!(
        first.iter().any(|i| i.address == native().address),
        "{first:#?}"
    );
    Ok(())
}

/// Kills the daemon as soon as the target shows so many of its instances, or
/// all of them.
async fn dies_in_the_middle(
    daemon: &mut Syncline,
    target: Nacos,
    namespace: &str,
    instances: usize,
) -> anyhow::Result<()> {
    eventually(PATIENCE, || async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let shown = target.raw_namespace(namespace).await.unwrap_or_default();
        let count: usize = shown.iter().map(|(_, instances)| instances.len()).sum();
        count >= instances.min(SERVICES * 2)
    })
    .await;
    daemon.kill().await
}
