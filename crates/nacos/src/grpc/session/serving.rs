//! One connection's time: brings about what is on the desk, passes events on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep;

use super::desk::{Job, Next, Wish};
use super::driver::{Driver, Reached, chain};
use super::window::Window;
use super::{EventKey, SessionEvent, Subject};
use crate::grpc::{
    CallError, ConnectionEvent, ConnectionEvents, ErrorClass, GrpcConnection, Lost, ServiceRef,
};
use crate::message::{Instance, ServiceInfo};

/// How long a connection that was left stays open beside its successor.
const LINGER: Duration = Duration::from_secs(10);

/// Why a connection is left.
pub(super) enum Left {
    /// It is gone.
    Lost(Lost),
    /// The server asked for it, another connection stands, and this one still
    /// does.
    Moved(Reached),
}

/// A connection that was left in good order. What it holds stays visible until
/// its successor holds the same; then it is closed, whoever else has a handle.
pub(super) struct Predecessor(GrpcConnection);

impl Predecessor {
    pub(super) fn new(connection: GrpcConnection) -> Self {
        Self(connection)
    }
}

impl Drop for Predecessor {
    fn drop(&mut self) {
        self.0.end();
    }
}

pub(super) struct Serving<'d> {
    driver: &'d mut Driver,
    connection: GrpcConnection,
    predecessor: Option<Predecessor>,
    restored: bool,
    window: Window,
    /// `lastRefTime` of the latest push of each service, by which an answer
    /// that was overtaken is told.
    pushed_at: HashMap<ServiceRef, i64>,
}

type Done = (Job, Result<Option<ServiceInfo>, Arc<CallError>>);

impl<'d> Serving<'d> {
    pub(super) fn new(
        driver: &'d mut Driver,
        connection: GrpcConnection,
        predecessor: Option<Predecessor>,
    ) -> Self {
        Self {
            window: Window::new(driver.options.in_flight),
            connection,
            predecessor,
            restored: false,
            pushed_at: HashMap::new(),
            driver,
        }
    }

    pub(super) async fn until_left(mut self, mut events: ConnectionEvents) -> Left {
        let shared = self.driver.shared.clone();
        let mut calls: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
        let mut waits: FuturesUnordered<BoxFuture<'static, Subject>> = FuturesUnordered::new();
        let mut moving = OptionFuture::from(None::<BoxFuture<'static, Option<Reached>>>);
        let mut linger = Box::pin(sleep(LINGER));
        loop {
            while calls.len() < self.window.size() {
                let Some(job) = shared.desk.lock().next() else {
                    break;
                };
                calls.push(self.perform(job));
            }
            self.note_restored();
            tokio::select! {
                event = events.next() => match event {
                    Some(ConnectionEvent::Disconnected(lost)) => return Left::Lost(lost),
                    Some(ConnectionEvent::MoveAsked { to }) => {
                        tracing::info!(server = %self.connection.server(), "asked to move");
                        moving = Some(self.driver.elsewhere(to).boxed()).into();
                    }
                    Some(event) => self.pass_on(event),
                    // `Disconnected` comes first.
                    None => return Left::Lost(Lost::Closed),
                },
                Some(reached) = &mut moving => match reached {
                    Some(reached) => return Left::Moved(reached),
                    // Nobody else takes us, so we stay.
                    None => moving = None.into(),
                },
                Some(done) = calls.next() => {
                    if let Some((wait, subject)) = self.finished(done) {
                        waits.push(sleep(wait).map(|()| subject).boxed());
                    }
                }
                Some(subject) = waits.next() => shared.desk.lock().again(&subject),
                () = shared.work.notified() => {}
                () = &mut linger, if self.predecessor.is_some() => self.predecessor = None,
            }
        }
    }

    fn perform(&self, job: Job) -> BoxFuture<'static, Done> {
        let connection = self.connection.clone();
        // What is withdrawn goes everywhere at once.
        let withdraws = matches!(job.subject, Subject::Publication(_)) && job.wish == Wish::Nothing;
        let predecessor = self.predecessor.as_ref().filter(|_| withdraws);
        let predecessor = predecessor.map(|predecessor| predecessor.0.clone());
        async move {
            if let Some(predecessor) = predecessor {
                // It is about to be closed, and what it holds with it.
                drop(perform(&predecessor, &job).await);
            }
            let result = perform(&connection, &job).await;
            (job, result.map_err(Arc::new))
        }
        .boxed()
    }

