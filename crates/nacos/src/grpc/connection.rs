//! One connection: setting it up, keeping it alive, noticing its end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::latest::LatestQueue;
use super::options::{GrpcOptions, GrpcServer};
use super::pushes::Pushes;
use super::transport::{self, Transport};
use super::{CallCause, CallError, ErrorClass, Lost, ServiceRef};
use crate::message::generated::bi_request_stream_client::BiRequestStreamClient;
use crate::message::generated::request_client::RequestClient;
use crate::message::payload::{Payload, encode_request};
use crate::message::{
    ConfigChangeNotifyRequest, ConnectionSetupRequest, FuzzyChange, Headers, HealthCheckRequest,
    ServerCheckRequest, ServiceInfo, ability,
};

/// How often to ask whether the server has taken note of the setup.
const SETUP_POLL: Duration = Duration::from_millis(20);

/// A connection to one server. Clones share it; it closes when the last one is
/// dropped.
#[derive(Clone)]
pub struct GrpcConnection {
    pub(super) core: Arc<Core>,
    tasks: TaskTracker,
    _close_on_drop: Arc<DropGuard>,
}

/// What calls, pushes and health checks share.
pub(super) struct Core {
    pub(super) server: Arc<str>,
    pub(super) client: RequestClient<Transport>,
    pub(super) client_ip: String,
    pub(super) options: Arc<GrpcOptions>,
    pub(super) abilities: OnceLock<Abilities>,
    /// The namespace of each subscribed `GROUP@@name`, which pushes do not
    /// tell.
    pub(super) subscribed: Mutex<HashMap<String, ServiceRef>>,
    pub(super) events: LatestQueue<EventKey, ConnectionEvent>,
    fate: watch::Sender<Option<Lost>>,
    cancel: CancellationToken,
}

/// What a server from 2.3 on says that it can do.
pub(super) type Abilities = BTreeMap<String, bool>;

/// What a connection tells of its own accord.
#[derive(Debug, Clone)]
pub enum ConnectionEvent {
    /// A subscribed service, whole.
    Pushed {
        /// Which.
        service: ServiceRef,
        /// As a consumer sees it.
        info: ServiceInfo,
    },
    /// A service that matches a watched pattern came or went.
    NameChanged {
        /// Which.
        service: ServiceRef,
        /// What happened.
        change: FuzzyChange,
    },
    /// Every service that matched this pattern at first has been told.
    NamesComplete {
        /// The pattern.
        pattern: Arc<str>,
    },
    /// A push that could not be understood: something changed, and it is not
    /// known what.
    Unreadable {
        /// What was wrong.
        reason: String,
    },
    /// A configuration changed that was listened to by a call that was
    /// [passed on](GrpcConnection::pass_on).
    ConfigChanged(ConfigChangeNotifyRequest),
    /// The server asks to go elsewhere. It is still served.
    MoveAsked {
        /// Where to, as an address and an HTTP port, if the server minds.
        to: Option<(String, u16)>,
    },
    /// The connection ended; the last event.
    Disconnected(Lost),
}

/// Events of one key give way to each other while they wait.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum EventKey {
    Service(ServiceRef),
    Name(ServiceRef),
    NamesComplete(Arc<str>),
    Unreadable,
    Config(ConfigChangeNotifyRequest),
    Move,
    End,
}

/// The events of one connection. While they wait, a newer push of a service
/// takes the place of an older one, so that at most one is held for each.
pub struct ConnectionEvents {
    core: Arc<Core>,
}

impl ConnectionEvents {
    /// The next event; `None` after [`ConnectionEvent::Disconnected`]. Loses
    /// nothing when dropped before it is done.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        self.core.events.next().await
    }
}

impl fmt::Debug for ConnectionEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionEvents({})", self.core.server)
    }
}

impl fmt::Debug for GrpcConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrpcConnection({})", self.core.server)
    }
}

impl GrpcConnection {
    /// Connects and waits until the server takes calls.
    ///
    /// # Errors
    /// If nothing listens there, if what listens is no Nacos, or if the server
    /// does not accept the connection in time. [`ErrorClass::Starting`] asks
    /// for another try.
    pub async fn connect(
        server: &GrpcServer,
        options: Arc<GrpcOptions>,
    ) -> Result<(Self, ConnectionEvents), CallError> {
        let name: Arc<str> = server.to_string().into();
        let failed = |cause| CallError {
            attempted: "connect".into(),
            server: name.clone(),
            cause,
        };
        let connect_within = options.timeouts.connect;
        let opened = tokio::time::timeout(connect_within, transport::open(server, &options)).await;
        let opened = opened
            .map_err(|_| failed(CallCause::Timeout(connect_within)))?
            .map_err(|error| failed(CallCause::Connect(error)))?;

        let client = RequestClient::with_origin(opened.transport.clone(), opened.origin.clone())
            .max_decoding_message_size(options.max_receive_bytes);
        let stream = BiRequestStreamClient::with_origin(opened.transport, opened.origin)
            .max_decoding_message_size(options.max_receive_bytes);
        let cancel = CancellationToken::new();
        let core = Arc::new(Core {
            server: name.clone(),
            client,
            client_ip: opened.local_ip.to_string(),
            options,
            abilities: OnceLock::new(),
            subscribed: Mutex::default(),
            events: LatestQueue::new(),
            fate: watch::Sender::new(None),
            cancel: cancel.clone(),
        });
        let connection = Self {
            core: core.clone(),
            tasks: TaskTracker::new(),
            _close_on_drop: Arc::new(cancel.drop_guard()),
        };
        connection.spawn(drive(opened.driver));
        connection.set_up(stream).await?;
        connection.spawn(keep_alive(core.clone()));
        Ok((connection, ConnectionEvents { core }))
    }

