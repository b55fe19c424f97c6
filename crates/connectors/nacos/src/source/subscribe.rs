//! Watching over gRPC: every service in scope is subscribed, and so is every
//! one that is followed; a cheap list of names finds the new ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use syncline_contract::{Follow, Interest, Observation, ObservationSink};
use syncline_model::scope::Scope;
use syncline_model::{NamespaceId, ServiceKey, Truth};
use syncline_nacos::grpc::{
    ErrorClass, Session, SessionEvent, SessionEvents, SessionState, Subject,
};
use syncline_nacos::http::Fingerprint;
use syncline_nacos::message::ServiceInfo;
use syncline_nacos::version::{Generation, Negotiated};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::names::{Again, NoNames};
use super::pace::{Answer, Pace};
use super::placement::Placement;
use super::reach::{Plot, Reach};
use super::watch::{Pulse, Way};
use super::{Reader, poll};
use crate::convert::{self, service_key, service_ref};

/// How often names are asked for.
const NAMES_EVERY: Duration = Duration::from_secs(2);

/// How many rounds of names go by before the namespaces are looked up again.
const ROUNDS_PER_REACH: u32 = 15;

/// How long a service whose name is gone stays subscribed: it may come back,
/// and then its push is faster than its name.
const LINGER: Duration = Duration::from_secs(600);

/// How often the connections are looked after.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// How long no connection may stand before everything is asked for instead.
const WITHOUT_CONNECTION: Duration = Duration::from_secs(15);

/// What the list of names found.
enum Names {
    /// The selected services of a namespace.
    Of(NamespaceId, BTreeSet<ServiceKey>),
    /// They cannot be listed at present.
    Down(Arc<str>),
    /// The servers are of another generation than before.
    OtherGeneration,
}

/// Watches until the servers are of another generation.
pub(super) async fn run(
    reader: &Arc<Reader>,
    server: &Negotiated,
    interest: &Interest,
    sink: &ObservationSink,
) {
    let (found, mut names) = mpsc::channel(1);
    let watching = async {
        let mut watch = Watch::new(reader, interest, sink);
        for service in interest.followed.all() {
            watch.subscribe(&service).await;
        }
        watch.run(&mut names).await;
    };
    tokio::select! {
        () = watching => {}
        () = find_names(reader, server.generation, &interest.scopes, found) => {}
    }
}

/// Asks for names again and again, and tells them when they are others.
async fn find_names(
    reader: &Reader,
    generation: Generation,
    scopes: &[Scope],
    found: mpsc::Sender<Names>,
) {
    let mut pace = Pace::new(NAMES_EVERY, NAMES_EVERY);
    let mut reach = None;
    let mut told: HashMap<NamespaceId, Told> = HashMap::new();
    for round in 0_u32.. {
        let started = Instant::now();
        if round % ROUNDS_PER_REACH == 0 {
            reach = None;
        }
        let mut answer = Answer::Same;
        let mut news = Vec::new();
        match reader.cluster.negotiated().await {
            Ok(server) if server.generation != generation => news.push(Names::OtherGeneration),
            Ok(server) => {
                let reach = match &mut reach {
                    Some(reach) => reach,
                    none => none.insert(reader.reach(scopes, &server).await),
                };
                for plot in &reach.plots {
                    match look_for_names(reader, &server, reach, plot, &mut told).await {
                        Ok(names) => news.extend(names),
                        Err(NoNames::Failed(failure)) => {
                            answer = Answer::None;
                            told.clear();
                            news.push(Names::Down(failure.chain().into()));
                        }
                        // The audit says what to grant; there is nothing to watch.
                        Err(NoNames::Refused(_)) => answer = Answer::None,
                    }
                }
            }
            Err(failure) => {
                answer = Answer::None;
                told.clear();
                news.push(Names::Down(failure.chain().into()));
            }
        }
        for news in news {
            if found.send(news).await.is_err() {
                return;
            }
        }
        sleep(pace.after(started.elapsed(), answer)).await;
    }
}

/// Which names of a namespace were told last.
struct Told {
    /// By the answer that had them, where it has a fingerprint.
    answer: Option<Fingerprint>,
    /// By the sum of their hashes.
    sum: u64,
}

/// The names of a plot, unless they are those that were told last. Ten thousand
/// names are compared by a sum of their hashes, without any work for each.
async fn look_for_names(
    reader: &Reader,
    server: &Negotiated,
    reach: &Reach,
    plot: &Plot,
    told: &mut HashMap<NamespaceId, Told>,
) -> Result<Option<Names>, NoNames> {
    let before = told.get(&plot.namespace).and_then(|told| told.answer);
    let Again::Others(answer, all) = reader.names_again(server, plot, before).await? else {
        return Ok(None);
    };
    let hash = |service: &ServiceKey| {
        let mut hasher = DefaultHasher::new();
        (&service.group, &service.name).hash(&mut hasher);
        hasher.finish()
    };
    let sum = all
        .iter()
        .map(hash)
        .fold(all.len() as u64, u64::wrapping_add);
    let before = told.insert(plot.namespace.clone(), Told { answer, sum });
    if before.is_some_and(|before| before.sum == sum) {
        return Ok(None);
    }
    let selected = all.into_iter().filter(|service| reach.selects(service));
    Ok(Some(Names::Of(plot.namespace.clone(), selected.collect())))
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
    /// Services whose names are gone, and since when.
    unnamed: HashMap<ServiceKey, Instant>,
    pulse: Pulse,
    /// Asks for everything while no connection stands.
    fallback: Option<BoxFuture<'a, ()>>,
}

impl<'a> Watch<'a> {
    fn new(reader: &'a Arc<Reader>, interest: &'a Interest, sink: &'a ObservationSink) -> Self {
        Self {
            reader,
            interest,
            sink,
            placement: Placement::default(),
            lanes: Vec::new(),
            events: SelectAll::new(),
            named: BTreeMap::new(),
            listed: interest.listed.to_vec(),
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
                Some((lane, event)) = self.events.next() => self.observe(lane, event),
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
                    Names::Of(namespace, services) => self.take_names(namespace, services).await,
                    Names::Down(why) => self.pulse.down(Way::Lists, why, self.sink),
                    Names::OtherGeneration => return,
                },
                _ = look_after.tick() => {
                    self.look_after();
                    self.expire();
                }
                () = until(&mut self.fallback) => self.fallback = None,
            }
        }
    }

    /// Subscribes what is new, and has a look at what is gone.
    async fn take_names(&mut self, namespace: NamespaceId, services: BTreeSet<ServiceKey>) {
        self.pulse.up(Way::Lists, self.sink);
        let before = self.named.remove(&namespace).unwrap_or_default();
        for service in services.difference(&before) {
            self.unnamed.remove(service);
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

    fn observe(&mut self, lane: usize, event: SessionEvent) {
        match event {
            SessionEvent::Connected { epoch, .. } => {
                self.fallback = None;
                self.pulse.up(Way::Lane(lane), self.sink);
                if epoch > 1 {
                    // Subscriptions are renewed, but raw eyes may have missed more.
                    self.sink.put(Observation::LookAtAll);
                }
            }
            SessionEvent::Lost { reason } => {
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
            SessionEvent::Refused { .. }
            | SessionEvent::Restored { .. }
            | SessionEvent::NameChanged { .. }
            | SessionEvent::NamesComplete { .. } => {}
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
