//! The way of what a watch sees into the engine.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use syncline_model::{ServiceKey, View};
use tokio::sync::Notify;

use crate::source::Rejected;

/// What a watch saw.
#[derive(Clone, Debug)]
pub enum Observation {
    /// A service's content, as it was pushed.
    Content {
        /// Which service.
        service: ServiceKey,
        /// What was shown of it.
        view: View,
        /// Instances that make no sense.
        rejected: Vec<Rejected>,
    },
    /// Something happened to a service: look at it.
    Look(ServiceKey),
    /// Something happened: look at everything.
    LookAtAll,
    /// How new services are learnt from now on, for people.
    Learns(Arc<str>),
    /// The registry answers.
    Up,
    /// The registry does not answer, and why.
    Down(Arc<str>),
}

/// Makes the two ends of an observation queue.
///
/// The queue holds at most one entry per service, the latest, so a storm on a
/// service costs one look and a slow engine holds up no connector.
pub fn observations() -> (ObservationSink, Observations) {
    let shared = Arc::new(Shared::default());
    (ObservationSink(Arc::clone(&shared)), Observations(shared))
}

/// The end a watch puts observations into; never blocks.
#[derive(Clone, Debug)]
pub struct ObservationSink(Arc<Shared>);

/// The end the engine takes observations from.
#[derive(Debug)]
pub struct Observations(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    order: VecDeque<Slot>,
    services: HashMap<ServiceKey, Observation>,
    look_at_all: bool,
    learns: Option<Observation>,
    state: Option<Observation>,
}

#[derive(Debug)]
enum Slot {
    Service(ServiceKey),
    LookAtAll,
    Learns,
    State,
}

impl ObservationSink {
    /// Puts an observation in. Of one service only the latest content stands,
    /// and a content is not forgotten for a mere hint.
    pub fn put(&self, observation: Observation) {
        self.0.queue.lock().put(observation);
        self.0.filled.notify_one();
    }
}

impl Observations {
    /// Takes the oldest observation; waits until there is one.
    pub async fn next(&self) -> Observation {
        loop {
            if let Some(observation) = self.try_next() {
                return observation;
            }
            self.0.filled.notified().await;
        }
    }

    /// Takes the oldest observation, if there is one.
    pub fn try_next(&self) -> Option<Observation> {
        self.0.queue.lock().take()
    }
}

impl Queue {
    fn put(&mut self, observation: Observation) {
        match observation {
            Observation::Content { ref service, .. } => {
                let service = service.clone();
                self.put_service(service, observation);
            }
            Observation::Look(ref service) => {
                if !self.services.contains_key(service) {
                    let service = service.clone();
                    self.put_service(service, observation);
                }
            }
            Observation::LookAtAll => {
                if !std::mem::replace(&mut self.look_at_all, true) {
                    self.order.push_back(Slot::LookAtAll);
                }
            }
            Observation::Learns(_) => {
                if self.learns.replace(observation).is_none() {
                    self.order.push_back(Slot::Learns);
                }
            }
            Observation::Up | Observation::Down(_) => {
                if self.state.replace(observation).is_none() {
                    self.order.push_back(Slot::State);
                }
            }
        }
    }

    fn put_service(&mut self, service: ServiceKey, observation: Observation) {
        if self.services.insert(service.clone(), observation).is_none() {
            self.order.push_back(Slot::Service(service));
        }
    }

    fn take(&mut self) -> Option<Observation> {
        match self.order.pop_front()? {
            Slot::Service(service) => self.services.remove(&service),
            Slot::LookAtAll => {
                self.look_at_all = false;
                Some(Observation::LookAtAll)
            }
            Slot::Learns => self.learns.take(),
            Slot::State => self.state.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{ServiceSet, Truth};

    fn content(service: &ServiceKey) -> Observation {
        Observation::Content {
            service: service.clone(),
            view: View::Complete(Truth::Consumer, ServiceSet::empty()),
            rejected: Vec::new(),
        }
    }

    #[test]
    fn a_storm_on_one_service_is_one_observation() {
        let (sink, observations) = observations();
        let service = ServiceKey::new("public", "G", "s");
        for _ in 0..1_000 {
            sink.put(content(&service));
            sink.put(Observation::Look(service.clone()));
            sink.put(Observation::LookAtAll);
        }
        assert!(matches!(
            observations.try_next(),
            Some(Observation::Content { .. })
        ));
        assert!(matches!(
            observations.try_next(),
            Some(Observation::LookAtAll)
        ));
        assert!(observations.try_next().is_none());
    }

    #[test]
    fn of_what_is_said_to_people_the_latest_stands() {
        let (sink, observations) = observations();
        sink.put(Observation::Learns("slowly".into()));
        sink.put(Observation::Learns("at once".into()));
        let latest = observations.try_next();
        assert!(matches!(latest, Some(Observation::Learns(how)) if &*how == "at once"));
        assert!(observations.try_next().is_none());
    }
}
