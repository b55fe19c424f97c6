//! How a new process takes over what a running daemon holds.
//!
//! ```text
//!  successor                                   daemon
//!     │ POST /api/v1/takeover ───────────────────▶ plans nothing from now on
//!     │ ◀──────────────────────────── all it holds │
//!     │ registers the same over connections of     │
//!     │ its own; POST …/renew every few seconds ──▶ (goes on by itself when
//!     │                                            │  these fail to come)
//!     │ POST …/finish ───────────────────────────▶ ends: its connections close,
//!     ▼ opens the state folder                     │ and the same still stands
//! ```
//!
//! These routes are served on the unix socket alone, which only the daemon's
//! user can open.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use http::Method;
use serde::{Deserialize, Serialize};
use syncline_engine::EngineHandle;
use syncline_engine::core::Holding;
use syncline_model::{
    EndpointName, Instance, InstanceKey, LinkName, Metadata, Port, Seen, ServiceKey, ServiceSet,
    Weight,
};
use tokio_util::sync::CancellationToken;

use crate::api::Done;
use crate::client::{ControlClient, ControlError};
use crate::server::{Refused, done};

/// How long a daemon stands still for a successor that is not heard any more.
pub const LEASE: Duration = Duration::from_secs(15);

/// Everything that a daemon holds.
#[derive(Debug, Serialize, Deserialize)]
struct Held(Vec<HeldService>);

#[derive(Debug, Serialize, Deserialize)]
struct HeldService {
    link: String,
    to: String,
    service: (String, String, String),
    instances: Vec<HeldInstance>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HeldInstance {
    host: String,
    port: u16,
    cluster: String,
    /// As text, which keeps every bit.
    weight: String,
    healthy: Option<bool>,
    enabled: bool,
    ephemeral: Option<bool>,
    metadata: Vec<(String, String)>,
}

#[derive(Clone)]
struct Handover {
    engine: EngineHandle,
    taken_over: CancellationToken,
}

/// The routes of a daemon that can be taken over; `taken_over` is cancelled
/// when that has happened.
pub(crate) fn routes(engine: EngineHandle, taken_over: CancellationToken) -> Router {
    Router::new()
        .route("/api/v1/takeover", post(begin))
        .route("/api/v1/takeover/renew", post(renew))
        .route("/api/v1/takeover/abort", post(abort))
        .route("/api/v1/takeover/finish", post(finish))
        .with_state(Handover { engine, taken_over })
}

async fn begin(State(handover): State<Handover>) -> Result<Json<Held>, Refused> {
    let holdings = handover.engine.hand_over(LEASE).await?.ok_or_else(|| {
        let why = "the writes under way do not end; try again later";
        Refused(StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
    })?;
    Ok(Json(Held(holdings.iter().map(HeldService::of).collect())))
}

async fn renew(State(handover): State<Handover>) -> Result<Json<Done>, Refused> {
    handover.engine.stand_still(LEASE).await?;
    Ok(done("renewed"))
}

async fn abort(State(handover): State<Handover>) -> Result<Json<Done>, Refused> {
    handover.engine.go_on().await?;
    Ok(done("goes on"))
}

async fn finish(State(handover): State<Handover>) -> Result<Json<Done>, Refused> {
    handover.engine.stand_still(LEASE).await?;
    tracing::info!("another process has taken over; this one ends");
    handover.taken_over.cancel();
    Ok(done("ends"))
}

/// What a successor asks of the daemon that runs.
impl ControlClient {
    /// Makes the daemon stand still, and gives all that it holds.
    ///
    /// # Errors
    /// When none answers, or its answer makes no sense.
    pub async fn begin_takeover(&self) -> Result<Vec<Holding>, ControlError> {
        let held: Held = self.ask(Method::POST, "/api/v1/takeover").await?;
        let read = held.0.into_iter().map(HeldService::read);
        let read: Option<Vec<Holding>> = read.collect();
        read.ok_or_else(|| ControlError::Answer("an instance that makes no sense".into()))
    }

    /// Says that the successor lives.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub async fn renew_takeover(&self) -> Result<Done, ControlError> {
        self.ask(Method::POST, "/api/v1/takeover/renew").await
    }

    /// Lets the daemon go on.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn abort_takeover(&self) -> Result<Done, ControlError> {
        self.ask(Method::POST, "/api/v1/takeover/abort").await
    }

    /// Makes the daemon end, once all that it holds is held elsewhere.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn finish_takeover(&self) -> Result<Done, ControlError> {
        self.ask(Method::POST, "/api/v1/takeover/finish").await
    }
}

impl HeldService {
    fn of(holding: &Holding) -> Self {
        let service = &holding.service;
        Self {
            link: holding.link.to_string(),
            to: holding.to.to_string(),
            service: (
                service.namespace.to_string(),
                service.group.to_string(),
                service.name.to_string(),
            ),
            instances: holding
                .set
                .instances()
                .iter()
                .map(HeldInstance::of)
                .collect(),
        }
    }

    fn read(self) -> Option<Holding> {
        let (namespace, group, name) = self.service;
        let instances = self.instances.into_iter().map(HeldInstance::read);
        let instances: Option<Vec<Instance>> = instances.collect();
        Some(Holding {
            link: LinkName::from(self.link),
            to: EndpointName::from(self.to),
            service: ServiceKey::new(namespace, group, name),
            set: ServiceSet::new(instances?).into(),
        })
    }
}

impl HeldInstance {
    fn of(instance: &Instance) -> Self {
        let pairs = instance.metadata.iter();
        Self {
            host: instance.key.host.as_str().to_owned(),
            port: instance.key.port.get(),
            cluster: instance.key.cluster.to_string(),
            weight: instance.weight.to_string(),
            healthy: known(instance.healthy),
            enabled: instance.enabled,
            ephemeral: known(instance.ephemeral),
            metadata: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        }
    }

    fn read(self) -> Option<Instance> {
        let key = InstanceKey {
            host: self.host.as_str().into(),
            port: Port::new(self.port)?,
            cluster: self.cluster.into(),
        };
        let mut instance = Instance::new(self.host.as_str(), key.port);
        instance.key = key;
        instance.weight = Weight::new(self.weight.parse().ok()?)?;
        instance.healthy = seen(self.healthy);
        instance.enabled = self.enabled;
        instance.ephemeral = seen(self.ephemeral);
        instance.metadata = Metadata::from_pairs(self.metadata);
        Some(instance)
    }
}

fn known(seen: Seen<bool>) -> Option<bool> {
    match seen {
        Seen::Known(value) => Some(value),
        Seen::Unknown => None,
    }
}

fn seen(known: Option<bool>) -> Seen<bool> {
    known.map_or(Seen::Unknown, Seen::Known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_read_as_it_was_told() {
        let mut instance = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        instance.key.cluster = "east".into();
        instance.weight = Weight::new(0.1 + 0.2).expect("legal");
        instance.healthy = Seen::Unknown;
        instance.ephemeral = Seen::Known(true);
        instance.enabled = false;
        instance.metadata = Metadata::from_pairs([("a", "1"), ("订单", "\"\u{0}")]);
        let holding = Holding {
            link: "l".into(),
            to: "t".into(),
            service: ServiceKey::new("public", "G", "s"),
            set: ServiceSet::new(vec![instance]).into(),
        };
        let text = serde_json::to_string(&HeldService::of(&holding)).expect("writes");
        let read: HeldService = serde_json::from_str(&text).expect("reads");
        assert_eq!(read.read(), Some(holding));
    }
}
