//! One writer per link: a few writes to its target at a time, and nothing that
//! another link would have to wait for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use syncline_contract::{Class, Ending, Failure, Target, Write};
use syncline_model::LinkName;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::{Event, WriteError};

/// How many writes to one target are under way at once.
const WRITES_IN_FLIGHT: usize = 32;

/// The writing side of one link.
#[derive(Clone)]
pub(super) struct Writing {
    link: LinkName,
    target: Arc<dyn Target>,
    events: mpsc::Sender<Event>,
    writes: Arc<Semaphore>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Writing {
    pub(super) fn new(
        link: LinkName,
        target: Arc<dyn Target>,
        events: mpsc::Sender<Event>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            link,
            target,
            events,
            writes: Arc::new(Semaphore::new(WRITES_IN_FLIGHT)),
            tasks,
            cancel,
        }
    }

    /// Asks the target what it can do, until it answers.
    pub(super) fn describe(&self) {
        let this = self.clone();
        self.spawn(async move {
            let mut failures = 0;
            loop {
                match this.target.describe().await {
                    Ok(report) => {
                        let link = this.link.clone();
                        return this.send(Event::Described { link, report }).await;
                    }
                    Err(failure) => {
                        tracing::warn!(link = %this.link, "{}", failure.chain());
                        failures += 1;
                        tokio::time::sleep(super::retry_wait(failures, failure.retry_after)).await;
                    }
                }
            }
        });
    }

    /// Writes one service. The core has at most one write per service under
    /// way, so what waits here is bounded by the number of services.
    pub(super) fn apply(&self, write: Write) {
        let this = self.clone();
        self.spawn(async move {
            let Ok(_permit) = this.writes.acquire().await else {
                return;
            };
            let service = write.service.clone();
            let result = AssertUnwindSafe(this.target.apply(write))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(Failure::new(Class::Fatal, "the target panicked")))
                .map_err(|failure| write_error(&failure));
            this.send(Event::Applied {
                link: this.link.clone(),
                service,
                result,
            })
            .await;
        });
    }

    /// Ends the writing as the hold says.
    pub(super) async fn close(&self, ending: Ending) {
        self.target.close(ending).await;
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

pub(super) fn write_error(failure: &Failure) -> WriteError {
    WriteError {
        what: failure.chain().into(),
        retry_after: failure.retry_after,
        hopeless: matches!(
            failure.class,
            Class::Fatal | Class::Unsupported | Class::Conflict | Class::Forbidden
        ),
    }
}
