//! When an embedded registry begins to answer: not before it has again what it
//! had, since a list without that would be taken for the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_engine::core::Fill;
use syncline_engine::{EngineSpec, Filling, Mode};
use syncline_model::{EndpointName, LinkName};
use syncline_registry::Listeners;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ServedRegistry;

/// How long the last known good may take to stand. It is all on our own disk.
const LAST_KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// How long a registry that never had anything waits for the first list of what
/// fills it. Clients of its own should not have to do without it for longer
/// because another registry is away.
const FIRST_LIST_WITHIN: Duration = Duration::from_secs(10);

/// A registry that does not answer yet. Whoever connects waits for it.
pub(super) struct Opening {
    pub(super) served: ServedRegistry,
    pub(super) listeners: Listeners,
}

/// The links that fill each registry.
pub(super) struct Fillers {
    by_registry: BTreeMap<EndpointName, Vec<LinkName>>,
    mode: Mode,
}

impl Fillers {
    pub(super) fn of(spec: &EngineSpec) -> Self {
        let mut by_registry = BTreeMap::<_, Vec<_>>::new();
        for link in &spec.links {
            let fillers = by_registry.entry(link.rules.to.clone()).or_default();
            fillers.push(link.rules.name.clone());
        }
        Self {
            by_registry,
            mode: spec.mode,
        }
    }

    /// The links that fill a registry; none where nothing is written.
    pub(super) fn fill(&self, endpoint: &EndpointName) -> Vec<LinkName> {
        let fillers = self.by_registry.get(endpoint);
        let fillers = fillers.filter(|_| self.mode == Mode::Live);
        fillers.cloned().unwrap_or_default()
    }
}

/// Serves registries, each as soon as it is filled.
pub(super) fn open_when_filled(
    openings: Vec<Opening>,
    fillers: &Fillers,
    filling: &Filling,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    for Opening { served, listeners } in openings {
        let links = fillers.fill(&served.endpoint);
        let (filling, cancel) = (filling.clone(), cancel.clone());
        tasks.spawn(async move {
            let filled = wait_until_filled(&served, &links, filling);
            if cancel.run_until_cancelled(filled).await.is_none() {
                return;
            }
            let ServedRegistry {
                endpoint, registry, ..
            } = served;
            if let Err(error) = syncline_registry::serve(listeners, registry, cancel).await {
                tracing::error!(%endpoint, %error, "the embedded registry stopped serving");
            }
        });
    }
}

async fn wait_until_filled(served: &ServedRegistry, links: &[LinkName], mut filling: Filling) {
    let ServedRegistry {
        endpoint, registry, ..
    } = served;
    let begun = Instant::now();
    let last_known = filling.reaches(Fill::Nothing, links);
    if timeout(LAST_KNOWN_WITHIN, last_known).await.is_err() {
        tracing::warn!(%endpoint, "the embedded registry answers with a part of what it last had");
        return;
    }
    if filling.any_reached(Fill::LastKnown, links) {
        let (figures, took) = (registry.figures(), begun.elapsed());
        tracing::info!(
            %endpoint, services = figures.services, instances = figures.published_instances, ?took,
            "the embedded registry answers with what it last had"
        );
        return;
    }
    let first_list = filling.reaches(Fill::FirstList, links);
    if timeout(FIRST_LIST_WITHIN, first_list).await.is_err() {
        tracing::warn!(%endpoint, "the embedded registry answers with what its own clients \
            register: nothing is known yet of what its links are to bring");
    }
}
