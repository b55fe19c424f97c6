//! Several links that fill one zone.

use syncline_testkit::run;

use super::{Server, orders};
use crate::daemon::application::Application;
use crate::daemon::process::Setup;
use crate::daemon::registry::Embedded;
use crate::daemon::seen::{Instance, Service};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_share_a_zone_and_one_that_is_removed_takes_its_names_along() -> anyhow::Result<()> {
    if !run::require_program("dig") {
        return Ok(());
    }
    let (one, other) = (Embedded::serve().await?, Embedded::serve().await?);
    let mut setup = Setup::new()?;
    let zone = setup.address()?;
    let endpoints = format!(
        "endpoints:
  one: {{ kind: nacos, {} }}
  other: {{ kind: nacos, {} }}
  zone: {{ kind: dns, listen: \"{zone}\" }}
links:
  - {{ name: from-one, from: one, to: zone }}
",
        one.nacos.servers(),
        other.nacos.servers()
    );
    let mut daemon = setup.run(&format!(
        "{endpoints}  - {{ name: from-other, from: other, to: zone }}\n"
    ))?;
    let zone = Server(zone);
    let (mut here, mut there) = (
        Application::at(one.nacos).await?,
        Application::at(other.nacos).await?,
    );
    let bills = Service::plain("bills");
    here.put(&orders(), &Instance::at("10.0.0.1:80")).await?;
    there.put(&orders(), &Instance::at("10.0.0.2:80")).await?;
    there.put(&bills, &Instance::at("10.0.0.3:80")).await?;
    zone.has("orders.nacos.internal", &["10.0.0.1", "10.0.0.2"])
        .await;
    zone.has("bills.nacos.internal", &["10.0.0.3"]).await;

    daemon.configure(&endpoints)?;
    daemon.signal("HUP").await?;
    zone.says("bills.nacos.internal", "NXDOMAIN").await;
    assert_eq!(zone.short("orders.nacos.internal", "A").await, ["10.0.0.1"]);
    daemon.stop().await
}
