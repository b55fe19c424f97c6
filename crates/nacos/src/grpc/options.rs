//! How to connect, and as whom.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::ServiceRef;
use crate::message::Headers;

/// A server's gRPC address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GrpcServer {
    /// An IP address, without brackets, or a host name.
    pub host: String,
    /// The port for SDKs, by convention the HTTP port plus 1000. The one after
    /// it is for servers among themselves and refuses clients.
    pub port: u16,
}

impl fmt::Display for GrpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a connection is, apart from its server.
#[derive(Clone)]
pub struct GrpcOptions {
    /// TLS, or plain text if `None`. ALPN is set by the connection.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The name that the server's certificate must carry, where it is not the
    /// host.
    pub tls_server_name: Option<String>,
    /// The namespace that the connection is shown under. Calls name their own.
    pub namespace: String,
    /// `name:version`, shown by the server's console.
    pub client_version: String,
    /// Labels besides `source=sdk`, such as `AppName`. `module` is `naming` where
    /// it is not among them.
    pub labels: BTreeMap<String, String>,
    /// Where the headers of each request come from.
    pub headers: Arc<dyn HeaderSource>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The largest message that is read, in bytes. Servers send at most 10 MiB
    /// unless configured otherwise.
    pub max_receive_bytes: usize,
}

impl Default for GrpcOptions {
    /// Plain text, no credentials, namespace `public`.
    fn default() -> Self {
        Self {
            tls: None,
            tls_server_name: None,
            namespace: "public".to_owned(),
            client_version: concat!("Syncline:v", env!("CARGO_PKG_VERSION")).to_owned(),
            labels: BTreeMap::new(),
            headers: Arc::new(Anonymous),
            timeouts: Timeouts::default(),
            max_receive_bytes: 64 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for GrpcOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcOptions")
            .field("tls", &self.tls.is_some())
            .field("namespace", &self.namespace)
            .field("client_version", &self.client_version)
            .field("labels", &self.labels)
            .field("timeouts", &self.timeouts)
            .field("max_receive_bytes", &self.max_receive_bytes)
            .finish_non_exhaustive()
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For the transport, TLS included.
    pub connect: Duration,
    /// For the server to accept the connection after that.
    pub setup: Duration,
    /// For an ordinary call.
    pub call: Duration,
    /// For a batch, besides `call`, for each of its instances.
    pub call_per_instance: Duration,
    /// Between two health checks. Servers probe connections that are silent
    /// for 20 s, and close some even if they answer (2.0.3 to 3.0.3), so this
    /// has to stay well below.
    pub health_interval: Duration,
    /// How many health checks in a row may fail.
    pub health_attempts: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            setup: Duration::from_secs(5),
            call: Duration::from_secs(3),
            call_per_instance: Duration::from_millis(1),
            health_interval: Duration::from_secs(5),
            health_attempts: 3,
        }
    }
}

/// Why there are no headers: logging in failed.
pub type HeaderError = Box<dyn Error + Send + Sync>;

/// Gives requests the headers that identify the client: an access token, or a
/// signature.
pub trait HeaderSource: Send + Sync {
    /// The headers of a request, about a service if it is about one.
    fn headers<'a>(
        &'a self,
        service: Option<&'a ServiceRef>,
    ) -> BoxFuture<'a, Result<Headers, HeaderError>>;

    /// Hears that a server refused the headers (error 403), and says whether
    /// asking again with new ones is worth a try.
    fn refused(&self) -> BoxFuture<'_, bool>;
}

/// No headers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

impl HeaderSource for Anonymous {
    fn headers<'a>(
        &'a self,
        _service: Option<&'a ServiceRef>,
    ) -> BoxFuture<'a, Result<Headers, HeaderError>> {
        Box::pin(async { Ok(Headers::default()) })
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}
