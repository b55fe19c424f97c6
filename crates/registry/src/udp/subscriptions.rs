//! Who is subscribed over UDP, what is to be sent when, and what became of it:
//! decisions alone, without sockets and clocks.
//!
//! What waits to be sent is a subscription and no list: what goes out is read
//! when its turn comes, so that there is never a backlog. A newer push takes
//! the place of the one before, acknowledged or not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use syncline_model::ServiceKey;

use super::settings::UdpSettings;
use crate::moment::Moment;
use crate::store::{ClientId, Clusters};

/// So many pushes of one subscription are sent without any being acknowledged;
/// what changes then waits. A stranger's address thus gets only a few.
const MOST_UNANSWERED: u8 = 4;

/// A subscription takes no more room for its names: a request may be long.
const LONGEST_NAMES_BYTES: usize = 2048;

/// So much is kept of what a program says of itself, in characters.
const LONGEST_WORD: usize = 128;

/// Who wants to hear of what. As in 1.x, the same client may be subscribed to
/// one service for several lists of clusters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Subscriber {
    pub(crate) address: SocketAddr,
    pub(crate) service: ServiceKey,
    pub(crate) clusters: Clusters,
}

/// Which program subscribes, by its own account.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Program {
    /// Its kind and version (`Nacos-Java-Client:v1.4.6`).
    pub(crate) agent: String,
    /// Its application, mostly empty.
    pub(crate) app: String,
}

/// A subscription, for whoever pushes to it or looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) program: Arc<Program>,
    /// When it asked last.
    pub(crate) renewed: Moment,
}

/// What becomes of a client that asks to be subscribed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It is subscribed already, from now on for a while.
    Renewed,
    /// It may be subscribed.
    Welcome,
    /// It gets no pushes.
    Refused,
}

impl Program {
    pub(crate) fn new(agent: &str, app: &str) -> Self {
        let kept = |text: &str| text.chars().take(LONGEST_WORD).collect();
        Self {
            agent: kept(agent),
            app: kept(app),
        }
    }
}

impl Subscriber {
    fn names_bytes(&self) -> usize {
        let ServiceKey {
            namespace,
            group,
            name,
        } = &self.service;
        let service = namespace.as_str().len() + group.as_str().len() + name.as_str().len();
        service + self.clusters.as_str().len()
    }
}

pub(super) struct Subscriptions {
    settings: UdpSettings,
    by_subscriber: HashMap<Arc<Subscriber>, ClientId>,
    by_client: HashMap<ClientId, Subscription>,
    /// The pushes that wait for their acknowledgement, by number and address.
    /// Subscribers that are sent the same list share its number.
    under_way: BTreeMap<(u64, SocketAddr), ClientId>,
    /// Whose turn it is to be sent a push.
    queue: VecDeque<ClientId>,
    /// When to look at which subscription, one entry each at least. Entries
    /// that a later plan overtook are passed over.
    timers: BinaryHeap<Reverse<(Moment, ClientId)>>,
    /// Addresses that did not acknowledge, and until when they get no
    /// subscription.
    unreachable: HashMap<SocketAddr, Moment>,
}

struct Subscription {
    subscriber: Arc<Subscriber>,
    program: Arc<Program>,
    renewed: Moment,
    /// Whether it stands in the queue.
    queued: bool,
    /// Whether it is to be sent a push as soon as it acknowledges one.
    owed: bool,
    /// Whether the last list fitted into no datagram.
    too_large: bool,
    unanswered: u8,
    under_way: Option<UnderWay>,
    /// The moment of its valid entry among the timers.
    look: Moment,
}

/// A push that waits for its acknowledgement.
#[derive(Clone, Copy)]
struct UnderWay {
    number: u64,
    again: Moment,
    /// Whether it is the second try, and the last.
    repeated: bool,
}

/// What came of looking at what was due.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Looked {
    /// Subscriptions that ended.
    pub(super) ended: Vec<ClientId>,
    /// How many pushes are to be sent once more.
    pub(super) repeated: u64,
}

impl Subscriptions {
    pub(super) fn new(settings: UdpSettings) -> Self {
        Self {
            settings,
            by_subscriber: HashMap::new(),
            by_client: HashMap::new(),
            under_way: BTreeMap::new(),
            queue: VecDeque::new(),
            timers: BinaryHeap::new(),
            unreachable: HashMap::new(),
        }
    }

