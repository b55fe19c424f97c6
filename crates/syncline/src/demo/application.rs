//! Applications that register themselves, as any Nacos client does: over gRPC,
//! re-registering by themselves when the server comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use syncline_nacos::grpc::{
    GrpcOptions, GrpcServer, ServiceRef, Session, SessionOptions, SessionState,
};
use syncline_nacos::message::Instance;

use super::stage::Addresses;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// All instances of the demo's services, registered over one connection.
pub(super) struct Applications {
    session: Session,
    services: BTreeMap<&'static str, BTreeMap<String, Content>>,
}

/// What an instance says of itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Content {
    pub(super) weight: f64,
    pub(super) healthy: bool,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            weight: 1.0,
            healthy: true,
        }
    }
}

/// Sessions at a server; each reconnects by itself, soon.
pub(super) fn session_options(addresses: Addresses, seed: u64) -> SessionOptions {
    let server = GrpcServer {
        host: addresses.grpc.ip().to_string(),
        port: addresses.grpc.port(),
    };
    SessionOptions {
        reconnect_cap: Duration::from_secs(1),
        ..SessionOptions::new(vec![server], Arc::new(GrpcOptions::default()), seed)
    }
}

/// A service of the demo.
pub(super) fn service(name: &str) -> ServiceRef {
    ServiceRef::new("public", "DEFAULT_GROUP", name)
}

impl Applications {
    pub(super) fn at(registry: Addresses) -> Self {
        let (session, _events) = Session::start(session_options(registry, 1));
        Self {
            session,
            services: BTreeMap::new(),
        }
    }

    /// Registers an instance, or changes what it says of itself.
    pub(super) async fn put(
        &mut self,
        name: &'static str,
        address: &str,
        content: Content,
    ) -> anyhow::Result<()> {
        self.services
            .entry(name)
            .or_default()
            .insert(address.to_owned(), content);
        self.publish(name).await
    }

    /// Deregisters an instance.
    pub(super) async fn remove(&mut self, name: &'static str, address: &str) -> anyhow::Result<()> {
        if let Some(instances) = self.services.get_mut(name) {
            instances.remove(address);
        }
        self.publish(name).await
    }

    /// How many instances there are in truth, by service.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let count = |(name, instances): (&&'static str, &BTreeMap<_, _>)| (*name, instances.len());
        self.services.iter().map(count).collect()
    }

    async fn publish(&self, name: &'static str) -> anyhow::Result<()> {
        let instances = self.services.get(name).into_iter().flatten();
        let set: Vec<Instance> = instances
            .filter_map(|(address, content)| instance(address, *content))
            .collect();
        self.connected().await?;
        self.session.publish(service(name), set.into()).await?;
        Ok(())
    }

    /// Waits for the connection, which comes back by itself.
    async fn connected(&self) -> anyhow::Result<()> {
        let mut state = self.session.state();
        let connected = |state: &SessionState| matches!(state, SessionState::Connected { .. });
        tokio::time::timeout(PATIENCE, state.wait_for(connected))
            .await
            .context("connect to the production registry")??;
        Ok(())
    }
}

fn instance(address: &str, content: Content) -> Option<Instance> {
    let (ip, port) = address.rsplit_once(':')?;
    Some(Instance {
        ip: ip.to_owned(),
        port: port.parse().ok()?,
        weight: content.weight,
        healthy: content.healthy,
        cluster_name: "DEFAULT".to_owned(),
        metadata: BTreeMap::from([("version".to_owned(), "2.1".to_owned())]),
        ..Instance::default()
    })
}
