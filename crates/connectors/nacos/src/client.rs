//! One Nacos cluster, as both roles talk to it: whom to ask, as whom, and what
//! it can do.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use syncline_contract::{Class, Failure, FilePath};
use syncline_model::EndpointName;
use syncline_nacos::grpc::{
    ErrorClass, GrpcConnection, GrpcOptions, GrpcServer, HeaderError, HeaderSource, ServiceRef,
    Session, SessionEvents, SessionOptions,
};
use syncline_nacos::http::{
    self, AccessKey, ClientOptions, Credentials, GrpcPort, HttpClient, Presented, Route,
    ServerAddress, ServerId, TlsOptions, TransportOptions,
};
use syncline_nacos::message::Headers;
use syncline_nacos::version::Negotiated;
use tokio::sync::OnceCell;

use crate::config::{Members, NacosConfig, Tls};
use crate::failure;

/// A cluster. Nothing is read or sent before the first question.
pub(crate) struct Cluster {
    endpoint: EndpointName,
    config: NacosConfig,
    clients: OnceCell<Clients>,
    negotiated: Mutex<Option<Arc<Negotiated>>>,
}

/// What is made once, when the first question comes.
struct Clients {
    http: Arc<HttpClient>,
    grpc: Arc<GrpcOptions>,
}

impl Cluster {
    pub(crate) fn new(config: &NacosConfig, endpoint: EndpointName) -> Self {
        Self {
            endpoint,
            config: config.clone(),
            clients: OnceCell::new(),
            negotiated: Mutex::new(None),
        }
    }

    pub(crate) fn endpoint(&self) -> &EndpointName {
        &self.endpoint
    }

    pub(crate) fn config(&self) -> &NacosConfig {
        &self.config
    }

    /// The HTTP client.
    ///
    /// # Errors
    /// The configuration cannot be used: a file that cannot be read, say.
    pub(crate) async fn http(&self) -> Result<&Arc<HttpClient>, Failure> {
        Ok(&self.clients().await?.http)
    }

    /// What the cluster can do, as it was found out last.
    ///
    /// # Errors
    /// Nobody answers, or not as Nacos does.
    pub(crate) async fn negotiated(&self) -> Result<Arc<Negotiated>, Failure> {
        let known = self.negotiated.lock().clone();
        match known {
            Some(known) => Ok(known),
            None => self.negotiate().await,
        }
    }

    /// Finds out what the cluster can do, and who its members are where they
    /// are to be discovered.
    ///
    /// # Errors
    /// As [`Cluster::negotiated`].
    pub(crate) async fn negotiate(&self) -> Result<Arc<Negotiated>, Failure> {
        let clients = self.clients().await?;
        if self.config.members == Members::Discover
            && let Err(error) = clients.http.discover().await
        {
            // Those that are configured do as well.
            tracing::debug!(endpoint = %self.endpoint, %error, "members are not discovered");
        }
        let grpc_port = |server| self.grpc_port(clients, server);
        let found = clients.http.probe(grpc_port, &Route::Any).await;
        let found = found.map_err(|error| self.failure("find out its version", error))?;
        let negotiated = Arc::new(found.value);
        *self.negotiated.lock() = Some(Arc::clone(&negotiated));
        Ok(negotiated)
    }

    /// What sessions are made with.
    ///
    /// # Errors
    /// As [`Cluster::http`].
    pub(crate) async fn dialer(&self) -> Result<Dialer, Failure> {
        let clients = self.clients().await?;
        Ok(Dialer {
            http: Arc::clone(&clients.http),
            grpc: Arc::clone(&clients.grpc),
        })
    }

    /// Opens a connection to one server, for questions that leave nothing
    /// behind.
    ///
    /// # Errors
    /// It has no gRPC port, or does not answer there.
    pub(crate) async fn connect(&self, server: &ServerId) -> Result<GrpcConnection, Failure> {
        let doing = || format!("ask {server} over gRPC");
        let clients = self.clients().await?;
        let addresses = clients.http.servers().addresses();
        let address = addresses.iter().find(|address| address.id() == server);
        let Some(server) = address.and_then(|address| grpc_server(&clients.http, address)) else {
            return Err(Failure::new(Class::Unsupported, doing()));
        };
        match GrpcConnection::connect(&server, Arc::clone(&clients.grpc)).await {
            Ok((connection, _events)) => Ok(connection),
            Err(error) => Err(failure::of_call(doing(), error)),
        }
    }

    /// A failure of an HTTP call to this cluster.
    pub(crate) fn failure(&self, doing: &str, error: http::HttpError) -> Failure {
        failure::of_http(format!("{}: {doing}", self.endpoint), error)
    }

    async fn clients(&self) -> Result<&Clients, Failure> {
        self.clients
            .get_or_try_init(|| async {
                Clients::new(&self.config).map_err(|error| {
                    Failure::new(Class::Fatal, format!("set up {}", self.endpoint)).because(error)
                })
            })
            .await
    }

    async fn grpc_port(&self, clients: &Clients, server: Arc<ServerAddress>) -> GrpcPort {
        let Some(server) = grpc_server(&clients.http, &server) else {
            return GrpcPort::Silent;
        };
        match GrpcConnection::connect(&server, Arc::clone(&clients.grpc)).await {
            Ok((connection, _events)) => {
                connection.close().await;
                GrpcPort::Answers
            }
            Err(error) => match error.class() {
                ErrorClass::Starting => GrpcPort::Starting,
                ErrorClass::Transport | ErrorClass::Timeout => GrpcPort::Silent,
                _ => GrpcPort::Answers,
            },
        }
    }
}

