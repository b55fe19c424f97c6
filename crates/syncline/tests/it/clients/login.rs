//! Where users are asked for, clients log in by their own means.

use std::process::Stdio;

use anyhow::ensure;
use syncline_testkit::eventually;
use syncline_testkit::ports::PortBlock;
use tokio::process::Command;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_that_can_logs_in() -> anyhow::Result<()> {
    let (ports, folder) = (PortBlock::reserve()?, tempfile::tempdir()?);
    let nacos = Nacos::at(ports.http());
    let configuration = format!(
        "endpoints:\n  local:\n    kind: embedded\n    listen: \"{}\"\n    access:\n      users:\n        \
         {USER}: {{ password: {PASSWORD}, rights: {{ \"*\": rw }} }}\n",
        nacos.http
    );
    std::fs::write(folder.path().join("syncline.yaml"), configuration)?;
    let _serving = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["serve", "--config", "syncline.yaml", "local"])
        .current_dir(folder.path())
        .env_remove("SYNCLINE_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let list = "/nacos/v1/ns/instance/list?serviceName=orders";
    let asks = || async {
        http(nacos.http, "GET", list)
            .await
            .is_ok_and(|it| it.0 == 403)
    };
    eventually(PATIENCE, asks).await;
    let mut together = Together::new();
    for kind in Kind::here().into_iter().filter(|kind| kind.logs_in()) {
        together.spawn(kind, logs_in(kind, nacos));
    }
    together.all().await?;
    Ok(())
}
