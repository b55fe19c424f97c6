//! An instance and a service as Nacos writes them, over HTTP and gRPC alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lenient::{self, Lenient};

/// An instance on the wire.
///
/// Values are as sent: a port of 70000 or a weight of NaN arrives here, for
/// the caller to quarantine with a reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Received")]
pub struct Instance {
    /// Made by the server where the publisher left it out. 2.0 to 2.2 leave it
    /// absent for instances registered over gRPC; 2.5 and 3.x fill it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// An IP address or a host name; servers check little.
    pub ip: String,
    /// The port.
    pub port: i64,
    /// The weight; 1.0 where none was sent.
    #[serde(serialize_with = "lenient::weight_out")]
    pub weight: f64,
    /// Whether consumers should use it; true where nothing was sent. The
    /// catalog of 1.x and 2.x calls this field `valid`.
    pub healthy: bool,
    /// Whether it is in rotation; true where nothing was sent.
    pub enabled: bool,
    /// Whether it lives by beats or a connection. `None` where the answer does
    /// not tell, as in the bulk reads of the 1.x and 2.x catalog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<bool>,
    /// The cluster; empty where none was sent, which means `DEFAULT`.
    pub cluster_name: String,
    /// The grouped service name (`GROUP@@name`); empty where none was sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// Metadata, without the entries whose value was `null`.
    pub metadata: BTreeMap<String, String>,
    /// What servers add to instances that they show. Written, never read.
    #[serde(flatten)]
    pub timing: Option<Timing>,
}

impl Default for Instance {
    /// Nacos's defaults: weight 1, healthy, enabled, ephemeral.
    fn default() -> Self {
        Self {
            instance_id: None,
            ip: String::new(),
            port: 0,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: Some(true),
            cluster_name: String::new(),
            service_name: String::new(),
            metadata: BTreeMap::new(),
            timing: None,
        }
    }
}

/// An instance as it comes, before absent fields take their defaults.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    #[serde(default)]
    instance_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    ip: String,
    #[serde(default, deserialize_with = "lenient::integer")]
    port: i64,
    #[serde(default, deserialize_with = "lenient::weight")]
    weight: Option<f64>,
    #[serde(default)]
    healthy: Option<bool>,
    #[serde(default)]
    valid: Option<bool>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    ephemeral: Option<bool>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    cluster_name: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    service_name: String,
    #[serde(default, deserialize_with = "lenient::metadata")]
    metadata: BTreeMap<String, String>,
}

impl From<Received> for Instance {
    fn from(received: Received) -> Self {
        Self {
            instance_id: received.instance_id.filter(|id| !id.is_empty()),
            ip: received.ip,
            port: received.port,
            weight: received.weight.unwrap_or(1.0),
            healthy: received.healthy.or(received.valid).unwrap_or(true),
            enabled: received.enabled.unwrap_or(true),
            ephemeral: received.ephemeral,
            cluster_name: received.cluster_name,
            service_name: received.service_name,
            metadata: received.metadata,
            timing: None,
        }
    }
}

/// The read-only fields that servers from 2.0 on add to each instance, all
/// derived from its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// How often the instance should beat, in milliseconds.
    pub instance_heart_beat_interval: i64,
    /// How long after its last beat it turns unhealthy, in milliseconds.
    pub instance_heart_beat_time_out: i64,
    /// How long after its last beat it is removed, in milliseconds.
    pub ip_delete_timeout: i64,
    /// `simple`, or what the metadata asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id_generator: Option<String>,
}

impl Timing {
    /// What a server derives from an instance's metadata: the preserved keys
    /// where they hold digits, else 5, 15 and 30 seconds. The generator is
    /// absent when there is metadata that does not name one (2.0 to 3.1).
    pub fn of(metadata: &BTreeMap<String, String>) -> Self {
        let milliseconds = |key: &str, default| {
            metadata
                .get(key)
                .filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|value| value.parse().ok())
                .unwrap_or(default)
        };
        let instance_id_generator = if metadata.is_empty() {
            Some("simple".to_owned())
        } else {
            metadata.get("preserved.instance.id.generator").cloned()
        };
        Self {
            instance_heart_beat_interval: milliseconds("preserved.heart.beat.interval", 5_000),
            instance_heart_beat_time_out: milliseconds("preserved.heart.beat.timeout", 15_000),
            ip_delete_timeout: milliseconds("preserved.ip.delete.timeout", 30_000),
            instance_id_generator,
        }
    }
}

/// A service with its instances, as lists, queries, subscriptions and pushes
/// carry it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceInfo {
    /// Without its group over gRPC, with it (`GROUP@@name`) over HTTP v1 and
    /// v2. [`ServiceInfo::service`] reads both.
    pub name: String,
    /// The group; empty in answers of 1.x and in UDP pushes of 2.x.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_name: String,
    /// The cluster filter that was asked for, comma-separated; empty for all.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub clusters: String,
    /// How often a client should poll, in milliseconds.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub cache_millis: i64,
    /// The instances. Required: an answer without hosts is not an empty list.
    pub hosts: Lenient<Instance>,
    /// When the answer was built, by the server's clock, in milliseconds. Not
    /// when the service changed; 0 where 1.x does not know the service.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub last_ref_time: i64,
    /// Empty from 2.0 on.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub checksum: String,
    /// Whether the protection threshold was reached: then every instance is
    /// shown healthy and the true health is not known.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub reach_protection_threshold: bool,
}

impl ServiceInfo {
    /// The group and the service's own name, whichever way they were sent. The
    /// group is empty if neither field tells it.
    pub fn service(&self) -> (&str, &str) {
        match split_grouped(&self.name) {
            Some(parts) => parts,
            None => (&self.group_name, &self.name),
        }
    }
}

/// Splits a grouped service name (`GROUP@@name`). As Nacos does, whatever
/// follows a second separator is dropped; `None` if there is no separator.
pub fn split_grouped(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.split("@@");
    let first = parts.next()?;
    let second = parts.next()?;
    Some((first, second))
}

impl Serialize for ServiceInfo {
    /// Writes every field, none of them null: the Rust and Python SDKs refuse
    /// anything less. `allIPs` became `allIps` in 3.0, so both are there.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut object = serializer.serialize_struct("ServiceInfo", 11)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("groupName", &self.group_name)?;
        object.serialize_field("clusters", &self.clusters)?;
        object.serialize_field("cacheMillis", &self.cache_millis)?;
        object.serialize_field("hosts", &self.hosts)?;
        object.serialize_field("lastRefTime", &self.last_ref_time)?;
        object.serialize_field("checksum", &self.checksum)?;
        object.serialize_field("allIPs", &false)?;
        object.serialize_field("allIps", &false)?;
        object.serialize_field("reachProtectionThreshold", &self.reach_protection_threshold)?;
        object.serialize_field("valid", &true)?;
        object.end()
    }
}
