//! The way in: a router for all there is, and a short way past it for what is
//! asked all day long.
//!
//! Registrations, beats and lists over v1 are nearly all that a registry hears
//! over HTTP. To find them among all others would take as long as to answer
//! them, so they are told apart by their method and path first.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::asker::Asker;
use super::failure::Failure;
use super::params::Params;
use super::{Site, instance, routes};
use crate::registry::Registry;

/// Answers every request.
#[derive(Clone)]
pub(crate) struct Front {
    routes: Router,
    short: Option<Arc<ShortWay>>,
}

impl Front {
    pub(crate) fn new(registry: &Registry, port: u16) -> Self {
        Self {
            routes: routes(registry.clone(), port),
            short: ShortWay::of(registry, port).map(Arc::new),
        }
    }

    /// The answer to a request.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        if let Some(short) = &self.short
            && let Some(call) = short.call(request.method(), request.uri().path())
        {
            return short.answer(call, request).await.into_response();
        }
        match self.routes.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// What is asked so often.
#[derive(Clone, Copy)]
enum Call {
    Register,
    Beat,
    List,
}

struct ShortWay {
    site: Site,
    /// The path that they have in common.
    instance: String,
    body_limit: DefaultBodyLimit,
}

impl ShortWay {
    /// There is none where callers have to show something, and where refusals
    /// are worded otherwise on their way out (before 2.2).
    fn of(registry: &Registry, port: u16) -> Option<Self> {
        let settings = registry.settings();
        if registry.inner.access.is_some() || !settings.version.has_v2() {
            return None;
        }
        let context_path = settings.context_path.trim_end_matches('/');
        Some(Self {
            instance: format!("{context_path}/v1/ns/instance"),
            body_limit: DefaultBodyLimit::max(settings.limits.http_body_bytes),
            site: Site {
                registry: registry.clone(),
                port,
            },
        })
    }

    fn call(&self, method: &Method, path: &str) -> Option<Call> {
        match (method, path.strip_prefix(&*self.instance)?) {
            (&Method::POST, "") => Some(Call::Register),
            (&Method::PUT, "/beat") => Some(Call::Beat),
            (&Method::GET, "/list") => Some(Call::List),
            _ => None,
        }
    }

    async fn answer(&self, call: Call, mut request: Request) -> Result<Response, Failure> {
        self.body_limit.apply(&mut request);
        let (mut parts, body) = request.into_parts();
        let Ok(asker) = Asker::from_request_parts(&mut parts, &self.site).await;
        let request = Request::from_parts(parts, body);
        let params = Params::from_request(request, &self.site).await?;
        let site = State(self.site.clone());
        match call {
            Call::Register => instance::register(site, params).await,
            Call::Beat => instance::beat(site, params).await,
            Call::List => instance::list(site, asker, params).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::settings::Settings;

    const INSTANCE: &str = "/nacos/v1/ns/instance";

    fn request(method: &Method, uri: &str, form: &str) -> Request {
        let request = Request::builder().method(method).uri(uri);
        let form_type = "application/x-www-form-urlencoded";
        let request = match form {
            "" => request,
            _ => request.header(header::CONTENT_TYPE, form_type),
        };
        let body = Body::from(form.to_owned());
        request.body(body).expect("a request")
    }

    async fn parts(response: Response) -> (StatusCode, HeaderMap, Vec<u8>) {
        let (mut parts, body) = response.into_parts();
        // The server says it for both.
        parts.headers.remove(header::CONTENT_LENGTH);
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let body = body.expect("a body in memory").to_vec();
        (parts.status, parts.headers, body)
    }

    #[tokio::test]
    async fn the_short_way_answers_as_the_router_does() {
        let mut settings = Settings::default();
        settings.limits.http_body_bytes = 200;
        let front = Front::new(&Registry::new(settings), 8848);
        let short = front.short.as_ref().expect("there is one");
        let register = format!("{INSTANCE}?serviceName=a&ip=10.0.0.1&port=80");
        let (beat, list) = (format!("{INSTANCE}/beat"), format!("{INSTANCE}/list"));
        let full = "serviceName=a&beat=%7B%22ip%22%3A%2210.0.0.1%22%2C%22port%22%3A80%7D";
        let long = format!("serviceName=a&beat={}", "x".repeat(200));
        for (method, uri, form) in [
            (Method::POST, &*register, ""),
            (Method::POST, &register, "metadata=a%3Db&weight=2"),
            (Method::POST, &format!("{register}0000"), ""),
            (Method::POST, INSTANCE, "ip=10.0.0.1&port=80"),
            (Method::PUT, &beat, full),
            (Method::PUT, &beat, &long),
            (Method::PUT, &format!("{beat}?serviceName=a&beat=%7B"), ""),
            (Method::GET, &format!("{list}?serviceName=a"), ""),
            (Method::GET, &format!("{list}?serviceName=a&udpPort=1"), ""),
            (Method::GET, &list, ""),
        ] {
            let request = || request(&method, uri, form);
            let path = request().uri().path().to_owned();
            assert!(short.call(&method, &path).is_some(), "{method} {uri}");
            let by_router = front.routes.clone().oneshot(request()).await;
            let by_router = parts(by_router.expect("infallible")).await;
            let by_short_way = parts(front.answer(request()).await).await;
            assert_eq!(by_short_way, by_router, "{method} {uri} {form}");
        }
    }

    #[test]
    fn only_the_usual_calls_go_the_short_way() {
        let short = ShortWay::of(&Registry::new(Settings::default()), 8848);
        let short = short.expect("there is one");
        for (method, path) in [
            (Method::GET, INSTANCE),
            (Method::HEAD, "/nacos/v1/ns/instance/list"),
            (Method::POST, "/nacos/v1/ns/instance/"),
            (Method::POST, "/v1/ns/instance"),
            (Method::PUT, "/nacos/v2/ns/instance/beat"),
        ] {
            assert!(short.call(&method, path).is_none(), "{method} {path}");
        }
    }

    #[test]
    fn there_is_no_short_way_past_the_words_of_older_versions() {
        let settings = Settings {
            version: "2.1.1".parse().expect("one that is presented"),
            ..Settings::default()
        };
        assert!(ShortWay::of(&Registry::new(settings), 8848).is_none());
    }
}
