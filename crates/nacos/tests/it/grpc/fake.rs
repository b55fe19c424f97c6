//! A Nacos server as far as a gRPC client can tell, with faults on demand.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use syncline_nacos::grpc::GrpcServer;
use syncline_nacos::message::generated::bi_request_stream_server::{
    BiRequestStream, BiRequestStreamServer,
};
use syncline_nacos::message::generated::request_server::{Request, RequestServer};
use syncline_nacos::message::generated::{Body, Metadata};
use syncline_nacos::message::payload::{Payload, encode_error};
use syncline_nacos::message::{ErrorCode, Instance};
use syncline_testkit::eventually_some;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Response, Status, Streaming};

/// A fake server on a free loopback port. It ends when dropped.
pub(super) struct Fake {
    addr: SocketAddr,
    pub(super) state: Arc<State>,
    serving: JoinHandle<()>,
}

/// What the fake saw, and how it should behave.
#[derive(Default)]
pub(super) struct State {
    pub(super) behaviour: Mutex<Behaviour>,
    calls: Mutex<Vec<Seen>>,
    acks: Mutex<Vec<Seen>>,
    streams: Mutex<HashMap<SocketAddr, mpsc::UnboundedSender<Result<Payload, Status>>>>,
    /// By transport and `namespace/group@@name`.
    published: Mutex<BTreeMap<(SocketAddr, String), Vec<Instance>>>,
    subscribed: Mutex<Vec<(SocketAddr, String)>>,
    pushes: AtomicU64,
    batches: Mutex<Batches>,
}

/// Batches on their way.
#[derive(Default)]
struct Batches {
    now: usize,
    most: usize,
}

/// How the fake differs from a healthy server of version 2.1.
#[derive(Default)]
pub(super) struct Behaviour {
    /// Announces abilities and acknowledges the setup, as from 2.3 on.
    pub(super) abilities: Option<Vec<&'static str>>,
    /// Health checks after the setup that are refused, since it was not read yet.
    pub(super) slow_setup: usize,
    /// Error codes for request types, as often as there are entries.
    pub(super) refuse: HashMap<&'static str, Vec<i64>>,
    /// The token that requests must carry.
    pub(super) token: Option<String>,
    /// Answers of a type that are replaced by this.
    pub(super) garble: HashMap<&'static str, (String, Vec<u8>)>,
    /// Holds every batch back for so long.
    pub(super) slow_batches: Duration,
    /// Answers a subscription only when a later push of it was acknowledged.
    pub(super) overtaken_answers: bool,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) from: SocketAddr,
    pub(super) kind: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Value,
}

impl Fake {
    pub(super) async fn start() -> Self {
        Self::start_on(tonic::transport::Server::builder()).await
    }