    /// Renews a subscription, or says whether there may be a new one.
    pub(super) fn renew(&mut self, subscriber: &Subscriber, now: Moment) -> Standing {
        let until = self.unreachable.get(&subscriber.address);
        if until.is_some_and(|until| *until > now) {
            return Standing::Refused;
        }
        let known = self.by_subscriber.get(subscriber);
        let Some(subscription) = known.and_then(|client| self.by_client.get_mut(client)) else {
            let has_room = self.by_client.len() < self.settings.subscriptions;
            return if has_room && subscriber.names_bytes() <= LONGEST_NAMES_BYTES {
                Standing::Welcome
            } else {
                Standing::Refused
            };
        };
        subscription.renewed = now;
        if subscription.too_large {
            Standing::Refused
        } else {
            Standing::Renewed
        }
    }

    /// Takes a new subscription, unless the same one came in between or there
    /// is no more room.
    pub(super) fn admit(
        &mut self,
        client: ClientId,
        subscriber: Subscriber,
        program: Program,
        now: Moment,
    ) -> bool {
        if self.by_client.len() >= self.settings.subscriptions
            || self.by_subscriber.contains_key(&subscriber)
        {
            return false;
        }
        let subscriber = Arc::new(subscriber);
        let look = now.after(self.settings.kept);
        self.by_subscriber.insert(subscriber.clone(), client);
        let subscription = Subscription {
            subscriber,
            program: Arc::new(program),
            renewed: now,
            queued: false,
            owed: false,
            too_large: false,
            unanswered: 0,
            under_way: None,
            look,
        };
        self.by_client.insert(client, subscription);
        self.timers.push(Reverse((look, client)));
        true
    }

