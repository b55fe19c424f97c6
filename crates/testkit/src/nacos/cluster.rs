//! Real clusters.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use super::{RealNacos, STARTING, TEST_JAVA_OPTIONS, Version};
use crate::patience;
use crate::ports::PortBlock;

/// How long members may take to find each other, once all are up.
const MEETING: Duration = Duration::from_secs(60);

/// A shared cluster, once it was started, or why it could not be.
type Started = Arc<OnceCell<Result<Arc<RealCluster>, String>>>;

/// Real servers that know each other. Each member can be killed and restarted by itself.
#[derive(Debug)]
pub struct RealCluster {
    members: Vec<RealNacos>,
}

impl RealCluster {
    /// Starts `count` members and waits until each sees the others and persistent writes have a leader.
    ///
    /// # Errors
    ///
    /// When the version cannot form clusters here (before 2.1.1), a member does not come up, or none is elected.
    pub async fn start(version: Version, count: usize) -> anyhow::Result<Self> {
        ensure!(
            version >= Version::V2_1_1,
            "the testbed has no clusters of Nacos {version}"
        );
        let blocks: Vec<PortBlock> = (0..count)
            .map(|_| PortBlock::reserve())
            .collect::<anyhow::Result<_>>()?;
        let addresses: Vec<SocketAddr> = blocks.iter().map(PortBlock::http).collect();
        let members = blocks
            .into_iter()
            .map(|block| {
                RealNacos::reserve(
                    version,
                    version.build(),
                    block,
                    TEST_JAVA_OPTIONS,
                    &addresses,
                )
            })
            .collect::<anyhow::Result<_>>()?;
        let cluster = Self { members };
        {
            // Members are ready only with each other, so a cluster takes one turn as a whole.
            let _permit = STARTING.acquire().await.context("take a turn to start")?;
            for member in &cluster.members {
                member.launch().await?;
            }
            for member in &cluster.members {
                member.ready().await?;
            }
        }
        cluster.settled().await?;
        Ok(cluster)
    }

    /// The one cluster of a version and size that all tests of this program share, started by the first that asks.
    /// Tests must leave its members running: to kill one, [`start`](Self::start) an own cluster.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); what failed once is not tried again.
    pub async fn shared(version: Version, count: usize) -> anyhow::Result<Arc<Self>> {
        // Never dropped: the keepers end the members when the process is gone.
        static SHARED: Mutex<BTreeMap<(Version, usize), Started>> =
            Mutex::const_new(BTreeMap::new());
        let started = Arc::clone(SHARED.lock().await.entry((version, count)).or_default());
        let start = || async {
            let cluster = Self::start(version, count).await;
            cluster.map(Arc::new).map_err(|error| format!("{error:#}"))
        };
        let cluster = started.get_or_init(start).await;
        (cluster.clone()).map_err(|error| anyhow!("the shared cluster of Nacos {version}: {error}"))
    }

    /// The members, in the order in which they were launched.
    pub fn members(&self) -> &[RealNacos] {
        &self.members
    }

    /// Every member's HTTP address.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.members.iter().map(RealNacos::addr).collect()
    }

    /// Waits until every member sees every other as up and takes persistent writes: also of use after a member's
    /// restart. A busy machine may lose the leader again at any time, so a test tries its own writes more than once.
    ///
    /// # Errors
    ///
    /// When that does not come true within two minutes.
    pub async fn settled(&self) -> anyhow::Result<()> {
        for member in &self.members {
            let meeting = async {
                while !self.is_complete_for(member).await {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            };
            tokio::time::timeout(patience(MEETING), meeting)
                .await
                .with_context(|| format!("the member {} does not see the others", member.addr()))?;
            member.elected().await?;
        }
        Ok(())
    }

    async fn is_complete_for(&self, member: &RealNacos) -> bool {
        let Ok(answer) = member.call("GET", "/nacos/v1/core/cluster/nodes").await else {
            return false;
        };
        members_up(&answer.body) == self.members.len()
    }
}

/// How many members a page of nodes shows as up.
fn members_up(page: &str) -> usize {
    let page: Value = serde_json::from_str(page).unwrap_or_default();
    let nodes = page["data"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    nodes.iter().filter(|node| node["state"] == "UP").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_that_are_up_count() {
        let page = r#"{"data":[{"address":"127.0.0.1:1","state":"UP"},{"address":"127.0.0.1:2","state":"SUSPICIOUS"}]}"#;
        assert_eq!(members_up(page), 1);
        assert_eq!(members_up("<html>"), 0);
    }
}
