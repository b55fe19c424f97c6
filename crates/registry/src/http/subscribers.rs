//! Who is subscribed to a service: connections, and addresses that are pushed
//! to over UDP.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use syncline_model::ServiceKey;

use super::Site;
use super::failure::Failure;
use super::params::Params;
use crate::grpc::Peer;
use crate::page::page;
use crate::registry::Registry;
use crate::store::{ClientId, Clusters};
use crate::udp::Listener;

/// One subscription of a client that is there.
pub(super) struct Subscription {
    pub(super) service: ServiceKey,
    clusters: Clusters,
    /// The client's name among all clients.
    pub(super) client: String,
    pub(super) ip: IpAddr,
    /// Where it is pushed to over UDP; 0 for a connection.
    pub(super) port: u16,
    /// The client's kind and version.
    pub(super) agent: String,
    pub(super) app: String,
}

impl Subscription {
    fn of_connection(service: &ServiceKey, clusters: Clusters, peer: &Peer) -> Self {
        Self {
            service: service.clone(),
            clusters,
            client: peer.id.clone(),
            ip: peer.address.ip(),
            port: 0,
            agent: peer.agent.clone(),
            app: peer.app.clone(),
        }
    }

    fn of_listener(listener: &Listener) -> Self {
        let address = listener.subscriber.address;
        Self {
            service: listener.subscriber.service.clone(),
            clusters: listener.subscriber.clusters.clone(),
            client: listening(address),
            ip: address.ip(),
            port: address.port(),
            agent: listener.program.agent.clone(),
            app: listener.program.app.clone(),
        }
    }

    /// The address as Nacos shows it: with the port if there is one.
    pub(super) fn address(&self) -> String {
        match self.port {
            0 => self.ip.to_string(),
            port => format!("{}:{port}", self.ip),
        }
    }
}

/// The name of a client that is pushed to over UDP, as 2.x makes it up.
pub(super) fn listening(address: SocketAddr) -> String {
    format!("{}:{}#true", address.ip(), address.port())
}

/// The subscriptions of a service whose clients are still there.
pub(super) fn of_service(registry: &Registry, service: &ServiceKey) -> Vec<Subscription> {
    let mut found = of_connections(registry, service);
    let listeners = registry.inner.udp.listeners(|it| it.service == *service);
    found.extend(as_presented(registry, listeners));
    found
}

/// The subscriptions of one client: a connection, an address that listens, or
/// one that does not.
pub(super) fn of_client(
    registry: &Registry,
    held: Option<ClientId>,
    listens: Vec<Listener>,
) -> Vec<Subscription> {
    let mut found = as_presented(registry, listens);
    let connection = held.and_then(|client| {
        let peer = registry.inner.outboxes.read().peer(client)?;
        Some((client, peer))
    });
    if let Some((client, peer)) = connection {
        let subscribed = registry.act(|store, _| store.subscribed_by(client));
        // The pages about clients show no clusters.
        let of = |service| Subscription::of_connection(service, Clusters::new(""), &peer);
        found.extend(subscribed.iter().map(of));
    }
    found
}

/// The subscriptions of all services of the namespace that have the name, and
/// the group, within their own. A service without instances has to be named
/// whole, unless its changes are pushed over UDP.
fn like(registry: &Registry, wanted: &ServiceKey) -> Vec<Subscription> {
    let within = |group: &str, name: &str| {
        group.contains(wanted.group.as_str()) && name.contains(wanted.name.as_str())
    };
    let services = registry.services(&wanted.namespace);
    let services = services.filter(|key| within(key.group.as_str(), key.name.as_str()));
    let mut services: Vec<ServiceKey> = services.collect();
    if !services.contains(wanted) {
        services.push(wanted.clone());
    }
    let services = services.iter();
    let mut found: Vec<_> = services
        .flat_map(|service| of_connections(registry, service))
        .collect();
    let listeners = registry.inner.udp.listeners(|it| {
        let key = &it.service;
        key.namespace == wanted.namespace && within(key.group.as_str(), key.name.as_str())
    });
    found.extend(as_presented(registry, listeners));
    found
}

fn of_connections(registry: &Registry, service: &ServiceKey) -> Vec<Subscription> {
    let subscribers: Vec<(ClientId, Clusters)> =
        registry.act(|store, _| store.subscribers(service));
    let outboxes = registry.inner.outboxes.read();
    let subscribers = subscribers.into_iter();
    let found = subscribers.filter_map(|(client, clusters)| {
        let peer = outboxes.peer(client)?;
        Some(Subscription::of_connection(service, clusters, &peer))
    });
    found.collect()
}

/// From 2.0 on an address has one subscription to a service: the one that it
/// asked for last, though all are pushed here.
fn as_presented(registry: &Registry, listeners: Vec<Listener>) -> Vec<Subscription> {
    if registry.settings().version.is_first_generation() {
        return listeners.iter().map(Subscription::of_listener).collect();
    }
    let mut latest: BTreeMap<(SocketAddr, ServiceKey), Listener> = BTreeMap::new();
    for listener in listeners {
        let key = (
            listener.subscriber.address,
            listener.subscriber.service.clone(),
        );
        match latest.get(&key) {
            Some(known) if known.renewed > listener.renewed => {}
            _ => {
                latest.insert(key, listener);
            }
        }
    }
    latest.values().map(Subscription::of_listener).collect()
}

/// A subscription as v1 shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    addr_str: String,
    agent: &'a str,
    app: &'a str,
    ip: IpAddr,
    /// Neither this nor the clusters are known to 1.x.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    namespace_id: &'a str,
    service_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
}

pub(super) async fn list(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Page<'a> {
        subscribers: Vec<Shown<'a>>,
        count: usize,
    }
    let version = site.registry.settings().version;
    let is_first = version.is_first_generation();
    let service = params.service()?;
    let page_no = params.integer_or("pageNo", 1)?;
    let page_size = params.integer_or("pageSize", 1000)?;
    let all = like(&site.registry, &service);
    let shown = page(&all, page_no, page_size).iter().map(|it| Shown {
        addr_str: it.address(),
        agent: &it.agent,
        app: &it.app,
        ip: it.ip,
        port: (!is_first).then_some(it.port),
        namespace_id: service.namespace.as_str(),
        service_name: it.service.grouped(),
        cluster: (!is_first).then_some(it.clusters.as_str()),
    });
    // A page that begins past the end fails, and early versions count nothing then.
    let begin = page_no.saturating_sub(1).saturating_mul(page_size);
    let is_past = usize::try_from(begin).is_ok_and(|begin| begin > all.len());
    Ok(Json(Page {
        subscribers: shown.collect(),
        count: match is_past && !version.counts_past_the_end() {
            true => 0,
            false => all.len(),
        },
    })
    .into_response())
}
