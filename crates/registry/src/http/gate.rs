//! The door: what a caller shows, whether that is enough, and logging in.

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Serialize;

use super::Site;
use super::asker::Peer;
use super::failure::{Failure, spring_error};
use super::params::{Params, in_time};
use crate::access::{self, Access, Denied, Need};
use crate::configs;
use crate::presented::PresentedVersion;
use crate::registry::Registry;

const BEARER: &str = "Bearer ";

/// Where clients log in. 3.x try v3 first, and go on after a 404.
pub(super) fn logins(version: PresentedVersion) -> Router<Site> {
    let routes = Router::new()
        .route("/v1/auth/users/login", post(log_in))
        .route("/v1/auth/login", post(log_in));
    if version.has_v3() {
        routes.route("/v3/auth/user/login", post(log_in))
    } else {
        routes
    }
}

/// Lets through what the caller may do. For known routes alone: what is not
/// there is told to everybody, since clients find out by it where to log in.
pub(super) async fn pass(State(site): State<Site>, request: Request, next: Next) -> Response {
    let Some(access) = &site.registry.inner.access else {
        return next.run(request).await;
    };
    let (mut parts, params, body) = match read(&site.registry, request).await {
        Ok(read) => read,
        Err(failure) => return failure.into_response(),
    };
    let path = path_of(&site.registry, &parts);
    let need = access::of_path(&parts.method, path, |name| params.get(name));
    match allowed(&site.registry, access, &need, &parts, &params).await {
        Ok(()) => {
            parts.extensions.insert(params);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(denied) => refusal(&site.registry, &parts, denied),
    }
}

async fn allowed(
    registry: &Registry,
    access: &Access,
    need: &Need,
    parts: &Parts,
    params: &Params,
) -> Result<(), Denied> {
    let now = registry.inner.clock.now();
    if let Some(token) = token(&parts.headers, params) {
        return access.allows(need, || access.caller(token, now));
    }
    // Who sends name and password with every call need not log in (1.2 to 3.x).
    let caller = match (params.get("username"), params.exact("password")) {
        (Some(name), Some(password)) if access.has_users() && *need != Need::Nothing => {
            let from = parts.extensions.get().map(|Peer(from)| *from);
            access.recognize(from, name, password, now).await
        }
        _ => Err(Denied::NoToken),
    };
    access.allows(need, || caller)
}

/// What a caller shows: in `Authorization`, else as `accessToken` among the
/// headers (2.1 and later) or the parameters.
fn token<'a>(headers: &'a HeaderMap, params: &'a Params) -> Option<&'a str> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let bearer = header(header::AUTHORIZATION.as_str());
    let bearer = bearer.and_then(|value| value.strip_prefix(BEARER));
    let plain = || header("accessToken").map(str::trim);
    let plain = || plain().filter(|token| !token.is_empty());
    bearer.or_else(plain).or_else(|| params.get("accessToken"))
}

/// Logs somebody in. Whom the registry does not know may be known to the Nacos
/// that calls about configurations are passed on to.
async fn log_in(State(site): State<Site>, request: Request) -> Response {
    let registry = &site.registry;
    let Some(access) = &registry.inner.access else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (mut parts, body) = request.into_parts();
    // The gate read them.
    let Some(params) = parts.extensions.remove::<Params>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (name, password) = match (params.get("username"), params.exact("password")) {
        (Some(name), Some(password)) => (name, password),
        (name, _) => {
            let missing = if name.is_none() {
                "username"
            } else {
                "password"
            };
            return incomplete(missing);
        }
    };
    if registry.inner.configs.is_some() && !access.knows(name) {
        return configs::log_in(registry, Request::from_parts(parts, body)).await;
    }
    let now = registry.inner.clock.now();
    let from = parts.extensions.get().map(|Peer(from)| *from);
    let caller = match access.recognize(from, name, password, now).await {
        Ok(caller) => caller,
        Err(denied) => return no_login(registry, &parts, denied),
    };
    match access.log_in(caller, now) {
        Ok(session) => welcome(name, &session),
        Err(error) => Failure::unreadable(error).into_response(),
    }
}

fn welcome(name: &str, session: &access::Session) -> Response {
    /// The answer to a login: in no result, in any version.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Welcome<'a> {
        access_token: &'a str,
        token_ttl: u64,
        global_admin: bool,
        username: &'a str,
    }
    let body = axum::Json(Welcome {
        access_token: &session.token,
        token_ttl: session.ttl.as_secs(),
        global_admin: session.is_admin,
        username: name,
    });
    let mut response = body.into_response();
    if let Ok(bearer) = HeaderValue::try_from(format!("{BEARER}{}", session.token)) {
        response.headers_mut().insert(header::AUTHORIZATION, bearer);
    }
    response
}

/// In the words for a wrong password: 2.x answers an unknown user otherwise, and
/// 3.x on v3 as well, which says who exists.
fn no_login(registry: &Registry, parts: &Parts, denied: Denied) -> Response {
    let version = registry.settings().version;
    let path = whole_path(parts);
    let status = match denied {
        Denied::TooManyFailures => StatusCode::TOO_MANY_REQUESTS,
        _ if version.has_v3() => {
            // 3.x answers as to a failure of its own.
            let message = match path.contains("/v3/") {
                true => "No message available",
                false => "Handle API Compatibility failed, please see log for detail.",
            };
            return spring_error(StatusCode::INTERNAL_SERVER_ERROR, message, path);
        }
        _ => StatusCode::FORBIDDEN,
    };
    let kind = [(header::CONTENT_TYPE, "text/plain;charset=UTF-8")];
    (status, kind, denied.text(version)).into_response()
}

fn incomplete(missing: &'static str) -> Response {
    let text = format!(
        "Required request parameter '{missing}' for method parameter type String is not present"
    );
    Failure::unreadable(text).into_response()
}

fn refusal(registry: &Registry, parts: &Parts, denied: Denied) -> Response {
    let text = denied.text(registry.settings().version);
    tracing::debug!(method = %parts.method, path = whole_path(parts), text, "refused");
    spring_error(StatusCode::FORBIDDEN, &text, whole_path(parts))
}

fn whole_path(parts: &Parts) -> &str {
    match parts.extensions.get::<OriginalUri>() {
        Some(OriginalUri(uri)) => uri.path(),
        None => parts.uri.path(),
    }
}

/// The path of the route, below the context path.
fn path_of<'a>(registry: &Registry, parts: &'a Parts) -> &'a str {
    let matched = parts.extensions.get::<MatchedPath>();
    let path = matched.map_or_else(|| whole_path(parts), MatchedPath::as_str);
    let context_path = registry.settings().context_path.trim_end_matches('/');
    path.strip_prefix(context_path).unwrap_or(path)
}

/// Reads the parameters of a request, whose body is still there for whoever
/// passes it on.
async fn read(registry: &Registry, request: Request) -> Result<(Parts, Params, Body), Failure> {
    let (parts, body) = request.into_parts();
    let limit = registry.settings().limits.http_body_bytes;
    let body = in_time(axum::body::to_bytes(body, limit)).await?;
    let body =
        body.map_err(|error| Failure::Body(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    let copy = Request::from_parts(parts.clone(), Body::from(body.clone()));
    let params = Params::read(copy).await?;
    Ok((parts, params, Body::from(body)))
}
