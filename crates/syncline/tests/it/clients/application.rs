//! An application with a genuine client.

use std::net::SocketAddr;

use anyhow::Context as _;
use syncline_testkit::client::{GenuineClient, SeenInstance};

use super::PATIENCE;
use super::kind::Kind;
use super::rust::RustClient;
use crate::daemon::seen::{Instance, Service, same};

/// A client that runs.
pub(crate) enum Application {
    Program(GenuineClient),
    Rust(RustClient),
}

impl Application {
    pub(crate) async fn start(
        kind: Kind,
        server: SocketAddr,
        namespace: &str,
    ) -> anyhow::Result<Self> {
        Self::start_as(kind, server, namespace, None).await
    }

    /// Starts one with a user and a password.
    pub(crate) async fn start_as(
        kind: Kind,
        server: SocketAddr,
        namespace: &str,
        login: Option<(&str, &str)>,
    ) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Program(program) => {
                let variables =
                    login.map(|(user, word)| [("NACOS_USERNAME", user), ("NACOS_PASSWORD", word)]);
                let variables = variables.as_ref().map_or(&[][..], |both| &both[..]);
                let started = GenuineClient::start_in(program, server, namespace, variables);
                Self::Program(started.await?)
            }
            Kind::Rust => Self::Rust(RustClient::start(server, namespace, login).await?),
        })
    }

    /// Registers an ephemeral instance, or gives it other content.
    pub(crate) async fn register(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        self.register_as(service, it, true).await
    }

    /// Registers a persistent instance.
    pub(crate) async fn persist(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        self.register_as(service, it, false).await
    }

    async fn register_as(
        &self,
        service: &Service,
        it: &Instance,
        ephemeral: bool,
    ) -> anyhow::Result<()> {
        match self {
            Self::Program(client) => {
                let mut metadata: Vec<_> = it.metadata.iter().map(|(k, v)| (&**k, &**v)).collect();
                metadata.push(("@cluster", &it.cluster));
                if !ephemeral {
                    metadata.push(("@ephemeral", "false"));
                }
                let Service { group, name, .. } = service;
                client
                    .register(name, group, it.address.parse()?, it.weight, &metadata)
                    .await
            }
            Self::Rust(client) => client.register(service, it, ephemeral).await,
        }
    }

    /// Registers these, and no others, of this client; addresses and weights
    /// alone.
    pub(crate) async fn batch(&self, service: &Service, all: &[Instance]) -> anyhow::Result<()> {
        match self {
            Self::Program(client) => {
                let parsed = all.iter().map(|it| Ok((it.address.parse()?, it.weight)));
                let parsed: Vec<_> = parsed.collect::<anyhow::Result<_>>()?;
                client.batch(&service.name, &service.group, &parsed).await
            }
            Self::Rust(client) => client.batch(service, all).await,
        }
    }

    pub(crate) async fn deregister(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        match self {
            Self::Program(client) => {
                let (ip, port) = it.ip_and_port();
                let (Service { group, name, .. }, cluster) = (service, &it.cluster);
                client
                    .command(&format!("deregister {name} {group} {ip} {port} {cluster}"))
                    .await
            }
            Self::Rust(client) => client.deregister(service, it).await,
        }
    }

    pub(crate) async fn subscribe(&self, service: &Service) -> anyhow::Result<()> {
        match self {
            Self::Program(client) => client.subscribe(&service.name, &service.group).await,
            Self::Rust(client) => client.subscribe(service).await,
        }
    }

    pub(crate) async fn list(&self, service: &Service) -> anyhow::Result<Vec<Instance>> {
        match self {
            Self::Program(client) => {
                let list = client.list(&service.name, &service.group).await?;
                Ok(list.iter().map(seen).collect())
            }
            Self::Rust(client) => client.list(service).await,
        }
    }

    /// Waits until a subscriber is told exactly this, after what it was told in
    /// the call before.
    pub(crate) async fn is_told(
        &self,
        service: &Service,
        wanted: &[Instance],
        step: &'static str,
    ) -> anyhow::Result<()> {
        let told = match self {
            Self::Program(client) => {
                let matches =
                    |all: &[SeenInstance]| same(&all.iter().map(seen).collect::<Vec<_>>(), wanted);
                let name = &service.name;
                let told = client.await_instances(name, PATIENCE, matches).await;
                told.map(drop)
            }
            Self::Rust(client) => client.is_told(wanted).await,
        };
        told.with_context(|| format!("{step}: wanted {wanted:?}"))
    }

    /// Ends it as an application that shuts down.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Program(client) => client.close().await,
            Self::Rust(_) => anyhow::bail!("the Rust client cannot be ended"),
        }
    }
}

fn seen(shown: &SeenInstance) -> Instance {
    Instance {
        address: format!("{}:{}", shown.ip, shown.port),
        cluster: shown.cluster.clone(),
        weight: shown.weight,
        healthy: shown.healthy,
        enabled: shown.enabled,
        metadata: shown.metadata.clone(),
    }
}
