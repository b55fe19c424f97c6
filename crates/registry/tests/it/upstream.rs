//! A Nacos that knows one configuration: the testbed's servers have none.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use syncline_nacos::message::generated::bi_request_stream_server::{
    BiRequestStream, BiRequestStreamServer,
};
use syncline_nacos::message::generated::request_server::{Request as Unary, RequestServer};
use syncline_nacos::message::payload::{Payload, kind};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::server::payload;

/// The server; it ends with [`stop`](Self::stop) or the test.
pub(crate) struct Upstream {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    seen: Arc<Seen>,
    cancel: CancellationToken,
}

#[derive(Default)]
struct Seen {
    asked: Mutex<Vec<String>>,
    streams: Mutex<Vec<mpsc::UnboundedSender<Payload>>>,
    acknowledged: AtomicUsize,
    connections: AtomicUsize,
}

impl Upstream {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (http, grpc) = (
            TcpListener::bind("127.0.0.1:0").await?,
            TcpListener::bind("127.0.0.1:0").await?,
        );
        let (seen, cancel) = (Arc::new(Seen::default()), CancellationToken::new());
        let upstream = Self {
            http: http.local_addr()?,
            grpc: grpc.local_addr()?,
            seen: seen.clone(),
            cancel: cancel.clone(),
        };
        let routes = Router::new().fallback(answer).with_state(seen.clone());
        let until = cancel.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(http, routes) => served,
                () = until.cancelled() => Ok(()),
            }
        });
        let service = Service { seen };
        let incoming = futures_util::stream::unfold(grpc, |grpc| async {
            Some((grpc.accept().await.map(|(stream, _)| stream), grpc))
        });
        tokio::spawn(async move {
            let server = tonic::transport::Server::builder()
                .add_service(RequestServer::new(service.clone()))
                .add_service(BiRequestStreamServer::new(service))
                .serve_with_incoming(incoming);
            tokio::select! {
                served = server => served,
                () = cancel.cancelled() => Ok(()),
            }
        });
        Ok(upstream)
    }

    /// Dies, and its connections with it.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.seen.streams.lock().clear();
        tokio::task::yield_now().await;
    }

    /// Every HTTP request so far: for whom, method, path and body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen.asked.lock().clone()
    }

    /// Tells everybody that a configuration changed.
    pub(crate) fn change(&self, data_id: &str, group: &str, tenant: &str) {
        let change = json!({
            "headers": {}, "requestId": "7", "module": "config",
            "dataId": data_id, "group": group, "tenant": tenant,
        });
        let streams = self.seen.streams.lock();
        streams.iter().for_each(|stream| {
            // Who has left hears nothing.
            drop(stream.send(payload("ConfigChangeNotifyRequest", &change)));
        });
    }

    /// How many changes were taken note of.
    pub(crate) fn acknowledged(&self) -> usize {
        self.seen.acknowledged.load(Ordering::Relaxed)
    }

    /// How many streams are open.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

async fn answer(
    State(seen): State<Arc<Seen>>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let form = String::from_utf8_lossy(&body);
    let client = headers.get("x-forwarded-for");
    let client = client.and_then(|client| client.to_str().ok());
    let client = client.unwrap_or_default();
    seen.asked
        .lock()
        .push(format!("{client} {method} {uri} {form}"));
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    match (method.as_str(), path) {
        ("GET", "/nacos/v1/cs/configs") if query.contains("dataId=app.yaml") => {
            (StatusCode::OK, "port: 80")
        }
        ("GET", "/nacos/v1/cs/configs") => (StatusCode::NOT_FOUND, "config data not exist\n"),
        ("POST", "/nacos/v1/cs/configs") => (StatusCode::OK, "true"),
        ("POST", "/nacos/v1/auth/users/login") => (StatusCode::OK, r#"{"accessToken":"t"}"#),
        _ => (StatusCode::NOT_FOUND, "<html>404</html>"),
    }
}

#[derive(Clone)]
struct Service {
    seen: Arc<Seen>,
}

#[tonic::async_trait]
impl Unary for Service {
    async fn request(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let request = request.into_inner();
        let (answer, body): (&str, Value) = match kind(&request) {
            "ServerCheckRequest" => ("ServerCheckResponse", json!({ "connectionId": "1" })),
            "HealthCheckRequest" => ("HealthCheckResponse", json!({})),
            "ConfigQueryRequest" => ("ConfigQueryResponse", json!({ "content": "port: 80" })),
            "ConfigBatchListenRequest" => (
                "ConfigChangeBatchListenResponse",
                json!({ "changedConfigs": [] }),
            ),
            other => return Err(Status::unimplemented(other.to_owned())),
        };
        let mut body = body;
        body["resultCode"] = json!(200);
        body["success"] = json!(true);
        Ok(Response::new(payload(answer, &body)))
    }
}

#[tonic::async_trait]
impl BiRequestStream for Service {
    type requestBiStreamStream = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

    async fn request_bi_stream(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Self::requestBiStreamStream>, Status> {
        let (pushes, mut due) = mpsc::unbounded_channel();
        self.seen.streams.lock().push(pushes);
        self.seen.connections.fetch_add(1, Ordering::Relaxed);
        let (seen, mut said) = (self.seen.clone(), request.into_inner());
        tokio::spawn(async move {
            while let Some(Ok(message)) = said.next().await {
                let taken = kind(&message) == "ConfigChangeNotifyResponse";
                seen.acknowledged
                    .fetch_add(usize::from(taken), Ordering::Relaxed);
            }
            seen.connections.fetch_sub(1, Ordering::Relaxed);
        });
        let pushes = futures_util::stream::poll_fn(move |context| {
            due.poll_recv(context).map(|push| push.map(Ok))
        });
        Ok(Response::new(Box::pin(pushes)))
    }
}
