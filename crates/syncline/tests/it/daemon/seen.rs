//! Services and instances as everybody sees them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use syncline_model::MARK_KEY;
use syncline_nacos::message as wire;

/// A service by its whole name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Service {
    pub(crate) namespace: String,
    pub(crate) group: String,
    pub(crate) name: String,
}

/// What a consumer cares about in an instance: all but the mark that says
/// which copies are ours.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Instance {
    /// `ip:port`.
    pub(crate) address: String,
    pub(crate) cluster: String,
    pub(crate) weight: f64,
    pub(crate) healthy: bool,
    pub(crate) enabled: bool,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What `hold: beat` adds where a publisher brings no times of its own; it says
/// how a registration is kept alive and not what the instance is.
const BEAT_TIMES: [(&str, &str); 3] = [
    ("preserved.heart.beat.interval", "15000"),
    ("preserved.heart.beat.timeout", "60000"),
    ("preserved.ip.delete.timeout", "180000"),
];

impl Service {
    pub(crate) fn new(namespace: &str, group: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
        }
    }

    /// A service of the public namespace and the default group.
    pub(crate) fn plain(name: &str) -> Self {
        Self::new("public", "DEFAULT_GROUP", name)
    }

    /// `group@@name`.
    pub(crate) fn grouped(&self) -> String {
        format!("{}@@{}", self.group, self.name)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.group, self.name)
    }
}

/// So many instances with Nacos's defaults, `10.0.0.1:80` the first.
pub(crate) fn instances(count: usize) -> Vec<Instance> {
    (1..=count)
        .map(|n| Instance::at(&format!("10.0.0.{n}:80")))
        .collect()
}

impl Instance {
    /// An instance with Nacos's defaults.
    pub(crate) fn at(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            cluster: "DEFAULT".to_owned(),
            weight: 1.0,
            healthy: true,
            enabled: true,
            metadata: BTreeMap::new(),
        }
    }

    pub(crate) fn weighing(self, weight: f64) -> Self {
        Self { weight, ..self }
    }

    pub(crate) fn in_cluster(self, cluster: &str) -> Self {
        let cluster = cluster.to_owned();
        Self { cluster, ..self }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn sick(self) -> Self {
        let healthy = false;
        Self { healthy, ..self }
    }

    pub(crate) fn disabled(self) -> Self {
        let enabled = false;
        Self { enabled, ..self }
    }

    /// As a push or a query over gRPC shows it.
    pub(crate) fn of_wire(shown: &wire::Instance) -> Self {
        Self {
            address: format!("{}:{}", shown.ip, shown.port),
            cluster: cluster(&shown.cluster_name),
            weight: shown.weight,
            healthy: shown.healthy,
            enabled: shown.enabled,
            metadata: content(shown.metadata.clone()),
        }
    }

    /// As JSON shows it: a list of Nacos's HTTP API or a file of ours.
    pub(crate) fn of_json(shown: &Value) -> Self {
        let text = |key: &str| shown[key].as_str().unwrap_or_default();
        let pairs = shown["metadata"].as_object().into_iter().flatten();
        let pair = |(key, value): (&String, &Value)| {
            let value = value.as_str().unwrap_or_default();
            (key.clone(), value.to_owned())
        };
        Self {
            address: format!("{}:{}", text("ip"), shown["port"]),
            cluster: cluster(shown["clusterName"].as_str().unwrap_or(text("cluster"))),
            weight: shown["weight"].as_f64().unwrap_or(f64::NAN),
            healthy: shown["healthy"].as_bool().unwrap_or(true),
            enabled: shown["enabled"].as_bool().unwrap_or(true),
            metadata: content(pairs.map(pair).collect()),
        }
    }

    /// Its address in two.
    pub(crate) fn ip_and_port(&self) -> (&str, &str) {
        self.address.rsplit_once(':').unwrap_or((&self.address, ""))
    }
}

fn cluster(name: &str) -> String {
    if name.is_empty() { "DEFAULT" } else { name }.to_owned()
}

fn content(mut metadata: BTreeMap<String, String>) -> BTreeMap<String, String> {
    metadata.remove(MARK_KEY);
    let ours = |(key, value): &(&str, &str)| metadata.get(*key).is_some_and(|v| v == value);
    if BEAT_TIMES.iter().all(ours) {
        for (key, _) in BEAT_TIMES {
            metadata.remove(key);
        }
    }
    metadata
}

/// In the order of their addresses.
pub(crate) fn sorted(mut instances: Vec<Instance>) -> Vec<Instance> {
    instances.sort_by(|a, b| (&a.address, &a.cluster).cmp(&(&b.address, &b.cluster)));
    instances
}

/// Whether two lists show the same, in whatever order.
pub(crate) fn same(seen: &[Instance], wanted: &[Instance]) -> bool {
    sorted(seen.to_vec()) == sorted(wanted.to_vec())
}

/// Whether an address is shown, once.
pub(crate) fn shows_once(seen: &[Instance], address: &str) -> bool {
    seen.iter().filter(|i| i.address == address).count() == 1
}
