//! Nacos as a source: list, read, watch.

mod advice;
mod describe;
mod find;
mod fuzzy;
mod list;
mod look;
mod names;
mod pace;
mod placement;
mod poll;
mod push;
mod reach;
mod subscribe;
mod suspicion;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use syncline_contract::{
    Failure, Interest, ListEnd, Listed, ObservationSink, Purpose, Source, SourceReport,
};
use syncline_model::scope::Scope;
use syncline_model::{EndpointName, NamespaceId, ServiceKey, View};
use syncline_nacos::grpc::GrpcConnection;
use syncline_nacos::http::ServerId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::Cluster;
use crate::config::NacosConfig;
use crate::texts::Texts;
use suspicion::Suspicions;

pub(crate) use describe::product;

/// How long a namespace in which raw lists were refused is read with a
/// consumer's eyes before raw ones are tried again.
const REFUSED_FOR: Duration = Duration::from_secs(300);

/// How long no second opinion is asked for after none came.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// A Nacos cluster that is read, any version from 1.1 to 3.x.
///
/// It prefers raw lists, which show what is registered, and says so where only
/// a consumer's view is to be had.
pub struct NacosSource {
    reader: Arc<Reader>,
}

impl NacosSource {
    /// A source that asks nothing before it is used.
    pub fn new(config: &NacosConfig, endpoint: EndpointName) -> Self {
        Self {
            reader: Arc::new(Reader {
                cluster: Cluster::new(config, endpoint),
                texts: Texts::default(),
                memory: Mutex::default(),
            }),
        }
    }
}

impl std::fmt::Debug for NacosSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NacosSource({})", self.reader.cluster.endpoint())
    }
}

#[async_trait]
impl Source for NacosSource {
    async fn describe(&self) -> Result<SourceReport, Failure> {
        self.reader.describe().await
    }

    async fn list(&self, scopes: &[Scope], sink: mpsc::Sender<Listed>) -> ListEnd {
        self.reader.list(scopes, &sink).await
    }

    async fn read(&self, service: &ServiceKey, purpose: Purpose) -> View {
        match purpose {
            Purpose::Refresh => self.reader.refresh(service).await,
            Purpose::ConfirmRemoval => self.reader.confirm(service).await,
        }
    }

    async fn watch(&self, interest: Interest, sink: ObservationSink, cancel: CancellationToken) {
        let watching = watch::run(Arc::clone(&self.reader), &interest, &sink);
        // Everything that a watch holds ends with its future.
        cancel.run_until_cancelled(watching).await;
    }
}

/// What list, read and watch share.
struct Reader {
    cluster: Cluster,
    texts: Texts,
    memory: Mutex<Memory>,
}

/// What was learnt on the way.
#[derive(Default)]
struct Memory {
    /// Namespaces that were found, and not named in a scope.
    found: BTreeSet<NamespaceId>,
    /// Namespaces whose raw lists were refused, when, and why.
    refused: HashMap<NamespaceId, (Instant, Arc<str>)>,
    /// When a second member was asked for the last time in vain.
    silent_since: Option<Instant>,
    /// A namespace that is read, to try out what is permitted.
    sample: Option<NamespaceId>,
    /// What speaks against believing what is shown.
    suspicions: Suspicions,
    /// Connections for questions over gRPC.
    connections: HashMap<ServerId, GrpcConnection>,
}

impl Memory {
    /// Why raw lists of a namespace are not even tried at present.
    fn refusal(&self, namespace: &NamespaceId) -> Option<Arc<str>> {
        let (since, why) = self.refused.get(namespace)?;
        (since.elapsed() < REFUSED_FOR).then(|| Arc::clone(why))
    }

    /// Whether a second member is worth asking.
    fn second_opinion(&self) -> bool {
        self.silent_since
            .is_none_or(|since| since.elapsed() >= SILENT_FOR)
    }
}
