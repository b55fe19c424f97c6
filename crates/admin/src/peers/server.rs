//! Answering replicas.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde::Serialize;
use syncline_engine::{EngineHandle, Stopped};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::seal::{NONCE, PeerKey, SIGNATURE, Sealed, TIME, now_ms, random_text};
use super::words;
use crate::api;
use crate::server::AdminError;

/// How large a question may be: the names of some 300,000 services.
const LARGEST: usize = 32 << 20;
/// How long it may take to come.
const WITHIN: Duration = Duration::from_secs(5);

/// Who answers replicas.
#[derive(Clone)]
pub struct PeerSeat {
    engine: EngineHandle,
    key: PeerKey,
    node: Arc<str>,
}

impl PeerSeat {
    /// A seat for a running engine, with a name for this process; `None` where
    /// the system has no randomness.
    pub fn new(engine: EngineHandle, key: PeerKey) -> Option<Self> {
        let node = random_text()?.into();
        Some(Self { engine, key, node })
    }

    /// What this process calls itself.
    pub fn node(&self) -> &str {
        &self.node
    }
}

/// Serves replicas, and nobody else, until cancelled.
///
/// # Errors
/// When the address cannot be bound, or serving breaks.
pub async fn serve_peers(
    address: SocketAddr,
    seat: PeerSeat,
    cancel: CancellationToken,
) -> Result<(), AdminError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| AdminError::Tcp { address, source })?;
    let router = Router::new().fallback(answer).with_state(seat);
    axum::serve(listener, router)
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await
        .map_err(AdminError::Serve)
}

async fn answer(State(seat): State<PeerSeat>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(Ok(body)) = timeout(WITHIN, to_bytes(body, LARGEST)).await else {
        let why = "the request is too large or too slow";
        return unsigned(StatusCode::PAYLOAD_TOO_LARGE, why);
    };
    let header = |name| text(&head.headers, name);
    let sealed = Sealed {
        method: head.method.as_str(),
        path: head.uri.path(),
        time_ms: header(TIME).parse().unwrap_or_default(),
        nonce: header(NONCE),
        body: &body,
    };
    let seal = header(SIGNATURE);
    if let Some(why) = seat.key.objection(&sealed, seal, now_ms()) {
        return unsigned(StatusCode::UNAUTHORIZED, why);
    }
    let (status, answer) = match seat.say(&head.method, head.uri.path(), &body).await {
        Ok(answer) => (StatusCode::OK, answer),
        Err((status, why)) => (status, refusal(&why)),
    };
    let signature = seat.key.seal_answer(seal, status.as_u16(), &answer);
    response(status, Some(signature), answer)
}

type Refused = (StatusCode, String);

impl PeerSeat {
    async fn say(&self, method: &Method, path: &str, body: &Bytes) -> Result<Vec<u8>, Refused> {
        if *method == Method::GET && path == "/peer/v1/report" {
            let report = self.engine.peer_report().await.map_err(stopped)?;
            return json(&words::Report::of(&self.node, report));
        }
        if *method == Method::POST && path == "/peer/v1/compare" {
            let question: words::Question = serde_json::from_slice(body)
                .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
            let answer = self.engine.peer_answer(question.read()).await;
            let answer = answer.map_err(stopped)?.ok_or_else(|| {
                let why = "there is no such link".to_owned();
                (StatusCode::NOT_FOUND, why)
            })?;
            return json(&words::Answer::of(answer));
        }
        Err((StatusCode::NOT_FOUND, "there is no such path".to_owned()))
    }
}

fn stopped(stopped: Stopped) -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, stopped.to_string())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Refused> {
    serde_json::to_vec(value)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn refusal(error: &str) -> Vec<u8> {
    let error = error.to_owned();
    serde_json::to_vec(&api::Refusal { error }).unwrap_or_default()
}

fn unsigned(status: StatusCode, why: &str) -> Response {
    response(status, None, refusal(why))
}

fn response(status: StatusCode, signature: Option<String>, body: Vec<u8>) -> Response {
    let mut builder = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json");
    if let Some(signature) = signature {
        builder = builder.header(SIGNATURE, signature);
    }
    // Digits and JSON are always a response; anything else would be a fault of
    // ours, and an empty answer proves nothing.
    builder.body(Body::from(body)).unwrap_or_default()
}
