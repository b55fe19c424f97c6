//! Spring Cloud Alibaba: applications that are in the registry and have their
//! configuration through it, from a real Nacos behind.

use std::path::Path;

use syncline_testkit::nacos::{RealNacos, fresh_name};
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, run};
use tempfile::TempDir;

use super::PATIENCE;
use super::process::Process;
use crate::cli::serving::Serving;
use crate::daemon::registry::Nacos;
use crate::daemon::seen::Service;

/// A namespace of applications, at a registry.
struct Place {
    registry: Nacos,
    namespace: String,
}

impl Place {
    /// Starts an application, or starts it again with what its folder keeps.
    async fn start(&self, name: &str, port: u16, folder: &Path) -> anyhow::Result<Process> {
        let (address, port) = (self.registry.http.to_string(), port.to_string());
        let args = ["run", &address, &self.namespace, name, &port];
        Process::start("spring-app", &args, folder).await
    }

    /// What is registered of an application.
    async fn registered(&self, name: &str) -> anyhow::Result<usize> {
        let service = Service::new(&self.namespace, "DEFAULT_GROUP", name);
        Ok(self.registry.raw(&service).await?.len())
    }
}

/// Waits until an application answers this.
async fn answers(application: &Process, line: &str, wanted: &str) {
    let right = || async { application.ask(line).await.is_ok_and(|it| it == wanted) };
    eventually(PATIENCE, right).await;
}

/// Says what the applications of a namespace greet with.
async fn configure(nacos: &RealNacos, namespace: &str, greeting: &str) -> anyhow::Result<()> {
    let path = format!(
        "/nacos/v1/cs/configs?dataId=shop.yaml&group=DEFAULT_GROUP&tenant={namespace}\
         &content=greeting:%20{greeting}"
    );
    let answer = nacos.call("POST", &path).await?;
    anyhow::ensure!(answer.body == "true", "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spring_applications_find_each_other_and_their_configuration_at_one_address()
-> anyhow::Result<()> {
    if !run::require_spring() {
        return Ok(());
    }
    let upstream = RealNacos::start_with_configurations().await?;
    let from = format!("nacos://{}", upstream.addr());
    let serving = Serving::start_saying(&["--configs-from", &from]).await?;
    let place = Place {
        registry: serving.nacos,
        namespace: fresh_name("spring"),
    };
    let folders: [TempDir; 3] = [
        tempfile::tempdir()?,
        tempfile::tempdir()?,
        tempfile::tempdir()?,
    ];
    let [orders_in, users_in, fresh] = folders.each_ref().map(TempDir::path);
    let block = PortBlock::reserve()?;
    let (one, two) = (block.http().port(), block.grpc().port());

    configure(&upstream, &place.namespace, "hello").await?;
    let (orders, users) = tokio::try_join!(
        place.start("orders", one, orders_in),
        place.start("users", two, users_in),
    )?;
    assert_eq!(orders.ask("greeting").await?, "hello");
    answers(&orders, "users", &format!("127.0.0.1:{two}")).await;
    answers(&users, "orders", &format!("127.0.0.1:{one}")).await;

    configure(&upstream, &place.namespace, "welcome").await?;
    answers(&orders, "greeting", "welcome").await;
    answers(&users, "greeting", "welcome").await;

    users.end().await?;
    answers(&orders, "users", "").await;
    assert_eq!(place.registered("users").await?, 0);

    // Whoever starts now must not do so with defaults; whoever runs goes on.
    upstream.kill().await?;
    let (stranger, users) = tokio::join!(
        place.start("stranger", block.http().port() + 1, fresh),
        place.start("users", two, users_in),
    );
    for started in [stranger, users] {
        let why = format!("{:#}", started.err().expect("it starts without"));
        assert!(why.contains("shop.yaml"), "{why}");
    }
    assert_eq!(place.registered("stranger").await?, 0);
    assert_eq!(orders.ask("greeting").await?, "welcome");
    assert_eq!(orders.ask("orders").await?, format!("127.0.0.1:{one}"));
    Ok(())
}
