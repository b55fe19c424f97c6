//! Nacos as a target: registrations that are kept alive in one of three ways.
//!
//! | `hold` | lives by | after a crash of ours | told apart by |
//! |---|---|---|---|
//! | `connection` (2.1.1 and later) | a gRPC connection | gone after 0.5 s | ip, port, cluster |
//! | `beat` (1.x to 3.1) | HTTP beats every 15 s | unhealthy after 60 s, gone after 180 s | ip, port (1.x: and cluster) |
//! | `persistent` | the cluster's Raft log | stays | ip, port (1.x: and cluster) |
//!
//! An update is always the same registration again with other content, which
//! replaces the former at once: no subscriber ever sees the instance absent. An
//! override that an operator set in Nacos's console wins over it.
//!
//! # What a server refuses
//!
//! A server may refuse one instance for its content (2.3 and later refuse more
//! than 1,024 characters of metadata, all refuse odd cluster names). Then the
//! others of its service are written without it, an earlier content of it
//! stays, and [`apply`](syncline_contract::Target::apply) fails naming it.
//!
//! # Stopping
//!
//! With `connection`, what was registered goes when the target is closed,
//! whatever the [`Ending`]. With the others it stays on [`Ending::Stop`] and is
//! deregistered on [`Ending::Remove`].

mod beat;
mod beats;
mod connection;
mod difference;
mod hold;
mod http;
mod parts;
mod persistent;
mod rules;
mod seats;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use syncline_contract::{
    Class, Ending, Failure, Hold, Target, TargetReport, Unavailable, Whose, Write,
};
use syncline_model::{EndpointName, Identity};
use syncline_nacos::grpc::{ErrorClass, ServiceRef};
use syncline_nacos::version::{Generation, Negotiated};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::client::Cluster;
use crate::config::NacosConfig;
use crate::failure;
use crate::source::product;

/// From this round trip on, `connection` is advised against.
const FAR: Duration = Duration::from_millis(10);

/// What a target has to know beside its configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TargetOptions {
    /// How many replicas the install declares: with two or more, a connection
    /// of one stands while another starts.
    pub replicas: usize,
}

impl Default for TargetOptions {
    /// One replica.
    fn default() -> Self {
        Self { replicas: 1 }
    }
}

/// A Nacos cluster that one link writes to, any version from 1.1 to 3.x.
pub struct NacosTarget {
    cluster: Arc<Cluster>,
    options: TargetOptions,
    holder: OnceCell<Holder>,
}

/// What keeps the registrations, as decided at the first use.
enum Holder {
    Connection(connection::Connections),
    Beat(beat::Beaten),
    Persistent(persistent::Persistent),
    /// Closed before it was used.
    None,
}

impl NacosTarget {
    /// A target that asks nothing before it is used.
    pub fn new(config: &NacosConfig, endpoint: EndpointName, options: TargetOptions) -> Self {
        Self {
            cluster: Arc::new(Cluster::new(config, endpoint)),
            options,
            holder: OnceCell::new(),
        }
    }

    async fn holder(&self) -> Result<&Holder, Failure> {
        self.holder
            .get_or_try_init(|| async {
                let server = self.cluster.negotiated().await?;
                let resolved = self.resolve(&server)?;
                Ok(match resolved.hold {
                    Hold::Connection => Holder::Connection(
                        connection::Connections::new(&self.cluster, &server).await?,
                    ),
                    Hold::Beat | Hold::Written => {
                        Holder::Beat(beat::Beaten::new(&self.cluster, &server).await?)
                    }
                    Hold::Persistent => Holder::Persistent(
                        persistent::Persistent::new(&self.cluster, &server).await?,
                    ),
                })
            })
            .await
    }

    fn resolve(&self, server: &Negotiated) -> Result<hold::Resolved, Failure> {
        let mode = self.cluster.config().hold;
        hold::resolve(mode, self.options.replicas, server).map_err(|why| {
            let doing = format!("{}: {why}", self.cluster.endpoint());
            Failure::new(Class::Unsupported, doing).blaming(Whose::Configuration)
        })
    }

