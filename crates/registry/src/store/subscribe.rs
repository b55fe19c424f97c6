//! Who listens to a service, and when they hear of it.

use syncline_model::ServiceKey;

use super::snapshot::Clusters;
use super::timers::Timer;
use super::{ClientId, OverQuota, ServiceId, Store};
use crate::moment::Moment;

impl Store {
    /// Subscribes a client to a service, which need not exist. A second
    /// subscription replaces the clusters of the first.
    pub(crate) fn subscribe(
        &mut self,
        client: ClientId,
        key: &ServiceKey,
        clusters: Clusters,
        now: Moment,
    ) -> Result<(), OverQuota> {
        self.admits_subscription(client, key)?;
        if let Some(id) = self.add_subscriber(client, key, clusters) {
            // Nacos pushes once after a first subscription, changed or not.
            let at = now.after(self.push.delay);
            self.timers.add(at, Timer::Welcome(id, client));
        }
        Ok(())
    }

    /// Adds a client to those who hear of a service's changes; gives the
    /// service if it is the client's first subscription to it.
    pub(super) fn add_subscriber(
        &mut self,
        client: ClientId,
        key: &ServiceKey,
        clusters: Clusters,
    ) -> Option<ServiceId> {
        if !self.clients.contains_key(&client) {
            return None;
        }
        let id = self.service(key);
        let service = self.services.get_mut(id)?;
        self.clients.get_mut(&client)?.subscribes.insert(id);
        let audience = service.audience.get_or_insert_default();
        if audience.subscribers.insert(client, clusters).is_some() {
            return None;
        }
        self.counts.subscriptions += 1;
        audience.content = None;
        Some(id)
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, client: ClientId, key: &ServiceKey) {
        let Some(id) = self.services.find(key) else {
            return;
        };
        if let Some(holder) = self.clients.get_mut(&client) {
            holder.subscribes.remove(&id);
        }
        self.remove_subscriber(id, client);
    }

    pub(super) fn remove_subscriber(&mut self, id: ServiceId, client: ClientId) {
        if let Some(service) = self.services.get_mut(id)
            && let Some(audience) = &mut service.audience
            && audience.subscribers.remove(&client).is_some()
        {
            self.counts.subscriptions -= 1;
            if audience.subscribers.is_empty() {
                service.audience = None;
            }
        }
        self.drop_unused(id);
    }

    /// The clusters for which a client is subscribed to a service.
    pub(crate) fn subscription(&self, client: ClientId, key: &ServiceKey) -> Option<Clusters> {
        let service = self.services.get(self.services.find(key)?)?;
        service.audience.as_ref()?.subscribers.get(&client).cloned()
    }

    /// Plans to tell the subscribers of a change: soon, but with a pause after
    /// the last push that grows with what a push costs.
    pub(super) fn plan_push(&mut self, id: ServiceId, now: Moment) {
        let service = self.services.get_mut(id);
        let Some(audience) = service.and_then(|service| service.audience.as_mut()) else {
            return;
        };
        if audience.due.is_none() {
            let due = now.after(self.push.delay).max(audience.earliest);
            audience.due = Some(due);
            self.timers.add(due, Timer::Push(id));
        }
    }

    pub(super) fn push_due(&mut self, id: ServiceId, at: Moment, now: Moment) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        let due = service.audience.as_ref().and_then(|audience| audience.due);
        if due != Some(at) {
            return;
        }
        let snapshot = service.snapshot();
        let Some(audience) = &mut service.audience else {
            return;
        };
        audience.due = None;
        // A second holder of equal instances changes nothing that can be seen.
        let content = Some(snapshot.content());
        if audience.content == content {
            return;
        }
        audience.content = content;
        let subscribers: Vec<ClientId> = audience.subscribers.keys().copied().collect();
        let pause = self.push.pause(snapshot.set.len(), subscribers.len());
        audience.earliest = now.after(pause);
        let push = (service.key.clone(), subscribers);
        self.effects.pushes.push(push);
    }

    pub(super) fn welcome(&mut self, id: ServiceId, client: ClientId) {
        if let Some(service) = self.services.get(id)
            && let Some(audience) = &service.audience
            && audience.subscribers.contains_key(&client)
        {
            let push = (service.key.clone(), vec![client]);
            self.effects.pushes.push(push);
        }
    }
}
