//! How a change looks to a receiver: JSON whose keys keep their meaning.

use serde::Serialize;
use syncline_contract::Write;
use syncline_model::{Instance, LinkName, Seen};

use crate::memory::{Post, Step};

/// What is posted about one service: what changed, and all that it has now, so
/// that each post alone is enough to be right.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    /// Told once: another post with this id is the same post again.
    id: &'a str,
    kind: Kind,
    link: &'a str,
    namespace: &'a str,
    group: &'a str,
    service: &'a str,
    changes: Vec<Changed<'a>>,
    instances: Vec<Entry<'a>>,
}

/// What a post is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Something changed since the last post about the service.
    Change,
    /// How the service is: after a start it may have changed unseen.
    Snapshot,
}

/// One instance's change.
#[derive(Debug, Serialize)]
struct Changed<'a> {
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    ip: &'a str,
    port: u16,
    cluster: &'a str,
    weight: f64,
    /// `null` where the source cannot tell.
    healthy: Option<bool>,
    enabled: bool,
    metadata: Pairs<'a>,
}

impl<'a> Event<'a> {
    pub(crate) fn new(post: &'a Post, link: &'a LinkName, write: &'a Write) -> Self {
        let service = &write.service;
        let steps = post.steps.as_deref().unwrap_or_default();
        let kind = match steps {
            [] => Kind::Snapshot,
            _ => Kind::Change,
        };
        Self {
            id: &post.id,
            kind,
            link: link.as_str(),
            namespace: service.namespace.as_str(),
            group: service.group.as_str(),
            service: service.name.as_str(),
            changes: steps.iter().map(Changed::new).collect(),
            instances: write.accepted.instances().iter().map(Entry::new).collect(),
        }
    }
}

impl<'a> Changed<'a> {
    fn new(step: &'a Step) -> Self {
        let (change, before, after) = match step {
            Step::Added(after) => ("added", None, Some(after)),
            Step::Updated { before, after } => ("updated", Some(before), Some(after)),
            Step::Removed(before) => ("removed", Some(before), None),
        };
        Self {
            change,
            before: before.map(Entry::new),
            after: after.map(Entry::new),
        }
    }
}

impl<'a> Entry<'a> {
    fn new(instance: &'a Instance) -> Self {
        Self {
            ip: instance.key.host.as_str(),
            port: instance.key.port.get(),
            cluster: instance.key.cluster.as_str(),
            weight: instance.weight.get(),
            healthy: match instance.healthy {
                Seen::Known(healthy) => Some(healthy),
                Seen::Unknown => None,
            },
            enabled: instance.enabled,
            metadata: Pairs(instance),
        }
    }
}

/// Metadata as a JSON object in the order of its keys.
#[derive(Debug)]
struct Pairs<'a>(&'a Instance);

impl Serialize for Pairs<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.metadata.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use syncline_model::{Metadata, Port, ServiceKey, ServiceSet, Weight};

    #[test]
    fn an_update_has_before_and_after() {
        let mut from = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        from.metadata = Metadata::from_pairs([("zone", "a")]);
        let mut to = from.clone();
        to.weight = Weight::new(2.0).expect("legal");
        let write = Write {
            service: ServiceKey::new("public", "G", "order"),
            accepted: Arc::new(ServiceSet::new(vec![to.clone()])),
            changes: Arc::from([]),
            taken_over: Arc::from([]),
        };
        let post = Post {
            id: "17-1".to_owned(),
            steps: Some(vec![Step::Updated {
                before: from,
                after: to,
            }]),
        };
        let link = LinkName::from("hook");
        let event = Event::new(&post, &link, &write);
        let entry = |weight: f64| {
            serde_json::json!({
                "ip": "10.0.0.1", "port": 80, "cluster": "DEFAULT", "weight": weight,
                "healthy": true, "enabled": true, "metadata": { "zone": "a" },
            })
        };
        let expected = serde_json::json!({
            "id": "17-1", "kind": "change", "link": "hook",
            "namespace": "public", "group": "G", "service": "order",
            "changes": [{ "change": "updated", "before": entry(1.0), "after": entry(2.0) }],
            "instances": [entry(2.0)],
        });
        assert_eq!(serde_json::to_value(&event).expect("plain data"), expected);
    }
}