/// Makes sessions. Whoever asks often keeps one.
pub(crate) struct Dialer {
    http: Arc<HttpClient>,
    grpc: Arc<GrpcOptions>,
}

impl Dialer {
    /// The members that can be told apart; none where they cannot.
    pub(crate) fn members(&self) -> Vec<ServerId> {
        let servers = self.http.servers();
        let distinct = servers.distinct_members();
        let addresses = servers.addresses();
        // Members come before addresses that only lead to some member.
        let members = addresses.iter().take(distinct);
        members.map(|address| address.id().clone()).collect()
    }

    /// Starts a session with some of the servers; none named means all.
    pub(crate) fn dial(&self, servers: &[ServerId]) -> (Session, SessionEvents) {
        let addresses = self.http.servers().addresses();
        let wanted =
            |address: &&Arc<ServerAddress>| servers.is_empty() || servers.contains(address.id());
        let servers = addresses
            .iter()
            .filter(wanted)
            .filter_map(|address| grpc_server(&self.http, address))
            .collect();
        let options = SessionOptions::new(servers, Arc::clone(&self.grpc), random());
        Session::start(options)
    }
}

/// A number that differs from one session, process and machine to the next.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn grpc_server(http: &HttpClient, address: &ServerAddress) -> Option<GrpcServer> {
    let (host, port) = http.grpc_endpoint(address)?;
    Some(GrpcServer { host, port })
}

/// The two clients of a cluster without credentials, for calls of others that
/// bring their own.
///
/// # Errors
/// The configuration cannot be used: a file that cannot be read, say.
pub fn anonymous(config: &NacosConfig) -> Result<(Arc<HttpClient>, GrpcOptions), http::SetupError> {
    let config = NacosConfig {
        username: None,
        password: None,
        access_key: None,
        secret_key: None,
        ..config.clone()
    };
    let Clients { http, grpc } = Clients::new(&config)?;
    Ok((http, GrpcOptions::clone(&grpc)))
}

impl Clients {
    fn new(config: &NacosConfig) -> Result<Self, http::SetupError> {
        let tls = config.tls.as_ref().map(tls_options).unwrap_or_default();
        let mut options = ClientOptions::new(config.servers.iter().map(|s| s.as_str()));
        options.members = match config.members {
            Members::Listed => http::Members::Listed,
            Members::Discover => http::Members::Discover,
            Members::Vip => http::Members::Vip,
        };
        options.context_path.clone_from(&config.context_path);
        options.grpc_port = config.grpc_port;
        options.admin_url = config.admin_url.as_ref().map(|url| url.as_str().to_owned());
        options.credentials = credentials(config)?;
        options.transport = TransportOptions {
            connect_timeout: config.timeouts.connect.get(),
            request_timeout: config.timeouts.request.get(),
            tls: tls.clone(),
            ..TransportOptions::default()
        };
        let http = Arc::new(HttpClient::new(options)?);
        // What is worth protecting over HTTP is over gRPC as well.
        let https = http.servers().addresses().iter().any(|a| a.is_https());
        let grpc = GrpcOptions {
            tls_server_name: tls.server_name.clone(),
            tls: if https || config.tls.is_some() {
                Some(Arc::new(tls.client_config()?))
            } else {
                None
            },
            labels: [("AppName".to_owned(), "syncline".to_owned())].into(),
            headers: Arc::new(Identity {
                http: Arc::clone(&http),
                presented: Mutex::new(None),
            }),
            timeouts: syncline_nacos::grpc::Timeouts {
                connect: config.timeouts.connect.get(),
                call: config.timeouts.request.get(),
                ..Default::default()
            },
            ..GrpcOptions::default()
        };
        Ok(Self {
            http,
            grpc: Arc::new(grpc),
        })
    }
}

fn tls_options(tls: &Tls) -> TlsOptions {
    let path = |path: &FilePath| path.as_path().to_owned();
    TlsOptions {
        ca_file: tls.ca.as_ref().map(path),
        cert_file: tls.cert.as_ref().map(path),
        key_file: tls.key.as_ref().map(path),
        server_name: tls.server_name.clone(),
        insecure_skip_verify: tls.insecure_skip_verify,
    }
}

fn credentials(config: &NacosConfig) -> Result<Credentials, http::SetupError> {
    let secret = |secret: &syncline_contract::Secret| http::Secret::new(secret.expose());
    if let (Some(id), Some(key)) = (&config.access_key, &config.secret_key) {
        return Ok(Credentials::AccessKey(AccessKey {
            id: id.clone(),
            secret: secret(key),
            security_token: None,
            region: None,
        }));
    }
    Credentials::user(
        config.username.as_deref(),
        config.password.as_ref().map(secret),
    )
}

/// Presents over gRPC what is presented over HTTP.
struct Identity {
    http: Arc<HttpClient>,
    /// What was presented last, which a refusal is about.
    presented: Mutex<Option<Presented>>,
}

impl HeaderSource for Identity {
    fn headers<'a>(
        &'a self,
        service: Option<&'a ServiceRef>,
    ) -> BoxFuture<'a, Result<Headers, HeaderError>> {
        Box::pin(async move {
            let grouped = service.map(ServiceRef::grouped);
            let presented = self.http.present(grouped.as_deref()).await?;
            let headers = presented.fields().iter().cloned().collect();
            *self.presented.lock() = Some(presented);
            Ok(headers)
        })
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        let again = match &*self.presented.lock() {
            Some(presented) => self.http.refused(presented),
            None => false,
        };
        Box::pin(std::future::ready(again))
    }
}
