//! The registry's clients as operators see them: connections, addresses that
//! registered over HTTP or are pushed to over UDP, and links of ours. v2 and v3
//! say the same of them in other words.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use syncline_model::{Instance, ServiceKey};

use super::Site;
use super::failure::{Code, Failure, InResult, result};
use super::params::Params;
use super::subscribers::{self, listening};
use crate::publishers::name_of;
use crate::registry::Registry;
use crate::store::{ClientId, Holder};
use crate::udp::Listener;

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

/// A client that a request names. An address may both publish and listen, and
/// is one client then.
struct Named {
    name: String,
    /// What it is in the store, unless it only listens.
    held: Option<(ClientId, Holder)>,
    listens: Vec<Listener>,
}

impl Named {
    fn of(registry: &Registry, params: &Params) -> Result<Self, Failure> {
        let wanted = params.required("clientId")?;
        let mut clients = all(registry).into_iter();
        let held = clients.find(|(name, ..)| name == wanted);
        let held = held.map(|(_, id, holder)| (id, holder));
        let udp = &registry.inner.udp;
        let listens = udp.listeners(|it| listening(it.address) == wanted);
        if held.is_none() && listens.is_empty() {
            let text = format!("clientId [ {wanted} ] not exist");
            return Err(Failure::NotFound(Code::NotFound, text));
        }
        Ok(Self {
            name: wanted.to_owned(),
            held,
            listens,
        })
    }

    /// Host, port and kind of one that is an address.
    fn address(&self) -> Option<(String, u16, bool)> {
        match (&self.held, self.listens.first()) {
            (Some((_, Holder::Address(address))), _) => Some((
                address.host.as_str().to_owned(),
                address.port.get(),
                address.kind.is_ephemeral(),
            )),
            (None, Some(listener)) => {
                let address = listener.subscriber.address;
                Some((address.ip().to_string(), address.port(), true))
            }
            _ => None,
        }
    }
}

async fn list(State(site): State<Site>) -> Response {
    let held = all(&site.registry).into_iter().map(|(name, ..)| name);
    let listeners = site.registry.inner.udp.listeners(|_| true);
    let listeners = listeners.iter().map(|it| listening(it.subscriber.address));
    let mut names: Vec<_> = held.chain(listeners).collect();
    names.sort();
    names.dedup();
    result(names)
}

async fn detail(
    State(site): State<Site>,
    params: Params,
    words: Words,
) -> Result<Response, InResult> {
    let client = Named::of(&site.registry, &params)?;
    let outboxes = site.registry.inner.outboxes.read();
    let peer = client.held.as_ref().and_then(|(id, _)| outboxes.peer(*id));
    Ok(result(match (peer, client.address()) {
        (Some(peer), _) => json!({
            "clientId": client.name,
            "ephemeral": true,
            "clientType": "connection",
            "connectType": "GRPC",
            "appName": peer.app,
            "version": peer.agent,
            "clientIp": peer.address.ip(),
            "clientPort": peer.address.port(),
        }),
        (None, Some((host, port, ephemeral))) if is_told(words, &site) => json!({
            "clientId": client.name,
            "ephemeral": ephemeral,
            "clientType": "ipPort",
            "clientIp": host,
            "clientPort": port.to_string(),
        }),
        // A link is none of Nacos's kinds, and nearest to this one.
        (None, address) => json!({
            "clientId": client.name,
            "ephemeral": address.is_none_or(|(_, _, ephemeral)| ephemeral),
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
    let client = Named::of(&site.registry, &params)?;
    let published = match client.held {
        Some((id, _)) => site.registry.act(|store, _| store.published_by(id)),
        None => Vec::new(),
    };
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
    let client = Named::of(&site.registry, &params)?;
    let held = client.held.map(|(id, _)| id);
    let subscribed = subscribers::of_client(&site.registry, held, client.listens);
    let shown = subscribed.iter().map(|subscription| {
        let mut shown = service_in(words, &subscription.service);
        let (app, agent) = (&subscription.app, &subscription.agent);
        let address = subscription.address();
        match words {
            Words::V2 => {
                shown["subscriberInfo"] = json!({ "app": app, "agent": agent, "addr": address });
            }
            Words::V3 => {
                shown["publisherInfo"] = Value::Null;
                shown["subscriberInfo"] = json!({
                    "clientId": null, "appName": app, "agent": agent, "address": address,
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
    let shown = subscriptions.map(|it| match words {
        Words::V2 => json!({ "clientId": it.client, "ip": it.ip, "port": it.port }),
        Words::V3 => json!({
            "clientId": it.client, "appName": it.app, "agent": it.agent, "address": it.address(),
        }),
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
