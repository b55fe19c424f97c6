//! The zone as a target of links.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use syncline_contract::{Ending, Failure, Hold, Target, TargetReport, Unavailable, Write};
use syncline_model::{Host, Identity, LinkName, ServiceKey, ServiceSet};
use tokio_util::sync::CancellationToken;

use crate::DnsConfig;
use crate::records::Records;
use crate::responder::{Responder, SharedZone};
use crate::serve::{self, Sockets};
use crate::zone::{Remark, Zone};

/// A zone that is served, or is about to be. Cloning it copies a pointer.
#[derive(Clone, Debug)]
pub struct ServedZone(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: DnsConfig,
    shared: Arc<SharedZone>,
    /// What each link gave.
    given: Mutex<BTreeMap<ServiceKey, Given>>,
}

/// What links gave for one service.
#[derive(Debug, Default)]
struct Given {
    by_link: BTreeMap<LinkName, Arc<ServiceSet>>,
    /// What was said to be left out.
    strange: Vec<Host>,
}

impl ServedZone {
    /// An empty zone, which nobody knows whole yet.
    pub fn new(config: &DnsConfig) -> Self {
        // Versions of a zone go up, also from one process to the next.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let serial = since.map_or(1, |since| since.as_secs() as u32);
        let shared = SharedZone {
            zone: RwLock::new(Zone::new(serial)),
            known: AtomicBool::new(false),
        };
        Self(Arc::new(Inner {
            config: config.clone(),
            shared: Arc::new(shared),
            given: Mutex::default(),
        }))
    }

    /// Where a link writes.
    pub fn target(&self, link: &LinkName) -> DnsTarget {
        DnsTarget {
            zone: self.clone(),
            link: link.clone(),
        }
    }

    /// From now on what stands in the zone is all that there is. Before that,
    /// whatever is not there is answered with SERVFAIL.
    pub fn open(&self) {
        self.0.shared.known.store(true, Ordering::Release);
    }

    /// Takes out what links gave other than these.
    pub fn retain_links(&self, stays: impl Fn(&LinkName) -> bool) {
        let given = self.0.given.lock();
        let by_service = given.iter().flat_map(|(service, given)| {
            let links = given.by_link.keys().filter(|link| !stays(link));
            links.map(|link| (service.clone(), link.clone()))
        });
        let gone: Vec<_> = by_service.collect();
        drop(given);
        for (service, link) in gone {
            self.give(&link, &service, None);
        }
    }

    /// Answers at these sockets until cancelled.
    pub async fn serve(&self, sockets: Sockets, cancel: CancellationToken) {
        let shared = Arc::clone(&self.0.shared);
        let responder = Responder::new(&self.0.config, sockets.address(), shared);
        serve::serve(sockets, Arc::new(responder), cancel).await;
    }

    /// Where it is configured to be.
    pub fn listen(&self) -> SocketAddr {
        self.0.config.listen
    }

    fn give(&self, link: &LinkName, service: &ServiceKey, set: Option<Arc<ServiceSet>>) {
        // Held until the zone has it, so that two links cannot overtake each
        // other.
        let mut given = self.0.given.lock();
        let of_service = given.entry(service.clone()).or_default();
        match set {
            Some(set) => of_service.by_link.insert(link.clone(), set),
            None => of_service.by_link.remove(link),
        };
        let sets = of_service.by_link.values().map(|set| &**set);
        let records = Records::of(sets);
        if records.strange != of_service.strange {
            of_service.strange.clone_from(&records.strange);
            let hosts = &records.strange;
            tracing::warn!(%service, ?hosts, "left out, since DNS holds neither such an address nor such a name");
        }
        let gone = of_service.by_link.is_empty();
        if gone {
            given.remove(service);
        }
        let records = (!gone).then(|| Arc::new(records));
        let remarks = self.0.shared.zone.write().set(service, records);
        remarks.into_iter().for_each(|remark| self.remark(remark));
    }

    fn remark(&self, remark: Remark) {
        let zone = &self.0.config.zone;
        match remark {
            Remark::Displaced {
                service,
                by,
                instead,
            } => {
                tracing::warn!(%service, %by, "another service, which differs in case alone, has its name in DNS: \
                    it stands at {instead}{zone}");
            }
            Remark::Nameless(service) => {
                tracing::warn!(%service, "no name in DNS can be made of it: it is left out");
            }
        }
    }
}

/// A zone, written by one link. Several may fill one zone.
#[derive(Debug)]
pub struct DnsTarget {
    zone: ServedZone,
    link: LinkName,
}

#[async_trait]
impl Target for DnsTarget {
    async fn describe(&self) -> Result<TargetReport, Failure> {
        let config = &self.zone.0.config;
        Ok(TargetReport {
            product: format!("DNS zone {}", config.zone),
            identity: Identity::AddressAndCluster,
            // It lives and ends with this process, as a connection does.
            hold: Hold::Connection,
            unavailable: Unavailable::WeightAndHealth,
            advice: Vec::new(),
        })
    }

    async fn apply(&self, write: Write) -> Result<(), Failure> {
        let set = Some(write.accepted).filter(|set| !set.is_empty());
        self.zone.give(&self.link, &write.service, set);
        Ok(())
    }

    async fn close(&self, ending: Ending) {
        match ending {
            // Whoever asks while we stop is told what was there.
            Ending::Stop => {}
            Ending::Remove => self.zone.retain_links(|link| *link != self.link),
        }
    }
}
