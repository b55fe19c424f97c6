//! Consumers that remember every list they ever saw.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use syncline_nacos::grpc::{
    GrpcOptions, ServiceRef, Session, SessionEvent, SessionEvents, SessionOptions,
};
use syncline_testkit::patience;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::PATIENCE;
use super::registry::Nacos;
use super::seen::{Instance, Service, sorted};

/// How often a consumer looks that nobody tells.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A consumer of some services at one registry.
pub(crate) struct Subscriber {
    seen: watch::Receiver<Vec<Sight>>,
    looking: Vec<JoinHandle<()>>,
    _sessions: Vec<Session>,
}

/// A list, and when it was first seen.
#[derive(Clone, PartialEq)]
pub(crate) struct Sight {
    pub(crate) at: Instant,
    pub(crate) service: Service,
    pub(crate) instances: Vec<Instance>,
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.service)?;
        let addresses = self.instances.iter().map(|i| (&i.address, i.weight));
        f.debug_list().entries(addresses).finish()
    }
}

/// A point in what a subscriber saw.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

impl Mark {
    /// The beginning.
    pub(crate) const START: Self = Self(0);
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.looking.iter().for_each(JoinHandle::abort);
    }
}

impl Subscriber {
    /// Subscribes as applications do: over gRPC, and by asking again and again
    /// where there is none.
    pub(crate) fn of(nacos: Nacos, services: &[Service]) -> anyhow::Result<Self> {
        match nacos.grpc {
            Some(_) => Self::pushed(&[nacos], services),
            None => Ok(Self::asking(nacos, services, Question::Consumers)),
        }
    }

    /// Subscribes at one member of a cluster, and at another one when that is
    /// away.
    pub(crate) fn of_cluster(members: &[Nacos], services: &[Service]) -> anyhow::Result<Self> {
        Self::pushed(members, services)
    }

    /// Looks at the raw list as fast as it can, where also the disabled
    /// instances stand.
    pub(crate) fn of_raw(nacos: Nacos, services: &[Service]) -> Self {
        Self::asking(nacos, services, Question::Raw)
    }

    fn pushed(members: &[Nacos], services: &[Service]) -> anyhow::Result<Self> {
        let servers = members.iter().map(Nacos::grpc_server);
        let servers = servers.collect::<anyhow::Result<Vec<_>>>()?;
        let (seeing, seen) = watch::channel(Vec::new());
        let seeing = Arc::new(seeing);
        let mut looking = Vec::new();
        let mut sessions = Vec::new();
        // A push does not name its namespace, so each has its own connection.
        let namespaces: BTreeSet<&str> = services.iter().map(|s| s.namespace.as_str()).collect();
        for namespace in namespaces {
            let options = SessionOptions {
                reconnect_cap: Duration::from_millis(500),
                ..SessionOptions::new(servers.clone(), Arc::new(GrpcOptions::default()), 7)
            };
            let (session, events) = Session::start(options);
            let of_namespace = |service: &&Service| service.namespace == namespace;
            let wanted: Vec<_> = services.iter().filter(of_namespace).cloned().collect();
            looking.push(tokio::spawn(subscribe(session.clone(), wanted)));
            looking.push(tokio::spawn(listen(events, Arc::clone(&seeing))));
            sessions.push(session);
        }
        Ok(Self {
            seen,
            looking,
            _sessions: sessions,
        })
    }

