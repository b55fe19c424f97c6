//! Persistent instances, which somebody has to look at: when each is due, and
//! what a look changes.
//!
//! Only what is looked at has an entry here: a registry without persistent
//! instances has none, and so has one that is not served.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use syncline_model::name::Host;
use syncline_model::{Instance, Seen};

use super::service::Published;
use super::timers::Timer;
use super::{ClientId, Holder, Kind, Part, ServiceId, Store};
use crate::checks::{CheckSettings, ClusterRecord, Outcome, Streak};
use crate::moment::Moment;

/// One look at an instance.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    id: CheckId,
    pub(crate) host: Host,
    /// As it was set, which may be no port at all.
    pub(crate) port: i32,
    pub(crate) cluster: Arc<ClusterRecord>,
}

/// A registration that is looked at; another one for each time that it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct CheckId {
    service: ServiceId,
    client: ClientId,
    serial: u64,
}

/// What is remembered between two looks.
struct Watched {
    serial: u64,
    wait: Duration,
    /// The moment of the timer that counts; `None` while it is its turn.
    next: Option<Moment>,
    streak: Streak,
}

/// Who is looked at.
pub(super) struct Checks {
    settings: CheckSettings,
    /// Whether anybody looks.
    running: bool,
    /// What holds for clusters of which nothing was said.
    usual: Arc<ClusterRecord>,
    watched: HashMap<(ServiceId, ClientId), Watched>,
    /// Whose turn it is.
    due: VecDeque<CheckId>,
    last_serial: u64,
}

impl Checks {
    pub(super) fn new(settings: CheckSettings) -> Self {
        Self {
            settings,
            running: false,
            usual: Arc::default(),
            watched: HashMap::new(),
            due: VecDeque::new(),
            last_serial: 0,
        }
    }

    pub(super) fn forget(&mut self, id: ServiceId, client: ClientId) {
        self.watched.remove(&(id, client));
    }
}

impl Store {
    /// Has persistent instances looked at from now on.
    pub(crate) fn start_checks(&mut self, now: Moment) {
        self.checks.running = true;
        let persistent = self.clients.iter().filter(|(_, client)| {
            matches!(&client.holder, Holder::Address(address) if address.kind == Kind::Persistent)
        });
        let published = persistent.flat_map(|(id, client)| {
            let services = client.publishes.iter();
            services.map(|service| (*service, *id))
        });
        let published: Vec<(ServiceId, ClientId)> = published.collect();
        for (service, client) in published {
            self.plan_check(service, client, now);
        }
    }

    /// Ends that.
    pub(crate) fn stop_checks(&mut self) {
        self.checks.running = false;
        self.checks.watched.clear();
        self.checks.due.clear();
    }

    /// Whether it is somebody's turn.
    pub(crate) fn has_due_checks(&self) -> bool {
        !self.checks.due.is_empty()
    }

    /// Plans the first look at a registration that was made or renewed, if it
    /// is one to look at.
    pub(super) fn plan_check(&mut self, id: ServiceId, client: ClientId, now: Moment) {
        if !self.checks.running {
            return;
        }
        let cluster = self.cluster_of(id, client).map(|(_, cluster)| cluster);
        if !cluster.is_some_and(|cluster| cluster.checker.looks()) {
            self.checks.forget(id, client);
            return;
        }
        self.checks.last_serial += 1;
        let serial = self.checks.last_serial;
        let wait = self.checks.settings.first_wait(serial);
        let at = now.after(wait);
        let watched = Watched {
            serial,
            wait,
            next: Some(at),
            streak: Streak::default(),
        };
        self.checks.watched.insert((id, client), watched);
        self.timers.add(at, Timer::Check(id, client));
    }

