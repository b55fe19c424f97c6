//! A watch sees additions, changes, removals and new services.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use syncline_contract::{Followed, Interest, Observation, Observations, Source, observations};
use syncline_model::{ServiceKey, ServiceSet};
use syncline_testkit::eventually;
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run::require_real_servers;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::place::{LONG, Place, at};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a watch has shown so far.
#[derive(Default)]
struct Seen {
    contents: HashMap<ServiceKey, Arc<ServiceSet>>,
    up: bool,
    downs: usize,
    looks_at_all: usize,
}

struct Watching {
    seen: Arc<Mutex<Seen>>,
    cancel: CancellationToken,
    watch: JoinHandle<()>,
    taking: JoinHandle<()>,
}

impl Watching {
    fn start(place: &Place, followed: Arc<Followed>) -> Self {
        let source = place.source();
        let interest = Interest {
            followed,
            ..Interest::in_all_of(place.scope())
        };
        let (sink, observed) = observations();
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let watch = tokio::spawn(async move { source.watch(interest, sink, stop).await });
        let seen = Arc::new(Mutex::new(Seen::default()));
        let taking = tokio::spawn(take(observed, Arc::clone(&seen)));
        Self {
            seen,
            cancel,
            watch,
            taking,
        }
    }

    async fn shows(&self, service: &ServiceKey, holds: impl Fn(&ServiceSet) -> bool) {
        eventually(PATIENCE, || async {
            self.seen
                .lock()
                .contents
                .get(service)
                .is_some_and(|set| holds(set))
        })
        .await;
    }

    async fn end(self) -> anyhow::Result<()> {
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, self.watch).await??;
        self.taking.abort();
        Ok(())
    }
}

async fn take(observed: Observations, seen: Arc<Mutex<Seen>>) {
    loop {
        let observation = observed.next().await;
        let mut seen = seen.lock();
        match observation {
            Observation::Content { service, view, .. } => {
                let set = view.complete().expect("a whole content").1;
                seen.contents.insert(service, Arc::clone(set));
            }
            Observation::Look(_) | Observation::Learns(_) => {}
            Observation::LookAtAll => seen.looks_at_all += 1,
            Observation::Up => seen.up = true,
            Observation::Down(_) => {
                seen.up = false;
                seen.downs += 1;
            }
        }
    }
}

async fn sees_all(version: Version) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(version).await?);
    let old = place.service(0, "G", "old");
    let long = |more: &str| format!("metadata={more},{LONG}");
    place.register(&old, ("10.0.0.1", 80), &long("a=1")).await?;
    let followed = Arc::new(Followed::default());
    let elsewhere = ServiceKey::new(format!("{}-x", place.namespaces[0]).as_str(), "G", "old");
    followed.follow(&elsewhere);
    let watching = Watching::start(&place, Arc::clone(&followed));
    watching.shows(&old, |set| set.len() == 1).await;

    place.register(&old, ("10.0.0.2", 80), &long("a=1")).await?;
    watching.shows(&old, |set| set.len() == 2).await;
    let changed = format!("weight=3&{}", long("a=2"));
    place.register(&old, ("10.0.0.2", 80), &changed).await?;
    watching
        .shows(&old, |set| {
            let instance = at(set, "10.0.0.2");
            instance.weight.get() == 3.0 && instance.metadata.get("a") == Some("2")
        })
        .await;
    place.deregister(&old, ("10.0.0.2", 80), "").await?;
    watching.shows(&old, |set| set.len() == 1).await;

    // The same name in the other namespace is another service.
    for new in [place.service(1, "G", "old"), place.service(0, "H", "new")] {
        place.register(&new, ("10.0.1.1", 80), &long("a=1")).await?;
        watching
            .shows(&new, |set| at(set, "10.0.1.1").in_use())
            .await;
    }
    // A service outside of the scopes that is followed by name, and one that is
    // followed later.
    place
        .register(&elsewhere, ("10.0.2.1", 80), &long("a=1"))
        .await?;
    watching.shows(&elsewhere, |set| set.len() == 1).await;
    let later = ServiceKey::new(elsewhere.namespace.as_str(), "G", "later");
    followed.follow(&later);
    place
        .register(&later, ("10.0.2.2", 80), &long("a=1"))
        .await?;
    watching.shows(&later, |set| set.len() == 1).await;
    {
        let seen = watching.seen.lock();
        assert!(seen.up);
        assert_eq!(seen.downs, 0, "nothing broke");
    }
    watching.end().await
}

async fn survives_a_restart(version: Version) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    // A place is on a server that stays as long as the program does.
    let place = Place::new(Box::leak(Box::new(RealNacos::start(version).await?)));
    let service = place.service(0, "G", "s");
    let long = format!("metadata={LONG}");
    place.register(&service, ("10.0.0.1", 80), &long).await?;
    let watching = Watching::start(&place, Arc::default());
    watching.shows(&service, |set| set.len() == 1).await;
    place.nacos.kill().await?;
    eventually(PATIENCE, || async { !watching.seen.lock().up }).await;
    place.nacos.restart().await?;
    eventually(PATIENCE, || async { watching.seen.lock().up }).await;
    if version.has_grpc() {
        eventually(PATIENCE, || async { watching.seen.lock().looks_at_all > 0 }).await;
    }
    place.register(&service, ("10.0.0.2", 80), &long).await?;
    let back = |set: &ServiceSet| {
        set.instances()
            .iter()
            .any(|i| i.key.host.as_str() == "10.0.0.2")
    };
    watching.shows(&service, back).await;
    place.nacos.kill().await?;
    watching.end().await
}

#[tokio::test]
async fn a_restart_of_1_3_0() -> anyhow::Result<()> {
    survives_a_restart(Version::V1_3_0).await
}

#[tokio::test]
async fn a_restart_of_2_1_1() -> anyhow::Result<()> {
    survives_a_restart(Version::V2_1_1).await
}

#[tokio::test]
async fn on_1_3_0() -> anyhow::Result<()> {
    sees_all(Version::V1_3_0).await
}

#[tokio::test]
async fn on_2_0_3() -> anyhow::Result<()> {
    sees_all(Version::V2_0_3).await
}

#[tokio::test]
async fn on_2_1_1() -> anyhow::Result<()> {
    sees_all(Version::V2_1_1).await
}

#[tokio::test]
async fn on_2_2_4() -> anyhow::Result<()> {
    sees_all(Version::V2_2_4).await
}
