//! A service at one moment, and what a consumer is shown of it.

use std::fmt;
use std::sync::Arc;

use syncline_model::{Instance, InstanceKey, ServiceKey, ServiceSet};

use super::edit::ServiceRecord;
use super::service::CustomIds;
use crate::moment::Moment;

/// A service at one moment: raw, with disabled and unhealthy instances.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) key: ServiceKey,
    pub(crate) set: Arc<ServiceSet>,
    pub(super) ids: Option<Arc<CustomIds>>,
    /// What instances are shown as that do not say it themselves.
    pub(crate) ephemeral: bool,
    /// What was set for the service itself, if anything ever was.
    pub(crate) record: Option<Arc<ServiceRecord>>,
    /// Different for every change of any service.
    pub(crate) revision: u64,
    /// When the service changed; later for every change.
    pub(crate) stamp: Moment,
}

impl Snapshot {
    /// The id that an instance's publisher chose.
    pub(crate) fn custom_id(&self, key: &InstanceKey) -> Option<&str> {
        self.ids.as_ref()?.get(key).map(|id| &**id)
    }

    /// The protect threshold. Only a service for which something was set has
    /// one, and then also if it is 0 (2.x).
    pub(crate) fn threshold(&self) -> Option<f64> {
        self.record.as_ref().map(|record| record.protect_threshold)
    }

    pub(super) fn content(&self) -> Content {
        Content {
            fingerprint: self.set.fingerprint(),
            threshold: self.threshold(),
        }
    }

    /// What a consumer is shown: the instances of the wanted clusters that are
    /// enabled. Where too few of them are healthy, all are shown as healthy.
    ///
    /// As from 2.0.4 on, `healthy_only` comes before the threshold, which thus
    /// practically never applies to it.
    pub(crate) fn select(&self, clusters: &Clusters, healthy_only: bool) -> Selection<'_> {
        let hosts: Vec<&Instance> = self
            .set
            .instances()
            .iter()
            .filter(|i| clusters.contain(i.key.cluster.as_str()))
            .filter(|i| i.enabled && (!healthy_only || i.healthy.or(true)))
            .collect();
        let healthy = hosts.iter().filter(|i| i.healthy.or(true)).count();
        let protected = !hosts.is_empty()
            && self
                .threshold()
                .is_some_and(|threshold| healthy as f64 / hosts.len() as f64 <= threshold);
        Selection { hosts, protected }
    }
}

/// What two equal pushes have in common.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Content {
    fingerprint: u64,
    threshold: Option<f64>,
}

/// What a consumer is shown of a service.
pub(crate) struct Selection<'a> {
    pub(crate) hosts: Vec<&'a Instance>,
    /// Too few were healthy: all are to be shown as if they were.
    pub(crate) protected: bool,
}

/// The clusters that a consumer wants to see: names separated by commas, or
/// nothing for all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Clusters(Arc<str>);

impl Clusters {
    pub(crate) fn new(list: &str) -> Self {
        Self(Arc::from(list))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn contain(&self, cluster: &str) -> bool {
        self.0.is_empty() || self.0.split(',').any(|wanted| wanted == cluster)
    }
}

impl fmt::Debug for Clusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
