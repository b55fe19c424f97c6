//! The routes, on a unix socket or on TCP.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as UrlPath, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use syncline_contract::Page;
use syncline_engine::core::{Evacuation, EvacuationPreview, NotAnEvacuation};
use syncline_engine::{EngineHandle, Stopped};
use syncline_model::LinkName;
use syncline_model::guard::HoldId;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::origins::{self, Registries};
use crate::{adopt, api, convert, pages, takeover, verify};

/// The control API could not be served.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The socket's path.
    #[error("listen on {}", path.display())]
    Unix {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The TCP address.
    #[error("listen on {address}")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// An address that others can reach, without credentials.
    #[error(
        "{address} is not a loopback address: anybody who reaches it could change what consumers see"
    )]
    Open {
        /// Where.
        address: SocketAddr,
    },
    /// It was served and broke.
    #[error("serve the control API")]
    Serve(#[source] io::Error),
}

/// What is looked into and shown.
#[derive(Clone)]
pub struct Looked {
    /// The engine.
    pub engine: EngineHandle,
    /// The embedded registries.
    pub registries: Arc<dyn Registries>,
    /// What outputs show.
    pub pages: Vec<Arc<dyn Page>>,
}

/// Serves on a unix socket that only the daemon's user can open, until
/// cancelled. A socket that a killed daemon left behind is replaced: whoever
/// calls this holds the state directory. When a successor has taken over all
/// that the engine holds, `taken_over` is cancelled.
///
/// # Errors
/// When the socket cannot be made, or breaks.
pub async fn serve_unix(
    path: &Path,
    looked: Looked,
    taken_over: CancellationToken,
    cancel: CancellationToken,
) -> Result<(), AdminError> {
    let failed = |source| AdminError::Unix {
        path: path.to_owned(),
        source,
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let engine = looked.engine.clone();
    let router = router(looked).merge(takeover::routes(engine, taken_over));
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await;
    // A socket that stays behind is replaced by the next daemon.
    drop(std::fs::remove_file(path));
    served.map_err(AdminError::Serve)
}

/// Serves on a loopback address until cancelled.
///
/// # Errors
/// When the address cannot be bound or is not a loopback address.
pub async fn serve_tcp(
    address: SocketAddr,
    looked: Looked,
    cancel: CancellationToken,
) -> Result<(), AdminError> {
    if !address.ip().is_loopback() {
        return Err(AdminError::Open { address });
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| AdminError::Tcp { address, source })?;
    let router = router(looked).layer(from_fn(refuse_browsers));
    axum::serve(listener, router)
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await
        .map_err(AdminError::Serve)
}

/// Keeps web pages out: a page of another site can make a browser on this
/// machine call us, with the page's origin, or under a name of its own that
/// leads here.
async fn refuse_browsers(request: Request, next: Next) -> Response {
    if !is_local(request.headers()) {
        let error = "this API answers local programs only, not web pages";
        return refusal(StatusCode::FORBIDDEN, error);
    }
    next.run(request).await
}

fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let local = host.is_some_and(|host| {
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
            let port = host.strip_prefix(name);
            port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
        })
    });
    local && !headers.contains_key(ORIGIN)
}

fn router(looked: Looked) -> Router {
    let Looked {
        engine,
        registries,
        pages,
    } = looked;
    let origins = origins::routes(engine.clone(), registries);
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/status", get(status))
        .route("/api/v1/plan", get(plan))
        .route("/api/v1/verify", get(verify::verify))
        .route("/api/v1/adoption", get(adopt::show).post(adopt::adopt))
        .route("/api/v1/trigger", post(trigger))
        .route("/api/v1/holds", get(holds))
        .route("/api/v1/holds/{id}/{decision}", post(decide))
        .route("/api/v1/links/{link}/{action}", post(act))
        .route("/api/v1/evacuations/{what}", get(evacuation))
        .route("/api/v1/evacuations/{what}/{action}", post(evacuate))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "there is no such path") })
        .with_state(engine)
        .merge(origins)
        .merge(pages::routes(&pages))
}

async fn status(State(engine): State<EngineHandle>) -> Result<Json<api::Status>, Refused> {
    Ok(Json(convert::status(engine.status().await?)))
}

async fn plan(State(engine): State<EngineHandle>) -> Result<Json<api::Plan>, Refused> {
    Ok(Json(convert::plan(engine.preview().await?)))
}

async fn holds(State(engine): State<EngineHandle>) -> Result<Json<api::Holds>, Refused> {
    Ok(Json(convert::holds(engine.held_back().await?)))
}

