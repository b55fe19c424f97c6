//! Witnesses that know nothing of Syncline: subscribers of a registry, and a
//! reader of the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use syncline_nacos::grpc::{Session, SessionEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::application::{Content, service, session_options};
use super::stage::Addresses;

/// How long a change may take to arrive before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the file is read.
const READ_EVERY: Duration = Duration::from_millis(1);

/// What a witness sees: services, and their instances by address.
pub(super) type Sight = BTreeMap<String, BTreeMap<String, Content>>;

/// Somebody who looks at one place all the time.
pub(super) struct Witness {
    seen: Arc<watch::Sender<Seen>>,
    looking: JoinHandle<()>,
}

/// What a witness has seen.
#[derive(Default)]
struct Seen {
    now: Sight,
    /// The fewest instances that each service showed lately.
    fewest: BTreeMap<String, usize>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Witness {
    /// A subscriber of these services at a registry.
    pub(super) fn subscriber(registry: Addresses, services: &'static [&'static str]) -> Self {
        Self::looking(move |eye| async move {
            let (session, mut events) = Session::start(session_options(registry, 2));
            for name in services {
                // A subscription that fails at first is made by the session later.
                session.subscribe(service(name)).await.ok();
            }
            while let Some(event) = events.next().await {
                let (SessionEvent::Subscribed { service, info }
                | SessionEvent::Pushed { service, info }) = event
                else {
                    continue;
                };
                let instances = info.hosts.items.iter().map(|host| {
                    let content = Content {
                        weight: host.weight,
                        healthy: host.healthy,
                    };
                    (format!("{}:{}", host.ip, host.port), content)
                });
                eye.see(service.name.to_string(), instances.collect());
            }
        })
    }

    /// A reader of the file, which has to be a whole document at every look.
    pub(super) fn reader(path: PathBuf) -> Self {
        Self::looking(move |eye| async move {
            let mut last = Vec::new();
            loop {
                tokio::time::sleep(READ_EVERY).await;
                let Ok(bytes) = tokio::fs::read(&path).await else {
                    continue;
                };
                if bytes == last {
                    continue;
                }
                match serde_json::from_slice::<Document>(&bytes) {
                    Ok(document) => eye.see_all(document.sight()),
                    Err(error) => tracing::error!(%error, "the file is no whole document"),
                }
                last = bytes;
            }
        })
    }

    fn looking<F: Future<Output = ()> + Send + 'static>(look: impl FnOnce(Eye) -> F) -> Self {
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let eye = Eye(Arc::clone(&seen));
        Self {
            seen,
            looking: tokio::spawn(look(eye)),
        }
    }

    /// Waits until what is seen is as described; how long that took from a
    /// moment on.
    pub(super) async fn sees(
        &self,
        since: Instant,
        is: impl Fn(&Sight) -> bool,
    ) -> anyhow::Result<Duration> {
        let mut seen = self.seen.subscribe();
        match tokio::time::timeout(PATIENCE, seen.wait_for(|seen| is(&seen.now))).await {
            Ok(Ok(_)) => Ok(since.elapsed()),
            _ => anyhow::bail!("a change did not arrive within {} s", PATIENCE.as_secs()),
        }
    }

    /// Forgets what was seen, since where it looks has lost everything.
    pub(super) fn go_blank(&self) {
        self.seen.send_modify(|seen| seen.now.clear());
    }

    /// Begins to count anew how few instances are seen.
    pub(super) fn count_anew(&self) {
        self.seen.send_modify(|seen| {
            let counts = seen.now.iter().map(|(name, all)| (name.clone(), all.len()));
            seen.fewest = counts.collect();
        });
    }

    /// The fewest instances that each service showed since then.
    pub(super) fn fewest(&self) -> BTreeMap<String, usize> {
        self.seen.borrow().fewest.clone()
    }
}

/// Where a witness puts what it sees.
struct Eye(Arc<watch::Sender<Seen>>);

impl Eye {
    fn see(&self, service: String, instances: BTreeMap<String, Content>) {
        self.0.send_modify(|seen| {
            seen.count(&service, instances.len());
            seen.now.insert(service, instances);
        });
    }

    fn see_all(&self, sight: Sight) {
        self.0.send_modify(|seen| {
            let gone: Vec<String> = seen
                .now
                .keys()
                .filter(|name| !sight.contains_key(*name))
                .cloned()
                .collect();
            gone.iter().for_each(|name| seen.count(name, 0));
            for (name, instances) in &sight {
                seen.count(name, instances.len());
            }
            seen.now = sight;
        });
    }
}

impl Seen {
    fn count(&mut self, service: &str, count: usize) {
        self.fewest
            .entry(service.to_owned())
            .and_modify(|fewest| *fewest = count.min(*fewest))
            .or_insert(count);
    }
}

#[derive(Deserialize)]
struct Document {
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    service: String,
    instances: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    ip: String,
    port: u16,
    weight: f64,
    healthy: Option<bool>,
}

impl Document {
    fn sight(self) -> Sight {
        let entry = |entry: Entry| {
            let content = Content {
                weight: entry.weight,
                healthy: entry.healthy.unwrap_or(true),
            };
            (format!("{}:{}", entry.ip, entry.port), content)
        };
        self.services
            .into_iter()
            .map(|service| {
                let instances = service.instances.into_iter().map(entry);
                (service.service, instances.collect())
            })
            .collect()
    }
}
