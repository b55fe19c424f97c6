//! What operators set: services, and instances over their publishers' heads.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_model::{ClusterName, Instance, InstanceKey, Metadata, Seen, ServiceKey, Weight};

use super::service::{Publication, Published, Service};
use super::timers::Timer;
use super::{Kind, OverQuota, Part, ServiceId, Store};
use crate::checks::{Checker, ClusterRecord};
use crate::moment::Moment;
use crate::selector::Selector;

/// What was set for a service itself.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ServiceRecord {
    /// The share of healthy instances at or below which all are shown healthy.
    pub(crate) protect_threshold: f64,
    /// The service's own metadata.
    pub(crate) metadata: Metadata,
    /// Which instances a consumer would prefer.
    pub(crate) selector: Selector,
    /// What was set for clusters.
    pub(crate) clusters: BTreeMap<ClusterName, Arc<ClusterRecord>>,
}

impl Default for ServiceRecord {
    fn default() -> Self {
        Self {
            protect_threshold: 0.0,
            metadata: Metadata::empty(),
            selector: Selector::None,
            clusters: BTreeMap::new(),
        }
    }
}

/// What was set for one instance. It wins over every publisher, also over
/// those to come, and outlives the instance for a while (2.x).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Override {
    pub(crate) weight: Weight,
    pub(crate) enabled: bool,
    /// Laid over the publisher's metadata; it cannot take a key away.
    pub(crate) metadata: Metadata,
    pub(super) gone_since: Option<Moment>,
}

impl Override {
    pub(crate) fn new(weight: Weight, enabled: bool, metadata: Metadata) -> Self {
        Self {
            weight,
            enabled,
            metadata,
            gone_since: None,
        }
    }

    pub(super) fn apply(&self, instance: &mut Instance) {
        instance.weight = self.weight;
        instance.enabled = self.enabled;
        if !self.metadata.is_empty() {
            let published = instance.metadata.pairs().iter();
            let laid_over = published.chain(self.metadata.pairs());
            instance.metadata = Metadata::from_pairs(laid_over.cloned());
        }
    }
}

/// The parts of an instance that a patch may set.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) weight: Option<Weight>,
    pub(crate) enabled: Option<bool>,
    /// Replaces what an earlier override laid over the metadata.
    pub(crate) metadata: Option<Metadata>,
}

/// Why something cannot be set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum EditError {
    ServiceMissing,
    ServiceExists,
    ServiceNotEmpty,
    InstanceMissing,
    CheckerWorking,
    OverQuota(OverQuota),
}

impl From<OverQuota> for EditError {
    fn from(over: OverQuota) -> Self {
        Self::OverQuota(over)
    }
}

impl Store {
    /// Creates a service of a kind. Registrations of the other kind are
    /// refused from then on.
    pub(crate) fn create_service(
        &mut self,
        key: &ServiceKey,
        kind: Kind,
        record: ServiceRecord,
        now: Moment,
    ) -> Result<(), EditError> {
        let id = self.service(key);
        let Some(service) = self.services.get_mut(id) else {
            return Err(EditError::ServiceMissing);
        };
        if service.listed {
            return Err(EditError::ServiceExists);
        }
        let counted = service.counted;
        if !counted {
            self.admits_service(key)?;
        }
        let Some(service) = self.services.get_mut(id) else {
            return Err(EditError::ServiceMissing);
        };
        service.kind = Some(kind);
        service.record = Some(Arc::new(record));
        self.watch_empty(id, now);
        self.count_service(id);
        self.list(id);
        self.change_durable(key, Part::Settings);
        self.touch(id, now);
        Ok(())
    }

    /// Sets what can be set for a service itself; its clusters stay as they
    /// are.
    pub(crate) fn update_service(
        &mut self,
        key: &ServiceKey,
        set: ServiceRecord,
        now: Moment,
    ) -> Result<(), EditError> {
        self.edit_record(key, now, |record| {
            let clusters = std::mem::take(&mut record.clusters);
            *record = ServiceRecord { clusters, ..set };
        })
    }

    /// Removes a service that has no instances.
    pub(crate) fn delete_service(&mut self, key: &ServiceKey) -> Result<(), EditError> {
        let id = self.listed(key).ok_or(EditError::ServiceMissing)?;
        let has_instances = |service: &Service| {
            let mut publishers = service.publishers.iter();
            publishers.any(|publisher| !publisher.publication.instances().is_empty())
        };
        if self.services.get(id).is_some_and(has_instances) {
            return Err(EditError::ServiceNotEmpty);
        }
        self.unlist(id);
        Ok(())
    }

    /// Sets an override. The instance need not exist, the service must.
    pub(crate) fn set_override(
        &mut self,
        key: &ServiceKey,
        instance: InstanceKey,
        mut set: Override,
        now: Moment,
    ) -> Result<(), EditError> {
        let id = self.listed(key).ok_or(EditError::ServiceMissing)?;
        let service = self.services.get_mut(id);
        let service = service.ok_or(EditError::ServiceMissing)?;
        if !service.publishes(&instance) {
            set.gone_since = Some(now);
            let at = now.after(self.life.empty_kept);
            self.timers.add(at, Timer::Overrides(id));
        }
        service.overrides.insert(instance.clone(), set);
        self.change_durable(key, Part::Override(instance));
        self.touch(id, now);
        Ok(())
    }