/// Ready once every link has planned what its first list showed.
async fn ready(State(engine): State<EngineHandle>) -> Result<Response, Refused> {
    let status = convert::status(engine.status().await?);
    let starting: Vec<_> = status
        .links
        .iter()
        .filter(|link| link.state == "starting")
        .map(|link| link.name.as_str())
        .collect();
    if starting.is_empty() {
        return Ok("ok\n".into_response());
    }
    let text = format!("starting: {}\n", starting.join(", "));
    Ok((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
}

#[derive(Deserialize)]
pub(crate) struct OneLink {
    pub(crate) link: Option<String>,
}

async fn trigger(
    State(engine): State<EngineHandle>,
    Query(OneLink { link }): Query<OneLink>,
) -> Result<Json<api::Done>, Refused> {
    let link = match link {
        Some(name) => Some(known_link(&engine, &name).await?),
        None => None,
    };
    let what = link
        .as_ref()
        .map_or("all links".to_owned(), ToString::to_string);
    engine.trigger(link).await?;
    Ok(done(format!("triggered {what}")))
}

async fn decide(
    State(engine): State<EngineHandle>,
    UrlPath((id, decision)): UrlPath<(String, String)>,
) -> Result<Json<api::Done>, Refused> {
    let approve = match decision.as_str() {
        "approve" => true,
        "deny" => false,
        _ => return Err(Refused::not_found("approve or deny a hold")),
    };
    let status = engine.status().await?;
    let known = status
        .links
        .iter()
        .flat_map(|link| &link.holds)
        .any(|held| held.hold.id.to_string() == id);
    let hold: HoldId = id.parse().ok().filter(|_| known).ok_or_else(|| {
        Refused::not_found(format!(
            "there is no hold `{id}` now: it has ended, or other instances are lost by now"
        ))
    })?;
    engine.decide(hold, approve).await?;
    let verb = if approve { "approved" } else { "denied" };
    Ok(done(format!("{verb} hold {id}")))
}

async fn act(
    State(engine): State<EngineHandle>,
    UrlPath((link, action)): UrlPath<(String, String)>,
) -> Result<Json<api::Done>, Refused> {
    let (paused, verb) = match action.as_str() {
        "pause" => (true, "paused"),
        "resume" => (false, "resumed"),
        _ => return Err(Refused::not_found("pause or resume a link")),
    };
    let name = known_link(&engine, &link).await?;
    engine.pause(name, paused).await?;
    Ok(done(format!("{verb} {link}")))
}

async fn evacuation(
    State(engine): State<EngineHandle>,
    UrlPath(what): UrlPath<String>,
) -> Result<Json<api::Evacuation>, Refused> {
    let concerned = known_evacuation(&engine, &what).await?;
    Ok(Json(convert::evacuation(&concerned)))
}

async fn evacuate(
    State(engine): State<EngineHandle>,
    UrlPath((what, action)): UrlPath<(String, String)>,
) -> Result<Json<api::Done>, Refused> {
    let (on, verb) = match action.as_str() {
        "evacuate" => (true, "evacuated"),
        "restore" => (false, "restored"),
        _ => return Err(Refused::not_found("evacuate or restore")),
    };
    let concerned = known_evacuation(&engine, &what).await?;
    if concerned.evacuated == on {
        let state = if on { "already" } else { "not" };
        return Ok(done(format!("{what} is {state} evacuated")));
    }
    engine.evacuate(concerned.what, on).await?;
    Ok(done(format!("{verb} {what}")))
}

/// What is named, where there is such a link, registry or cluster: a wrong name
/// that is accepted would be taken for a right one.
async fn known_evacuation(engine: &EngineHandle, text: &str) -> Result<EvacuationPreview, Refused> {
    let what: Evacuation = text
        .parse()
        .map_err(|error: NotAnEvacuation| Refused::not_found(error.to_string()))?;
    let concerned = engine.evacuation(what).await?;
    if concerned.is_known() {
        return Ok(concerned);
    }
    let (kind, name) = text.split_once(':').unwrap_or_default();
    let kind = match kind {
        "cluster" => "copy in a cluster",
        "origin" => "copy from an origin",
        kind => kind,
    };
    let known = match concerned.known.is_empty() {
        true => "there are none".to_owned(),
        false => format!("there are: {}", concerned.known.join(", ")),
    };
    Err(Refused::not_found(format!(
        "there is no {kind} `{name}`; {known}"
    )))
}

pub(crate) async fn known_link(engine: &EngineHandle, name: &str) -> Result<LinkName, Refused> {
    let status = engine.status().await?;
    let names = status.links.iter().map(|link| &link.link);
    names
        .clone()
        .find(|link| link.as_str() == name)
        .cloned()
        .ok_or_else(|| {
            let known: Vec<_> = names.map(LinkName::as_str).collect();
            Refused::not_found(format!(
                "there is no link `{name}`; there are: {}",
                known.join(", ")
            ))
        })
}

pub(crate) fn done(what: impl Into<String>) -> Json<api::Done> {
    Json(api::Done { done: what.into() })
}

/// A request that is answered with an error.
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) String);

impl Refused {
    fn not_found(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }
}

impl From<Stopped> for Refused {
    fn from(stopped: Stopped) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, stopped.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal(self.0, &self.1)
    }
}

fn refusal(status: StatusCode, error: &str) -> Response {
    let error = error.to_owned();
    (status, Json(api::Refusal { error })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_kept_out() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let parsed = |(name, value): &(&'static str, &'static str)| {
                (
                    name.parse().expect("a name"),
                    value.parse().expect("a value"),
                )
            };
            pairs.iter().map(parsed).collect()
        };
        for (pairs, local) in [
            (&[("host", "127.0.0.1:8849")][..], true),
            (&[("host", "localhost")], true),
            (&[("host", "[::1]:8849")], true),
            (&[("host", "localhost.evil.example:8849")], false),
            (&[("host", "evil.example")], false),
            (
                &[
                    ("host", "127.0.0.1:8849"),
                    ("origin", "http://evil.example"),
                ],
                false,
            ),
            (&[], false),
        ] {
            assert_eq!(is_local(&headers(pairs)), local, "{pairs:?}");
        }
    }
}
