//! HAProxy, whose resolver makes servers of SRV records.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use syncline_testkit::{eventually, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::{PATIENCE, Scene, orders};
use crate::daemon::seen::{Instance, instances};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_come_weigh_and_go() -> anyhow::Result<()> {
    if !run::require_program("haproxy") {
        return Ok(());
    }
    let Scene {
        mut application,
        mut daemon,
        zone,
        source: _source,
    } = Scene::new().await?;
    let two = instances(2);
    application.put_all(&orders(), &two).await?;
    let folder = tempfile::tempdir()?;
    let _haproxy = start(folder.path(), zone.0)?;
    let socket = folder.path().join("haproxy.sock");
    let has = |wanted: &'static [(&str, u16)]| {
        let socket = &socket;
        eventually(PATIENCE, move || async move {
            servers(socket).await.is_ok_and(|servers| {
                let servers = servers
                    .iter()
                    .map(|(address, weight)| (address.as_str(), *weight));
                servers.eq(wanted.iter().copied())
            })
        })
    };
    has(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1)]).await;
    application
        .put(&orders(), &Instance::at("10.0.0.3:8080").weighing(4.0))
        .await?;
    has(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1), ("10.0.0.3:8080", 4)]).await;
    application
        .put(&orders(), &Instance::at("10.0.0.2:80").weighing(3.0))
        .await?;
    has(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 3), ("10.0.0.3:8080", 4)]).await;
    application.remove(&orders(), "10.0.0.1:80").await?;
    has(&[("10.0.0.2:80", 3), ("10.0.0.3:8080", 4)]).await;
    // More than a datagram holds.
    application.put_all(&orders(), &instances(30)).await?;
    let all = || async { servers(&socket).await.is_ok_and(|all| all.len() == 30) };
    eventually(PATIENCE, all).await;
    daemon.stop().await
}

/// The servers that HAProxy has an address for, with their weights, sorted.
async fn servers(socket: &Path) -> anyhow::Result<Vec<(String, u16)>> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"show servers state orders\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    // A version, the names of the columns, and a line for each server.
    let mut servers = Vec::new();
    for line in text.lines().skip(2) {
        let columns: Vec<&str> = line.split(' ').collect();
        if let [_, _, _, _, address, _, _, weight, ..] = columns[..]
            && columns.len() > 18
            && address != "-"
        {
            servers.push((format!("{address}:{}", columns[18]), weight.parse()?));
        }
    }
    servers.sort();
    Ok(servers)
}

/// Starts it in the foreground; it ends with the value.
fn start(folder: &Path, zone: SocketAddr) -> anyhow::Result<Child> {
    let file = folder.join("haproxy.cfg");
    std::fs::write(
        &file,
        format!(
            "global
  stats socket {}
resolvers syncline
  nameserver syncline tcp@{zone}
  accepted_payload_size 65535
  hold valid 1s
  hold obsolete 0s
  timeout resolve 1s
  timeout retry 1s
defaults
  mode tcp
  timeout connect 1s
  timeout client 1s
  timeout server 1s
backend orders
  server-template orders 40 _orders._tcp.nacos.internal resolvers syncline init-addr none
",
            folder.join("haproxy.sock").display()
        ),
    )?;
    let started = Command::new("haproxy")
        .args(["-db", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("haproxy.log"))?)
        .kill_on_drop(true)
        .spawn()?;
    Ok(started)
}
