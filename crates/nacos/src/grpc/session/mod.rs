//! A connection that comes back.
//!
//! A [`Session`] is told what should stand: which instances are published for
//! a service, which services are subscribed. It brings that about on one
//! server of a list, and again after each loss of the connection. The state it
//! keeps is shared with the caller (`Arc<[Instance]>`), not copied.
//!
//! What subscribers at the server see when a connection is lost: the published
//! sets vanish with it and are back a moment after the next connection stands.
//! When a *server* dies, its peers go on showing them for up to 3 minutes.

mod backoff;
mod desk;
mod driver;
mod serving;
mod window;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::desk::{Desk, Wish};
use super::latest::LatestQueue;
use super::{CallError, GrpcConnection, GrpcOptions, GrpcServer, ServiceRef};
use crate::message::{FuzzyChange, Instance, ServiceInfo};

/// How a session connects.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Servers of one cluster, in any order. An empty list never connects.
    pub servers: Vec<GrpcServer>,
    /// The connection to any of them.
    pub connection: Arc<GrpcOptions>,
    /// Calls that may be on their way at once.
    pub in_flight: usize,
    /// The bound of the first wait after a failure; it doubles from there.
    pub backoff: Duration,
    /// The longest wait before connecting again.
    pub reconnect_cap: Duration,
    /// The longest wait before repeating a call that the server failed.
    pub retry_cap: Duration,
    /// Where randomness starts: which server is tried first, and how long
    /// waits are. Sessions should differ in it.
    pub seed: u64,
}

impl SessionOptions {
    /// 32 calls in flight; waits from 100 ms to 5 s between connections and
    /// to 30 s between calls.
    pub fn new(servers: Vec<GrpcServer>, connection: Arc<GrpcOptions>, seed: u64) -> Self {
        Self {
            servers,
            connection,
            in_flight: 32,
            backoff: Duration::from_millis(100),
            reconnect_cap: Duration::from_secs(5),
            retry_cap: Duration::from_secs(30),
            seed,
        }
    }
}

/// Where a session is.
#[derive(Debug, Clone)]
pub enum SessionState {
    /// Not connected, and trying.
    Reconnecting {
        /// Since when.
        since: Instant,
        /// What went wrong last; `None` before the first try.
        last_error: Option<Arc<str>>,
    },
    /// Connected. What was asked for may not stand yet.
    Connected {
        /// To which server.
        server: Arc<str>,
        /// Counts connections, from 1. Whatever was registered over an earlier
        /// one is gone.
        epoch: u64,
    },
    /// Closed by its owner.
    Closed,
}

/// Something that a session holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// What is published for a service.
    Publication(ServiceRef),
    /// The subscription to a service.
    Subscription(ServiceRef),
    /// The fuzzy watch of a pattern.
    Names {
        /// The namespace id.
        namespace: Arc<str>,
        /// `namespace>>group>>service`.
        pattern: Arc<str>,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publication(service) => write!(f, "the instances of {service}"),
            Self::Subscription(service) => write!(f, "the subscription to {service}"),
            Self::Names { pattern, .. } => write!(f, "the watch of {pattern}"),
        }
    }
}

/// Why something does not stand. It is still wanted: the session tries again,
/// at the latest with the next connection.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// There is no connection.
    #[error("not connected: {}", .last_error.as_deref().unwrap_or("no server tried yet"))]
    NotConnected {
        /// What went wrong last.
        last_error: Option<Arc<str>>,
    },
    /// The call failed.
    #[error(transparent)]
    Call(Arc<CallError>),
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
}

/// What a session tells.
#[derive(Debug, Clone)]
pub enum SessionEvent {
    /// A connection stands. Subscriptions are renewed over it. Without a
    /// [`SessionEvent::Lost`] before it, the session moved on the server's
    /// request, and what it holds was never gone.
    Connected {
        /// To which server.
        server: Arc<str>,
        /// Counts connections, from 1.
        epoch: u64,
    },
    /// All that is wanted stands, or was refused, for the first time on this
    /// connection.
    Restored {
        /// The connection.
        epoch: u64,
    },
    /// The connection is gone. Services are as they were last seen, for as
    /// long as one cares to believe that.
    Lost {
        /// Why.
        reason: Arc<str>,
    },
    /// A service as it was when its subscription was made or renewed.
    Subscribed {
        /// Which.
        service: ServiceRef,
        /// As a consumer sees it.
        info: ServiceInfo,
    },
    /// A service as it was pushed.
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
    /// A push that could not be understood: look at every subscribed service.
    Unreadable {
        /// What was wrong.
        reason: String,
    },
    /// Something could not be brought about on this connection.
    Refused {
        /// What.
        subject: Subject,
        /// Why.
        error: Arc<CallError>,
    },
}

/// Events of one key give way to each other while they wait: at most one for
/// each service and subject, and the latest of what happened to the
/// connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum EventKey {
    Link,
    Restored,
    Service(ServiceRef),
    Name(ServiceRef),
    NamesComplete(Arc<str>),
    Unreadable,
    Refused(Subject),
}

/// Holds what should be published and subscribed at a Nacos cluster. Clones
/// share it; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    state: watch::Receiver<SessionState>,
    tasks: TaskTracker,
    _close_on_drop: Arc<DropGuard>,
}

/// The events of a session. A slow reader finds the latest of each service,
/// never a backlog.
pub struct SessionEvents {
    shared: Arc<Shared>,
}

