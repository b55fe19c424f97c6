//! The HTTP side: v1 of Nacos, v2 where 2.2 or later is presented, and v3 where
//! a 3.x is.
//!
//! The answers are those of the
//! [presented version](crate::PresentedVersion). What a call does is decided
//! in one place, whichever generation asks for it; the generations differ in
//! how they name a service and in how they word the answer.
//!
//! Whatever is presented,
//!
//! * every instance has an `instanceId`, also those registered over gRPC or v2
//!   (as from 2.5 on);
//! * ports outside of 1 to 65535 and weights that are no number are refused;
//!   metadata values of `null` are dropped;
//! * pages past the end are empty, also those of `catalog/services`, which
//!   2.x fills with the whole list when it is shorter than a page;
//! * lists are in order of their names;
//! * a `GET` that depends on a change shows it at once, not after 500 ms;
//! * a client that wants pushes over UDP and gets none is told to poll every
//!   3 s (`cacheMillis`), as by 1.x;
//! * a switch is set by the configuration: setting one to another value is
//!   refused;
//! * there is no raft and no distro to tell of: such pages are answered with an
//!   error that says so;
//! * namespaces that have services are listed also if nobody created them;
//! * snowflake instance ids are missing. What is
//!   missing is answered as an unknown route: 501 under `/v1/ns`, else 404. So
//!   is a login where there are no users, which makes clients go on without.
//!
//! `recorded/differences` names every answer of recorded servers that differs,
//! and tests compare all others. `docs/reference/nacos-compatibility.md` is
//! made from it.

mod age;
mod asker;
mod batch;
mod catalog;
mod clients;
mod cluster;
mod console;
mod failure;
mod first;
mod front;
mod gate;
mod instance;
mod member;
mod namespaces;
mod operator;
mod params;
mod pattern;
mod service;
mod subscribers;
mod upgrade;
mod v2;
mod v3;
mod wording;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, OriginalUri, State};
use axum::http::{Method, Request, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post, put};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::configs;
use crate::presented::PresentedVersion;
use crate::registry::Registry;
use crate::tls::Wire;

use failure::spring_error;

pub(crate) use asker::Peer;
pub(crate) use front::Front;

/// How long a connection may take to say what it wants, and to want something
/// again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);

/// How long requests may finish once the server ends.
const GRACE: Duration = Duration::from_secs(1);

/// What every handler gets.
#[derive(Clone)]
struct Site {
    registry: Registry,
    port: u16,
}

/// Serves HTTP until cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    registry: Registry,
    cancel: CancellationToken,
) {
    let port = listener.local_addr().as_ref().map_or(0, SocketAddr::port);
    let limit = registry.settings().limits.transports;
    let front = Arc::new(Front::new(&registry, port));
    let open = Arc::new(AtomicUsize::new(0));
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            stream = crate::serve::accept(&listener) => stream,
            () = cancel.cancelled() => break,
        };
        if open.load(Ordering::Relaxed) >= limit {
            tracing::warn!(limit, "too many HTTP connections; one was closed");
            continue;
        }
        let (front, registry, cancel) = (front.clone(), registry.clone(), cancel.clone());
        let (open, tls) = (open.clone(), tls.clone());
        connections.spawn(async move {
            open.fetch_add(1, Ordering::Relaxed);
            converse(stream, tls, front, registry, cancel).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
    connections.close();
    if tokio::time::timeout(2 * GRACE, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!("HTTP connections were still open");
    }
}

/// Answers one connection's requests.
async fn converse(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    front: Arc<Front>,
    registry: Registry,
    cancel: CancellationToken,
) {
    let peer = stream.peer_addr().map(|peer| Peer(peer.ip())).ok();
    let opened = tokio::select! {
        opened = Wire::open(stream, tls.as_ref()) => opened,
        () = cancel.cancelled() => return,
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "no TLS connection came of it");
            return;
        }
    };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        registry.inner.counters.http_requests.add(1);
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.answer(request.map(Body::new)).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(served) => served,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(error, "an HTTP connection broke");
    }
}

/// All that is answered over HTTP, by its path.
fn routes(registry: Registry, port: u16) -> Router {
    let settings = registry.settings();
    let body_limit = DefaultBodyLimit::max(settings.limits.http_body_bytes);
    let context_path = settings.context_path.trim_end_matches('/').to_owned();
    let below = Router::new()
        .nest("/v1/ns", naming(settings.version))
        .nest("/v1/core/cluster", v1_core())
        .merge(configs::routes(registry.clone()).with_state(()))
        .merge(of_version(settings.version));
    let below = if registry.has_users() {
        below.merge(gate::logins(settings.version))
    } else {
        below
    };
    let routes = if context_path.is_empty() {
        below
    } else {
        Router::new().nest(&context_path, below)
    };
    let site = Site {
        registry: registry.clone(),
        port,
    };
    let routes = if registry.inner.access.is_some() {
        routes.route_layer(from_fn_with_state(site.clone(), gate::pass))
    } else {
        routes
    };
    routes
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(body_limit)
        .with_state(site)
}