    /// Begins or ends to look at a service's instances after a checker was
    /// set. Those that are looked at before and after keep their turn.
    pub(super) fn plan_checks_of(&mut self, id: ServiceId, now: Moment) {
        let publishers = self.services.get(id).into_iter();
        let publishers = publishers.flat_map(|service| &service.publishers);
        let clients: Vec<ClientId> = publishers.map(|publisher| publisher.client).collect();
        for client in clients {
            let looked_at = self.checks.watched.contains_key(&(id, client));
            let cluster = self.cluster_of(id, client).map(|(_, cluster)| cluster);
            if looked_at != cluster.is_some_and(|cluster| cluster.checker.looks()) {
                self.plan_check(id, client, now);
            }
        }
    }

    /// The turn of a registration has come.
    pub(super) fn check_due(&mut self, id: ServiceId, client: ClientId, at: Moment) {
        let Some(watched) = self.checks.watched.get_mut(&(id, client)) else {
            return;
        };
        if watched.next != Some(at) {
            return;
        }
        watched.next = None;
        self.checks.due.push_back(CheckId {
            service: id,
            client,
            serial: watched.serial,
        });
    }

    /// Takes up to so many of those whose turn it is. Each comes again once its
    /// result is [noted](Self::checked), and not before.
    pub(crate) fn take_checks(&mut self, most: usize) -> Vec<Probe> {
        let mut probes = Vec::new();
        while probes.len() < most
            && let Some(id) = self.checks.due.pop_front()
        {
            if !self.is_watched(id) {
                continue;
            }
            let Some((instance, cluster)) = self.cluster_of(id.service, id.client) else {
                continue;
            };
            let own_port = i32::from(instance.key.port.get());
            probes.push(Probe {
                id,
                host: instance.key.host.clone(),
                port: match cluster.own_port {
                    true => own_port,
                    false => cluster.check_port,
                },
                cluster: cluster.clone(),
            });
        }
        probes
    }

    /// Notes how a look ended, and plans the next one.
    pub(crate) fn checked(&mut self, probe: &Probe, outcome: Outcome, took: Duration, now: Moment) {
        let CheckId {
            service: id,
            client,
            ..
        } = probe.id;
        if !self.is_watched(probe.id) {
            return;
        }
        let Checks {
            settings, watched, ..
        } = &mut self.checks;
        let service = self.services.get_mut(id);
        let publisher = service.and_then(|service| service.publisher_mut(client));
        let published = publisher.map(|publisher| &mut publisher.publication.published);
        let (Some(watched), Some(Published::One(instance))) =
            (watched.get_mut(&(id, client)), published)
        else {
            return;
        };
        let checker = &probe.cluster.checker;
        watched.wait = settings.next_wait(checker, watched.wait, outcome, took);
        let at = now.after(watched.wait);
        watched.next = Some(at);
        self.timers.add(at, Timer::Check(id, client));
        let turned = watched
            .streak
            .note(outcome, instance.healthy.or(true), settings.times);
        let Some(healthy) = turned else {
            return;
        };
        instance.healthy = Seen::Known(healthy);
        let part = Part::Instance(instance.key.host.clone(), instance.key.port);
        if let Some(key) = self.services.get(id).map(|service| service.key.clone()) {
            let (host, port) = (&probe.host, probe.port);
            tracing::info!(service = %key, %host, port, healthy, ?outcome, "health changed");
            self.change_durable(&key, part);
        }
        self.touch(id, now);
    }

    /// Whether a registration is still looked at, and still the same one.
    fn is_watched(&self, id: CheckId) -> bool {
        let watched = self.checks.watched.get(&(id.service, id.client));
        watched.is_some_and(|watched| watched.serial == id.serial)
    }

    /// A persistent registration, and what holds for its cluster.
    fn cluster_of(
        &self,
        id: ServiceId,
        client: ClientId,
    ) -> Option<(&Instance, &Arc<ClusterRecord>)> {
        let service = self.services.get(id)?;
        let publication = &service.publisher(client)?.publication;
        service.durable_part(publication)?;
        let instance = publication.instances().first()?;
        let record = service.record.as_deref();
        let set = record.and_then(|record| record.clusters.get(&instance.key.cluster));
        Some((instance, set.unwrap_or(&self.checks.usual)))
    }
}
