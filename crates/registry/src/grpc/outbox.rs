//! What is to be said to one client.
//!
//! An outbox holds names of services and no pushes: what goes out is made when
//! the connection has room for it. A slow reader gets the latest state, never
//! a backlog, and costs no more than the names of what it subscribed to.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use syncline_model::ServiceKey;
use syncline_nacos::message::payload::Payload;
use tokio_util::sync::CancellationToken;

use crate::moment::Moment;
use crate::store::ClientId;

/// Questions and answers that are not pushes. There are never many.
const MOST_MESSAGES: usize = 16;

/// The outboxes of all connections, and who is behind each.
#[derive(Default)]
pub(crate) struct Outboxes(HashMap<ClientId, (Arc<Outbox>, Arc<Peer>)>);

/// Who is behind a connection, by its own account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    /// The name by which the client knows its connection.
    pub(crate) id: String,
    /// Where it comes from.
    pub(crate) address: SocketAddr,
    /// Its kind and version (`Nacos-Java-Client:v2.5.1`).
    pub(crate) agent: String,
    /// Its application.
    pub(crate) app: String,
}

impl Outboxes {
    pub(super) fn insert(&mut self, client: ClientId, outbox: Arc<Outbox>, peer: Peer) {
        self.0.insert(client, (outbox, Arc::new(peer)));
    }

    /// Who is behind a client's connection, while it is open.
    pub(crate) fn peer(&self, client: ClientId) -> Option<Arc<Peer>> {
        self.0.get(&client).map(|(_, peer)| peer.clone())
    }

    pub(super) fn remove(&mut self, client: ClientId) {
        self.0.remove(&client);
    }

    /// Notes that subscribers are due a push.
    pub(crate) fn post(&self, pushes: &[(ServiceKey, Vec<ClientId>)]) {
        for (service, clients) in pushes {
            for (outbox, _) in clients.iter().filter_map(|client| self.0.get(client)) {
                outbox.post(service);
            }
        }
    }
}

pub(crate) struct Outbox {
    retry_after: Duration,
    state: Mutex<State>,
    closed: CancellationToken,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Payload>,
    due: VecDeque<ServiceKey>,
    /// The same as `due`, so that nothing stands there twice.
    waiting: HashSet<ServiceKey>,
    /// The last push of each service that is not acknowledged.
    sent: HashMap<ServiceKey, Sent>,
    /// The same by the push's id.
    by_id: HashMap<u64, ServiceKey>,
    /// Since when there has been something to say; `None` while there is not.
    due_since: Option<Moment>,
    waker: Option<Waker>,
}

struct Sent {
    id: u64,
    again: Moment,
}

/// What the connection should say next.
pub(super) enum Next {
    Message(Payload),
    Push(ServiceKey),
    Closed,
}

impl Outbox {
    pub(super) fn new(retry_after: Duration) -> Self {
        Self {
            retry_after,
            state: Mutex::default(),
            closed: CancellationToken::new(),
        }
    }

    fn post(&self, service: &ServiceKey) {
        let mut state = self.state.lock();
        if state.waiting.insert(service.clone()) {
            state.due.push_back(service.clone());
            state.wake();
        }
    }

    /// Says something that is not a push; `false` if too much waits already.
    pub(super) fn send(&self, message: Payload) -> bool {
        let mut state = self.state.lock();
        let room = state.messages.len() < MOST_MESSAGES;
        if room {
            state.messages.push_back(message);
            state.wake();
        }
        room
    }

    /// Ends the stream.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.state.lock().wake();
    }

    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// What to say next, once there is something.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.state.lock();
        if self.closed.is_cancelled() {
            return Poll::Ready(Next::Closed);
        }
        state.due_since = None;
        if let Some(message) = state.messages.pop_front() {
            return Poll::Ready(Next::Message(message));
        }
        if let Some(service) = state.due.pop_front() {
            state.waiting.remove(&service);
            return Poll::Ready(Next::Push(service));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Notes a push on its way.
    pub(super) fn sent(&self, service: ServiceKey, id: u64, now: Moment) {
        let again = now.after(self.retry_after);
        let mut state = self.state.lock();
        state.by_id.insert(id, service.clone());
        let before = state.sent.insert(service, Sent { id, again });
        if let Some(before) = before.filter(|before| before.id != id) {
            state.by_id.remove(&before.id);
        }
    }

    /// Notes that a push arrived, or that the client could not use it: then it
    /// is repeated.
    pub(super) fn acknowledge(&self, id: u64, taken: bool) {
        let mut state = self.state.lock();
        let Some(service) = state.by_id.get(&id).cloned() else {
            return;
        };
        if taken {
            state.by_id.remove(&id);
            state.sent.remove(&service);
        }
    }

    /// Forgets a service that the client no longer wants.
    pub(super) fn forget(&self, service: &ServiceKey) {
        let mut state = self.state.lock();
        if let Some(sent) = state.sent.remove(service) {
            state.by_id.remove(&sent.id);
        }
    }

    /// Puts pushes that were not acknowledged in time back in the queue, and
    /// says how many.
    pub(super) fn repeat_unacknowledged(&self, now: Moment) -> u64 {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut repeated = 0;
        state.sent.retain(|service, sent| {
            let keep = sent.again > now;
            if !keep {
                state.by_id.remove(&sent.id);
                if state.waiting.insert(service.clone()) {
                    state.due.push_back(service.clone());
                    repeated += 1;
                }
            }
            keep
        });
        if repeated > 0 {
            state.wake();
        }
        repeated
    }

    /// Whether there has been something to say for so long and no room for it.
    pub(super) fn is_stuck(&self, now: Moment, after: Duration) -> bool {
        let mut state = self.state.lock();
        if state.due.is_empty() && state.messages.is_empty() {
            return false;
        }
        now.since(*state.due_since.get_or_insert(now)) >= after
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
