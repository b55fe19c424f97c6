//! The services that are measured: deterministic, so that any two runs do the same work.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_nacos::grpc::ServiceRef;
use syncline_nacos::message::Instance;

/// Where all services of a measurement are.
pub const NAMESPACE: &str = "public";
/// The group of all services of a measurement.
pub const GROUP: &str = "DEFAULT_GROUP";

/// The metadata key that tells two states of an instance apart; one of five.
const REVISION: &str = "revision";

/// The port of a service's first instance.
const FIRST_PORT: i64 = 20_000;

/// How services of a fleet are called. Fleets that meet at one server have different prefixes.
#[derive(Clone, Copy, Debug)]
pub struct Names(pub &'static str);

impl Names {
    /// The service of a number.
    pub fn service(self, number: u32) -> ServiceRef {
        ServiceRef::new(NAMESPACE, GROUP, self.name(number))
    }

    /// The number of a service, if it is one of these.
    pub fn number(self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(self.0)?.strip_prefix('-')?;
        digits.parse().ok()
    }

    fn name(self, number: u32) -> Arc<str> {
        format!("{}-{number:06}", self.0).into()
    }
}

/// Services with their instances, and what should be seen of each. An instance is its place in its service, and a
/// revision that grows with every change.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// How its services are called.
    pub names: Names,
    /// Of each service the places that are taken, with their revisions.
    services: Vec<BTreeMap<usize, u64>>,
}

impl Fleet {
    /// So many services of so many instances each, all at revision 0.
    pub fn new(prefix: &'static str, services: u32, instances: u32) -> Self {
        let service = (0..instances as usize).map(|place| (place, 0)).collect();
        Self {
            names: Names(prefix),
            services: vec![service; services as usize],
        }
    }

    /// How many services there are.
    pub fn services(&self) -> u32 {
        u32::try_from(self.services.len()).unwrap_or(u32::MAX)
    }

    /// How many instances all services have together.
    pub fn instances(&self) -> usize {
        self.services.iter().map(BTreeMap::len).sum()
    }

    /// How many instances one service has.
    pub fn instances_of(&self, service: u32) -> usize {
        self.services[service as usize].len()
    }

    /// The places of a service's instances, in order.
    pub fn places(&self, service: u32) -> impl Iterator<Item = usize> {
        self.services[service as usize].keys().copied()
    }

    /// All instances of a service.
    pub fn set(&self, service: u32) -> Vec<Instance> {
        self.part(service, 0..usize::MAX)
    }

    /// Some of the instances of a service, by their places.
    pub fn part(&self, service: u32, places: std::ops::Range<usize>) -> Vec<Instance> {
        let taken = self.services[service as usize].range(places);
        taken
            .map(|(&place, &revision)| instance(service, place, revision))
            .collect()
    }

    /// Changes the metadata of an instance, or registers it at its place.
    pub fn change(&mut self, service: u32, place: usize, revision: u64) {
        self.services[service as usize].insert(place, revision);
    }

    /// Adds an instance behind the others; its place.
    pub fn add(&mut self, service: u32, revision: u64) -> usize {
        let instances = &mut self.services[service as usize];
        let place = instances.keys().next_back().map_or(0, |last| last + 1);
        instances.insert(place, revision);
        place
    }

    /// Removes the last instance; its place.
    pub fn remove(&mut self, service: u32) -> usize {
        let last = self.services[service as usize].pop_last();
        last.map_or(0, |(place, _)| place)
    }

    /// Removes the instance at a place.
    pub fn remove_at(&mut self, service: u32, place: usize) {
        self.services[service as usize].remove(&place);
    }
}

/// The port of the instance at a place.
pub fn port(place: usize) -> i64 {
    FIRST_PORT + place as i64
}

/// The place of the instance with a port, if it can be one of a fleet.
pub fn place(port: i64) -> Option<usize> {
    usize::try_from(port.checked_sub(FIRST_PORT)?).ok()
}

/// The revision that an instance shows.
pub fn revision(instance: &Instance) -> Option<u64> {
    instance.metadata.get(REVISION)?.parse().ok()
}

/// A number that looks drawn by chance and is the same in every run (splitmix64).
pub fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn instance(service: u32, place: usize, revision: u64) -> Instance {
    let [_, a, b, c] = service.to_be_bytes();
    let zone = char::from(b'a' + (place % 3) as u8);
    let metadata = [
        ("app.version", "3.14.1".to_owned()),
        ("env", "production".to_owned()),
        ("protocol", "dubbo".to_owned()),
        ("zone", format!("cn-hangzhou-{zone}")),
        (REVISION, revision.to_string()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    Instance {
        ip: format!("10.{a}.{b}.{c}"),
        port: port(place),
        cluster_name: "DEFAULT".to_owned(),
        metadata: BTreeMap::from(metadata),
        ..Instance::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_numbers() {
        let names = Names("bench");
        assert_eq!(
            names.number(&names.service(1_234_567).name),
            Some(1_234_567)
        );
        assert_eq!(names.number("benches-000001"), None);
        assert_eq!(Names("floor").number("bench-000001"), None);
    }

    #[test]
    fn what_changed_is_what_should_be_seen() {
        let mut fleet = Fleet::new("t", 2, 3);
        fleet.change(1, 2, 7);
        assert_eq!(fleet.add(0, 8), 3);
        assert_eq!(fleet.remove(1), 2);
        let revisions = |set: Vec<Instance>| set.iter().map(revision).collect::<Vec<_>>();
        assert_eq!(
            revisions(fleet.set(0)),
            [Some(0), Some(0), Some(0), Some(8)]
        );
        assert_eq!(revisions(fleet.set(1)), [Some(0), Some(0)]);
        assert_eq!(fleet.instances(), 6);
        assert_eq!(fleet.part(0, 3..4)[0].port, port(3));
    }
}
