//! An HTTP server that answers as a test tells it to, and remembers what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use reqwest::Url;
use syncline_nacos::http::{ClientOptions, HttpClient};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the fake was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Without the context path.
    pub(super) path: String,
    /// Query and form together, as Nacos takes them.
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
}

impl Asked {
    pub(super) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> usize {
        self.get(name).parse().unwrap_or(0)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}

/// Status and body.
pub(super) type Says = (u16, String);

type Behaviour = dyn Fn(&Asked) -> Says + Send + Sync;

pub(super) struct Fake {
    pub(super) addr: SocketAddr,
    state: Arc<Inner>,
    serving: JoinHandle<()>,
}

struct Inner {
    behaviour: Box<Behaviour>,
    asked: Mutex<Vec<Asked>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Fake {
    pub(super) async fn start(behaviour: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let state = Arc::new(Inner {
            behaviour: Box::new(behaviour),
            asked: Mutex::default(),
        });
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(state.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving");
        });
        Self {
            addr,
            state,
            serving,
        }
    }

    pub(super) fn options(&self) -> ClientOptions {
        ClientOptions::new([self.addr.to_string()])
    }

    pub(super) fn client(&self) -> HttpClient {
        HttpClient::new(self.options()).expect("a client")
    }

    /// The requests so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().clone()
    }

    pub(super) fn asked_for(&self, path: &str) -> usize {
        self.asked().iter().filter(|a| a.path == path).count()
    }
}

async fn answer(State(state): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20)
        .await
        .unwrap_or_default();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().trim_start_matches("/nacos").to_owned(),
        parameters: parameters(&parts.uri, &body),
        headers: parts.headers,
    };
    state.asked.lock().push(asked.clone());
    let (status, body) = (state.behaviour)(&asked);
    let status = StatusCode::from_u16(status).expect("a status");
    (status, body).into_response()
}

fn parameters(uri: &Uri, form: &Bytes) -> BTreeMap<String, String> {
    let form = String::from_utf8_lossy(form);
    let both = format!("http://x/?{}&{form}", uri.query().unwrap_or_default());
    let url = Url::parse(&both).expect("a query");
    url.query_pairs()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// Spring's error page, as Nacos sends it for unknown routes and from its auth filter.
pub(super) fn spring(status: u16, message: &str) -> Says {
    let body = serde_json::json!({
        "timestamp": "2026-11-23T03:16:59.274+00:00", "status": status, "error": "Error",
        "message": message, "path": "/nacos/x",
    });
    (status, body.to_string())
}

/// Nacos 2.1 as far as a probe needs it.
pub(super) fn nacos_2_1(asked: &Asked) -> Says {
    match asked.path.as_str() {
        "/v1/ns/operator/metrics" => (200, r#"{"status":"UP"}"#.into()),
        "/v1/core/cluster/self" => (
            200,
            r#"{"code":200,"data":{"address":"127.0.0.1:1","extendInfo":{"version":"2.1.1"}}}"#
                .into(),
        ),
        "/v1/ns/instance/list" => {
            let list = serde_json::json!({
                "name": asked.get("serviceName"), "hosts": [], "reachProtectionThreshold": false,
            });
            (200, list.to_string())
        }
        path if path.starts_with("/v1/ns/") => spring(501, "no such api"),
        _ => spring(404, "No message available"),
    }
}