    /// The server's address.
    pub fn server(&self) -> &Arc<str> {
        &self.core.server
    }

    /// Whether the server says that it has an ability; see [`ability`]. False
    /// for all of them before 2.3.
    pub fn is_able(&self, ability: &str) -> bool {
        let abilities = self.core.abilities.get();
        abilities.is_some_and(|table| table.get(ability).copied().unwrap_or(false))
    }

    /// Why the connection ended, if it has.
    pub fn lost(&self) -> Option<Lost> {
        self.core.lost()
    }

    /// Closes the connection, for all clones. The server removes at once what
    /// was registered over it.
    pub(super) fn end(&self) {
        self.core.end(Lost::Closed);
    }

    /// Closes the connection, for all clones, and waits until its tasks have
    /// ended. The server removes at once what was registered over it.
    pub async fn close(self) {
        self.end();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Introduces this client and waits until the server knows it.
    async fn set_up(&self, stream: BiRequestStreamClient<Transport>) -> Result<(), CallError> {
        let core = &self.core;
        let deadline = Instant::now() + core.options.timeouts.setup;
        let per_call = core.options.timeouts.call;
        let check = core
            .exchange(&ServerCheckRequest {}, Headers::default(), per_call)
            .await
            .map_err(|cause| core.error("check the server", cause))?;

        let introduction = core.introduction()?;
        let (set_up, acknowledged) = oneshot::channel();
        let pushes = Pushes::new(core.clone(), set_up);
        self.spawn(pushes.read(stream, introduction));

        if check.support_ability_negotiation
            && let Ok(Ok(abilities)) = timeout_at(deadline, acknowledged).await
        {
            // Set once, here.
            core.abilities.get_or_init(|| abilities);
        }
        core.wait_until_known(deadline).await
    }

    fn spawn(&self, task: impl Future<Output = Lost> + Send + 'static) {
        let core = self.core.clone();
        self.tasks.spawn(async move {
            // A task that panics takes the connection with it.
            let _end = core.cancel.clone().drop_guard();
            let lost = tokio::select! {
                lost = task => lost,
                () = core.cancel.cancelled() => Lost::Closed,
            };
            core.end(lost);
        });
    }
}

impl Core {
    /// Ends the connection. The first reason given counts.
    pub(super) fn end(&self, lost: Lost) {
        let first = self.fate.send_if_modified(|fate| {
            let first = fate.is_none();
            if first {
                *fate = Some(lost.clone());
            }
            first
        });
        if first {
            tracing::debug!(server = %self.server, reason = %lost, "Nacos connection ended");
            let event = ConnectionEvent::Disconnected(lost);
            self.events.close_with(EventKey::End, event);
            self.cancel.cancel();
        }
    }

    pub(super) fn lost(&self) -> Option<Lost> {
        self.fate.borrow().clone()
    }

    /// Resolves when the connection has ended.
    pub(super) async fn ended(&self) -> Lost {
        let mut fate = self.fate.subscribe();
        match fate.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(lost)) => lost.clone(),
            // The sender lives in `self`.
            Ok(None) | Err(_) => Lost::Closed,
        }
    }

    fn introduction(&self) -> Result<Payload, CallError> {
        let mut labels = self.options.labels.clone();
        labels.insert("source".to_owned(), "sdk".to_owned());
        let module = labels.entry("module".to_owned());
        module.or_insert_with(|| "naming".to_owned());
        let request = ConnectionSetupRequest {
            client_version: self.options.client_version.clone(),
            tenant: self.options.namespace.clone(),
            labels,
            ability_table: Some([(ability::FUZZY_WATCH.to_owned(), true)].into()),
        };
        encode_request(&request, None, Headers::default())
            .map(|payload| self.with_client_ip(payload))
            .map_err(|error| self.error("connect", CallCause::Encode(error)))
    }

    /// The setup message has no answer before 2.3, so health checks tell when
    /// it has been read: until then they are refused.
    async fn wait_until_known(&self, deadline: Instant) -> Result<(), CallError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let health = HealthCheckRequest {};
            match self.exchange(&health, Headers::default(), left).await {
                Ok(_) => return Ok(()),
                Err(cause)
                    if cause.class() == ErrorClass::Unregistered && Instant::now() < deadline =>
                {
                    sleep(SETUP_POLL).await;
                }
                Err(cause) => return Err(self.error("be registered", cause)),
            }
        }
    }

    async fn check_health(&self) -> Result<(), Lost> {
        let timeouts = &self.options.timeouts;
        let mut failures = 0;
        loop {
            let health = HealthCheckRequest {};
            let check = self.exchange(&health, Headers::default(), timeouts.call);
            let Err(cause) = check.await else {
                return Ok(());
            };
            failures += 1;
            if cause.class() == ErrorClass::Unregistered {
                return Err(Lost::Unregistered);
            }
            if failures >= timeouts.health_attempts {
                let error = self.error("check the health", cause);
                return Err(Lost::Unhealthy(Arc::new(error)));
            }
        }
    }
}

async fn drive(driver: BoxFuture<'static, Result<(), hyper::Error>>) -> Lost {
    Lost::Transport(driver.await.err().map(Arc::new))
}

async fn keep_alive(core: Arc<Core>) -> Lost {
    let every = core.options.timeouts.health_interval;
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(lost) = core.check_health().await {
            return lost;
        }
    }
}
