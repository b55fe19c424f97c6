//! When which instance is due for a beat. Pure: moments are passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use syncline_model::{Instance, InstanceKey, Moment, ServiceKey};

use crate::convert::BEAT_TIMES;

/// The wait after a first failed beat, doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest time between two registrations of an unhealthy instance: a beat
/// would make it healthy. Longer than the time after which 1.x sees it as
/// unhealthy, and short enough that it is not removed.
const RENEW: Duration = Duration::from_secs(120);

/// How long after a registration failed it may still arrive: where a network
/// swallowed it, it is sent again when that heals, over a connection that we gave
/// up, and may overtake what was registered later.
const MAY_ARRIVE: Duration = Duration::from_secs(60);

/// Nacos's own times, of instances that bring some of their own.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_DELETE: Duration = Duration::from_secs(30);

/// An instance of a service.
pub(super) type Subject = (ServiceKey, InstanceKey);

/// All that is kept alive by beats.
#[derive(Debug, Default)]
pub(super) struct Beats {
    held: BTreeMap<Subject, Held>,
    due: BTreeSet<(Moment, Subject)>,
    /// Instances whose deregistration failed, so that it is tried again.
    leaving: BTreeMap<Subject, Instance>,
    /// Instances of which a registration failed, and when: until it can arrive
    /// no more they are kept alive by registering them.
    doubtful: BTreeMap<Subject, Moment>,
    /// When everything was last found worth a beat at once.
    hastened: Option<Moment>,
}

#[derive(Debug)]
struct Held {
    instance: Instance,
    /// Counts registrations.
    revision: u64,
    /// When it is due; `None` while it is being seen to.
    due: Option<Moment>,
    task: Task,
    failures: u32,
    /// The time between two beats.
    every: Duration,
}

/// What has to be done for an instance that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Task {
    /// Say that it lives.
    Beat,
    /// Register it: the server does not know it, or a beat would be a lie.
    Register,
}

/// A task that was handed out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Job {
    pub(super) subject: Subject,
    pub(super) instance: Instance,
    pub(super) task: Task,
    revision: u64,
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The server knows the instance, and wants to hear of it again after that.
    Alive(Duration),
    /// The server does not know it.
    Unknown,
    /// It is registered.
    Registered,
    /// Nothing is known.
    Failed,
}

/// What follows from the end of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// Nothing.
    Nothing,
    /// It was let go meanwhile, and was just registered again.
    Deregister,
}

impl Beats {
    /// An instance was registered: from now on it is due in time.
    pub(super) fn hold(&mut self, service: &ServiceKey, instance: Instance, now: Moment) {
        let subject = (service.clone(), instance.key.clone());
        self.leaving.remove(&subject);
        let revision = self.take(&subject).map_or(0, |held| held.revision + 1);
        let every = interval(&instance);
        let held = Held {
            task: self.task(&subject, &instance, now),
            instance,
            revision,
            due: None,
            failures: 0,
            every,
        };
        // The first beat comes at a part of the interval that is the instance's
        // own, so that what was registered together does not beat together.
        let due = now + every.mul_f64(share(&subject));
        self.held.insert(subject.clone(), held);
        self.set_due(subject, due);
    }

    /// Registrations of these failed, and may arrive all the same.
    pub(super) fn doubt(&mut self, service: &ServiceKey, failed: &[InstanceKey], now: Moment) {
        self.doubtful.retain(|_, failed| may_arrive(*failed, now));
        let subjects = failed.iter().map(|key| (service.clone(), key.clone()));
        self.doubtful.extend(subjects.map(|subject| (subject, now)));
    }

    /// Stops beating for an instance.
    pub(super) fn let_go(&mut self, service: &ServiceKey, instance: &InstanceKey) {
        let subject = (service.clone(), instance.clone());
        if let Some(held) = self.take(&subject) {
            self.leaving.insert(subject, held.instance);
        }
    }

    /// The instance is deregistered.
    pub(super) fn gone(&mut self, service: &ServiceKey, instance: &InstanceKey) {
        let subject = (service.clone(), instance.clone());
        self.leaving.remove(&subject);
        self.doubtful.remove(&subject);
    }

    /// What is registered in a service, what should not be any more included.
    pub(super) fn registered(&self, service: &ServiceKey) -> BTreeMap<InstanceKey, Instance> {
        let of_service = |subject: &Subject| subject.0 == *service;
        let from = (service.clone(), first_key());
        let held = self.held.range(&from..).take_while(|(s, _)| of_service(s));
        let held = held.map(|((_, key), held)| (key.clone(), held.instance.clone()));
        let leaving = self
            .leaving
            .range(&from..)
            .take_while(|(s, _)| of_service(s));
        let leaving = leaving.map(|((_, key), instance)| (key.clone(), instance.clone()));
        held.chain(leaving).collect()
    }

    /// All that is registered, to be deregistered; nothing beats any more.
    pub(super) fn drain(&mut self) -> Vec<(ServiceKey, Instance)> {
        self.due.clear();
        self.doubtful.clear();
        let held = std::mem::take(&mut self.held).into_iter();
        let held = held.map(|((service, _), held)| (service, held.instance));
        let leaving = std::mem::take(&mut self.leaving).into_iter();
        let leaving = leaving.map(|((service, _), instance)| (service, instance));
        held.chain(leaving).collect()
    }