/// What is not there in every version.
fn of_version(version: PresentedVersion) -> Router<Site> {
    let mut routes = Router::new();
    if version.has_v2() {
        routes = routes
            .nest("/v2/ns", v2::routes())
            .nest("/v2/core/cluster/node", v2::about_members());
    }
    if version.has_v3() {
        return routes.nest("/v3", v3::routes());
    }
    if version.has_v2() {
        routes = routes.merge(console::v2());
    }
    routes.merge(console::v1())
}

/// v1 for naming, in the shapes and words of a version.
fn naming(version: PresentedVersion) -> Router<Site> {
    let switches = || get(operator::switches).put(operator::set_switch);
    let mut routes = v1()
        .merge(match version.is_first_generation() {
            true => first::routes(),
            false => v1_since_2(),
        })
        .route("/operator/switches", switches())
        .route("/ops/switches", switches());
    if version.is_since_1_4() {
        let metadata = put(batch::put).delete(batch::take);
        routes = routes.route("/instance/metadata/batch", metadata);
    }
    if version.has_v2() {
        return routes;
    }
    if version.has_upgrade_ops() {
        routes = routes.nest("/upgrade/ops", upgrade::routes());
    }
    routes
        .route("/operator/servers", get(operator::servers))
        .route("/operator/cluster/state", get(operator::no_cluster))
        .route("/raft/leader", get(operator::no_cluster))
        .route("/raft/state", get(operator::no_cluster))
        .layer(map_response(move |response: Response| {
            std::future::ready(wording::in_words_of(version, response))
        }))
}

/// What is the same in every version.
fn v1() -> Router<Site> {
    let health = || put(cluster::set_health);
    Router::new()
        .route(
            "/instance",
            post(instance::register)
                .delete(instance::deregister)
                .patch(instance::patch)
                .get(instance::detail),
        )
        .route("/instance/beat", put(instance::beat))
        .route("/instance/statuses", get(instance::statuses))
        .route(
            "/service",
            post(service::create)
                .delete(service::delete)
                .put(service::update)
                .get(service::detail),
        )
        .route("/catalog/service", get(catalog::service))
        .route("/cluster", put(cluster::update))
        .route("/health", health())
        .route("/health/instance", health())
}

/// What 2.0 and later answer otherwise than [1.x](first::routes), or as the
/// first.
fn v1_since_2() -> Router<Site> {
    Router::new()
        .route("/instance", put(instance::update))
        .route("/instance/list", get(instance::list))
        .route("/service/list", get(service::list))
        .route("/service/names", get(service::names))
        .route("/catalog/services", get(catalog::services))
        .route("/catalog/instances", get(catalog::instances))
        .route("/service/subscribers", get(subscribers::list))
        .route("/service/selector/types", get(operator::selectors))
        .route("/health/checkers", get(operator::checkers))
        .route("/operator/distro/client", get(operator::no_cluster))
        .route("/operator/metrics", get(console::metrics))
        .route("/ops/metrics", get(console::metrics))
}

fn v1_core() -> Router<Site> {
    Router::new()
        .route("/nodes", get(member::nodes))
        .route("/self", get(member::own))
}

/// What the registry has no answer to.
async fn unknown(
    State(site): State<Site>,
    method: Method,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let path = uri.path();
    if path.contains("/v1/ns/") {
        let message = format!("no such api:{method}:{path}");
        spring_error(StatusCode::NOT_IMPLEMENTED, &message, path)
    } else if site.registry.settings().version.has_v3() {
        let message = format!("No endpoint {method} {path}.");
        spring_error(StatusCode::NOT_FOUND, &message, path)
    } else {
        spring_error(StatusCode::NOT_FOUND, "No message available", path)
    }
}

/// Only v3 tells a wrong method from a wrong path.
async fn wrong_method(state: State<Site>, method: Method, uri: OriginalUri) -> Response {
    let path = uri.0.path();
    if path.contains("/v3/") {
        let message = format!("Method '{method}' is not supported.");
        spring_error(StatusCode::METHOD_NOT_ALLOWED, &message, path)
    } else {
        unknown(state, method, uri).await
    }
}
