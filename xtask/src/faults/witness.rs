//! Those who watch a target and know nothing of Syncline: they remember every list that they ever saw.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use parking_lot::Mutex;
use serde_json::Value;
use syncline_nacos::message::{Instance, ServiceInfo};
use tokio_util::task::AbortOnDropHandle;
use xtask_stage::bare::{Observer, Subscriber};
use xtask_stage::compare::{Comparing, Comparison};
use xtask_stage::fleet::{Fleet, Names, place, revision};

use crate::truth::Loss;

/// Between two looks at a file, and between two tries to subscribe.
const LOOK: Duration = Duration::from_millis(100);

/// What one witness saw.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    seen: Mutex<Seen>,
    away: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    /// Which instances of each service could be used when it was last shown.
    usable: HashMap<u32, BTreeSet<usize>>,
    /// The latest revision that any instance of each service showed.
    revisions: HashMap<u32, u64>,
    /// The least number of usable instances that each service showed since somebody asked for it.
    fewest: HashMap<u32, usize>,
    lists: u64,
    losses: Vec<Loss>,
    broken: Option<String>,
}

impl Witness {
    /// Everything that was ever lost.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        self.seen.lock().losses.clone()
    }

    /// How many lists it saw.
    pub(crate) fn lists(&self) -> u64 {
        self.seen.lock().lists
    }

    /// How many instances of a service can be used now.
    pub(crate) fn usable(&self, service: u32) -> usize {
        let seen = self.seen.lock();
        seen.usable.get(&service).map_or(0, BTreeSet::len)
    }

    /// From now on it counts how few instances a service shows.
    pub(crate) fn watch_fewest(&self) {
        self.seen.lock().fewest.clear();
    }

    /// The least number of usable instances that any service showed since.
    pub(crate) fn fewest(&self) -> Option<usize> {
        self.seen.lock().fewest.values().min().copied()
    }

    /// It takes no notice of what it is shown, or does again.
    pub(crate) fn look_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Whether a service showed a revision, or a later one.
    pub(crate) fn saw_revision(&self, service: u32, wanted: u64) -> bool {
        let seen = self.seen.lock();
        seen.revisions
            .get(&service)
            .is_some_and(|seen| *seen >= wanted)
    }

    /// What was no list at all, the first time since it was asked last.
    pub(crate) fn take_broken(&self) -> Option<String> {
        self.seen.lock().broken.take()
    }

    fn saw(&self, service: u32, instances: &[Instance], at: Instant) {
        let usable: BTreeSet<usize> = instances
            .iter()
            .filter(|instance| instance.healthy && instance.enabled && instance.weight > 0.0)
            .filter_map(|instance| place(instance.port))
            .collect();
        let latest = instances.iter().filter_map(revision).max().unwrap_or(0);
        let mut seen = self.seen.lock();
        seen.lists += 1;
        let known = seen.revisions.entry(service).or_default();
        *known = latest.max(*known);
        let before = seen.usable.remove(&service).unwrap_or_default();
        let lost = before.difference(&usable);
        seen.losses.extend(lost.map(|&place| Loss {
            place: (service, place),
            at,
        }));
        let fewest = seen.fewest.entry(service).or_insert(usize::MAX);
        *fewest = usable.len().min(*fewest);
        seen.usable.insert(service, usable);
    }

    /// A document that names these services, and no others.
    fn saw_all(&self, services: &HashMap<u32, Vec<Instance>>, at: Instant) {
        let known: Vec<u32> = self.seen.lock().usable.keys().copied().collect();
        for gone in known.iter().filter(|known| !services.contains_key(known)) {
            self.saw(*gone, &[], at);
        }
        for (service, instances) in services {
            self.saw(*service, instances, at);
        }
    }
}

impl Observer for Witness {
    fn shown(&self, service: u32, at: Instant, info: &ServiceInfo) {
        if !self.is_away() {
            self.saw(service, &info.hosts.items, at);
        }
    }
}

/// A consumer at a Nacos server, which subscribes again where its connection is lost.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) witness: Arc<Witness>,
    _subscribing: AbortOnDropHandle<()>,
}

