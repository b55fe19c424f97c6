//! Handing over to another process of the same host without a gap.
//!
//! While it hands over, the core plans nothing, so that what it holds stays as
//! it was told to the successor. The standstill has an end of its own: a
//! successor that dies is not waited for.

use std::sync::Arc;
use std::time::Duration;

use syncline_model::{EndpointName, LinkName, Moment, ServiceKey, ServiceSet};

use super::Core;
use super::link::Link;
use super::timers::Timer;

/// What a link holds of one service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Which link.
    pub link: LinkName,
    /// Where it writes.
    pub to: EndpointName,
    /// The service at the target.
    pub service: ServiceKey,
    /// What the target was given.
    pub set: Arc<ServiceSet>,
}

impl Core {
    /// All that the links hold, while the core stands still and no write is
    /// under way; `None` otherwise, since it would change at once.
    pub fn holdings(&self, now: Moment) -> Option<Vec<Holding>> {
        if self.is_writing() || !self.stands_still(now) {
            return None;
        }
        let of_link = |link: &Link| {
            let (name, to) = (link.rules.name.clone(), link.rules.to.clone());
            let held = link.services().filter(|(_, state)| !state.held.is_empty());
            held.map(move |(service, state)| Holding {
                link: name.clone(),
                to: to.clone(),
                service: service.clone(),
                set: Arc::clone(&state.held),
            })
            .collect::<Vec<_>>()
        };
        Some(self.links.values().flat_map(of_link).collect())
    }

    /// Whether anything is being written, or waits for the store to be.
    pub fn is_writing(&self) -> bool {
        self.links.values().any(Link::is_writing)
    }

    /// Plans nothing for so long, or goes on at once.
    pub(super) fn hand_over(&mut self, now: Moment, lease: Option<Duration>) {
        self.timers.clear(&Timer::GoOn);
        self.still_until = lease.map(|lease| now + lease);
        if let Some(until) = self.still_until {
            self.timers.set(Timer::GoOn, until);
        }
    }

    pub(super) fn stands_still(&self, now: Moment) -> bool {
        self.still_until.is_some_and(|until| now < until)
    }
}
