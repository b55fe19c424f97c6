//! The port: gRPC services whose streams are the clients.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream as FuturesStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Response, Status, Streaming};

use crate::config::XdsConfig;
use crate::output::XdsOutput;
use crate::proto::discovery::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use crate::proto::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use crate::proto::envoy::service::cluster::v3::cluster_discovery_service_server::{
    ClusterDiscoveryService, ClusterDiscoveryServiceServer,
};
use crate::proto::envoy::service::endpoint::v3::endpoint_discovery_service_server::{
    EndpointDiscoveryService, EndpointDiscoveryServiceServer,
};
use crate::resources::Kind;
use crate::stream::{Delta, Stream, Whole, Wire};

/// How large a request may be: room for a subscription to every service of a
/// large installation.
const REQUEST_BYTES: usize = 16 << 20;

/// A connection is asked for a sign of life after so long a silence.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long it may take to give one.
const KEEPALIVE_WITHIN: Duration = Duration::from_secs(20);

/// How long connections may take to close once the server ends.
const GRACE: Duration = Duration::from_secs(1);

/// How long to wait after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How many answers wait for a client to read them.
const UNREAD: usize = 4;

/// A control plane, its port bound.
#[derive(Debug)]
pub struct ControlPlane {
    listener: TcpListener,
    output: XdsOutput,
    places: Arc<Semaphore>,
}

/// A control plane could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No listener at its address.
    #[error("cannot listen for xDS on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The gRPC server failed.
    #[error("serving xDS failed")]
    Serve(#[source] tonic::transport::Error),
}

impl ControlPlane {
    /// Takes the port. Whoever connects waits until it is served.
    ///
    /// # Errors
    /// When the port is taken, or there is no such address.
    pub async fn bind(config: &XdsConfig) -> Result<Self, ServeError> {
        let addr = config.listen;
        let bound = TcpListener::bind(addr).await;
        let listener = bound.map_err(|source| ServeError::Bind { addr, source })?;
        let streams = usize::try_from(config.max_streams.get()).unwrap_or(usize::MAX);
        Ok(Self {
            listener,
            output: XdsOutput::new(config.clone()),
            places: Arc::new(Semaphore::new(streams.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// What a link writes to.
    pub fn output(&self) -> XdsOutput {
        self.output.clone()
    }

    /// Serves clients until cancelled.
    ///
    /// # Errors
    /// When gRPC cannot be served.
    pub async fn serve(self, cancel: CancellationToken) -> Result<(), ServeError> {
        let streams = TaskTracker::new();
        let services = Services {
            output: self.output,
            places: self.places,
            streams: streams.clone(),
            cancel: cancel.clone(),
        };
        let aggregated = AggregatedDiscoveryServiceServer::new(services.clone());
        let clusters = ClusterDiscoveryServiceServer::new(services.clone());
        let endpoints = EndpointDiscoveryServiceServer::new(services);
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_WITHIN))
            .add_service(aggregated.max_decoding_message_size(REQUEST_BYTES))
            .add_service(clusters.max_decoding_message_size(REQUEST_BYTES))
            .add_service(endpoints.max_decoding_message_size(REQUEST_BYTES))
            .serve_with_incoming_shutdown(
                incoming(self.listener),
                cancel.clone().cancelled_owned(),
            );
        let ended = async {
            cancel.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let served = tokio::select! {
            served = server => served.map_err(ServeError::Serve),
            () = ended => Ok(()),
        };
        streams.close();
        cancel.cancel();
        streams.wait().await;
        served
    }
}

/// The connections of clients. Failing to accept one (out of descriptors, or
/// the client has gone) is no reason to stop listening.
fn incoming(listener: TcpListener) -> impl FuturesStream<Item = io::Result<TcpStream>> {
    stream::unfold(listener, |listener| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Answers are small, and each is waited for.
                    let stream = stream.set_nodelay(true).map(|()| stream);
                    return Some((stream, listener));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    })
}

#[derive(Clone)]
struct Services {
    output: XdsOutput,
    places: Arc<Semaphore>,
    streams: TaskTracker,
    cancel: CancellationToken,
}

type Answers<T> = Pin<Box<dyn FuturesStream<Item = Result<T, Status>> + Send>>;
type Requests<T> = tonic::Request<Streaming<T>>;

impl Services {
    /// Opens a stream about all kinds, or about one.
    fn open<W: Wire>(
        &self,
        only: Option<Kind>,
        requests: Requests<W::Request>,
    ) -> Result<Response<Answers<W::Response>>, Status> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place =
            place.map_err(|_| Status::resource_exhausted("as many streams are open as may be"))?;
        let (responses, answers) = mpsc::channel(UNREAD);
        let published = self.output.follow();
        let stream = Stream::<W>::new(only, requests.into_inner(), responses, published, place);
        self.streams.spawn(stream.run(self.cancel.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Services {
    type StreamAggregatedResourcesStream = Answers<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Answers<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        requests: Requests<DiscoveryRequest>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        self.open::<Whole>(None, requests)
    }

    async fn delta_aggregated_resources(
        &self,
        requests: Requests<DeltaDiscoveryRequest>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        self.open::<Delta>(None, requests)
    }
}

#[tonic::async_trait]
impl ClusterDiscoveryService for Services {
    type StreamClustersStream = Answers<DiscoveryResponse>;
    type DeltaClustersStream = Answers<DeltaDiscoveryResponse>;

    async fn stream_clusters(
        &self,
        requests: Requests<DiscoveryRequest>,
    ) -> Result<Response<Self::StreamClustersStream>, Status> {
        self.open::<Whole>(Some(Kind::Cluster), requests)
    }

    async fn delta_clusters(
        &self,
        requests: Requests<DeltaDiscoveryRequest>,
    ) -> Result<Response<Self::DeltaClustersStream>, Status> {
        self.open::<Delta>(Some(Kind::Cluster), requests)
    }
}

#[tonic::async_trait]
impl EndpointDiscoveryService for Services {
    type StreamEndpointsStream = Answers<DiscoveryResponse>;
    type DeltaEndpointsStream = Answers<DeltaDiscoveryResponse>;

    async fn stream_endpoints(
        &self,
        requests: Requests<DiscoveryRequest>,
    ) -> Result<Response<Self::StreamEndpointsStream>, Status> {
        self.open::<Whole>(Some(Kind::Endpoint), requests)
    }

    async fn delta_endpoints(
        &self,
        requests: Requests<DeltaDiscoveryRequest>,
    ) -> Result<Response<Self::DeltaEndpointsStream>, Status> {
        self.open::<Delta>(Some(Kind::Endpoint), requests)
    }
}

#[cfg(test)]
mod tests;
