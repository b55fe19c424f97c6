//! Real servers: started, shared, killed, frozen, clustered.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use syncline_testkit::eventually;
use syncline_testkit::nacos::{RealCluster, RealNacos, Version, fresh_name};
use syncline_testkit::run::require_real_servers;

/// Far more than a healthy server takes.
const SOON: Duration = Duration::from_secs(30);

const LIST: &str = "/nacos/v1/ns/instance/list?serviceName=s";

async fn register(nacos: &RealNacos, namespace: &str, ephemeral: bool) -> anyhow::Result<()> {
    let path = format!(
        "/nacos/v1/ns/instance?serviceName=s&ip=10.0.0.1&port=80&ephemeral={ephemeral}&namespaceId={namespace}"
    );
    let answer = nacos.call("POST", &path).await?;
    ensure!(answer.body == "ok", "{answer:?}");
    Ok(())
}

async fn lists_it(nacos: &RealNacos, namespace: &str) -> bool {
    let list = nacos
        .call("GET", &format!("{LIST}&namespaceId={namespace}"))
        .await;
    list.is_ok_and(|answer| answer.status == 200 && answer.body.contains("10.0.0.1"))
}

#[tokio::test]
async fn every_version_starts_registers_and_lists() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    for version in Version::ALL {
        let nacos = RealNacos::shared(version).await?;
        let namespace = fresh_name("lists");
        register(nacos, &namespace, true).await?;
        eventually(SOON, || lists_it(nacos, &namespace)).await;
        let grpc_is_open = tokio::net::TcpStream::connect(nacos.grpc_addr())
            .await
            .is_ok();
        assert_eq!(grpc_is_open, version.has_grpc(), "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn a_killed_server_keeps_its_persistent_data() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let nacos = RealNacos::start(Version::V2_1_1).await?;
    // A lone server elects itself some seconds after it says that it is up.
    eventually(SOON, || async {
        register(&nacos, "kept", false).await.is_ok()
    })
    .await;
    nacos.kill().await?;
    assert!(
        nacos.call("GET", LIST).await.is_err(),
        "a killed server answers nothing"
    );
    nacos.restart().await?;
    eventually(SOON, || lists_it(&nacos, "kept")).await;
    Ok(())
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_server() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let nacos = RealNacos::start(Version::V2_2_4).await?;
    let process = Path::new("/proc").join(nacos.pid()?.to_string());
    let folder = nacos.folder().to_owned();
    assert!(process.join("status").exists() && folder.join("log").exists());
    nacos.freeze().await?; // a frozen server must go as well
    drop(nacos);
    // Where nobody reaps it, the process is still listed, but without memory.
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    assert!(!status.contains("VmRSS"), "{status}");
    assert!(!folder.exists());
    Ok(())
}

#[tokio::test]
async fn a_cluster_survives_one_member() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let cluster = RealCluster::start(Version::V2_2_4, 3).await?;
    let [first, second, third] = cluster.members() else {
        panic!("three members")
    };
    eventually(SOON, || async {
        register(first, "shared", false).await.is_ok()
    })
    .await;
    eventually(SOON, || lists_it(third, "shared")).await;
    third.kill().await?;
    eventually(SOON, || lists_it(second, "shared")).await;
    third.restart().await?;
    cluster.settled().await?;
    eventually(SOON, || lists_it(third, "shared")).await;
    Ok(())
}
