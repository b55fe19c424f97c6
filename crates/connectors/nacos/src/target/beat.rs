//! Registrations that live by HTTP beats.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use syncline_contract::{Failure, Write};
use syncline_model::{Moment, ServiceKey};
use syncline_nacos::http::{HttpError, Route, WriteApi};
use syncline_nacos::message as wire;
use syncline_nacos::version::Negotiated;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::beats::{After, Beats, Job, Outcome, Task};
use super::difference::difference;
use super::http::{Way, loses_the_first, write_api};
use super::{closed, together};
use crate::client::Cluster;
use crate::convert::beaten;

/// Writes of one service under way at the same time.
const WRITES_IN_FLIGHT: usize = 8;

/// Writes of all services under way at the same time.
const ALL_WRITES_IN_FLIGHT: usize = 64;

/// Beats of all services under way at the same time.
const BEATS_IN_FLIGHT: usize = 32;

/// Everything that one link keeps alive at its target by beats, over one task.
pub(super) struct Beaten {
    cluster: Arc<Cluster>,
    held: Arc<Held>,
    beating: tokio::sync::Mutex<JoinSet<()>>,
}

struct Held {
    way: Way,
    beats: Mutex<Beats>,
    /// Wakes the beater when something may be due sooner than it thought.
    changed: Notify,
    started: Instant,
    /// Whether beats have been failing, so that this is said once.
    failing: AtomicBool,
    closed: AtomicBool,
}

impl Beaten {
    pub(super) async fn new(cluster: &Arc<Cluster>, server: &Negotiated) -> Result<Self, Failure> {
        let held = Arc::new(Held {
            way: Way {
                endpoint: cluster.endpoint().clone(),
                http: Arc::clone(cluster.http().await?),
                api: write_api(server),
                identity: server.features.http_identity,
                in_flight: WRITES_IN_FLIGHT,
                writes: Semaphore::new(ALL_WRITES_IN_FLIGHT),
                registration: beaten,
                first_alone: loses_the_first(server),
            },
            beats: Mutex::default(),
            changed: Notify::new(),
            started: Instant::now(),
            failing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let mut beating = JoinSet::new();
        beating.spawn(beat(Arc::clone(&held)));
        Ok(Self {
            cluster: Arc::clone(cluster),
            held,
            beating: tokio::sync::Mutex::new(beating),
        })
    }

    pub(super) async fn apply(&self, write: &Write) -> Result<(), Failure> {
        let held = &self.held;
        let (way, service) = (&held.way, &write.service);
        if held.closed.load(Ordering::Acquire) {
            return Err(closed(&self.cluster, write));
        }
        let registered = held.beats.lock().registered(service);
        let mut found = difference(write, &registered, way.identity);
        let mut failures = way.clashes(service, &found.clashes);
        let written = way
            .register_all(
                service,
                std::mem::take(&mut found.writes),
                !registered.is_empty(),
            )
            .await;
        failures.extend(written.failures);
        {
            let mut beats = held.beats.lock();
            let now = held.now();
            for instance in written.done {
                beats.hold(service, instance, now);
            }
            if !written.failed.is_empty() {
                beats.doubt(service, &written.failed, now);
            }
        }
        held.changed.notify_one();
        let gone = found.removals_after(&written.failed);
        {
            // A beat after the removal would find it unknown and register it.
            let mut beats = held.beats.lock();
            for instance in &gone {
                beats.let_go(service, &instance.key);
            }
            for key in &found.yielded {
                beats.let_go(service, key);
                beats.gone(service, key);
            }
        }
        let removed = way.deregister_all(service, gone).await;
        failures.extend(removed.failures);
        {
            let mut beats = held.beats.lock();
            for instance in &removed.done {
                beats.gone(service, &instance.key);
            }
        }
        together(format!("{}: write {service}", way.endpoint), failures)
    }

    /// Stops beating and leaves everything where it is.
    pub(super) async fn stop(&self) {
        self.held.closed.store(true, Ordering::Release);
        self.beating.lock().await.shutdown().await;
    }

    /// Stops beating and deregisters everything.
    pub(super) async fn remove(&self) {
        self.stop().await;
        let all = self.held.beats.lock().drain();
        stream::iter(all)
            .for_each_concurrent(ALL_WRITES_IN_FLIGHT, |(service, instance)| async move {
                let way = &self.held.way;
                if let Err(error) = way.deregister(&service, &instance).await {
                    tracing::warn!(endpoint = %way.endpoint, %service, %error,
                        "an instance is left behind; it goes within three minutes");
                }
            })
            .await;
    }
}

impl Held {
    fn now(&self) -> Moment {
        Moment::after_origin(self.started.elapsed())
    }

    /// Does what is due for one instance.
    async fn see_to(&self, job: Job) {
        let (service, _) = &job.subject;
        let outcome = match job.task {
            Task::Beat => self.beat(&job).await,
            Task::Register => match self.way.register(service, &job.instance).await {
                Ok(()) => Outcome::Registered,
                Err(error) => self.failed(&error),
            },
        };
        if outcome != Outcome::Failed && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(endpoint = %self.way.endpoint, "beats arrive again");
        }
        let after = self.beats.lock().ended(&job, outcome, self.now());
        if after == After::Deregister
            && let Err(error) = self.way.deregister(service, &job.instance).await
        {
            self.failed(&error);
        }
    }

    async fn beat(&self, job: &Job) -> Outcome {
        let (service, _) = &job.subject;
        let registration = (self.way.registration)(service, &job.instance);
        let answer = match self.way.api {
            WriteApi::V1 => self.beat_v1(service, &registration).await,
            WriteApi::V3 => self.beat_v3(service, &registration).await,
        };
        answer.unwrap_or_else(|error| self.failed(&error))
    }

    /// Always a light one: a full one registers what it finds missing, and
    /// without `enabled`.
    async fn beat_v1(
        &self,
        service: &ServiceKey,
        registration: &wire::Instance,
    ) -> Result<Outcome, HttpError> {
        let http = &self.way.http;
        let beat = http.beat(service, registration, true, &Route::Any).await?;
        Ok(match beat.value.known {
            true => Outcome::Alive(beat.value.next),
            false => Outcome::Unknown,
        })
    }

    /// Such a beat never registers anything, and its answer tells no interval.
    async fn beat_v3(
        &self,
        service: &ServiceKey,
        registration: &wire::Instance,
    ) -> Result<Outcome, HttpError> {
        let http = &self.way.http;
        let known = http
            .heartbeat_v3(service, registration, &Route::Any)
            .await?;
        Ok(match known.value {
            true => Outcome::Alive(Duration::MAX),
            false => Outcome::Unknown,
        })
    }

    fn failed(&self, error: &HttpError) -> Outcome {
        if !self.failing.swap(true, Ordering::Relaxed) {
            let held = self.beats.lock().len();
            tracing::warn!(endpoint = %self.way.endpoint, %error, held, "beats do not arrive");
        }
        Outcome::Failed
    }
}

/// Beats for ever.
async fn beat(held: Arc<Held>) {
    let mut calls = FuturesUnordered::new();
    loop {
        let now = held.now();
        while calls.len() < BEATS_IN_FLIGHT {
            let Some(job) = held.beats.lock().next_job(now) else {
                break;
            };
            calls.push(held.see_to(job));
        }
        let next = held.beats.lock().next_due();
        let due = async {
            match next {
                Some(due) => sleep_until(held.started + due.since_origin()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = calls.next() => {}
            () = due, if calls.len() < BEATS_IN_FLIGHT => {}
            () = held.changed.notified() => {}
        }
    }
}
