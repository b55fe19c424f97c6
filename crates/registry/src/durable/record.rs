//! How durable parts are written as bytes: JSON that a person can read, sealed
//! by a checksum.
//!
//! The checksum covers the key as well, so that a record that ends up under
//! another part's key is as bad as one with a flipped bit. Fractions are
//! written as text, which brings back every bit of them, and also what JSON has
//! no number for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_model::{
    ClusterName, Instance, InstanceKey, Metadata, NamespaceId, Port, Seen, ServiceKey, Weight,
};

use crate::checks::{Checker, ClusterRecord};
use crate::intern::Interner;
use crate::selector::Selector;
use crate::store::{Durable, DurableKey, Kind, NamespaceRecord, Override, Part, ServiceRecord};

const CHECKSUM_BYTES: usize = 4;

/// Why bytes are not the record that should stand there.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("its checksum does not match")]
    Checksum,
    #[error("it cannot be read")]
    Unreadable(#[from] serde_json::Error),
    #[error("its {0} makes no sense")]
    Senseless(&'static str),
}

/// Namespace, group, name, and the part.
#[derive(Serialize, Deserialize)]
struct StoredKey(String, String, String, StoredPart);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredPart {
    /// Stands without a group and a name.
    Namespace,
    Settings,
    Override(String, u16, String),
    Instance(String, u16),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredNamespace {
    name: String,
    description: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredSettings {
    ephemeral: Option<bool>,
    record: Option<StoredRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredRecord {
    protect_threshold: String,
    metadata: BTreeMap<String, String>,
    /// The expression of a label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    #[serde(default)]
    clusters: BTreeMap<String, StoredCluster>,
    /// Checkers alone, as format 1 had them.
    #[serde(default, skip_serializing)]
    checkers: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredCluster {
    checker: String,
    check_port: i32,
    own_port: bool,
    metadata: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredOverride {
    weight: String,
    enabled: bool,
    metadata: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct StoredInstance {
    cluster: String,
    weight: String,
    healthy: Option<bool>,
    enabled: bool,
    ephemeral: Option<bool>,
    metadata: BTreeMap<String, String>,
    id: Option<String>,
}

/// The bytes under which a part stands.
pub(super) fn encode_key(key: &DurableKey) -> Result<Vec<u8>, RecordError> {
    let (service, part) = match key {
        DurableKey::Service(service, part) => (service, part),
        DurableKey::Namespace(id) => {
            let (nothing, part) = (String::new(), StoredPart::Namespace);
            let key = StoredKey(id.to_string(), nothing.clone(), nothing, part);
            return Ok(serde_json::to_vec(&key)?);
        }
    };
    let part = match part {
        Part::Settings => StoredPart::Settings,
        Part::Override(instance) => StoredPart::Override(
            instance.host.to_string(),
            instance.port.get(),
            instance.cluster.to_string(),
        ),
        Part::Instance(host, port) => StoredPart::Instance(host.to_string(), port.get()),
    };
    let ServiceKey {
        namespace,
        group,
        name,
    } = service;
    let key = StoredKey(
        namespace.to_string(),
        group.to_string(),
        name.to_string(),
        part,
    );
    Ok(serde_json::to_vec(&key)?)
}

/// The part that stands under such bytes.
pub(super) fn decode_key(bytes: &[u8]) -> Result<DurableKey, RecordError> {
    let StoredKey(namespace, group, name, part) = serde_json::from_slice(bytes)?;
    let port = |port| Port::new(port).ok_or(RecordError::Senseless("port"));
    let part = match part {
        StoredPart::Namespace => return Ok(DurableKey::Namespace(NamespaceId::from(namespace))),
        StoredPart::Settings => Part::Settings,
        StoredPart::Override(host, at, cluster) => Part::Override(InstanceKey {
            host: host.as_str().into(),
            port: port(at)?,
            cluster: ClusterName::from(cluster),
        }),
        StoredPart::Instance(host, at) => Part::Instance(host.as_str().into(), port(at)?),
    };
    let service = ServiceKey::new(namespace, group, name);
    Ok(DurableKey::Service(service, part))
}

/// A part's content, sealed together with its key.
pub(super) fn encode(key: &[u8], durable: &Durable) -> Result<Vec<u8>, RecordError> {
    let body = match durable {
        Durable::Namespace(record) => serde_json::to_vec(&StoredNamespace {
            name: record.name.clone(),
            description: record.description.clone(),
        }),
        Durable::Settings { kind, record } => serde_json::to_vec(&StoredSettings {
            ephemeral: kind.map(Kind::is_ephemeral),
            record: record.as_deref().map(store_record).transpose()?,
        }),
        Durable::Override(set) => serde_json::to_vec(&StoredOverride {
            weight: set.weight.get().to_string(),
            enabled: set.enabled,
            metadata: store_metadata(&set.metadata),
        }),
        Durable::Instance { instance, id } => serde_json::to_vec(&StoredInstance {
            cluster: instance.key.cluster.to_string(),
            weight: instance.weight.get().to_string(),
            healthy: store_seen(instance.healthy),
            enabled: instance.enabled,
            ephemeral: store_seen(instance.ephemeral),
            metadata: store_metadata(&instance.metadata),
            id: id.as_deref().map(str::to_owned),
        }),
    }?;
    Ok([&checksum(key, &body), body.as_slice()].concat())
}

/// A part's content, if it is what was written under that key.
pub(super) fn decode(
    bytes: &[u8],
    key: &DurableKey,
    sealed: &[u8],
    interner: &Interner,
) -> Result<Durable, RecordError> {
    let (stored, body) = sealed
        .split_first_chunk::<CHECKSUM_BYTES>()
        .ok_or(RecordError::Checksum)?;
    if *stored != checksum(bytes, body) {
        return Err(RecordError::Checksum);
    }
    let metadata = |pairs: &BTreeMap<String, String>| {
        interner.metadata(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    };
    let part = match key {
        DurableKey::Service(_, part) => part,
        DurableKey::Namespace(_) => {
            let StoredNamespace { name, description } = serde_json::from_slice(body)?;
            return Ok(Durable::Namespace(NamespaceRecord { name, description }));
        }
    };
    Ok(match part {
        Part::Settings => {
            let StoredSettings { ephemeral, record } = serde_json::from_slice(body)?;
            let record = record.map(|record| {
                let threshold = record.protect_threshold.parse();
                Ok::<_, RecordError>(Arc::new(ServiceRecord {
                    protect_threshold: threshold
                        .map_err(|_| RecordError::Senseless("protect threshold"))?,
                    metadata: metadata(&record.metadata),
                    selector: read_selector(record.selector.as_deref())?,
                    clusters: read_clusters(&record, metadata)?,
                }))
            });
            Durable::Settings {
                kind: ephemeral.map(Kind::of),
                record: record.transpose()?,
            }
        }
        Part::Override(_) => {
            let set: StoredOverride = serde_json::from_slice(body)?;
            let weight = read_weight(&set.weight)?;
            Durable::Override(Override::new(weight, set.enabled, metadata(&set.metadata)))
        }
        Part::Instance(host, port) => {
            let stored: StoredInstance = serde_json::from_slice(body)?;
            let instance = Instance {
                key: InstanceKey {
                    host: host.clone(),
                    port: *port,
                    cluster: ClusterName::new(interner.text(&stored.cluster)),
                },
                weight: read_weight(&stored.weight)?,
                healthy: read_seen(stored.healthy),
                enabled: stored.enabled,
                ephemeral: read_seen(stored.ephemeral),
                metadata: metadata(&stored.metadata),
            };
            Durable::Instance {
                instance: Box::new(instance),
                id: stored.id.map(Arc::from),
            }
        }
    })
}

fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize().to_le_bytes()
}

fn store_record(record: &ServiceRecord) -> Result<StoredRecord, RecordError> {
    let clusters = record.clusters.iter().map(|(name, cluster)| {
        let stored = StoredCluster {
            checker: serde_json::to_string(&cluster.checker)?,
            check_port: cluster.check_port,
            own_port: cluster.own_port,
            metadata: store_metadata(&cluster.metadata),
        };
        Ok::<_, RecordError>((name.to_string(), stored))
    });
    Ok(StoredRecord {
        protect_threshold: record.protect_threshold.to_string(),
        metadata: store_metadata(&record.metadata),
        selector: match &record.selector {
            Selector::None => None,
            Selector::Label { expression, .. } => Some(expression.clone()),
        },
        clusters: clusters.collect::<Result<_, _>>()?,
        checkers: BTreeMap::new(),
    })
}

fn read_selector(stored: Option<&str>) -> Result<Selector, RecordError> {
    let selector = stored.map_or(Ok(Selector::None), Selector::label);
    selector.map_err(|_| RecordError::Senseless("selector"))
}

fn read_clusters(
    stored: &StoredRecord,
    metadata: impl Fn(&BTreeMap<String, String>) -> Metadata,
) -> Result<BTreeMap<ClusterName, Arc<ClusterRecord>>, RecordError> {
    let named = |name: &str, cluster| (ClusterName::from(name), Arc::new(cluster));
    let alone = stored.checkers.iter().map(|(name, checker)| {
        let cluster = ClusterRecord {
            checker: Checker::parse(checker)?,
            ..ClusterRecord::default()
        };
        Ok(named(name, cluster))
    });
    let whole = stored.clusters.iter().map(|(name, cluster)| {
        let cluster = ClusterRecord {
            checker: Checker::parse(&cluster.checker)?,
            check_port: cluster.check_port,
            own_port: cluster.own_port,
            metadata: metadata(&cluster.metadata),
        };
        Ok(named(name, cluster))
    });
    alone.chain(whole).collect()
}

fn store_metadata(metadata: &Metadata) -> BTreeMap<String, String> {
    let pairs = metadata.iter();
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn read_weight(text: &str) -> Result<Weight, RecordError> {
    let weight = text.parse().ok().and_then(Weight::new);
    weight.ok_or(RecordError::Senseless("weight"))
}

fn store_seen(seen: Seen<bool>) -> Option<bool> {
    match seen {
        Seen::Known(value) => Some(value),
        Seen::Unknown => None,
    }
}

fn read_seen(stored: Option<bool>) -> Seen<bool> {
    stored.map_or(Seen::Unknown, Seen::Known)
}
