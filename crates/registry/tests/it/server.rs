//! A registry that serves on free ports, and ways to talk to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use syncline_nacos::grpc::{ConnectionEvent, ConnectionEvents, GrpcConnection, GrpcServer};
use syncline_nacos::message::generated::bi_request_stream_client::BiRequestStreamClient;
use syncline_nacos::message::generated::request_client::RequestClient;
use syncline_nacos::message::generated::{Body, Metadata};
use syncline_nacos::message::payload::Payload;
use syncline_nacos::message::{Instance, ServiceInfo};
use syncline_registry::{ConfigUpstream, Listeners, Registry, ServeError, Settings, serve};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::transport::Channel;

/// How long anything that must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) registry: Registry,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    cancel: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> anyhow::Result<Self> {
        let listeners = Listeners::bind_free().await?;
        Ok(Self::serving(listeners, Registry::new(settings)))
    }

    /// Serves a registry at free ports.
    pub(crate) async fn serving_free(registry: Registry) -> anyhow::Result<Self> {
        Ok(Self::serving(Listeners::bind_free().await?, registry))
    }

    /// Passes calls about configurations on.
    pub(crate) async fn start_passing_to(configs: ConfigUpstream) -> anyhow::Result<Self> {
        let registry = Registry::with_configs(Settings::default(), Some(configs));
        Ok(Self::serving(Listeners::bind_free().await?, registry))
    }

    /// Stops and starts anew, empty, where it was.
    pub(crate) async fn restart(self) -> anyhow::Result<Self> {
        let http = self.http;
        self.stop().await?;
        let listeners = Listeners::bind(http).await?;
        Ok(Self::serving(listeners, Registry::new(Settings::default())))
    }

    pub(crate) fn serving(listeners: Listeners, registry: Registry) -> Self {
        let (http, grpc) = (listeners.http_addr(), listeners.grpc_addr());
        let cancel = CancellationToken::new();
        let served = tokio::spawn(serve(listeners, registry.clone(), cancel.clone()));
        Self {
            registry,
            http,
            grpc,
            cancel,
            served,
        }
    }

    /// Stops, and waits until the ports are free.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, self.served).await???;
        Ok(())
    }

    pub(crate) fn grpc_server(&self) -> GrpcServer {
        GrpcServer {
            host: self.grpc.ip().to_string(),
            port: self.grpc.port(),
        }
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<(GrpcConnection, ConnectionEvents)> {
        Ok(GrpcConnection::connect(&self.grpc_server(), Arc::default()).await?)
    }

    /// Sends a request without a body; gives the status and the body.
    pub(crate) async fn call(&self, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
        self.send(method, path, None).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        form: Option<&str>,
    ) -> anyhow::Result<(u16, String)> {
        self.send_with(method, path, form, []).await
    }

    /// Sends a request with headers.
    pub(crate) async fn send_with<'a>(
        &self,
        method: &str,
        path: &str,
        form: Option<&str>,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> anyhow::Result<(u16, String)> {
        let mut request = self.request(method, path);
        if form.is_some() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = form.unwrap_or_default().to_owned();
        answer(request.body(body)?).await
    }

    /// Sends a `GET` as a client with that user agent.
    pub(crate) async fn get_as(&self, path: &str, agent: &str) -> anyhow::Result<(u16, String)> {
        let agent = [("user-agent", agent)];
        self.send_with("GET", path, None, agent).await
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let uri = format!("http://{}{path}", self.http);
        axum::http::Request::builder().method(method).uri(uri)
    }

    pub(crate) async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.call("GET", path).await?;
        anyhow::ensure!(status == 200, "{status}: {body}");
        serde_json::from_str(&body).with_context(|| body.clone())
    }
}

async fn answer(request: axum::http::Request<String>) -> anyhow::Result<(u16, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.map(Full::from)).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

/// A client that says nothing by itself: one TCP connection, and messages as
/// they are.
pub(crate) struct Bare {
    unary: RequestClient<Channel>,
    outgoing: Option<mpsc::Sender<Payload>>,
    incoming: Option<Streaming<Payload>>,
}

impl Bare {
    pub(crate) async fn connect(server: &Server) -> anyhow::Result<Self> {
        let endpoint = Channel::from_shared(format!("http://{}", server.grpc))?;
        let channel = endpoint.connect().await?;
        Ok(Self {
            unary: RequestClient::new(channel),
            outgoing: None,
            incoming: None,
        })
    }

