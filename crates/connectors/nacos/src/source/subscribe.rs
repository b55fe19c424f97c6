//! Watching over gRPC: every service in scope is subscribed, and so is every
//! one that is followed. A fuzzy watch tells of new ones where the server has
//! it, else a cheap list of names finds them.

mod names;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use syncline_contract::{Follow, Interest, Observation, ObservationSink};
use syncline_model::{NamespaceId, ServiceKey, Truth};
use syncline_nacos::grpc::{
    ErrorClass, Session, SessionEvent, SessionEvents, SessionState, Subject,
};
use syncline_nacos::message::ServiceInfo;
use syncline_nacos::version::Negotiated;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::find::{Names, find_names};
use super::fuzzy::Fuzzy;
use super::placement::Placement;
use super::reach::Reach;
use super::watch::{Pulse, Way};
use super::{Reader, poll};
use crate::convert::{self, service_key, service_ref};

/// How long a service whose name is gone stays subscribed: it may come back,
/// and then its push is faster than its name.
const LINGER: Duration = Duration::from_secs(600);

/// How often the connections are looked after.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// How long no connection may stand before everything is asked for instead.
const WITHOUT_CONNECTION: Duration = Duration::from_secs(15);

/// The connection over which names are told.
const NAMES: usize = 0;

/// Watches until the servers are of another generation.
pub(super) async fn run(
    reader: &Arc<Reader>,
    server: &Negotiated,
    interest: &Interest,
    sink: &ObservationSink,
) {
    let (found, mut names) = mpsc::channel(1);
    let (tell, told) = watch::channel(BTreeSet::new());
    let watching = async {
        let mut watch = Watch::new(reader, server, interest, sink, tell);
        for service in interest.followed.all() {
            watch.subscribe(&service).await;
        }
        watch.run(&mut names).await;
    };
    tokio::select! {
        () = watching => {}
        () = find_names(reader, server.generation, &interest.scopes, told, found) => {}
    }
}

/// One connection with its subscriptions.
struct Lane {
    session: Session,
}

/// What is subscribed, and over which connections.
struct Watch<'a> {
    reader: &'a Arc<Reader>,
    interest: &'a Interest,
    sink: &'a ObservationSink,
    placement: Placement,
    lanes: Vec<Lane>,
    events: SelectAll<BoxStream<'static, (usize, SessionEvent)>>,
    /// The services whose names were found, by namespace.
    named: BTreeMap<NamespaceId, BTreeSet<ServiceKey>>,
    /// What was listed before the watch began, until the names of its namespace
    /// have told whether it is still there.
    listed: Vec<ServiceKey>,
    /// What names are looked for in, once that is known.
    reach: Option<Arc<Reach>>,
    fuzzy: Fuzzy,
    /// Whether a server of this version may tell names.
    may_be_told: bool,
    /// How new names are learnt, as it was said last.
    learns: Option<String>,
    /// Tells the namespaces whose names a fuzzy watch tells.
    tell: watch::Sender<BTreeSet<NamespaceId>>,
    /// Services whose names are gone, and since when.
    unnamed: HashMap<ServiceKey, Instant>,
    pulse: Pulse,
    /// Asks for everything while no connection stands.
    fallback: Option<BoxFuture<'a, ()>>,
}

impl<'a> Watch<'a> {
    fn new(
        reader: &'a Arc<Reader>,
        server: &Negotiated,
        interest: &'a Interest,
        sink: &'a ObservationSink,
        tell: watch::Sender<BTreeSet<NamespaceId>>,
    ) -> Self {
        Self {
            reader,
            interest,
            sink,
            placement: Placement::default(),
            lanes: Vec::new(),
            events: SelectAll::new(),
            named: BTreeMap::new(),
            listed: interest.listed.to_vec(),
            reach: None,
            fuzzy: Fuzzy::default(),
            learns: None,
            may_be_told: server.features.fuzzy_watch.worth_trying(),
            tell,
            unnamed: HashMap::new(),
            pulse: Pulse::default(),
            fallback: None,
        }
    }

