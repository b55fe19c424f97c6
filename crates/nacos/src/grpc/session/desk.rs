//! What should stand at the server, what does, and what to do next.
//!
//! No I/O and no clock: the driver tells what happened and asks what to do.
//! Starting, reconnecting and repeating a failed call are one path: whatever
//! is wanted and not known to stand on the present connection is a job.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{SessionError, Subject};
use crate::grpc::CallError;
use crate::message::Instance;

/// What should stand.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// Nothing; whatever stands goes.
    Nothing,
    /// These instances, by this session.
    Published(Arc<[Instance]>),
    /// A subscription or a watch.
    Watched,
}

/// One call to make.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) subject: Subject,
    pub(super) wish: Wish,
    /// An instance that was published last, to name in a withdrawal.
    pub(super) example: Option<Instance>,
    revision: u64,
}

/// What follows from a job's end.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Nothing; it stands, or it will not be tried again on this connection.
    Settled,
    /// Try again after a wait that grows with these failures in a row.
    Again { failures: u32 },
}

pub(super) type Outcome = Result<(), SessionError>;

#[derive(Debug)]
struct Entry {
    wish: Wish,
    example: Option<Instance>,
    /// Counts wishes.
    revision: u64,
    /// The revision that stands on this connection.
    stands: Option<u64>,
    step: Step,
    failures: u32,
    waiters: Vec<(u64, oneshot::Sender<Outcome>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing to do.
    Rests,
    /// In the queue.
    Queued,
    /// A call is on its way.
    Runs,
    /// Waits to be tried again.
    Waits,
}

/// Wishes and their state.
#[derive(Debug, Default)]
pub(super) struct Desk {
    entries: HashMap<Subject, Entry>,
    queue: VecDeque<Subject>,
    /// Entries that are not at rest.
    pending: usize,
    connected: bool,
}

impl Desk {
    /// Takes a wish; the receiver hears when it stands, or why not.
    pub(super) fn wish(
        &mut self,
        subject: Subject,
        wish: Wish,
        offline: impl FnOnce() -> SessionError,
    ) -> oneshot::Receiver<Outcome> {
        let (waiter, outcome) = oneshot::channel();
        if wish == Wish::Nothing {
            if !self.connected {
                // Whatever stood went with the connection.
                self.entries.remove(&subject);
            }
            if !self.entries.contains_key(&subject) {
                answer(waiter, Ok(()));
                return outcome;
            }
        }
        let entry = self
            .entries
            .entry(subject.clone())
            .or_insert_with(Entry::new);
        entry.set(wish);
        if self.connected {
            entry.waiters.push((entry.revision, waiter));
            entry.failures = 0;
            self.enqueue(&subject);
        } else {
            answer(waiter, Err(offline()));
        }
        outcome
    }

    /// A connection stands, on which nothing does yet. Whoever waits goes on
    /// waiting.
    pub(super) fn connected(&mut self) {
        self.reset();
        self.connected = true;
        // What is published first: subscribers wait for it.
        let (published, watched): (Vec<_>, Vec<_>) = self
            .entries
            .keys()
            .cloned()
            .partition(|subject| matches!(subject, Subject::Publication(_)));
        for subject in published.iter().chain(&watched) {
            self.enqueue(subject);
        }
    }

    /// The connection is gone, and with it all that stood and all that was on
    /// its way.
    pub(super) fn lost(&mut self, error: &SessionError) {
        self.reset();
        self.connected = false;
        self.entries.retain(|_, entry| {
            let gone = entry.wish == Wish::Nothing;
            for (_, waiter) in entry.waiters.drain(..) {
                answer(waiter, if gone { Ok(()) } else { Err(error.clone()) });
            }
            !gone
        });
    }

    fn reset(&mut self) {
        self.pending = 0;
        self.queue.clear();
        for entry in self.entries.values_mut() {
            entry.step = Step::Rests;
            entry.stands = None;
            entry.failures = 0;
        }
    }

