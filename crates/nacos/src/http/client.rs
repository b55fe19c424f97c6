//! The HTTP client of one cluster.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use tokio::sync::OnceCell;

use super::address::{DEFAULT_CONTEXT_PATH, ServerAddress, ServerId};
use super::auth::{Auth, Credentials, Presented};
use super::error::{Class, HttpError};
use super::probe::METRICS;
use super::servers::{Members, Route, ServerList};
use super::tls::SetupError;
use super::transport::{Answer, Request, Transport, TransportOptions};

/// How a cluster is reached.
#[derive(Clone)]
pub struct ClientOptions {
    /// The servers: `host`, `host:port` or URLs.
    pub servers: Vec<String>,
    /// What these addresses are.
    pub members: Members,
    /// The context path, `/nacos` by default.
    pub context_path: String,
    /// The port for gRPC, where it is not the HTTP port + 1000.
    pub grpc_port: Option<u16>,
    /// Where the admin API or the console of a 3.x cluster is, if not at the
    /// servers themselves: a URL, without context path where it names none.
    pub admin_url: Option<String>,
    /// What to present.
    pub credentials: Credentials,
    /// Limits, and how servers are trusted.
    pub transport: TransportOptions,
}

impl ClientOptions {
    /// Servers with everything else at its default.
    pub fn new(servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            members: Members::default(),
            context_path: DEFAULT_CONTEXT_PATH.to_owned(),
            grpc_port: None,
            admin_url: None,
            credentials: Credentials::default(),
            transport: TransportOptions::default(),
        }
    }
}

/// An answer, and which server gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered<T> {
    /// What was answered.
    pub value: T,
    /// The member that answered: a second opinion comes from another.
    pub server: ServerId,
}

impl<T> Answered<T> {
    /// The same answer, seen differently.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answered<U> {
        Answered {
            value: f(self.value),
            server: self.server,
        }
    }
}

/// The HTTP client of one cluster: asks its servers, stays with one that
/// answers, logs in where that is needed, and says who answered.
///
/// Its calls are methods by family: lists of services and instances, writes,
/// and [`HttpClient::probe`]. Cheap to share by reference; calls run side by
/// side.
pub struct HttpClient {
    transport: Transport,
    servers: ServerList,
    auth: Auth,
    grpc_port: Option<u16>,
    context_path: String,
    admin: Option<AdminElsewhere>,
}

/// The admin API of 3.x at an address of its own.
struct AdminElsewhere {
    address: ServerAddress,
    area: OnceCell<&'static str>,
}

impl HttpClient {
    /// # Errors
    /// Addresses, TLS files or credentials that cannot be used as configured.
    pub fn new(options: ClientOptions) -> Result<Self, SetupError> {
        let addresses = options
            .servers
            .iter()
            .map(|server| ServerAddress::parse(server, &options.context_path))
            .collect::<Result<Vec<_>, _>>()?;
        let admin = options
            .admin_url
            .map(|url| ServerAddress::parse(&url, ""))
            .transpose()?;
        let https = addresses.iter().chain(&admin).any(ServerAddress::is_https);
        Ok(Self {
            transport: Transport::new(options.transport, https)?,
            servers: ServerList::new(addresses, options.members)?,
            auth: Auth::new(options.credentials),
            grpc_port: options.grpc_port,
            context_path: options.context_path,
            admin: admin.map(|address| AdminElsewhere {
                address,
                area: OnceCell::new(),
            }),
        })
    }

