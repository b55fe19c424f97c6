//! Real clusters.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{RealNacos, STARTING, TEST_JAVA_OPTIONS, Version};
use crate::patience;
use crate::ports::PortBlock;

/// The Raft group that writes of persistent instances need; the last to elect its leader.
const PERSISTENT_GROUP: &str = "naming_persistent_service_v2";

/// How long members may take to find each other and to elect, once all are up.
const ELECTION: Duration = Duration::from_secs(60);

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
            .map(|block| RealNacos::reserve(version, block, TEST_JAVA_OPTIONS, &addresses))
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

    /// The members, in the order in which they were launched.
    pub fn members(&self) -> &[RealNacos] {
        &self.members
    }

    /// Every member's HTTP address.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.members.iter().map(RealNacos::addr).collect()
    }

    /// Waits until every member sees every other as up and knows the leader of the persistent writes: also of use
    /// after a member's restart.
    ///
    /// # Errors
    ///
    /// When that does not come true within a minute.
    pub async fn settled(&self) -> anyhow::Result<()> {
        for member in &self.members {
            let waiting = async {
                while !self.is_settled_for(member).await {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            };
            tokio::time::timeout(patience(ELECTION), waiting)
                .await
                .with_context(|| {
                    format!(
                        "the member {} does not see a settled cluster",
                        member.addr()
                    )
                })?;
        }
        Ok(())
    }

    async fn is_settled_for(&self, member: &RealNacos) -> bool {
        let Ok(answer) = member.call("GET", "/nacos/v1/core/cluster/nodes").await else {
            return false;
        };
        sees_all_and_a_leader(&answer.body, member.addr(), self.members.len())
    }
}

/// Reads a member's page of nodes: whether `count` are up, and its own entry names a leader.
fn sees_all_and_a_leader(page: &str, own: SocketAddr, count: usize) -> bool {
    let page: Value = serde_json::from_str(page).unwrap_or_default();
    let nodes = page["data"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let up = nodes.iter().filter(|node| node["state"] == "UP").count();
    let own = own.to_string();
    let leader = nodes
        .iter()
        .filter(|node| node["address"] == own.as_str())
        .map(|node| &node["extendInfo"]["raftMetaData"]["metaDataMap"][PERSISTENT_GROUP]["leader"])
        .find_map(Value::as_str);
    up == count && leader.is_some_and(|leader| !leader.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(leader: &str) -> String {
        format!(
            r#"{{"data":[{{"address":"127.0.0.1:1","state":"UP","extendInfo":{{"raftMetaData":{{"metaDataMap":
                {{"naming_persistent_service_v2":{{"leader":{leader}}}}}}}}}}},{{"address":"127.0.0.1:2","state":"UP"}}]}}"#
        )
    }

    #[test]
    fn a_member_is_settled_with_all_up_and_a_leader_of_its_own_knowing() {
        let [one, two] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert!(sees_all_and_a_leader(&page(r#""127.0.0.1:9""#), one, 2));
        assert!(!sees_all_and_a_leader(&page(r#""127.0.0.1:9""#), two, 2));
        assert!(!sees_all_and_a_leader(&page(r#""127.0.0.1:9""#), one, 3));
        assert!(!sees_all_and_a_leader(&page("null"), one, 2));
        assert!(!sees_all_and_a_leader("<html>", one, 2));
    }
}
