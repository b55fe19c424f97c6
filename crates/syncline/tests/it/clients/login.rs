//! Where users are asked for, clients log in by their own means.

use std::path::Path;
use std::process::Stdio;

use anyhow::ensure;
use syncline_testkit::client::{GenuineClient, Kind as Program, SeenInstance};
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, run};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::application::Application;
use super::kind::Kind;
use super::{PATIENCE, Together, service};
use crate::daemon::registry::{Nacos, http};
use crate::daemon::seen::Instance;

const USER: &str = "shop";
const PASSWORD: &str = "s3cret";

/// A client that logged in registers and is told; one that did not stays
/// outside.
async fn logs_in(kind: Kind, nacos: Nacos) -> anyhow::Result<()> {
    let namespace = &kind.namespace();
    let orders = service(namespace, "orders");
    let login = Some((USER, PASSWORD));
    let (provider, consumer, outsider) = tokio::try_join!(
        Application::start_as(kind, nacos.http, namespace, login),
        Application::start_as(kind, nacos.http, namespace, login),
        Application::start(kind, nacos.http, namespace)
    )?;
    let mine = Instance::at("10.0.0.1:80");
    provider.register(&orders, &mine).await?;
    consumer.subscribe(&orders).await?;
    consumer.is_told(&orders, &[mine], "registered").await?;
    let refused = outsider
        .register(&orders, &Instance::at("10.0.0.2:80"))
        .await;
    ensure!(refused.is_err(), "a client without a user registers");
    Ok(())
}

/// A registry that asks for users, of an endpoint with these further keys. It
/// ends with the value.
fn serve(nacos: Nacos, folder: &Path, more: &str) -> anyhow::Result<Child> {
    let configuration = format!(
        "endpoints:\n  local:\n    kind: embedded\n    listen: \"{}\"\n    access:\n      users:\n        \
         {USER}: {{ password: {PASSWORD}, rights: {{ \"*\": rw }} }}\n{more}",
        nacos.http
    );
    std::fs::write(folder.join("syncline.yaml"), configuration)?;
    let serving = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["serve", "--config", "syncline.yaml", "local"])
        .current_dir(folder)
        .env_remove("SYNCLINE_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_logs_in() -> anyhow::Result<()> {
    let (ports, folder) = (PortBlock::reserve()?, tempfile::tempdir()?);
    let nacos = Nacos::at(ports.http());
    let _serving = serve(nacos, folder.path(), "")?;
    let list = "/nacos/v1/ns/instance/list?serviceName=orders";
    let asks = || async {
        http(nacos.http, "GET", list)
            .await
            .is_ok_and(|it| it.0 == 403)
    };
    eventually(PATIENCE, asks).await;
    let mut together = Together::new();
    for kind in Kind::here() {
        together.spawn(kind, logs_in(kind, nacos));
    }
    together.all().await?;
    Ok(())
}

/// Makes a certificate for loopback with its key, and a store of what a JVM
/// trusts that has nothing else in it.
async fn certify(folder: &Path) -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(folder.join("edge.crt"), made.cert.pem())?;
    std::fs::write(folder.join("edge.key"), made.signing_key.serialize_pem())?;
    let imported = Command::new("keytool")
        .args([
            "-importcert",
            "-noprompt",
            "-alias",
            "edge",
            "-file",
            "edge.crt",
        ])
        .args(["-keystore", "trusted", "-storepass", "changeit"])
        .current_dir(folder)
        .output()
        .await?;
    ensure!(imported.status.success(), "{imported:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_java_client_logs_in_over_tls() -> anyhow::Result<()> {
    let java = Program::Java("2.5.1");
    if !run::require_client(java) {
        return Ok(());
    }
    let (ports, folder) = (PortBlock::reserve()?, tempfile::tempdir()?);
    let (nacos, folder) = (Nacos::at(ports.http()), folder.path());
    certify(folder).await?;
    let _serving = serve(
        nacos,
        folder,
        "    tls: { cert: edge.crt, key: edge.key }\n",
    )?;
    let listens = || async { TcpStream::connect(nacos.http).await.is_ok() };
    eventually(PATIENCE, listens).await;

    // The address is for the login, the other two for gRPC.
    let said = format!(
        "serverAddr=https://{}\nnacos.remote.client.rpc.tls.enable=true\n\
         nacos.remote.client.rpc.tls.trustCollectionChainPath=file:{}\n",
        nacos.http,
        folder.join("edge.crt").display()
    );
    let trusted = format!(
        "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword=changeit",
        folder.join("trusted").display()
    );
    let environment = [
        ("CLIENT_PROPERTIES", &*said),
        ("JAVA_TOOL_OPTIONS", &*trusted),
        ("NACOS_USERNAME", USER),
        ("NACOS_PASSWORD", PASSWORD),
    ];
    let client = || GenuineClient::start_in(java, nacos.http, "dev", &environment);
    let (provider, consumer) = tokio::try_join!(client(), client())?;
    consumer.subscribe("orders", "shop").await?;
    provider
        .register("orders", "shop", "10.0.0.1:80".parse()?, 1.0, &[])
        .await?;
    let comes = |seen: &[SeenInstance]| seen.len() == 1;
    consumer.await_instances("orders", PATIENCE, comes).await?;
    provider.close().await?;
    consumer
        .await_instances("orders", PATIENCE, <[_]>::is_empty)
        .await?;
    Ok(())
}
