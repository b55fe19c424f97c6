//! Over HTTP: 1.x clients, and what scripts do.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use syncline_nacos::http::{Passed, PassedBack};

use super::{REFUSED, whole};
use crate::http::Peer;
use crate::registry::Registry;

/// How long an answer may take that waits for nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may ask to wait for a change. Java clients ask for 30 s.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Says in milliseconds how long to wait for a change.
const LONG_POLL: &str = "long-pulling-timeout";

/// Who asked, and who passed it on.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How Nacos (1.3 to 3.x) says that a configuration does not exist. A 404 without
/// it comes from something else.
const NO_SUCH_CONFIG: &[u8] = b"config data not exist";

/// Where clients log in: 1.x and 2.x, old 1.x, 3.x.
const LOGINS: [&str; 3] = [
    "/v1/auth/users/login",
    "/v1/auth/login",
    "/v3/auth/user/login",
];

/// The paths below the context path, for clients of every version.
pub(crate) fn routes(registry: Registry) -> Router {
    let mut routes = Router::new();
    for path in ["/v1/cs/{*call}", "/v2/cs/{*call}", "/v3/client/cs/{*call}"] {
        routes = routes.route(path, any(pass_on));
    }
    if registry.inner.configs.is_some() && !registry.has_users() {
        // Who logs in does so for the configurations.
        for path in LOGINS {
            routes = routes.route(path, post(pass_on));
        }
    }
    routes.with_state(registry)
}

/// Passes on the login of somebody whom the registry does not know.
pub(crate) async fn log_in(registry: &Registry, request: Request) -> Response {
    let limit = registry.settings().limits.http_body_bytes;
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, limit).await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "too large".to_owned());
    };
    let uri = parts.extensions.get().cloned();
    let uri = uri.unwrap_or(OriginalUri(parts.uri));
    let peer = parts.extensions.get().copied().map(Extension);
    let registry = State(registry.clone());
    pass_on(registry, parts.method, uri, peer, parts.headers, body).await
}

async fn pass_on(
    State(registry): State<Registry>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    peer: Option<Extension<Peer>>,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(upstream) = &registry.inner.configs else {
        return text(StatusCode::FORBIDDEN, REFUSED.to_owned());
    };
    if let Some(Extension(peer)) = peer {
        add_forwarded_for(&mut headers, peer);
    }
    let reads = method == Method::GET;
    let asked = uri.path_and_query().map_or("", |asked| asked.as_str());
    let context_path = registry.settings().context_path.trim_end_matches('/');
    let call = Passed {
        method,
        path_and_query: asked.strip_prefix(context_path).unwrap_or(asked).to_owned(),
        patience: PATIENCE + wait(&headers),
        headers,
        body,
    };
    match upstream.http.pass_on(&call).await {
        Ok(answer)
            if LOGINS
                .iter()
                .any(|login| call.path_and_query.starts_with(login)) =>
        {
            (answer.status, answer.headers, answer.body).into_response()
        }
        Ok(answer) => back(answer, reads),
        Err(error) => {
            tracing::warn!(
                error = whole(&error),
                "a configuration call was not answered"
            );
            let status = match reads {
                true => StatusCode::FORBIDDEN,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            text(status, whole(&error))
        }
    }
}

/// Nacos takes the first address for the client's, which some releases of
/// configurations go by.
fn add_forwarded_for(headers: &mut HeaderMap, Peer(peer): Peer) {
    let before = headers
        .get(FORWARDED_FOR)
        .and_then(|value| value.to_str().ok());
    let all = match before {
        Some(before) => format!("{before}, {peer}"),
        None => peer.to_string(),
    };
    if let Ok(all) = all.parse() {
        headers.insert(FORWARDED_FOR, all);
    }
}

fn wait(headers: &HeaderMap) -> Duration {
    let millis = headers.get(LONG_POLL).and_then(|value| value.to_str().ok());
    let millis = millis.and_then(|millis| millis.parse().ok());
    millis
        .map_or(Duration::ZERO, Duration::from_millis)
        .min(LONGEST_WAIT)
}

fn back(answer: PassedBack, reads: bool) -> Response {
    let says_so = |body: &[u8]| {
        body.windows(NO_SUCH_CONFIG.len())
            .any(|part| part == NO_SUCH_CONFIG)
    };
    if answer.status == StatusCode::NOT_FOUND && !says_so(&answer.body) {
        let why = "what `configs_from` leads to does not answer as a Nacos with configurations \
                   does; check its address and context_path";
        let status = match reads {
            true => StatusCode::FORBIDDEN,
            false => StatusCode::BAD_GATEWAY,
        };
        return text(status, why.to_owned());
    }
    (answer.status, answer.headers, answer.body).into_response()
}

fn text(status: StatusCode, text: String) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain;charset=UTF-8")],
        text,
    )
        .into_response()
}
