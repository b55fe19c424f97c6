//! What is to be said to one client.
//!
//! An outbox holds names of services and no pushes: what goes out is made when
//! the connection has room for it. A slow reader gets the latest state, never
//! a backlog, and costs no more than the names of what it subscribed to and
//! watches.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use syncline_model::ServiceKey;
use syncline_nacos::message::payload::Payload;
use tokio_util::sync::CancellationToken;

use super::rounds::{Batch, Named, Rounds};
use crate::moment::Moment;
use crate::store::ClientId;

/// Questions and answers that are not pushes. There are never many.
const MOST_MESSAGES: usize = 16;

/// Names that may yet come back. More are for the client to ask about.
const MOST_MISSING: usize = 10_000;

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
            let topic = Topic::Instances(service.clone());
            for (outbox, _) in clients.iter().filter_map(|client| self.0.get(client)) {
                outbox.state.lock().post(&topic);
            }
        }
    }

    /// Notes that those who watch names are to hear of some.
    pub(crate) fn post_names(&self, names: &[(ServiceKey, Vec<ClientId>)]) {
        for (service, clients) in names {
            let topic = Topic::Name(service.clone());
            for (outbox, _) in clients.iter().filter_map(|client| self.0.get(client)) {
                outbox.state.lock().post(&topic);
            }
        }
    }

    /// What is to be said to a client, while its connection is open.
    pub(super) fn of(&self, client: ClientId) -> Option<Arc<Outbox>> {
        self.0.get(&client).map(|(outbox, _)| outbox.clone())
    }
}

/// What a push is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Topic {
    /// The instances of a service.
    Instances(ServiceKey),
    /// Whether there is a service of that name.
    Name(ServiceKey),
    /// That batch of that round.
    Batch(u64, usize),
    /// The end of that round.
    Finish(u64),
}

pub(crate) struct Outbox {
    retry_after: Duration,
    state: Mutex<State>,
    closed: CancellationToken,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Payload>,
    due: VecDeque<Topic>,
    /// The same as `due`, so that nothing stands there twice.
    waiting: HashSet<Topic>,
    /// The last push of each topic that is not acknowledged.
    sent: HashMap<Topic, Sent>,
    /// The same by the push's id.
    by_id: HashMap<u64, Topic>,
    rounds: Rounds,
    /// Names that the client knows and that may yet come back.
    missing: BTreeSet<ServiceKey>,
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
    Push(Topic),
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

    /// Answers a watch of names: tells those that match.
    pub(super) fn begin_round(&self, pattern: &Arc<str>, first: bool, names: &[Named]) {
        let mut state = self.state.lock();
        for topic in state.rounds.begin(pattern, first, names) {
            state.post(&topic);
        }
    }

    /// Forgets what was to be told of a pattern.
    pub(super) fn end_rounds(&self, pattern: &str) {
        self.state.lock().rounds.end(pattern);
    }

    /// A batch that is not acknowledged.
    pub(super) fn batch(&self, round: u64, batch: usize) -> Option<Batch> {
        self.state.lock().rounds.batch(round, batch)
    }

    /// The pattern of a round that is not over.
    pub(super) fn pattern(&self, round: u64) -> Option<Arc<str>> {
        self.state.lock().rounds.pattern(round)
    }

    /// Tells the client of names once more, one by one.
    pub(super) fn post_names(&self, names: impl IntoIterator<Item = ServiceKey>) {
        let mut state = self.state.lock();
        for name in names {
            state.post(&Topic::Name(name));
        }
    }

    /// Remembers names that are not there and may yet come back.
    pub(super) fn miss(&self, names: impl IntoIterator<Item = ServiceKey>) {
        let mut state = self.state.lock();
        let room = MOST_MISSING.saturating_sub(state.missing.len());
        state.missing.extend(names.into_iter().take(room));
    }

    /// Tells the client which of them are not there after all.
    pub(super) fn tell_missing(&self) {
        let missing = std::mem::take(&mut self.state.lock().missing);
        if !missing.is_empty() {
            self.post_names(missing);
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
        if let Some(topic) = state.due.pop_front() {
            state.waiting.remove(&topic);
            return Poll::Ready(Next::Push(topic));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Notes a push on its way.
    pub(super) fn sent(&self, topic: Topic, id: u64, now: Moment) {
        let again = now.after(self.retry_after);
        let mut state = self.state.lock();
        state.by_id.insert(id, topic.clone());
        let before = state.sent.insert(topic, Sent { id, again });
        if let Some(before) = before.filter(|before| before.id != id) {
            state.by_id.remove(&before.id);
        }
    }

    /// Notes that a push arrived, or that the client could not use it: then it
    /// is repeated.
    pub(super) fn acknowledge(&self, id: u64, taken: bool) {
        let mut state = self.state.lock();
        let Some(topic) = state.by_id.get(&id).cloned() else {
            return;
        };
        if taken {
            state.by_id.remove(&id);
            state.sent.remove(&topic);
            if let Some(follows) = state.rounds.taken(&topic) {
                state.post(&follows);
            }
        }
    }

    /// Forgets what the client no longer wants to hear.
    pub(super) fn forget(&self, topic: &Topic) {
        let mut state = self.state.lock();
        if let Some(sent) = state.sent.remove(topic) {
            state.by_id.remove(&sent.id);
        }
    }

    /// Puts pushes that were not acknowledged in time back in the queue, and
    /// says how many.
    pub(super) fn repeat_unacknowledged(&self, now: Moment) -> u64 {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut repeated = 0;
        state.sent.retain(|topic, sent| {
            let keep = sent.again > now;
            if !keep {
                state.by_id.remove(&sent.id);
                if state.waiting.insert(topic.clone()) {
                    state.due.push_back(topic.clone());
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
    fn post(&mut self, topic: &Topic) {
        if self.waiting.insert(topic.clone()) {
            self.due.push_back(topic.clone());
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