    fn asking(nacos: Nacos, services: &[Service], question: Question) -> Self {
        let (seeing, seen) = watch::channel(Vec::new());
        let services = services.to_vec();
        let looking = tokio::spawn(async move {
            loop {
                for service in &services {
                    let answer = match question {
                        Question::Consumers => nacos.list(service).await,
                        Question::Raw => nacos.raw(service).await,
                    };
                    // A server that does not answer shows nothing.
                    if let Ok(instances) = answer {
                        note(&seeing, service.clone(), instances);
                    }
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self {
            seen,
            looking: vec![looking],
            _sessions: Vec::new(),
        }
    }

    /// Waits until a service looks as described.
    pub(crate) async fn sees(
        &self,
        service: &Service,
        looks: impl Fn(&[Instance]) -> bool,
    ) -> anyhow::Result<()> {
        let mut seen = self.seen.clone();
        let shows = |sights: &Vec<Sight>| latest(sights, service).is_some_and(&looks);
        let waiting = seen.wait_for(shows);
        match tokio::time::timeout(patience(PATIENCE), waiting).await {
            Ok(Ok(_)) => Ok(()),
            _ => bail!(
                "{service} never looked like that; last it was {:#?}",
                latest(&self.seen.borrow(), service)
            ),
        }
    }

    /// Waits until a service shows exactly these instances.
    pub(crate) async fn sees_exactly(
        &self,
        service: &Service,
        wanted: &[Instance],
    ) -> anyhow::Result<()> {
        let wanted = sorted(wanted.to_vec());
        let seen = self.sees(service, |seen| seen == wanted).await;
        seen.map_err(|error| error.context(format!("wanted {wanted:#?}")))
    }

    /// Now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.seen.borrow().len())
    }

    /// All that was shown of a service since then, beginning with what was
    /// shown at that moment.
    pub(crate) fn since(&self, mark: Mark, service: &Service) -> Vec<Sight> {
        let seen = self.seen.borrow();
        let of_service = |sight: &&Sight| sight.service == *service;
        let (before, after) = seen.split_at(mark.0);
        let last = before.iter().rev().find(of_service);
        let shown = last.into_iter().chain(after.iter().filter(of_service));
        shown.cloned().collect()
    }

    /// Fails where an address was not shown once, at any moment since then.
    pub(crate) fn always_saw(
        &self,
        mark: Mark,
        service: &Service,
        address: &str,
    ) -> anyhow::Result<()> {
        let shown = self.since(mark, service);
        let without = |sight: &&Sight| !super::seen::shows_once(&sight.instances, address);
        match shown.iter().find(without) {
            None => Ok(()),
            Some(_) => bail!("{address} was not always there once: {shown:#?}"),
        }
    }
}

/// What a consumer asks that nobody tells.
#[derive(Clone, Copy)]
enum Question {
    Consumers,
    Raw,
}

async fn subscribe(session: Session, services: Vec<Service>) {
    for service in services {
        // One that fails at first is made by the session later.
        session.subscribe(service_ref(&service)).await.ok();
    }
}

async fn listen(mut events: SessionEvents, seeing: Arc<watch::Sender<Vec<Sight>>>) {
    while let Some(event) = events.next().await {
        if let SessionEvent::Subscribed { service, info } | SessionEvent::Pushed { service, info } =
            event
        {
            let instances = info.hosts.items.iter().map(Instance::of_wire);
            note(&seeing, named(&service), instances.collect());
        }
    }
}

/// The service as gRPC names it.
pub(crate) fn service_ref(service: &Service) -> ServiceRef {
    ServiceRef::new(
        service.namespace.as_str(),
        service.group.as_str(),
        service.name.as_str(),
    )
}

fn named(service: &ServiceRef) -> Service {
    Service::new(&service.namespace, &service.group, &service.name)
}

fn note(seeing: &watch::Sender<Vec<Sight>>, service: Service, instances: Vec<Instance>) {
    let instances = sorted(instances);
    seeing.send_if_modified(|sights| {
        let news = latest(sights, &service) != Some(&instances[..]);
        if news {
            sights.push(Sight {
                at: Instant::now(),
                service,
                instances,
            });
        }
        news
    });
}

fn latest<'a>(sights: &'a [Sight], service: &Service) -> Option<&'a [Instance]> {
    let of_service = |sight: &&Sight| sight.service == *service;
    let last = sights.iter().rev().find(of_service)?;
    Some(&last.instances)
}
