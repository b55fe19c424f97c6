//! Instances over v1: register, update, beat, read.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use syncline_model::{ClusterName, Instance, InstanceKey, Metadata, Seen, ServiceKey, Weight};
use syncline_nacos::message;

use super::Site;
use super::age::aged;
use super::asker::{Asker, Heard};
use super::failure::{Code, Failure, ok};
use super::first;
use super::params::Params;
use crate::registry::Registry;
use crate::store::{
    Address, BeatTimes, Clusters, EditError, Kind, Override, Patch, Publication, PublishError,
    Snapshot,
};
use crate::wire::{
    BadInstance, Sent, ShownId, ShownMetadata, check_alone, read_instance, read_key, read_service,
};

/// As axum says it.
const JSON: &str = "application/json";

/// A beat was taken.
const TAKEN: u32 = 10_200;

/// A beat came for what is not registered: register again.
const NOT_REGISTERED: u32 = 20_404;

pub(super) async fn register(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let service = params.service()?;
    put_in(&site.registry, &params, &service).await?;
    Ok(ok())
}

/// Registers the instance that the parameters describe. A persistent one is on
/// disk then, where the registry keeps anything.
pub(super) async fn put_in(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(), Failure> {
    let kind = kind(params);
    let instance = described(registry, params, kind)?;
    if registry.settings().version.is_first_generation() {
        first::check_name(service)?;
    }
    let address = address_of(&instance.key, kind);
    let publication = Publication::one(instance, None);
    publish(registry, &address, service.clone(), publication)?;
    saved(registry, kind).await
}

/// Waits until what was done with a registration is on disk, if that outlives
/// the process at all.
async fn saved(registry: &Registry, kind: Kind) -> Result<(), Failure> {
    if kind == Kind::Persistent {
        registry.saved().await?;
    }
    Ok(())
}

fn publish(
    registry: &Registry,
    address: &Address,
    service: ServiceKey,
    publication: Publication,
) -> Result<(), Failure> {
    let published = registry.act(|store, now| {
        let service = store.shared_key(service);
        store.publish_address(address, &service, publication, now)
    });
    published.map_err(|error| match error {
        PublishError::WrongKind(wrong) => Failure::WrongKind(wrong, registry.settings().version),
        PublishError::OverQuota(over) => Failure::OverQuota(over),
        // Addresses have no connection to lose.
        PublishError::Disconnected => Failure::unreadable(error),
    })
}

pub(super) async fn deregister(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let service = params.service()?;
    take_out(&site.registry, &params, &service).await?;
    Ok(ok())
}

/// Removes what the address publishes of the service, if it is of the kind
/// that is named: ephemeral, where none is. Success also if there was nothing.
pub(super) async fn take_out(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(), Failure> {
    let kind = kind(params);
    let address = address_of(&named(registry, params)?, kind);
    registry.act(|store, now| store.withdraw_address(&address, service, now));
    saved(registry, kind).await
}

pub(super) async fn update(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let service = params.service()?;
    override_with(&site.registry, &params, &service).await?;
    Ok(ok())
}

/// Lays what the parameters describe over the instance, whoever published it.
pub(super) async fn override_with(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(), Failure> {
    let kind = kind(params);
    let instance = described(registry, params, kind)?;
    let set = Override::new(instance.weight, instance.enabled, instance.metadata);
    let edited = registry.act(|store, now| store.set_override(service, instance.key, set, now));
    edited.map_err(|_| {
        let ServiceKey {
            namespace,
            group,
            name,
        } = service;
        let text = format!(
            "service not found, namespace: {namespace}, service: Service{{namespace='{namespace}', \
             group='{group}', name='{name}', ephemeral={}, revision=0}}",
            kind.is_ephemeral()
        );
        Failure::Refused(Code::Instance, text)
    })?;
    Ok(registry.saved().await?)
}

pub(super) async fn patch(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let service = params.service()?;
    change(&site.registry, &params, &service).await?;
    Ok(ok())
}

/// Changes what the parameters name of an instance, and leaves the rest.
pub(super) async fn change(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(), Failure> {
    let instance = named(registry, params)?;
    let weight = match params.get("weight") {
        Some(_) => {
            let weight = params.number_or("weight", 1.0)?;
            Some(Weight::new(weight).ok_or(BadInstance::Weight)?)
        }
        None => None,
    };
    let enabled = params.get("enabled").or(params.get("enable"));
    let patch = Patch {
        weight,
        enabled: enabled.map(|_| enabled_flag(params)),
        metadata: params.metadata(&registry.inner.interner)?,
    };
    let patched = registry.act(|store, now| store.patch_instance(service, &instance, patch, now));
    patched.map_err(|error| match error {
        EditError::ServiceMissing if registry.settings().version.is_first_generation() => {
            Failure::Edit(EditError::InstanceMissing, service.grouped())
        }
        EditError::ServiceMissing => no_instances(&instance.cluster, service),
        other => Failure::of_edit(other, service.grouped()),
    })?;
    Ok(registry.saved().await?)
}

pub(super) async fn list(
    State(site): State<Site>,
    asker: Asker,
    params: Params,
) -> Result<Response, Failure> {
    let service = params.service()?;
    let clusters = Clusters::new(params.or("clusters", ""));
    let healthy_only = params.strict_flag("healthyOnly");
    let grouped = service.grouped();
    let heard = asker.listen(&site.registry, &params, &service, &clusters)?;
    let age = site.registry.age_of(&service);
    let answer = site.registry.shown(service, clusters, healthy_only)?;
    let list = match heard {
        Heard::ByPolling => Json(answer.shown_as(&grouped).polled()).into_response(),
        Heard::ByPush | Heard::Unasked => {
            ([(header::CONTENT_TYPE, JSON)], answer.over_http()?).into_response()
        }
    };
    Ok(aged(age, list))
}

pub(super) async fn detail(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    /// The v1 form of one instance.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Detail<'a> {
        service: &'a str,
        #[serde(flatten)]
        found: Found<'a>,
    }
    let service = params.service()?;
    let (snapshot, instance) = find(&site.registry, &params, &service)?;
    let grouped = service.grouped();
    Ok(Json(Detail {
        service: &grouped,
        found: Found::new(&snapshot, &instance, &grouped),
    })
    .into_response())
}

/// One instance as `detail` shows it, in v1 and v2 alike but for the key of
/// the service's name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found<'a> {
    ip: &'a str,
    port: u16,
    cluster_name: &'a str,
    weight: f64,
    healthy: bool,
    instance_id: ShownId<'a>,
    metadata: ShownMetadata<'a>,
}

impl<'a> Found<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, instance: &'a Instance, grouped: &'a str) -> Self {
        let key = &instance.key;
        Self {
            ip: key.host.as_str(),
            port: key.port.get(),
            cluster_name: key.cluster.as_str(),
            weight: instance.weight.get(),
            healthy: instance.healthy.or(true),
            instance_id: ShownId {
                snapshot,
                key,
                grouped,
            },
            metadata: ShownMetadata(&instance.metadata),
        }
    }
}

