//! One HTTP/2 transport that never reconnects.
//!
//! To Nacos a connection *is* its transport: the server ties registrations and
//! subscriptions to the socket that they came over. tonic's own channel
//! reconnects silently and could spread calls over several sockets, so this
//! one is made by hand.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::{GrpcOptions, GrpcServer};

/// How much of one push, and of all together, may be on its way unread. A push
/// of 5,000 instances is about 2 MB.
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// The sending half. Clones share the transport.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    requests: SendRequest<Body>,
}

/// A fresh transport.
pub(super) struct Opened {
    pub(super) transport: Transport,
    /// Moves the bytes; resolves when the transport is gone.
    pub(super) driver: BoxFuture<'static, Result<(), hyper::Error>>,
    pub(super) origin: Uri,
    pub(super) local_ip: IpAddr,
}

pub(super) async fn open(
    server: &GrpcServer,
    options: &GrpcOptions,
) -> Result<Opened, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
    stream.set_nodelay(true)?;
    let local_ip = stream.local_addr()?.ip();
    let scheme = if options.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let origin = format!("{scheme}://{server}").parse()?;
    let (transport, driver) = match &options.tls {
        Some(tls) => {
            let name = options.tls_server_name.as_ref().unwrap_or(&server.host);
            let name = ServerName::try_from(name.clone())?;
            let mut tls = rustls::ClientConfig::clone(tls);
            tls.alpn_protocols = vec![b"h2".to_vec()];
            let tls = TlsConnector::from(Arc::new(tls));
            handshake(tls.connect(name, stream).await?).await?
        }
        None => handshake(stream).await?,
    };
    Ok(Opened {
        transport,
        driver,
        origin,
        local_ip,
    })
}

async fn handshake<S>(
    stream: S,
) -> hyper::Result<(Transport, BoxFuture<'static, hyper::Result<()>>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // No HTTP/2 pings, and so no adaptive window either: servers forbid more
    // than one in 5 minutes and answer with GOAWAY.
    let (requests, driver) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake(TokioIo::new(stream))
        .await?;
    Ok((Transport { requests }, Box::pin(driver)))
}

impl tower::Service<http::Request<Body>> for Transport {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, hyper::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}
