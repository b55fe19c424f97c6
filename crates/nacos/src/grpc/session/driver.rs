//! Brings about what is on the desk, over one connection after another.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::desk::{Job, Next, Wish};
use super::{EventKey, SessionError, SessionEvent, SessionOptions, SessionState, Shared, Subject};
use crate::grpc::{
    CallError, ConnectionEvent, ConnectionEvents, ErrorClass, GrpcConnection, GrpcServer, Lost,
    ServiceRef,
};
use crate::message::{Instance, ServiceInfo};

/// By convention of Nacos; a server that asks a client to move names its HTTP
/// port.
const GRPC_PORT_OFFSET: u16 = 1000;

/// How long a connection that is to be left stays open beside its successor.
const LINGER: Duration = Duration::from_secs(10);

pub(super) async fn run(
    shared: Arc<Shared>,
    options: SessionOptions,
    state: watch::Sender<SessionState>,
) {
    let cancel = shared.cancel.clone();
    let mut driver = Driver {
        backoff: Backoff::new(options.backoff, options.seed),
        server: 0,
        failures: 0,
        epoch: 0,
        shared,
        options,
        state,
    };
    cancel.run_until_cancelled(driver.drive()).await;
    driver.stop().await;
}

struct Driver {
    shared: Arc<Shared>,
    options: SessionOptions,
    state: watch::Sender<SessionState>,
    backoff: Backoff,
    /// The server to try next.
    server: usize,
    /// Connections in a row that failed, or did not last.
    failures: usize,
    epoch: u64,
}

/// Why a connection is left.
enum Left {
    /// It is gone.
    Lost(Lost),
    /// The server asked for it, and still serves it.
    Asked { to: Option<(String, u16)> },
}

impl Driver {
    async fn drive(&mut self) {
        self.server = self.backoff.pick(self.options.servers.len());
        let mut predecessor = None;
        loop {
            let (connection, events) = self.connect().await;
            let since = Instant::now();
            self.connected(&connection);
            let left = Serving::new(self, &connection, predecessor.take())
                .until_left(events)
                .await;
            // A server that accepts and drops must not make a busy loop.
            if since.elapsed() > self.options.reconnect_cap {
                self.failures = 0;
            } else {
                self.failures += 1;
            }
            predecessor = self.left(connection, left);
        }
    }

    /// Tries servers in turn until one accepts.
    async fn connect(&mut self) -> (GrpcConnection, ConnectionEvents) {
        loop {
            if self.failures > 0 {
                sleep(self.wait()).await;
            }
            let attempt = match self.options.servers.get(self.server) {
                Some(server) => {
                    GrpcConnection::connect(server, self.options.connection.clone()).await
                }
                // Without servers there is nothing to do but wait for the end.
                None => std::future::pending().await,
            };
            match attempt {
                Ok(connected) => return connected,
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "cannot connect to Nacos");
                    self.set_last_error(&error);
                    self.failures += 1;
                    self.next_server();
                }
            }
        }
    }

    /// The wait before the next try; each round over all servers waits longer.
    fn wait(&mut self) -> Duration {
        let rounds = self.failures.div_ceil(self.options.servers.len());
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        self.backoff.after(rounds, self.options.reconnect_cap)
    }

    fn next_server(&mut self) {
        self.server = (self.server + 1) % self.options.servers.len();
    }

    fn connected(&mut self, connection: &GrpcConnection) {
        self.epoch += 1;
        let (server, epoch) = (connection.server().clone(), self.epoch);
        tracing::info!(%server, epoch, "connected to Nacos");
        *self.shared.connection.lock() = Some(connection.clone());
        self.shared.desk.lock().connected();
        self.state.send_replace(SessionState::Connected {
            server: server.clone(),
            epoch,
        });
        let event = SessionEvent::Connected { server, epoch };
        self.shared.events.put(EventKey::Link, event);
    }

    /// Returns the connection if it should stay until the next one stands.
    fn left(&mut self, connection: GrpcConnection, left: Left) -> Option<GrpcConnection> {
        let (reason, predecessor): (Arc<str>, _) = match left {
            Left::Lost(lost) => {
                self.next_server();
                (chain(&lost).into(), None)
            }
            Left::Asked { to } => {
                match to.and_then(|(host, port)| self.position(&host, port)) {
                    Some(named) => self.server = named,
                    None => self.next_server(),
                }
                ("the server asked to move".into(), Some(connection))
            }
        };
        tracing::info!(%reason, epoch = self.epoch, "lost the connection to Nacos");
        self.forget(&SessionError::NotConnected {
            last_error: Some(reason.clone()),
        });
        self.state.send_replace(SessionState::Reconnecting {
            since: Instant::now(),
            last_error: Some(reason.clone()),
        });
        let event = SessionEvent::Lost { reason };
        self.shared.events.put(EventKey::Link, event);
        predecessor
    }

    async fn stop(self) {
        let connection = self.shared.connection.lock().take();
        if let Some(connection) = connection {
            connection.close().await;
        }
        self.forget(&SessionError::Closed);
        self.state.send_replace(SessionState::Closed);
        self.shared.events.close();
    }

    fn forget(&self, error: &SessionError) {
        *self.shared.connection.lock() = None;
        self.shared.desk.lock().lost(error);
    }

    fn position(&self, host: &str, http_port: u16) -> Option<usize> {
        let named = GrpcServer {
            host: host.to_owned(),
            port: http_port.checked_add(GRPC_PORT_OFFSET)?,
        };
        self.options
            .servers
            .iter()
            .position(|server| *server == named)
    }

    fn set_last_error(&self, error: &CallError) {
        let text: Arc<str> = chain(error).into();
        self.state.send_modify(|state| {
            if let SessionState::Reconnecting { last_error, .. } = state {
                *last_error = Some(text);
            }
        });
    }
}

