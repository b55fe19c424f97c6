//! Which instances came to which service lately: only what came somewhere may
//! have moved there.

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
    by_address: HashMap<u64, Vec<(Moment, ServiceKey)>>,
    in_order: VecDeque<(Moment, u64)>,
}

impl Arrivals {
    /// An instance came to a service.
    pub(super) fn came(&mut self, key: &InstanceKey, service: &ServiceKey, now: Moment) {
        self.forget_old(now);
        let address = address_hash(key);
        self.in_order.push_back((now, address));
        self.by_address
            .entry(address)
            .or_default()
            .push((now, service.clone()));
    }

    /// The services that an instance with this address came to lately.
    pub(super) fn at(&self, key: &InstanceKey, now: Moment) -> impl Iterator<Item = &ServiceKey> {
        self.by_address
            .get(&address_hash(key))
            .into_iter()
            .flatten()
            .filter(move |(at, _)| now.since(*at) <= LATELY)
            .map(|(_, service)| service)
    }

    fn forget_old(&mut self, now: Moment) {
        while let Some((at, address)) = self.in_order.front().copied()
            && now.since(at) > LATELY
        {
            self.in_order.pop_front();
            if let Some(arrivals) = self.by_address.get_mut(&address) {
                arrivals.retain(|(at, _)| now.since(*at) <= LATELY);
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
