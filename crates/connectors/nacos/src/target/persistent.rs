//! Registrations that the cluster keeps by itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use syncline_contract::{Failure, Write};
use syncline_model::{ClusterName, Instance, InstanceKey, ServiceKey};
use syncline_nacos::http::{Class, HttpError, Route};
use syncline_nacos::message as wire;
use syncline_nacos::version::{Generation, Negotiated};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::difference::difference;
use super::http::{Way, loses_the_first, write_api};
use super::{closed, together};
use crate::client::Cluster;
use crate::convert::registration;
use crate::failure;

/// Writes of one service under way at the same time: each goes through a log
/// that the whole cluster agrees on.
const WRITES_IN_FLIGHT: usize = 4;

/// Writes of all services under way at the same time.
const ALL_WRITES_IN_FLIGHT: usize = 16;

/// How often a service that was just written may be unknown.
const UNKNOWN_TIMES: usize = 10;

/// The wait before a service that was just written is tried again.
const UNKNOWN_WAIT: Duration = Duration::from_millis(100);

/// Everything that one link registers at its target for good.
pub(super) struct Persistent {
    cluster: Arc<Cluster>,
    way: Way,
    /// Whether health is set by a call of its own (1.x), since registering
    /// again does not change it there.
    sets_health: bool,
    state: Mutex<State>,
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    /// What this process registered.
    held: HashMap<ServiceKey, BTreeMap<InstanceKey, Instance>>,
    /// Clusters whose health checks are off: a check from the target's network
    /// would overrule the health that is mirrored.
    unchecked: HashSet<(ServiceKey, ClusterName)>,
}

impl Persistent {
    pub(super) async fn new(cluster: &Arc<Cluster>, server: &Negotiated) -> Result<Self, Failure> {
        Ok(Self {
            cluster: Arc::clone(cluster),
            way: Way {
                endpoint: cluster.endpoint().clone(),
                http: Arc::clone(cluster.http().await?),
                api: write_api(server),
                identity: server.features.http_identity,
                in_flight: WRITES_IN_FLIGHT,
                writes: Semaphore::new(ALL_WRITES_IN_FLIGHT),
                registration: persistent,
                first_alone: loses_the_first(server),
            },
            sets_health: server.features.manual_health.worth_trying()
                && server.generation == Generation::V1,
            state: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    pub(super) async fn apply(&self, write: &Write) -> Result<(), Failure> {
        let (way, service) = (&self.way, &write.service);
        if self.closed.load(Ordering::Acquire) {
            return Err(closed(&self.cluster, write));
        }
        let held = self
            .state
            .lock()
            .held
            .get(service)
            .cloned()
            .unwrap_or_default();
        let mut found = difference(write, &held, way.identity);
        let mut failures = way.clashes(service, &found.clashes);
        // The servers still check what others left there.
        failures.extend(self.stop_checks(service, &write.taken_over).await);
        let written = way
            .register_all(service, std::mem::take(&mut found.writes), !held.is_empty())
            .await;
        failures.extend(written.failures);
        failures.extend(self.stop_checks(service, &written.done).await);
        let (healthy, failed) = self.set_health(service, written.done).await;
        failures.extend(failed);
        let removed = way
            .deregister_all(service, found.removals_after(&written.failed))
            .await;
        failures.extend(removed.failures);
        {
            let mut state = self.state.lock();
            let held = state.held.entry(service.clone()).or_default();
            for gone in removed
                .done
                .iter()
                .map(|gone| &gone.key)
                .chain(&found.yielded)
            {
                held.remove(gone);
            }
            held.extend(healthy.into_iter().map(|i| (i.key.clone(), i)));
            if held.is_empty() {
                state.held.remove(service);
                // An empty service is cleaned away, and its settings with it.
                state.unchecked.retain(|(of, _)| of != service);
            }
        }
        together(format!("{}: write {service}", way.endpoint), failures)
    }

    /// Deregisters everything that this process registered.
    pub(super) async fn remove(&self) {
        self.closed.store(true, Ordering::Release);
        let held = std::mem::take(&mut self.state.lock().held);
        let all = held.into_iter().flat_map(|(service, instances)| {
            let of_service = move |instance| (service.clone(), instance);
            instances.into_values().map(of_service)
        });
        stream::iter(all)
            .for_each_concurrent(ALL_WRITES_IN_FLIGHT, |(service, instance)| async move {
                if let Err(error) = self.way.deregister(&service, &instance).await {
                    tracing::warn!(endpoint = %self.way.endpoint, %service, %error,
                        "an instance is left behind, and stays");
                }
            })
            .await;
    }

    /// Switches the health checks of the instances' clusters off, once.
    async fn stop_checks(&self, service: &ServiceKey, instances: &[Instance]) -> Vec<Failure> {
        let mut clusters: Vec<&ClusterName> = instances.iter().map(|i| &i.key.cluster).collect();
        clusters.sort();
        clusters.dedup();
        let mut failures = Vec::new();
        for cluster in clusters {
            let of = (service.clone(), cluster.clone());
            if self.state.lock().unchecked.contains(&of) {
                continue;
            }
            match self.stop_check(service, cluster).await {
                Ok(()) => {
                    self.state.lock().unchecked.insert(of);
                }
                Err(error) => {
                    let doing = format!(
                        "{}: stop the health checks of {service}, without which the servers \
                         overrule the health that is written",
                        self.way.endpoint
                    );
                    failures.push(failure::of_http(doing, error));
                }
            }
        }
        failures
    }

    async fn stop_check(
        &self,
        service: &ServiceKey,
        cluster: &ClusterName,
    ) -> Result<(), HttpError> {
        let mut unknown = 0;
        loop {
            let way = &self.way;
            let stopped = way
                .http
                .stop_health_checks(way.api, service, cluster, &Route::Any);
            match stopped.await {
                Err(error) if error.class() == Class::NotFound && unknown < UNKNOWN_TIMES => {
                    unknown += 1;
                    sleep(UNKNOWN_WAIT).await;
                }
                outcome => return outcome.map(|_| ()),
            }
        }
    }

    /// Sets the health of instances on servers where registering does not.
    async fn set_health(
        &self,
        service: &ServiceKey,
        instances: Vec<Instance>,
    ) -> (Vec<Instance>, Vec<Failure>) {
        if !self.sets_health {
            return (instances, Vec::new());
        }
        let mut set = Vec::with_capacity(instances.len());
        let mut failures = Vec::new();
        for instance in instances {
            let registration = persistent(service, &instance);
            let health = self
                .way
                .http
                .set_health_v1(service, &registration, &Route::Any);
            match health.await {
                Ok(_) => set.push(instance),
                Err(error) => {
                    let doing = format!(
                        "{}: set the health of {} of {service}",
                        self.way.endpoint, instance.key
                    );
                    failures.push(failure::of_http(doing, error));
                }
            }
        }
        (set, failures)
    }
}

/// An instance as it is registered for good.
fn persistent(service: &ServiceKey, instance: &Instance) -> wire::Instance {
    wire::Instance {
        ephemeral: Some(false),
        ..registration(service, instance)
    }
}