    /// The next call to make.
    pub(super) fn next(&mut self) -> Option<Job> {
        loop {
            let subject = self.queue.pop_front()?;
            // The subject of a queued job may be gone, or waiting anew.
            if let Some(entry) = self.entries.get_mut(&subject)
                && entry.step == Step::Queued
            {
                entry.step = Step::Runs;
                return Some(Job {
                    wish: entry.wish.clone(),
                    example: entry.example.clone(),
                    revision: entry.revision,
                    subject,
                });
            }
        }
    }

    /// A call is over.
    pub(super) fn finished(&mut self, job: &Job, result: Result<(), Arc<CallError>>) -> Next {
        let Some(entry) = self.entries.get_mut(&job.subject) else {
            return Next::Settled;
        };
        let outcome = result.clone().map_err(SessionError::Call);
        let (done, later) = std::mem::take(&mut entry.waiters)
            .into_iter()
            .partition(|(revision, _)| *revision <= job.revision);
        entry.waiters = later;
        for (_, waiter) in done {
            answer(waiter, outcome.clone());
        }
        match result {
            Ok(()) => {
                entry.failures = 0;
                entry.stands = Some(job.revision);
            }
            Err(_) => {
                entry.failures = entry.failures.saturating_add(1);
                entry.stands = None;
            }
        }
        let current = entry.revision == job.revision;
        match result {
            _ if !current => {
                entry.step = Step::Queued;
                self.queue.push_back(job.subject.clone());
                Next::Settled
            }
            Ok(()) if entry.wish == Wish::Nothing => {
                self.remove(&job.subject);
                Next::Settled
            }
            Err(error) if error.class().is_transient() => {
                entry.step = Step::Waits;
                Next::Again {
                    failures: entry.failures,
                }
            }
            Ok(()) | Err(_) => {
                entry.step = Step::Rests;
                self.pending -= 1;
                Next::Settled
            }
        }
    }

    /// A wait is over.
    pub(super) fn again(&mut self, subject: &Subject) {
        if let Some(entry) = self.entries.get_mut(subject)
            && entry.step == Step::Waits
        {
            entry.step = Step::Queued;
            self.queue.push_back(subject.clone());
        }
    }

    /// Whether nothing is left to do: every wish stands, or was refused.
    pub(super) fn is_settled(&self) -> bool {
        self.connected && self.pending == 0
    }

    /// How many wishes are not settled yet.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Whether the latest wish stands on the present connection.
    pub(super) fn stands(&self, subject: &Subject) -> bool {
        let entry = self.entries.get(subject);
        entry.is_some_and(|entry| entry.stands == Some(entry.revision))
    }

    fn enqueue(&mut self, subject: &Subject) {
        let Some(entry) = self.entries.get_mut(subject) else {
            return;
        };
        match entry.step {
            // A call on its way is followed by another when it is over.
            Step::Queued | Step::Runs => return,
            Step::Waits => {}
            Step::Rests => self.pending += 1,
        }
        entry.step = Step::Queued;
        self.queue.push_back(subject.clone());
    }

    fn remove(&mut self, subject: &Subject) {
        if let Some(entry) = self.entries.remove(subject) {
            if entry.step != Step::Rests {
                self.pending -= 1;
            }
            for (_, waiter) in entry.waiters {
                answer(waiter, Ok(()));
            }
        }
    }
}

impl Entry {
    fn new() -> Self {
        Self {
            wish: Wish::Nothing,
            example: None,
            revision: 0,
            stands: None,
            step: Step::Rests,
            failures: 0,
            waiters: Vec::new(),
        }
    }

    fn set(&mut self, wish: Wish) {
        if let Wish::Published(instances) = &wish {
            self.example = instances.first().cloned();
        }
        self.wish = wish;
        self.revision += 1;
    }
}

fn answer(waiter: oneshot::Sender<Outcome>, outcome: Outcome) {
    // Whoever asked may have left.
    drop(waiter.send(outcome));
}

#[cfg(test)]
mod tests;