    /// Notes that these are due a push, as far as they are subscribed here;
    /// says whether any is.
    pub(super) fn changed<'a>(&mut self, clients: impl Iterator<Item = &'a ClientId>) -> bool {
        let mut any = false;
        if self.by_client.is_empty() {
            return any;
        }
        for client in clients {
            if let Some(subscription) = self.by_client.get_mut(client) {
                any = true;
                if subscription.unanswered < MOST_UNANSWERED {
                    subscription.enter(*client, &mut self.queue);
                } else {
                    subscription.owed = true;
                }
            }
        }
        any
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<(ClientId, Listener)> {
        while let Some(client) = self.queue.pop_front() {
            if let Some(subscription) = self.by_client.get_mut(&client) {
                subscription.queued = false;
                return Some((client, subscription.shown()));
            }
        }
        None
    }

    /// Notes a push on its way.
    pub(super) fn sent(&mut self, client: ClientId, number: u64, now: Moment) {
        let Some(subscription) = self.by_client.get_mut(&client) else {
            return;
        };
        let address = subscription.subscriber.address;
        // One that waited in vain has left its place to its repetition.
        let repeated = match subscription.under_way.take() {
            Some(before) => {
                self.under_way.remove(&(before.number, address));
                before.again <= now
            }
            None => false,
        };
        let again = now.after(self.settings.retry_after);
        subscription.under_way = Some(UnderWay {
            number,
            again,
            repeated,
        });
        subscription.owed = false;
        subscription.too_large = false;
        subscription.unanswered = subscription.unanswered.saturating_add(1);
        self.under_way.insert((number, address), client);
        if again < subscription.look {
            subscription.look = again;
            self.timers.push(Reverse((again, client)));
        }
    }

    /// Notes that a list fits into no datagram: its subscribers have to poll,
    /// until it does. Says whether this is new.
    pub(super) fn too_large(&mut self, client: ClientId) -> bool {
        let Some(subscription) = self.by_client.get_mut(&client) else {
            return false;
        };
        subscription.owed = false;
        if let Some(before) = subscription.under_way.take() {
            let key = (before.number, subscription.subscriber.address);
            self.under_way.remove(&key);
        }
        !std::mem::replace(&mut subscription.too_large, true)
    }

    /// Notes an acknowledgement; says whether it was one of a push that waits
    /// for it.
    pub(super) fn acknowledged(&mut self, number: u64, from: SocketAddr) -> bool {
        let Some(client) = self.acknowledging(number, from) else {
            return false;
        };
        let Some(subscription) = self.by_client.get_mut(&client) else {
            return false;
        };
        let address = subscription.subscriber.address;
        self.under_way.remove(&(number, address));
        self.unreachable.remove(&address);
        subscription.under_way = None;
        subscription.unanswered = 0;
        if std::mem::take(&mut subscription.owed) {
            subscription.enter(client, &mut self.queue);
        }
        true
    }

    /// Whose push it is. A host with several addresses may answer from another
    /// one than it was sent to, but from the same port.
    fn acknowledging(&self, number: u64, from: SocketAddr) -> Option<ClientId> {
        if let Some(client) = self.under_way.get(&(number, from)) {
            return Some(*client);
        }
        let first = (
            number,
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        );
        let same_number = self.under_way.range(first..);
        let mut same_port = same_number
            .take_while(|((of, _), _)| *of == number)
            .filter(|((_, to), _)| to.port() == from.port());
        match (same_port.next(), same_port.next()) {
            (Some((_, client)), None) => Some(*client),
            _ => None,
        }
    }

    /// Looks at all that is due: what was not renewed ends, what was not
    /// acknowledged is sent once more, or ends if it was already.
    pub(super) fn look(&mut self, now: Moment) -> Looked {
        let mut looked = Looked::default();
        while let Some(Reverse((at, client))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            self.look_at(client, at, now, &mut looked);
        }
        looked
    }

    fn look_at(&mut self, client: ClientId, at: Moment, now: Moment, looked: &mut Looked) {
        let Some(subscription) = self.by_client.get_mut(&client) else {
            return;
        };
        if subscription.look != at {
            return;
        }
        let ends = subscription.renewed.after(self.settings.kept);
        let waited = subscription.under_way.filter(|sent| sent.again <= now);
        let in_vain = waited.is_some_and(|sent| sent.repeated);
        if ends <= now || in_vain {
            if in_vain {
                let address = subscription.subscriber.address;
                self.avoid(address, now);
            }
            self.remove(client);
            looked.ended.push(client);
            return;
        }
        let next = match subscription.under_way {
            Some(_) if waited.is_some() => {
                subscription.enter(client, &mut self.queue);
                looked.repeated += 1;
                ends
            }
            Some(sent) => ends.min(sent.again),
            None => ends,
        };
        subscription.look = next;
        self.timers.push(Reverse((next, client)));
    }

    /// Whether [`Subscriptions::next`] may have somebody.
    pub(super) fn is_somebody_due(&self) -> bool {
        !self.queue.is_empty()
    }

    /// When [`Subscriptions::look`] has something to do.
    pub(super) fn next_look(&self) -> Option<Moment> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    fn avoid(&mut self, address: SocketAddr, now: Moment) {
        let room = self.settings.subscriptions;
        if self.unreachable.len() >= room {
            self.unreachable.retain(|_, until| *until > now);
        }
        if self.unreachable.len() < room {
            let until = now.after(self.settings.unreachable_for);
            self.unreachable.insert(address, until);
        }
    }

    fn remove(&mut self, client: ClientId) {
        if let Some(subscription) = self.by_client.remove(&client) {
            self.by_subscriber.remove(&subscription.subscriber);
            if let Some(sent) = subscription.under_way {
                let key = (sent.number, subscription.subscriber.address);
                self.under_way.remove(&key);
            }
        }
    }

    /// The subscriptions of those that are wanted, oldest first.
    pub(super) fn listeners(&self, wanted: impl Fn(&Subscriber) -> bool) -> Vec<Listener> {
        let all = self.by_client.iter();
        let mut found: Vec<_> = all
            .filter(|(_, subscription)| wanted(&subscription.subscriber))
            .collect();
        found.sort_by_key(|(client, _)| **client);
        let found = found.into_iter();
        found
            .map(|(_, subscription)| subscription.shown())
            .collect()
    }

    /// Ends all subscriptions.
    pub(super) fn clear(&mut self) -> Vec<ClientId> {
        let settings = self.settings.clone();
        let before = std::mem::replace(self, Self::new(settings));
        before.by_client.into_keys().collect()
    }
}

impl Subscription {
    fn shown(&self) -> Listener {
        Listener {
            subscriber: self.subscriber.clone(),
            program: self.program.clone(),
            renewed: self.renewed,
        }
    }

    fn enter(&mut self, client: ClientId, queue: &mut VecDeque<ClientId>) {
        if !self.queued {
            self.queued = true;
            queue.push_back(client);
        }
    }
}
