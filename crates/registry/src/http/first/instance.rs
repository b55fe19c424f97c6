//! Instances as consumers of 1.x are shown them, and updates as 1.x does them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use syncline_model::{InstanceKey, ServiceKey};

use crate::http::Site;
use crate::http::age::aged;
use crate::http::asker::{Asker, Heard};
use crate::http::failure::{Failure, ok};
use crate::http::instance::{described, kind, named, override_with, put_in};
use crate::http::params::Params;
use crate::listed::{self, CACHE_MILLIS, CACHE_MILLIS_PUSHED, Listed, Reader};
use crate::registry::Registry;
use crate::store::{Clusters, Holder};

pub(super) async fn list(
    State(site): State<Site>,
    asker: Asker,
    params: Params,
) -> Result<Response, Failure> {
    let service = params.service()?;
    let clusters = Clusters::new(params.or("clusters", ""));
    let healthy_only = params.strict_flag("healthyOnly");
    let heard = asker.listen(&site.registry, &params, &service, &clusters)?;
    let reader = Reader {
        clusters: &clusters,
        healthy_only,
        is_java: asker.is_java_of_1(),
        cache_millis: match heard {
            Heard::ByPush => CACHE_MILLIS_PUSHED,
            Heard::ByPolling | Heard::Unasked => CACHE_MILLIS,
        },
    };
    let grouped = service.grouped();
    let Some(snapshot) = site.registry.look(&service) else {
        let version = site.registry.settings().version;
        return Ok(Json(listed::nothing(&grouped, reader, version)).into_response());
    };
    let listed = Listed::new(&snapshot, (&grouped, service.name.as_str()), reader);
    let age = site.registry.age_of(&service);
    Ok(aged(age, Json(listed).into_response()))
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
