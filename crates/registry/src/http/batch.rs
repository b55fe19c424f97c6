//! Metadata of many instances at once.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use syncline_model::{ClusterName, Instance, Metadata, ServiceKey};

use super::Site;
use super::failure::{Failure, InResult, result};
use super::params::Params;
use crate::registry::Registry;
use crate::store::Overlay;
use crate::wire::read_key;

/// How many instances are changed before others get the store.
const AT_ONCE: usize = 256;

/// What Nacos calls the data centre of every instance.
const SITE: &str = "unknown";

pub(super) async fn put(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let updated = lay(&site.registry, &params, &params.service()?, Overlay::Put).await?;
    Ok(Json(updated).into_response())
}

pub(super) async fn take(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let updated = lay(&site.registry, &params, &params.service()?, Overlay::Take).await?;
    Ok(Json(updated).into_response())
}

pub(super) async fn put_in_result(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let updated = lay(&site.registry, &params, &service, Overlay::Put).await?;
    Ok(result(updated))
}

pub(super) async fn take_in_result(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let updated = lay(&site.registry, &params, &service, Overlay::Take).await?;
    Ok(result(updated))
}

/// The instances that were found, each as `ip:port:unknown:cluster:kind`.
#[derive(Serialize)]
struct Updated {
    updated: Vec<String>,
}

/// One of the instances that a request names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    ip: String,
    port: i64,
    #[serde(default)]
    cluster_name: Option<String>,
}

/// Changes the metadata of the instances that are named, or of all where none
/// are. `consistencyType` is not looked at: each instance knows what it is.
async fn lay(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
    overlay: fn(Metadata) -> Overlay,
) -> Result<Updated, Failure> {
    params.required("metadata")?;
    let metadata = params.metadata(&registry.inner.interner)?;
    let overlay = overlay(metadata.unwrap_or_else(Metadata::empty));
    let all = registry.snapshot(service);
    let wanted: Vec<&Instance> = match named(params)? {
        Some(named) => {
            let mut wanted = Vec::new();
            for named in named {
                let cluster = named.cluster_name.as_deref();
                let cluster = cluster.unwrap_or(ClusterName::DEFAULT);
                let key = read_key(&named.ip, named.port, cluster, &registry.inner.interner)?;
                wanted.extend(all.get(&key).first());
            }
            wanted
        }
        None => all.instances().iter().collect(),
    };
    let mut updated = Vec::new();
    for wanted in wanted.chunks(AT_ONCE) {
        registry.act(|store, now| {
            let found = wanted
                .iter()
                .filter(|instance| store.overlay(service, instance, &overlay, now).is_ok());
            updated.extend(found.map(|instance| name(instance)));
        });
    }
    registry.saved().await?;
    Ok(Updated { updated })
}

/// The instances that are named. What cannot be read is refused (as from 2.5
/// on), and never taken for all of them.
fn named(params: &Params) -> Result<Option<Vec<Named>>, Failure> {
    let Some(text) = params.get("instances") else {
        return Ok(None);
    };
    let named: Vec<Named> = serde_json::from_str(text)
        .map_err(|error| Failure::invalid(format!("instances cannot be read: {error}")))?;
    Ok((!named.is_empty()).then_some(named))
}

fn name(instance: &Instance) -> String {
    let key = &instance.key;
    let kind = match instance.ephemeral.or(true) {
        true => "ephemeral",
        false => "persist",
    };
    format!("{}:{}:{SITE}:{}:{kind}", key.host, key.port, key.cluster)
}
