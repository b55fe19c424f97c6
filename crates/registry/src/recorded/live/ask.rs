//! Talking to a real server, with messages as they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use syncline_nacos::message::generated::bi_request_stream_client::BiRequestStreamClient;
use syncline_nacos::message::generated::request_client::RequestClient;
use syncline_nacos::message::payload::Payload;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::recorded::{Answer, payload};

/// How long a connection may take to be known to the server.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct HttpAsker {
    client: Client<HttpConnector, Full<Bytes>>,
    server: SocketAddr,
}

impl HttpAsker {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            server,
        }
    }

    /// Asks for a path with its query.
    pub(super) async fn ask(
        &self,
        request: axum::http::request::Builder,
        path: &str,
        body: String,
    ) -> anyhow::Result<Answer> {
        let request = request
            .uri(format!("http://{}{path}", self.server))
            .body(Full::from(body))?;
        let response = self.client.request(request).await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(axum::http::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer {
            status,
            content_type,
            body: String::from_utf8(body.to_vec())?,
        })
    }
}

/// Connections by their names.
pub(super) struct GrpcAsker {
    server: SocketAddr,
    connections: BTreeMap<String, Connection>,
}

struct Connection {
    unary: RequestClient<Channel>,
    /// What is pushed is heard, and not acknowledged.
    stream: Option<(mpsc::Sender<Payload>, JoinHandle<()>)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some((_, heard)) = &self.stream {
            heard.abort();
        }
    }
}

impl GrpcAsker {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self {
            server,
            connections: BTreeMap::new(),
        }
    }

    /// Sets a connection up, and waits until the server knows it.
    pub(super) async fn open(&mut self, name: &str, setup: &Value) -> anyhow::Result<()> {
        let channel = channel(self.server).await?;
        let mut unary = RequestClient::new(channel.clone());
        let (outgoing, messages) = mpsc::channel(16);
        outgoing
            .send(payload("ConnectionSetupRequest", setup))
            .await?;
        let messages = futures_util::stream::unfold(messages, |mut messages| async {
            messages.recv().await.map(|message| (message, messages))
        });
        let mut stream = BiRequestStreamClient::new(channel);
        // The server answers the call of the stream with its first push only.
        let heard = tokio::spawn(async move {
            if let Ok(incoming) = stream.request_bi_stream(messages).await {
                let mut incoming = incoming.into_inner();
                while let Ok(Some(_)) = incoming.message().await {}
            }
        });
        let known = async {
            loop {
                let health = payload("HealthCheckRequest", &Value::Object(Default::default()));
                let answer = unary.request(health).await?.into_inner();
                let kind = answer.metadata.map(|metadata| metadata.r#type);
                if kind.as_deref() == Some("HealthCheckResponse") {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::time::timeout(PATIENCE, known)
            .await
            .context("the connection is not known")??;
        let stream = Some((outgoing, heard));
        let connection = Connection { unary, stream };
        self.connections.insert(name.to_owned(), connection);
        Ok(())
    }

    pub(super) fn close(&mut self, name: &str) {
        self.connections.remove(name);
    }

    pub(super) async fn call(
        &mut self,
        name: &str,
        kind: &str,
        body: &Value,
    ) -> anyhow::Result<(String, Value)> {
        let connection = self.connection(name).await?;
        let answer = connection.unary.request(payload(kind, body)).await?;
        let answer = answer.into_inner();
        let kind = answer.metadata.context("no metadata")?.r#type;
        let body = answer.body.context("no body")?.value;
        Ok((kind, serde_json::from_slice(&body)?))
    }

    async fn connection(&mut self, name: &str) -> anyhow::Result<&mut Connection> {
        if !self.connections.contains_key(name) {
            let connection = Connection {
                unary: RequestClient::new(channel(self.server).await?),
                stream: None,
            };
            self.connections.insert(name.to_owned(), connection);
        }
        self.connections.get_mut(name).context("just made")
    }
}

async fn channel(server: SocketAddr) -> anyhow::Result<Channel> {
    let endpoint = Channel::from_shared(format!("http://{server}"))?;
    Ok(endpoint.connect().await?)
}