/// The instance that the parameters name. Unlike writes, reads know the
/// cluster by one name only.
pub(super) fn find(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(Arc<Snapshot>, Instance), Failure> {
    let cluster = params.or("clusterName", ClusterName::DEFAULT);
    let ip = params.required("ip")?;
    let port = params.integer("port")?;
    let key = read_key(ip, port, cluster, &registry.inner.interner)?;
    let snapshot = registry.look(service);
    let snapshot = if registry.settings().version.is_first_generation() {
        let snapshot = snapshot.ok_or_else(|| first::no_service(service))?;
        let instances = snapshot.set.instances();
        let in_cluster = instances.iter().any(|i| i.key.cluster == key.cluster);
        in_cluster.then_some(snapshot)
    } else {
        snapshot.filter(|snapshot| !snapshot.set.is_empty())
    };
    let snapshot = snapshot.ok_or_else(|| no_instances(&key.cluster, service))?;
    let instance = snapshot.set.get(&key).first().cloned();
    let instance =
        instance.ok_or_else(|| Failure::NotFound(Code::NotFound, "no matched ip found!".into()))?;
    Ok((snapshot, instance))
}

pub(super) async fn statuses(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    statuses_of(&site, params.declared("key")?)
}

/// The health of every instance of a service: `namespace##GROUP@@name`.
pub(super) fn statuses_of(site: &Site, key: &str) -> Result<Response, Failure> {
    let (namespace, grouped) = key.split_once("##").unwrap_or(("", key));
    let service = read_service(namespace, "", grouped);
    let snapshot = site.registry.look(&service);
    if snapshot.is_none() && site.registry.settings().version.is_first_generation() {
        let text = format!("service: {} not found.", service.grouped());
        return Err(Failure::NotFound(Code::NotFound, text));
    }
    let ips: Vec<String> = snapshot
        .iter()
        .flat_map(|snapshot| snapshot.set.instances())
        .map(|i| format!("{}:{}_{}", i.key.host, i.key.port, i.healthy.or(true)))
        .collect();
    Ok(Json(serde_json::json!({ "ips": ips })).into_response())
}

/// What a client sends with a full beat. A light one sends nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Beat {
    ip: String,
    port: i64,
    #[serde(default)]
    weight: Option<f64>,
    #[serde(default)]
    service_name: Option<String>,
    #[serde(default)]
    cluster: Option<String>,
    #[serde(default)]
    metadata: std::collections::BTreeMap<String, Option<String>>,
}

