//! An application that registers over gRPC, as any Nacos client since 2.0 does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use syncline_nacos::grpc::{GrpcOptions, Session, SessionOptions, SessionState};
use syncline_nacos::message as wire;
use syncline_testkit::patience;

use super::PATIENCE;
use super::registry::Nacos;
use super::seen::{Instance, Service};
use super::subscriber::service_ref;

/// A process whose instances live by one connection, which comes back by
/// itself. It ends with its value.
pub(crate) struct Application {
    session: Session,
    services: BTreeMap<Service, Vec<Instance>>,
}

impl Application {
    /// Connects.
    pub(crate) async fn at(nacos: Nacos) -> anyhow::Result<Self> {
        let options = SessionOptions {
            reconnect_cap: Duration::from_millis(500),
            ..SessionOptions::new(
                vec![nacos.grpc_server()?],
                Arc::new(GrpcOptions::default()),
                1,
            )
        };
        let (session, _) = Session::start(options);
        let mut state = session.state();
        let connected = |state: &SessionState| matches!(state, SessionState::Connected { .. });
        let connecting = state.wait_for(connected);
        let connected = tokio::time::timeout(patience(PATIENCE), connecting).await;
        connected.with_context(|| format!("connect to {nacos:?}"))??;
        Ok(Self {
            session,
            services: BTreeMap::new(),
        })
    }

    /// Registers an instance, or gives it other content.
    pub(crate) async fn put(&mut self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        let instances = self.services.entry(service.clone()).or_default();
        instances.retain(|known| known.address != it.address);
        instances.push(it.clone());
        self.publish(service).await
    }

    /// Registers several at once.
    pub(crate) async fn put_all(
        &mut self,
        service: &Service,
        all: &[Instance],
    ) -> anyhow::Result<()> {
        self.services.insert(service.clone(), all.to_vec());
        self.publish(service).await
    }

    /// Takes an instance back.
    pub(crate) async fn remove(&mut self, service: &Service, address: &str) -> anyhow::Result<()> {
        if let Some(instances) = self.services.get_mut(service) {
            instances.retain(|known| known.address != address);
        }
        self.publish(service).await
    }

    /// Takes all instances of a service back.
    pub(crate) async fn leave(&mut self, service: &Service) -> anyhow::Result<()> {
        self.services.remove(service);
        let session = &self.session;
        session.withdraw(service_ref(service)).await?;
        Ok(())
    }

    /// What it registered.
    pub(crate) fn all(&self, service: &Service) -> Vec<Instance> {
        self.services.get(service).cloned().unwrap_or_default()
    }

    async fn publish(&self, service: &Service) -> anyhow::Result<()> {
        let set: Vec<wire::Instance> = self.all(service).iter().map(registration).collect();
        let published = self.session.publish(service_ref(service), set.into()).await;
        published.with_context(|| format!("register {service}"))
    }
}

fn registration(it: &Instance) -> wire::Instance {
    let (ip, port) = it.ip_and_port();
    wire::Instance {
        ip: ip.to_owned(),
        port: port.parse().unwrap_or_default(),
        weight: it.weight,
        healthy: it.healthy,
        enabled: it.enabled,
        cluster_name: it.cluster.clone(),
        metadata: it.metadata.clone(),
        ..wire::Instance::default()
    }
}
