//! The JSON that consumers read: a stable order and no moments, so that equal
//! content is equal bytes.

use serde::Serialize;
use syncline_contract::Snapshot;
use syncline_model::{Instance, Seen, ServiceKey, ServiceSet};

/// The whole list in one document.
pub(crate) fn whole(snapshot: &Snapshot) -> Result<Vec<u8>, serde_json::Error> {
    let services = snapshot
        .iter()
        .map(|(key, set)| Service::new(key, set))
        .collect();
    text(&Document { services })
}

/// One service's document.
pub(crate) fn single(key: &ServiceKey, set: &ServiceSet) -> Result<Vec<u8>, serde_json::Error> {
    text(&Service::new(key, set))
}

fn text(document: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[derive(Serialize)]
struct Document<'a> {
    services: Vec<Service<'a>>,
}

#[derive(Serialize)]
struct Service<'a> {
    namespace: &'a str,
    group: &'a str,
    service: &'a str,
    instances: Vec<Entry<'a>>,
}

#[derive(Serialize)]
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

impl<'a> Service<'a> {
    fn new(key: &'a ServiceKey, set: &'a ServiceSet) -> Self {
        Self {
            namespace: key.namespace.as_str(),
            group: key.group.as_str(),
            service: key.name.as_str(),
            instances: set.instances().iter().map(Entry::new).collect(),
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
    use syncline_model::{Metadata, Port};

    #[test]
    fn equal_content_is_equal_bytes() {
        let mut instance = Instance::new("10.0.0.1", Port::new(8080).expect("not zero"));
        instance.metadata = Metadata::from_pairs([("zone", "b"), ("app", "shop")]);
        let set = Arc::new(ServiceSet::new(vec![instance]));
        let key = ServiceKey::new("public", "DEFAULT_GROUP", "order");
        let snapshot = Snapshot::from([(key, set)]);
        let expected = r#"{
  "services": [
    {
      "namespace": "public",
      "group": "DEFAULT_GROUP",
      "service": "order",
      "instances": [
        {
          "ip": "10.0.0.1",
          "port": 8080,
          "cluster": "DEFAULT",
          "weight": 1.0,
          "healthy": true,
          "enabled": true,
          "metadata": {
            "app": "shop",
            "zone": "b"
          }
        }
      ]
    }
  ]
}
"#;
        let bytes = whole(&snapshot).expect("plain data");
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}