/// One connection's time.
struct Serving<'d> {
    driver: &'d mut Driver,
    connection: GrpcConnection,
    /// Kept until what it held stands here.
    predecessor: Option<GrpcConnection>,
    restored: bool,
    window: Window,
    /// `lastRefTime` of the latest push of each service, by which an answer
    /// that was overtaken is told.
    pushed_at: HashMap<ServiceRef, i64>,
}

type Done = (Job, Result<Option<ServiceInfo>, Arc<CallError>>);

impl<'d> Serving<'d> {
    fn new(
        driver: &'d mut Driver,
        connection: &GrpcConnection,
        predecessor: Option<GrpcConnection>,
    ) -> Self {
        Self {
            window: Window::new(driver.options.in_flight),
            connection: connection.clone(),
            predecessor,
            restored: false,
            pushed_at: HashMap::new(),
            driver,
        }
    }

    async fn until_left(mut self, mut events: ConnectionEvents) -> Left {
        let shared = self.driver.shared.clone();
        let mut calls: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
        let mut waits: FuturesUnordered<BoxFuture<'static, Subject>> = FuturesUnordered::new();
        let mut linger = Box::pin(sleep(LINGER));
        loop {
            while calls.len() < self.window.size() {
                let Some(job) = shared.desk.lock().next() else {
                    break;
                };
                calls.push(Box::pin(perform(self.connection.clone(), job)));
            }
            self.note_restored();
            tokio::select! {
                event = events.next() => match event {
                    Some(ConnectionEvent::Disconnected(lost)) => return Left::Lost(lost),
                    Some(ConnectionEvent::MoveAsked { to }) => return Left::Asked { to },
                    Some(event) => self.pass_on(event),
                    // `Disconnected` comes first.
                    None => return Left::Lost(Lost::Closed),
                },
                Some(done) = calls.next() => {
                    if let Some((wait, subject)) = self.finished(done) {
                        waits.push(Box::pin(async move {
                            sleep(wait).await;
                            subject
                        }));
                    }
                }
                Some(subject) = waits.next() => shared.desk.lock().again(&subject),
                () = shared.work.notified() => {}
                () = &mut linger, if self.predecessor.is_some() => self.predecessor = None,
            }
        }
    }

    /// Tells once when nothing is left to do, and lets the predecessor go.
    fn note_restored(&mut self) {
        if !self.restored && self.driver.shared.desk.lock().is_settled() {
            self.restored = true;
            self.predecessor = None;
            let epoch = self.driver.epoch;
            let event = SessionEvent::Restored { epoch };
            self.driver.shared.events.put(EventKey::Restored, event);
        }
    }

    fn pass_on(&mut self, event: ConnectionEvent) {
        let (key, event) = match event {
            ConnectionEvent::Pushed { service, info } => {
                self.pushed_at.insert(service.clone(), info.last_ref_time);
                let key = EventKey::Service(service.clone());
                (key, SessionEvent::Pushed { service, info })
            }
            ConnectionEvent::NameChanged { service, change } => {
                let key = EventKey::Name(service.clone());
                (key, SessionEvent::NameChanged { service, change })
            }
            ConnectionEvent::NamesComplete { pattern } => {
                let key = EventKey::NamesComplete(pattern.clone());
                (key, SessionEvent::NamesComplete { pattern })
            }
            ConnectionEvent::Unreadable { reason } => {
                (EventKey::Unreadable, SessionEvent::Unreadable { reason })
            }
            // Handled by whoever reads the events.
            ConnectionEvent::MoveAsked { .. } | ConnectionEvent::Disconnected(_) => return,
        };
        self.driver.shared.events.put(key, event);
    }