    /// Connects and sets up, with what the JSON adds to the setup.
    pub(crate) async fn set_up(server: &Server, setup: Value) -> anyhow::Result<Self> {
        let endpoint = Channel::from_shared(format!("http://{}", server.grpc))?;
        let channel = endpoint.connect().await?;
        let (outgoing, messages) = mpsc::channel(16);
        outgoing
            .send(payload("ConnectionSetupRequest", &setup))
            .await?;
        let messages = futures_util::stream::unfold(messages, |mut messages| async {
            messages.recv().await.map(|message| (message, messages))
        });
        let mut stream = BiRequestStreamClient::new(channel.clone());
        let incoming = stream.request_bi_stream(messages).await?.into_inner();
        let mut bare = Self {
            unary: RequestClient::new(channel),
            outgoing: Some(outgoing),
            incoming: Some(incoming),
        };
        let check = async {
            loop {
                let (_, answer) = bare
                    .call("HealthCheckRequest", &serde_json::json!({}))
                    .await?;
                if answer["resultCode"] == 200 {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::time::timeout(PATIENCE, check).await??;
        Ok(bare)
    }

    /// The type and the body of the answer.
    pub(crate) async fn call(
        &mut self,
        kind: &str,
        body: &Value,
    ) -> anyhow::Result<(String, Value)> {
        self.call_raw(payload(kind, body)).await
    }

    pub(crate) async fn call_raw(&mut self, request: Payload) -> anyhow::Result<(String, Value)> {
        let answer = self.unary.request(request).await?.into_inner();
        parts(answer)
    }

    pub(crate) async fn say(&mut self, kind: &str, body: &Value) -> anyhow::Result<()> {
        let outgoing = self.outgoing.as_ref().context("not set up")?;
        Ok(outgoing.send(payload(kind, body)).await?)
    }

    /// The next message on the stream; `None` once it has ended.
    pub(crate) async fn hear(&mut self) -> anyhow::Result<Option<(String, Value)>> {
        let incoming = self.incoming.as_mut().context("not set up")?;
        let message = tokio::time::timeout(PATIENCE, incoming.message()).await?;
        match message {
            Ok(Some(payload)) => Ok(Some(parts(payload)?)),
            Ok(None) | Err(_) => Ok(None),
        }
    }
}

pub(crate) fn payload(kind: &str, body: &Value) -> Payload {
    Payload {
        metadata: Some(Metadata {
            r#type: kind.to_owned(),
            ..Metadata::default()
        }),
        body: Some(Body {
            type_url: String::new(),
            value: body.to_string().into(),
        }),
    }
}

/// A message with a token, where Java clients put it.
pub(crate) fn with_token(kind: &str, body: &Value, token: &str) -> Payload {
    let mut payload = payload(kind, body);
    if let Some(metadata) = &mut payload.metadata {
        let headers = &mut metadata.headers;
        headers.insert("accessToken".to_owned(), token.to_owned());
    }
    payload
}

fn parts(payload: Payload) -> anyhow::Result<(String, Value)> {
    let kind = payload.metadata.context("no metadata")?.r#type;
    let body = payload.body.context("no body")?.value;
    Ok((kind, serde_json::from_slice(&body)?))
}

/// Waits for a push that shows what is wanted.
pub(crate) async fn pushed(
    events: &mut ConnectionEvents,
    wanted: impl Fn(&ServiceInfo) -> bool,
) -> anyhow::Result<ServiceInfo> {
    let look = async {
        while let Some(event) = events.next().await {
            if let ConnectionEvent::Pushed { info, .. } = event
                && wanted(&info)
            {
                return Ok(info);
            }
        }
        anyhow::bail!("the connection ended");
    };
    tokio::time::timeout(PATIENCE, look).await?
}

/// `ip:port` of every instance, in order.
pub(crate) fn addresses(info: &ServiceInfo) -> Vec<String> {
    let hosts = info.hosts.items.iter();
    let mut addresses: Vec<String> = hosts.map(|i| format!("{}:{}", i.ip, i.port)).collect();
    addresses.sort();
    addresses
}

pub(crate) fn instance(ip: &str) -> Instance {
    Instance {
        ip: ip.to_owned(),
        port: 8080,
        cluster_name: "DEFAULT".to_owned(),
        ..Instance::default()
    }
}
