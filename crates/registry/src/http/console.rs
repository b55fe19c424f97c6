//! What a client may ask about the server itself.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use syncline_model::NamespaceId;

use super::Site;
use super::failure::{Failure, result};
use super::params::Params;
use crate::registry::Registry;

/// The console's part of v1, which 3.x has elsewhere.
pub(super) fn v1() -> Router<Site> {
    Router::new()
        .route("/v1/console/namespaces", get(namespaces))
        .route("/v1/console/server/state", get(state))
        .route("/v1/console/health/liveness", get(|| async { "OK" }))
        .route("/v1/console/health/readiness", get(|| async { "OK" }))
}

/// The console's part of v2.
pub(super) fn v2() -> Router<Site> {
    Router::new()
        .route("/v2/console/namespace/list", get(namespaces_in_result))
        .route(
            "/v2/console/health/liveness",
            get(|| async { result("ok") }),
        )
        .route(
            "/v2/console/health/readiness",
            get(|| async { result("ok") }),
        )
}

async fn namespaces(State(site): State<Site>) -> Response {
    let body = serde_json::json!({
        "code": 200, "message": null, "data": list_namespaces(&site.registry),
    });
    Json(body).into_response()
}

async fn namespaces_in_result(State(site): State<Site>) -> Response {
    result(list_namespaces(&site.registry))
}

/// Public first, which 1.x and 2.x list without an id; then every namespace
/// that has services, of the kind that users create. Nobody has to.
pub(super) fn list_namespaces(registry: &Registry) -> Vec<serde_json::Value> {
    let entry = |id: &str, name: &str, description: Option<&str>, kind: u8| {
        serde_json::json!({
            "namespace": id,
            "namespaceShowName": name,
            "namespaceDesc": description,
            "quota": 200,
            "configCount": 0,
            "type": kind,
        })
    };
    let (public, created) = match registry.settings().version.has_v3() {
        true => (NamespaceId::PUBLIC, 1),
        false => ("", 2),
    };
    let public = entry(public, NamespaceId::PUBLIC, Some("Default Namespace"), 0);
    let others = registry.namespaces().into_iter();
    let others = others.filter(|id| id.as_str() != NamespaceId::PUBLIC);
    let others = others.map(|id| entry(id.as_str(), id.as_str(), None, created));
    std::iter::once(public).chain(others).collect()
}

async fn state(State(site): State<Site>) -> Response {
    Json(state_of(&site)).into_response()
}

/// What the server is; all values are texts or null.
pub(super) fn state_of(site: &Site) -> serde_json::Value {
    let version = site.registry.settings().version;
    if !version.has_v2() {
        return serde_json::json!({
            "version": version.to_string(),
            "standalone_mode": "standalone",
            "function_mode": null,
        });
    }
    serde_json::json!({
        "version": version.to_string(),
        "startup_mode": "standalone",
        "function_mode": "naming",
        "server_port": site.port.to_string(),
        "auth_enabled": site.registry.has_users().to_string(),
    })
}

pub(super) async fn metrics(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    if params.or("onlyStatus", "true") == "true" {
        return Ok(Json(serde_json::json!({ "status": "UP" })).into_response());
    }
    let mut all = all_metrics(&site.registry);
    // v2 leaves this one out.
    all["responsibleInstanceCount"] = all["instanceCount"].clone();
    if !site.registry.settings().version.has_v2() {
        all["responsibleServiceCount"] = all["serviceCount"].clone();
        all["raftNotifyTaskCount"] = 0.into();
    }
    Ok(Json(all).into_response())
}

/// What 1.x tells whatever is asked for.
pub(super) async fn first_metrics(State(site): State<Site>) -> Response {
    let figures = site.registry.figures();
    let (services, instances) = (figures.services, figures.published_instances);
    let body = serde_json::json!({
        "status": "UP",
        "serviceCount": services,
        "instanceCount": instances,
        "raftNotifyTaskCount": 0,
        "responsibleServiceCount": services,
        "responsibleInstanceCount": instances,
        "cpu": 0.0,
        "load": 0.0,
        "mem": 0.0,
    });
    Json(body).into_response()
}

/// Counts under Nacos's names. The load of the machine is not looked at.
fn all_metrics(registry: &Registry) -> serde_json::Value {
    let figures = registry.figures();
    let clients =
        figures.connections + figures.beat_addresses + figures.persistent_addresses + figures.links;
    serde_json::json!({
        "status": "UP",
        "serviceCount": figures.services,
        "instanceCount": figures.published_instances,
        "subscribeCount": figures.subscriptions,
        "clientCount": clients,
        "connectionBasedClientCount": figures.connections,
        "ephemeralIpPortClientCount": figures.beat_addresses,
        "persistentIpPortClientCount": figures.persistent_addresses,
        "responsibleClientCount": clients,
        "cpu": 0.0,
        "load": 0.0,
        "mem": 0.0,
    })
}

pub(super) async fn metrics_in_result(State(site): State<Site>, params: Params) -> Response {
    if params.or("onlyStatus", "true") == "true" {
        result(serde_json::json!({ "status": "UP" }))
    } else {
        result(all_metrics(&site.registry))
    }
}