    /// Books the end of a call; returns when to try again, if so.
    fn finished(&mut self, (job, result): Done) -> Option<(Duration, Subject)> {
        let shared = &self.driver.shared;
        let (booked, info) = match result {
            Ok(info) => (Ok(()), info),
            Err(error) => (Err(error), None),
        };
        self.window
            .note(booked.as_ref().err().map(|error| error.class()));
        let next = shared.desk.lock().finished(&job, booked.clone());
        if let Err(error) = booked {
            tracing::debug!(error = %chain(&*error), "call to Nacos failed");
            let subject = job.subject.clone();
            let key = EventKey::Refused(subject.clone());
            // Losing the connection is told by its own event.
            if !matches!(
                error.class(),
                ErrorClass::Transport | ErrorClass::Unregistered
            ) {
                let event = SessionEvent::Refused { subject, error };
                shared.events.put(key, event);
            }
        }
        if let Subject::Subscription(service) = &job.subject {
            match info {
                Some(info) => self.subscribed(service, info),
                None if job.wish == Wish::Nothing => {
                    self.pushed_at.remove(service);
                }
                None => {}
            }
        }
        match next {
            Next::Settled => None,
            Next::Again { failures } => {
                let cap = self.driver.options.retry_cap;
                let wait = self.driver.backoff.after(failures, cap);
                Some((wait, job.subject))
            }
        }
    }

    fn subscribed(&self, service: &ServiceRef, info: ServiceInfo) {
        let overtaken = self.pushed_at.get(service);
        if overtaken.is_some_and(|pushed_at| *pushed_at > info.last_ref_time) {
            return;
        }
        let service = service.clone();
        let key = EventKey::Service(service.clone());
        let event = SessionEvent::Subscribed { service, info };
        self.driver.shared.events.put(key, event);
    }
}

async fn perform(connection: GrpcConnection, job: Job) -> Done {
    let result = match (&job.subject, &job.wish) {
        (Subject::Publication(service), Wish::Published(instances)) => {
            publish(&connection, service, instances)
                .await
                .map(|()| None)
        }
        (Subject::Publication(service), _) => {
            let example = job.example.clone().unwrap_or_default();
            let done = connection.deregister(service, example).await;
            done.map(|()| None)
        }
        (Subject::Subscription(service), Wish::Nothing) => {
            connection.unsubscribe(service, "").await.map(|()| None)
        }
        (Subject::Subscription(service), _) => connection.subscribe(service, "").await.map(Some),
        (Subject::Names { namespace, pattern }, Wish::Nothing) => {
            let done = connection.cancel_fuzzy_watch(namespace, pattern).await;
            done.map(|()| None)
        }
        (Subject::Names { namespace, pattern }, _) => {
            let done = connection.fuzzy_watch(namespace, pattern).await;
            done.map(|()| None)
        }
    };
    (job, result.map_err(Arc::new))
}

/// A set of one is also understood by servers before 2.1.1, if told singly.
async fn publish(
    connection: &GrpcConnection,
    service: &ServiceRef,
    instances: &[Instance],
) -> Result<(), CallError> {
    match (
        connection.batch_register(service, instances).await,
        instances,
    ) {
        (Err(error), [single]) if error.class() == ErrorClass::NotSupported => {
            connection.register(service, single.clone()).await
        }
        (result, _) => result,
    }
}

/// How many calls may be on their way: fewer when the server cannot keep up,
/// more again when it can.
struct Window {
    size: usize,
    most: usize,
    since_change: usize,
}

impl Window {
    fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            size: most,
            most,
            since_change: 0,
        }
    }

    fn size(&self) -> usize {
        self.size
    }

    fn note(&mut self, failure: Option<ErrorClass>) {
        self.since_change += 1;
        // A window's worth of answers tells whether the last change helped.
        let judged = self.since_change >= self.size;
        match failure {
            Some(ErrorClass::Timeout | ErrorClass::Overloaded)
                if judged || self.size == self.most =>
            {
                self.size = (self.size / 2).max(1);
                self.since_change = 0;
            }
            None if judged && self.size < self.most => {
                self.size += 1;
                self.since_change = 0;
            }
            _ => {}
        }
    }
}

/// An error with its causes, for people.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
