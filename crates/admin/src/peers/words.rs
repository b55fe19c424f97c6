//! What goes between replicas, as JSON.
//!
//! Fields are added but never renamed or removed within a version of the path.
//! Times are ages in milliseconds, so that no clock has to agree.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_engine::core as engine;
use syncline_model::{InstanceKey, LinkName, Port, ServiceKey};

/// `GET /peer/v1/report`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// The process, so that a replica knows its own address.
    pub(super) node: String,
    links: Vec<Link>,
    rulings: Vec<Ruling>,
    #[serde(default)]
    evacuations: Vec<Evacuation>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Link {
    link: String,
    rules: u64,
    unseen_ms: Option<u64>,
    services: usize,
    digest: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ruling {
    hold: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    frozen: Option<String>,
    approve: bool,
    ago_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Evacuation {
    what: String,
    evacuated: bool,
    ago_ms: u64,
}

/// `POST /peer/v1/compare`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    link: String,
    services: Vec<(Service, u64)>,
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    rules: u64,
    unseen_ms: Option<u64>,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Difference {
    service: Service,
    settled: bool,
    whole: bool,
    instances: Vec<(Instance, u64)>,
}

/// Namespace, group and name.
type Service = (String, String, String);

/// Host, port and cluster.
type Instance = (String, u16, String);

impl Report {
    pub(super) fn of(node: &str, report: engine::PeerReport) -> Self {
        let link = |link: engine::PeerLink| Link {
            link: link.link.to_string(),
            rules: link.rules,
            unseen_ms: link.unseen_for.map(millis),
            services: link.services,
            digest: link.digest,
        };
        let ruling = |ruling: engine::PeerRuling| Ruling {
            hold: ruling.hold.to_string(),
            frozen: ruling.frozen.map(|link| link.to_string()),
            approve: ruling.approve,
            ago_ms: millis(ruling.ago),
        };
        let evacuation = |said: engine::PeerEvacuation| Evacuation {
            what: said.what.to_string(),
            evacuated: said.on,
            ago_ms: millis(said.ago),
        };
        Self {
            node: node.to_owned(),
            links: report.links.into_iter().map(link).collect(),
            rulings: report.rulings.into_iter().map(ruling).collect(),
            evacuations: report.evacuations.into_iter().map(evacuation).collect(),
        }
    }

    pub(super) fn read(self) -> engine::PeerReport {
        let link = |link: Link| engine::PeerLink {
            link: LinkName::from(link.link),
            rules: link.rules,
            unseen_for: link.unseen_ms.map(Duration::from_millis),
            services: link.services,
            digest: link.digest,
        };
        let ruling = |ruling: Ruling| {
            Some(engine::PeerRuling {
                hold: ruling.hold.parse().ok()?,
                frozen: ruling.frozen.map(LinkName::from),
                approve: ruling.approve,
                ago: Duration::from_millis(ruling.ago_ms),
            })
        };
        let evacuation = |said: Evacuation| {
            Some(engine::PeerEvacuation {
                what: said.what.parse().ok()?,
                on: said.evacuated,
                ago: Duration::from_millis(said.ago_ms),
            })
        };
        let evacuations = self.evacuations.into_iter();
        engine::PeerReport {
            links: self.links.into_iter().map(link).collect(),
            rulings: self.rulings.into_iter().filter_map(ruling).collect(),
            evacuations: evacuations.filter_map(evacuation).collect(),
        }
    }
}

impl Question {
    pub(super) fn of(question: &engine::PeerQuestion) -> Self {
        let services = question.services.iter();
        Self {
            link: question.link.to_string(),
            services: services
                .map(|(key, digest)| (named(key), *digest))
                .collect(),
        }
    }

    pub(super) fn read(self) -> engine::PeerQuestion {
        let services = self.services.into_iter();
        engine::PeerQuestion {
            link: LinkName::from(self.link),
            services: services.map(|(name, d)| (service(name), d)).collect(),
        }
    }
}

impl Answer {
    pub(super) fn of(answer: engine::PeerAnswer) -> Self {
        let instance = |(key, digest): (InstanceKey, u64)| {
            let (host, port) = (key.host.as_str().to_owned(), key.port.get());
            ((host, port, key.cluster.to_string()), digest)
        };
        let difference = |difference: engine::PeerDifference| Difference {
            service: named(&difference.service),
            settled: difference.settled,
            whole: difference.whole,
            instances: difference.instances.into_iter().map(instance).collect(),
        };
        Self {
            rules: answer.rules,
            unseen_ms: answer.unseen_for.map(millis),
            differences: answer.differences.into_iter().map(difference).collect(),
        }
    }

    /// `None` where an instance makes no sense: a part of an answer would look
    /// as if the rest were not held.
    pub(super) fn read(self) -> Option<engine::PeerAnswer> {
        let instance = |((host, port, cluster), digest): (Instance, u64)| {
            let key = InstanceKey {
                host: host.as_str().into(),
                port: Port::new(port)?,
                cluster: cluster.into(),
            };
            Some((key, digest))
        };
        let difference = |difference: Difference| {
            let instances = difference.instances.into_iter().map(instance);
            Some(engine::PeerDifference {
                service: service(difference.service),
                settled: difference.settled,
                whole: difference.whole,
                instances: instances.collect::<Option<_>>()?,
            })
        };
        let differences = self.differences.into_iter().map(difference);
        Some(engine::PeerAnswer {
            rules: self.rules,
            unseen_for: self.unseen_ms.map(Duration::from_millis),
            differences: differences.collect::<Option<_>>()?,
        })
    }
}

fn named(service: &ServiceKey) -> Service {
    (
        service.namespace.to_string(),
        service.group.to_string(),
        service.name.to_string(),
    )
}

fn service((namespace, group, name): Service) -> ServiceKey {
    ServiceKey::new(namespace, group, name)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
