//! `unbound`, which forwards questions for the zone and keeps the answers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use syncline_testkit::ports::PortBlock;
use syncline_testkit::run;
use tokio::process::{Child, Command};

use super::{Scene, Server, orders};
use crate::daemon::seen::{Instance, instances};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_forwarder_see_every_change() -> anyhow::Result<()> {
    if !(run::require_program("dig") && run::require_program("unbound")) {
        return Ok(());
    }
    let Scene {
        mut application,
        mut daemon,
        zone,
        source: _source,
    } = Scene::new().await?;
    let ports = PortBlock::reserve()?;
    let folder = tempfile::tempdir()?;
    let _unbound = start(folder.path(), ports.http(), zone.0)?;
    let unbound = Server(ports.http());

    application.put_all(&orders(), &instances(40)).await?;
    // Too much for a datagram from us; unbound fetches it over TCP.
    zone.says("orders.nacos.internal", "NOERROR").await;
    let mut addresses: Vec<String> = (1..=40).map(|n| format!("10.0.0.{n}")).collect();
    addresses.sort();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    unbound.has("orders.nacos.internal", &addresses).await;
    unbound.says("bills.nacos.internal", "NXDOMAIN").await;
    // What was kept to be missing is found a second later.
    let bills = crate::daemon::seen::Service::plain("bills");
    application
        .put(&bills, &Instance::at("10.0.1.1:80"))
        .await?;
    unbound.has("bills.nacos.internal", &["10.0.1.1"]).await;
    application
        .put(&bills, &Instance::at("10.0.1.2:80"))
        .await?;
    unbound
        .has("bills.nacos.internal", &["10.0.1.1", "10.0.1.2"])
        .await;
    application.remove(&bills, "10.0.1.1:80").await?;
    unbound.has("bills.nacos.internal", &["10.0.1.2"]).await;
    let target = "10-0-1-2.bills.default_group.public.nacos.internal";
    let srv = unbound.short("_bills._tcp.nacos.internal", "SRV").await;
    assert_eq!(srv, [format!("0 256 80 {target}.")]);
    assert_eq!(unbound.short(target, "A").await, ["10.0.1.2"]);
    daemon.stop().await
}

/// Starts it in the foreground; it ends with the value.
fn start(folder: &Path, listen: SocketAddr, zone: SocketAddr) -> anyhow::Result<Child> {
    let (ip, port, file) = (listen.ip(), listen.port(), folder.join("unbound.conf"));
    let forward = format!("{}@{}", zone.ip(), zone.port());
    std::fs::write(
        &file,
        format!(
            "server:
  interface: {ip}
  port: {port}
  do-daemonize: no
  do-not-query-localhost: no
  username: \"\"
  chroot: \"\"
  directory: \"\"
  pidfile: \"\"
  use-syslog: no
  module-config: \"iterator\"
remote-control:
  control-enable: no
forward-zone:
  name: nacos.internal
  forward-addr: {forward}
"
        ),
    )?;
    let started = Command::new("unbound")
        .args(["-d", "-c"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("unbound.log"))?)
        .kill_on_drop(true)
        .spawn()?;
    Ok(started)
}