    /// How many instances are kept alive.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// When the next instance is due.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next instance that is due.
    pub(super) fn next_job(&mut self, now: Moment) -> Option<Job> {
        let (due, _) = self.due.first()?;
        if *due > now {
            return None;
        }
        let (_, subject) = self.due.pop_first()?;
        let held = self.held.get_mut(&subject)?;
        held.due = None;
        Some(Job {
            instance: held.instance.clone(),
            task: held.task,
            revision: held.revision,
            subject,
        })
    }

    /// A task ended.
    pub(super) fn ended(&mut self, job: &Job, outcome: Outcome, now: Moment) -> After {
        if job.task == Task::Register && outcome == Outcome::Failed {
            self.doubtful.insert(job.subject.clone(), now);
        }
        let next = self.task(&job.subject, &job.instance, now);
        let registered = job.task == Task::Register && outcome == Outcome::Registered;
        let Some(held) = self.held.get_mut(&job.subject) else {
            return if registered {
                After::Deregister
            } else {
                After::Nothing
            };
        };
        if held.revision != job.revision {
            // It was registered with other content meanwhile; an older content
            // may have arrived after that.
            if registered {
                held.task = Task::Register;
                self.set_due(job.subject.clone(), now);
            }
            return After::Nothing;
        }
        let wait = match outcome {
            Outcome::Alive(wanted) => {
                held.failures = 0;
                held.task = next;
                held.every = interval(&held.instance).min(wanted);
                held.every
            }
            Outcome::Registered => {
                held.failures = 0;
                held.task = next;
                held.every
            }
            Outcome::Unknown => {
                held.failures = 0;
                held.task = Task::Register;
                Duration::ZERO
            }
            Outcome::Failed => {
                held.failures = held.failures.saturating_add(1);
                let wait = FIRST_RETRY.saturating_mul(1 << (held.failures - 1).min(5));
                wait.min(held.every)
            }
        };
        self.set_due(job.subject.clone(), now + wait);
        if outcome == Outcome::Unknown {
            self.hasten(now);
        }
        After::Nothing
    }

    /// A server that forgot one instance has probably forgotten all: they are
    /// due at once instead of one by one.
    fn hasten(&mut self, now: Moment) {
        let lately = |at: Moment| now.since(at) < DEFAULT_INTERVAL;
        if self.hastened.is_some_and(lately) {
            return;
        }
        self.hastened = Some(now);
        self.due.clear();
        for (subject, held) in &mut self.held {
            if held.due.is_some() {
                held.due = Some(now);
                self.due.insert((now, subject.clone()));
            }
        }
    }

    /// What keeps an instance alive from now on.
    fn task(&mut self, subject: &Subject, instance: &Instance, now: Moment) -> Task {
        match self.doubtful.get(subject) {
            Some(failed) if may_arrive(*failed, now) => return Task::Register,
            Some(_) => drop(self.doubtful.remove(subject)),
            None => {}
        }
        task(instance)
    }

    fn set_due(&mut self, subject: Subject, due: Moment) {
        if let Some(held) = self.held.get_mut(&subject) {
            if let Some(before) = held.due.replace(due) {
                self.due.remove(&(before, subject.clone()));
            }
            self.due.insert((due, subject));
        }
    }

    fn take(&mut self, subject: &Subject) -> Option<Held> {
        let held = self.held.remove(subject)?;
        if let Some(due) = held.due {
            self.due.remove(&(due, subject.clone()));
        }
        Some(held)
    }
}

/// Whether a registration that failed at a moment may still arrive.
fn may_arrive(failed: Moment, now: Moment) -> bool {
    now.since(failed) < MAY_ARRIVE
}

/// A beat turns every instance healthy, so an unhealthy one is registered again
/// instead.
fn task(instance: &Instance) -> Task {
    if instance.healthy.or(true) {
        Task::Beat
    } else {
        Task::Register
    }
}

/// How often an instance has to be heard of.
fn interval(instance: &Instance) -> Duration {
    let own = |key: &str| {
        let millis = instance.metadata.get(key)?.parse().ok()?;
        Some(Duration::from_millis(millis)).filter(|time| !time.is_zero())
    };
    let [interval, timeout, delete] = BEAT_TIMES.map(|(key, _)| own(key));
    let brings_own = interval.or(timeout).or(delete).is_some();
    let ours = |at: usize| Duration::from_millis(BEAT_TIMES[at].1.parse().unwrap_or(5_000));
    let (interval, delete) = if brings_own {
        (
            interval.unwrap_or(DEFAULT_INTERVAL),
            delete.unwrap_or(DEFAULT_DELETE),
        )
    } else {
        (ours(0), ours(2))
    };
    match task(instance) {
        Task::Beat => interval,
        Task::Register => (delete * 2 / 3).min(RENEW),
    }
}

/// A number from 0 to 1 that is the subject's own.
fn share(subject: &Subject) -> f64 {
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A key that no key is less than.
fn first_key() -> InstanceKey {
    InstanceKey {
        host: "".into(),
        port: syncline_model::Port::MIN,
        cluster: "".into(),
    }
}

#[cfg(test)]
#[path = "beats_tests.rs"]
mod tests;
