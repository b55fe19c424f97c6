//! Pushes of the 1.x protocol: whole lists, in datagrams.
//!
//! A client of 1.x subscribes by an ordinary list call that names a port
//! (`udpPort`), and renews that with every further one. The list that it is
//! answered tells it to poll every 10 s if it is subscribed, and every 3 s if
//! not; so whoever cannot be pushed to polls, and nobody is left behind.
//!
//! A client is not subscribed if
//! * its user agent is not one that Nacos pushes to;
//! * it may not be pushed to where it wants (see `destination.rs`);
//! * its address lately acknowledged no push;
//! * the list fits into no datagram, even compressed;
//! * there are as many subscriptions as there may be, or UDP is not served.
//!
//! Pushes follow changes as those over gRPC do, with the same delay and the
//! same pauses. One that is not acknowledged within 10 s is sent once more; if
//! that was in vain as well, the subscription ends. What differs from Nacos:
//!
//! * a subscription lives for 70 s (1.x: 10 s, 2.x: 30 s), since a Java client
//!   whose service is empty asks only every 60 s;
//! * what is repeated is the list as it is then, and a newer push takes the
//!   place of an older one;
//! * there is no push after the first subscription (as in 1.x; 2.x sends one):
//!   the list was just answered;
//! * what is pushed is what a list call would be answered (as in 1.x; 2.x
//!   leaves out `groupName`).

mod agents;
mod datagram;
mod destination;
mod settings;
mod socket;
mod subscriptions;
#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use syncline_model::ServiceKey;
use tokio::sync::Notify;

use crate::moment::Moment;
use crate::registry::Registry;
use crate::store::ClientId;
use subscriptions::{Standing, Subscriptions};

pub(crate) use agents::{is_java_since_1, takes_pushes};
pub(crate) use destination::{destination, is_of_this_host};
pub use settings::UdpSettings;
pub(crate) use socket::serve;
pub(crate) use subscriptions::{Listener, Program, Subscriber};

/// The subscriptions of a registry over UDP.
pub(crate) struct Udp {
    state: Mutex<State>,
    /// Wakes whoever sends.
    work: Notify,
}

struct State {
    /// Whether there is somebody who sends.
    open: bool,
    subscriptions: Subscriptions,
}

impl Udp {
    pub(crate) fn new(settings: UdpSettings) -> Self {
        let state = State {
            open: false,
            subscriptions: Subscriptions::new(settings),
        };
        Self {
            state: Mutex::new(state),
            work: Notify::new(),
        }
    }

    /// Takes subscriptions from now on.
    pub(crate) fn open(&self) {
        self.state.lock().open = true;
    }

    /// Those of the subscribers that are wanted, oldest first.
    pub(crate) fn listeners(&self, wanted: impl Fn(&Subscriber) -> bool) -> Vec<Listener> {
        self.state.lock().subscriptions.listeners(wanted)
    }

    /// Notes that subscribers are due a push.
    pub(crate) fn post(&self, pushes: &[(ServiceKey, Vec<ClientId>)]) {
        let clients = pushes.iter().flat_map(|(_, clients)| clients);
        if self.state.lock().subscriptions.changed(clients) {
            self.work.notify_one();
        }
    }
}

impl Registry {
    /// Subscribes somebody, or renews a subscription; says whether changes will
    /// be pushed. To be called before the list is read that is answered, so
    /// that no change falls in between.
    pub(crate) fn subscribe_udp(
        &self,
        subscriber: Subscriber,
        program: impl FnOnce() -> Program,
    ) -> bool {
        let udp = &self.inner.udp;
        let now = self.inner.clock.now();
        {
            let mut state = udp.state.lock();
            if !state.open {
                return false;
            }
            match state.subscriptions.renew(&subscriber, now) {
                Standing::Renewed => return true,
                Standing::Refused => return false,
                Standing::Welcome => {}
            }
        }
        let Subscriber {
            service, clusters, ..
        } = subscriber.clone();
        let client = self.act(|store, _| store.listen(&service, clusters));
        let admitted = {
            let mut state = udp.state.lock();
            state.open
                && state
                    .subscriptions
                    .admit(client, subscriber, program(), now)
        };
        if admitted {
            udp.work.notify_one();
        } else {
            // The same client asked twice at once, or it became full.
            self.end_udp(vec![client]);
        }
        admitted
    }

    /// Takes no subscriptions any more, and ends those that there are.
    fn close_udp(&self) {
        let ended = {
            let mut state = self.inner.udp.state.lock();
            state.open = false;
            state.subscriptions.clear()
        };
        self.end_udp(ended);
    }

    /// Ends what was removed from the subscriptions.
    fn end_udp(&self, clients: Vec<ClientId>) {
        for client in clients {
            self.act(|store, now: Moment| store.retire(client, now));
        }
    }
}
