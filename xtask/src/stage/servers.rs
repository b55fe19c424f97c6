//! The real servers that are measured against.

use std::time::Duration;

use anyhow::Context as _;
use syncline_testkit::nacos::{RealNacos, Version};

use crate::process::Usage;
use crate::report::say;

/// Room for 100,000 instances; the compilers and the collector are Java's own choice, as in production.
pub const JAVA_OPTIONS: &str = "-Xms512m -Xmx2g";

/// How long a server that is up goes on with starting: elections, compiling.
const SETTLE: Duration = Duration::from_secs(5);

/// Starts servers of these versions and waits until they are calm.
pub async fn start<const N: usize>(versions: [Version; N]) -> anyhow::Result<[RealNacos; N]> {
    let names: Vec<&str> = versions.iter().map(|version| version.as_str()).collect();
    say(&format!("starting Nacos {}", names.join(", ")));
    let starting = versions.map(|version| RealNacos::start_with(version, JAVA_OPTIONS));
    let started = futures_util::future::try_join_all(starting).await?;
    tokio::time::sleep(SETTLE).await;
    // As many as there were versions.
    started
        .try_into()
        .map_err(|_| anyhow::anyhow!("a server is missing"))
}

/// What a server has used.
pub fn usage(server: &RealNacos) -> anyhow::Result<Usage> {
    Usage::of(server.pid()?).with_context(|| format!("measure Nacos {}", server.version()))
}