/// What the session's handles and its driver share.
struct Shared {
    desk: Mutex<Desk>,
    /// Wakes the driver when the desk has work.
    work: Notify,
    events: LatestQueue<EventKey, SessionEvent>,
    connection: Mutex<Option<GrpcConnection>>,
    cancel: CancellationToken,
}

impl Session {
    /// Starts connecting, on the present tokio runtime.
    pub fn start(options: SessionOptions) -> (Self, SessionEvents) {
        let cancel = CancellationToken::new();
        let shared = Arc::new(Shared {
            desk: Mutex::default(),
            work: Notify::new(),
            events: LatestQueue::new(),
            connection: Mutex::default(),
            cancel: cancel.clone(),
        });
        let (sender, state) = watch::channel(SessionState::Reconnecting {
            since: Instant::now(),
            last_error: None,
        });
        let tasks = TaskTracker::new();
        tasks.spawn(driver::run(shared.clone(), options, sender));
        let session = Self {
            shared: shared.clone(),
            state,
            tasks,
            _close_on_drop: Arc::new(cancel.drop_guard()),
        };
        (session, SessionEvents { shared })
    }

    /// The state, now and as it changes.
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.state.clone()
    }

    /// The present connection, for calls that leave nothing behind: queries,
    /// lists, persistent instances.
    pub fn connection(&self) -> Option<GrpcConnection> {
        self.shared.connection.lock().clone()
    }

    /// Publishes a set of ephemeral instances for a service, in place of the
    /// one before, and returns when the server has taken it. An empty set is a
    /// withdrawal. The set stays wanted even if this fails, and when it is
    /// superseded before it was sent, the newer set's success counts.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn publish(
        &self,
        service: ServiceRef,
        instances: Arc<[Instance]>,
    ) -> Result<(), SessionError> {
        let wish = if instances.is_empty() {
            Wish::Nothing
        } else {
            Wish::Published(instances)
        };
        self.wish(Subject::Publication(service), wish).await
    }

    /// Removes what this session published for a service.
    ///
    /// # Errors
    /// See [`SessionError`]. Without a connection there is nothing to remove.
    pub async fn withdraw(&self, service: ServiceRef) -> Result<(), SessionError> {
        self.wish(Subject::Publication(service), Wish::Nothing)
            .await
    }

    /// Subscribes to a service, all clusters of it, and returns when the
    /// server has answered; the answer is an event.
    ///
    /// # Errors
    /// See [`SessionError`]. The same group and name in a second namespace
    /// needs a session of its own.
    pub async fn subscribe(&self, service: ServiceRef) -> Result<(), SessionError> {
        self.wish(Subject::Subscription(service), Wish::Watched)
            .await
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn unsubscribe(&self, service: ServiceRef) -> Result<(), SessionError> {
        self.wish(Subject::Subscription(service), Wish::Nothing)
            .await
    }

    /// Watches the names of services that match a pattern, see
    /// [`GrpcConnection::fuzzy_watch`].
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn watch_names(
        &self,
        namespace: impl Into<Arc<str>>,
        pattern: impl Into<Arc<str>>,
    ) -> Result<(), SessionError> {
        let (namespace, pattern) = (namespace.into(), pattern.into());
        let subject = Subject::Names { namespace, pattern };
        self.wish(subject, Wish::Watched).await
    }

    /// Ends a watch of names.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn unwatch_names(
        &self,
        namespace: impl Into<Arc<str>>,
        pattern: impl Into<Arc<str>>,
    ) -> Result<(), SessionError> {
        let (namespace, pattern) = (namespace.into(), pattern.into());
        let subject = Subject::Names { namespace, pattern };
        self.wish(subject, Wish::Nothing).await
    }

    /// Whether the latest wish for a subject stands on the present connection.
    pub fn stands(&self, subject: &Subject) -> bool {
        self.shared.desk.lock().stands(subject)
    }

    /// How many wishes are on their way or waiting for another try.
    pub fn pending(&self) -> usize {
        self.shared.desk.lock().pending()
    }

    /// Closes the session, for all clones, and waits until its tasks have
    /// ended. What it published is removed by the server at once.
    pub async fn close(self) {
        self.shared.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn wish(&self, subject: Subject, wish: Wish) -> Result<(), SessionError> {
        if self.shared.cancel.is_cancelled() {
            return Err(SessionError::Closed);
        }
        let outcome = {
            let mut desk = self.shared.desk.lock();
            desk.wish(subject, wish, || self.not_connected())
        };
        self.shared.work.notify_one();
        // The sender goes without a word only when the session ends.
        outcome.await.unwrap_or(Err(SessionError::Closed))
    }

    fn not_connected(&self) -> SessionError {
        match &*self.state.borrow() {
            SessionState::Reconnecting { last_error, .. } => SessionError::NotConnected {
                last_error: last_error.clone(),
            },
            SessionState::Connected { .. } => SessionError::NotConnected { last_error: None },
            SessionState::Closed => SessionError::Closed,
        }
    }
}

impl SessionEvents {
    /// The next event; `None` once the session is closed. Loses nothing when
    /// dropped before it is done.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        self.shared.events.next().await
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session")
            .field(&*self.state.borrow())
            .finish()
    }
}

impl fmt::Debug for SessionEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionEvents")
    }
}
