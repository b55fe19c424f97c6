//! The registry's clients as operators see them: connections, addresses that
//! registered over HTTP, and links of ours. v2 and v3 say the same of them in
//! other words.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use syncline_model::{Instance, ServiceKey};

use super::Site;
use super::failure::{Code, Failure, InResult, result};
use super::params::Params;
use super::subscribers;
use crate::grpc::Peer;
use crate::publishers::name_of;
use crate::registry::Registry;
use crate::store::{ClientId, Holder};

/// Whose words are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Words {
    V2,
    V3,
}

/// The pages below `/client`.
pub(super) fn routes(words: Words) -> Router<Site> {
    Router::new()
        .route("/client/list", get(list))
        .route(
            "/client",
            get(move |site, params| detail(site, params, words)),
        )
        .route(
            "/client/publish/list",
            get(move |site, params| published(site, params, words)),
        )
        .route(
            "/client/subscribe/list",
            get(move |site, params| subscribed(site, params, words)),
        )
        .route(
            "/client/service/publisher/list",
            get(move |site, params| publishers(site, params, words)),
        )
        .route(
            "/client/service/subscriber/list",
            get(move |site, params| subscribers_of(site, params, words)),
        )
}

/// All clients with their names; those that just left have none.
fn all(registry: &Registry) -> Vec<(String, ClientId, Holder)> {
    let clients: Vec<(ClientId, Holder)> = registry.act(|store, _| {
        let clients = store.clients();
        clients.map(|(id, holder)| (id, holder.clone())).collect()
    });
    let outboxes = registry.inner.outboxes.read();
    let clients = clients.into_iter();
    let mut named: Vec<_> = clients
        .filter_map(|(id, holder)| {
            let name = name_of(&holder, outboxes.peer(id).as_deref())?;
            Some((name, id, holder))
        })
        .collect();
    named.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    named
}

/// The client that a request names.
fn named(registry: &Registry, params: &Params) -> Result<(String, ClientId, Holder), Failure> {
    let wanted = params.required("clientId")?;
    let mut clients = all(registry).into_iter();
    let found = clients.find(|(name, ..)| name == wanted);
    found.ok_or_else(|| {
        let text = format!("clientId [ {wanted} ] not exist");
        Failure::NotFound(Code::NotFound, text)
    })
}

async fn list(State(site): State<Site>) -> Response {
    let names = all(&site.registry).into_iter().map(|(name, ..)| name);
    result(names.collect::<Vec<_>>())
}

async fn detail(
    State(site): State<Site>,
    params: Params,
    words: Words,
) -> Result<Response, InResult> {
    let (name, id, holder) = named(&site.registry, &params)?;
    let peer = site.registry.inner.outboxes.read().peer(id);
    Ok(result(match (peer, holder) {
        (Some(peer), _) => json!({
            "clientId": name,
            "ephemeral": true,
            "clientType": "connection",
            "connectType": "GRPC",
            "appName": peer.app,
            "version": peer.agent,
            "clientIp": peer.address.ip(),
            "clientPort": peer.address.port(),
        }),
        (None, Holder::Address(address)) if is_told(words, &site) => json!({
            "clientId": name,
            "ephemeral": address.kind.is_ephemeral(),
            "clientType": "ipPort",
            "clientIp": address.host.as_str(),
            "clientPort": address.port.to_string(),
        }),
        // A link is none of Nacos's kinds, and nearest to this one.
        (None, holder) => json!({
            "clientId": name,
            "ephemeral": !matches!(holder, Holder::Address(a) if !a.kind.is_ephemeral()),
            "clientType": "ipPort",
            "connectType": null,
            "appName": null,
            "version": null,
            "clientIp": null,
            "clientPort": 0,
        }),
    }))
}

/// Whether the page of an address has it once more in parts, as until 3.0.
fn is_told(words: Words, site: &Site) -> bool {
    words == Words::V2 && !site.registry.settings().version.has_v3()
}

async fn published(
    State(site): State<Site>,
    params: Params,
    words: Words,
) -> Result<Response, InResult> {
    let (_, id, _) = named(&site.registry, &params)?;
    let published = site.registry.act(|store, _| store.published_by(id));
    let shown = published.iter().map(|(service, instance)| {
        let mut shown = service_in(words, service);
        match words {
            Words::V2 => shown["registeredInstance"] = instance_in(words, None, instance),
            Words::V3 => {
                shown["publisherInfo"] = instance_in(words, Some(Value::Null), instance);
                shown["subscriberInfo"] = Value::Null;
            }
        }
        shown
    });
    Ok(result(shown.collect::<Vec<_>>()))
}

async fn subscribed(
    State(site): State<Site>,
    params: Params,
    words: Words,
) -> Result<Response, InResult> {
    let (_, id, _) = named(&site.registry, &params)?;
    let subscribed = site.registry.act(|store, _| store.subscribed_by(id));
    let peer = site.registry.inner.outboxes.read().peer(id);
    let Some(peer) = peer else {
        return Ok(result([(); 0]));
    };
    let ip = peer.address.ip();
    let shown = subscribed.iter().map(|service| {
        let mut shown = service_in(words, service);
        match words {
            Words::V2 => {
                shown["subscriberInfo"] =
                    json!({ "app": peer.app, "agent": peer.agent, "addr": ip });
            }
            Words::V3 => {
                shown["publisherInfo"] = Value::Null;
                shown["subscriberInfo"] = json!({
                    "clientId": null, "appName": peer.app, "agent": peer.agent, "address": ip,
                });
            }
        }
        shown
    });
    Ok(result(shown.collect::<Vec<_>>()))
}

async fn publishers(
    State(site): State<Site>,
    params: Params,
    words: Words,
) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let publishers = site.registry.act(|store, _| store.publishers(&service));
    let outboxes = site.registry.inner.outboxes.read();
    let shown = publishers.iter().filter_map(|(id, holder, instance)| {
        let name = name_of(holder, outboxes.peer(*id).as_deref())?;
        Some(instance_in(words, Some(name.into()), instance))
    });
    Ok(result(shown.collect::<Vec<_>>()))
}

async fn subscribers_of(
    State(site): State<Site>,
    params: Params,
    words: Words,
) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let subscriptions = subscribers::of_service(&site.registry, &service).into_iter();
    let shown = subscriptions.map(|subscription| {
        let peer: Arc<Peer> = subscription.peer;
        let ip = peer.address.ip();
        match words {
            Words::V2 => json!({ "clientId": peer.id, "ip": ip, "port": 0 }),
            Words::V3 => json!({
                "clientId": peer.id, "appName": peer.app, "agent": peer.agent, "address": ip,
            }),
        }
    });
    Ok(result(shown.collect::<Vec<_>>()))
}

fn service_in(words: Words, service: &ServiceKey) -> Value {
    let (namespace, group) = match words {
        Words::V2 => ("namespace", "group"),
        Words::V3 => ("namespaceId", "groupName"),
    };
    json!({
        namespace: service.namespace.as_str(),
        group: service.group.as_str(),
        "serviceName": service.name.as_str(),
    })
}

fn instance_in(words: Words, client: Option<Value>, instance: &Instance) -> Value {
    let cluster = match words {
        Words::V2 => "cluster",
        Words::V3 => "clusterName",
    };
    let key = &instance.key;
    let mut shown = json!({
        "ip": key.host.as_str(), "port": key.port.get(), cluster: key.cluster.as_str(),
    });
    if let Some(client) = client {
        shown["clientId"] = client;
    }
    shown
}