    async fn run(&mut self, names: &mut mpsc::Receiver<Names>) {
        let mut look_after = interval(LOOK_AFTER);
        look_after.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some((lane, event)) = self.events.next() => self.observe(lane, event).await,
                changes = self.interest.followed.changes() => {
                    for (service, change) in changes {
                        match change {
                            Follow::Begin => self.subscribe(&service).await,
                            Follow::End if !self.is_named(&service) => self.unsubscribe(&service),
                            Follow::End => {}
                        }
                    }
                }
                Some(names) = names.recv() => match names {
                    Names::In(reach) => {
                        self.reach = Some(reach);
                        self.watch_names().await;
                    }
                    Names::Of(namespace, services) => self.take_names(namespace, services).await,
                    Names::Down(why) => self.pulse.down(Way::Lists, why, self.sink),
                    Names::OtherGeneration => return,
                },
                _ = look_after.tick() => {
                    self.look_after();
                    self.expire();
                    self.give_names_up();
                }
                () = until(&mut self.fallback) => self.fallback = None,
            }
        }
    }

    /// Subscribes what is new, and has a look at what is gone.
    async fn take_names(&mut self, namespace: NamespaceId, services: BTreeSet<ServiceKey>) {
        self.pulse.up(Way::Lists, self.sink);
        let before = self.named.remove(&namespace).unwrap_or_default();
        let are_told = self.fuzzy.told().contains(&namespace);
        for service in services.difference(&before) {
            self.unnamed.remove(service);
            if are_told {
                self.fuzzy.miss(service);
            }
            self.subscribe(service).await;
        }
        let its = |service: &mut ServiceKey| service.namespace == namespace;
        let listed: Vec<ServiceKey> = self.listed.extract_if(.., its).collect();
        let gone = before.into_iter().chain(listed);
        let now = Instant::now();
        for service in gone.filter(|service| !services.contains(service)) {
            self.sink.put(Observation::Look(service.clone()));
            self.unnamed.insert(service, now);
        }
        self.named.insert(namespace, services);
    }

    /// Ends subscriptions whose names have been gone for long.
    fn expire(&mut self) {
        let over = |since: &Instant| since.elapsed() >= LINGER;
        let expired: Vec<ServiceKey> = self
            .unnamed
            .iter()
            .filter(|(_, since)| over(since))
            .map(|(service, _)| service.clone())
            .collect();
        for service in expired {
            self.unnamed.remove(&service);
            if !self.interest.followed.contains(&service) {
                self.unsubscribe(&service);
            }
        }
    }

    fn is_named(&self, service: &ServiceKey) -> bool {
        let named = self.named.get(&service.namespace);
        named.is_some_and(|services| services.contains(service))
    }

    async fn subscribe(&mut self, service: &ServiceKey) {
        let Some(at) = self.placement.add(service) else {
            return;
        };
        if at == self.lanes.len()
            && let Err(failure) = self.open_lane().await
        {
            self.placement.remove(service);
            let why = failure.chain().into();
            return self.pulse.down(Way::Lane(at), why, self.sink);
        }
        // The wish is noted by the first poll; its outcome comes as an event.
        drop(
            self.lanes[at]
                .session
                .subscribe(service_ref(service))
                .now_or_never(),
        );
    }

    async fn open_lane(&mut self) -> Result<(), syncline_contract::Failure> {
        let at = self.lanes.len();
        let (session, events) = self.reader.cluster.dialer().await?.dial(&[]);
        self.lanes.push(Lane { session });
        self.events.push(told(at, events));
        Ok(())
    }

    fn unsubscribe(&mut self, service: &ServiceKey) {
        if let Some(at) = self.placement.remove(service) {
            let wish = self.lanes[at].session.unsubscribe(service_ref(service));
            drop(wish.now_or_never());
        }
    }

    async fn observe(&mut self, lane: usize, event: SessionEvent) {
        match event {
            SessionEvent::Connected { epoch, .. } => {
                self.fallback = None;
                self.pulse.up(Way::Lane(lane), self.sink);
                if lane == NAMES {
                    self.watch_names().await;
                }
                if epoch > 1 {
                    // Subscriptions are renewed, but raw eyes may have missed more.
                    self.sink.put(Observation::LookAtAll);
                }
            }
            SessionEvent::Lost { reason } => {
                if lane == NAMES {
                    self.fuzzy.lost();
                    self.tell_who_is_told();
                }
                self.pulse.down(Way::Lane(lane), reason, self.sink);
            }
            SessionEvent::Subscribed { service, info } | SessionEvent::Pushed { service, info } => {
                self.show(service_key(&service), info);
            }
            SessionEvent::Unreadable { reason } => {
                tracing::warn!(endpoint = %self.reader.cluster.endpoint(), %reason,
                    "a push cannot be read; looking at everything");
                self.sink.put(Observation::LookAtAll);
            }
            SessionEvent::Refused {
                subject: Subject::Subscription(service),
                error,
            } => {
                if error.class() != ErrorClass::Overloaded {
                    tracing::warn!(endpoint = %self.reader.cluster.endpoint(), %service, %error,
                        "a subscription is refused");
                }
                self.sink.put(Observation::Look(service_key(&service)));
            }
            SessionEvent::Refused {
                subject: Subject::Names { namespace, pattern },
                error,
            } => {
                self.names_refused(&namespace, &pattern, &error);
            }
            SessionEvent::NameChanged { service, change } => {
                self.name_changed(service_key(&service), change).await;
            }
            SessionEvent::NamesComplete { pattern } => {
                self.fuzzy.complete(&pattern);
                self.tell_who_is_told();
            }
            SessionEvent::Refused { .. } | SessionEvent::Restored { .. } => {}
        }
    }

    fn show(&self, service: ServiceKey, info: ServiceInfo) {
        let shown = convert::shown_to_consumers(info, &self.reader.texts);
        let (view, rejected) = shown.listed(Truth::Consumer);
        self.sink.put(Observation::Content {
            service,
            view,
            rejected,
        });
    }

    /// Notices connections that never come about, and asks for everything while
    /// there is none: a firewall may keep gRPC away, and a cluster upgraded from
    /// 1.x refuses it for a time.
    fn look_after(&mut self) {
        let mut standing = self.lanes.is_empty();
        let mut longest = Duration::ZERO;
        for (at, lane) in self.lanes.iter().enumerate() {
            match &*lane.session.state().borrow() {
                SessionState::Reconnecting { since, last_error } => {
                    longest = longest.max(since.elapsed());
                    if let Some(why) = last_error.as_ref().filter(|_| since.elapsed() > LOOK_AFTER)
                    {
                        self.pulse.down(Way::Lane(at), Arc::clone(why), self.sink);
                    }
                }
                SessionState::Connected { .. } | SessionState::Closed => standing = true,
            }
        }
        if !standing && longest >= WITHOUT_CONNECTION && self.fallback.is_none() {
            tracing::warn!(endpoint = %self.reader.cluster.endpoint(),
                "no gRPC connection stands; asking for everything instead");
            let polling = poll::ask(self.reader, self.interest, self.sink);
            self.fallback = Some(polling.boxed());
        }
    }
}

/// Goes on with what there is to go on with.
async fn until(fallback: &mut Option<BoxFuture<'_, ()>>) {
    match fallback {
        Some(polling) => polling.await,
        None => std::future::pending().await,
    }
}

/// The events of a connection, with its number.
fn told(at: usize, events: SessionEvents) -> BoxStream<'static, (usize, SessionEvent)> {
    stream::unfold(events, move |mut events| async move {
        let event = events.next().await?;
        Some(((at, event), events))
    })
    .boxed()
}
