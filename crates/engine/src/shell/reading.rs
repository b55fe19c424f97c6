//! One actor per endpoint: lists, reads and watches its registry for all links
//! together, so that ten outputs cost one read.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use syncline_contract::{
    Area, Coverage, Interest, ListEnd, Listed, Observation, ObservationSink, Purpose, Source,
    observations,
};
use syncline_model::scope::Scope;
use syncline_model::{EndpointName, ServiceKey, View};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Event;

/// How many single services are read at once from one registry.
const READS_IN_FLIGHT: usize = 16;
/// How many listed services wait for the core before the list waits too.
const LISTED_AHEAD: usize = 256;
/// How long the read of one service may take, whatever the connector does.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// The wait before a watch that panicked is started again.
const RESTART: Duration = Duration::from_secs(1);

/// The reading side of one endpoint.
#[derive(Clone)]
pub(super) struct Reading {
    endpoint: EndpointName,
    source: Arc<dyn Source>,
    /// What is listed.
    scopes: Arc<[Scope]>,
    /// What is watched.
    interest: Interest,
    events: mpsc::Sender<Event>,
    reads: Arc<Semaphore>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Reading {
    pub(super) fn new(
        endpoint: EndpointName,
        source: Arc<dyn Source>,
        interest: Interest,
        events: mpsc::Sender<Event>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            endpoint,
            source,
            scopes: interest.everywhere().into(),
            interest,
            events,
            reads: Arc::new(Semaphore::new(READS_IN_FLIGHT)),
            tasks,
            cancel,
        }
    }

    /// Watches until the engine stops; a watch that panics is started again and
    /// no other endpoint notices.
    pub(super) fn watch(&self, listed: Arc<[ServiceKey]>) {
        let (sink, observed) = observations();
        let this = self.clone();
        self.spawn(async move {
            loop {
                this.watch_once(Arc::clone(&listed), sink.clone()).await;
                sink.put(Observation::Down("its watch ended and is restarted".into()));
                tokio::time::sleep(RESTART).await;
                sink.put(Observation::LookAtAll);
            }
        });
        let this = self.clone();
        self.spawn(async move {
            loop {
                let observation = observed.next().await;
                this.send(Event::Observed {
                    endpoint: this.endpoint.clone(),
                    observation,
                })
                .await;
            }
        });
    }

    async fn watch_once(&self, listed: Arc<[ServiceKey]>, sink: ObservationSink) {
        let interest = Interest {
            listed,
            ..self.interest.clone()
        };
        let cancel = self.cancel.clone();
        let watch = self.source.watch(interest, sink, cancel);
        if AssertUnwindSafe(watch).catch_unwind().await.is_err() {
            tracing::error!(endpoint = %self.endpoint, "the watch panicked");
        }
    }

    /// Lists once, streaming each service into the core.
    pub(super) fn list(&self) {
        let this = self.clone();
        self.spawn(async move {
            let (sink, mut listed) = mpsc::channel::<Listed>(LISTED_AHEAD);
            let list = AssertUnwindSafe(this.source.list(&this.scopes, sink)).catch_unwind();
            let forward = async {
                while let Some(listed) = listed.recv().await {
                    let endpoint = this.endpoint.clone();
                    this.send(Event::Listed { endpoint, listed }).await;
                }
            };
            let (end, ()) = tokio::join!(list, forward);
            let end = end.unwrap_or_else(|_| {
                ListEnd::of(vec![Area {
                    namespace: None,
                    group: None,
                    coverage: Coverage::Failed("the list panicked".into()),
                }])
            });
            let endpoint = this.endpoint.clone();
            this.send(Event::ListEnded { endpoint, end }).await;
        });
    }

    /// Reads one service, a few at a time.
    pub(super) fn read(&self, service: ServiceKey, purpose: Purpose) {
        let this = self.clone();
        self.spawn(async move {
            let Ok(_permit) = this.reads.acquire().await else {
                return;
            };
            let read = AssertUnwindSafe(this.source.read(&service, purpose)).catch_unwind();
            let view = match tokio::time::timeout(READ_WITHIN, read).await {
                Ok(Ok(view)) => view,
                Ok(Err(_)) => View::Failed("the read panicked".into()),
                Err(_) => View::Failed("no answer in time".into()),
            };
            this.send(Event::Read {
                endpoint: this.endpoint.clone(),
                service,
                view,
                rejected: Vec::new(),
            })
            .await;
        });
    }

    /// Follows a service by name, or not any more.
    pub(super) fn follow(&self, service: &ServiceKey, follow: bool) {
        if follow {
            self.interest.followed.follow(service);
        } else {
            self.interest.followed.unfollow(service);
        }
    }

    async fn send(&self, event: Event) {
        // The core is gone only when the engine stops, and then so are we.
        if self.events.send(event).await.is_err() {
            self.cancel.cancel();
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = work => {}
            }
        });
    }
}
