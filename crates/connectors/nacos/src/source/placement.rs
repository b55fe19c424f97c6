//! Which subscription goes over which connection. Pure.

use std::collections::HashMap;

use syncline_model::{GroupName, NamespaceId, ServiceKey, ServiceName};

/// Subscriptions that one connection takes. A push of each of them is queued on
/// it when a server restarts, so they should not be very many.
const MOST: usize = 4_000;

/// A push names neither its namespace, so one connection takes a name only once.
type Pushed = (GroupName, ServiceName);

/// Where each subscription is.
#[derive(Debug, Default)]
pub(super) struct Placement {
    lanes: Vec<HashMap<Pushed, NamespaceId>>,
}

impl Placement {
    /// Finds a connection for a service: the first that has room and no service
    /// of that name in another namespace. `None` where it already has one.
    ///
    /// A number that was never given before asks for a new connection.
    pub(super) fn add(&mut self, service: &ServiceKey) -> Option<usize> {
        if self.find(service).is_some() {
            return None;
        }
        let pushed = (service.group.clone(), service.name.clone());
        let fits =
            |lane: &HashMap<Pushed, NamespaceId>| lane.len() < MOST && !lane.contains_key(&pushed);
        let lane = match self.lanes.iter().position(fits) {
            Some(lane) => lane,
            None => {
                self.lanes.push(HashMap::new());
                self.lanes.len() - 1
            }
        };
        self.lanes[lane].insert(pushed, service.namespace.clone());
        Some(lane)
    }

    /// The connection of a service.
    pub(super) fn find(&self, service: &ServiceKey) -> Option<usize> {
        let pushed = (service.group.clone(), service.name.clone());
        self.lanes
            .iter()
            .position(|lane| lane.get(&pushed) == Some(&service.namespace))
    }

    /// Gives a place up.
    pub(super) fn remove(&mut self, service: &ServiceKey) -> Option<usize> {
        let lane = self.find(service)?;
        self.lanes[lane].remove(&(service.group.clone(), service.name.clone()));
        Some(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(namespace: &str, name: &str) -> ServiceKey {
        ServiceKey::new(namespace, "G", name)
    }

    #[test]
    fn one_connection_takes_many_namespaces_but_each_name_once() {
        let mut placement = Placement::default();
        assert_eq!(placement.add(&service("a", "s")), Some(0));
        assert_eq!(placement.add(&service("a", "s")), None);
        assert_eq!(placement.add(&service("b", "t")), Some(0));
        assert_eq!(placement.add(&service("b", "s")), Some(1));
        assert_eq!(placement.add(&service("c", "s")), Some(2));
        assert_eq!(placement.find(&service("b", "s")), Some(1));
        assert_eq!(placement.find(&service("d", "s")), None);
    }

    #[test]
    fn a_full_connection_is_followed_by_another_and_room_is_used_again() {
        let mut placement = Placement::default();
        for n in 0..MOST {
            assert_eq!(placement.add(&service("a", &n.to_string())), Some(0));
        }
        assert_eq!(placement.add(&service("a", "one more")), Some(1));
        assert_eq!(placement.remove(&service("a", "0")), Some(0));
        assert_eq!(placement.remove(&service("a", "0")), None);
        assert_eq!(placement.add(&service("a", "another")), Some(0));
    }
}
