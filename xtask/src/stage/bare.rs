//! Bare clients: the protocol, and nothing else. What Syncline does is measured beside them.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use syncline_model::ServiceKey;
use syncline_nacos::grpc::{
    ConnectionEvent, ConnectionEvents, GrpcConnection, GrpcOptions, GrpcServer, Timeouts,
};
use syncline_nacos::http::{ClientOptions, HttpClient, Route, WriteApi};
use syncline_nacos::message::ServiceInfo;
use tokio_util::task::AbortOnDropHandle;

use crate::fleet::{Fleet, Names};

/// Calls that a bare client has on their way at once.
pub const IN_FLIGHT: usize = 32;

/// Long enough that a busy machine is slow rather than broken.
const CALL: Duration = Duration::from_secs(30);

/// One connection, to publish over.
pub async fn connect(grpc: SocketAddr) -> anyhow::Result<GrpcConnection> {
    Ok(open(grpc).await?.0)
}

/// One connection, with what the server says over it unasked.
pub async fn open(grpc: SocketAddr) -> anyhow::Result<(GrpcConnection, ConnectionEvents)> {
    let options = GrpcOptions {
        client_version: "Bench:v1".to_owned(),
        timeouts: Timeouts {
            call: CALL,
            setup: CALL,
            ..Timeouts::default()
        },
        ..GrpcOptions::default()
    };
    let server = GrpcServer {
        host: grpc.ip().to_string(),
        port: grpc.port(),
    };
    GrpcConnection::connect(&server, Arc::new(options))
        .await
        .with_context(|| format!("connect a bare client to {grpc}"))
}

/// Registers a whole fleet, one batch for each service.
pub async fn register_all(connection: &GrpcConnection, fleet: &Fleet) -> anyhow::Result<()> {
    at_once(0..fleet.services(), |number| {
        register(connection, fleet, number)
    })
    .await
}

/// Registers one service as the fleet has it now.
pub async fn register(
    connection: &GrpcConnection,
    fleet: &Fleet,
    number: u32,
) -> anyhow::Result<()> {
    let service = fleet.names.service(number);
    let instances = fleet.set(number);
    connection.batch_register(&service, &instances).await?;
    Ok(())
}

/// Registers a whole fleet by one HTTP request for each instance, to be held by beats that nobody sends: each instance
/// says that it may be silent for three minutes, which is as much as Nacos 2.x grants.
pub async fn post_all(http: SocketAddr, fleet: &Fleet) -> anyhow::Result<()> {
    let mut options = ClientOptions::new([http.to_string()]);
    options.transport.request_timeout = CALL;
    let client = HttpClient::new(options).context("make an HTTP client")?;
    let all = (0..fleet.services()).flat_map(|number| {
        let service = fleet.names.service(number);
        let key = ServiceKey::new(&*service.namespace, &*service.group, &*service.name);
        fleet
            .set(number)
            .into_iter()
            .map(move |instance| (key.clone(), instance))
    });
    let client = &client;
    let posts = stream::iter(all).map(|(service, mut instance)| {
        for key in [
            "preserved.heart.beat.timeout",
            "preserved.ip.delete.timeout",
        ] {
            instance
                .metadata
                .insert(key.to_owned(), "180000".to_owned());
        }
        Ok(async move {
            let route = Route::Any;
            let posted = client
                .register(WriteApi::V1, &service, &instance, &route)
                .await;
            posted.map(drop)
        })
    });
    posts
        .try_buffer_unordered(IN_FLIGHT)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Does something for each number, with [`IN_FLIGHT`] on their way at once.
async fn at_once<F>(numbers: Range<u32>, call: impl Fn(u32) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let calls = stream::iter(numbers).map(|number| Ok(call(number)));
    calls
        .try_buffer_unordered(IN_FLIGHT)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Who wants to know what a subscriber sees.
pub trait Observer: Send + Sync + 'static {
    /// A service as it was answered or pushed.
    fn shown(&self, service: u32, at: Instant, info: &ServiceInfo);
}

/// A consumer: subscribed to services over one connection, until dropped.
pub struct Subscriber {
    // Before the connection, whose end is then of no interest.
    reading: AbortOnDropHandle<()>,
    _connection: GrpcConnection,
}

impl Subscriber {
    /// Subscribes to services by their numbers.
    pub async fn start(
        grpc: SocketAddr,
        names: Names,
        numbers: Range<u32>,
        observer: Arc<dyn Observer>,
    ) -> anyhow::Result<Self> {
        let (connection, events) = open(grpc).await?;
        let reading = tokio::spawn(read(events, names, Arc::clone(&observer)));
        let (calls, shows) = (&connection, &observer);
        at_once(numbers, |number| async move {
            let info = calls.subscribe(&names.service(number), "").await?;
            shows.shown(number, Instant::now(), &info);
            Ok(())
        })
        .await?;
        Ok(Self {
            reading: AbortOnDropHandle::new(reading),
            _connection: connection,
        })
    }

    /// Waits until its connection is lost.
    pub async fn lost(&mut self) {
        // However reading ended, nothing more is heard.
        (&mut self.reading).await.ok();
    }
}

async fn read(mut events: ConnectionEvents, names: Names, observer: Arc<dyn Observer>) {
    while let Some(event) = events.next().await {
        match event {
            ConnectionEvent::Pushed { service, info } => {
                if let Some(number) = names.number(&service.name) {
                    observer.shown(number, Instant::now(), &info);
                }
            }
            ConnectionEvent::Disconnected(lost) => {
                crate::report::say(&format!("a subscriber lost its connection: {lost}"));
            }
            _ => {}
        }
    }
}
