//! A DNS zone of the real binary, asked by real clients and resolvers.

mod dig;
mod haproxy;
mod last_known;
mod links;
mod unbound;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use syncline_testkit::eventually;
use tokio::process::Command;

use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::Embedded;
use crate::daemon::seen::Service;

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry, an application that registers there, and a daemon that answers
/// for it. What a resolver keeps, it keeps for a second.
struct Scene {
    source: Embedded,
    application: Application,
    daemon: Syncline,
    zone: Server,
}

/// Where questions are asked.
#[derive(Clone, Copy)]
struct Server(SocketAddr);

impl Scene {
    async fn new() -> anyhow::Result<Self> {
        let source = Embedded::serve().await?;
        let application = Application::at(source.nacos).await?;
        let mut setup = Setup::new()?;
        let zone = setup.address()?;
        let daemon = setup.run(&format!(
            "endpoints:
  source: {{ kind: nacos, {} }}
  zone: {{ kind: dns, listen: \"{zone}\", ttl: 1s }}
links:
  - {{ name: to-zone, from: source, to: zone }}
",
            source.nacos.servers()
        ))?;
        Ok(Self {
            source,
            application,
            daemon,
            zone: Server(zone),
        })
    }
}

impl Server {
    /// What `dig` prints of an answer: nothing but the data of its records,
    /// sorted.
    async fn short(self, name: &str, kind: &str) -> Vec<String> {
        let printed = self.dig(&[name, kind, "+short"]).await;
        let printed = printed.unwrap_or_default();
        let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The code of an answer, such as `NXDOMAIN`.
    async fn status(self, name: &str) -> Option<String> {
        let printed = self.dig(&[name, "A", "+noall", "+comments"]).await.ok()?;
        let (_, after) = printed.split_once("status: ")?;
        Some(after.split(',').next()?.to_owned())
    }

    async fn dig(self, arguments: &[&str]) -> anyhow::Result<String> {
        let printed = Command::new("dig")
            .args([
                &format!("@{}", self.0.ip()),
                "-p",
                &self.0.port().to_string(),
            ])
            .args(["+tries=1", "+timeout=2"])
            .args(arguments)
            .kill_on_drop(true)
            .output()
            .await
            .context("run dig")?;
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        anyhow::ensure!(printed.status.success(), "dig: {text}");
        Ok(text)
    }

    /// Waits until the addresses of a name are exactly these.
    async fn has(self, name: &str, addresses: &[&str]) {
        eventually(PATIENCE, || async {
            self.short(name, "A").await == addresses
        })
        .await;
    }

    /// Waits until a name is answered with a code.
    async fn says(self, name: &str, status: &str) {
        let said = || async { self.status(name).await.as_deref() == Some(status) };
        eventually(PATIENCE, said).await;
    }
}

fn orders() -> Service {
    Service::plain("orders")
}
