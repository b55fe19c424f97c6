//! Who is subscribed to a service.

use std::sync::Arc;

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

/// One subscription of a client that is connected.
pub(super) struct Subscription {
    pub(super) peer: Arc<Peer>,
    clusters: Clusters,
}

/// The subscriptions of a service whose clients are still there.
pub(super) fn of_service(registry: &Registry, service: &ServiceKey) -> Vec<Subscription> {
    let subscribers: Vec<(ClientId, Clusters)> =
        registry.act(|store, _| store.subscribers(service));
    let outboxes = registry.inner.outboxes.read();
    let subscribers = subscribers.into_iter();
    let found = subscribers.filter_map(|(client, clusters)| {
        let peer = outboxes.peer(client)?;
        Some(Subscription { peer, clusters })
    });
    found.collect()
}

pub(super) async fn list(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    /// A subscription as v1 shows it. A connection has no port to push to.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        addr_str: String,
        agent: &'a str,
        app: &'a str,
        ip: String,
        port: u16,
        namespace_id: &'a str,
        service_name: &'a str,
        cluster: &'a str,
    }
    #[derive(Serialize)]
    struct Page<'a> {
        subscribers: Vec<Shown<'a>>,
        count: usize,
    }
    let service = params.service()?;
    let page_no = params.integer_or("pageNo", 1)?;
    let page_size = params.integer_or("pageSize", 1000)?;
    let grouped = service.grouped();
    let all = of_service(&site.registry, &service);
    let shown = page(&all, page_no, page_size).iter().map(|subscription| {
        let ip = subscription.peer.address.ip().to_string();
        Shown {
            addr_str: ip.clone(),
            agent: &subscription.peer.agent,
            app: &subscription.peer.app,
            ip,
            port: 0,
            namespace_id: service.namespace.as_str(),
            service_name: &grouped,
            cluster: subscription.clusters.as_str(),
        }
    });
    Ok(Json(Page {
        subscribers: shown.collect(),
        count: all.len(),
    })
    .into_response())
}
