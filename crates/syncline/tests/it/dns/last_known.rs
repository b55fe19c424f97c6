//! What is answered while nobody knows.

use syncline_testkit::run;

use super::{Scene, orders};
use crate::daemon::process::Setup;
use crate::daemon::seen::instances;

use super::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_known_good_is_answered_with_the_source_dead() -> anyhow::Result<()> {
    if !run::require_program("dig") {
        return Ok(());
    }
    let Scene {
        source,
        mut application,
        mut daemon,
        zone,
    } = Scene::new().await?;
    application.put_all(&orders(), &instances(2)).await?;
    let two = ["10.0.0.1", "10.0.0.2"];
    zone.has("orders.nacos.internal", &two).await;
    daemon.in_step().await?;
    daemon.stop().await?;
    drop(application);
    source.die().await;
    daemon.restart()?;
    zone.has("orders.nacos.internal", &two).await;
    zone.says("nothing.nacos.internal", "NXDOMAIN").await;
    daemon
        .is(|status| status.links.iter().all(|link| link.state == "source lost"))
        .await?;
    zone.has("orders.nacos.internal", &two).await;
    daemon.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_denied_before_the_source_was_heard() -> anyhow::Result<()> {
    if !run::require_program("dig") {
        return Ok(());
    }
    let mut setup = Setup::new()?;
    let (nobody, zone) = (setup.address()?, setup.address()?);
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{nobody}\"] }}
  zone: {{ kind: dns, listen: \"{zone}\" }}
links:
  - {{ name: to-zone, from: source, to: zone }}
"
    ))?;
    let zone = Server(zone);
    zone.says("orders.nacos.internal", "SERVFAIL").await;
    zone.says("example.com", "REFUSED").await;
    daemon
        .is(|status| status.links.iter().all(|link| link.state == "source lost"))
        .await?;
    zone.says("orders.nacos.internal", "SERVFAIL").await;
    daemon.stop().await
}
