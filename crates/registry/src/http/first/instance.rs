//! Instances as consumers of 1.x are shown them, and updates as 1.x does them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use syncline_model::{Instance, InstanceKey, ServiceKey};

use crate::http::Site;
use crate::http::asker::{Asker, Heard};
use crate::http::catalog::ShownOrEmpty;
use crate::http::failure::{Failure, ok};
use crate::http::instance::{described, kind, named, override_with, put_in};
use crate::http::params::Params;
use crate::registry::Registry;
use crate::store::{Clusters, Holder, Snapshot};
use crate::wire::{ShownId, ShownMetadata};

/// What clients are told to wait between polls, in milliseconds.
const CACHE_MILLIS: u32 = 3_000;

/// The same for those that are pushed changes.
const CACHE_MILLIS_PUSHED: u32 = 10_000;

/// A service with its instances, as 1.x shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
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

pub(super) async fn list(
    State(site): State<Site>,
    asker: Asker,
    params: Params,
) -> Result<Response, Failure> {
    let service = params.service()?;
    let clusters = Clusters::new(params.or("clusters", ""));
    let healthy_only = params.strict_flag("healthyOnly");
    let heard = asker.listen(&site.registry, &params, &service, &clusters)?;
    let cache_millis = match heard {
        Heard::ByPush => CACHE_MILLIS_PUSHED,
        Heard::ByPolling | Heard::Unasked => CACHE_MILLIS,
    };
    let grouped = service.grouped();
    let Some(snapshot) = site.registry.look(&service) else {
        let mut body = serde_json::json!({
            "name": grouped, "clusters": clusters.as_str(), "hosts": [],
        });
        if site.registry.settings().version.is_since_1_4() {
            body["cacheMillis"] = cache_millis.into();
        }
        return Ok(Json(body).into_response());
    };
    // Only Java's clients want the group in the name.
    let name = match asker.is_java_of_1() {
        true => &grouped,
        false => service.name.as_str(),
    };
    let hosts = consumers_view(&snapshot, &clusters, healthy_only);
    let hosts = hosts.into_iter().map(|(instance, healthy)| {
        let key = &instance.key;
        Host {
            ip: key.host.as_str(),
            port: key.port.get(),
            valid: healthy,
            healthy,
            marked: false,
            instance_id: ShownId {
                snapshot: &snapshot,
                key,
                grouped: &grouped,
            },
            metadata: ShownMetadata(&instance.metadata),
            enabled: instance.enabled,
            weight: instance.weight.get(),
            cluster_name: key.cluster.as_str(),
            service_name: name,
            ephemeral: instance.ephemeral.or(snapshot.ephemeral),
        }
    });
    let shown = Shown {
        hosts: hosts.collect(),
        dom: name,
        name: &grouped,
        cache_millis,
        last_ref_time: snapshot.stamp.unix_millis(),
        checksum: format!("{:032x}", snapshot.set.fingerprint()),
        use_specified_url: false,
        clusters: clusters.as_str(),
        env: "",
        metadata: ShownOrEmpty(&snapshot),
    };
    Ok(Json(shown).into_response())
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

/// Registers what the parameters describe anew. Java's clients update only
/// what is there; for others, an update is a registration.
pub(super) async fn update(
    State(site): State<Site>,
    asker: Asker,
    params: Params,
) -> Result<Response, Failure> {
    let service = params.service()?;
    let registry = &site.registry;
    match held(registry, &params, &service)? {
        None if asker.is_java_of_1() => return Err(not_there(registry, &params, &service)?),
        None | Some(Held::ByAddress) => put_in(registry, &params, &service).await?,
        // A second instance beside it would not be an update.
        Some(Held::Otherwise) => override_with(registry, &params, &service).await?,
    }
    Ok(ok())
}

/// What a Java client is told that updates what is not there.
fn not_there(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<Failure, Failure> {
    let text = if registry.look(service).is_none() {
        let grouped = service.grouped();
        format!(
            "service not found, namespace: {}, service: {grouped}",
            service.namespace
        )
    } else {
        let instance = described(registry, params, kind(params))?;
        let InstanceKey {
            host,
            port,
            cluster,
        } = &instance.key;
        let (weight, healthy) = (instance.weight.get(), instance.healthy.or(true));
        format!(
            "instance not exist: {host}:{port}:unknown:{cluster}_{weight:?}_{healthy}_false_{cluster}"
        )
    };
    Ok(Failure::UpdatedNothing(text))
}

/// How an instance that is there is kept alive.
enum Held {
    /// As by clients of 1.x.
    ByAddress,
    /// By a connection, or by a link.
    Otherwise,
}

/// How the instance that the parameters name is held, if it is there.
fn held(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<Option<Held>, Failure> {
    let instance = named(registry, params)?;
    let kind = kind(params);
    Ok(registry.act(|store, _| {
        let holders = store.publications(service).filter(|(_, _, publication)| {
            let instances = publication.instances().iter();
            instances.map(|i| &i.key).any(|key| *key == instance)
        });
        let held = holders.map(|(_, holder, _)| match holder {
            Holder::Address(address) if address.kind == kind => Held::ByAddress,
            _ => Held::Otherwise,
        });
        held.last()
    }))
}
