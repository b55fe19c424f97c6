//! The gRPC side: Nacos 2.x clients, one connection each.
//!
//! Nacos identifies a client by its TCP connection: what a connection
//! registered lives exactly as long as it does. tonic hands each request the
//! [`Transport`] that it came by, so nothing has to be looked up by address,
//! and a transport that is dropped takes its client along at once.

mod check;
mod gate;
#[cfg(test)]
mod in_process;
mod names;
mod outbox;
mod requests;
mod rounds;
mod stream;
mod transport;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::Stream;
use parking_lot::Mutex;
use syncline_nacos::message::configs::answer_to;
use syncline_nacos::message::generated::bi_request_stream_server::{
    BiRequestStream, BiRequestStreamServer,
};
use syncline_nacos::message::generated::request_server::{Request as Unary, RequestServer};
use syncline_nacos::message::payload::{Payload, kind};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::configs;
use crate::registry::Registry;

#[cfg(test)]
pub(crate) use in_process::InProcess;
pub(crate) use outbox::{Outboxes, Peer};
pub(crate) use transport::Transport;
use transport::TransportIo;

/// How often connections are looked at for silence and missing
/// acknowledgements.
const SWEEP: Duration = Duration::from_millis(500);

/// How long open streams may finish once the server ends.
const GRACE: Duration = Duration::from_secs(1);

/// Enough for a client with hundreds of requests in flight.
const CONCURRENT_STREAMS: u32 = 1024;

/// How many requests of a connection are read at a time, which bounds what a
/// client can make the server hold; the others wait unread.
const READ_AT_ONCE: usize = 64;

/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Service {
    registry: Registry,
}

#[tonic::async_trait]
impl Unary for Service {
    async fn request(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let transport = transport_of(&request)?;
        let payload = request.into_inner();
        let answer = match answer_to(kind(&payload)) {
            Some(answer) if transport.client().is_some() => {
                transport.hear();
                let upstream = self.registry.inner.configs.as_ref();
                configs::answer(upstream, &transport, payload, answer).await
            }
            _ => {
                let answer = requests::answer(&self.registry, &transport, &payload);
                requests::saved(&self.registry, &payload, answer).await
            }
        };
        self.registry.inner.counters.grpc_requests.add(1);
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl BiRequestStream for Service {
    type requestBiStreamStream = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

    async fn request_bi_stream(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Self::requestBiStreamStream>, Status> {
        let transport = transport_of(&request)?;
        let outgoing = stream::open(self.registry.clone(), transport, request.into_inner());
        Ok(Response::new(Box::pin(outgoing)))
    }
}

fn transport_of<T>(request: &Request<T>) -> Result<Arc<Transport>, Status> {
    let transport = request.extensions().get::<Arc<Transport>>();
    transport
        .cloned()
        .ok_or_else(|| Status::internal("a request without its transport"))
}

/// Serves gRPC until cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    registry: Registry,
    cancel: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let transports = Arc::new(Transports::new(registry.clone(), tls));
    let limit = registry.settings().limits.grpc_message_bytes;
    let service = Service { registry };
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .concurrency_limit_per_connection(READ_AT_ONCE)
        .timeout(REQUEST_TIMEOUT)
        .add_service(RequestServer::new(service.clone()).max_decoding_message_size(limit))
        .add_service(BiRequestStreamServer::new(service).max_decoding_message_size(limit))
        .serve_with_incoming_shutdown(
            incoming(listener, transports.clone()),
            cancel.clone().cancelled_owned(),
        );
    tokio::select! {
        served = server => served,
        () = transports.sweep_until(&cancel) => Ok(()),
    }
}

/// The transports that are open at one port.
struct Transports {
    registry: Registry,
    tls: Option<TlsAcceptor>,
    open: Mutex<Vec<std::sync::Weak<Transport>>>,
    count: Arc<AtomicUsize>,
}

impl Transports {
    fn new(registry: Registry, tls: Option<TlsAcceptor>) -> Self {
        Self {
            registry,
            tls,
            open: Mutex::default(),
            count: Arc::default(),
        }
    }

    fn admit(&self, stream: tokio::net::TcpStream) -> Option<TransportIo> {
        let limit = self.registry.settings().limits.transports;
        if self.count.load(Ordering::Relaxed) >= limit {
            tracing::warn!(limit, "too many gRPC transports; one was closed");
            return None;
        }
        let (tls, count) = (self.tls.as_ref(), self.count.clone());
        let io = TransportIo::new(stream, tls, &self.registry, count).ok()?;
        self.open.lock().push(io.transport());
        Some(io)
    }

    /// Looks after the transports; ends them all once cancelled.
    async fn sweep_until(&self, cancel: &CancellationToken) {
        let mut ticks = tokio::time::interval(SWEEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = ticks.tick() => self.each(Transport::sweep),
            }
        }
        self.each(Transport::end_stream);
        tokio::time::sleep(GRACE).await;
        self.each(Transport::kill);
    }

    fn each(&self, action: impl Fn(&Transport)) {
        let mut alive = Vec::new();
        self.open.lock().retain(|transport| {
            let transport = transport.upgrade();
            let keep = transport.is_some();
            alive.extend(transport);
            keep
        });
        for transport in alive {
            action(&transport);
        }
    }
}

fn incoming(
    listener: TcpListener,
    transports: Arc<Transports>,
) -> impl Stream<Item = io::Result<TransportIo>> {
    futures_util::stream::unfold(
        (listener, transports),
        |(listener, transports)| async move {
            loop {
                let accepted = crate::serve::accept(&listener).await;
                if let Some(io) = transports.admit(accepted) {
                    return Some((Ok(io), (listener, transports)));
                }
            }
        },
    )
}
