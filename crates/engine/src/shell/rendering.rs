//! One renderer per link to a consumer that takes whole lists: sets are
//! gathered, and a short quiet later all of them are rendered at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use syncline_contract::{
    Debounce, Hold, Lasting, Output, OutputReport, Snapshot, TargetReport, Unavailable, Write,
};
use syncline_model::{Identity, LinkName, ServiceKey, ServiceSet};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::writing::write_error;
use crate::core::{Event, WriteError};

/// The writing side of a link whose target takes whole lists.
pub(super) struct Rendering {
    link: LinkName,
    lasting: Lasting,
    events: mpsc::Sender<Event>,
    pending: Arc<Pending>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Pending {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    sets: BTreeMap<ServiceKey, Waiting>,
    /// Whether what is known is a whole list; before that nothing is rendered,
    /// since consumers would take the missing rest for gone.
    whole: bool,
    /// Whether a whole list waits to be rendered even without a change.
    due: bool,
}

struct Waiting {
    set: Arc<ServiceSet>,
    done: oneshot::Sender<Result<(), WriteError>>,
}

impl Rendering {
    /// Starts rendering into the output.
    pub(super) fn start(
        link: LinkName,
        output: Arc<dyn Output>,
        events: mpsc::Sender<Event>,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let OutputReport {
            debounce, lasting, ..
        } = output.describe();
        let pending = Arc::new(Pending::default());
        let renderer = Renderer {
            link: link.clone(),
            output,
            debounce,
            pending: Arc::clone(&pending),
            snapshot: Snapshot::new(),
        };
        tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = renderer.run() => {}
            }
        });
        Self {
            link,
            lasting,
            events,
            pending,
            tasks: tasks.clone(),
        }
    }

    /// What every output is to the engine.
    pub(super) fn describe(output: &dyn Output) -> TargetReport {
        TargetReport {
            product: output.describe().product,
            identity: Identity::AddressAndCluster,
            hold: Hold::Written,
            unavailable: Unavailable::WeightAndHealth,
            advice: Vec::new(),
        }
    }

    /// All that consumers were given before the start is known again. Where they
    /// have nothing of it any more, that is the whole list for now.
    pub(super) fn resume(&self) {
        if self.lasting == Lasting::Ends {
            self.settle();
        }
    }

    /// From now on what is known is a whole list.
    pub(super) fn settle(&self) {
        let mut state = self.pending.state.lock();
        if !state.whole {
            state.whole = true;
            state.due = true;
            self.pending.filled.notify_one();
        }
    }

    /// Gathers one service's set. It is gathered before this returns, so that a
    /// list that settles right after it is whole.
    pub(super) fn apply(&self, write: Write) {
        let (done, wait) = oneshot::channel();
        let waiting = Waiting {
            set: write.accepted,
            done,
        };
        // The core has one write per service under way, so none is replaced.
        self.pending
            .state
            .lock()
            .sets
            .insert(write.service.clone(), waiting);
        self.pending.filled.notify_one();
        let (events, link) = (self.events.clone(), self.link.clone());
        self.tasks.spawn(async move {
            // An error means that the engine stops, and nobody waits any more.
            if let Ok(result) = wait.await {
                let service = write.service;
                let applied = Event::Applied {
                    link,
                    service,
                    result,
                };
                drop(events.send(applied).await);
            }
        });
    }
}

struct Renderer {
    link: LinkName,
    output: Arc<dyn Output>,
    debounce: Debounce,
    pending: Arc<Pending>,
    snapshot: Snapshot,
}

impl Renderer {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            self.pending.filled.notified().await;
            self.wait_for_quiet().await;
            if self.render().await {
                failures = 0;
                continue;
            }
            // No service waits that would be tried again, such as for a list
            // without services: it is due again after a while.
            failures += 1;
            tokio::select! {
                () = self.pending.filled.notified() => {}
                () = tokio::time::sleep(super::retry_wait(failures, None)) => {}
            }
            self.pending.state.lock().due = true;
            self.pending.filled.notify_one();
        }
    }

    async fn wait_for_quiet(&self) {
        let latest = tokio::time::sleep(self.debounce.max.get());
        tokio::pin!(latest);
        loop {
            tokio::select! {
                () = &mut latest => return,
                () = self.pending.filled.notified() => {}
                () = tokio::time::sleep(self.debounce.quiet.get()) => return,
            }
        }
    }

    /// Renders what there is. `false` where that failed and nobody is told.
    async fn render(&mut self) -> bool {
        let sets = {
            let mut state = self.pending.state.lock();
            if !state.whole || (state.sets.is_empty() && !state.due) {
                return true;
            }
            state.due = false;
            std::mem::take(&mut state.sets)
        };
        let mut changed = Vec::with_capacity(sets.len());
        let mut waiting = Vec::new();
        for (service, Waiting { set, done }) in sets {
            if set.is_empty() {
                self.snapshot.remove(&service);
            } else {
                self.snapshot.insert(service.clone(), set);
            }
            changed.push(service);
            waiting.push(done);
        }
        let rendered = self.output.render(&self.snapshot, &changed).await;
        if let (Err(failure), true) = (&rendered, waiting.is_empty()) {
            tracing::warn!(link = %self.link, "{}", failure.chain());
            return false;
        }
        let result = rendered.map_err(|failure| write_error(&failure));
        for done in waiting {
            // Nobody waits any more when the link was stopped meanwhile.
            drop(done.send(result.clone()));
        }
        true
    }
}

#[cfg(test)]
mod again;
#[cfg(test)]
mod tests;
