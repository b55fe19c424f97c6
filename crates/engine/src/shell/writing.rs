//! One writer per link: as many writes to its target at a time as that bears,
//! and nothing that another link would have to wait for.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use syncline_contract::{Class, Ending, Failure, Target, Write};
use syncline_model::LinkName;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::limit::Outcome;
use crate::core::{Event, WriteError};

/// The writing side of one link.
#[derive(Clone)]
pub(super) struct Writing {
    link: LinkName,
    target: Arc<dyn Target>,
    events: mpsc::Sender<Event>,
    gate: Arc<Gate>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Writing {
    pub(super) fn new(
        link: LinkName,
        target: Arc<dyn Target>,
        in_flight: NonZeroUsize,
        events: mpsc::Sender<Event>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            link,
            target,
            events,
            gate: Arc::new(Gate::new(in_flight)),
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
            let service = write.service.clone();
            let apply = AssertUnwindSafe(this.target.apply(write)).catch_unwind();
            let result = this.gate.pass(apply, outcome).await;
            let result = result
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

/// What the end of a write, after so long, says of how its target is doing.
fn outcome(result: &Result<Result<(), Failure>, Box<dyn Any + Send>>, took: Duration) -> Outcome {
    match result {
        Ok(Err(failure)) if failure.class.is_overload() => Outcome::Overloaded {
            rest: failure.retry_after,
        },
        Ok(_) | Err(_) => Outcome::Answered(took),
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