    /// Changes parts of an instance that exists.
    pub(crate) fn patch_instance(
        &mut self,
        key: &ServiceKey,
        instance: &InstanceKey,
        patch: Patch,
        now: Moment,
    ) -> Result<(), EditError> {
        let id = self.listed(key).ok_or(EditError::ServiceMissing)?;
        let service = self.services.get_mut(id);
        let service = service.ok_or(EditError::ServiceMissing)?;
        let snapshot = service.snapshot();
        let shown = snapshot.set.get(instance).first();
        let shown = shown.ok_or(EditError::InstanceMissing)?;
        let before = service.overrides.get(instance);
        let before = before.map_or_else(Metadata::empty, |set| set.metadata.clone());
        let set = Override::new(
            patch.weight.unwrap_or(shown.weight),
            patch.enabled.unwrap_or(shown.enabled),
            patch.metadata.unwrap_or(before),
        );
        self.set_override(key, instance.clone(), set, now)
    }

    /// Sets all that can be set for a cluster.
    pub(crate) fn set_cluster(
        &mut self,
        key: &ServiceKey,
        cluster: ClusterName,
        set: ClusterRecord,
        now: Moment,
    ) -> Result<(), EditError> {
        self.edit_record(key, now, |record| {
            record.clusters.insert(cluster, Arc::new(set));
        })?;
        if let Some(id) = self.services.find(key) {
            self.plan_checks_of(id, now);
        }
        Ok(())
    }

    /// Sets the health of a persistent instance whose cluster has the checker
    /// `NONE`, as 1.x does. (2.0 to 3.0 refuse it there too, by a fault.)
    pub(crate) fn set_health(
        &mut self,
        key: &ServiceKey,
        instance: &InstanceKey,
        healthy: bool,
        now: Moment,
    ) -> Result<(), EditError> {
        let id = self.listed(key).ok_or(EditError::CheckerWorking)?;
        let Some(service) = self.services.get_mut(id) else {
            return Err(EditError::CheckerWorking);
        };
        let unchecked = |record: &Arc<ServiceRecord>| {
            let cluster = record.clusters.get(&instance.cluster);
            cluster.is_some_and(|cluster| cluster.checker == Checker::None)
        };
        if !service.record.as_ref().is_some_and(unchecked) || service.kind != Some(Kind::Persistent)
        {
            return Err(EditError::CheckerWorking);
        }
        let mut changed = false;
        for publisher in &mut service.publishers {
            if let Published::One(published) = &mut publisher.publication.published
                && published.key == *instance
                && published.healthy != Seen::Known(healthy)
            {
                published.healthy = Seen::Known(healthy);
                changed = true;
            }
        }
        if changed {
            let part = Part::Instance(instance.host.clone(), instance.port);
            self.change_durable(key, part);
            self.touch(id, now);
        }
        Ok(())
    }

    fn edit_record(
        &mut self,
        key: &ServiceKey,
        now: Moment,
        edit: impl FnOnce(&mut ServiceRecord),
    ) -> Result<(), EditError> {
        let id = self.listed(key).ok_or(EditError::ServiceMissing)?;
        if let Some(service) = self.services.get_mut(id) {
            edit(Arc::make_mut(service.record.get_or_insert_default()));
        }
        self.change_durable(key, Part::Settings);
        self.touch(id, now);
        Ok(())
    }

    pub(super) fn listed(&self, key: &ServiceKey) -> Option<ServiceId> {
        let id = self.services.find(key)?;
        self.services.get(id)?.listed.then_some(id)
    }

    /// Starts the clock for overrides of instances that are no longer
    /// published.
    pub(super) fn leave_overrides(&mut self, id: ServiceId, left: &Publication, now: Moment) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        if service.overrides.is_empty() {
            return;
        }
        let gone = |instance: &&Instance| {
            service.overrides.contains_key(&instance.key) && !service.publishes(&instance.key)
        };
        let gone: Vec<&Instance> = left.instances().iter().filter(gone).collect();
        for instance in gone {
            if let Some(set) = service.overrides.get_mut(&instance.key) {
                set.gone_since = Some(now);
                let at = now.after(self.life.empty_kept);
                self.timers.add(at, Timer::Overrides(id));
            }
        }
    }

    /// Drops the overrides of instances that stayed away.
    pub(super) fn forget_overrides(&mut self, id: ServiceId, now: Moment) {
        let kept = self.life.empty_kept;
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        let mut forgotten = Vec::new();
        service.overrides.retain(|instance, set| {
            let gone = set.gone_since;
            let stays = gone.is_none_or(|since| now.since(since) < kept);
            if !stays {
                forgotten.push(Part::Override(instance.clone()));
            }
            stays
        });
        let key = service.key.clone();
        for part in forgotten {
            self.change_durable(&key, part);
        }
    }
}