    /// The servers, and which one is asked at present.
    pub fn servers(&self) -> &ServerList {
        &self.servers
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The host and port of a server's gRPC listener; `None` where the port is
    /// not configured and 1,000 above the HTTP port there is none.
    pub fn grpc_endpoint(&self, server: &ServerAddress) -> Option<(String, u16)> {
        let port = self.grpc_port.or_else(|| server.grpc_port())?;
        Some((server.host().to_owned(), port))
    }

    /// What a gRPC request about that service (grouped, `GROUP@@name`) presents.
    ///
    /// # Errors
    /// A login that failed at every server.
    pub async fn present(&self, service: Option<&str>) -> Result<Presented, HttpError> {
        let mut attempts = self.servers.attempts(&Route::Any);
        while let Some(server) = attempts.next() {
            let presented = self.auth.present(&self.transport, &server, service).await;
            if let Some(outcome) = attempts.outcome(&server, presented) {
                return outcome.map(|answered| answered.value);
            }
        }
        Err(attempts.exhausted("log in".into()))
    }

    /// A gRPC request was refused with errorCode 403. `true` if the next
    /// [`HttpClient::present`] will present something newer.
    pub fn refused(&self, presented: &Presented) -> bool {
        self.auth.refused(presented)
    }

    /// Asks a server of that route, and the next one where the first fails.
    pub(crate) async fn ask<T>(
        &self,
        request: &Request,
        route: &Route,
        read: impl Fn(&Answer) -> Result<T, HttpError>,
    ) -> Result<Answered<T>, HttpError> {
        self.ask_then(request, route, read, |outcome| outcome).await
    }

    /// As [`HttpClient::ask`]; `then` may turn a server's refusal into an answer.
    pub(crate) async fn ask_then<T, U>(
        &self,
        request: &Request,
        route: &Route,
        read: impl Fn(&Answer) -> Result<T, HttpError>,
        then: impl Fn(Result<T, HttpError>) -> Result<U, HttpError>,
    ) -> Result<Answered<U>, HttpError> {
        let mut attempts = self.servers.attempts(route);
        while let Some(server) = attempts.next() {
            let answered = then(self.ask_one(&server, request, &read).await);
            if let Some(outcome) = attempts.outcome(&server, answered) {
                return outcome;
            }
        }
        Err(attempts.exhausted(request.attempted.clone()))
    }

    /// As [`HttpClient::ask`], for the admin API of 3.x: `path` is below
    /// `/v3/admin`, or `/v3/console` where `admin_url` leads to a console.
    pub(crate) async fn ask_admin<T>(
        &self,
        request: Request,
        route: &Route,
        read: impl Fn(&Answer) -> Result<T, HttpError>,
    ) -> Result<Answered<T>, HttpError> {
        self.ask_admin_then(request, route, read, |outcome| outcome)
            .await
    }

    /// As [`HttpClient::ask_then`], for the admin API of 3.x.
    pub(crate) async fn ask_admin_then<T, U>(
        &self,
        mut request: Request,
        route: &Route,
        read: impl Fn(&Answer) -> Result<T, HttpError>,
        then: impl Fn(Result<T, HttpError>) -> Result<U, HttpError>,
    ) -> Result<Answered<U>, HttpError> {
        let below = request.path;
        let Some(admin) = &self.admin else {
            request.path = format!("/v3/admin{below}").into();
            return self.ask_then(&request, route, read, then).await;
        };
        if *route != Route::Any && *route != Route::Only(admin.address.id().clone()) {
            return Err(HttpError::NotAsked {
                attempted: request.attempted,
                why: "admin_url names one address for all members",
            });
        }
        let area = admin.area.get_or_try_init(|| self.find_area(admin)).await?;
        request.path = format!("{area}{below}").into();
        let outcome = self.ask_one(&admin.address, &request, &read).await;
        Ok(Answered {
            value: then(outcome)?,
            server: admin.address.id().clone(),
        })
    }

    /// Whether `admin_url` leads to the admin API or to a console.
    async fn find_area(&self, admin: &AdminElsewhere) -> Result<&'static str, HttpError> {
        const AREAS: [(&str, &str); 2] = [
            ("/v3/admin", "/v3/admin/core/state"),
            ("/v3/console", "/v3/console/server/state"),
        ];
        let mut last = None;
        for (area, state) in AREAS {
            let request = Request::get("find the admin API", state).unauthenticated();
            match self.ask_one(&admin.address, &request, &|_| Ok(())).await {
                Ok(()) => return Ok(area),
                Err(error) if error.class() == Class::Unsupported => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or(HttpError::NotAsked {
            attempted: "find the admin API".into(),
            why: "admin_url leads neither to an admin API nor to a console",
        }))
    }

    /// One call to one server, with a new login if it refuses the token.
    pub(crate) async fn ask_one<T>(
        &self,
        server: &ServerAddress,
        request: &Request,
        read: &impl Fn(&Answer) -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        loop {
            let presented = if request.authenticated {
                let service = request.service.as_deref();
                Some(self.auth.present(&self.transport, server, service).await?)
            } else {
                None
            };
            let (headers, parameters) = match &presented {
                Some(presented) => presented.for_http(&request.path),
                None => (HeaderMap::new(), Vec::new()),
            };
            let outcome = self
                .transport
                .send(server, request, headers, &parameters)
                .await
                .and_then(Answer::accepted)
                .and_then(|answer| read(&answer));
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let again = error.class() == Class::Unauthenticated
                && presented.is_some_and(|presented| self.auth.refused(&presented));
            if !again {
                return Err(self.told_from_starting(server, request, error).await);
            }
        }
    }

    /// A server that starts answers 501 to every path for a second or so
    /// (2.2.4, measured), just as a ready one does to a path it lacks. The path
    /// that every version up to 3.1 has tells the two apart.
    async fn told_from_starting(
        &self,
        server: &ServerAddress,
        request: &Request,
        error: HttpError,
    ) -> HttpError {
        let not_implemented = reqwest::StatusCode::NOT_IMPLEMENTED;
        if error.status() != Some(not_implemented) {
            return error;
        }
        let starting = if request.path == METRICS {
            true
        } else {
            let check = Request::get("check whether the server is ready", METRICS);
            let answer = self
                .transport
                .send(server, &check, HeaderMap::new(), &[])
                .await;
            matches!(answer.map(|a| a.status.as_u16()), Ok(501 | 503) | Err(_))
        };
        if !starting {
            return error;
        }
        HttpError::NotReady {
            call: request.call(server),
            says: not_implemented.to_string(),
        }
    }

    /// Takes the members that the cluster itself named (`host:port` each), for
    /// [`Members::Discover`]. What is no address is left out.
    pub(crate) fn take_members(&self, members: &[String]) {
        let https = self.servers.current().is_https();
        let addresses = members.iter().filter_map(|member| {
            let address = if https {
                format!("https://{member}")
            } else {
                member.clone()
            };
            ServerAddress::parse(&address, &self.context_path).ok()
        });
        self.servers.discovered(addresses.collect());
    }

    pub(crate) fn admin_address(&self) -> Option<&ServerAddress> {
        self.admin.as_ref().map(|admin| &admin.address)
    }

    pub(crate) fn current(&self) -> Arc<ServerAddress> {
        self.servers.current()
    }
}
