//! Where services are kept: a table with reusable slots, found by name.

use std::collections::HashMap;

use syncline_model::ServiceKey;

use super::service::Service;

/// A service's slot. It is used again after the service was removed, so
/// whatever remembers one for later has to check what it finds there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ServiceId(u32);

#[derive(Default)]
pub(super) struct Services {
    slots: Vec<Option<Box<Service>>>,
    free: Vec<ServiceId>,
    by_key: HashMap<ServiceKey, ServiceId>,
}

impl Services {
    pub(super) fn find(&self, key: &ServiceKey) -> Option<ServiceId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn shared_key(&self, key: ServiceKey) -> ServiceKey {
        match self.by_key.get_key_value(&key) {
            Some((shared, _)) => shared.clone(),
            None => key,
        }
    }

    pub(super) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Service> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, service: Service) -> ServiceId {
        let key = service.key.clone();
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id.0 as usize] = Some(Box::new(service));
                id
            }
            None => {
                let next = u32::try_from(self.slots.len());
                let id = ServiceId(next.expect("memory ends long before four billion services"));
                self.slots.push(Some(Box::new(service)));
                id
            }
        };
        self.by_key.insert(key, id);
        id
    }

    pub(super) fn remove(&mut self, id: ServiceId) {
        let slot = self.slots.get_mut(id.0 as usize);
        if let Some(service) = slot.and_then(Option::take) {
            self.by_key.remove(&service.key);
            self.free.push(id);
        }
    }
}
