//! When changes are seen: a board for each subscriber, with what is expected of each service.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use syncline_nacos::message::ServiceInfo;
use tokio::sync::Notify;

use xtask_stage::bare::Observer;
use xtask_stage::fleet::{port, revision};

/// How a change shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sign {
    /// The instance at this place is there, at this revision.
    Shows(usize, u64),
    /// No instance is at this place any more.
    Lacks(usize),
}

/// Notes when a subscriber saw each change. One change at a time is expected of each service.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    seen: Notify,
}

#[derive(Debug, Default)]
struct State {
    expected: HashMap<u32, Expected>,
    delays: HashMap<usize, Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    change: usize,
    sign: Sign,
    sent: Instant,
}

impl Board {
    /// An empty board, to share with a subscriber.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Expects a change of a service, numbered, that is sent now.
    pub(crate) fn expect(&self, service: u32, change: usize, sign: Sign, sent: Instant) {
        let expected = Expected { change, sign, sent };
        self.state.lock().expected.insert(service, expected);
    }

    /// Waits until nothing is expected of a service any more, or gives it up.
    pub(crate) async fn until_seen(&self, service: u32, within: Duration) {
        let waiting = async {
            loop {
                let seen = self.seen.notified();
                if !self.state.lock().expected.contains_key(&service) {
                    return;
                }
                seen.await;
            }
        };
        if tokio::time::timeout(within, waiting).await.is_err() {
            self.state.lock().expected.remove(&service);
        }
    }

    /// How long a change took to be seen; `None` if it was not.
    pub(crate) fn delay(&self, change: usize) -> Option<Duration> {
        self.state.lock().delays.get(&change).copied()
    }
}

impl Observer for Board {
    fn shown(&self, service: u32, at: Instant, info: &ServiceInfo) {
        let mut state = self.state.lock();
        let Some(expected) = state.expected.get(&service).copied() else {
            return;
        };
        let hosts = &info.hosts.items;
        let met = match expected.sign {
            Sign::Shows(place, wanted) => hosts
                .iter()
                .any(|host| host.port == port(place) && revision(host) == Some(wanted)),
            Sign::Lacks(place) => hosts.iter().all(|host| host.port != port(place)),
        };
        if met {
            state.expected.remove(&service);
            let delay = at.saturating_duration_since(expected.sent);
            state.delays.insert(expected.change, delay);
            drop(state);
            self.seen.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_stage::fleet::Fleet;

    fn info(fleet: &Fleet) -> ServiceInfo {
        ServiceInfo {
            name: String::new(),
            group_name: String::new(),
            clusters: String::new(),
            cache_millis: 0,
            hosts: fleet.set(0).into(),
            last_ref_time: 0,
            checksum: String::new(),
            reach_protection_threshold: false,
        }
    }

    #[tokio::test]
    async fn a_change_is_seen_by_its_sign_only() {
        let (board, mut fleet) = (Board::default(), Fleet::new("t", 1, 2));
        let place = fleet.add(0, 5);
        board.expect(0, 0, Sign::Shows(place, 6), Instant::now());
        board.shown(0, Instant::now(), &info(&fleet));
        assert_eq!(board.delay(0), None);
        fleet.change(0, place, 6);
        board.shown(0, Instant::now(), &info(&fleet));
        assert!(board.delay(0).is_some());

        board.expect(0, 1, Sign::Lacks(place), Instant::now());
        board.shown(0, Instant::now(), &info(&fleet));
        assert_eq!(board.delay(1), None);
        fleet.remove(0);
        board.shown(0, Instant::now(), &info(&fleet));
        board.until_seen(0, Duration::from_secs(10)).await;
        assert!(board.delay(1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_never_seen_is_given_up() {
        let board = Board::default();
        board.expect(3, 0, Sign::Lacks(0), Instant::now());
        board.until_seen(3, Duration::from_secs(30)).await;
        assert_eq!(board.delay(0), None);
    }
}
