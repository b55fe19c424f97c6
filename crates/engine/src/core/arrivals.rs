//! Which instances came to which service lately: only what came somewhere may
//! have moved there. What only came back did not: a registry that shows nothing
//! for a while shows one service after another again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use syncline_model::{InstanceKey, Moment, ServiceKey};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How long an arrival can prove a move: as long as the guard's windows.
const LATELY: Duration = Duration::from_secs(300);

/// The arrivals of the last minutes, by a hash of their address. A hash that
/// two addresses share names a service too many, and whoever asks looks there.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    by_address: HashMap<u64, Vec<Event>>,
    in_order: VecDeque<(Moment, u64)>,
}

#[derive(Debug)]
struct Event {
    at: Moment,
    service: ServiceKey,
    /// Whether it came, and did not leave.
    came: bool,
}

impl Arrivals {
    /// An instance came to a service.
    pub(super) fn came(&mut self, key: &InstanceKey, service: &ServiceKey, now: Moment) {
        if !self.left_lately(key, service, now) {
            self.note(key, service, now, true);
        }
    }

    /// An instance left a service.
    pub(super) fn left(&mut self, key: &InstanceKey, service: &ServiceKey, now: Moment) {
        self.note(key, service, now, false);
    }

    /// The services that an instance with this address came to lately.
    pub(super) fn at(&self, key: &InstanceKey, now: Moment) -> impl Iterator<Item = &ServiceKey> {
        let lately = self.lately(key, now);
        lately
            .filter(|event| event.came)
            .map(|event| &event.service)
    }

    fn left_lately(&self, key: &InstanceKey, service: &ServiceKey, now: Moment) -> bool {
        let mut lately = self.lately(key, now);
        lately.any(|event| !event.came && event.service == *service)
    }

    fn lately(&self, key: &InstanceKey, now: Moment) -> impl Iterator<Item = &Event> {
        let events = self.by_address.get(&address_hash(key));
        let events = events.into_iter().flatten();
        events.filter(move |event| now.since(event.at) <= LATELY)
    }

    fn note(&mut self, key: &InstanceKey, service: &ServiceKey, now: Moment, came: bool) {
        self.forget_old(now);
        let address = address_hash(key);
        self.in_order.push_back((now, address));
        let service = service.clone();
        let event = Event {
            at: now,
            service,
            came,
        };
        self.by_address.entry(address).or_default().push(event);
    }

    fn forget_old(&mut self, now: Moment) {
        while let Some((at, address)) = self.in_order.front().copied()
            && now.since(at) > LATELY
        {
            self.in_order.pop_front();
            if let Some(arrivals) = self.by_address.get_mut(&address) {
                arrivals.retain(|event| now.since(event.at) <= LATELY);
                if arrivals.is_empty() {
                    self.by_address.remove(&address);
                }
            }
        }
    }
}

fn address_hash(key: &InstanceKey) -> u64 {
    xxh3_64_with_seed(key.host.as_str().as_bytes(), u64::from(key.port.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Instance, Port};

    #[test]
    fn an_arrival_proves_nothing_after_a_while() {
        let key = Instance::new("10.0.0.1", Port::new(80).expect("not zero")).key;
        let service = ServiceKey::new("public", "G", "s");
        let at = |seconds| Moment::after_origin(Duration::from_secs(seconds));
        let mut arrivals = Arrivals::default();
        arrivals.came(&key, &service, at(0));
        assert_eq!(arrivals.at(&key, at(300)).count(), 1);
        assert_eq!(arrivals.at(&key, at(301)).count(), 0);
        arrivals.came(&key, &service, at(400));
        assert_eq!(arrivals.in_order.len(), 1, "what is old is forgotten");
    }
}