pub(super) async fn beat(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    /// What a client is told after a beat.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        client_beat_interval: u64,
        code: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        light_beat_enabled: Option<bool>,
    }
    let service = params.service()?;
    let version = site.registry.settings().version;
    let interval = take_beat(&site.registry, &params, &service)?;
    let default = BeatTimes::of(&Metadata::empty(), &site.registry.settings().life).interval;
    Ok(Json(Answer {
        client_beat_interval: interval.unwrap_or(default).as_millis() as u64,
        code: if interval.is_some() {
            TAKEN
        } else {
            NOT_REGISTERED
        },
        // 1.x forgets it where the client is to register.
        light_beat_enabled: (interval.is_some() || !version.is_first_generation()).then_some(true),
    })
    .into_response())
}

/// Takes a beat, and tells when the next one is wanted. A full beat of an
/// instance that is not registered registers it.
fn take_beat(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<Option<Duration>, Failure> {
    let Some(full) = params.get("beat") else {
        return light_beat(registry, params, service);
    };
    let beat: Beat = serde_json::from_str(full)?;
    if let Some(next) = beat_of(registry, service, &beat.ip, beat.port) {
        return Ok(Some(next));
    }
    // A beat for what can have no address is not worth an error.
    if read_key(&beat.ip, beat.port, "", &registry.inner.interner).is_err() {
        return Ok(None);
    }
    let metadata = beat.metadata.into_iter();
    let described = message::Instance {
        ip: beat.ip,
        port: beat.port,
        weight: beat.weight.unwrap_or(1.0),
        cluster_name: beat.cluster.unwrap_or_default(),
        metadata: metadata.filter_map(|(k, v)| Some((k, v?))).collect(),
        ..message::Instance::default()
    };
    // The name inside the beat is the one that a 2.x server goes by.
    let service = match beat.service_name.as_deref() {
        Some(name) if name.contains("@@") => read_service(service.namespace.as_str(), "", name),
        _ => service.clone(),
    };
    let sent = Sent::Alone(Kind::Ephemeral, registry.settings().version);
    let interner = &registry.inner.interner;
    let (instance, id) = read_instance(&described, sent, &service, interner)?;
    let times = BeatTimes::of(&instance.metadata, &registry.settings().life);
    let address = address_of(&instance.key, Kind::Ephemeral);
    publish(registry, &address, service, Publication::one(instance, id))?;
    Ok(Some(times.interval))
}

/// Takes a beat that says no more than whose it is, and so cannot register.
pub(super) fn light_beat(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<Option<Duration>, Failure> {
    let (ip, port) = (params.or("ip", ""), params.integer_or("port", 0)?);
    Ok(beat_of(registry, service, ip, port))
}

fn beat_of(registry: &Registry, service: &ServiceKey, ip: &str, port: i64) -> Option<Duration> {
    let key = read_key(ip, port, "", &registry.inner.interner).ok()?;
    let address = address_of(&key, Kind::Ephemeral);
    registry.act(|store, now| store.beat(&address, service, now))
}

/// The instance that the parameters describe, with Nacos's defaults.
pub(super) fn described(
    registry: &Registry,
    params: &Params,
    kind: Kind,
) -> Result<Instance, Failure> {
    let interner = &registry.inner.interner;
    let (ip, port) = (params.required("ip")?, params.integer("port")?);
    let weight = params.number_or("weight", 1.0)?;
    let metadata = params.metadata(interner)?;
    let instance = Instance {
        key: read_key(ip, port, cluster(params), interner)?,
        weight: Weight::new(weight).ok_or(BadInstance::Weight)?,
        healthy: Seen::Known(params.flag_or("healthy", true)),
        enabled: enabled_flag(params),
        ephemeral: Seen::Known(kind.is_ephemeral()),
        metadata: metadata.unwrap_or_else(Metadata::empty),
    };
    check_alone(&instance, registry.settings().version)?;
    Ok(instance)
}

/// The instance that the parameters of a write name.
pub(super) fn named(registry: &Registry, params: &Params) -> Result<InstanceKey, Failure> {
    let ip = params.required("ip")?;
    let port = params.integer("port")?;
    let interner = &registry.inner.interner;
    Ok(read_key(ip, port, cluster(params), interner)?)
}

fn cluster(params: &Params) -> &str {
    let cluster = params.get("clusterName").or(params.get("cluster"));
    cluster.unwrap_or(ClusterName::DEFAULT)
}

pub(super) fn kind(params: &Params) -> Kind {
    Kind::of(params.flag_or("ephemeral", true))
}

fn enabled_flag(params: &Params) -> bool {
    params.flag_or("enabled", params.flag_or("enable", true))
}

fn address_of(key: &InstanceKey, kind: Kind) -> Address {
    Address {
        host: key.host.clone(),
        port: key.port,
        kind,
    }
}

fn no_instances(cluster: &ClusterName, service: &ServiceKey) -> Failure {
    let grouped = service.grouped();
    let text = format!("no ips found for cluster {cluster} in service {grouped}");
    Failure::NotFound(Code::NotFound, text)
}
