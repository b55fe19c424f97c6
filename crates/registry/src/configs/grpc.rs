//! Over gRPC: a client's calls go over a connection of its own, since the
//! server ties what a client listens to to the connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use syncline_nacos::grpc::{
    CallCause, CallError, ConnectionEvent, ConnectionEvents, GrpcConnection, GrpcServer,
};
use syncline_nacos::message::payload::{Payload, encode_refusal, kind};
use syncline_nacos::message::{ConfigChangeNotifyRequest, ErrorCode};
use tokio::sync::Mutex;

use super::{ConfigUpstream, REFUSED, whole};
use crate::grpc::Transport;
use crate::unasked;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks what a configuration says.
const READ: &str = "ConfigQueryRequest";

/// A client's line to the Nacos with the configurations: opened by its first
/// call, closed with its transport.
#[derive(Default)]
pub(crate) struct Line {
    open: Mutex<Option<GrpcConnection>>,
    /// Whether the client was told that it will hear of changes.
    listens: AtomicBool,
    pushed: AtomicU64,
}

/// Answers a call about configurations with a message of type `answer`.
pub(crate) async fn answer(
    upstream: Option<&ConfigUpstream>,
    transport: &Arc<Transport>,
    request: Payload,
    answer: &str,
) -> Payload {
    let Some(upstream) = upstream else {
        return encode_refusal(answer, ErrorCode::NO_RIGHT, REFUSED);
    };
    let unanswered = match kind(&request) {
        READ => ErrorCode::NO_RIGHT,
        _ => ErrorCode::SERVER_ERROR,
    };
    match pass_on(upstream, transport, request).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(
                error = whole(&error),
                client = transport.id(),
                "a configuration call was not answered"
            );
            encode_refusal(answer, unanswered, &whole(&error))
        }
    }
}

async fn pass_on(
    upstream: &ConfigUpstream,
    transport: &Arc<Transport>,
    request: Payload,
) -> Result<Payload, CallError> {
    let line = transport.configs();
    let connection = line.connection(upstream, transport).await?;
    if kind(&request) != READ {
        line.listens.store(true, Ordering::Relaxed);
    }
    connection.pass_on(request, PATIENCE).await
}

impl Line {
    /// The connection, opened where there is none.
    async fn connection(
        &self,
        upstream: &ConfigUpstream,
        transport: &Arc<Transport>,
    ) -> Result<GrpcConnection, CallError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open
            && connection.lost().is_none()
        {
            return Ok(connection.clone());
        }
        let (connection, events) = upstream.connect().await?;
        tokio::spawn(listen(events, Arc::downgrade(transport)));
        *open = Some(connection.clone());
        Ok(connection)
    }

    fn next_id(&self) -> String {
        self.pushed.fetch_add(1, Ordering::Relaxed).to_string()
    }
}

impl ConfigUpstream {
    /// Connects to the first server that takes the connection.
    async fn connect(&self) -> Result<(GrpcConnection, ConnectionEvents), CallError> {
        let options = Arc::new(self.grpc.clone());
        let mut failed = None;
        for address in self.http.servers().addresses() {
            let Some((host, port)) = self.http.grpc_endpoint(&address) else {
                continue;
            };
            let server = GrpcServer { host, port };
            match GrpcConnection::connect(&server, Arc::clone(&options)).await {
                Ok(connected) => return Ok(connected),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| CallError {
            attempted: "connect".into(),
            server: "configs_from".into(),
            cause: CallCause::Connect("none of its servers has a gRPC port".into()),
        }))
    }
}

/// Tells the client what changes. When the line breaks, the client is sent away
/// if it relies on it: it comes back and says anew what it listens to.
async fn listen(mut events: ConnectionEvents, transport: Weak<Transport>) {
    while let Some(event) = events.next().await {
        let Some(transport) = transport.upgrade() else {
            return;
        };
        let told = match event {
            ConnectionEvent::ConfigChanged(change) => tell(&transport, change),
            ConnectionEvent::MoveAsked { .. } | ConnectionEvent::Disconnected(_) => {
                !transport.configs().listens.load(Ordering::Relaxed)
            }
            _ => true,
        };
        if !told {
            tracing::info!(
                client = transport.id(),
                "sent away, as its line to the configurations broke"
            );
            transport.end_stream();
        }
    }
}

/// `false` if the client has no room for it.
fn tell(transport: &Transport, change: ConfigChangeNotifyRequest) -> bool {
    match unasked::encode(change, Some(&transport.configs().next_id())) {
        Ok(message) => transport.send(message),
        Err(error) => {
            tracing::error!(%error, "cannot tell a client of a configuration");
            false
        }
    }
}
