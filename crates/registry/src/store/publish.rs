//! Publishing and withdrawing: all that makes instances come and go.

use std::sync::Arc;

use syncline_model::ServiceKey;

use super::beat::Beat;
use super::service::{Publication, Publisher};
use super::timers::Timer;
use super::{Address, ClientId, Kind, OverQuota, Part, ServiceId, Store};
use crate::moment::Moment;

/// The service exists and is of the other kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "Current service {service} is {} service, can't register {} instance.",
    kind_name(*.kind), kind_name(other(*.kind))
)]
pub(crate) struct WrongKind {
    /// The grouped name.
    pub(crate) service: String,
    /// What the service is.
    pub(crate) kind: Kind,
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Ephemeral => "ephemeral",
        Kind::Persistent => "persistent",
    }
}

fn other(kind: Kind) -> Kind {
    Kind::of(!kind.is_ephemeral())
}

/// Why nothing was registered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    WrongKind(#[from] WrongKind),
    /// There is enough already.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// The connection ended meanwhile.
    #[error("the connection has ended")]
    Disconnected,
}

impl Store {
    /// Registers what a connection publishes of a service, in place of what it
    /// published before.
    pub(crate) fn publish(
        &mut self,
        client: ClientId,
        key: &ServiceKey,
        publication: Publication,
        now: Moment,
    ) -> Result<(), PublishError> {
        if !self.clients.contains_key(&client) {
            return Err(PublishError::Disconnected);
        }
        self.admits(Some(client), key, publication.instances().len())?;
        let id = self.claim(key, Kind::Ephemeral)?;
        self.set_publisher(id, client, publication, None, now);
        Ok(())
    }

    /// Registers what a link publishes of a service. A link takes no side
    /// between ephemeral and persistent, and is never refused.
    pub(crate) fn publish_link(
        &mut self,
        client: ClientId,
        key: &ServiceKey,
        set: Arc<syncline_model::ServiceSet>,
        now: Moment,
    ) {
        let id = self.service(key);
        let publication = Publication::set(set, super::CustomIds::new());
        self.set_publisher(id, client, publication, None, now);
    }

    /// Registers the one instance that an address publishes of a service; an
    /// ephemeral one lives by beats from now on.
    pub(crate) fn publish_address(
        &mut self,
        address: &Address,
        key: &ServiceKey,
        publication: Publication,
        now: Moment,
    ) -> Result<(), PublishError> {
        let client = self.addresses.get(address).copied();
        self.admits(client, key, publication.instances().len())?;
        Ok(self.put_address(address, key, publication, now)?)
    }

    /// The same, however much there is already.
    pub(super) fn put_address(
        &mut self,
        address: &Address,
        key: &ServiceKey,
        publication: Publication,
        now: Moment,
    ) -> Result<(), WrongKind> {
        let id = self.claim(key, address.kind)?;
        let beat = address.kind.is_ephemeral().then(|| Beat::at(now));
        let client = self.address(address);
        self.set_publisher(id, client, publication, beat, now);
        Ok(())
    }

    /// Removes what an address publishes of a service, and says whether there
    /// was anything.
    pub(crate) fn withdraw_address(
        &mut self,
        address: &Address,
        key: &ServiceKey,
        now: Moment,
    ) -> bool {
        match self.addresses.get(address) {
            Some(&client) => self.withdraw(client, key, now),
            None => false,
        }
    }

    /// Removes what a client publishes of a service, and says whether there
    /// was anything.
    pub(crate) fn withdraw(&mut self, client: ClientId, key: &ServiceKey, now: Moment) -> bool {
        let Some(id) = self.services.find(key) else {
            return false;
        };
        self.withdraw_from(id, client, now)
    }

    pub(super) fn withdraw_from(&mut self, id: ServiceId, client: ClientId, now: Moment) -> bool {
        let Some(holder) = self.clients.get_mut(&client) else {
            return false;
        };
        if !holder.publishes.remove(&id) {
            return false;
        }
        let is_native = holder.holder.is_native();
        let ends = holder.publishes.is_empty()
            && holder.subscribes.is_empty()
            && matches!(holder.holder, super::Holder::Address(_));
        self.remove_publisher(id, client, is_native, now);
        if ends {
            self.disconnect(client, now);
        }
        true
    }