    /// Tells once when nothing is left to do, and lets the predecessor go.
    fn note_restored(&mut self) {
        if !self.restored && self.driver.shared.desk.lock().is_settled() {
            self.restored = true;
            self.predecessor = None;
            let epoch = self.driver.epoch;
            self.tell(EventKey::Restored, SessionEvent::Restored { epoch });
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
            // A session passes no calls on.
            ConnectionEvent::ConfigChanged(_) => return,
        };
        self.tell(key, event);
    }

    /// Books the end of a call; returns when to try again, if so.
    fn finished(&mut self, (job, result): Done) -> Option<(Duration, Subject)> {
        let (booked, info) = match result {
            Ok(info) => (Ok(()), info),
            Err(error) => (Err(error), None),
        };
        let failure = booked.as_ref().err();
        self.window.note(failure.map(|error| error.class()));
        let next = self
            .driver
            .shared
            .desk
            .lock()
            .finished(&job, booked.clone());
        match booked {
            Ok(()) => self.succeeded(&job, info),
            Err(error) => self.failed(&job, error),
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

    fn succeeded(&mut self, job: &Job, info: Option<ServiceInfo>) {
        let Subject::Subscription(service) = &job.subject else {
            return;
        };
        let Some(info) = info else {
            // Unsubscribed.
            self.pushed_at.remove(service);
            return;
        };
        let overtaken = self.pushed_at.get(service);
        if overtaken.is_some_and(|pushed_at| *pushed_at > info.last_ref_time) {
            return;
        }
        let service = service.clone();
        let key = EventKey::Service(service.clone());
        self.tell(key, SessionEvent::Subscribed { service, info });
    }

    fn failed(&self, job: &Job, error: Arc<CallError>) {
        tracing::debug!(error = %chain(&*error), "call to Nacos failed");
        let class = error.class();
        // Losing the connection is told by its own event.
        if !matches!(class, ErrorClass::Transport | ErrorClass::Unregistered) {
            let subject = job.subject.clone();
            let key = EventKey::Refused(subject.clone());
            self.tell(key, SessionEvent::Refused { subject, error });
        }
    }

    fn tell(&self, key: EventKey, event: SessionEvent) {
        self.driver.shared.events.put(key, event);
    }
}

/// Does a job; the service comes with an answer to a subscription.
async fn perform(connection: &GrpcConnection, job: &Job) -> Result<Option<ServiceInfo>, CallError> {
    match (&job.subject, &job.wish) {
        (Subject::Publication(service), Wish::Published(instances)) => {
            publish(connection, service, instances).await?;
        }
        (Subject::Publication(service), _) => {
            let example = job.example.clone().unwrap_or_default();
            connection.deregister(service, example).await?;
        }
        (Subject::Subscription(service), Wish::Nothing) => {
            connection.unsubscribe(service, "").await?;
        }
        (Subject::Subscription(service), _) => {
            return connection.subscribe(service, "").await.map(Some);
        }
        (Subject::Names { namespace, pattern }, Wish::Nothing) => {
            connection.cancel_fuzzy_watch(namespace, pattern).await?;
        }
        (Subject::Names { namespace, pattern }, _) => {
            connection.fuzzy_watch(namespace, pattern).await?;
        }
    }
    Ok(None)
}

/// A set of one is also understood by servers before 2.1.1, if told singly.
async fn publish(
    connection: &GrpcConnection,
    service: &ServiceRef,
    instances: &[Instance],
) -> Result<(), CallError> {
    let batch = connection.batch_register(service, instances).await;
    match (batch, instances) {
        (Err(error), [single]) if error.class() == ErrorClass::NotSupported => {
            connection.register(service, single.clone()).await
        }
        (result, _) => result,
    }
}