    /// The shortest of a few round trips over gRPC, which also tells whether
    /// there is a way at all.
    async fn round_trip(&self) -> Result<Duration, Failure> {
        let server = self.cluster.http().await?.servers().current().id().clone();
        let connection = self.cluster.connect(&server).await?;
        let nobody = ServiceRef::new("public", "DEFAULT_GROUP", "syncline.check");
        let mut shortest = Duration::MAX;
        for _ in 0..3 {
            let started = Instant::now();
            // A refusal takes as long as an answer, and reading is not our task.
            match connection.query(&nobody, "").await {
                Err(error) if error.class() == ErrorClass::Transport => {
                    let doing = format!("{}: measure the way", self.cluster.endpoint());
                    return Err(failure::of_call(doing, error));
                }
                Ok(_) | Err(_) => shortest = shortest.min(started.elapsed()),
            }
        }
        connection.close().await;
        Ok(shortest)
    }
}

impl std::fmt::Debug for NacosTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NacosTarget({})", self.cluster.endpoint())
    }
}

#[async_trait]
impl Target for NacosTarget {
    async fn describe(&self) -> Result<TargetReport, Failure> {
        let server = self.cluster.negotiate().await?;
        let resolved = self.resolve(&server)?;
        let mut advice = vec![resolved.crash.to_owned()];
        if resolved.hold == Hold::Connection {
            let way = self.round_trip().await?;
            if way > FAR {
                advice.push(format!(
                    "the way to the servers takes {} ms, and every registration is gone for a \
                     moment when it breaks: run Syncline near its target, or use `hold: beat`",
                    way.as_millis()
                ));
            }
        }
        Ok(TargetReport {
            product: product(&server),
            identity: identity(resolved.hold, &server),
            hold: resolved.hold,
            unavailable: match (resolved.hold, server.generation) {
                // Registering again does not change the health that 1.x knows.
                (Hold::Beat, Generation::V1) => Unavailable::Weight,
                _ => Unavailable::WeightAndHealth,
            },
            advice,
        })
    }

    async fn apply(&self, write: Write) -> Result<(), Failure> {
        match self.holder().await? {
            Holder::Connection(connections) => connections.apply(&write).await,
            Holder::Beat(beaten) => beaten.apply(&write).await,
            Holder::Persistent(persistent) => persistent.apply(&write).await,
            Holder::None => Err(closed(&self.cluster, &write)),
        }
    }

    async fn close(&self, ending: Ending) {
        let holder = self.holder.get_or_init(|| async { Holder::None }).await;
        match (holder, ending) {
            // The server removes at once what a closed connection held.
            (Holder::Connection(connections), _) => connections.close().await,
            (Holder::Beat(beaten), Ending::Stop) => beaten.stop().await,
            (Holder::Beat(beaten), Ending::Remove) => beaten.remove().await,
            (Holder::Persistent(persistent), Ending::Remove) => persistent.remove().await,
            (Holder::Persistent(_), Ending::Stop) | (Holder::None, _) => {}
        }
    }
}

fn identity(hold: Hold, server: &Negotiated) -> Identity {
    match hold {
        Hold::Connection => Identity::AddressAndCluster,
        Hold::Beat | Hold::Persistent | Hold::Written => server.features.http_identity,
    }
}

fn closed(cluster: &Cluster, write: &Write) -> Failure {
    let doing = format!("{}: write {}", cluster.endpoint(), write.service);
    Failure::new(Class::Fatal, doing)
        .blaming(Whose::Us)
        .because("the target is closed")
}

/// Several failures of one write as one: the first, and how many others.
fn together(doing: String, mut failures: Vec<Failure>) -> Result<(), Failure> {
    if failures.is_empty() {
        return Ok(());
    }
    let others = failures.len() - 1;
    let rest = failures
        .iter()
        .filter_map(|failure| failure.retry_after)
        .max();
    let first = failures.swap_remove(0);
    if others == 0 {
        return Err(first);
    }
    let doing = format!("{doing} ({others} others failed too)");
    Err(Failure::new(first.class, doing)
        .blaming(first.whose)
        .after(rest)
        .because(first))
}