    /// The service of that name and kind, made where there was none.
    fn claim(&mut self, key: &ServiceKey, kind: Kind) -> Result<ServiceId, WrongKind> {
        let id = self.service(key);
        if let Some(service) = self.services.get_mut(id) {
            match service.kind {
                Some(other) if other != kind => {
                    return Err(WrongKind {
                        service: key.grouped(),
                        kind: other,
                    });
                }
                Some(_) => {}
                None => {
                    service.kind = Some(kind);
                    if service.has_durable_settings() {
                        self.change_durable(key, Part::Settings);
                    }
                }
            }
        }
        Ok(id)
    }

    fn set_publisher(
        &mut self,
        id: ServiceId,
        client: ClientId,
        publication: Publication,
        beat: Option<Beat>,
        now: Moment,
    ) {
        let (Some(service), Some(holder)) =
            (self.services.get_mut(id), self.clients.get_mut(&client))
        else {
            return;
        };
        holder.publishes.insert(id);
        let is_native = holder.holder.is_native();
        service.empty_since = None;
        for instance in publication.instances() {
            if let Some(set) = service.overrides.get_mut(&instance.key) {
                set.gone_since = None;
            }
        }
        let published = publication.instances().len();
        self.counts.published_instances += published;
        let before = service.publisher(client).and_then(|before| before.beat);
        let beat = match (before, beat) {
            (Some(before), Some(beat)) => Some(before.renewed(beat)),
            (_, beat) => beat,
        };
        let before = service.set_publisher(Publisher {
            client,
            publication,
            beat,
        });
        if is_native {
            let before = before.as_ref();
            let before = before.map_or(0, |before| before.publication.instances().len());
            self.count_service(id);
            self.count_instances(id, client, before, published);
        }
        let mut changed = true;
        if let Some(before) = before {
            self.counts.published_instances -= before.publication.instances().len();
            let service = self.services.get(id);
            changed = service
                .and_then(|service| service.publisher(client))
                .is_none_or(|publisher| publisher.publication != before.publication);
            if changed {
                self.leave_overrides(id, &before.publication, now);
            }
        }
        if changed || !self.services.get(id).is_some_and(|service| service.listed) {
            self.list(id);
            self.touch(id, now);
            self.change_publication(id, client);
        }
        if beat.is_some() {
            self.plan_beat(id, client);
        }
        self.plan_check(id, client, now);
    }

    pub(super) fn remove_publisher(
        &mut self,
        id: ServiceId,
        client: ClientId,
        is_native: bool,
        now: Moment,
    ) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        let Some(publisher) = service.take_publisher(client) else {
            return;
        };
        self.checks.forget(id, client);
        let published = publisher.publication.instances().len();
        self.counts.published_instances -= published;
        if let Some(part) = service.durable_part(&publisher.publication) {
            let key = service.key.clone();
            self.change_durable(&key, part);
        }
        if is_native {
            self.count_instances(id, client, published, 0);
        }
        if self
            .services
            .get(id)
            .is_some_and(|service| service.publishers.is_empty())
        {
            self.watch_empty(id, now);
        }
        self.leave_overrides(id, &publisher.publication, now);
        self.touch(id, now);
    }

    /// Remembers since when a service is empty, and looks again later: one
    /// timer is under way at most, however often it empties.
    pub(super) fn watch_empty(&mut self, id: ServiceId, now: Moment) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        service.empty_since = Some(now);
        if service.empty_check.is_none() {
            let at = now.after(self.life.empty_kept);
            service.empty_check = Some(at);
            self.timers.add(at, Timer::Empty(id));
        }
    }

    /// A service that stayed empty is forgotten.
    pub(super) fn forget_empty(&mut self, id: ServiceId, at: Moment, now: Moment) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        if service.empty_check != Some(at) {
            return;
        }
        service.empty_check = None;
        let Some(since) = service.empty_since else {
            return;
        };
        let due = since.after(self.life.empty_kept);
        if due <= now {
            self.unlist(id);
        } else {
            service.empty_check = Some(due);
            self.timers.add(due, Timer::Empty(id));
        }
    }
}
