//! `nacos-sdk`, the Rust client, in the process of the test. It cannot be ended
//! there, so the test that ends one starts itself a second time.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use syncline_testkit::nacos::fresh_name;
use syncline_testkit::patience;
use tokio::process::Command;
use tokio::sync::{Mutex, mpsc};

use super::PATIENCE;
use crate::cli::serving::Serving;
use crate::daemon::seen::{Instance, Service, same};

pub(crate) struct RustClient {
    naming: NamingService,
    listener: Arc<Listener>,
    told: Mutex<mpsc::UnboundedReceiver<Vec<Instance>>>,
}

struct Listener(mpsc::UnboundedSender<Vec<Instance>>);

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let instances = event.instances.iter().flatten().map(seen).collect();
        // Whoever no longer listens has seen enough.
        drop(self.0.send(instances));
    }
}

impl RustClient {
    pub(crate) async fn start(
        server: SocketAddr,
        namespace: &str,
        login: Option<(&str, &str)>,
    ) -> anyhow::Result<Self> {
        let mut props = ClientProps::new()
            .server_addr(server.to_string())
            .namespace(namespace)
            .app_name("test")
            // By default it keeps what it knew when told that there is nothing.
            .naming_push_empty_protection(false);
        if let Some((user, password)) = login {
            props = props.auth_username(user).auth_password(password);
        }
        let mut naming = NamingServiceBuilder::new(props);
        if login.is_some() {
            naming = naming.enable_auth_plugin_http();
        }
        let (tell, told) = mpsc::unbounded_channel();
        Ok(Self {
            naming: naming.build().await?,
            listener: Arc::new(Listener(tell)),
            told: Mutex::new(told),
        })
    }

    pub(crate) async fn register(
        &self,
        service: &Service,
        it: &Instance,
        ephemeral: bool,
    ) -> anyhow::Result<()> {
        let (name, group) = names(service);
        let instance = ServiceInstance {
            ephemeral,
            ..wire(it)
        };
        Ok(self.naming.register_instance(name, group, instance).await?)
    }

    pub(crate) async fn batch(&self, service: &Service, all: &[Instance]) -> anyhow::Result<()> {
        let (name, group) = names(service);
        let batch = all.iter().map(wire).collect();
        Ok(self
            .naming
            .batch_register_instance(name, group, batch)
            .await?)
    }

    pub(crate) async fn deregister(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        let (name, group) = names(service);
        Ok(self
            .naming
            .deregister_instance(name, group, wire(it))
            .await?)
    }

    pub(crate) async fn subscribe(&self, service: &Service) -> anyhow::Result<()> {
        let (name, group) = names(service);
        let listener = Arc::clone(&self.listener);
        Ok(self
            .naming
            .subscribe(name, group, Vec::new(), listener as _)
            .await?)
    }

    pub(crate) async fn list(&self, service: &Service) -> anyhow::Result<Vec<Instance>> {
        let (name, group) = names(service);
        let all = self
            .naming
            .get_all_instances(name, group, Vec::new(), false)
            .await?;
        Ok(all.iter().map(seen).collect())
    }

    /// Waits until the subscriber of one service is told this.
    pub(crate) async fn is_told(&self, wanted: &[Instance]) -> anyhow::Result<()> {
        let mut told = self.told.lock().await;
        let mut others = Vec::new();
        let waiting = async {
            while let Some(seen) = told.recv().await {
                if same(&seen, wanted) {
                    return true;
                }
                others.push(seen);
            }
            false
        };
        let seen = tokio::time::timeout(patience(PATIENCE), waiting).await;
        anyhow::ensure!(seen.unwrap_or(false), "told instead: {others:?}");
        Ok(())
    }
}

fn names(service: &Service) -> (String, Option<String>) {
    (service.name.clone(), Some(service.group.clone()))
}

fn wire(it: &Instance) -> ServiceInstance {
    let (ip, port) = it.ip_and_port();
    ServiceInstance {
        ip: ip.to_owned(),
        port: port.parse().unwrap_or_default(),
        weight: it.weight,
        cluster_name: Some(it.cluster.clone()),
        metadata: it.metadata.clone().into_iter().collect(),
        ..ServiceInstance::default()
    }
}

fn seen(shown: &ServiceInstance) -> Instance {
    Instance {
        address: shown.ip_and_port(),
        cluster: shown.cluster_name.clone().unwrap_or_default(),
        weight: shown.weight,
        healthy: shown.healthy,
        enabled: shown.enabled,
        metadata: shown.metadata.clone().into_iter().collect(),
    }
}

/// Tells the second start of the test below where it is an application.
const APPLICATION: &str = "SYNCLINE_TEST_RUST_APPLICATION";

/// An application that registers, and ends with its standard input.
async fn application(at: &str) -> anyhow::Result<()> {
    let (server, namespace) = at.split_once('/').context("no namespace")?;
    let client = RustClient::start(server.parse()?, namespace, None).await?;
    let orders = super::service(namespace, "orders");
    let mine = Instance::at("10.0.0.1:80");
    client.register(&orders, &mine, true).await?;
    let reading = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    tokio::task::spawn_blocking(reading).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rust_application_that_ends_takes_its_instance_along() -> anyhow::Result<()> {
    if let Ok(at) = std::env::var(APPLICATION) {
        return application(&at).await;
    }
    let serving = Serving::start().await?;
    let namespace = fresh_name("rust-ends");
    let this = "clients::rust::a_rust_application_that_ends_takes_its_instance_along";
    let mut ending = Command::new(std::env::current_exe()?)
        .args([this, "--exact"])
        .env(APPLICATION, format!("{}/{namespace}", serving.nacos.http))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let orders = super::service(&namespace, "orders");
    let mine = Instance::at("10.0.0.1:80");
    super::shows(&serving.nacos, &orders, &[mine]).await?;
    drop(ending.stdin.take());
    super::shows(&serving.nacos, &orders, &[]).await?;
    anyhow::ensure!(ending.wait().await?.success());
    Ok(())
}