impl Consumer {
    /// Subscribes to so many services.
    pub(crate) fn of(grpc: SocketAddr, names: Names, services: u32) -> Self {
        let witness: Arc<Witness> = Arc::default();
        let observer = Arc::clone(&witness);
        let subscribing = tokio::spawn(async move {
            loop {
                let observer = Arc::clone(&observer);
                let subscriber = Subscriber::start(grpc, names, 0..services, observer).await;
                if let Ok(mut subscriber) = subscriber {
                    subscriber.lost().await;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self {
            witness,
            _subscribing: AbortOnDropHandle::new(subscribing),
        }
    }
}

/// A consumer that reads a file whenever it changed.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) witness: Arc<Witness>,
    path: PathBuf,
    names: Names,
    _reading: AbortOnDropHandle<()>,
}

impl Reader {
    /// Reads; the file need not be there yet.
    pub(crate) fn of(path: &Path, names: Names) -> Self {
        let witness: Arc<Witness> = Arc::default();
        let reading = tokio::spawn(read(path.to_owned(), names, Arc::clone(&witness)));
        Self {
            witness,
            path: path.to_owned(),
            names,
            _reading: AbortOnDropHandle::new(reading),
        }
    }

    /// It does not look while somebody puts another disk under the file, or looks again.
    pub(crate) async fn look_away(&self, away: bool) {
        self.witness.look_away(away);
        // A look that has begun is over by then.
        tokio::time::sleep(10 * LOOK).await;
    }

    /// Compares the file as it is now with a fleet.
    pub(crate) fn compare(&self, fleet: &Fleet) -> anyhow::Result<Comparison> {
        let mut comparing = Comparing::with(fleet);
        for (number, instances) in document(&self.path, self.names)? {
            comparing.service(&self.names.service(number).name, instances);
        }
        Ok(comparing.end())
    }
}

async fn read(path: PathBuf, names: Names, witness: Arc<Witness>) {
    let mut last: Option<(SystemTime, u64)> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        if witness.is_away() {
            continue;
        }
        let written = std::fs::metadata(&path);
        let written = written
            .and_then(|file| Ok((file.modified()?, file.len())))
            .ok();
        if written == last {
            continue;
        }
        let (path, witness) = (path.clone(), Arc::clone(&witness));
        let was_there = last.is_some();
        last = written;
        let looking = tokio::task::spawn_blocking(move || {
            let at = Instant::now();
            match document(&path, names) {
                Ok(services) => witness.saw_all(&services, at),
                Err(error) if was_there => {
                    let mut seen = witness.seen.lock();
                    seen.broken.get_or_insert_with(|| format!("{error:#}"));
                }
                Err(_) => {}
            }
        });
        // It panics never, and is cancelled with us.
        looking.await.ok();
    }
}

/// The services of a fleet in the file that Syncline writes.
fn document(path: &Path, names: Names) -> anyhow::Result<HashMap<u32, Vec<Instance>>> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let document: Value = serde_json::from_slice(&text).context("the file is no whole document")?;
    let services = document["services"].as_array().context("no services")?;
    let mut shown = HashMap::new();
    for service in services {
        let name = service["service"].as_str().unwrap_or_default();
        let Some(number) = names.number(name) else {
            continue;
        };
        let instances = service["instances"].as_array().context("no instances")?;
        shown.insert(number, instances.iter().map(instance).collect());
    }
    Ok(shown)
}

fn instance(entry: &Value) -> Instance {
    let metadata = entry["metadata"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Instance {
        ip: text(&entry["ip"]),
        port: entry["port"].as_i64().unwrap_or_default(),
        cluster_name: text(&entry["cluster"]),
        weight: entry["weight"].as_f64().unwrap_or_default(),
        // `null` where nobody knows, which is no loss.
        healthy: entry["healthy"] != Value::Bool(false),
        enabled: entry["enabled"] == Value::Bool(true),
        metadata: metadata
            .map(|(key, value)| (key.clone(), text(value)))
            .collect(),
        ..Instance::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_used_no_more_is_lost_once() {
        let fleet = Fleet::new("t", 1, 3);
        let witness = Witness::default();
        let now = Instant::now();
        let mut set = fleet.set(0);
        witness.saw(0, &set, now);
        set[1].healthy = false;
        set.pop();
        witness.saw(0, &set, now);
        witness.saw(0, &set, now);
        let lost: Vec<usize> = witness.losses().iter().map(|loss| loss.place.1).collect();
        assert_eq!(lost, [1, 2]);
        assert_eq!((witness.usable(0), witness.lists()), (1, 3));
    }

    #[test]
    fn a_service_that_a_document_does_not_name_is_lost() {
        let fleet = Fleet::new("t", 2, 1);
        let witness = Witness::default();
        let both = HashMap::from([(0, fleet.set(0)), (1, fleet.set(1))]);
        witness.saw_all(&both, Instant::now());
        witness.saw_all(&HashMap::from([(1, fleet.set(1))]), Instant::now());
        let lost: Vec<u32> = witness.losses().iter().map(|loss| loss.place.0).collect();
        assert_eq!(lost, [0]);
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let fleet = Fleet::new("t", 1, 1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("services.json");
        let shown = &fleet.set(0)[0];
        let text = serde_json::json!({ "services": [{
            "namespace": "public", "group": "DEFAULT_GROUP", "service": "t-000000",
            "instances": [{
                "ip": shown.ip, "port": shown.port, "cluster": "DEFAULT", "weight": 1.0,
                "healthy": null, "enabled": true, "metadata": shown.metadata,
            }],
        }] });
        std::fs::write(&path, text.to_string()).unwrap();
        let services = document(&path, fleet.names).unwrap();
        let mut comparing = Comparing::with(&fleet);
        comparing.service("t-000000", services[&0].clone());
        let comparison = comparing.end();
        assert_eq!(
            (comparison.equal, comparison.wrong()),
            (1, 0),
            "{comparison:?}"
        );
        std::fs::write(&path, "{\"services\":[").unwrap();
        assert!(document(&path, fleet.names).is_err());
    }
}
