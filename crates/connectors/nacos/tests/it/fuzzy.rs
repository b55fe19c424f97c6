//! New services by fuzzy watch, at an embedded registry that presents 3.0.3.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use syncline_connector_nacos::config::Server;
use syncline_connector_nacos::{NacosConfig, NacosSource};
use syncline_contract::{Interest, Observation, Source, observations};
use syncline_model::scope::{NamespacePattern, Scope};
use syncline_model::{Instance, Port, ServiceKey, ServiceSet};
use syncline_registry::{LinkClient, Listeners, Registry, Settings, WatchLimits, serve};
use syncline_testkit::eventually;
use tokio_util::sync::{CancellationToken, DropGuard};

const PATIENCE: Duration = Duration::from_secs(20);

/// A registry that is served, and a source that watches it.
struct Watched {
    registry: Registry,
    publisher: LinkClient,
    source: Arc<NacosSource>,
    seen: Arc<Mutex<Seen>>,
    _end: DropGuard,
}

#[derive(Default)]
struct Seen {
    /// Services whose instances were shown.
    shown: BTreeSet<ServiceKey>,
    /// Services that were shown to be empty, or are to be looked at.
    gone: BTreeSet<ServiceKey>,
    /// How new services are learnt, as it was said last.
    learns: Option<Arc<str>>,
}

impl Watched {
    async fn start(version: &str, watches: WatchLimits) -> anyhow::Result<Self> {
        let mut settings = Settings {
            version: version.parse()?,
            ..Settings::default()
        };
        settings.limits.watches = watches;
        let registry = Registry::new(settings);
        let listeners = Listeners::bind_free().await?;
        let http = listeners.http_addr();
        let cancel = CancellationToken::new();
        tokio::spawn(serve(listeners, registry.clone(), cancel.clone()));

        let config = NacosConfig::of(vec![Server::try_from(http.to_string())?]);
        let source = Arc::new(NacosSource::new(&config, "src".into()));
        let public = NamespacePattern::parse("public")?;
        let interest = Interest::in_all_of(Scope {
            namespaces: vec![public],
            ..Scope::everything()
        });
        let (sink, observed) = observations();
        let (watch, stop) = (Arc::clone(&source), cancel.clone());
        tokio::spawn(async move { watch.watch(interest, sink, stop).await });
        let seen = Arc::new(Mutex::new(Seen::default()));
        let taken = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                match observed.next().await {
                    Observation::Content { service, view, .. } => {
                        let empty = view.complete().is_some_and(|(_, set)| set.is_empty());
                        let mut seen = taken.lock();
                        if empty {
                            seen.gone.insert(service)
                        } else {
                            seen.shown.insert(service)
                        }
                    }
                    Observation::Look(service) => taken.lock().gone.insert(service),
                    Observation::Learns(how) => taken.lock().learns.replace(how).is_none(),
                    _ => false,
                };
            }
        });
        Ok(Self {
            publisher: registry.link_client(&"applications".into()),
            registry,
            source,
            seen,
            _end: cancel.drop_guard(),
        })
    }

    /// A service comes and is shown; how many requests it took over HTTP, by
    /// which names are asked for.
    async fn comes(&self, name: &str) -> u64 {
        let service = ServiceKey::new("public", "G", name);
        let before = self.registry.figures().http_requests;
        let port = Port::new(80).expect("not zero");
        let set = ServiceSet::new(vec![Instance::new("10.0.0.1", port)]);
        self.publisher.publish(&service, Arc::new(set));
        eventually(PATIENCE, || async {
            self.seen.lock().shown.contains(&service)
        })
        .await;
        self.registry.figures().http_requests - before
    }

    async fn learns(&self, how: &str) {
        eventually(PATIENCE, || async {
            self.seen.lock().learns.as_deref() == Some(how)
        })
        .await;
    }

    /// Whether of some services that come one is shown without a question.
    async fn is_told(&self) -> bool {
        for n in 0..10 {
            if self.comes(&format!("s{n}")).await == 0 {
                return true;
            }
        }
        false
    }
}

#[tokio::test]
async fn a_new_service_is_told_and_not_asked_for() -> anyhow::Result<()> {
    let watched = Watched::start("3.0.3", WatchLimits::default()).await?;
    watched.learns("new names by fuzzy watch").await;
    assert!(watched.is_told().await);
    let report = watched.source.describe().await?;
    assert!(report.watching.contains("fuzzy watch"), "{report:?}");

    let service = ServiceKey::new("public", "G", "s0");
    watched.publisher.withdraw(&service);
    eventually(PATIENCE, || async {
        watched.seen.lock().gone.contains(&service)
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn where_the_server_is_at_its_limits_names_are_asked_for() -> anyhow::Result<()> {
    let [patterns, matches] =
        [(0, 500), (20, 0)].map(|(patterns, matches)| WatchLimits { patterns, matches });
    for limits in [patterns, matches] {
        let watched = Watched::start("3.0.3", limits.clone()).await?;
        for name in ["first", "second", "third"] {
            watched.comes(name).await;
        }
        assert!(watched.comes("fourth").await > 0, "{limits:?}");
        watched.learns("new names every 2 s").await;
    }
    Ok(())
}

#[tokio::test]
async fn a_version_without_fuzzy_watch_is_asked_for_names() -> anyhow::Result<()> {
    let watched = Watched::start("2.5.1", WatchLimits::default()).await?;
    watched.comes("first").await;
    assert!(watched.comes("second").await > 0);
    let report = watched.source.describe().await?;
    assert!(report.watching.contains("names every 2 s"), "{report:?}");
    Ok(())
}
