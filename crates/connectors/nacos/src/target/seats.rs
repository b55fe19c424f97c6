//! Which service is published over which connections. Pure.

use std::collections::HashMap;

use syncline_model::ServiceKey;

/// Services on one connection before another is opened.
const SERVICES_PER_LANE: usize = 2_500;

/// Connections that are opened for the number of services alone.
const MOST_LANES: usize = 8;

/// Where each part of each service is published. A service keeps its place: a
/// move would be a removal and an addition.
#[derive(Debug, Default)]
pub(super) struct Seats {
    of: HashMap<ServiceKey, Vec<usize>>,
    load: Vec<usize>,
}

impl Seats {
    /// The connections of a service's parts, as it is.
    pub(super) fn of(&self, service: &ServiceKey) -> &[usize] {
        self.of.get(service).map_or(&[], Vec::as_slice)
    }

    /// Finds a connection for every part, each another one, since a connection
    /// holds one publication of a service. A number that was never given before
    /// asks for a new connection.
    pub(super) fn take(&mut self, service: &ServiceKey, parts: usize) -> Vec<usize> {
        let mut lanes = self.of.remove(service).unwrap_or_default();
        while lanes.len() < parts {
            let lane = self.freest(&lanes);
            self.load[lane] += 1;
            lanes.push(lane);
        }
        self.of.insert(service.clone(), lanes.clone());
        lanes
    }

    /// Gives up all places but the first ones.
    pub(super) fn give_up(&mut self, service: &ServiceKey, but: usize) {
        let Some(lanes) = self.of.get_mut(service) else {
            return;
        };
        for lane in lanes.drain(but.min(lanes.len())..) {
            self.load[lane] -= 1;
        }
        if lanes.is_empty() {
            self.of.remove(service);
        }
    }

    fn freest(&mut self, taken: &[usize]) -> usize {
        let free = (0..self.load.len()).filter(|lane| !taken.contains(lane));
        let freest = free.min_by_key(|lane| self.load[*lane]);
        match freest {
            Some(lane) if self.load[lane] < SERVICES_PER_LANE || self.load.len() >= MOST_LANES => {
                lane
            }
            _ => {
                self.load.push(0);
                self.load.len() - 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(n: usize) -> ServiceKey {
        ServiceKey::new("public", "G", n.to_string())
    }

    #[test]
    fn connections_fill_up_and_their_number_is_bounded() {
        let mut seats = Seats::default();
        for n in 0..SERVICES_PER_LANE {
            assert_eq!(seats.take(&service(n), 1), [0]);
        }
        assert_eq!(seats.take(&service(SERVICES_PER_LANE), 1), [1]);
        for n in 0..40_000 {
            seats.take(&service(n), 1);
        }
        assert_eq!(seats.load.len(), MOST_LANES);
        assert_eq!(seats.load.iter().sum::<usize>(), 40_000);
        let (least, most) = (seats.load.iter().min(), seats.load.iter().max());
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| most - least <= 1)
        );
    }

    #[test]
    fn a_service_stays_and_its_parts_are_apart() {
        let mut seats = Seats::default();
        assert_eq!(seats.take(&service(1), 1), [0]);
        assert_eq!(seats.take(&service(1), 3), [0, 1, 2]);
        seats.give_up(&service(1), 1);
        assert_eq!(seats.of(&service(1)), [0]);
        seats.give_up(&service(1), 0);
        assert!(seats.of(&service(1)).is_empty() && seats.of.is_empty());
        assert_eq!(seats.load, [0, 0, 0]);
        seats.give_up(&service(2), 0);
    }
}
