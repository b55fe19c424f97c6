//! A service with its instances as 1.x shows it to consumers: in answers to
//! list calls, and in pushes over UDP.

use serde::Serialize;
use serde_json::{Value, json};
use syncline_model::Instance;

use crate::presented::PresentedVersion;
use crate::store::{Clusters, Snapshot};
use crate::wire::{ShownId, ShownMetadata, ShownOrEmpty};

/// What clients are told to wait between polls, in milliseconds.
pub(crate) const CACHE_MILLIS: u32 = 3_000;

/// The same for those that are pushed changes.
pub(crate) const CACHE_MILLIS_PUSHED: u32 = 10_000;

/// A service with its instances.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed<'a> {
    hosts: Vec<Host<'a>>,
    dom: &'a str,
    name: &'a str,
    cache_millis: u32,
    last_ref_time: u64,
    checksum: String,
    #[serde(rename = "useSpecifiedURL")]
    use_specified_url: bool,
    clusters: &'a str,
    env: &'static str,
    metadata: ShownOrEmpty<'a>,
}

/// One of them. Its health is told twice.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Host<'a> {
    ip: &'a str,
    port: u16,
    valid: bool,
    healthy: bool,
    marked: bool,
    instance_id: ShownId<'a>,
    metadata: ShownMetadata<'a>,
    enabled: bool,
    weight: f64,
    cluster_name: &'a str,
    service_name: &'a str,
    ephemeral: bool,
}

/// Whom a list is for.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) clusters: &'a Clusters,
    pub(crate) healthy_only: bool,
    /// Only Java's clients of 1.0 and later want the group in the names.
    pub(crate) is_java: bool,
    pub(crate) cache_millis: u32,
}

impl<'a> Listed<'a> {
    /// A service of that name in its group, and as it is called without.
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        (grouped, plain): (&'a str, &'a str),
        reader: Reader<'a>,
    ) -> Self {
        let name = if reader.is_java { grouped } else { plain };
        let hosts = consumers_view(snapshot, reader.clusters, reader.healthy_only);
        let hosts = hosts.into_iter().map(|(instance, healthy)| {
            let key = &instance.key;
            Host {
                ip: key.host.as_str(),
                port: key.port.get(),
                valid: healthy,
                healthy,
                marked: false,
                instance_id: ShownId {
                    snapshot,
                    key,
                    grouped,
                },
                metadata: ShownMetadata(&instance.metadata),
                enabled: instance.enabled,
                weight: instance.weight.get(),
                cluster_name: key.cluster.as_str(),
                service_name: name,
                ephemeral: instance.ephemeral.or(snapshot.ephemeral),
            }
        });
        Self {
            hosts: hosts.collect(),
            dom: name,
            name: grouped,
            cache_millis: reader.cache_millis,
            last_ref_time: snapshot.stamp.unix_millis(),
            checksum: format!("{:032x}", snapshot.set.fingerprint()),
            use_specified_url: false,
            clusters: reader.clusters.as_str(),
            env: "",
            metadata: ShownOrEmpty(snapshot),
        }
    }
}

/// What is shown of a service that is not there.
pub(crate) fn nothing(grouped: &str, reader: Reader<'_>, version: PresentedVersion) -> Value {
    let mut body = json!({
        "name": grouped, "clusters": reader.clusters.as_str(), "hosts": [],
    });
    if version.is_since_1_4() {
        body["cacheMillis"] = reader.cache_millis.into();
    }
    body
}

/// The instances of the wanted clusters, each with the health that it is shown
/// with. Every service has a protect threshold, and it is looked at before
/// anything is left out: unlike in 2.x, instances of which none is healthy are
/// shown as if all were.
fn consumers_view<'a>(
    snapshot: &'a Snapshot,
    clusters: &Clusters,
    healthy_only: bool,
) -> Vec<(&'a Instance, bool)> {
    let all = snapshot.set.instances().iter();
    let all: Vec<_> = all
        .filter(|i| clusters.contain(i.key.cluster.as_str()))
        .collect();
    let healthy = all.iter().filter(|i| i.healthy.or(true)).count();
    let threshold = snapshot.threshold().unwrap_or(0.0);
    let protected = healthy as f64 / all.len() as f64 <= threshold;
    all.into_iter()
        .map(|instance| (instance, protected || instance.healthy.or(true)))
        .filter(|(instance, healthy)| instance.enabled && (*healthy || !healthy_only))
        .collect()
}