    /// Starts with a server builder of its own, for TLS.
    pub(super) async fn start_on(mut builder: tonic::transport::Server) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let server = builder
            .add_service(RequestServer::new(Service(state.clone())))
            .add_service(BiRequestStreamServer::new(Service(state.clone())))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { server.await.unwrap() });
        Self {
            addr,
            state,
            serving,
        }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn server(&self) -> GrpcServer {
        server_at(self.addr)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(super) fn server_at(addr: SocketAddr) -> GrpcServer {
    GrpcServer {
        host: addr.ip().to_string(),
        port: addr.port(),
    }
}

pub(super) fn payload_of(kind: &str, json: &[u8]) -> Payload {
    Payload {
        metadata: Some(Metadata {
            r#type: kind.to_owned(),
            ..Default::default()
        }),
        body: Some(Body {
            type_url: String::new(),
            value: json.to_vec().into(),
        }),
    }
}

impl State {
    /// Calls of a type, oldest first.
    pub(super) fn calls(&self, kind: &str) -> Vec<Seen> {
        let calls = self.calls.lock();
        calls
            .iter()
            .filter(|seen| seen.kind == kind)
            .cloned()
            .collect()
    }

    /// Waits for the acknowledgement of a push.
    pub(super) async fn ack(&self, request_id: &str) -> Seen {
        eventually_some(Duration::from_secs(10), || async {
            let acks = self.acks.lock();
            acks.iter()
                .find(|ack| ack.body["requestId"] == request_id)
                .cloned()
        })
        .await
    }

    /// What is published for a service, over all live transports.
    pub(super) fn published(&self, service: &str) -> Vec<Instance> {
        let published = self.published.lock();
        let mine = published.iter().filter(|((_, key), _)| key == service);
        mine.flat_map(|(_, instances)| instances.clone()).collect()
    }

    /// How many services are published.
    pub(super) fn services(&self) -> usize {
        self.published.lock().len()
    }

    /// How many transports are subscribed to a service.
    pub(super) fn subscribers(&self, service: &str) -> usize {
        let subscribed = self.subscribed.lock();
        subscribed.iter().filter(|(_, key)| key == service).count()
    }

    /// Pushes a message to every stream; returns its request id.
    pub(super) fn push(&self, kind: &str, mut body: Value) -> String {
        let id = self.pushes.fetch_add(1, Ordering::Relaxed).to_string();
        body["requestId"] = json!(id);
        self.push_raw(kind, body.to_string().as_bytes());
        id
    }

    pub(super) fn push_raw(&self, kind: &str, json: &[u8]) {
        for stream in self.streams.lock().values() {
            // A stream whose client has gone is removed soon.
            drop(stream.send(Ok(payload_of(kind, json))));
        }
    }

    /// Pushes a service with one host for each ip.
    pub(super) fn push_service(&self, group: &str, name: &str, ips: &[&str], time: i64) -> String {
        let body = json!({"serviceInfo": service_info(group, name, ips, time)});
        self.push("NotifySubscriberRequest", body)
    }

    /// Ends every stream in order, as a server over its connection limit does.
    pub(super) fn end_streams(&self) {
        self.streams.lock().clear();
    }

    /// The most batches that were on their way at once.
    pub(super) fn most_batches(&self) -> usize {
        self.batches.lock().most
    }

    async fn hold_batch(&self) {
        {
            let mut batches = self.batches.lock();
            batches.now += 1;
            batches.most = batches.most.max(batches.now);
        }
        let delay = self.behaviour.lock().slow_batches;
        tokio::time::sleep(delay).await;
        self.batches.lock().now -= 1;
    }

    fn gone(&self, peer: SocketAddr) {
        self.streams.lock().remove(&peer);
        self.published.lock().retain(|(at, _), _| *at != peer);
        self.subscribed.lock().retain(|(at, _)| *at != peer);
    }

    fn answer(&self, seen: &Seen) -> Payload {
        let mut behaviour = self.behaviour.lock();
        if let Some(code) = behaviour
            .refuse
            .get_mut(seen.kind.as_str())
            .and_then(Vec::pop)
        {
            return encode_error(ErrorCode(code), "as the test asks");
        }
        if let Some((kind, json)) = behaviour.garble.get(seen.kind.as_str()) {
            return payload_of(kind, json);
        }
        if seen.kind == "ServerCheckRequest" {
            let able = behaviour.abilities.is_some();
            return ok(
                "ServerCheckResponse",
                json!({"connectionId": "1", "supportAbilityNegotiation": able}),
            );
        }
        if !self.streams.lock().contains_key(&seen.from) {
            return encode_error(ErrorCode::UNREGISTERED, "Connection is unregistered.");
        }
        if seen.kind == "HealthCheckRequest" {
            if behaviour.slow_setup > 0 {
                behaviour.slow_setup -= 1;
                return encode_error(ErrorCode::UNREGISTERED, "Connection is unregistered.");
            }
            return ok("HealthCheckResponse", json!({}));
        }
        if let Some(token) = &behaviour.token
            && seen.headers.get("accessToken") != Some(token)
        {
            return encode_error(ErrorCode::NO_RIGHT, "token invalid!");
        }
        self.naming(seen)
    }

    fn naming(&self, seen: &Seen) -> Payload {
        let body = &seen.body;
        let text = |field: &str| body[field].as_str().unwrap_or_default();
        let (group, name) = (text("groupName"), text("serviceName"));
        let service = format!("{}/{group}@@{name}", text("namespace"));
        let at = (seen.from, service.clone());
        match seen.kind.as_str() {
            "BatchInstanceRequest" => {
                let set = serde_json::from_value(body["instances"].clone()).unwrap();
                self.published.lock().insert(at, set);
                ok("BatchInstanceResponse", json!({}))
            }
            "InstanceRequest" if text("type") == "registerInstance" => {
                let instance = serde_json::from_value(body["instance"].clone()).unwrap();
                self.published.lock().insert(at, vec![instance]);
                ok("InstanceResponse", json!({"type": "registerInstance"}))
            }
            "InstanceRequest" => {
                self.published.lock().remove(&at);
                ok("InstanceResponse", json!({"type": "deregisterInstance"}))
            }
            "SubscribeServiceRequest" => {
                let mut subscribed = self.subscribed.lock();
                subscribed.retain(|known| *known != at);
                if body["subscribe"] == true {
                    subscribed.push(at);
                }
                drop(subscribed);
                ok(
                    "SubscribeServiceResponse",
                    json!({"serviceInfo": self.info(&service, group, name)}),
                )
            }
            "ServiceQueryRequest" => ok(
                "QueryServiceResponse",
                json!({"serviceInfo": self.info(&service, group, name)}),
            ),
            "ServiceListRequest" => ok(
                "ServiceListResponse",
                json!({"count": 1, "serviceNames": ["s"]}),
            ),
            "NamingFuzzyWatchRequest" => ok("NamingFuzzyWatchResponse", json!({})),
            _ => encode_error(ErrorCode::NO_HANDLER, "RequestHandler Not Found"),
        }
    }

    fn info(&self, service: &str, group: &str, name: &str) -> Value {
        let published = self.published(service);
        let ips: Vec<_> = published
            .iter()
            .map(|instance| instance.ip.as_str())
            .collect();
        service_info(group, name, &ips, 1)
    }
}

pub(super) fn service_info(group: &str, name: &str, ips: &[&str], time: i64) -> Value {
    let hosts: Vec<_> = ips.iter().map(|ip| json!({"ip": ip, "port": 80})).collect();
    json!({"name": name, "groupName": group, "clusters": "", "hosts": hosts, "lastRefTime": time})
}

fn ok(kind: &str, mut body: Value) -> Payload {
    body["resultCode"] = json!(200);
    body["errorCode"] = json!(0);
    payload_of(kind, body.to_string().as_bytes())
}

fn seen(from: SocketAddr, payload: &Payload) -> Seen {
    let metadata = payload.metadata.clone().unwrap_or_default();
    let body = payload.body.clone().unwrap_or_default();
    Seen {
        from,
        kind: metadata.r#type,
        headers: metadata.headers,
        body: serde_json::from_slice(&body.value).unwrap(),
    }
}

struct Service(Arc<State>);

#[tonic::async_trait]
impl Request for Service {
    async fn request(&self, request: tonic::Request<Payload>) -> Result<Response<Payload>, Status> {
        let from = request.remote_addr().unwrap();
        let seen = seen(from, request.get_ref());
        self.0.calls.lock().push(seen.clone());
        if seen.kind == "BatchInstanceRequest" {
            self.0.hold_batch().await;
        }
        let overtaken = self.0.behaviour.lock().overtaken_answers;
        if seen.kind == "SubscribeServiceRequest" && overtaken {
            let text = |field: &str| seen.body[field].as_str().expect("a name");
            let (group, name) = (text("groupName"), text("serviceName"));
            let push = self.0.push_service(group, name, &["10.9.9.9"], 99);
            self.0.ack(&push).await;
        }
        Ok(Response::new(self.0.answer(&seen)))
    }
}

#[tonic::async_trait]
impl BiRequestStream for Service {
    type requestBiStreamStream = BoxStream<'static, Result<Payload, Status>>;

    async fn request_bi_stream(
        &self,
        request: tonic::Request<Streaming<Payload>>,
    ) -> Result<Response<Self::requestBiStreamStream>, Status> {
        let state = self.0.clone();
        let peer = request.remote_addr().unwrap();
        let mut incoming = request.into_inner();
        let (pushes, outgoing) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut pushes = Some(pushes);
            while let Ok(Some(message)) = incoming.message().await {
                match pushes.take() {
                    Some(pushes) => set_up(&state, peer, &message, pushes),
                    None => state.acks.lock().push(seen(peer, &message)),
                }
            }
            state.gone(peer);
        });
        Ok(Response::new(
            UnboundedReceiverStream::new(outgoing).boxed(),
        ))
    }
}

fn set_up(
    state: &State,
    peer: SocketAddr,
    message: &Payload,
    pushes: mpsc::UnboundedSender<Result<Payload, Status>>,
) {
    let introduction = seen(peer, message);
    assert_eq!(introduction.kind, "ConnectionSetupRequest");
    let negotiates = introduction.body.get("abilityTable").is_some();
    state.calls.lock().push(introduction);
    if let Some(abilities) = &state.behaviour.lock().abilities
        && negotiates
    {
        let table: BTreeMap<_, _> = abilities.iter().map(|name| (*name, true)).collect();
        let body = json!({"abilityTable": table}).to_string();
        drop(pushes.send(Ok(payload_of("SetupAckRequest", body.as_bytes()))));
    }
    state.streams.lock().insert(peer, pushes);
}
