//! What stands already when a configuration begins to run: targets that hold
//! what their links gave, and sources that know their registries.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_contract::{Ending, Source, Target};
use syncline_engine::{EngineSpec, Retired, Sink};
use syncline_model::{EndpointName, LinkName};

use crate::config::Config;

/// Connectors that are handed from one engine to the next.
#[derive(Clone, Default)]
pub(super) struct Given {
    targets: BTreeMap<LinkName, Arc<dyn Target>>,
    sources: BTreeMap<EndpointName, Arc<dyn Source>>,
}

impl Given {
    /// All that an engine is about to use.
    pub(super) fn of(spec: &EngineSpec) -> Self {
        let targets = spec.links.iter().filter_map(|link| match &link.sink {
            Sink::Target(target) => Some((link.rules.name.clone(), Arc::clone(target))),
            Sink::Output(_) => None,
        });
        let sources = spec.endpoints.iter();
        let sources = sources.map(|read| (read.name.clone(), Arc::clone(&read.source)));
        Self {
            targets: targets.collect(),
            sources: sources.collect(),
        }
    }

    /// What goes on under another configuration: whatever an endpoint is for
    /// that is as it was. A link that writes elsewhere now leaves its target to
    /// what becomes of its copies there.
    pub(super) fn under(&self, before: &Config, after: &Config) -> Self {
        let same = |endpoint: &EndpointName| {
            let at = |config: &Config| config.endpoints.get(endpoint).cloned();
            at(before).is_some() && at(before) == at(after)
        };
        let mut targets = self.targets.clone();
        for link in &before.links {
            let mut after = after.links.iter();
            let Some(target) = self.targets.get(&link.name).filter(|_| same(&link.to)) else {
                targets.remove(&link.name);
                continue;
            };
            if after.any(|after| after.name == link.name && after.to != link.to) {
                let name = Retired::name(&link.name, &link.to);
                targets.insert(name, Arc::clone(target));
                targets.remove(&link.name);
            }
        }
        let sources = self.sources.iter().filter(|(endpoint, _)| same(endpoint));
        Self {
            targets,
            sources: sources.map(|(k, v)| (k.clone(), Arc::clone(v))).collect(),
        }
    }

    /// A target holds what a link gave.
    pub(super) fn hold(&mut self, link: LinkName, target: Arc<dyn Target>) {
        self.targets.insert(link, target);
    }

    /// The target that holds what a link gave.
    pub(super) fn target(&self, link: &LinkName) -> Option<Sink> {
        let target = self.targets.get(link)?;
        Some(Sink::Target(Arc::clone(target)))
    }

    /// Who reads an endpoint.
    pub(super) fn source(&self, endpoint: &EndpointName) -> Option<Arc<dyn Source>> {
        self.sources.get(endpoint).cloned()
    }

    /// The targets that others do not have as well.
    pub(super) fn targets_beside(&self, others: &Self) -> Vec<Arc<dyn Target>> {
        let shared = |target: &Arc<dyn Target>| {
            let mut others = others.targets.values();
            others.any(|other| Arc::ptr_eq(other, target))
        };
        let targets = self.targets.values().filter(|target| !shared(target));
        targets.cloned().collect()
    }

    /// Closes all targets; what lives by itself stays.
    pub(super) async fn close(&self) {
        for target in self.targets.values() {
            target.close(Ending::Stop).await;
        }
    }
}
